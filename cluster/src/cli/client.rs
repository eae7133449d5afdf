//! [`Address`]: a replica that is served, and how it is asked.

use std::fmt;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, Uri};

use crate::failure::Failure;
use crate::quote::{quote, visible, without_credentials};

/// How long an answer may take to begin.
const ANSWERING: Duration = Duration::from_secs(30);

/// Represents the address of a replica that is served.
pub(crate) struct Address {
    /// Without a slash at its end.
    url: String,
    agent: Agent,
}

/// Represents what was answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// The position in the head of the answer.
    pub(crate) position: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// The name of the position in the head of an answer.
pub(crate) const POSITION: &str = "provider-tree-position";

impl Address {
    /// Returns whether the text is meant as an address.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    pub(crate) fn of(url: &str) -> Result<Self, Failure> {
        if url.contains('@') {
            let url = quote(&without_credentials(url));
            return Err(Failure::usage(format!("{url}: an address has no user and no password")));
        }
        let is_right = url.parse::<Uri>().is_ok_and(|uri| {
            uri.scheme_str() == Some("http")
                && uri.authority().is_some()
                && uri.path_and_query().is_none_or(|rest| rest.as_str() == "/")
        });
        if !is_right {
            let url = quote(url);
            return Err(Failure::usage(format!("{url} is not like http://ADDRESS:PORT")));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(ANSWERING))
            .timeout_recv_response(Some(ANSWERING))
            .proxy(None)
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Address { url, agent: config.into() })
    }

    /// Asks for what is at a path, and returns what that is.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        self.try_get(path)?.success(self, path)
    }

    /// Asks for what is at a path, and returns the answer, whichever it is.
    pub(crate) fn try_get(&self, path: &str) -> Result<Answered, Failure> {
        self.answered(self.agent.get(format!("{}{path}", self.url)).call(), path)
    }

    pub(crate) fn post(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let asked = self.agent.post(format!("{}{path}", self.url)).send_empty();
        self.answered(asked, path)?.success(self, path)
    }

    fn answered(
        &self,
        asked: Result<Response<ureq::Body>, ureq::Error>,
        path: &str,
    ) -> Result<Answered, Failure> {
        let fail = |error: ureq::Error| {
            let error = visible(&error.to_string());
            Failure::failed(format!("{self}{path} can't be asked: {error}"))
        };
        let mut response = asked.map_err(fail)?;
        let status = response.status().as_u16();
        let position = response.headers().get(POSITION);
        let position = position.and_then(|position| position.to_str().ok()?.parse().ok());
        // A dump is as large as the forest is.
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(fail)?;
        Ok(Answered { status, position, body })
    }
}

impl Answered {
    fn success(self, address: &Address, path: &str) -> Result<Vec<u8>, Failure> {
        if self.status == 200 {
            return Ok(self.body);
        }
        let status = self.status;
        let text = quote(String::from_utf8_lossy(&self.body).trim());
        Err(Failure::failed(format!("{address}{path} answers with {status}: {text}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

//! [`Links`]: one connection to one member of etcd, and another one when it fails.
//!
//! `etcd-client` could spread requests over several members by itself, but it sends them to dead members too:
//! of three requests to a cluster of which one member is dead, one would fail for ever. So a [`Link`] knows
//! one member, and all requests take the same link until one of them finds it unavailable. No request is
//! repeated here.
//!
//! Whether a member hangs is found by requests that have no answer in time, not by pings: etcd lets a client
//! ping only every five seconds (`--grpc-keepalive-min-time`), and closes the connection of one that does more.

use std::fmt;
use std::sync::{Arc, OnceLock};

use etcd_client::{Client, ConnectOptions, Error, GetOptions, KvClient, WatchClient};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::EtcdOptions;
use super::failure::{explain, too_late};
use super::keys::Keys;
use crate::log::LogError;

pub(super) struct Links {
    endpoints: Vec<String>,
    options: EtcdOptions,
    current: Mutex<Current>,
    /// The number of the cluster, which all members have, and the revision of no other cluster compares with.
    cluster: OnceLock<u64>,
}

struct Current {
    link: Option<Arc<Link>>,
    /// Which endpoint is the next to be tried, modulo how many there are.
    next: usize,
}

/// Represents a connection to one member.
pub(super) struct Link {
    kv: KvClient,
    watch: WatchClient,
    endpoint: String,
}

impl Links {
    /// Connects to the first member that answers, beginning with any of them.
    pub(super) async fn connect(
        endpoints: Vec<String>,
        options: EtcdOptions,
    ) -> Result<Self, LogError> {
        options.check()?;
        if endpoints.is_empty() {
            return Err(LogError::Options { reason: "no endpoints".into() });
        }
        // Such an endpoint has credentials, which would be in texts of errors.
        if endpoints.iter().any(|endpoint| endpoint.contains('@')) {
            return Err(LogError::Options { reason: "an endpoint has a user in it".into() });
        }
        let any = Uuid::new_v4().as_u128() as usize % endpoints.len();
        let links = Links {
            current: Mutex::new(Current { link: None, next: any }),
            endpoints,
            options,
            cluster: OnceLock::new(),
        };
        let mut tries = links.endpoints.len();
        loop {
            tries -= 1;
            match links.link().await {
                Ok(_) => return Ok(links),
                Err(error) if error.is_temporary() && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn options(&self) -> &EtcdOptions {
        &self.options
    }

    /// Asks the member of the moment.
    pub(super) async fn ask<T, F>(&self, ask: impl FnOnce(KvClient) -> F) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let link = self.link().await?;
        self.ask_at(&link, |link| ask(link.kv.clone())).await
    }

    /// Asks the member of a link.
    pub(super) async fn ask_at<T, F>(
        &self,
        link: &Arc<Link>,
        ask: impl FnOnce(&Link) -> F,
    ) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let answer = match timeout(self.options.request_timeout, ask(link)).await {
            Ok(answer) => answer.map_err(explain),
            Err(_) => Err(too_late()),
        };
        if let Err(LogError::Unavailable { reason }) = &answer {
            self.fail(link, reason).await;
        }
        answer
    }

    /// Returns the link of the moment. If there is none, one endpoint is tried: the next call tries the next.
    pub(super) async fn link(&self) -> Result<Arc<Link>, LogError> {
        let patience = self.options.connect_timeout + self.options.request_timeout;
        match timeout(patience, self.link_or_open()).await {
            Ok(link) => link,
            Err(_) => Err(too_late()),
        }
    }

    /// Lets later requests take another member, unless they do already.
    pub(super) async fn fail(&self, link: &Arc<Link>, reason: &str) {
        let mut current = self.current.lock().await;
        if current.link.as_ref().is_some_and(|this| Arc::ptr_eq(this, link)) {
            current.link = None;
            tracing::warn!(endpoint = link.endpoint, reason, "a connection to etcd is given up");
        }
    }

    async fn link_or_open(&self) -> Result<Arc<Link>, LogError> {
        let mut current = self.current.lock().await;
        if let Some(link) = &current.link {
            return Ok(link.clone());
        }
        // Before anything is waited for: an attempt that is dropped has had its turn, too.
        let endpoint = &self.endpoints[current.next % self.endpoints.len()];
        current.next = current.next.wrapping_add(1);
        let link = Arc::new(self.open(endpoint).await.inspect_err(
            |error| tracing::debug!(endpoint, %error, "no connection to a member of etcd"),
        )?);
        tracing::info!(endpoint, "connected to etcd");
        current.link = Some(link.clone());
        Ok(link)
    }

    /// Connects to one member, and finds out whether it has a majority.
    async fn open(&self, endpoint: &str) -> Result<Link, LogError> {
        let client = Client::connect([endpoint], Some(self.connect_options()));
        let client = client.await.map_err(explain)?;
        let largest = self.options.largest_message();
        let link = Link {
            kv: client.kv_client().max_decoding_message_size(largest),
            watch: client.watch_client().max_decoding_message_size(largest),
            endpoint: endpoint.to_owned(),
        };
        // A key that whoever may use the log may read.
        let newest = Keys::new(&self.options.prefix);
        let options = GetOptions::new().with_keys_only();
        let answer = link.kv.clone().get(newest.newest(), Some(options)).await.map_err(explain)?;
        let cluster = answer.header().map_or(0, |header| header.cluster_id());
        if *self.cluster.get_or_init(|| cluster) != cluster {
            let reason = format!("{endpoint} is of another cluster of etcd than before");
            return Err(LogError::Damaged { reason });
        }
        Ok(link)
    }

    fn connect_options(&self) -> ConnectOptions {
        // A member without a leader refuses then, instead of waiting, and ends its watches.
        let mut options = ConnectOptions::new()
            .with_require_leader(true)
            .with_connect_timeout(self.options.connect_timeout);
        if let Some((name, password)) = &self.options.user {
            // A token ends after five minutes, or with its member.
            options = options.with_user(name, password).with_auto_token_refresh(true);
        }
        #[cfg(feature = "etcd-tls")]
        if let Some(tls) = &self.options.tls {
            options = options.with_tls(tls.clone());
        }
        options
    }
}

impl Link {
    pub(super) fn kv(&self) -> KvClient {
        self.kv.clone()
    }

    pub(super) fn watch(&self) -> WatchClient {
        self.watch.clone()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("endpoints", &self.endpoints)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

//! [`EtcdOptions`]: where in etcd a log is kept, and how it is reached.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "etcd-tls")]
use etcd_client::TlsOptions;

use crate::log::LogError;

/// How many entries are asked for with one request.
pub(super) const RUN: u64 = 64;

/// How large a message from etcd may be, at least.
const LARGEST: usize = 128 << 20;

/// Describes where in etcd a log is kept, and how it is reached.
///
/// A follower that lags is told of many entries in one message: it has up to as many bytes as etcd's
/// `--max-request-bytes`, and a little more. Messages of up to 128 MiB are read, so etcd must be given less
/// than that.
#[derive(Clone)]
pub struct EtcdOptions {
    pub(super) prefix: String,
    pub(super) user: Option<(String, String)>,
    #[cfg(feature = "etcd-tls")]
    pub(super) tls: Option<TlsOptions>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) silence: Duration,
    pub(super) most_bytes: usize,
    pub(super) chunk_bytes: usize,
    pub(super) compact: bool,
}

impl EtcdOptions {
    /// Describes a log whose keys begin with `prefix` and a slash. Logs with different prefixes know nothing
    /// of each other. No prefix may be within another's keys: after `a`, don't use `a/log`.
    pub fn new(prefix: impl Into<String>) -> Self {
        EtcdOptions {
            prefix: prefix.into(),
            user: None,
            #[cfg(feature = "etcd-tls")]
            tls: None,
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(3),
            silence: Duration::from_secs(1),
            most_bytes: 1 << 20,
            chunk_bytes: 256 << 10,
            compact: true,
        }
    }

    /// Sets the user and the password. They must be able to read and write all keys with the prefix.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some((name.into(), password.into()));
        self
    }

    /// Reaches etcd over TLS. All endpoints must then begin with `https://`, or with no scheme.
    #[cfg(feature = "etcd-tls")]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how long a connection to a member may take to be made: 1 s if not said.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a member may take to answer a request: 3 s if not said. Then the request has failed, and
    /// the next one goes to another member.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets after how long a silence a follower asks its member whether it still has a majority: 1 s if not
    /// said. A follower whose member hangs, or is cut off, fails at most this and the timeout of a request
    /// later.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Sets how many bytes an entry can have: 1 MiB if not said. With its key it must be a little less than
    /// etcd's `--max-request-bytes`, which is 1.5 MiB if not said.
    pub fn most_bytes(mut self, most: usize) -> Self {
        self.most_bytes = most;
        self
    }

    /// Sets how many bytes of a dump are under one key: 256 KiB if not said. The bound is that of an entry.
    /// Larger ones make no dump faster, and entries wait longer behind them.
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Sets whether a dump that is stored compacts the history of etcd, up to the dump before it: so it does
    /// if not said. That concerns all keys of that etcd, whosever they are; without it, someone else must
    /// compact, or etcd grows until it is full.
    pub fn compact(mut self, compact: bool) -> Self {
        self.compact = compact;
        self
    }

    /// Fails if the options make no sense.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let wrong = |reason: &str| Err(LogError::Options { reason: reason.into() });
        if self.prefix.is_empty() || self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            return wrong("a prefix is empty, or begins or ends with a slash");
        }
        if self.most_bytes == 0 || self.chunk_bytes == 0 {
            return wrong("entries or chunks of 0 bytes");
        }
        let times = [self.connect_timeout, self.request_timeout, self.silence];
        if times.iter().any(Duration::is_zero) {
            return wrong("a time of 0");
        }
        Ok(())
    }

    /// Returns how large a message from etcd may be. An answer has a run of entries, one chunk, or a page of
    /// keys. What a follower is told comes in parts that are little larger than etcd's largest request, which
    /// only etcd knows: so there is much room. It takes no memory before such a message comes.
    pub(super) fn largest_message(&self) -> usize {
        let run = self.most_bytes.saturating_mul(RUN as usize).saturating_add(2 << 20);
        run.max(self.chunk_bytes.saturating_mul(2)).max(LARGEST)
    }
}

/// Shows no credentials.
impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("silence", &self.silence)
            .field("most_bytes", &self.most_bytes)
            .field("chunk_bytes", &self.chunk_bytes)
            .field("compact", &self.compact)
            .finish_non_exhaustive()
    }
}

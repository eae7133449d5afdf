//! [`OpenLog`]: a log of the kind that the options name.

use provider_tree_cluster::log::{LocalLog, Log as _, LogError, Position, StoredDump};
use provider_tree_cluster::{Error, Options, Replica};

use crate::failure::Failure;
use crate::options::LogOptions;

#[cfg(feature = "etcd")]
mod etcd;

/// Represents a log of any kind.
#[derive(Clone)]
pub(crate) enum OpenLog {
    Local(LocalLog),
    #[cfg(feature = "etcd")]
    Etcd(provider_tree_cluster::log::EtcdLog),
}

impl OpenLog {
    /// Opens the log that the options name. Makes the file of a local log if there is none.
    pub(crate) async fn open(options: &LogOptions) -> Result<Self, Failure> {
        match &options.local {
            Some(path) => Ok(OpenLog::Local(LocalLog::open(path).await?)),
            None => open_etcd(options).await,
        }
    }

    /// Opens the log that the options name, and makes none.
    pub(crate) async fn open_existing(options: &LogOptions) -> Result<Self, Failure> {
        if let Some(path) = &options.local {
            std::fs::metadata(path).map_err(Failure::unreadable(path))?;
        }
        OpenLog::open(options).await
    }

    /// Says of which kind the log is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            OpenLog::Local(_) => "local",
            #[cfg(feature = "etcd")]
            OpenLog::Etcd(_) => "etcd",
        }
    }

    /// Starts a replica on the log.
    pub(crate) async fn start(&self, options: Options) -> Result<Replica, Error> {
        match self {
            OpenLog::Local(log) => Replica::start(log.clone(), options).await,
            #[cfg(feature = "etcd")]
            OpenLog::Etcd(log) => Replica::start(log.clone(), options).await,
        }
    }

    pub(crate) async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        match self {
            OpenLog::Local(log) => log.newest_dump().await,
            #[cfg(feature = "etcd")]
            OpenLog::Etcd(log) => log.newest_dump().await,
        }
    }

    pub(crate) async fn end(&self) -> Result<Position, LogError> {
        match self {
            OpenLog::Local(log) => log.end().await,
            #[cfg(feature = "etcd")]
            OpenLog::Etcd(log) => log.end().await,
        }
    }

    /// Closes the log, when what was asked before is done.
    pub(crate) async fn close(self) {
        match self {
            OpenLog::Local(log) => log.close().await,
            #[cfg(feature = "etcd")]
            OpenLog::Etcd(_) => {}
        }
    }
}

#[cfg(feature = "etcd")]
async fn open_etcd(options: &LogOptions) -> Result<OpenLog, Failure> {
    etcd::connect(options).await.map(OpenLog::Etcd)
}

#[cfg(not(feature = "etcd"))]
async fn open_etcd(_: &LogOptions) -> Result<OpenLog, Failure> {
    Err(Failure::usage(
        "this program was built without etcd: build it with --features cli,etcd, \
         or cli,etcd-tls for TLS",
    ))
}

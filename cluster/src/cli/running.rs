//! [`Running`]: a replica with the log that it is on.

use std::time::Duration;

use provider_tree_cluster::{Options, Replica};

use crate::failure::Failure;
use crate::logs::OpenLog;
use crate::options::LogOptions;
use crate::signals::Stop;

/// How long a replica may take to be closed.
const CLOSING: Duration = Duration::from_secs(10);

/// Runs a command that needs a runtime.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let done = runtime.block_on(command);
    // Nobody waits for what was given up.
    runtime.shutdown_background();
    done
}

/// Holds a replica, and the log that it is on.
pub(crate) struct Running {
    pub(crate) replica: Replica,
    pub(crate) log: OpenLog,
}

impl Running {
    /// Opens the log that the options name, and starts a replica on it. Returns `None` if somebody wants the
    /// end meanwhile.
    pub(crate) async fn open(
        log: &LogOptions,
        options: Options,
        stop: &Stop,
    ) -> Result<Option<Self>, Failure> {
        let opening = async { Running::start(OpenLog::open(log).await?, options).await };
        tokio::select! {
            running = opening => running.map(Some),
            () = stop.clone().requested() => Ok(None),
        }
    }

    /// Starts a replica on a log.
    pub(crate) async fn start(log: OpenLog, options: Options) -> Result<Self, Failure> {
        match log.start(options).await {
            Ok(replica) => Ok(Running { replica, log }),
            Err(error) => {
                log.close().await;
                Err(error.into())
            }
        }
    }

    /// Waits for the commands that are on their way, and closes the replica and the log.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let Running { replica, log } = self;
        let closing = async {
            replica.close().await;
            log.close().await;
        };
        tokio::time::timeout(CLOSING, closing).await.map_err(|_| {
            let outstanding = replica.status().outstanding;
            Failure::failed(format!(
                "the log has not answered within {CLOSING:?}: of {outstanding} commands on their \
                 way the outcome is not known"
            ))
        })
    }
}

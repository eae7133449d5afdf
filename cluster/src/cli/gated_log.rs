//! [`GatedLog`]: a log in a file, whose appends a test holds up or lets fail.

use std::sync::Arc;

use bytes::Bytes;
use provider_tree_cluster::log::{
    EntryKey, LocalFollower, LocalLog, Log, LogError, Position, StoredDump,
};
use tempfile::TempDir;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct GatedLog {
    log: LocalLog,
    gate: Arc<watch::Sender<Gate>>,
    /// How often an append was asked for.
    attempts: Arc<watch::Sender<u64>>,
    _folder: Arc<TempDir>,
}

/// What becomes of appends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gate {
    Open,
    Shut,
    Failing,
}

impl GatedLog {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = LocalLog::open(folder.path().join("forest.log")).await.unwrap();
        let (gate, attempts) = (watch::Sender::new(Gate::Open), watch::Sender::new(0));
        let (gate, attempts) = (Arc::new(gate), Arc::new(attempts));
        GatedLog { log, gate, attempts, _folder: Arc::new(folder) }
    }

    pub(crate) fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }

    /// Forgets the attempts that there were.
    pub(crate) fn reset_attempts(&self) {
        self.attempts.send_replace(0);
    }

    /// Waits until an append was asked for.
    pub(crate) async fn attempted(&self) {
        self.attempts.subscribe().wait_for(|attempts| *attempts > 0).await.unwrap();
    }
}

impl Log for GatedLog {
    type Follower = LocalFollower;

    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        self.attempts.send_modify(|attempts| *attempts += 1);
        let mut gate = self.gate.subscribe();
        let gate = *gate.wait_for(|gate| *gate != Gate::Shut).await.unwrap();
        match gate {
            Gate::Failing => Err(LogError::Unavailable { reason: "<it fails>".to_owned() }),
            Gate::Open | Gate::Shut => self.log.append(key, bytes).await,
        }
    }

    async fn follow(&self, after: Position) -> Result<LocalFollower, LogError> {
        self.log.follow(after).await
    }

    async fn end(&self) -> Result<Position, LogError> {
        self.log.end().await
    }

    async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        self.log.newest_dump().await
    }

    async fn store_dump(&self, dump: StoredDump) -> Result<bool, LogError> {
        self.log.store_dump(dump).await
    }

    fn most_bytes(&self) -> usize {
        self.log.most_bytes()
    }
}

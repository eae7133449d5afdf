//! What the handles of a log, its followers and its writer share.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use redb::Database;
use tokio::sync::watch;

use super::recent::Recent;
use super::store::{self, Extent};
use super::thread_has_ended;
use crate::log::LogError;

/// Represents what is known of a log: what it has, or why it has ended.
pub(super) type State = Result<Extent, LogError>;

/// Holds what the handles of a log, its followers and its writer share.
pub(super) struct Shared {
    /// None while it is opened anew, and when the log has ended. Readers have the lock for a page, and
    /// only the writer changes it.
    pub(super) database: RwLock<Option<Database>>,
    recent: Mutex<Recent>,
    state: watch::Receiver<State>,
}

impl Shared {
    pub(super) fn new(database: Database, state: watch::Receiver<State>) -> Shared {
        Shared { database: RwLock::new(Some(database)), recent: Mutex::default(), state }
    }

    /// Returns what the log has.
    pub(super) fn extent(&self) -> Result<Extent, LogError> {
        self.state.borrow().clone()
    }

    /// Returns what tells of each change.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Returns why there is no answer from the writer.
    pub(super) fn why_ended(&self) -> LogError {
        self.extent().err().unwrap_or_else(thread_has_ended)
    }

    /// Returns the newest entries.
    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        // No panic can leave it half changed.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file, which blocks.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*database {
            Some(database) => read(database).map_err(|fault| store::doubt(&fault)),
            None => Err(self.why_ended()),
        }
    }
}

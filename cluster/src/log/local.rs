//! [`LocalLog`]: a log in a file of this machine, for the replicas of one process.
//!
//! The file is a database of redb. One thread has all writes: it takes the appends that wait, writes them in
//! one durable transaction, and then answers them all. Followers are told from memory what is new, and read
//! the file, a page at a time, when they are behind.

mod follower;
mod recent;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task;

pub use follower::LocalFollower;

use crate::log::{EntryKey, Log, LogError, Position, StoredDump};
use shared::Shared;
use store::Opener;
use writer::{Append, Request, Writer};

/// How many bytes an entry can have.
const MOST_BYTES: usize = 16 << 20;

/// How many requests wait for the thread; whoever comes then waits for a place.
const MOST_REQUESTS: usize = 256;

/// Represents a log in a file of this machine. It is a handle: clones share the log.
///
/// Its methods are to be called within a runtime of tokio, whose threads are never held up by the file.
///
/// The positions are 1, 2, 3 and so on, without a gap. A key belongs to the first bytes that come with it: an
/// entry with the same key and other bytes is [denied](LogError::Denied). So is a dump that has more than
/// the log.
///
/// # When the storage fails
///
/// After a write or a sync that has failed, nothing is known of what the file has got, and a later sync that
/// succeeds does not tell. So the log closes the file then, and after a read that has failed too. It answers
/// everything from then on with [`Ended`](LogError::Ended), or with
/// [`Damaged`](LogError::Damaged) if what the file has makes no sense, until it is [opened](Self::open)
/// anew. Then every entry is there of which `append` had answered `Ok`, and of the others each is there as a
/// whole or not at all.
///
/// Where there is no room, the log finds out by itself: it opens the file anew, and looks which of the
/// entries it has. The others are refused as [`Full`](LogError::Full), and the log goes on. It ends as above
/// if there is not even room to open the file.
///
/// What a machine has cached of a file after a sync that has failed may differ from what its disk has. Where
/// the disk itself is in doubt, start the machine anew before the log is.
///
/// # When it is dropped
///
/// The file is closed soon after the last handle is dropped; [`close`](Self::close) waits for it. Whatever has
/// been asked before is done first. A follower does not keep the log open.
#[derive(Clone)]
pub struct LocalLog {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

impl LocalLog {
    /// Opens the log in the file at `path`, and makes the file if there is none.
    ///
    /// Where the file was not closed, all of it is read first.
    ///
    /// # Errors
    ///
    /// Returns [`InUse`](LogError::InUse) if the log is open already, in whichever process;
    /// [`Damaged`](LogError::Damaged) if the file isn't such a log, [`Full`](LogError::Full) if there is no
    /// room, and otherwise [`Unavailable`](LogError::Unavailable).
    pub async fn open(path: impl AsRef<Path>) -> Result<LocalLog, LogError> {
        let path = PathBuf::from(path.as_ref());
        LocalLog::open_with(Box::new(move || store::open_file(&path))).await
    }

    /// Closes the log for all its handles and followers, when what was asked before has been done.
    pub async fn close(self) {
        let (answer, closed) = oneshot::channel();
        if self.requests.send(Request::Close(answer)).await.is_ok() {
            // An error is the end of the thread, which has closed the file then.
            let _ = closed.await;
        }
    }

    async fn open_with(open: Opener) -> Result<LocalLog, LogError> {
        let (answer, opened) = oneshot::channel();
        let work = move || match LocalLog::assemble(open) {
            Ok((log, writer)) => {
                // If nobody waits any more, the only handle is dropped here, and the writer ends at once.
                let _ = answer.send(Ok(log));
                writer.run();
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        };
        thread::Builder::new().name("provider-tree-log".to_owned()).spawn(work).map_err(
            |error| LogError::Unavailable { reason: format!("no thread for the log: {error}") },
        )?;
        opened.await.unwrap_or_else(|_| Err(thread_has_ended()))
    }

    /// Opens the database, and returns the log and what is to have a thread of its own.
    fn assemble(open: Opener) -> Result<(LocalLog, Writer), LogError> {
        let (requests, waiting) = mpsc::channel(MOST_REQUESTS);
        let (shared, writer) = Writer::new(open, waiting)?;
        Ok((LocalLog { requests, shared }, writer))
    }

    /// Asks the writer for something, and waits for its answer.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Request,
    ) -> Result<T, LogError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| self.shared.why_ended())?;
        answered.await.unwrap_or_else(|_| Err(self.shared.why_ended()))
    }
}

impl Log for LocalLog {
    type Follower = LocalFollower;

    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), LogError> {
        if bytes.len() > MOST_BYTES {
            return Err(LogError::EntryTooLarge { bytes: bytes.len(), most: MOST_BYTES });
        }
        self.ask(|answer| Request::Append(Append { key, bytes, answer })).await
    }

    async fn follow(&self, after: Position) -> Result<LocalFollower, LogError> {
        LocalFollower::new(&self.shared, after)
    }

    async fn end(&self) -> Result<Position, LogError> {
        Ok(self.shared.extent()?.end)
    }

    async fn newest_dump(&self) -> Result<Option<StoredDump>, LogError> {
        let shared = Arc::clone(&self.shared);
        let reading = task::spawn_blocking(move || shared.read(store::newest_dump));
        reading.await.unwrap_or_else(|_| Err(thread_has_ended()))
    }

    async fn store_dump(&self, dump: StoredDump) -> Result<bool, LogError> {
        self.ask(|answer| Request::Dump(dump, answer)).await
    }

    fn most_bytes(&self) -> usize {
        MOST_BYTES
    }

    async fn release(self) {
        let LocalLog { requests, shared } = self;
        let (others, mut state) = (requests.downgrade(), shared.state());
        drop((requests, shared));
        // The writer has the sender, and drops it when the file is closed.
        while others.strong_count() == 0 && state.changed().await.is_ok() {}
    }
}

/// Returns what is the matter if a thread has gone without an answer.
fn thread_has_ended() -> LogError {
    LogError::Ended { reason: "the thread of the log has ended".to_owned() }
}

//! The dumper: has the log keep what its entries have come to, so that they need not be kept themselves.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

use super::call::Call;
use super::shared::Shared;
use crate::entry::Content;
use crate::error::Result;
use crate::log::{Log, StoredDump};
use crate::state::Frozen;

pub(super) struct Dumper<L> {
    pub(super) log: L,
    pub(super) shared: Arc<Shared>,
    pub(super) room: Arc<Semaphore>,
    pub(super) due: Receiver<Due>,
}

/// A state that is to be stored, and who waits for that, if anyone does.
pub(super) struct Due {
    pub(super) frozen: Frozen,
    pub(super) asked: Option<oneshot::Sender<Result<bool>>>,
}

/// What has become of a dump: whether it is the newest one now, and how many bytes it has.
struct Stored {
    is_newest: bool,
    bytes: u64,
}

impl<L: Log> Dumper<L> {
    pub(super) async fn run(mut self) {
        while let Some(Due { frozen, asked }) = self.due.recv().await {
            let position = frozen.position();
            let stored = self.store(frozen).await;
            match &stored {
                Ok(Stored { is_newest: true, bytes }) => {
                    tracing::info!(%position, bytes, "a dump is stored");
                    self.shared.counters.dumps_stored.add(1);
                    self.tell(Content::Dumped(position, *bytes));
                }
                Ok(Stored { is_newest: false, .. }) => {
                    tracing::debug!(%position, "another dump is stored")
                }
                Err(error) => {
                    tracing::warn!(%position, %error, "no dump is stored");
                    self.shared.counters.dump_failures.add(1);
                }
            }
            if let Some(asked) = asked {
                // Who has asked may not wait any more.
                drop(asked.send(stored.map(|stored| stored.is_newest)));
            }
        }
    }

    async fn store(&self, frozen: Frozen) -> Result<Stored> {
        let position = frozen.position();
        let dump = StoredDump { position, bytes: write(Arc::new(frozen)).await? };
        let bytes = dump.bytes.len() as u64;
        Ok(Stored { is_newest: self.log.store_dump(dump).await?, bytes })
    }

    /// Tells all replicas, by an entry.
    fn tell(&self, content: Content) {
        // Whoever closes the replica waits for it, or for the others that have all the room.
        let permit = Arc::clone(&self.room).try_acquire_owned().ok();
        // If nothing is taken in any more, the replica has ended.
        drop(self.shared.queue.push(Call::of_replica(content).with_permit(permit)));
    }
}

/// Makes the bytes of a dump, on a thread that may take its time.
pub(super) async fn write(frozen: Arc<Frozen>) -> Result<Bytes> {
    let written = tokio::task::spawn_blocking(move || frozen.dump());
    match written.await {
        Ok(written) => Ok(written?),
        Err(_) => Err(crate::state::Halt::Panicked.into()),
    }
}

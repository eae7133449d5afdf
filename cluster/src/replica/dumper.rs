//! The dumper: has the log keep what its entries have come to, so that they need not be kept themselves.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender};

use super::call::Call;
use super::shared::Shared;
use crate::entry::Content;
use crate::error::Result;
use crate::log::{Log, StoredDump};
use crate::state::Frozen;

pub(super) struct Dumper<L> {
    pub(super) log: L,
    pub(super) shared: Arc<Shared>,
    pub(super) due: UnboundedReceiver<Frozen>,
    pub(super) calls: WeakUnboundedSender<Call>,
}

impl<L: Log> Dumper<L> {
    pub(super) async fn run(mut self) {
        while let Some(mut frozen) = self.due.recv().await {
            // A newer one has all that an older one has.
            while let Ok(newer) = self.due.try_recv() {
                frozen = newer;
            }
            let position = frozen.position();
            match self.store(frozen).await {
                Ok(true) => {
                    tracing::info!(%position, "a dump is stored");
                    self.shared.counters.dumps_stored.add(1);
                    self.tell(Content::Dumped(position));
                }
                Ok(false) => tracing::debug!(%position, "another dump is stored"),
                Err(error) => {
                    tracing::warn!(%position, %error, "no dump is stored");
                    self.shared.counters.dump_failures.add(1);
                }
            }
        }
    }

    async fn store(&self, frozen: Frozen) -> Result<bool> {
        let position = frozen.position();
        let bytes = write(Arc::new(frozen)).await?;
        Ok(self.log.store_dump(StoredDump { position, bytes }).await?)
    }

    /// Tells all replicas, by an entry.
    fn tell(&self, content: Content) {
        if let Some(calls) = self.calls.upgrade() {
            let replica = self.shared.sent().replica();
            // If nobody takes it any more, the replica is being closed.
            drop(calls.send(Call::of_replica(content, replica)));
        }
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

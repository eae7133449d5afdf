//! Feeds: all changes since a snapshot, piece by piece.

use std::fmt;
use std::sync::Arc;

use crate::claim::Core;
use crate::error::{Error, Result};
use crate::view::changes::Changes;
use crate::view::snapshot::Snapshot;

/// Follows the changes of a forest, piece by piece.
///
/// Each [`poll`](Self::poll) returns what has changed since the one before. All polls in their
/// order lead from the snapshot at which the feed began to the present. A poll has at most one
/// state of each provider and consumer, the newest; the next poll has a newer one. A
/// [`Mirror`](crate::Mirror) applies the changes that polls return.
///
/// A feed has no buffer that writers fill. It holds a snapshot instead, which is its position. So
/// writers do nothing for feeds beyond what they do for any snapshot, and without a snapshot they
/// do nothing at all. [`bounded`](Self::bounded) bounds what is kept for a feed that does not poll.
///
/// ```
/// use provider_tree::ProviderTree;
///
/// let tree = ProviderTree::new();
/// let mut feed = tree.subscribe(&tree.snapshot());
/// let host = tree.create_root("host-1", None)?;
/// assert_eq!(feed.poll()?.providers[0].provider, host.uuid());
/// assert!(feed.poll()?.is_empty());
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone)]
pub struct Feed {
    core: Arc<Core>,
    position: Snapshot,
    bound: u64,
}

impl Feed {
    pub(crate) fn new(core: &Arc<Core>, from: &Snapshot) -> Self {
        Feed { core: Arc::clone(core), position: from.clone(), bound: u64::MAX }
    }

    /// Returns the feed, for which at most this number of older versions is kept between two polls;
    /// see [`Snapshot::keep_at_most`]. The bound also holds for the snapshot that is the feed's
    /// present position, whoever else has a handle of it.
    pub fn bounded(mut self, versions: u64) -> Self {
        self.bound = versions;
        self.position.keep_at_most(versions);
        self
    }

    /// Returns all that has changed since the last poll, or since the feed began; the changes are
    /// empty if nothing has changed. The feed's position moves to the present. Costs what
    /// [`Snapshot::changes_since`] costs. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`FellBehind`](Error::FellBehind) if more would have had to be kept than the bound
    /// allows. The feed is over then: take a snapshot, and begin another feed at that snapshot.
    /// Returns [`ForeignSnapshot`](Error::ForeignSnapshot) if the feed began at a snapshot of
    /// another forest.
    pub fn poll(&mut self) -> Result<Changes> {
        let now = Snapshot::new(&self.core);
        let changes = now.changes_since(&self.position).map_err(|error| match error {
            Error::SnapshotTooOld { version } if version == self.position.version() => {
                Error::FellBehind { version }
            }
            error => error,
        })?;
        // The bound is set only now: the snapshot must not become too old before it has been read.
        now.keep_at_most(self.bound);
        self.position = now;
        Ok(changes)
    }

    /// Returns the feed's position: the snapshot to which everything that was polled leads. Another
    /// feed can go on from that snapshot.
    pub fn position(&self) -> &Snapshot {
        &self.position
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("position", &self.position).finish_non_exhaustive()
    }
}

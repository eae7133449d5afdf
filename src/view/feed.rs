//! Feeds: all changes since a snapshot, piece by piece.

use crate::error::{Error, Result};
use crate::tree::ProviderTree;
use crate::view::changes::Changes;
use crate::view::snapshot::Snapshot;

/// A subscription to the changes of a forest.
///
/// Each [`poll`](Self::poll) returns what has changed since the last one, so that all of them in
/// order lead from the snapshot where the feed began to the present. Of each provider and consumer a
/// poll has at most the newest state, and the next poll a newer one. What was polled applies to a
/// [`Mirror`](crate::Mirror).
///
/// A feed has no buffer that writers fill: it holds a snapshot of where it is. So writers do nothing
/// for feeds but what they do for any snapshot, and that is nothing when there are none. What is
/// kept for a feed that does not poll is bounded by [`bounded`](Self::bounded).
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
#[derive(Clone, Debug)]
pub struct Feed {
    tree: ProviderTree,
    position: Snapshot,
    bound: u64,
}

impl ProviderTree {
    /// Begins a feed of what changes after a snapshot of this forest: one just taken, or where an
    /// earlier feed was when it ended.
    pub fn subscribe(&self, from: &Snapshot) -> Feed {
        Feed { tree: self.clone(), position: from.clone(), bound: u64::MAX }
    }
}

impl Feed {
    /// The same feed, for which at most so many older versions are kept between two polls; see
    /// [`Snapshot::keep_at_most`]. That holds for the snapshot where it is, too, whoever else has it.
    pub fn bounded(mut self, versions: u64) -> Self {
        self.bound = versions;
        self.position.keep_at_most(versions);
        self
    }

    /// All that has changed since the last call, or since the feed began; empty if nothing has. The
    /// feed is at the present then. Cost: that of [`Snapshot::changes_since`]. Lock-free.
    ///
    /// # Errors
    ///
    /// [`FellBehind`](Error::FellBehind) if more would have had to be kept than the bound. The feed
    /// is over then: take a snapshot, and begin another one there.
    /// [`ForeignSnapshot`](Error::ForeignSnapshot) if it began at a snapshot of another forest.
    pub fn poll(&mut self) -> Result<Changes> {
        let now = self.tree.snapshot();
        let changes = now.changes_since(&self.position).map_err(|error| match error {
            Error::SnapshotTooOld { version } if version == self.position.version() => {
                Error::FellBehind { version }
            }
            error => error,
        })?;
        // Only now: this one must not become too old before it has been read.
        now.keep_at_most(self.bound);
        self.position = now;
        Ok(changes)
    }

    /// Where the feed is: the snapshot to which all that was polled leads. Another feed can go on
    /// from there.
    pub fn position(&self) -> &Snapshot {
        &self.position
    }
}

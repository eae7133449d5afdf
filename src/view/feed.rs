//! Feeds: all changes since a snapshot, piece by piece.

use std::fmt;
use std::sync::Arc;

use crate::claim::Core;
use crate::error::{Error, Result};
use crate::ledger::Waiter;
use crate::view::changes::Changes;
use crate::view::snapshot::Snapshot;
use crate::view::touched::Touched;

/// Follows the changes of a forest, piece by piece.
///
/// Each [`poll`](Self::poll) returns what has changed since the one before. All polls in their
/// order lead from the snapshot at which the feed began to the present. A poll has at most one
/// state of each provider and consumer, the newest; the next poll has a newer one. A
/// [`Mirror`](crate::Mirror) applies the changes that polls return. A caller that keeps an index of
/// its own asks for [what may have changed](Self::poll_touched), without the states.
///
/// A feed need not be polled in vain: it can [wait](Self::wait) for a change, also
/// [as a future](Self::changed).
///
/// A feed has no buffer that writers fill. It holds a snapshot instead, which is its position. So
/// writers do nothing for feeds beyond what they do for any snapshot, and without a snapshot they
/// do nothing at all. [`with_bound`](Self::with_bound) bounds what is kept for a feed that does not poll.
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
pub struct Feed {
    pub(super) core: Arc<Core>,
    pub(super) position: Snapshot,
    bound: u64,
    /// The entry of the last call of [`poll_changed`](Self::poll_changed) that found nothing.
    pub(super) waiting: Option<Waiting>,
}

/// Holds a waiter's entry, which goes with it.
pub(super) struct Waiting {
    pub(super) core: Arc<Core>,
    pub(super) waiter: Arc<Waiter>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.core.forest.ledger.waiters.leave(&self.waiter);
    }
}

impl Feed {
    pub(crate) fn new(core: &Arc<Core>, from: &Snapshot) -> Self {
        Feed { core: Arc::clone(core), position: from.clone(), bound: u64::MAX, waiting: None }
    }

    /// Returns the feed, for which at most this number of older versions is kept between two polls;
    /// see [`Snapshot::keep_at_most`], also for what a version takes. The bound also holds for the
    /// snapshot that is the feed's present position, whoever else has a handle of it.
    pub fn with_bound(mut self, versions: u64) -> Self {
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
        self.go_on(Snapshot::changes_since)
    }

    /// Returns which providers and consumers may have changed since the last poll of either kind,
    /// or since the feed began: for an index of the caller's own, which reads again what it keeps of
    /// them, from [`position`](Self::position) or from the forest. The feed's position moves to the
    /// present. Costs what [`Snapshot::touched_since`] costs: less than a [`poll`](Self::poll), which
    /// reads each of them whole, twice. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll). Needs less of the older state, so it falls behind later: claims alone
    /// change nothing of a provider that it needs.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let mut feed = tree.subscribe(&tree.snapshot());
    /// let mut free = HashMap::new(); // What there is of one class, by provider.
    ///
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// for touched in feed.poll_touched()?.providers {
    ///     let usage = touched.handle.map(|host| feed.position().usage(&host, ResourceClass::VCPU));
    ///     match usage {
    ///         Some(Ok(usage)) => free.insert(touched.provider, usage.free()),
    ///         _ => free.remove(&touched.provider),
    ///     };
    /// }
    /// assert_eq!(free[&host.uuid()], 16);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn poll_touched(&mut self) -> Result<Touched> {
        self.go_on(Snapshot::touched_since)
    }

    /// Moves the position to the present; returns what `differ` finds between that and the former.
    fn go_on<T>(&mut self, differ: impl FnOnce(&Snapshot, &Snapshot) -> Result<T>) -> Result<T> {
        let now = Snapshot::new(&self.core);
        let found = differ(&now, &self.position).map_err(|error| match error {
            Error::SnapshotTooOld { snapshot } if snapshot == self.position.number() => {
                Error::FellBehind { snapshot }
            }
            error => error,
        })?;
        // The bound is set only now: the snapshot must not become too old before it has been read.
        now.keep_at_most(self.bound);
        self.position = now;
        Ok(found)
    }

    /// Returns the feed's position: the snapshot to which everything that was polled leads. Another
    /// feed can go on from that snapshot.
    pub fn position(&self) -> &Snapshot {
        &self.position
    }
}

/// The clone is at the same position, and does not wait.
impl Clone for Feed {
    fn clone(&self) -> Self {
        let Feed { core, position, bound, waiting: _ } = self;
        Feed { core: Arc::clone(core), position: position.clone(), bound: *bound, waiting: None }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("position", &self.position).finish_non_exhaustive()
    }
}

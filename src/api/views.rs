//! The methods of [`ProviderTree`] about a whole forest at one instant.

use std::sync::Arc;

use crate::api::tree::ProviderTree;
use crate::error::Result;
use crate::search::View;
use crate::view::{Dump, Feed, Fork, Memory, Snapshot, load};

/// Reads the whole forest as of one instant.
impl ProviderTree {
    /// Makes a new forest that holds exactly what the dump says.
    ///
    /// A capacity below what is used is accepted, since it can come about by a smaller inventory.
    /// Consumers go on at their generations. A consumer that had ended before the dump was made is
    /// new to the forest. O(n log n) for n entries.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidEntries`](crate::Error::InvalidEntries) with everything that is wrong with
    /// any entry: a format that this release does not read; what [`populate`](Self::populate)
    /// refuses; a consumer that is listed twice, holds nothing, or holds what does not exist; and
    /// usage that is not the sum of what is held. Returns [`TooLarge`](crate::Error::TooLarge) if
    /// one forest has no room for the dump.
    pub fn load(dump: &Dump) -> Result<ProviderTree> {
        let core = load(dump)?;
        Ok(ProviderTree { core: Arc::new(core) })
    }

    /// Takes a snapshot of the whole forest as it is at one instant during the call, to be read
    /// from now on. Lock-free; O(log n) for n snapshots that are held, however large the forest is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.core)
    }

    /// Returns a view of the forest as it is now, to search in, which follows the forest when it is
    /// [refreshed](View::refresh). Each thread has its own. O(providers); lock-free. A snapshot is
    /// held during the call.
    pub fn view(&self) -> View {
        View::present(&self.core)
    }

    /// Begins a feed of what changes after the snapshot `from` of this forest. `from` is a snapshot
    /// that was just taken, or the position of an earlier feed when that feed ended. A snapshot of
    /// another forest is refused by the first [`poll`](Feed::poll), as
    /// [`ForeignSnapshot`](crate::Error::ForeignSnapshot).
    pub fn subscribe(&self, from: &Snapshot) -> Feed {
        Feed::new(&self.core, from)
    }

    /// Returns what the forest has in memory, and what for. The figures show what the forest costs,
    /// and whether something holds memory that should have gone, such as a snapshot.
    ///
    /// Each figure is read by itself, while other threads go on: together the figures are exact
    /// only while nothing changes. Then, if there are no workers and no snapshots, everything that
    /// was made is either in force or free.
    ///
    /// The figures leave out the callers' own values, what configurations and copies of older
    /// versions take beyond their number, the names of classes and traits, the nodes of the agenda
    /// of leases, and what the allocator itself needs.
    ///
    /// Lock-free, but for a read lock of each shard of the indexes, one after the other, for O(1).
    /// O(cells ever used), so the call suits a report each minute rather than every change.
    ///
    /// ```
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let memory = tree.memory();
    /// assert_eq!((memory.providers.live, memory.configurations), (1, 1));
    ///
    /// let before = tree.snapshot();
    /// tree.remove(&host)?;
    /// assert_eq!(tree.memory().kept_configurations, 1);
    /// drop(before);
    /// assert_eq!(tree.memory().kept_configurations, 0);
    /// println!("{}", tree.memory());
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn memory(&self) -> Memory {
        Memory::of(&self.core)
    }
}

impl Fork {
    /// Returns a view of the forest as it is in the fork now, to search in: what would fit if these
    /// consumers went. Later changes of the fork are not part of the view. What is found in the view
    /// is not noted as something that the fork's difference rests on; a claim in the fork is.
    /// O(providers).
    ///
    /// # Errors
    ///
    /// Returns [`SnapshotTooOld`](crate::Error::SnapshotTooOld) if the snapshot's bound was met.
    pub fn view(&self) -> Result<View> {
        View::of_fork(self)
    }
}

impl Snapshot {
    /// Returns a view of the forest as it was at the snapshot, to search in. O(providers).
    pub fn view(&self) -> Result<View> {
        View::of_snapshot(self)
    }

    /// Returns what [`view`](Self::view) returns, but a view that knows who held what of each
    /// provider. O(cells ever used).
    pub fn view_with_holders(&self) -> Result<View> {
        View::of_snapshot_with_holders(self)
    }

    /// Returns whether this is a snapshot of the forest `tree`.
    pub fn is_of(&self, tree: &ProviderTree) -> bool {
        Arc::ptr_eq(&self.pin().core, &tree.core)
    }
}

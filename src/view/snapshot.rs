//! Snapshots: a whole forest as it was at one instant, while it goes on.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::{Allocations, ConsumerWords, consumer_cells, is_live_consumer};
use crate::error::{Error, Result};
use crate::inventory::Usage;
use crate::ledger::{Cell, Past, View};
use crate::resource_class::ResourceClass;
use crate::sync::OnceBox;
use crate::tree::core::all_usages;
use crate::tree::layout::{Amounts, Life};
use crate::tree::{
    Frozen, Provider, ProviderData, ProviderKey, ProviderTree, has_sharing_provider,
};
use crate::view::lookup::{ConsumerIndex, ProviderIndex};

/// A whole forest as it was at one instant: providers, configurations, usage, consumers and what
/// they hold.
///
/// What is read from it never changes, however much the forest does, and adds up: the usage of each
/// provider is what consumers hold from it and what was taken for none. It is a handle to copy and
/// share between threads; the last one that is dropped ends it. Handles of providers are the same
/// as the forest's.
///
/// Taking one is O(log n) for n snapshots that are held, and stops nobody. Of each cell that changes afterwards one older version is
/// kept for it, if that can't be left in place; see [`keep_at_most`](Self::keep_at_most). Reading
/// costs about what reading the forest costs, and is lock-free, but for a shard's read lock for O(1)
/// in [`find`](Self::find) and [`allocations`](Self::allocations).
///
/// All methods return [`SnapshotTooOld`](Error::SnapshotTooOld) instead of an answer if the
/// snapshot has been bounded and more would have had to be kept.
///
/// ```
/// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.set_inventories(&host, vcpu, Expect::Any)?;
///
/// let before = tree.snapshot();
/// let vm = Uuid::new_v4();
/// let _receipt = tree.worker()?.claim(&Claim::new(vm).take(&host, ResourceClass::VCPU, 4))?;
/// tree.create_root("host-2", None)?;
///
/// assert_eq!(before.usage(&host, ResourceClass::VCPU)?.used, 0);
/// assert_eq!(before.allocations(vm)?, None);
/// assert_eq!(before.roots()?, [host]);
/// assert_eq!(tree.snapshot().usage(&host, ResourceClass::VCPU)?.used, 4);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    frozen: Arc<Frozen>,
    providers: OnceBox<ProviderIndex>,
    consumers: OnceBox<ConsumerIndex>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.version()).finish()
    }
}

impl ProviderTree {
    /// The whole forest as it is at one instant during the call, to be read from now on. Lock-free;
    /// O(log n) for n snapshots that are held, whatever else there is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            inner: Arc::new(Inner {
                frozen: Arc::new(Frozen::new(&self.core)),
                providers: OnceBox::new(),
                consumers: OnceBox::new(),
            }),
        }
    }

    /// How many snapshots are held now. O(1).
    pub fn snapshots(&self) -> usize {
        self.core.ledger.pins()
    }
}

impl Snapshot {
    /// Its place among the snapshots of the forest: a later snapshot has a greater version.
    pub fn version(&self) -> u64 {
        self.inner.frozen.number()
    }

    /// Bounds how many older versions are kept for this snapshot; without a bound it is as many as
    /// cells change while it lives, at most one of each. When one more would have to be kept, the
    /// snapshot becomes too old, for good: its methods return
    /// [`SnapshotTooOld`](Error::SnapshotTooOld), except where all that they need is still there.
    ///
    /// What has been kept before stays, even if it is more. Versions that several snapshots need count for
    /// the oldest of them, and for the next when
    /// that ends. Those that can be left in place, about 8,000 for each worker, are not counted.
    /// Configurations that were replaced count as versions do; of one whose thread is overtaken by the
    /// next change, before it has noted since when it is in force, one more may be kept.
    pub fn keep_at_most(&self, versions: u64) {
        self.inner.frozen.limit_kept(versions);
    }

    /// How many older versions are kept for this snapshot.
    pub fn kept(&self) -> u64 {
        self.inner.frozen.kept()
    }

    /// Whether the bound of [`keep_at_most`](Self::keep_at_most) has been met.
    pub fn is_too_old(&self) -> bool {
        !self.inner.frozen.can_be_read()
    }

    /// Whether it is one of this forest.
    pub fn is_of(&self, tree: &ProviderTree) -> bool {
        Arc::ptr_eq(&self.inner.frozen.core, &tree.core)
    }

    pub(crate) fn frozen(&self) -> &Arc<Frozen> {
        &self.inner.frozen
    }

    /// What `body` reads; none only if that can't be read any more.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&mut Past<'_>) -> Option<T>) -> Result<T> {
        body(&mut self.frozen().view()).ok_or(Error::SnapshotTooOld { version: self.version() })
    }
}

/// Finding providers, and walks: as the forest's, as of the snapshot's instant.
impl Snapshot {
    /// The provider that had this uuid or name. O(1) for those that have it still; the first look-up
    /// of anything else makes an index of the snapshot, once, in O(providers).
    pub fn find<'a>(&self, key: impl Into<ProviderKey<'a>>) -> Result<Option<Provider>> {
        let key = key.into();
        let core = &self.frozen().core;
        if let Some(found) = self.read(|past| core.find_hinted(past, key))? {
            return Ok(Some(found));
        }
        let index = self.provider_index()?;
        Ok(index.find(key))
    }

    fn provider_index(&self) -> Result<&ProviderIndex> {
        let index = &self.inner.providers;
        if index.get().is_none() {
            let made = self.read(|past| ProviderIndex::new(&self.frozen().core, past))?;
            // Another thread may have been first, with the same.
            drop(index.set(Box::new(made)));
        }
        Ok(index.get().expect("set above, by this thread or another"))
    }

    /// All providers without parent.
    pub fn roots(&self) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.roots(past))
    }

    /// All providers of the forest.
    pub fn providers(&self) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.forest(past))
    }

    /// The children of `provider`.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if it did not exist, here as in all that follow.
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.children(past, provider))?
    }

    /// The parent of `provider`; none for a root.
    pub fn parent(&self, provider: &Provider) -> Result<Option<Provider>> {
        self.read(|past| self.frozen().core.parent(past, provider))?
    }

    /// The ancestors of `provider`, its parent first.
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.ancestors(past, provider))?
    }

    /// `provider` and all its descendants.
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.subtree(past, provider))?
    }

    /// The whole tree that `provider` was a member of, its root first.
    pub fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|past| self.frozen().core.tree_of(past, provider))?
    }
}

/// Facts of providers.
impl Snapshot {
    /// Everything about `provider` but its usage.
    pub fn data(&self, provider: &Provider) -> Result<ProviderData> {
        self.frozen().core.structure_cell(provider)?;
        self.read(|past| self.frozen().core.data(past, provider))?
    }

    /// Capacity and use of one class.
    ///
    /// # Errors
    ///
    /// [`NoInventory`](Error::NoInventory).
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let usage = self.read(|past| {
            self.frozen()
                .core
                .usage_at(past, provider, |words| words.find(class.number()).map(Amounts::usage))
        })??;
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Capacity and use of all classes, by class.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        self.read(|past| self.frozen().core.usage_at(past, provider, all_usages))?
    }

    /// Whether `provider` or an ancestor was cordoned.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.read(|past| self.frozen().core.usage_at(past, provider, |words| words.is_cordoned()))?
    }

    /// Whether any provider shared an inventory of `class`; see
    /// [`ProviderTree::has_sharing_provider`].
    pub fn has_sharing_provider(&self, class: ResourceClass) -> Result<bool> {
        self.read(|past| has_sharing_provider(past, self.frozen().core.sharing, class))
    }
}

/// Consumers.
impl Snapshot {
    /// What `consumer` held; none if it held nothing. O(1) for those that hold something still; the
    /// first look-up of anything else makes an index of the snapshot, once, in O(cells ever used).
    pub fn allocations(&self, consumer: Uuid) -> Result<Option<Allocations>> {
        let Some(cell) = self.consumer_cell(consumer)? else { return Ok(None) };
        self.read(|past| self.frozen().core.allocations_at(past, cell, |_| true))
    }

    /// The cell of a consumer that held something.
    pub(super) fn consumer_cell(&self, consumer: Uuid) -> Result<Option<Cell>> {
        if let Some(hint) = self.frozen().core.consumers.hint(&consumer) {
            let is_meant = self.read(|past| {
                past.read(hint.cell, |words| {
                    let is_live = is_live_consumer(Life::of_words(words));
                    is_live && ConsumerWords(words).uuid() == consumer
                })
            })?;
            if is_meant {
                return Ok(Some(hint.cell));
            }
        }
        Ok(self.consumer_index()?.find(consumer))
    }

    fn consumer_index(&self) -> Result<&ConsumerIndex> {
        let index = &self.inner.consumers;
        if index.get().is_none() {
            let made = self.read(|past| ConsumerIndex::new(&self.frozen().core, past))?;
            // As for providers.
            drop(index.set(Box::new(made)));
        }
        Ok(index.get().expect("set above, by this thread or another"))
    }

    /// What every consumer held, in no particular order. O(cells ever used).
    pub fn all_allocations(&self) -> Result<Vec<Allocations>> {
        let core = &self.frozen().core;
        self.read(|past| {
            let mut all = Vec::new();
            for cell in consumer_cells(&core.ledger) {
                let is_live = |words: ConsumerWords<'_>| is_live_consumer(words.life());
                all.extend(core.allocations_at(past, cell, is_live)?);
            }
            Some(all)
        })
    }

    /// All consumers that held something. O(cells ever used).
    pub fn consumers(&self) -> Result<Vec<Uuid>> {
        let mut found = Vec::new();
        self.each_consumer(|words| found.push(words.uuid()))?;
        Ok(found)
    }
}

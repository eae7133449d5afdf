//! Snapshots: a whole forest as it was at one instant, while it goes on.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::{Allocations, Core, Floor, ForestPin, read_allocations};
use crate::error::{Error, Result};
use crate::forest::{Configuration, ForestReader, Provider, ProviderKey, all_usages};
use crate::layout::{
    Amounts, ConsumerWords, Layouts, Life, UsageWords, consumer_cells, is_live_consumer,
};
use crate::ledger::{Abort, Cell, Past, Reader, Torn};
use crate::sync::OnceBox;
use crate::values::{ResourceClass, Usage};
use crate::view::lookup::{ConsumerIndex, ProviderIndex, each_consumer, find_hinted};

/// Represents a whole forest as it was at one instant: its providers, their configurations and
/// usage, its consumers and what they hold.
///
/// What is read from a snapshot never changes, however much the forest changes, and adds up: the
/// usage of each provider is what consumers hold from the provider and what was taken without a
/// consumer. A `Snapshot` is a handle to clone and to share between threads; the snapshot ends when
/// its last handle is dropped. Handles of providers serve for the forest and for its snapshots
/// alike.
///
/// Taking a snapshot is O(log n) for n snapshots that are held, and stops no thread. Of each cell
/// that changes afterwards, the snapshot keeps one older version, if the version can't be left in
/// place; see [`keep_at_most`](Self::keep_at_most). Reading a snapshot costs about what reading the
/// forest costs. It is lock-free, except that [`find`](Self::find) and
/// [`allocations`](Self::allocations) take the read lock of an index's shard for O(1).
///
/// Some costs are in *cells ever used*: three for each provider and one for each consumer, of the most
/// that there were at once since the forest began, as cells are used again and never given back; see
/// [limits](crate::docs::limits).
///
/// Every method that reads the forest's state returns [`SnapshotTooOld`](Error::SnapshotTooOld)
/// instead of an answer if the snapshot has been bounded and more would have had to be kept.
///
/// ```
/// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.configure(&host, vcpu, Expect::Any)?;
///
/// let before = tree.snapshot();
/// let vm = Uuid::new_v4();
/// tree.worker()?.claim(&Claim::new(vm).take(&host, ResourceClass::VCPU, 4))?;
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
    pin: Arc<ForestPin>,
    providers: OnceBox<ProviderIndex>,
    consumers: OnceBox<ConsumerIndex>,
    floors: OnceBox<Vec<Floor>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.number()).finish()
    }
}

impl Snapshot {
    /// Takes a snapshot of the forest.
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Snapshot {
            inner: Arc::new(Inner {
                pin: Arc::new(ForestPin::new(core)),
                providers: OnceBox::new(),
                consumers: OnceBox::new(),
                floors: OnceBox::new(),
            }),
        }
    }

    /// Returns the snapshot's number. A later snapshot of the forest has a greater number.
    pub fn number(&self) -> u64 {
        self.inner.pin.number()
    }

    /// Bounds how many older versions are kept for this snapshot. Without a bound, at most one
    /// version is kept of each cell that changes while the snapshot lives. When one more than the
    /// bound would have to be kept, the snapshot becomes too old, for good: its methods return
    /// [`SnapshotTooOld`](Error::SnapshotTooOld), though one may answer if all that it needs is still
    /// there.
    ///
    /// What counts: each version that had to be copied, and each configuration that was replaced. What
    /// does not: the versions that could be left in place, about 8,000 for each worker. A version that
    /// several snapshots need counts for the oldest of them; when that one ends, it counts for the
    /// next, which may become too old by it. Of a provider that is configured twice in quick succession,
    /// one configuration more may be kept. What was kept before the bound was set stays, even if it is
    /// more than the bound.
    ///
    /// In memory, measured on 64 bits, each copied version takes about 300 bytes for a provider or a
    /// consumer of a few amounts, and each replaced configuration about 450 and what it does not share
    /// with the one that has replaced it. A version left in place takes its record.
    pub fn keep_at_most(&self, versions: u64) {
        self.inner.pin.limit_kept(versions);
    }

    /// Returns the number of older versions that are kept for this snapshot.
    pub fn kept(&self) -> u64 {
        self.inner.pin.kept()
    }

    /// Returns whether the bound of [`keep_at_most`](Self::keep_at_most) has been met.
    pub fn is_too_old(&self) -> bool {
        !self.inner.pin.can_be_read()
    }

    pub(crate) fn pin(&self) -> &Arc<ForestPin> {
        &self.inner.pin
    }

    /// Returns what `body` reads in the snapshot. Fails if the snapshot can't be read any more.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&mut Past<'_>) -> Result<T, Torn>) -> Result<T> {
        body(&mut self.pin().view()).map_err(|Torn| self.too_old())
    }

    /// Returns what `body` reads of the forest in the snapshot, or why `body` refuses. Fails if the
    /// snapshot can't be read any more.
    pub(crate) fn read_forest<T>(
        &self,
        body: impl FnOnce(ForestReader<'_, Past<'_>>) -> Result<T, Abort<Error>>,
    ) -> Result<T> {
        let past = &mut self.pin().view();
        body(ForestReader::new(&self.pin().core.forest, past)).map_err(|abort| match abort {
            Abort::Reject(error) => error,
            Abort::Torn => self.too_old(),
        })
    }

    fn too_old(&self) -> Error {
        Error::SnapshotTooOld { snapshot: self.number() }
    }
}

/// Finds providers, and walks from one provider to others, as of the snapshot's instant.
impl Snapshot {
    /// Returns the provider that had this uuid or name. O(1) for a provider that has its key still.
    /// The first look-up of any other key makes an index of the snapshot, once, in O(providers).
    pub fn find<'a>(&self, key: impl Into<ProviderKey<'a>>) -> Result<Option<Provider>> {
        let key = key.into();
        let core = &self.pin().core;
        if let Some(found) = self.read(|past| find_hinted(&core.forest, past, key))? {
            return Ok(Some(found));
        }
        let index = self.provider_index()?;
        Ok(index.find(key).or_else(|| index.find(key.uuid_in_text()?.into())))
    }

    fn provider_index(&self) -> Result<&ProviderIndex> {
        let index = &self.inner.providers;
        if index.get().is_none() {
            let made = self.read_forest(ProviderIndex::new)?;
            // Another thread may have been first, with an equal index.
            drop(index.set(Box::new(made)));
        }
        Ok(index.get().expect("set above, by this thread or another"))
    }

    /// Returns all roots, which are the providers without parent.
    pub fn roots(&self) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| Ok(past.roots()?))
    }

    /// Returns all providers of the forest.
    pub fn providers(&self) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| Ok(past.all()?))
    }

    /// Returns the children of `provider`.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` did not exist at the snapshot. All methods
    /// of a snapshot that take a provider return this error then.
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| past.children(provider))
    }

    /// Returns the parent of `provider`, or `None` for a root.
    pub fn parent(&self, provider: &Provider) -> Result<Option<Provider>> {
        self.read_forest(|mut past| past.parent(provider))
    }

    /// Returns the ancestors of `provider`, its parent first.
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| past.ancestors(provider))
    }

    /// Returns `provider` and all its descendants.
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| past.subtree(provider))
    }

    /// Returns the whole tree that `provider` was a member of, its root first.
    pub fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read_forest(|mut past| past.tree_of(provider))
    }
}

/// Reads facts about providers.
impl Snapshot {
    /// Returns everything about `provider` but its usage.
    pub fn configuration(&self, provider: &Provider) -> Result<Configuration> {
        self.read_forest(|mut past| past.configuration(provider))
    }

    /// Returns the capacity and the use of one class.
    ///
    /// # Errors
    ///
    /// Returns [`NoInventory`](Error::NoInventory) if `provider` had no inventory of `class`.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let usage = |words: UsageWords<&[u64]>, layouts: &Layouts| {
            words.find(layouts, class.number()).map(Amounts::usage)
        };
        let usage = self.read_forest(|mut past| past.usage(provider, usage))?;
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Returns the capacity and the use of all classes, in the order of the classes.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        self.read_forest(|mut past| past.usage(provider, all_usages))
    }

    /// Returns whether `provider` or one of its ancestors was cordoned.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.read_forest(|mut past| past.usage(provider, |words, _| words.is_cordoned()))
    }

    /// Returns whether any provider shared an inventory of `class`; see
    /// [`NovaProviderTree::has_sharing_provider`](crate::coming_from_nova::NovaProviderTree::has_sharing_provider).
    pub fn has_sharing_provider(&self, class: ResourceClass) -> Result<bool> {
        self.read_forest(|mut past| Ok(past.has_sharing_provider(class)?))
    }
}

/// Reads consumers.
impl Snapshot {
    /// Returns what `consumer` held, or `None` if it held nothing. O(1) for a consumer that holds
    /// something still. The first look-up of any other consumer makes an index of the snapshot,
    /// once, in O(cells ever used).
    pub fn allocations(&self, consumer: Uuid) -> Result<Option<Allocations>> {
        let Some(cell) = self.consumer_cell(consumer)? else { return Ok(None) };
        let forest = &self.pin().core.forest;
        self.read(|past| read_allocations(forest, past, cell, |_| true))
    }

    /// Returns the cell of a consumer that held something.
    pub(super) fn consumer_cell(&self, consumer: Uuid) -> Result<Option<Cell>> {
        let consumers = &self.pin().core.claims.consumers;
        if let Some(hint) = consumers.hint(&consumer) {
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
        // No other cell ever serves a consumer whose uuid the forest has issued.
        match consumers.is_own(&consumer) {
            true => Ok(None),
            false => Ok(self.consumer_index()?.find(consumer)),
        }
    }

    fn consumer_index(&self) -> Result<&ConsumerIndex> {
        let index = &self.inner.consumers;
        if index.get().is_none() {
            let made =
                self.read(|past| ConsumerIndex::new(&self.pin().core.forest.ledger, past))?;
            // Another thread may have been first, with an equal index.
            drop(index.set(Box::new(made)));
        }
        Ok(index.get().expect("set above, by this thread or another"))
    }

    /// Returns what every consumer held, in no particular order. O(cells ever used).
    pub fn all_allocations(&self) -> Result<Vec<Allocations>> {
        let core = &self.pin().core;
        self.read(|past| {
            let mut all = Vec::new();
            for cell in consumer_cells(&core.forest.ledger) {
                let is_live = |words: ConsumerWords<'_>| is_live_consumer(words.life());
                all.extend(read_allocations(&core.forest, past, cell, is_live)?);
            }
            Ok(all)
        })
    }

    /// Returns above which generations the next lives of consumers begin, in the order of the
    /// [places](Floor). That is no part of the instant: it is read by the first call of this method or
    /// of [`dump`](Self::dump), and then stays. Nothing that was in force at the snapshot, or had ended
    /// by then, is above it.
    ///
    /// A thread that alone changes the forest, and calls this method right after it has taken the
    /// snapshot, fixes the floors as they are at the snapshot's instant, whoever dumps the snapshot
    /// later. O(1), over 4,096 numbers.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let claim = Claim::new(Uuid::from_u128(7)).take(&host, ResourceClass::VCPU, 4);
    /// worker.claim(&claim)?;
    /// worker.release(Uuid::from_u128(7))?;
    ///
    /// let snapshot = tree.snapshot();
    /// let floors = snapshot.floors().to_vec();
    /// assert_eq!((floors[0].place, floors[0].generation), (7, 1));
    /// worker.claim(&claim)?;
    /// worker.release(Uuid::from_u128(7))?;
    /// assert_eq!(snapshot.dump()?.floors, floors);
    /// // The second life had generation 2.
    /// let later = ProviderTree::load(&tree.snapshot().dump()?)?;
    /// let host = later.find("host-1").expect("it was dumped");
    /// let claim = Claim::new(Uuid::from_u128(7)).take(&host, ResourceClass::VCPU, 4);
    /// assert_eq!(later.worker()?.claim(&claim)?.generation, 3);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn floors(&self) -> &[Floor] {
        let floors = &self.inner.floors;
        if floors.get().is_none() {
            // If another thread is first, its answer stays.
            drop(floors.set(Box::new(self.pin().core.claims.floors.all())));
        }
        floors.get().expect("set above, by this thread or another")
    }

    /// Returns all consumers that held something. O(cells ever used).
    pub fn consumers(&self) -> Result<Vec<Uuid>> {
        let mut found = Vec::new();
        self.each_consumer(|words| found.push(words.uuid()))?;
        Ok(found)
    }

    /// Applies `visit` to the words of every consumer that held something.
    pub(super) fn each_consumer(&self, mut visit: impl FnMut(ConsumerWords<'_>)) -> Result<()> {
        let ledger = &self.pin().core.forest.ledger;
        self.read(|past| each_consumer(ledger, past, |_, words| visit(words)))
    }
}

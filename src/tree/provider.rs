//! The forest and its providers, as users hold them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::inventory::{Inventories, Usage};
use crate::ledger::{Cell, Collect, GateWord};
use crate::resource_class::ResourceClass;
use crate::traits::Trait;
use crate::tree::cells::{Amounts, Structure, UsageWords, usage_of};
use crate::tree::configure::Expect;
use crate::tree::core::{Core, all_usages};

/// A forest of resource providers that many threads read, change and claim from at once.
///
/// A clone is another handle of the same forest. All methods take `&self`; none waits for another
/// thread, other than for a shard of an index for the length of one look-up or insertion (see the
/// table in the [crate documentation](crate#progress)).
///
/// ```
/// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.set_inventories(&host, inventories, Expect::Any)?;
/// assert_eq!(tree.find_by_name("host-1"), Some(host));
/// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.free(), 16);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone)]
pub struct ProviderTree {
    pub(crate) core: Arc<Core>,
}

/// A handle of one provider: a small value to copy and keep.
///
/// A handle never comes to mean another provider. After the provider has been removed every use of
/// it says [`Removed`](Error::Removed), even if another provider has its uuid or name by then.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Provider {
    pub(crate) uuid: Uuid,
    pub(crate) incarnation: u64,
    pub(crate) cell: Cell,
    pub(crate) forest: u32,
}

impl Provider {
    /// The provider's uuid, which it keeps for life.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.uuid).finish()
    }
}

/// Stands for one state of a provider's usage and configuration; see [`ProviderTree::version`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(GateWord);

/// Everything about one provider but its usage, at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderData {
    /// The uuid.
    pub uuid: Uuid,
    /// The name.
    pub name: Arc<str>,
    /// The uuid of the parent; none for a root.
    pub parent: Option<Uuid>,
    /// Grows with each change of the configuration: inventories, traits, aggregates, name, parent.
    pub generation: u64,
    /// The inventories.
    pub inventories: Arc<Inventories>,
    /// The traits.
    pub traits: Arc<BTreeSet<Trait>>,
    /// The aggregates that the provider is a member of.
    pub aggregates: Arc<BTreeSet<Uuid>>,
}

impl Default for ProviderTree {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ProviderTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTree").finish_non_exhaustive()
    }
}

/// Structure: which providers there are, and how they hang together.
impl ProviderTree {
    /// An empty forest.
    pub fn new() -> Self {
        ProviderTree { core: Arc::new(Core::new()) }
    }

    /// Creates a provider without parent. Without a uuid it gets a random one.
    ///
    /// Uuids and names are unique in the forest: of several calls that ask for the same one,
    /// exactly one succeeds. The provider exists, with its uuid, name and place, from one instant.
    /// It starts without inventories, traits and aggregates, at generation 0, behind all roots
    /// that exist. O(1); lock-free but for a shard's lock for O(1) on each index.
    ///
    /// # Errors
    ///
    /// [`UuidExists`](Error::UuidExists), [`NameExists`](Error::NameExists),
    /// [`InvalidName`](Error::InvalidName) unless the name has 1 to 1,024 bytes,
    /// [`TooLarge`](Error::TooLarge) when the forest is full: see its
    /// [limits](crate#limits).
    pub fn create_root(&self, name: &str, uuid: impl Into<Option<Uuid>>) -> Result<Provider> {
        let uuid = uuid.into().unwrap_or_else(Uuid::new_v4);
        self.core.with_writer(|writer| self.core.create(writer, None, name, uuid))
    }

    /// Creates a provider as the last child of `parent`. Otherwise as
    /// [`create_root`](Self::create_root).
    ///
    /// # Errors
    ///
    /// As there, and [`Removed`](Error::Removed) if the parent doesn't exist any more: of creating
    /// a child and removing its parent, exactly one succeeds.
    pub fn create_child(
        &self,
        parent: &Provider,
        name: &str,
        uuid: impl Into<Option<Uuid>>,
    ) -> Result<Provider> {
        let uuid = uuid.into().unwrap_or_else(Uuid::new_v4);
        self.core.with_writer(|writer| self.core.create(writer, Some(parent), name, uuid))
    }

    /// The provider with this uuid. O(1); takes a shard's read lock for O(1).
    pub fn find(&self, uuid: Uuid) -> Option<Provider> {
        let interned = self.core.providers.live(&self.core.ledger, &uuid)?;
        Some(self.core.handle_of(uuid, interned))
    }

    /// The provider with this name. O(1); takes a shard's read lock for O(1).
    pub fn find_by_name(&self, name: &str) -> Option<Provider> {
        self.core.find_by_name(name)
    }

    /// Removes `provider` and all its descendants at one instant; returns how many they were.
    ///
    /// Refused while anything is held from any of them: of a claim and a removal, exactly one
    /// succeeds. Lock-free but for a shard's lock for O(1) on each index; O(n log n) for n
    /// providers removed.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`InUse`](Error::InUse), [`TooLarge`](Error::TooLarge) beyond
    /// 1,398,000 providers at once.
    pub fn remove(&self, provider: &Provider) -> Result<usize> {
        self.core.with_writer(|writer| self.core.remove(writer, provider, true))
    }

    /// Removes `provider`, which must not have children. Otherwise as [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// As there, and [`HasChildren`](Error::HasChildren).
    pub fn remove_leaf(&self, provider: &Provider) -> Result<()> {
        self.core.with_writer(|writer| self.core.remove(writer, provider, false).map(|_| ()))
    }

    /// Makes `provider`, with its descendants, the last child of `parent`, or a root.
    ///
    /// What is held stays held. The generation of `provider` grows. Cost: the new parent's depth.
    /// Lock-free; moves anywhere in the forest make one another start over.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) for either, [`WouldCycle`](Error::WouldCycle) if `parent` is
    /// `provider` or below it.
    pub fn reparent(&self, provider: &Provider, parent: Option<&Provider>) -> Result<()> {
        self.core.with_writer(|writer| self.core.reparent(writer, provider, parent))
    }

    /// Gives `provider` another name. The old one is free from the same instant. O(1); lock-free
    /// but for a shard's lock for O(1). The generation grows.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`InvalidName`](Error::InvalidName),
    /// [`NameExists`](Error::NameExists) if another provider has the name; a provider's own name
    /// changes nothing and succeeds.
    pub fn rename(&self, provider: &Provider, name: &str) -> Result<()> {
        self.core.with_writer(|writer| self.core.rename(writer, provider, name))
    }
}

/// Walks: each answer was true at one instant. Parents come before their children, siblings in
/// the order in which they became children of their parent.
///
/// Lock-free: a walk starts over only when a change of structure came between, so under an endless
/// storm of such changes to what it walks, a walk may take as long as the storm. Claims and changes
/// of configuration don't disturb it. Cost: the number of providers visited.
impl ProviderTree {
    /// All providers without parent.
    pub fn roots(&self) -> Vec<Provider> {
        self.core.roots()
    }

    /// All providers of the forest.
    pub fn providers(&self) -> Vec<Provider> {
        self.core.forest()
    }

    /// The children of `provider`.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.core.children(provider)
    }

    /// The parent of `provider`; none for a root.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn parent(&self, provider: &Provider) -> Result<Option<Provider>> {
        self.core.parent(provider)
    }

    /// The ancestors of `provider`, its parent first, its root last.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.core.ancestors(provider)
    }

    /// `provider` and all its descendants.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.core.subtree(provider)
    }

    /// The whole tree that `provider` is a member of, its root first.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.core.tree_of(provider)
    }
}

/// Facts of one provider, and their changes.
impl ProviderTree {
    /// The name of `provider`. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn name(&self, provider: &Provider) -> Result<Arc<str>> {
        self.core.configuration(provider).map(|(_, configuration)| configuration.name.clone())
    }

    /// Everything about `provider` but its usage, at one instant; shared, not copied. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn data(&self, provider: &Provider) -> Result<ProviderData> {
        let core = &self.core;
        let cell = core.structure_cell(provider)?;
        Collect::consistent(&core.ledger, |collect| {
            let structure = collect.read(cell, Structure::of);
            if let Err(removed) = Core::check(provider, structure.life) {
                return Some(Err(removed));
            }
            let parent = structure.parent?;
            let parent = (parent != core.super_root)
                .then(|| collect.read(parent, |record| Structure::of(record).uuid));
            let (generation, version) = collect.read(usage_of(cell), |record| {
                let words = [record.word(0), record.word(1), record.word(2)];
                (UsageWords(&words).generation(), UsageWords(&words).configuration())
            });
            let configuration = core.configurations.find(usage_of(cell), version)?;
            Some(Ok(ProviderData {
                uuid: provider.uuid,
                name: configuration.name.clone(),
                parent,
                generation,
                inventories: configuration.inventories.clone(),
                traits: configuration.traits.clone(),
                aggregates: configuration.aggregates.clone(),
            }))
        })
    }

    /// Replaces all inventories of `provider`; returns the new generation.
    ///
    /// Atomic against claims: each is checked against exactly the inventories in force when it
    /// commits. What is held stays held: a capacity below what is used is accepted, and then only
    /// claims that don't add to it pass. Lock-free.
    ///
    /// # Errors
    ///
    /// [`InvalidInventory`](Error::InvalidInventory), [`Removed`](Error::Removed),
    /// [`GenerationConflict`](Error::GenerationConflict), [`InUse`](Error::InUse) if a class that
    /// is in use would go, [`TooLarge`](Error::TooLarge) beyond 10,080 classes.
    pub fn set_inventories(
        &self,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
    ) -> Result<u64> {
        self.core
            .with_writer(|writer| self.core.set_inventories(writer, provider, inventories, expect))
    }

    /// Replaces all traits of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`GenerationConflict`](Error::GenerationConflict).
    pub fn set_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<u64> {
        let traits = Arc::new(traits.into_iter().collect());
        self.core.with_writer(|writer| self.core.set_traits(writer, provider, traits, expect))
    }

    /// Replaces all aggregates of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`GenerationConflict`](Error::GenerationConflict).
    pub fn set_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<u64> {
        let aggregates = Arc::new(aggregates.into_iter().collect());
        self.core
            .with_writer(|writer| self.core.set_aggregates(writer, provider, aggregates, expect))
    }

    /// Capacity and use of one class at one instant. Lock-free, no allocation up to four classes.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`NoInventory`](Error::NoInventory).
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let usage = self
            .core
            .read_usage(provider, |words| words.find(class.number()).map(Amounts::usage))?;
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Capacity and use of all classes at one instant, by class. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        self.core.read_usage(provider, all_usages)
    }

    /// Stands for the state of `provider`'s usage and configuration now: equal to an earlier one
    /// only if nothing has changed since. The cheapest question there is: one load, unless a
    /// transaction is in progress and has to be finished first. Lock-free.
    ///
    /// It may differ though nothing was changed, after an attempt that another thread overtook.
    ///
    /// # Errors
    ///
    /// [`ForeignProvider`](Error::ForeignProvider). A removal is a change like any other.
    pub fn version(&self, provider: &Provider) -> Result<Version> {
        let cell = self.core.usage_cell(provider)?;
        Ok(Version(self.core.ledger.version(cell)))
    }
}

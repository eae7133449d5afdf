//! Structure: which providers there are, and how they hang together.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::Result;
use crate::tree::core::Core;
use crate::tree::populate::{Plan, ProviderSpec};
use crate::tree::provider::{Provider, ProviderTree};

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
    /// [`UuidExists`](crate::Error::UuidExists), [`NameExists`](crate::Error::NameExists),
    /// [`InvalidName`](crate::Error::InvalidName) unless the name has 1 to 1,024 bytes,
    /// [`TooLarge`](crate::Error::TooLarge) when the forest is full: see its
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
    /// As there, and [`Removed`](crate::Error::Removed) if the parent doesn't exist any more: of creating
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

    /// Removes `provider` and all its descendants at one instant; returns how many they were.
    ///
    /// Refused while anything is held from any of them: of a claim and a removal, exactly one
    /// succeeds. Lock-free but for a shard's lock for O(1) on each index; O(n log n) for n
    /// providers removed.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`InUse`](crate::Error::InUse), [`TooLarge`](crate::Error::TooLarge) beyond
    /// 1,398,000 providers at once.
    pub fn remove(&self, provider: &Provider) -> Result<usize> {
        self.core.with_writer(|writer| self.core.remove(writer, provider, true))
    }

    /// Removes `provider`, which must not have children. Otherwise as [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// As there, and [`HasChildren`](crate::Error::HasChildren).
    pub fn remove_leaf(&self, provider: &Provider) -> Result<()> {
        self.core.with_writer(|writer| self.core.remove(writer, provider, false).map(|_| ()))
    }

    /// Makes `provider`, with its descendants, the last child of `parent`, or a root.
    ///
    /// What is held stays held. The generation of `provider` grows. Cost: the new parent's depth;
    /// and O(n log n) for n descendants if a cordon begins or ends for them.
    /// Lock-free; moves anywhere in the forest make one another start over.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed) for either, [`WouldCycle`](crate::Error::WouldCycle) if `parent` is
    /// `provider` or below it.
    pub fn reparent(&self, provider: &Provider, parent: Option<&Provider>) -> Result<()> {
        self.core.with_writer(|writer| self.core.reparent(writer, provider, parent))
    }

    /// Gives `provider` another name. The old one is free from the same instant. O(1); lock-free
    /// but for a shard's lock for O(1). The generation grows.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`InvalidName`](crate::Error::InvalidName),
    /// [`NameExists`](crate::Error::NameExists) if another provider has the name; a provider's own name
    /// changes nothing and succeeds.
    pub fn rename(&self, provider: &Provider, name: &str) -> Result<()> {
        self.core.with_writer(|writer| self.core.rename(writer, provider, name))
    }

    /// Takes nothing more from `provider` and everything below it, from the moment this returns:
    /// claims that would are refused. What is held stays held and can be given back, also by moves
    /// to elsewhere. Returns whether it was not cordoned itself before.
    ///
    /// What becomes a descendant later is cordoned with it. Cordons add up: a provider is out of
    /// service as long as it or an ancestor is cordoned. A [population](Self::populate) leaves
    /// cordons in place. Lock-free; O(n log n) for n descendants. The generation does not change.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`TooLarge`](crate::Error::TooLarge) beyond 2,097,000
    /// descendants.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let numa = tree.create_child(&host, "host-1-numa-0", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.set_inventories(&numa, vcpu, Expect::Any)?;
    /// let claim = Claim::new(Uuid::new_v4()).take(&numa, ResourceClass::VCPU, 1);
    /// let mut worker = tree.worker()?;
    ///
    /// tree.cordon(&host)?;
    /// assert!(matches!(worker.claim(&claim), Err(Error::Cordoned { .. })));
    /// tree.uncordon(&host)?;
    /// assert!(worker.claim(&claim).is_ok());
    /// // To drain it: move or end what holds it.
    /// assert_eq!(tree.holders(&host)?.len(), 1);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn cordon(&self, provider: &Provider) -> Result<bool> {
        self.core.with_writer(|writer| self.core.set_cordon(writer, provider, true))
    }

    /// Ends what [`cordon`](Self::cordon) of this provider began; returns whether it was cordoned
    /// itself. It stays out of service while an ancestor is cordoned.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn uncordon(&self, provider: &Provider) -> Result<bool> {
        self.core.with_writer(|writer| self.core.set_cordon(writer, provider, false))
    }

    /// Whether `provider` or an ancestor is cordoned. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.core.read_usage(provider, |words| words.is_cordoned())
    }

    /// Makes a list of providers true at one instant, or changes nothing; returns them in the
    /// order of the list.
    ///
    /// A provider that does not exist is created. One that exists is *replaced*: it has exactly
    /// what its entry says, parent, name, inventories, traits, aggregates and resources; handles of
    /// it stay good, and what is held from it stays held. Providers below a replaced one that are
    /// not listed are removed; all others stay as they are. Parents may come after their children.
    /// Siblings are in the order of the list, behind siblings that stay.
    ///
    /// No reader and no walk sees a part of it. Lock-free but for a shard's lock for O(1) on each
    /// index and entry; O(n log n) for n providers listed and removed. Claims from these providers
    /// make it start over, so that under a storm of them a long list may take as long as the storm.
    ///
    /// # Errors
    ///
    /// [`InvalidEntries`](crate::Error::InvalidEntries) with everything that is wrong with any
    /// entry: uuids or names listed twice, a name that another provider keeps, parents that don't
    /// exist or would go, circles, invalid names, inventories and generations, and providers or
    /// inventories that would go while they are in use, with one class of each provider.
    /// [`TooLarge`](crate::Error::TooLarge) when the forest is full, or beyond about 1,398,000
    /// providers.
    ///
    /// ```
    /// use provider_tree::{Error, ProviderSpec, ProviderTree};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let (host, numa) = (Uuid::new_v4(), Uuid::new_v4());
    /// let list = [
    ///     ProviderSpec::new(numa, "host-1-numa-0").with_parent(host),
    ///     ProviderSpec::new(host, "host-1").with_generation(7),
    /// ];
    /// tree.populate(&list)?;
    /// assert_eq!(tree.find("host-1").map(|host| tree.children(&host).unwrap().len()), Some(1));
    ///
    /// // Listed alone, the host loses what is below it.
    /// tree.populate(&list[1..])?;
    /// assert_eq!(tree.find(numa), None);
    ///
    /// let orphan = ProviderSpec::new(numa, "host-1-numa-0").with_parent(Uuid::new_v4());
    /// assert!(matches!(tree.populate(&[orphan]), Err(Error::InvalidEntries { .. })));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn populate(&self, providers: &[ProviderSpec]) -> Result<Vec<Provider>> {
        let plan = Plan::new(providers);
        self.core.with_writer(|writer| self.core.populate(writer, &plan, &[]))
    }
}

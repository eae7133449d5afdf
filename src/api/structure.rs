//! Structure: which providers there are, and which provider is whose parent.

use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::error::Result;
use crate::forest::{
    Plan, Provider, ProviderSpec, create, populate, remove, rename, reparent, set_cordon,
};
use crate::trace::Call;

/// Changes which providers there are, and which provider is whose parent.
impl ProviderTree {
    /// Creates a provider without parent, and returns its handle. Without a uuid, the provider gets
    /// a random one.
    ///
    /// Uuids and names are unique in the forest: of several calls that ask for the same uuid or
    /// name, exactly one succeeds. From one instant on, the provider exists with its uuid, name and
    /// place. The provider starts without inventories, traits and aggregates, at generation 0, as
    /// the last of all roots. O(1); lock-free but for a shard's lock for O(1) on each index.
    ///
    /// # Errors
    ///
    /// Returns [`UuidExists`](crate::Error::UuidExists) or [`NameExists`](crate::Error::NameExists)
    /// if another provider has the uuid or the name; [`InvalidName`](crate::Error::InvalidName)
    /// unless the name has 1 to 1,024 bytes; [`TooLarge`](crate::Error::TooLarge) when the forest
    /// is full: see its [limits](crate::docs::limits).
    pub fn create_root(&self, name: &str, uuid: impl Into<Option<Uuid>>) -> Result<Provider> {
        self.create("create_root", None, name, uuid.into(), 0)
    }

    /// Creates a provider as the last child of `parent`, and returns its handle. In everything
    /// else, this method does what [`create_root`](Self::create_root) does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create_root`](Self::create_root), and
    /// [`Removed`](crate::Error::Removed) if `parent` doesn't exist any more: if one call creates a
    /// child and another removes its parent, exactly one of the two succeeds.
    pub fn create_child(
        &self,
        parent: &Provider,
        name: &str,
        uuid: impl Into<Option<Uuid>>,
    ) -> Result<Provider> {
        self.create("create_child", Some(parent), name, uuid.into(), 0)
    }

    pub(super) fn create(
        &self,
        operation: &'static str,
        parent: Option<&Provider>,
        name: &str,
        wanted: Option<Uuid>,
        generation: u64,
    ) -> Result<Provider> {
        let uuid = wanted.unwrap_or_else(Uuid::new_v4);
        let call = Call::of_forest(operation).making(wanted, uuid).named(name).below(parent);
        self.write(call, |forest, writer| create(forest, writer, parent, (name, uuid), generation))
    }

    /// Removes `provider` and all its descendants at one instant; returns how many providers this
    /// call removed.
    ///
    /// The call is refused while anything is held from any of these providers: if a claim from them
    /// meets the removal, exactly one of the two succeeds. What was [taken](crate::Worker::take)
    /// without a consumer keeps them too, though no list of [holders](crate::Snapshot::holders) shows
    /// it. Lock-free but for a shard's lock for
    /// O(1) on each index; O(n log n) for n providers removed.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more;
    /// [`InUse`](crate::Error::InUse) if something is held from one of the providers, or was taken
    /// without a consumer;
    /// [`TooLarge`](crate::Error::TooLarge) beyond 1,398,000 providers at once.
    pub fn remove(&self, provider: &Provider) -> Result<usize> {
        let call = Call::of_forest("remove").of(provider);
        self.write(call, |forest, writer| remove(forest, writer, provider, true))
    }

    /// Removes `provider`, which must not have children. In everything else, this method does what
    /// [`remove`](Self::remove) does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`remove`](Self::remove), and
    /// [`HasChildren`](crate::Error::HasChildren) if `provider` has children.
    pub fn remove_leaf(&self, provider: &Provider) -> Result<()> {
        let call = Call::of_forest("remove_leaf").of(provider);
        self.write(call, |forest, writer| remove(forest, writer, provider, false)).map(|_| ())
    }

    /// Makes `provider`, along with its descendants, the last child of `parent`, or a root if
    /// `parent` is `None`.
    ///
    /// What is held stays held. The generation of `provider` grows, even if `parent` is its parent
    /// already: it becomes the last child then. Cost: the new parent's depth; and O(n log n) for n
    /// descendants if a cordon begins or ends for them. Lock-free; a move
    /// makes all other moves in progress start over, wherever in the forest they are.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` or `parent` doesn't exist any more,
    /// or [`WouldCycle`](crate::Error::WouldCycle) if `parent` is `provider` or one of its
    /// descendants.
    pub fn reparent(&self, provider: &Provider, parent: Option<&Provider>) -> Result<()> {
        let call = Call::of_forest("reparent").of(provider).below(parent);
        self.write(call, |forest, writer| reparent(forest, writer, provider, parent))
    }

    /// Gives `provider` another name. The old name is free from the same instant on. The generation
    /// of `provider` grows. O(1); lock-free but for a shard's lock for O(1).
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more;
    /// [`InvalidName`](crate::Error::InvalidName) unless the name has 1 to 1,024 bytes;
    /// [`NameExists`](crate::Error::NameExists) if another provider has the name. A rename to the
    /// name that `provider` has already succeeds and changes nothing.
    pub fn rename(&self, provider: &Provider, name: &str) -> Result<()> {
        let call = Call::of_forest("rename").of(provider).named(name);
        self.write(call, |forest, writer| rename(forest, writer, provider, name))
    }

    /// Puts `provider` and all its descendants out of service: once this method has returned, a
    /// claim that would take anything new from them is refused. What is held from these providers
    /// stays held, and can still be given back or moved to other providers. Returns true if
    /// `provider` itself was not cordoned before.
    ///
    /// A provider that becomes a descendant later is cordoned along with the others. Cordons add
    /// up: a provider is out of service as long as the provider itself or one of its ancestors is
    /// cordoned. A [population](Self::populate) leaves cordons in place. The generation does not
    /// change. Lock-free; O(n log n) for n descendants.
    ///
    /// `examples/drain.rs` in the repository takes a host out of service with everything on it.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more, or
    /// [`TooLarge`](crate::Error::TooLarge) beyond about 2,097,000 descendants.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let numa = tree.create_child(&host, "host-1-numa-0", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&numa, vcpu, Expect::Any)?;
    /// let claim = Claim::new(Uuid::new_v4()).take(&numa, ResourceClass::VCPU, 1);
    /// let mut worker = tree.worker()?;
    ///
    /// tree.cordon(&host)?;
    /// assert!(matches!(worker.claim(&claim), Err(Error::Cordoned { .. })));
    /// tree.uncordon(&host)?;
    /// assert!(worker.claim(&claim).is_ok());
    /// // To drain it: move or end what holds it.
    /// assert_eq!(tree.snapshot().holders(&host)?.len(), 1);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn cordon(&self, provider: &Provider) -> Result<bool> {
        let call = Call::of_forest("cordon").of(provider);
        self.write(call, |forest, writer| set_cordon(forest, writer, provider, true))
    }

    /// Ends the cordon that [`cordon`](Self::cordon) has put on `provider` itself; returns whether
    /// there was one. `provider` stays out of service while an ancestor is cordoned.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`cordon`](Self::cordon).
    pub fn uncordon(&self, provider: &Provider) -> Result<bool> {
        let call = Call::of_forest("uncordon").of(provider);
        self.write(call, |forest, writer| set_cordon(forest, writer, provider, false))
    }

    /// Returns whether `provider` or one of its ancestors is cordoned. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.core.forest.read_usage(provider, |words| words.is_cordoned())
    }

    /// Makes a list of providers true at one instant, or changes nothing; returns handles of the
    /// providers in the order of the list.
    ///
    /// A listed provider that does not exist is created. A listed provider that exists is
    /// *replaced*: it gets exactly the parent, name, inventories, traits, aggregates and resources
    /// of its entry; handles of the provider stay good, and what is held from the provider stays
    /// held. A provider below a replaced one that is not listed is removed; every other provider
    /// stays as it is. Parents may come after their children. Siblings end up in the order of the
    /// list, behind siblings that stay.
    ///
    /// No reader and no walk sees a part of the change. Lock-free but for a shard's lock for O(1)
    /// on each index and entry; O(n log n) for n providers listed and removed. Claims from these
    /// providers make the population start over, so under a storm of such claims a long list may
    /// take as long as the storm.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidEntries`](crate::Error::InvalidEntries) with everything that is wrong with
    /// any entry: uuids or names listed twice; a name that another provider keeps; parents that
    /// don't exist or would be removed; circles of parents; invalid names, inventories and
    /// generations; and providers or inventories that would go while they are in use, with one
    /// class of each provider. Returns [`TooLarge`](crate::Error::TooLarge) when the forest is
    /// full, or beyond about 1,398,000 providers.
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
        let count = providers.len();
        let call = Call::of_forest("populate").with_values(&count);
        self.write(call, |forest, writer| populate(forest, writer, &plan))
    }
}

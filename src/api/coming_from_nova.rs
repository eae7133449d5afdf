#![doc = include_str!("../coming_from_nova.md")]

use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::error::{Error, Result};
use crate::forest::{
    Configuration, Edit, Expect, ForestReader, Provider, ProviderKey, ProviderSpec,
};
use crate::ledger::DoubleCollect;
use crate::values::{PartialInventories, ResourceClass, Resources, Trait};

/// Has the operations of Nova's `ProviderTree` under Nova's names, for code that comes from there. Each names
/// the provider by its uuid or its name, and looks it up again.
///
/// A method that takes a generation sets it, as Nova does; without one the generation stays as it is. Every
/// method returns [`UnknownProvider`](Error::UnknownProvider) if no provider has the uuid or the name, and
/// [`Removed`](Error::Removed) if the provider goes just then; of those that change something, each returns
/// the errors of [`configure`](ProviderTree::configure) too. What is not here is in [`ProviderTree`]:
/// [`find`](ProviderTree::find), and [`remove`](ProviderTree::remove) of what it finds.
///
/// ```
/// use provider_tree::coming_from_nova::NovaProviderTree;
/// use provider_tree::{PartialInventories, PartialInventory, ProviderTree, ResourceClass, Trait};
///
/// let tree = ProviderTree::new();
/// let uuid = tree.new_root("compute-1", None, None)?;
/// let vcpu = PartialInventories::new().with(ResourceClass::VCPU, PartialInventory::new(16));
/// assert!(tree.update_inventory("compute-1", vcpu.clone(), Some(7))?);
/// assert!(!tree.has_inventory_changed(uuid, vcpu)?);
/// tree.add_traits(uuid, [Trait::new("HW_CPU_X86_AVX2")?])?;
/// assert_eq!(tree.data(uuid)?.generation, 7);
/// # Ok::<(), provider_tree::Error>(())
/// ```
pub trait NovaProviderTree: sealed::Sealed {
    /// Creates a provider without parent; returns its uuid. Without a uuid, it gets a random one; without a
    /// generation, it starts at 0. Returns the errors of [`create_root`](ProviderTree::create_root), and
    /// [`TooLarge`](Error::TooLarge) for a generation above 2<sup>63</sup> - 1.
    fn new_root(&self, name: &str, uuid: Option<Uuid>, generation: Option<u64>) -> Result<Uuid>;

    /// Creates a provider below `parent`; else as [`new_root`](Self::new_root).
    fn new_child<'k>(
        &self,
        name: &str,
        parent: impl Into<ProviderKey<'k>>,
        uuid: Option<Uuid>,
        generation: Option<u64>,
    ) -> Result<Uuid>;

    /// Returns whether there is such a provider.
    fn exists<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> bool;

    /// Returns everything about the provider but its usage. What it says is shared, not copied.
    fn data<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> Result<Configuration>;

    /// Returns the uuids of the provider and all below it, or of all providers if there is none; parents come
    /// before their children.
    fn get_provider_uuids(&self, provider: Option<ProviderKey<'_>>) -> Result<Vec<Uuid>>;

    /// Returns the uuids of the whole tree that the provider is in, its root first.
    fn get_provider_uuids_in_tree<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
    ) -> Result<Vec<Uuid>>;

    /// Makes a list of providers true; see [`populate`](ProviderTree::populate).
    fn populate_from_iterable(&self, providers: &[ProviderSpec]) -> Result<()>;

    /// Returns whether the provider has an inventory of any class.
    fn has_inventory<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> Result<bool>;

    /// Returns whether `inventory` names anything that is not so for the provider: another set of classes, or
    /// another value of a field. A field that `inventory` leaves open does not count.
    fn has_inventory_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        inventory: impl Into<PartialInventories>,
    ) -> Result<bool>;

    /// Replaces all inventories if [`has_inventory_changed`](Self::has_inventory_changed); returns whether
    /// that was so. Fields that are left open take their usual values then.
    fn update_inventory<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        inventory: impl Into<PartialInventories>,
        generation: Option<u64>,
    ) -> Result<bool>;

    /// Returns whether the provider has all of `traits`; true if `traits` is empty.
    fn has_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool>;

    /// Returns whether the traits of the provider differ from `traits`.
    fn have_traits_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool>;

    /// Replaces all traits; returns whether they differed.
    fn update_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
        generation: Option<u64>,
    ) -> Result<bool>;

    /// Adds traits.
    fn add_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<()>;

    /// Takes traits away.
    fn remove_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<()>;

    /// Returns whether the provider is a member of all of `aggregates`; true if `aggregates` is empty.
    fn in_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool>;

    /// Returns whether the aggregates of the provider differ from `aggregates`.
    fn have_aggregates_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool>;

    /// Replaces all aggregates; returns whether they differed.
    fn update_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
        generation: Option<u64>,
    ) -> Result<bool>;

    /// Makes the provider a member of more aggregates.
    fn add_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<()>;

    /// Ends the provider's membership in aggregates.
    fn remove_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<()>;

    /// Returns whether the resources of the provider differ from `resources`.
    fn have_resources_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        resources: &Resources,
    ) -> Result<bool>;

    /// Replaces all resources; returns whether they differed.
    fn update_resources<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        resources: Resources,
        generation: Option<u64>,
    ) -> Result<bool>;

    /// Returns whether any provider has both an inventory of `class` and the trait
    /// [`MISC_SHARES_VIA_AGGREGATE`](Trait::MISC_SHARES_VIA_AGGREGATE).
    ///
    /// The answer is true of one instant, because the forest keeps count of these providers. Lock-free;
    /// O(classes shared).
    fn has_sharing_provider(&self, class: ResourceClass) -> bool;
}

/// Keeps others from implementing the trait, which may come to have more methods.
mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::ProviderTree {}
}

impl NovaProviderTree for ProviderTree {
    fn new_root(&self, name: &str, uuid: Option<Uuid>, generation: Option<u64>) -> Result<Uuid> {
        create(self, None, name, uuid, generation)
    }

    fn new_child<'k>(
        &self,
        name: &str,
        parent: impl Into<ProviderKey<'k>>,
        uuid: Option<Uuid>,
        generation: Option<u64>,
    ) -> Result<Uuid> {
        create(self, Some(known(self, parent)?), name, uuid, generation)
    }

    fn exists<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> bool {
        self.find(provider).is_some()
    }

    fn data<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> Result<Configuration> {
        self.configuration(&known(self, provider)?)
    }

    fn get_provider_uuids(&self, provider: Option<ProviderKey<'_>>) -> Result<Vec<Uuid>> {
        let found = match provider {
            Some(provider) => self.subtree(&known(self, provider)?)?,
            None => self.providers(),
        };
        Ok(found.iter().map(Provider::uuid).collect())
    }

    fn get_provider_uuids_in_tree<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
    ) -> Result<Vec<Uuid>> {
        let found = self.tree_of(&known(self, provider)?)?;
        Ok(found.iter().map(Provider::uuid).collect())
    }

    fn populate_from_iterable(&self, providers: &[ProviderSpec]) -> Result<()> {
        self.populate(providers).map(drop)
    }

    fn has_inventory<'k>(&self, provider: impl Into<ProviderKey<'k>>) -> Result<bool> {
        Ok(!self.data(provider)?.inventories.is_empty())
    }

    fn has_inventory_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        inventory: impl Into<PartialInventories>,
    ) -> Result<bool> {
        Ok(!inventory.into().agrees_with(&self.data(provider)?.inventories))
    }

    fn update_inventory<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        inventory: impl Into<PartialInventories>,
        generation: Option<u64>,
    ) -> Result<bool> {
        update(self, provider, Edit::new().report_inventories(inventory.into()), generation)
    }

    fn has_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        Ok(self.data(provider)?.has_traits(traits))
    }

    fn have_traits_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        let now = self.data(provider)?;
        Ok(Edit::new().set_traits(traits).would_change(&now))
    }

    fn update_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
        generation: Option<u64>,
    ) -> Result<bool> {
        update(self, provider, Edit::new().set_traits(traits), generation)
    }

    fn add_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<()> {
        update(self, provider, Edit::new().add_traits(traits), None).map(drop)
    }

    fn remove_traits<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<()> {
        update(self, provider, Edit::new().remove_traits(traits), None).map(drop)
    }

    fn in_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        Ok(self.data(provider)?.in_aggregates(aggregates))
    }

    fn have_aggregates_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        let now = self.data(provider)?;
        Ok(Edit::new().set_aggregates(aggregates).would_change(&now))
    }

    fn update_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
        generation: Option<u64>,
    ) -> Result<bool> {
        update(self, provider, Edit::new().set_aggregates(aggregates), generation)
    }

    fn add_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<()> {
        update(self, provider, Edit::new().add_aggregates(aggregates), None).map(drop)
    }

    fn remove_aggregates<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<()> {
        update(self, provider, Edit::new().remove_aggregates(aggregates), None).map(drop)
    }

    fn have_resources_changed<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        resources: &Resources,
    ) -> Result<bool> {
        Ok(self.data(provider)?.resources != *resources)
    }

    fn update_resources<'k>(
        &self,
        provider: impl Into<ProviderKey<'k>>,
        resources: Resources,
        generation: Option<u64>,
    ) -> Result<bool> {
        update(self, provider, Edit::new().set_resources(resources), generation)
    }

    fn has_sharing_provider(&self, class: ResourceClass) -> bool {
        let forest = &self.core.forest;
        DoubleCollect::consistent(&forest.ledger, |now| {
            ForestReader::new(forest, now).has_sharing_provider(class)
        })
    }
}

/// Returns the provider with this uuid or name, which has to be there.
fn known<'k>(tree: &ProviderTree, key: impl Into<ProviderKey<'k>>) -> Result<Provider> {
    let key = key.into();
    tree.find(key).ok_or_else(|| Error::UnknownProvider { key: key.to_string() })
}

/// Returns what a change expects that sets this generation, or leaves it if there is none.
fn expect(generation: Option<u64>) -> Expect {
    generation.map_or(Expect::Keep, Expect::Mirror)
}

fn create(
    tree: &ProviderTree,
    parent: Option<Provider>,
    name: &str,
    uuid: Option<Uuid>,
    generation: Option<u64>,
) -> Result<Uuid> {
    let generation = generation.unwrap_or(0);
    let operation = if parent.is_some() { "new_child" } else { "new_root" };
    let provider = tree.create(operation, parent.as_ref(), name, uuid, generation)?;
    Ok(provider.uuid())
}

fn update<'k>(
    tree: &ProviderTree,
    provider: impl Into<ProviderKey<'k>>,
    edit: Edit,
    generation: Option<u64>,
) -> Result<bool> {
    Ok(tree.configure(&known(tree, provider)?, edit, expect(generation))?.changed)
}

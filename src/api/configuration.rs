//! Facts of a provider, and their changes: inventories, traits, aggregates and resources.
//!
//! The methods here replace, compare and read each of the four. For traits and aggregates, which
//! are sets, further methods add members and remove members.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::error::Result;
use crate::forest::{
    Configuration, Expect, ForestReader, Provider, ProviderData, Updated, configure,
};
use crate::ledger::DoubleCollect;
use crate::trace::Call;
use crate::values::{Inventories, PartialInventories, ResourceClass, Resources, Trait};

/// Reads the facts of one provider.
impl ProviderTree {
    /// Returns the name of `provider`. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn name(&self, provider: &Provider) -> Result<Arc<str>> {
        self.configuration(provider).map(|configuration| configuration.name.clone())
    }

    /// Returns the configuration of `provider`: its name, inventories, traits, aggregates and
    /// resources. The configuration is shared with the forest, not copied: the call looks at one
    /// cell, clones one [`Arc`] and allocates nothing. Lock-free.
    ///
    /// [`data`](Self::data) returns the generation and the parent too.
    /// [`Worker::data`](crate::Worker::data) remembers what it has returned, and costs a fraction
    /// while nothing changes.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    ///
    /// ```
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.set_inventories(&host, inventories, Expect::Any)?;
    /// let configuration = tree.configuration(&host)?;
    /// assert_eq!(&*configuration.name, "host-1");
    /// assert!(configuration.inventories.get(ResourceClass::VCPU).is_some());
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn configuration(&self, provider: &Provider) -> Result<Arc<Configuration>> {
        self.core.forest.configuration(provider).map(|(_, configuration)| configuration)
    }

    /// Returns everything about `provider` but its usage, as of one instant. The configuration is
    /// shared with the forest, not copied; the call allocates nothing. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn data(&self, provider: &Provider) -> Result<ProviderData> {
        self.core.forest.data_in_force(provider).map(|(_, data)| data)
    }
}

/// Reads and changes inventories.
impl ProviderTree {
    /// Replaces all inventories of `provider`. Returns the new generation, and whether more of any
    /// class is used now than its capacity.
    ///
    /// The replacement is atomic against claims: each claim is checked against exactly the
    /// inventories that are in force when the claim commits. What is held stays held: a capacity
    /// below what is used is accepted, and from then on a claim passes only if it does not add to
    /// what is used. Takes a shard's lock for O(1); else lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInventory`](crate::Error::InvalidInventory) if an inventory contradicts
    /// itself; [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more;
    /// [`GenerationConflict`](crate::Error::GenerationConflict) if `provider` is not at the
    /// expected generation; [`InUse`](crate::Error::InUse) if the new inventories leave out a class
    /// that is in use; [`TooLarge`](crate::Error::TooLarge) beyond 10,080 classes.
    pub fn set_inventories(
        &self,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
    ) -> Result<Updated> {
        self.replace_inventories("set_inventories", provider, inventories, expect, |_| true)
    }

    /// Replaces all inventories of `provider` if they differ from what `inventories` name; returns
    /// whether this call replaced them.
    /// [`have_inventories_changed`](Self::have_inventories_changed) decides what differs.
    ///
    /// If the inventories are replaced, a field that `inventories` leave open takes its usual
    /// value. The generation grows only if the inventories are replaced. In everything else, this
    /// method does what [`set_inventories`](Self::set_inventories) does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_inventories`](Self::set_inventories).
    ///
    /// ```
    /// use provider_tree::{Expect, PartialInventories, PartialInventory, ProviderTree};
    /// use provider_tree::{ResourceClass, Updated};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = |total| {
    ///     PartialInventories::new().with(ResourceClass::VCPU, PartialInventory::new(total))
    /// };
    /// let first = tree.update_inventories(&host, vcpu(16), Expect::Any)?;
    /// assert_eq!(first, Updated { changed: true, generation: 1, overcommitted: false });
    /// let again = tree.update_inventories(&host, vcpu(16), Expect::Any)?;
    /// assert_eq!(again, Updated { changed: false, generation: 1, overcommitted: false });
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn update_inventories(
        &self,
        provider: &Provider,
        inventories: impl Into<PartialInventories>,
        expect: Expect,
    ) -> Result<Updated> {
        let named = inventories.into();
        let differ = |current: &Inventories| !named.agree_with(current);
        self.replace_inventories("update_inventories", provider, named.completed(), expect, differ)
    }

    /// Returns whether `inventories` name anything that is not so for `provider`: another set of
    /// classes, or another value of a field. A field that `inventories` leave open does not count.
    /// Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn have_inventories_changed(
        &self,
        provider: &Provider,
        inventories: impl Into<PartialInventories>,
    ) -> Result<bool> {
        let named = inventories.into();
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(!named.agree_with(&current.inventories))
    }

    /// Returns whether `provider` has an inventory of any class. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn has_inventories(&self, provider: &Provider) -> Result<bool> {
        let forest = &self.core.forest;
        forest.read_usage(provider, |usage| usage.all(&forest.layouts).next().is_some())
    }

    /// Returns whether any provider of the forest has both an inventory of `class` and the trait
    /// [`MISC_SHARES_VIA_AGGREGATE`](Trait::MISC_SHARES_VIA_AGGREGATE).
    ///
    /// The answer is true of one instant, because the forest keeps count of these providers.
    /// Lock-free; O(classes shared).
    ///
    /// ```
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass, Trait};
    ///
    /// let tree = ProviderTree::new();
    /// let storage = tree.create_root("storage", None)?;
    /// let disk = Inventories::new().with(ResourceClass::DISK_GB, Inventory::new(10_000));
    /// tree.set_inventories(&storage, disk, Expect::Any)?;
    /// assert!(!tree.has_sharing_provider(ResourceClass::DISK_GB));
    /// tree.add_traits(&storage, [Trait::MISC_SHARES_VIA_AGGREGATE], Expect::Any)?;
    /// assert!(tree.has_sharing_provider(ResourceClass::DISK_GB));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn has_sharing_provider(&self, class: ResourceClass) -> bool {
        let forest = &self.core.forest;
        DoubleCollect::consistent(&forest.ledger, |now| {
            ForestReader::new(forest, now).has_sharing_provider(class)
        })
    }

    fn replace_inventories(
        &self,
        operation: &'static str,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
        differ: impl Fn(&Inventories) -> bool,
    ) -> Result<Updated> {
        let capacities = inventories.capacities();
        let inventories = Arc::new(inventories);
        let change = |current: &Configuration| {
            let inventories = Arc::clone(&inventories);
            let next = Configuration { inventories, ..current.clone() };
            differ(&current.inventories).then_some(next)
        };
        let call = Call::of_forest(operation).of(provider).with_values(&inventories);
        self.write(call, |forest, writer| {
            configure(forest, writer, provider, expect, Some(&capacities), change)
        })
    }
}

/// Reads and changes traits.
impl ProviderTree {
    /// Replaces all traits of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more, or
    /// [`GenerationConflict`](crate::Error::GenerationConflict) if `provider` is not at the
    /// expected generation.
    pub fn set_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<u64> {
        let traits: Arc<BTreeSet<_>> = Arc::new(traits.into_iter().collect());
        let change = |_: &BTreeSet<_>| Some(Arc::clone(&traits));
        let call = Call::of_forest("set_traits").of(provider).with_values(&traits);
        Ok(self.change_traits(call, provider, expect, change)?.generation)
    }

    /// Replaces all traits of `provider` by `traits` if the two sets differ; returns whether they
    /// differed. The generation grows only if the sets differed. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_traits`](Self::set_traits).
    pub fn update_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<Updated> {
        let traits: Arc<BTreeSet<_>> = Arc::new(traits.into_iter().collect());
        let call = Call::of_forest("update_traits").of(provider).with_values(&traits);
        self.change_traits(call, provider, expect, |current| {
            (*current != *traits).then(|| Arc::clone(&traits))
        })
    }

    /// Adds `traits` to those of `provider`; returns whether any of `traits` was new. The
    /// generation grows only if one of `traits` was new. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_traits`](Self::set_traits).
    ///
    /// ```
    /// use provider_tree::{Expect, ProviderTree, Trait};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let (avx, ssd) = (Trait::new("HW_CPU_X86_AVX2")?, Trait::new("STORAGE_DISK_SSD")?);
    /// assert!(tree.add_traits(&host, [avx, ssd], Expect::Any)?.changed);
    /// assert!(!tree.add_traits(&host, [avx], Expect::Any)?.changed);
    /// assert!(tree.remove_traits(&host, [ssd], Expect::Any)?.changed);
    /// assert!(tree.has_traits(&host, [avx])?);
    /// assert!(!tree.have_traits_changed(&host, [avx])?);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn add_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<Updated> {
        let traits: BTreeSet<_> = traits.into_iter().collect();
        let call = Call::of_forest("add_traits").of(provider).with_values(&traits);
        self.change_traits(call, provider, expect, |current| {
            (!current.is_superset(&traits)).then(|| Arc::new(current | &traits))
        })
    }

    /// Removes `traits` from those of `provider`; returns whether `provider` had any of them. The
    /// generation grows only if `provider` had one of `traits`. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_traits`](Self::set_traits).
    pub fn remove_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<Updated> {
        let traits: BTreeSet<_> = traits.into_iter().collect();
        let call = Call::of_forest("remove_traits").of(provider).with_values(&traits);
        self.change_traits(call, provider, expect, |current| {
            (!current.is_disjoint(&traits)).then(|| Arc::new(current - &traits))
        })
    }

    /// Returns whether `provider` has all of `traits`. Returns true if `traits` is empty.
    /// Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn has_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(traits.into_iter().all(|one| current.traits.contains(&one)))
    }

    /// Returns whether the traits of `provider` differ from `traits`. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn have_traits_changed(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(*current.traits != traits.into_iter().collect())
    }

    fn change_traits(
        &self,
        call: Call<'_>,
        provider: &Provider,
        expect: Expect,
        change: impl Fn(&BTreeSet<Trait>) -> Option<Arc<BTreeSet<Trait>>>,
    ) -> Result<Updated> {
        let change = |current: &Configuration| {
            let traits = change(&current.traits)?;
            Some(Configuration { traits, ..current.clone() })
        };
        self.write(call, |forest, writer| configure(forest, writer, provider, expect, None, change))
    }
}

/// Reads and changes aggregates.
impl ProviderTree {
    /// Replaces all aggregates of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more, or
    /// [`GenerationConflict`](crate::Error::GenerationConflict) if `provider` is not at the
    /// expected generation.
    pub fn set_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<u64> {
        let aggregates: Arc<BTreeSet<_>> = Arc::new(aggregates.into_iter().collect());
        let change = |_: &BTreeSet<_>| Some(Arc::clone(&aggregates));
        let call = Call::of_forest("set_aggregates").of(provider).with_values(&aggregates);
        Ok(self.change_aggregates(call, provider, expect, change)?.generation)
    }

    /// Replaces all aggregates of `provider` by `aggregates` if the two sets differ; returns
    /// whether they differed. The generation grows only if the sets differed. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_aggregates`](Self::set_aggregates).
    pub fn update_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<Updated> {
        let aggregates: Arc<BTreeSet<_>> = Arc::new(aggregates.into_iter().collect());
        let call = Call::of_forest("update_aggregates").of(provider).with_values(&aggregates);
        self.change_aggregates(call, provider, expect, |current| {
            (*current != *aggregates).then(|| Arc::clone(&aggregates))
        })
    }

    /// Adds `aggregates` to those of `provider`; returns whether any of `aggregates` was new. The
    /// generation grows only if one of `aggregates` was new. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_aggregates`](Self::set_aggregates).
    ///
    /// ```
    /// use provider_tree::{Expect, ProviderTree};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let (rack, power) = (Uuid::new_v4(), Uuid::new_v4());
    /// assert!(tree.add_aggregates(&host, [rack, power], Expect::Any)?.changed);
    /// assert!(tree.remove_aggregates(&host, [power], Expect::Any)?.changed);
    /// assert!(tree.in_aggregates(&host, [rack])?);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn add_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<Updated> {
        let aggregates: BTreeSet<_> = aggregates.into_iter().collect();
        let call = Call::of_forest("add_aggregates").of(provider).with_values(&aggregates);
        self.change_aggregates(call, provider, expect, |current| {
            (!current.is_superset(&aggregates)).then(|| Arc::new(current | &aggregates))
        })
    }

    /// Removes `aggregates` from those of `provider`; returns whether `provider` was in any of
    /// them. The generation grows only if `provider` was in one of `aggregates`. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`set_aggregates`](Self::set_aggregates).
    pub fn remove_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<Updated> {
        let aggregates: BTreeSet<_> = aggregates.into_iter().collect();
        let call = Call::of_forest("remove_aggregates").of(provider).with_values(&aggregates);
        self.change_aggregates(call, provider, expect, |current| {
            (!current.is_disjoint(&aggregates)).then(|| Arc::new(current - &aggregates))
        })
    }

    /// Returns whether `provider` is a member of all of `aggregates`. Returns true if `aggregates`
    /// is empty. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn in_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(aggregates.into_iter().all(|one| current.aggregates.contains(&one)))
    }

    /// Returns whether the aggregates of `provider` differ from `aggregates`. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn have_aggregates_changed(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(*current.aggregates != aggregates.into_iter().collect())
    }

    fn change_aggregates(
        &self,
        call: Call<'_>,
        provider: &Provider,
        expect: Expect,
        change: impl Fn(&BTreeSet<Uuid>) -> Option<Arc<BTreeSet<Uuid>>>,
    ) -> Result<Updated> {
        let change = |current: &Configuration| {
            let aggregates = change(&current.aggregates)?;
            Some(Configuration { aggregates, ..current.clone() })
        };
        self.write(call, |forest, writer| configure(forest, writer, provider, expect, None, change))
    }
}

/// Compares and changes resources, which are the caller's own values.
impl ProviderTree {
    /// Replaces all resources of `provider` by `resources` if the two differ; returns whether they
    /// differed. The generation grows only if the resources differed. Lock-free, but for the
    /// comparison, which is the caller's code; nothing is locked while the comparison runs.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more, or
    /// [`GenerationConflict`](crate::Error::GenerationConflict) if `provider` is not at the
    /// expected generation.
    pub fn update_resources(
        &self,
        provider: &Provider,
        resources: Resources,
        expect: Expect,
    ) -> Result<Updated> {
        let change = |current: &Configuration| {
            let next = Configuration { resources: resources.clone(), ..current.clone() };
            (current.resources != resources).then_some(next)
        };
        let call = Call::of_forest("update_resources").of(provider);
        self.write(call, |forest, writer| configure(forest, writer, provider, expect, None, change))
    }

    /// Returns whether the resources of `provider` differ from `resources`. Lock-free, but for the
    /// comparison, which is the caller's code, as in [`update_resources`](Self::update_resources);
    /// nothing is locked while the comparison runs.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn have_resources_changed(
        &self,
        provider: &Provider,
        resources: &Resources,
    ) -> Result<bool> {
        let (_, current) = self.core.forest.configuration(provider)?;
        Ok(current.resources != *resources)
    }
}

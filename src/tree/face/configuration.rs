//! What a provider has and is: its inventories, traits, aggregates and resources.
//!
//! Each of the four can be replaced, compared and looked at; the two that are sets can also be
//! added to and removed from.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::Result;
use crate::inventory::Inventories;
use crate::ledger::DoubleCollect;
use crate::partial_inventory::PartialInventories;
use crate::resource_class::ResourceClass;
use crate::resources::Resources;
use crate::traits::Trait;
use crate::tree::configuration::Configuration;
use crate::tree::configure::Updated;
use crate::tree::generation::Expect;
use crate::tree::provider::{Provider, ProviderData, ProviderTree};
use crate::tree::sharing::has_sharing_provider;

/// Facts of one provider, and their changes.
impl ProviderTree {
    /// The name of `provider`. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn name(&self, provider: &Provider) -> Result<Arc<str>> {
        self.core.configuration(provider).map(|(_, configuration)| configuration.name.clone())
    }

    /// Everything about `provider` but its usage, at one instant; shared, not copied. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn data(&self, provider: &Provider) -> Result<ProviderData> {
        let core = &self.core;
        core.structure_cell(provider)?;
        DoubleCollect::consistent(&core.ledger, |collect| core.data(collect, provider))
    }
}

/// Inventories.
impl ProviderTree {
    /// Replaces all inventories of `provider`; returns the new generation, and whether more is used
    /// now than there is.
    ///
    /// Atomic against claims: each is checked against exactly the inventories in force when it
    /// commits. What is held stays held: a capacity below what is used is accepted, and then only
    /// claims that don't add to it pass. Lock-free.
    ///
    /// # Errors
    ///
    /// [`InvalidInventory`](crate::Error::InvalidInventory), [`Removed`](crate::Error::Removed),
    /// [`GenerationConflict`](crate::Error::GenerationConflict), [`InUse`](crate::Error::InUse) if a class that
    /// is in use would go, [`TooLarge`](crate::Error::TooLarge) beyond 10,080 classes.
    pub fn set_inventories(
        &self,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
    ) -> Result<Updated> {
        self.replace_inventories(provider, inventories, expect, |_| true)
    }

    /// Replaces all inventories of `provider` if what is named of them is not so, as
    /// [`have_inventories_changed`](Self::have_inventories_changed) decides; says whether it did.
    ///
    /// What is not named takes its usual value when they are replaced. Otherwise as
    /// [`set_inventories`](Self::set_inventories); the generation grows only if they are replaced.
    ///
    /// # Errors
    ///
    /// As there.
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
        self.replace_inventories(provider, named.completed(), expect, differ)
    }

    /// Whether `inventories` say anything of `provider` that is not so: another set of classes, or
    /// another value of a field that is named. Fields that are not named don't count. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn have_inventories_changed(
        &self,
        provider: &Provider,
        inventories: impl Into<PartialInventories>,
    ) -> Result<bool> {
        let named = inventories.into();
        let (_, current) = self.core.configuration(provider)?;
        Ok(!named.agree_with(&current.inventories))
    }

    /// Whether `provider` has an inventory of any class. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn has_inventories(&self, provider: &Provider) -> Result<bool> {
        self.core.read_usage(provider, |words| words.classes() > 0)
    }

    /// Whether any provider of the forest has an inventory of `class` and the trait
    /// [`MISC_SHARES_VIA_AGGREGATE`](Trait::MISC_SHARES_VIA_AGGREGATE).
    ///
    /// One answer for one instant, as the forest keeps count. Lock-free; O(classes shared).
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
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| {
            has_sharing_provider(collect, core.sharing, class)
        })
    }

    fn replace_inventories(
        &self,
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
        self.core.with_writer(|writer| {
            self.core.configure(writer, provider, expect, Some(&capacities), change)
        })
    }
}

/// Traits.
impl ProviderTree {
    /// Replaces all traits of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`GenerationConflict`](crate::Error::GenerationConflict).
    pub fn set_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<u64> {
        let traits: Arc<BTreeSet<_>> = Arc::new(traits.into_iter().collect());
        let change = |_: &BTreeSet<_>| Some(Arc::clone(&traits));
        Ok(self.change_traits(provider, expect, change)?.generation)
    }

    /// Replaces all traits of `provider` if they are others; says whether they were. The
    /// generation grows only then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_traits`](Self::set_traits).
    pub fn update_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<Updated> {
        let traits: Arc<BTreeSet<_>> = Arc::new(traits.into_iter().collect());
        self.change_traits(provider, expect, |current| {
            (*current != *traits).then(|| Arc::clone(&traits))
        })
    }

    /// Adds traits to those of `provider`; says whether any was new. The generation grows only
    /// then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_traits`](Self::set_traits).
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
        self.change_traits(provider, expect, |current| {
            (!current.is_superset(&traits)).then(|| Arc::new(current | &traits))
        })
    }

    /// Takes traits from those of `provider`; says whether it had any of them. The generation grows
    /// only then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_traits`](Self::set_traits).
    pub fn remove_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
        expect: Expect,
    ) -> Result<Updated> {
        let traits: BTreeSet<_> = traits.into_iter().collect();
        self.change_traits(provider, expect, |current| {
            (!current.is_disjoint(&traits)).then(|| Arc::new(current - &traits))
        })
    }

    /// Whether `provider` has all of these traits; true if there are none of them. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn has_traits(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        let (_, current) = self.core.configuration(provider)?;
        Ok(traits.into_iter().all(|one| current.traits.contains(&one)))
    }

    /// Whether the traits of `provider` are others than these. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn have_traits_changed(
        &self,
        provider: &Provider,
        traits: impl IntoIterator<Item = Trait>,
    ) -> Result<bool> {
        let (_, current) = self.core.configuration(provider)?;
        Ok(*current.traits != traits.into_iter().collect())
    }

    fn change_traits(
        &self,
        provider: &Provider,
        expect: Expect,
        change: impl Fn(&BTreeSet<Trait>) -> Option<Arc<BTreeSet<Trait>>>,
    ) -> Result<Updated> {
        let change = |current: &Configuration| {
            let traits = change(&current.traits)?;
            Some(Configuration { traits, ..current.clone() })
        };
        self.core.with_writer(|writer| self.core.configure(writer, provider, expect, None, change))
    }
}

/// Aggregates.
impl ProviderTree {
    /// Replaces all aggregates of `provider`; returns the new generation. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`GenerationConflict`](crate::Error::GenerationConflict).
    pub fn set_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<u64> {
        let aggregates: Arc<BTreeSet<_>> = Arc::new(aggregates.into_iter().collect());
        let change = |_: &BTreeSet<_>| Some(Arc::clone(&aggregates));
        Ok(self.change_aggregates(provider, expect, change)?.generation)
    }

    /// Replaces all aggregates of `provider` if they are others; says whether they were. The
    /// generation grows only then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_aggregates`](Self::set_aggregates).
    pub fn update_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<Updated> {
        let aggregates: Arc<BTreeSet<_>> = Arc::new(aggregates.into_iter().collect());
        self.change_aggregates(provider, expect, |current| {
            (*current != *aggregates).then(|| Arc::clone(&aggregates))
        })
    }

    /// Adds aggregates to those of `provider`; says whether any was new. The generation grows only
    /// then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_aggregates`](Self::set_aggregates).
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
        self.change_aggregates(provider, expect, |current| {
            (!current.is_superset(&aggregates)).then(|| Arc::new(current | &aggregates))
        })
    }

    /// Takes aggregates from those of `provider`; says whether it had any of them. The generation grows
    /// only then. Lock-free.
    ///
    /// # Errors
    ///
    /// As [`set_aggregates`](Self::set_aggregates).
    pub fn remove_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
        expect: Expect,
    ) -> Result<Updated> {
        let aggregates: BTreeSet<_> = aggregates.into_iter().collect();
        self.change_aggregates(provider, expect, |current| {
            (!current.is_disjoint(&aggregates)).then(|| Arc::new(current - &aggregates))
        })
    }

    /// Whether `provider` is a member of all of these aggregates; true if there are none of them. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn in_aggregates(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        let (_, current) = self.core.configuration(provider)?;
        Ok(aggregates.into_iter().all(|one| current.aggregates.contains(&one)))
    }

    /// Whether the aggregates of `provider` are others than these. Lock-free.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn have_aggregates_changed(
        &self,
        provider: &Provider,
        aggregates: impl IntoIterator<Item = Uuid>,
    ) -> Result<bool> {
        let (_, current) = self.core.configuration(provider)?;
        Ok(*current.aggregates != aggregates.into_iter().collect())
    }

    fn change_aggregates(
        &self,
        provider: &Provider,
        expect: Expect,
        change: impl Fn(&BTreeSet<Uuid>) -> Option<Arc<BTreeSet<Uuid>>>,
    ) -> Result<Updated> {
        let change = |current: &Configuration| {
            let aggregates = change(&current.aggregates)?;
            Some(Configuration { aggregates, ..current.clone() })
        };
        self.core.with_writer(|writer| self.core.configure(writer, provider, expect, None, change))
    }
}

/// Resources: the caller's own values.
impl ProviderTree {
    /// Replaces all resources of `provider` if they are others; says whether they were. The
    /// generation grows only then. Lock-free, but for the comparison, which is the caller's code;
    /// nothing is locked while it runs.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed), [`GenerationConflict`](crate::Error::GenerationConflict).
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
        self.core.with_writer(|writer| self.core.configure(writer, provider, expect, None, change))
    }

    /// Whether the resources of `provider` are others than these. As
    /// [`update_resources`](Self::update_resources).
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn have_resources_changed(
        &self,
        provider: &Provider,
        resources: &Resources,
    ) -> Result<bool> {
        let (_, current) = self.core.configuration(provider)?;
        Ok(current.resources != *resources)
    }
}

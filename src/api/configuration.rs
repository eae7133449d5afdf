//! What a provider has and is, and how that changes.

use crate::api::tree::ProviderTree;
use crate::error::Result;
use crate::forest::{Configuration, Edit, Expect, Provider, Updated, configure};
use crate::trace::Call;

/// Reads and changes what a provider has and is.
impl ProviderTree {
    /// Returns everything about `provider` but its usage, as of one instant: generation, name, parent,
    /// inventories, traits, aggregates and resources. What it says of them is shared with the forest, not
    /// copied: the call looks at one cell, clones one [`Arc`](std::sync::Arc) and allocates nothing.
    /// Lock-free.
    ///
    /// [`Worker::configuration`](crate::Worker::configuration) remembers what it has returned, and costs a
    /// fraction while nothing changes.
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
    /// tree.configure(&host, inventories, Expect::Any)?;
    /// let host = tree.configuration(&host)?;
    /// assert_eq!((&*host.name, host.parent, host.generation), ("host-1", None, 1));
    /// assert!(host.inventories.get(ResourceClass::VCPU).is_some());
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    #[inline]
    pub fn configuration(&self, provider: &Provider) -> Result<Configuration> {
        self.core.forest.with_facts(provider, |title, facts| Configuration {
            uuid: provider.uuid(),
            generation: title.generation,
            facts,
        })
    }

    /// Makes an [`Edit`] of `provider` in one commit: of inventories, traits, aggregates and resources.
    /// Returns whether that made a difference, the generation, and whether more of any class is used now than
    /// its capacity.
    ///
    /// The generation grows by one if the edit makes a difference, whatever it changes, and stays if it makes
    /// none; see [`Expect`] for others who count the generations.
    ///
    /// The edit is atomic against claims: each claim is checked against exactly the inventories that are in
    /// force when the claim commits. What is held stays held: a capacity below what is used is accepted, and
    /// from then on a claim passes only if it does not add to what is used. O(classes, traits and aggregates
    /// of `provider`). Takes a shard's lock for O(1); else lock-free, but for the comparison of resources,
    /// which is the caller's code; nothing is locked while that runs.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInventory`](crate::Error::InvalidInventory) if an inventory contradicts
    /// itself; [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more;
    /// [`GenerationConflict`](crate::Error::GenerationConflict) if `provider` is not at the
    /// expected generation; [`InUse`](crate::Error::InUse) if a class would go that is in use;
    /// [`TooLarge`](crate::Error::TooLarge) beyond 10,080 classes.
    ///
    /// ```
    /// use provider_tree::{Edit, Error, Expect, Inventories, Inventory, ProviderTree};
    /// use provider_tree::{ResourceClass, Trait, Updated};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// let avx = Trait::new("HW_CPU_X86_AVX2")?;
    ///
    /// let edit = Edit::new().set_inventories(vcpu).set_traits([avx]);
    /// let first = tree.configure(&host, edit.clone(), Expect::Generation(0))?;
    /// assert_eq!(first, Updated { changed: true, generation: 1, overcommitted: false });
    /// let again = tree.configure(&host, edit.clone(), Expect::Any)?;
    /// assert_eq!(again, Updated { changed: false, generation: 1, overcommitted: false });
    ///
    /// let late = tree.configure(&host, edit, Expect::Generation(0));
    /// assert!(matches!(late, Err(Error::GenerationConflict { actual: 1, .. })));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn configure(
        &self,
        provider: &Provider,
        edit: impl Into<Edit>,
        expect: Expect,
    ) -> Result<Updated> {
        let edit = edit.into();
        let call = Call::of_forest("configure").of(provider).with_values(&edit);
        self.write(call, |forest, writer| configure(forest, writer, provider, &edit, expect))
    }
}

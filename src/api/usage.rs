//! Usage: what is free and what is used, without saying which consumers hold it.

use crate::api::tree::ProviderTree;
use crate::error::{Error, Result};
use crate::forest::{Forest, Provider, SubtreeUsages, Version, all_usages, subtree_usages};
use crate::layout::usages_in;
use crate::values::{ResourceClass, Usage};

/// Reads what is used of one provider.
impl ProviderTree {
    /// Returns capacity and use of one class of `provider`, as of one instant. Lock-free, without
    /// allocation.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` doesn't exist any more, or
    /// [`NoInventory`](Error::NoInventory) if `provider` has no inventory of `class`.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let cell = self.core.forest.usage_cell(provider)?;
        let Forest { ledger, layouts, .. } = &self.core.forest;
        let (life, [usage]) = ledger.peek(cell, |record| usages_in(record, layouts, [class]));
        provider.check_life(life)?;
        match usage {
            Some(usage) => Ok(usage),
            None => Err(Error::NoInventory { provider: provider.uuid, class }),
        }
    }

    /// Returns capacity and use of each of `classes`, as of one instant and in the order of
    /// `classes`: `None` for a class that `provider` has no inventory of. Lock-free, without
    /// allocation. O(`N` * classes of `provider` / 4).
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` doesn't exist any more.
    ///
    /// ```
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let inventories = Inventories::new()
    ///     .with(ResourceClass::VCPU, Inventory::new(16))
    ///     .with(ResourceClass::DISK_GB, Inventory::new(900));
    /// tree.configure(&host, inventories, Expect::Any)?;
    /// let classes = [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
    /// let [vcpu, memory, disk] = tree.usages_of(&host, classes)?;
    /// assert_eq!(vcpu.map(|usage| usage.free()), Some(16));
    /// assert_eq!((memory, disk.map(|usage| usage.used)), (None, Some(0)));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn usages_of<const N: usize>(
        &self,
        provider: &Provider,
        classes: [ResourceClass; N],
    ) -> Result<[Option<Usage>; N]> {
        let cell = self.core.forest.usage_cell(provider)?;
        let Forest { ledger, layouts, .. } = &self.core.forest;
        let (life, usages) = ledger.peek(cell, |record| usages_in(record, layouts, classes));
        provider.check_life(life)?;
        Ok(usages)
    }

    /// Puts capacity and use of all classes of `provider` and of all its descendants into `into`, in
    /// the place of what is there, as of one instant. For a host with everything below it, call it
    /// with the root.
    ///
    /// The call allocates only for what `into` has no room for yet, so a caller that keeps `into`
    /// soon allocates nothing, up to seven levels below `provider`. Cost: the number of providers and
    /// classes.
    ///
    /// Lock-free: starts over only if a change came between, of what is used of one of these providers
    /// or of their structure. So under an endless storm of claims from one of them, the call may take
    /// as long as the storm; a [`snapshot`](Self::snapshot) never starts over.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` doesn't exist any more.
    ///
    /// ```
    /// use provider_tree::{
    ///     Expect, Inventories, Inventory, ProviderTree, ResourceClass, SubtreeUsages,
    /// };
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// for name in ["host-1-numa-0", "host-1-numa-1"] {
    ///     let numa = tree.create_child(&host, name, None)?;
    ///     let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    ///     tree.configure(&numa, inventories, Expect::Any)?;
    /// }
    ///
    /// let mut usages = SubtreeUsages::new();
    /// tree.subtree_usages(&host, &mut usages)?;
    /// let amounts = usages.iter().flat_map(|(_, amounts)| amounts);
    /// let free: u64 = amounts.map(|(_, usage)| usage.free()).sum();
    /// assert_eq!((usages.len(), free), (3, 32));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn subtree_usages(&self, provider: &Provider, into: &mut SubtreeUsages) -> Result<()> {
        subtree_usages(&self.core.forest, provider, into)
    }

    /// Returns capacity and use of all classes of `provider`, as of one instant and ordered by
    /// class. Lock-free.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` doesn't exist any more.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        let forest = &self.core.forest;
        forest.read_usage(provider, |usage| all_usages(usage, &forest.layouts))
    }

    /// Returns a value that stands for the present state of `provider`'s usage and configuration.
    /// If two calls return equal values, nothing has changed between the calls. No other question
    /// is as cheap: the answer costs one load, unless a transaction is in progress and has to be
    /// finished first. Lock-free.
    ///
    /// Two values may differ although nothing was changed, for example after an attempt that
    /// another thread overtook.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignProvider`](Error::ForeignProvider) if `provider` belongs to another forest.
    /// A removal of `provider` is no error here: the value changes as it does with any other
    /// change.
    pub fn version(&self, provider: &Provider) -> Result<Version> {
        let cell = self.core.forest.usage_cell(provider)?;
        Ok(Version(self.core.forest.ledger.version(cell)))
    }
}

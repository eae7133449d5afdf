//! Usage: what is free and what is held, without saying by whom.

use crate::error::{Error, Result};
use crate::inventory::Usage;
use crate::resource_class::ResourceClass;
use crate::tree::core::{Core, all_usages};
use crate::tree::layout::usage_in;
use crate::tree::provider::{Provider, ProviderTree, Version};

/// What is used of one provider.
impl ProviderTree {
    /// Capacity and use of one class at one instant. Lock-free, without allocation.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`NoInventory`](Error::NoInventory).
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let cell = self.core.usage_cell(provider)?;
        let (life, usage) = self.core.ledger.peek(cell, |record| usage_in(record, class.number()));
        Core::check(provider, life)?;
        match usage {
            Some(usage) => Ok(usage),
            None => Err(Error::NoInventory { provider: provider.uuid, class }),
        }
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

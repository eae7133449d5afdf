//! Usage: what is free and what is used, without saying which consumers hold it.

use crate::api::tree::ProviderTree;
use crate::error::{Error, Result};
use crate::forest::{Forest, Provider, Version, all_usages};
use crate::layout::usage_in;
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
        let (life, usage) = ledger.peek(cell, |record| usage_in(record, layouts, class.number()));
        provider.check_life(life)?;
        match usage {
            Some(usage) => Ok(usage),
            None => Err(Error::NoInventory { provider: provider.uuid, class }),
        }
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

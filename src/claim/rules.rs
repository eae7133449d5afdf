//! [`Rules`]: what a claim is checked against beside the words of cells.

use crate::claim::fact::Question;
use crate::forest::{Forest, Provider};
use crate::layout::{UsageHead, usage_of};
use crate::ledger::{Cell, Torn};
use crate::values::{Inventory, ResourceClass};

/// Answers what the claim engine asks beside the words of cells: for a transaction, the [`Forest`];
/// for a what-if, the [fork](crate::Fork).
pub(crate) trait Rules {
    /// Returns the forest that the claim's handles name providers of.
    fn forest(&self) -> &Forest;

    /// Returns whether some amounts within the capacity may be refused, so that the inventory has
    /// to be asked.
    fn has_units(&self, head: UsageHead) -> bool;

    /// Returns the provider's inventory of `class`, in the configuration that the usage cell names
    /// as `version`.
    fn inventory(
        &self,
        provider: &Provider,
        version: u64,
        class: ResourceClass,
    ) -> Result<Option<Inventory>, Torn>;

    /// Notes that the claim rests on the answer to `question` about the provider with this usage
    /// cell. `handle` names that provider; without a handle, the provider is the one that is there.
    fn note(&self, usage: Cell, handle: Option<&Provider>, question: Question) -> Result<(), Torn>;
}

impl Rules for Forest {
    fn forest(&self) -> &Forest {
        self
    }

    #[inline(always)]
    fn has_units(&self, head: UsageHead) -> bool {
        head.has_units()
    }

    fn inventory(
        &self,
        provider: &Provider,
        version: u64,
        class: ResourceClass,
    ) -> Result<Option<Inventory>, Torn> {
        self.with_configuration(usage_of(provider.cell), version, |configuration| {
            configuration.inventories.get(class).copied()
        })
    }

    /// Notes nothing: a transaction rests on every cell that it has opened.
    #[inline(always)]
    fn note(&self, _: Cell, _: Option<&Provider>, _: Question) -> Result<(), Torn> {
        Ok(())
    }
}

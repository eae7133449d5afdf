//! A change of what is used of one class of one provider.

use crate::error::Error;
use crate::ledger::{Abort, Cell, Transaction};
use crate::resource_class::ResourceClass;
use crate::tree::cells::{Amounts, UsageWords};
use crate::tree::core::Core;
use crate::tree::{Provider, Refused};

/// A change of what is used of one class of one provider.
pub(crate) struct Change<'a> {
    /// The caller's handle; none for what is held already.
    pub(crate) handle: Option<&'a Provider>,
    pub(crate) usage: Cell,
    pub(crate) class: u16,
}

impl Change<'_> {
    /// Puts `wanted` in the place of `held` in a transaction.
    pub(super) fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(), Abort<Refused>> {
        let place = transaction.open(self.usage)?;
        let words = transaction.words(place);
        if let Some(handle) = self.handle {
            Core::check(handle, UsageWords(words).life())?;
        }
        let changed = self.used_after(words, core, held, wanted);
        let (at, used) = changed.map_err(|abort| abort.map(Refused::Error))?;
        at.set_used(transaction.words_mut(place), used);
        Ok(())
    }

    /// The class's amounts, and how much is used if `wanted` takes the place of `held`.
    #[inline(always)]
    pub(crate) fn used_after(
        &self,
        words: &[u64],
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        let Some(amounts) = usage.find(self.class) else { return Err(self.no_inventory()) };
        // What is held is part of what is used, if both were read at one instant.
        let Some(others) = amounts.used.checked_sub(held) else { return Err(Abort::Torn) };
        let free = amounts.capacity.saturating_sub(others);
        if wanted > held && (wanted > free || usage.is_cordoned()) {
            return Err(self.not_to_be_had(usage, wanted, free));
        }
        if usage.has_units() && wanted != held {
            self.check_units(usage, core, wanted)?;
        }
        // Can't overflow: either within the capacity, or no more than was used.
        Ok((amounts, others + wanted))
    }

    #[cold]
    fn no_inventory(&self) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        let class = ResourceClass::from_number(self.class);
        Error::NoInventory { provider: handle.uuid, class }.into()
    }

    #[cold]
    fn not_to_be_had(&self, usage: UsageWords<'_>, requested: u64, free: u64) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        if usage.is_cordoned() {
            return Error::Cordoned { provider: handle.uuid }.into();
        }
        let class = ResourceClass::from_number(self.class);
        Error::CapacityExceeded { provider: handle.uuid, class, requested, free }.into()
    }

    /// Whether one of several consumers may have `wanted` for what it held, but for capacity.
    pub(super) fn check(
        &self,
        words: &[u64],
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(), Abort<Error>> {
        let usage = UsageWords(words);
        if usage.find(self.class).is_none() {
            return Err(self.no_inventory());
        }
        if wanted > held && usage.is_cordoned() {
            return Err(self.not_to_be_had(usage, wanted, 0));
        }
        if usage.has_units() && wanted != held {
            self.check_units(usage, core, wanted)?;
        }
        Ok(())
    }

    /// The class's amounts, and how much is used if several consumers take `wanted` together.
    /// `held` was given back before.
    pub(super) fn taken_together(
        &self,
        words: &[u64],
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        let Some(amounts) = usage.find(self.class) else { return Err(self.no_inventory()) };
        let free = amounts.capacity.saturating_sub(amounts.used);
        if wanted > held && wanted > free {
            return Err(self.not_to_be_had(usage, wanted, free));
        }
        // Can't overflow: either within the capacity, or no more than was used.
        Ok((amounts, amounts.used + wanted))
    }

    /// Checks `wanted` against the inventory that the words rest on.
    #[cold]
    fn check_units(
        &self,
        usage: UsageWords<'_>,
        core: &Core,
        wanted: u64,
    ) -> Result<(), Abort<Error>> {
        // Without a handle something is given back, which obeys no units.
        let Some(handle) = self.handle else { return Ok(()) };
        let class = ResourceClass::from_number(self.class);
        let version = usage.configuration();
        let checked = core.configurations.with(self.usage, version, |configuration| {
            let inventory = configuration.inventories.get(class)?;
            (!inventory.allows(wanted)).then_some(Error::UnitViolation {
                provider: handle.uuid,
                class,
                requested: wanted,
                min_unit: inventory.min_unit,
                max_unit: inventory.max_unit,
                step_size: inventory.step_size,
            })
        });
        match checked {
            None => Err(Abort::Torn),
            Some(Some(violation)) => Err(Abort::Reject(violation)),
            Some(None) => Ok(()),
        }
    }
}

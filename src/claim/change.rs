//! [`Change`]: a change of how much of one class of one provider is used.

use crate::claim::core::Core;
use crate::claim::request::Line;
use crate::error::Error;
use crate::forest::{Provider, Refused};
use crate::layout::Held;
use crate::layout::{Amounts, Life, UsageHead, UsageWords, Words, usage_of};
use crate::ledger::{Abort, Cell, Transaction};
use crate::resource_class::ResourceClass;

/// Describes a change of how much of one class of one provider is used.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The handle by which a caller names the provider; `None` if the change gives back what a
    /// consumer holds.
    pub(crate) handle: Option<&'a Provider>,
    pub(crate) class: u16,
}

/// Takes the amounts of the `wanted` lines for a consumer that holds nothing. The lines are sorted.
#[inline(never)] // Apart from its caller, the loop has enough registers.
pub(super) fn take_all(
    transaction: &mut Transaction<'_>,
    core: &Core,
    wanted: &[Line],
) -> Result<(), Abort<Refused>> {
    for lines in wanted.chunk_by(|line, next| line.usage() == next.usage()) {
        let changes = lines.iter().map(|line| (Change::of(line), 0, line.amount));
        change_one(transaction, core, lines[0].usage(), changes)?;
    }
    Ok(())
}

/// Gives back all `held` amounts, which are sorted.
#[inline(never)] // Apart from its caller, this loop has enough registers too.
pub(super) fn give_back_all(
    transaction: &mut Transaction<'_>,
    core: &Core,
    held: &[Held],
) -> Result<(), Abort<Refused>> {
    for held in held.chunk_by(|held, next| held.usage == next.usage) {
        let changes = held.iter().map(|held| (Change::of_held(held), held.amount, 0));
        change_one(transaction, core, held[0].usage, changes)?;
    }
    Ok(())
}

/// Makes several changes in the usage cell of one provider. Each change comes with the amount that
/// is held, and the amount that is wanted instead.
#[inline]
fn change_one<'a>(
    transaction: &mut Transaction<'_>,
    core: &Core,
    usage: Cell,
    changes: impl Iterator<Item = (Change<'a>, u64, u64)>,
) -> Result<(), Abort<Refused>> {
    let place = transaction.open(usage)?;
    let words = transaction.words_mut(place);
    let (life, head) = (UsageWords(&*words).life(), UsageWords(&*words).head());
    for (change, held, wanted) in changes {
        change.check_handle(life)?;
        let changed = change.used_after(head, &*words, core, held, wanted);
        let (at, used) = changed.map_err(|abort| abort.map(Refused::Error))?;
        at.set_used(words, used);
    }
    Ok(())
}

impl<'a> Change<'a> {
    /// Returns the change of the provider and class that `line` names.
    #[inline]
    pub(super) fn of(line: &'a Line) -> Self {
        Change { handle: Some(&line.provider), class: line.class.number() }
    }

    /// Returns the change of the provider and class of `held`, whatever handle the amount was taken
    /// by.
    #[inline]
    pub(super) fn of_held(held: &Held) -> Self {
        Change { handle: None, class: held.class }
    }
}

impl Change<'_> {
    /// Puts `wanted` in the place of `held` in the usage cell, as part of the transaction. On an
    /// error, leaves the usage cell as it was.
    pub(super) fn apply(
        self,
        transaction: &mut Transaction<'_>,
        core: &Core,
        usage: Cell,
        held: u64,
        wanted: u64,
    ) -> Result<(), Abort<Refused>> {
        let place = transaction.open(usage)?;
        let changed = self.checked(transaction.words(place), core, held, wanted);
        let (at, used) = changed.map_err(|abort| abort.map(Refused::Error))?;
        at.set_used(transaction.words_mut(place), used);
        Ok(())
    }

    /// Checks that the handle still means the provider, then returns what
    /// [`used_after`](Self::used_after) returns.
    pub(crate) fn checked(
        self,
        words: &[u64],
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        self.check_handle(usage.life())?;
        self.used_after(usage.head(), words, core, held, wanted)
    }

    /// Checks that the handle, if there is one, still means the provider whose usage cell has this
    /// `life`.
    #[inline]
    fn check_handle(self, life: Life) -> Result<(), Error> {
        self.handle.map_or(Ok(()), |handle| handle.check_life(life))
    }

    /// Returns the class's amounts in `words`, whose head is `head`, and how much will be used when
    /// `wanted` takes the place of `held`.
    ///
    /// Refuses to raise an amount beyond what is free, so that no claim exceeds the capacity.
    /// Refuses to raise an amount on a cordoned provider, and to change it against the units.
    #[inline(always)]
    pub(super) fn used_after(
        self,
        head: UsageHead,
        words: impl Words,
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let Some(amounts) = head.find(words, self.class) else { return Err(self.no_inventory()) };
        // If both were read at one instant, what is held is part of what is used.
        let Some(others) = amounts.used.checked_sub(held) else { return Err(Abort::Torn) };
        let free = amounts.capacity.saturating_sub(others);
        if wanted > held && (wanted > free || head.is_cordoned()) {
            return Err(self.not_to_be_had(head, wanted, free));
        }
        if head.has_units() && wanted != held {
            self.check_units(head, core, wanted)?;
        }
        // The sum can't overflow: it is within the capacity, or no more than was used before.
        Ok((amounts, others + wanted))
    }

    #[cold]
    fn no_inventory(self) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        let class = ResourceClass::from_number(self.class);
        Error::NoInventory { provider: handle.uuid, class }.into()
    }

    #[cold]
    fn not_to_be_had(self, usage: UsageHead, requested: u64, free: u64) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        if usage.is_cordoned() {
            return Error::Cordoned { provider: handle.uuid }.into();
        }
        let class = ResourceClass::from_number(self.class);
        Error::CapacityExceeded { provider: handle.uuid, class, requested, free }.into()
    }

    /// Checks whether one of several consumers may hold `wanted` instead of `held`, leaving the
    /// capacity aside.
    pub(super) fn check(
        self,
        words: &[u64],
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(), Abort<Error>> {
        let usage = UsageWords(words).head();
        if usage.find(words, self.class).is_none() {
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

    /// Returns the class's amounts, and how much will be used when several consumers take `wanted`
    /// together. `held` is what these consumers held together, and have given back before.
    ///
    /// Refuses to raise the sum beyond what is free, so that no batch exceeds the capacity. The
    /// caller has [checked](Self::check) each consumer's part.
    pub(super) fn taken_together(
        self,
        words: &[u64],
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words).head();
        let Some(amounts) = usage.find(words, self.class) else { return Err(self.no_inventory()) };
        let free = amounts.capacity.saturating_sub(amounts.used);
        if wanted > held && wanted > free {
            return Err(self.not_to_be_had(usage, wanted, free));
        }
        // The sum can't overflow: it is within the capacity, or no more than was used before.
        Ok((amounts, amounts.used + wanted))
    }

    /// Checks `wanted` against the units of the class's inventory, in the configuration that the
    /// usage cell names.
    #[cold]
    fn check_units(self, usage: UsageHead, core: &Core, wanted: u64) -> Result<(), Abort<Error>> {
        // A change without a handle gives back, and what is given back obeys no units.
        let Some(handle) = self.handle else { return Ok(()) };
        let class = ResourceClass::from_number(self.class);
        let version = usage.configuration();
        let checked =
            core.forest.configurations.with(usage_of(handle.cell), version, |configuration| {
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

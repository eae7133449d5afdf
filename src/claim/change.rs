//! Changes of what is used of one class of one provider.

use crate::claim::consumer::Held;
use crate::claim::request::Line;
use crate::error::Error;
use crate::ledger::{Abort, Cell, Transaction};
use crate::resource_class::ResourceClass;
use crate::tree::core::Core;
use crate::tree::layout::{Amounts, Life, UsageHead, UsageWords, Words, usage_of};
use crate::tree::{Provider, Refused};

/// A change of what is used of one class of one provider.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The caller's handle; none for what is held already.
    pub(crate) handle: Option<&'a Provider>,
    pub(crate) class: u16,
}

/// Takes what the lines want, none of which is held yet. They are sorted.
#[inline(never)] // By itself the loop has registers enough.
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

/// Gives back all that is held. It is sorted.
#[inline(never)] // As above.
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

/// Makes changes of one provider, each with what is held and what is wanted instead.
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
    /// Of what a line names.
    #[inline]
    pub(super) fn of(line: &'a Line) -> Self {
        Change { handle: Some(&line.provider), class: line.class.number() }
    }

    /// Of what is held, by whatever handle it was taken.
    #[inline]
    pub(super) fn of_held(held: &Held) -> Self {
        Change { handle: None, class: held.class }
    }
}

impl Change<'_> {
    /// Puts `wanted` in the place of `held` in a transaction, in this usage cell, or leaves that as it
    /// was.
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

    /// As [`used_after`](Self::used_after), if the handle means the provider still.
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

    /// Whether the handle means the provider still whose usage cell has this life.
    #[inline]
    fn check_handle(self, life: Life) -> Result<(), Error> {
        self.handle.map_or(Ok(()), |handle| Core::check(handle, life))
    }

    /// The class's amounts in these words with this head, and how much is used if `wanted` takes the
    /// place of `held`.
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
        // What is held is part of what is used, if both were read at one instant.
        let Some(others) = amounts.used.checked_sub(held) else { return Err(Abort::Torn) };
        let free = amounts.capacity.saturating_sub(others);
        if wanted > held && (wanted > free || head.is_cordoned()) {
            return Err(self.not_to_be_had(head, wanted, free));
        }
        if head.has_units() && wanted != held {
            self.check_units(head, core, wanted)?;
        }
        // Can't overflow: either within the capacity, or no more than was used.
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

    /// Whether one of several consumers may have `wanted` for what it held, but for capacity.
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

    /// The class's amounts, and how much is used if several consumers take `wanted` together.
    /// `held` was given back before.
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
        // Can't overflow: either within the capacity, or no more than was used.
        Ok((amounts, amounts.used + wanted))
    }

    /// Checks `wanted` against the inventory that the words rest on.
    #[cold]
    fn check_units(self, usage: UsageHead, core: &Core, wanted: u64) -> Result<(), Abort<Error>> {
        // Without a handle something is given back, which obeys no units.
        let Some(handle) = self.handle else { return Ok(()) };
        let class = ResourceClass::from_number(self.class);
        let version = usage.configuration();
        let checked = core.configurations.with(usage_of(handle.cell), version, |configuration| {
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

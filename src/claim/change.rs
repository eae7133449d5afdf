//! [`Change`]: a change of how much of one class of one provider is used.

use crate::claim::fact::Question;
use crate::claim::lines::Line;
use crate::claim::rules::Rules;
use crate::error::Error;
use crate::forest::{Draft, Provider};
use crate::layout::{
    Amounts, Form, Holding, Layouts, Life, UsageHead, UsageWords, Words, usage_of,
};
use crate::ledger::{Abort, Cell};
use crate::values::ResourceClass;

/// Describes a change of how much of one class of one provider is used.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The usage cell of the provider.
    pub(super) usage: Cell,
    /// The handle by which a caller names the provider; `None` if the change gives back what a
    /// consumer holds.
    pub(super) handle: Option<&'a Provider>,
    pub(super) class: u16,
    /// How much is held before the change.
    pub(super) held: u64,
    /// How much is to be held instead.
    pub(super) wanted: u64,
}

impl<'a> Change<'a> {
    /// Returns the change that takes `amount` where nothing is held.
    #[inline]
    pub(super) fn taking(provider: &'a Provider, class: ResourceClass, amount: u64) -> Self {
        let (usage, handle) = (usage_of(provider.cell), Some(provider));
        Change { usage, handle, class: class.number(), held: 0, wanted: amount }
    }

    /// Returns the change that makes the amount of `line` of the amount that is held.
    #[inline]
    pub(super) fn of(line: &'a Line, held: u64) -> Self {
        Change { held, ..Change::taking(&line.provider, line.class, line.amount) }
    }

    /// Returns the change that gives `held` back, whatever handle the amount was taken by.
    #[inline]
    pub(super) fn of_held(held: &Holding) -> Self {
        let Holding { usage, class, amount } = *held;
        Change { usage, handle: None, class, held: amount, wanted: 0 }
    }
}

impl Change<'_> {
    /// Makes the change part of the draft. On an error, leaves the usage cell as it was.
    pub(super) fn apply(
        self,
        draft: &mut impl Draft,
        rules: &impl Rules,
    ) -> Result<(), Abort<Error>> {
        let place = draft.open(self.usage)?;
        let (at, used) = self.checked(draft.words(place), rules)?;
        at.set_used(draft.words_mut(place), used);
        Ok(())
    }

    /// Checks that the handle still means the provider, then returns what
    /// [`used_after`](Self::used_after) returns.
    pub(super) fn checked(
        self,
        words: &[u64],
        rules: &impl Rules,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        self.check_handle(rules, usage.life())?;
        let head = usage.head();
        self.used_after((head, head.form(&rules.forest().layouts)), words, rules)
    }

    /// Checks that the handle, if there is one, still means the provider whose usage cell has this
    /// `life`.
    #[inline]
    pub(super) fn check_handle(self, rules: &impl Rules, life: Life) -> Result<(), Abort<Error>> {
        let Some(handle) = self.handle else { return Ok(()) };
        rules.note(self.usage, Some(handle), Question::Exists)?;
        Ok(handle.check_life(life)?)
    }

    /// Returns the class's amounts in `words`, which have this head and form, and how much will be used
    /// after the change.
    ///
    /// Refuses to raise an amount beyond what is free, so that no claim exceeds the capacity.
    /// Refuses to raise an amount on a cordoned provider, and to change it against the units.
    #[inline(always)]
    pub(super) fn used_after(
        self,
        (head, form): (UsageHead, Form),
        words: impl Words,
        rules: &impl Rules,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let Change { usage, handle, held, wanted, .. } = self;
        rules.note(usage, handle, Question::Usage(self.class))?;
        if wanted > held {
            rules.note(usage, handle, Question::Cordoned)?;
        }
        let Some(amounts) = form.find(words, self.class) else {
            return Err(no_inventory(self.handle, self.class));
        };
        // If both were read at one instant, what is held is part of what is used.
        let Some(others) = amounts.used.checked_sub(held) else { return Err(Abort::Torn) };
        let free = amounts.capacity.saturating_sub(others);
        if wanted > held && (wanted > free || head.is_cordoned()) {
            return Err(not_to_be_had(handle, self.class, head, wanted, free));
        }
        if rules.has_units(head) && wanted != held {
            check_units(handle, self.class, head, rules, wanted)?;
        }
        // The sum can't overflow: it is within the capacity, or no more than was used before.
        Ok((amounts, others + wanted))
    }

    /// Checks the change of one of several consumers, leaving the capacity aside.
    pub(super) fn check(self, words: &[u64], rules: &impl Rules) -> Result<(), Abort<Error>> {
        let usage = UsageWords(words);
        self.check_handle(rules, usage.life())?;
        if usage.find(&rules.forest().layouts, self.class).is_none() {
            return Err(no_inventory(self.handle, self.class));
        }
        if self.wanted > self.held && usage.is_cordoned() {
            return Err(not_to_be_had(self.handle, self.class, usage.head(), self.wanted, 0));
        }
        match rules.has_units(usage.head()) && self.wanted != self.held {
            true => check_units(self.handle, self.class, usage.head(), rules, self.wanted),
            false => Ok(()),
        }
    }

    /// Returns the class's amounts, and how much will be used after the change of several consumers
    /// together, who have given back before what they held.
    ///
    /// Refuses to raise the sum beyond what is free, so that no batch exceeds the capacity. The
    /// caller has [checked](Self::check) the change of each consumer.
    pub(super) fn taken_together(
        self,
        words: &[u64],
        layouts: &Layouts,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        let Some(amounts) = usage.find(layouts, self.class) else {
            return Err(no_inventory(self.handle, self.class));
        };
        let free = amounts.capacity.saturating_sub(amounts.used);
        if self.wanted > self.held && self.wanted > free {
            return Err(not_to_be_had(self.handle, self.class, usage.head(), self.wanted, free));
        }
        // The sum can't overflow: it is within the capacity, or no more than was used before.
        Ok((amounts, amounts.used + self.wanted))
    }
}

// The functions for the seldom cases take what they need in registers, and stand apart, so that the
// frequent cases do not load it.

#[cold]
#[inline(never)]
fn no_inventory(handle: Option<&Provider>, class: u16) -> Abort<Error> {
    let Some(handle) = handle else { return Abort::Torn };
    let class = ResourceClass::from_number(class);
    Error::NoInventory { provider: handle.uuid, class }.into()
}

#[cold]
#[inline(never)]
fn not_to_be_had(
    handle: Option<&Provider>,
    class: u16,
    usage: UsageHead,
    requested: u64,
    free: u64,
) -> Abort<Error> {
    let Some(handle) = handle else { return Abort::Torn };
    if usage.is_cordoned() {
        return Error::Cordoned { provider: handle.uuid }.into();
    }
    let class = ResourceClass::from_number(class);
    Error::CapacityExceeded { provider: handle.uuid, class, requested, free }.into()
}

/// Checks what is wanted against the units of the class's inventory.
#[cold]
#[inline(never)]
fn check_units(
    handle: Option<&Provider>,
    class: u16,
    usage: UsageHead,
    rules: &impl Rules,
    requested: u64,
) -> Result<(), Abort<Error>> {
    // A change without a handle gives back, and what is given back obeys no units.
    let Some(handle) = handle else { return Ok(()) };
    let class = ResourceClass::from_number(class);
    match rules.inventory(handle, usage.configuration(), class)? {
        Some(inventory) if !inventory.allows(requested) => Err(Error::UnitViolation {
            provider: handle.uuid,
            class,
            requested,
            min_unit: inventory.min_unit,
            max_unit: inventory.max_unit,
            step_size: inventory.step_size,
        }
        .into()),
        _ => Ok(()),
    }
}

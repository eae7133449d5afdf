//! [`Line`]: one amount that a claim asks for. The checks of lines by themselves, and their order.

use crate::error::{Error, Result};
use crate::forest::{Forest, Provider};
use crate::layout::{Holding, usage_of};
use crate::ledger::Cell;
use crate::values::ResourceClass;

/// Represents one amount that a claim asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) provider: Provider,
    pub(crate) class: ResourceClass,
    pub(crate) amount: u64,
}

impl Line {
    #[inline]
    pub(super) fn usage(&self) -> Cell {
        usage_of(self.provider.cell)
    }

    /// Returns, as one number, the usage cell and the class that lines and held amounts are sorted
    /// by.
    #[inline]
    pub(super) fn order(&self) -> u64 {
        u64::from(self.usage().number()) << 16 | u64::from(self.class.number())
    }

    /// Returns the usage cell and the class that lines and held amounts are sorted by.
    #[inline]
    pub(crate) fn key(&self) -> (Cell, u16) {
        (self.usage(), self.class.number())
    }

    /// Checks what can be checked of the line without a transaction.
    pub(super) fn check(&self, forest: &Forest) -> Result<()> {
        forest.usage_cell(&self.provider)?;
        check_amount(&self.provider, self.class, self.amount)
    }

    #[inline]
    pub(crate) fn held(&self) -> Holding {
        Holding { usage: self.usage(), class: self.class.number(), amount: self.amount }
    }
}

#[inline]
pub(super) fn check_amount(provider: &Provider, class: ResourceClass, amount: u64) -> Result<()> {
    if amount == 0 { Err(zero_amount(provider, class)) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn zero_amount(provider: &Provider, class: ResourceClass) -> Error {
    Error::ZeroAmount { provider: provider.uuid, class }
}

/// Returns the sum of amounts that one call asks for, or an error if the sum is too large.
pub(super) fn sum_of(
    provider: &Provider,
    class: ResourceClass,
    amounts: impl Iterator<Item = u64>,
) -> Result<u64> {
    let sum = amounts.map(u128::from).sum();
    u64::try_from(sum).map_err(|_| Error::SumTooLarge { provider: provider.uuid, class, sum })
}

/// Sorts out lines: sorts them by usage cell and class, and adds up the lines of one class of one
/// provider, so that each class of each provider comes once.
pub(crate) fn sort_out(lines: &mut Vec<Line>) -> Result<()> {
    lines.sort_unstable_by_key(|line| (line.order(), line.provider.incarnation));
    let mut overflow: Option<(Line, u128)> = None;
    lines.dedup_by(|next, line| {
        let same = next.order() == line.order() && next.provider == line.provider;
        if same {
            match line.amount.checked_add(next.amount) {
                Some(sum) => line.amount = sum,
                None => {
                    let (of, sum) = overflow.get_or_insert((*line, line.amount.into()));
                    if (of.order(), of.provider) == (line.order(), line.provider) {
                        *sum += u128::from(next.amount);
                    }
                    // The greatest amount, so that the next line of the class overflows too.
                    line.amount = u64::MAX;
                }
            }
        }
        same
    });
    match overflow {
        None => Ok(()),
        Some((Line { provider, class, .. }, sum)) => {
            Err(Error::SumTooLarge { provider: provider.uuid, class, sum })
        }
    }
}

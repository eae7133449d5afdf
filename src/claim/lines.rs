//! Lines: the amounts of a claim, in the order in which they are taken.

use crate::claim::core::Core;
use crate::claim::request::{Claim, Line};
use crate::error::{Error, Result};
use crate::forest::{Provider, Refused, open_live, structure_at};
use crate::layout::Held;
use crate::layout::{UsageWords, usage_of};
use crate::ledger::{Abort, Cell, Torn, Transaction};
use crate::resource_class::ResourceClass;

impl Line {
    #[inline]
    pub(super) fn usage(&self) -> Cell {
        usage_of(self.provider.cell)
    }

    /// Returns, as one number, the usage cell and the class that lines and held amounts are sorted
    /// by.
    #[inline]
    fn order(&self) -> u64 {
        u64::from(self.usage().number()) << 16 | u64::from(self.class.number())
    }

    /// Returns the usage cell and the class that lines and held amounts are sorted by.
    #[inline]
    pub(crate) fn key(&self) -> (Cell, u16) {
        (self.usage(), self.class.number())
    }

    #[inline]
    pub(crate) fn held(&self) -> Held {
        Held { usage: self.usage(), class: self.class.number(), amount: self.amount }
    }
}

/// Checks what can be checked of the claim without a transaction. Returns whether the lines of the
/// claim are [sorted out](sort_out) already.
#[inline]
pub(crate) fn check_claim(core: &Core, claim: &Claim) -> Result<bool> {
    if claim.is_empty() {
        return Err(Error::EmptyClaim { consumer: claim.consumer() });
    }
    let mut is_sorted = true;
    // Less than the order of any line, since no usage cell is the first of all cells.
    let mut before = 0;
    for line in &claim.lines {
        check_line(core, line)?;
        is_sorted &= before < line.order();
        before = line.order();
    }
    for chain in &claim.chains {
        check_line(core, chain)?;
    }
    for (provider, _) in &claim.conditions {
        core.forest.usage_cell(provider)?;
    }
    Ok(is_sorted)
}

#[inline]
fn check_line(core: &Core, line: &Line) -> Result<()> {
    core.forest.usage_cell(&line.provider)?;
    check_amount(&line.provider, line.class, line.amount)
}

#[inline]
pub(super) fn check_amount(provider: &Provider, class: ResourceClass, amount: u64) -> Result<()> {
    match amount {
        0 => Err(Error::ZeroAmount { provider: provider.uuid, class }),
        _ => Ok(()),
    }
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

/// Puts the claim's lines into `lines`, together with a line for each provider that the claim's
/// chains take from, and sorts them out. The chains are those that the transaction reads.
pub(super) fn expand(
    transaction: &mut Transaction<'_>,
    core: &Core,
    claim: &Claim,
    lines: &mut Vec<Line>,
) -> Result<(), Abort<Refused>> {
    lines.clear();
    lines.extend_from_slice(&claim.lines);
    for chain in &claim.chains {
        let before = lines.len();
        climb(transaction, core, chain, lines)?;
        if lines.len() == before {
            let (provider, class) = (chain.provider.uuid, chain.class);
            return Err(Error::NoInventory { provider, class }.into());
        }
    }
    sort_out(lines).map_err(|error| Abort::Reject(error.into()))
}

/// Adds a line for each provider of the chain that has an inventory of the class. The chain is the
/// provider that `chain` names, and the ancestors of that provider.
fn climb(
    transaction: &mut Transaction<'_>,
    core: &Core,
    chain: &Line,
    lines: &mut Vec<Line>,
) -> Result<(), Abort<Refused>> {
    core.forest.structure_cell(&chain.provider)?;
    let (_, mut structure) = open_live(transaction, &chain.provider)?;
    let mut provider = chain.provider;
    let mut steps = 0_u32;
    loop {
        let usage = transaction.open(usage_of(provider.cell))?;
        if UsageWords(transaction.words(usage)).find(chain.class.number()).is_some() {
            lines.push(Line { provider, ..*chain });
        }
        let parent = structure.parent.ok_or(Torn)?;
        if parent == core.forest.super_root {
            return Ok(());
        }
        steps += 1;
        // If the structure changes during this walk, the walk could go on for ever.
        if steps.is_multiple_of(1024) && !transaction.holds() {
            return Err(Abort::Torn);
        }
        let place = transaction.open(parent)?;
        structure = structure_at(transaction, place);
        if !structure.is_live() {
            return Err(Abort::Torn);
        }
        provider = core.forest.handle(parent, &structure);
    }
}

/// Checks that every provider whose generation the claim rests on is at that generation.
pub(super) fn check_conditions(
    transaction: &mut Transaction<'_>,
    claim: &Claim,
) -> Result<(), Abort<Refused>> {
    for &(provider, expected) in &claim.conditions {
        let place = transaction.open(usage_of(provider.cell))?;
        let usage = UsageWords(transaction.words(place));
        provider.check_life(usage.life())?;
        let actual = usage.generation();
        if actual != expected {
            let provider = provider.uuid;
            return Err(Error::GenerationConflict { provider, expected, actual }.into());
        }
    }
    Ok(())
}

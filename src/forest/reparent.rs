//! Moves providers below another parent.

use crate::error::{Error, Result};
use crate::forest::configuration::{Candidate, Facts};
use crate::forest::configure::Replacement;
use crate::forest::cordon::inherit;
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::generation::Expect;
use crate::forest::keys::while_stale;
use crate::forest::links::{append, unlink};
use crate::forest::provider::Provider;
use crate::layout::Structure;
use crate::ledger::{Abort, Cell, Transaction, Writer};

/// Makes `provider`, along with its descendants, the last child of `parent`, or the last root.
pub(crate) fn reparent(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    parent: Option<&Provider>,
) -> Result<()> {
    forest.parent_cell(parent)?;
    while_stale(|| {
        let (title, current) = forest.configuration(provider)?;
        let parent_uuid = parent.map(|parent| parent.uuid);
        let moved = Facts { parent: parent_uuid, ..(*current.facts).clone() };
        let before = (title.version, &*current.facts);
        let replacement = Replacement::new(forest, provider, Expect::Any, before, Some(moved))?;
        let candidate = [&replacement.candidate].into_iter();
        let ((), at) = Candidate::decide(candidate, writer, |transaction| {
            relink(forest, transaction, provider, parent)?;
            replacement.put_in_force(transaction, forest.sharing, 0).map(drop)
        })?;
        // The replaced facts are dropped at the end, when nothing is left to do.
        let _gone = replacement.replaces(at);
        Ok(())
    })
}

/// Makes `provider` the last child of `parent`, or the last root, as part of a transaction, and lets it
/// inherit the cordons there.
pub(crate) fn relink(
    forest: &Forest,
    transaction: &mut Transaction<'_>,
    provider: &Provider,
    parent: Option<&Provider>,
) -> Result<(), Abort<Error>> {
    let cell = provider.cell;
    let parent_cell = forest.parent_cell(parent)?;
    // Opening the moves cell changes it: a commit changes the word of every gate it opened.
    transaction.open(forest.moves())?;
    let (place, mut structure) = open_live(transaction, provider)?;
    if let Some(parent) = parent {
        open_live(transaction, parent)?;
        if is_below(forest, transaction, parent_cell, cell)? {
            let (provider, parent) = (provider.uuid, parent.uuid);
            return Err(Error::WouldCycle { provider, parent }.into());
        }
    }
    unlink(transaction, cell, &structure)?;
    structure.parent = Some(parent_cell);
    structure.next = None;
    structure.previous = append(transaction, parent_cell, cell)?;
    transaction.rewrite(place, &structure.words());
    let new_parent = transaction.open(parent_cell)?;
    let inherited = structure_at(transaction, new_parent).cordon.holds();
    inherit(transaction, cell, inherited)
}

/// Returns whether `cell` is `top` or below it. Walks from `cell` towards the root.
///
/// The transaction does not open the ancestors; of those that it has opened, it may have changed the parent.
/// Only a move changes the parent of a live provider,
/// and every move changes the gate of the moves cell, which the transaction has opened. An ancestor
/// can't be removed without `cell`, which the transaction has opened too. A population that moves
/// an ancestor changes everything below that ancestor, and so `cell`.
fn is_below(
    forest: &Forest,
    transaction: &mut Transaction<'_>,
    cell: Cell,
    top: Cell,
) -> Result<bool, Abort<Error>> {
    let mut next = Some(cell);
    let mut steps = 0_u32;
    while let Some(current) = next {
        if current == top {
            return Ok(true);
        }
        steps += 1;
        // A walk through a structure that changes meanwhile could go on for ever.
        if steps.is_multiple_of(1024) && !transaction.holds() {
            return Err(Abort::Torn);
        }
        next = match transaction.has(current) {
            true => {
                let place = transaction.open(current)?;
                structure_at(transaction, place).parent
            }
            false => forest.ledger.peek(current, |record| Structure::of(record).parent),
        };
    }
    Ok(false)
}

//! Moves providers below another parent.

use crate::error::{Error, Result};
use crate::forest::cordon::inherit;
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::generation::Expect;
use crate::forest::links::{append, unlink};
use crate::forest::provider::Provider;
use crate::layout::{State, Structure, UsageWords, usage_of};
use crate::ledger::{Abort, Cell, Transaction, Writer};

/// Makes `provider`, along with its descendants, the last child of `parent`, or the last root.
pub(crate) fn reparent(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    parent: Option<&Provider>,
) -> Result<()> {
    let cell = forest.structure_cell(provider)?;
    let parent_cell = forest.parent_cell(parent)?;
    writer.transact(|transaction| {
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
        inherit(transaction, cell, inherited)?;
        let usage = transaction.open(usage_of(cell))?;
        let before = UsageWords(transaction.words(usage));
        if !before.life().is(State::Live, structure.life.incarnation) {
            return Err(Abort::Torn);
        }
        let generation = Expect::Any.next(before.generation());
        transaction.words_mut(usage)[1] = generation;
        Ok::<_, Abort<Error>>(())
    })
}

/// Returns whether `cell` is `top` or below it. Walks from `cell` towards the root.
///
/// The transaction does not open the ancestors. Only a move changes the parent of a live provider,
/// and every move changes the gate of the moves cell, which the transaction has opened. An ancestor
/// can't be removed without `cell`, which the transaction has opened too. A population that moves
/// an ancestor changes everything below that ancestor, and so `cell`.
fn is_below<E>(
    forest: &Forest,
    transaction: &mut Transaction<'_>,
    cell: Cell,
    top: Cell,
) -> Result<bool, Abort<E>> {
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
        next = forest.ledger.peek(current, |record| Structure::of(record).parent);
    }
    Ok(false)
}

//! Links: the children of a provider, as a list through the children's own structure cells.

use crate::error::Error;
use crate::layout::{
    CHILDREN, Life, SIBLINGS, State, Structure, with_child, with_next, with_previous, without_child,
};
use crate::ledger::{Abort, Cell, FastTransaction, NextPayload, Torn, Transaction};

/// Changes one word of the structure of `cell`, which has to be live.
fn edit(
    transaction: &mut Transaction<'_>,
    cell: Cell,
    at: usize,
    edit: impl FnOnce(u64) -> u64,
) -> Result<(), Abort<Error>> {
    let place = transaction.open(cell)?;
    if Life::of_words(transaction.words(place)).state != State::Live {
        return Err(Abort::Torn);
    }
    let word = transaction.words_mut(place).get_mut(at).ok_or(Torn)?;
    *word = edit(*word);
    Ok(())
}

/// Puts `cell` behind the last child of `parent`; returns the sibling before it.
pub(crate) fn append(
    transaction: &mut Transaction<'_>,
    parent: Cell,
    cell: Cell,
) -> Result<Option<Cell>, Abort<Error>> {
    let mut last = None;
    edit(transaction, parent, CHILDREN, |children| {
        let (children, before) = with_child(children, cell);
        last = before;
        children
    })?;
    if let Some(last) = last {
        edit(transaction, last, SIBLINGS, |siblings| with_next(siblings, Some(cell)))?;
    }
    Ok(last)
}

/// Takes `cell` out of the list of its parent's children.
pub(crate) fn unlink(
    transaction: &mut Transaction<'_>,
    cell: Cell,
    structure: &Structure,
) -> Result<(), Abort<Error>> {
    let &Structure { previous, next, .. } = structure;
    let parent = structure.parent.ok_or(Torn)?;
    edit(transaction, parent, CHILDREN, |it| without_child(it, cell, [previous, next]))?;
    if let Some(previous) = previous {
        edit(transaction, previous, SIBLINGS, |siblings| with_next(siblings, next))?;
    }
    if let Some(next) = next {
        edit(transaction, next, SIBLINGS, |siblings| with_previous(siblings, previous))?;
    }
    Ok(())
}

/// Does what [`unlink`] does, in a fast transaction.
pub(crate) fn unlink_fast(
    transaction: &mut FastTransaction<'_>,
    cell: Cell,
    structure: &Structure,
) -> Option<()> {
    let &Structure { previous, next, .. } = structure;
    let words = live_words(transaction, structure.parent?)?;
    words.set(CHILDREN, [without_child(words.word(CHILDREN), cell, [previous, next])]);
    if let Some(previous) = previous {
        let words = live_words(transaction, previous)?;
        words.set(SIBLINGS, [with_next(words.word(SIBLINGS), next)]);
    }
    if let Some(next) = next {
        let words = live_words(transaction, next)?;
        words.set(SIBLINGS, [with_previous(words.word(SIBLINGS), previous)]);
    }
    Some(())
}

/// Begins the next version of a structure cell that has to be live.
#[inline]
pub(crate) fn live_words<'t>(
    transaction: &'t mut FastTransaction<'_>,
    cell: Cell,
) -> Option<NextPayload<'t>> {
    let words = transaction.change(cell)?;
    (Life::of_words(words).state == State::Live).then_some(words)
}

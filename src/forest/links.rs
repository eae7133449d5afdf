//! Links: the children of a provider, as a list through the children's own structure cells.

use crate::error::{Error, Result};
use crate::forest::draft::structure_at;
use crate::layout::Structure;
use crate::ledger::{Abort, Cell, Torn, Transaction};

/// Changes the structure of `cell`, which has to be live.
fn edit(
    transaction: &mut Transaction<'_>,
    cell: Cell,
    edit: impl FnOnce(&mut Structure),
) -> Result<(), Abort<Error>> {
    let place = transaction.open(cell)?;
    let mut structure = structure_at(transaction, place);
    if !structure.is_live() {
        return Err(Abort::Torn);
    }
    edit(&mut structure);
    transaction.rewrite(place, &structure.words());
    Ok(())
}

/// Puts `cell` behind the last child of `parent`; returns the sibling before it.
pub(crate) fn append(
    transaction: &mut Transaction<'_>,
    parent: Cell,
    cell: Cell,
) -> Result<Option<Cell>, Abort<Error>> {
    let mut last = None;
    edit(transaction, parent, |parent| {
        last = parent.last_child.replace(cell);
        parent.first_child.get_or_insert(cell);
    })?;
    if let Some(last) = last {
        edit(transaction, last, |last| last.next = Some(cell))?;
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
    edit(transaction, parent, |parent| {
        if parent.first_child == Some(cell) {
            parent.first_child = next;
        }
        if parent.last_child == Some(cell) {
            parent.last_child = previous;
        }
    })?;
    if let Some(previous) = previous {
        edit(transaction, previous, |sibling| sibling.next = next)?;
    }
    if let Some(next) = next {
        edit(transaction, next, |sibling| sibling.previous = previous)?;
    }
    Ok(())
}

//! [`Draft`]: a change of cells while it is being worked out.

use crate::error::{Error, Result};
use crate::forest::provider::Provider;
use crate::layout::Structure;
use crate::ledger::{self, Abort, Cell, Limit, Transaction};

/// Gives access to cells as they will be after a change that is being worked out: in a
/// [`Transaction`], which makes the change for all threads at once, or in a
/// [fork](crate::Fork), which keeps the change to itself. So what a change means is written once.
pub(crate) trait Draft {
    /// Names a cell that the draft has opened.
    type Place: Copy;

    /// Opens `cell`, unless the draft has opened it before.
    fn open(&mut self, cell: Cell) -> Result<Self::Place, Abort<Error>>;

    /// Returns the words that the cell will have.
    fn words(&self, place: Self::Place) -> &[u64];

    /// Returns the words that the cell will have, to be changed.
    fn words_mut(&mut self, place: Self::Place) -> &mut [u64];

    /// Replaces the words that the cell will have.
    fn rewrite(&mut self, place: Self::Place, words: &[u64]);

    /// Returns whether everything that the draft has read was in force at one instant.
    fn holds(&self) -> bool;
}

impl Draft for Transaction<'_> {
    type Place = ledger::Place;

    #[inline(always)] // The error is large, and is not to be passed through memory.
    fn open(&mut self, cell: Cell) -> Result<ledger::Place, Abort<Error>> {
        match Transaction::open(self, cell) {
            Ok(place) => Ok(place),
            Err(limit) => Err(refused(limit)),
        }
    }

    #[inline]
    fn words(&self, place: ledger::Place) -> &[u64] {
        Transaction::words(self, place)
    }

    #[inline]
    fn words_mut(&mut self, place: ledger::Place) -> &mut [u64] {
        Transaction::words_mut(self, place)
    }

    fn rewrite(&mut self, place: ledger::Place, words: &[u64]) {
        Transaction::rewrite(self, place, words);
    }

    fn holds(&self) -> bool {
        Transaction::holds(self)
    }
}

#[cold]
fn refused(limit: Limit) -> Abort<Error> {
    Abort::Reject(limit.into())
}

/// Opens the structure cell of the provider that `handle` names.
pub(crate) fn open_live<D: Draft>(
    draft: &mut D,
    handle: &Provider,
) -> Result<(D::Place, Structure), Abort<Error>> {
    let place = draft.open(handle.cell)?;
    let structure = structure_at(draft, place);
    handle.check_life(structure.life)?;
    Ok((place, structure))
}

/// Returns the structure that an opened structure cell will have.
pub(crate) fn structure_at<D: Draft>(draft: &D, place: D::Place) -> Structure {
    Structure::of_words(draft.words(place))
}

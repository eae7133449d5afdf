//! [`Overlay`]: cells as a fork would have them after a change that it works out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::state::Fork;
use crate::error::{Error, Result};
use crate::forest::Draft;
use crate::ledger::{Abort, Cell, Torn};

/// Works out a change of a fork: cells that the change opens have words of their own, which the
/// fork takes over if the change succeeds.
pub(super) struct Overlay<'a> {
    fork: &'a Fork,
    copies: BTreeMap<Cell, Copy>,
}

/// Holds the words of one cell, and whether the change has changed them.
struct Copy {
    words: Vec<u64>,
    is_changed: bool,
}

impl<'a> Overlay<'a> {
    /// Returns an overlay that changes nothing yet.
    pub(super) fn of(fork: &'a Fork) -> Self {
        Overlay { fork, copies: BTreeMap::new() }
    }

    /// Returns the cells that the change has changed.
    pub(super) fn into_changed(self) -> impl Iterator<Item = (Cell, Vec<u64>)> + use<> {
        let changed = self.copies.into_iter().filter(|(_, copy)| copy.is_changed);
        changed.map(|(cell, copy)| (cell, copy.words))
    }

    fn copy(&mut self, cell: Cell) -> &mut Copy {
        self.copies.get_mut(&cell).expect("a place is an opened cell")
    }
}

impl Draft for Overlay<'_> {
    type Place = Cell;

    fn open(&mut self, cell: Cell) -> Result<Cell, Abort<Error>> {
        if let Entry::Vacant(copy) = self.copies.entry(cell) {
            let words = self.fork.words(cell).map_err(|_| Torn)?;
            copy.insert(Copy { words, is_changed: false });
        }
        Ok(cell)
    }

    fn words(&self, place: Cell) -> &[u64] {
        &self.copies[&place].words
    }

    fn words_mut(&mut self, place: Cell) -> &mut [u64] {
        let copy = self.copy(place);
        copy.is_changed = true;
        &mut copy.words
    }

    fn rewrite(&mut self, place: Cell, words: &[u64]) {
        *self.copy(place) = Copy { words: words.to_vec(), is_changed: true };
    }

    /// Returns true: everything in a snapshot is of one instant.
    fn holds(&self) -> bool {
        true
    }
}

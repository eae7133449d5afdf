//! [`Overlay`]: cells as a fork would have them after a change that it works out.

use std::collections::HashMap;

use super::state::{Cells, Fork};
use crate::error::{Error, Result};
use crate::forest::Draft;
use crate::ledger::{Abort, Cell, Torn};

/// Works out a change of a fork: cells that the change opens have words of their own, which the
/// fork takes over if the change succeeds.
pub(super) struct Overlay<'a> {
    fork: &'a Fork,
    cells: HashMap<Cell, Copy, foldhash::fast::FixedState>,
}

/// Holds the words of one cell, and whether the change has changed them.
struct Copy {
    words: Vec<u64>,
    is_changed: bool,
}

impl<'a> Overlay<'a> {
    /// Returns an overlay that changes nothing yet.
    pub(super) fn of(fork: &'a Fork) -> Self {
        Overlay { fork, cells: HashMap::default() }
    }

    /// Returns the cells that the change has changed.
    pub(super) fn into_changed(self) -> Cells {
        let changed = self.cells.into_iter().filter(|(_, copy)| copy.is_changed);
        changed.map(|(cell, copy)| (cell, copy.words)).collect()
    }
}

impl Draft for Overlay<'_> {
    type Place = Cell;

    fn open(&mut self, cell: Cell) -> Result<Cell, Abort<Error>> {
        if !self.cells.contains_key(&cell) {
            let words = self.fork.words(cell).map_err(|_| Torn)?;
            self.cells.insert(cell, Copy { words, is_changed: false });
        }
        Ok(cell)
    }

    fn words(&self, place: Cell) -> &[u64] {
        &self.cells[&place].words
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

impl Overlay<'_> {
    fn copy(&mut self, place: Cell) -> &mut Copy {
        self.cells.get_mut(&place).expect("a place is one of an opened cell")
    }
}

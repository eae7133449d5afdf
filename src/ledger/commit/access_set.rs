//! [`AccessSet`]: the read set and the write set of a transaction.

use std::collections::HashMap;

use super::urgency::QuietRequest;
use crate::ledger::limits::{Limit, MOST_CELLS};
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::word::Cell;

/// Names a cell that the transaction has opened, by its index in the access set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(u32);

impl Place {
    #[inline]
    fn new(index: usize) -> Self {
        const { assert!(MOST_CELLS <= u32::MAX as usize) };
        Place(index as u32)
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Holds what a transaction has read and what it will write, one [`Access`] for each cell.
///
/// Every access belongs to the read set; one whose cell is changed also belongs to the write set.
/// The writer keeps the memory from one transaction to the next.
#[derive(Default)]
pub(super) struct AccessSet {
    pub(super) list: Vec<Access>,
    /// Holds the words that the cells will have, and spare room from index `end` on.
    pub(super) words: Vec<u64>,
    pub(super) end: usize,
    /// Maps each cell to its index in `list`, once there are too many to look through.
    places: HashMap<Cell, usize, foldhash::fast::FixedState>,
    /// The request for quiet that the transaction has made.
    pub(super) request: Option<QuietRequest>,
}

/// Describes what a transaction does with one cell.
pub(super) struct Access {
    pub(super) cell: Cell,
    pub(super) observed: Observation,
    /// The index of the cell's first word in the set's `words`, and the number of its words.
    pub(super) first: usize,
    pub(super) length: usize,
    /// Whether the cell gets a new version. If not, it must merely be unchanged at the commit.
    pub(super) changed: bool,
}

impl Access {
    /// Returns the words that the cell will have, with whatever follows them in `words`.
    #[inline]
    pub(super) fn words_from<'w>(&self, words: &'w [u64]) -> &'w [u64] {
        &words[self.first..]
    }
}

/// Bounds the number of accesses that are looked through one by one.
const FEW: usize = 16;

impl AccessSet {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.end = 0;
        self.places.clear();
    }

    /// Returns the number of cells.
    pub(super) fn cells(&self) -> usize {
        self.list.len()
    }

    /// Returns the words that an opened cell will have.
    #[inline]
    pub(super) fn payload(&self, access: &Access) -> &[u64] {
        &self.words_from(access)[..access.length]
    }

    /// Returns the words that an opened cell will have, with whatever follows them.
    #[inline]
    pub(super) fn words_from(&self, access: &Access) -> &[u64] {
        access.words_from(&self.words)
    }

    /// Returns whether every cell is still as it was read (I13). Even a single one: its words may name
    /// what the layer above keeps only while they are in force.
    pub(super) fn holds(&self, ledger: &Ledger) -> bool {
        self.list.iter().all(|access| ledger.gates.load(access.cell) == access.observed.word)
    }

    #[inline]
    pub(super) fn find(&self, cell: Cell) -> Option<Place> {
        // Most often the last: changes come cell by cell.
        let last = self.list.len().checked_sub(1)?;
        if self.list[last].cell == cell { Some(Place::new(last)) } else { self.find_before(cell) }
    }

    fn find_before(&self, cell: Cell) -> Option<Place> {
        let found = match self.list.len() {
            ..=FEW => self.list.iter().position(|access| access.cell == cell),
            _ => self.places.get(&cell).copied(),
        };
        found.map(Place::new)
    }

    #[inline]
    pub(super) fn open(&mut self, ledger: &Ledger, cell: Cell) -> Result<Place, Limit> {
        if let Some(place) = self.find(cell) {
            return Ok(place);
        }
        self.read(ledger, cell)
    }

    /// Reads a cell that the set does not have, and adds it.
    fn read(&mut self, ledger: &Ledger, cell: Cell) -> Result<Place, Limit> {
        if self.list.len() == MOST_CELLS {
            return Err(Limit::Entries);
        }
        let (place, first) = (self.list.len(), self.end);
        let (word, stamp, (length, before, predecessors)) =
            ledger.read_stamped(cell, |record, stamp| {
                let (length, before) = record.copy_into(&mut self.words, first);
                (length, before, record.predecessors_as_of(stamp))
            });
        let observed = Observation { word, stamp, before, predecessors };
        self.list.push(Access { cell, observed, first, length, changed: false });
        self.end += length;
        if place == FEW {
            self.places.extend(self.list.iter().enumerate().map(|(at, access)| (access.cell, at)));
        } else if place > FEW {
            self.places.insert(cell, place);
            ledger.urgency.note_progress(&mut self.request);
        }
        Ok(Place::new(place))
    }
}

//! The read set and the write set of a transaction.

use std::collections::HashMap;

use super::urgency::QuietRequest;
use crate::ledger::limits::{Limit, MOST_CELLS};
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::word::Cell;

/// A cell that the transaction has opened.
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

/// The transaction's working memory, kept by the writer from one to the next.
#[derive(Default)]
pub(super) struct AccessSet {
    pub(super) list: Vec<Access>,
    /// What the cells will hold, and room for more from `end`.
    pub(super) words: Vec<u64>,
    pub(super) end: usize,
    /// Where each opened cell is, once they are too many to look through.
    places: HashMap<Cell, usize, foldhash::fast::FixedState>,
    /// For what quiet the transaction at hand has asked.
    pub(super) request: Option<QuietRequest>,
}

/// A cell in a draft.
pub(super) struct Access {
    pub(super) cell: Cell,
    pub(super) observed: Observation,
    /// Where its words are in the draft, and how many.
    pub(super) first: usize,
    pub(super) length: usize,
    /// Else it must merely be unchanged.
    pub(super) changed: bool,
}

impl Access {
    /// What the cell will hold, with whatever is behind it, in the draft's words.
    #[inline]
    pub(super) fn words_from<'w>(&self, words: &'w [u64]) -> &'w [u64] {
        &words[self.first..]
    }
}

/// So many opened cells are looked through one by one.
const FEW: usize = 16;

impl AccessSet {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.end = 0;
        self.places.clear();
    }

    /// How many cells are opened.
    pub(super) fn cells(&self) -> usize {
        self.list.len()
    }

    /// What an opened cell will hold.
    #[inline]
    pub(super) fn payload(&self, access: &Access) -> &[u64] {
        &self.words_from(access)[..access.length]
    }

    /// The same with whatever is behind it.
    #[inline]
    pub(super) fn words_from(&self, access: &Access) -> &[u64] {
        access.words_from(&self.words)
    }

    /// Whether everything opened is still as it was read. One cell needs no second look: it was
    /// validated when it was read.
    pub(super) fn holds(&self, ledger: &Ledger) -> bool {
        self.list.len() <= 1 || self.is_unchanged(ledger)
    }

    /// Whether everything opened, be it one cell, is still as it was read.
    pub(super) fn is_unchanged(&self, ledger: &Ledger) -> bool {
        self.list.iter().all(|access| ledger.gates.load(access.cell) == access.observed.word)
    }

    #[inline]
    pub(super) fn find(&self, cell: Cell) -> Option<Place> {
        // Most often it is the last: changes come cell by cell.
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

    /// Reads a cell that is not open.
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

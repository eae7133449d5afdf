//! The read set and the write set of a transaction.

use std::collections::HashMap;

use super::urgency::Asked;
use crate::ledger::limits::{Exhausted, MOST_CELLS};
use crate::ledger::read::Seen;
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
pub(super) struct Draft {
    pub(super) opened: Vec<Opened>,
    /// What the cells will hold, and room for more from `end`.
    pub(super) words: Vec<u64>,
    pub(super) end: usize,
    /// Where each opened cell is, once they are too many to look through.
    places: HashMap<Cell, usize, foldhash::fast::FixedState>,
    /// For what quiet the transaction at hand has asked.
    pub(super) asked: Option<Asked>,
}

/// A cell in a draft.
pub(super) struct Opened {
    pub(super) cell: Cell,
    pub(super) seen: Seen,
    /// Where its words are in the draft, and how many.
    pub(super) first: usize,
    pub(super) length: usize,
    /// Else it must merely be unchanged.
    pub(super) changed: bool,
}

impl Opened {
    /// What the cell will hold, with whatever is behind it, in the draft's words.
    #[inline]
    pub(super) fn words_from<'w>(&self, words: &'w [u64]) -> &'w [u64] {
        &words[self.first..]
    }
}

/// So many opened cells are looked through one by one.
const FEW: usize = 16;

impl Draft {
    pub(super) fn clear(&mut self) {
        self.opened.clear();
        self.end = 0;
        self.places.clear();
    }

    /// How many cells are opened.
    pub(super) fn cells(&self) -> usize {
        self.opened.len()
    }

    /// What an opened cell will hold.
    #[inline]
    pub(super) fn payload(&self, opened: &Opened) -> &[u64] {
        &self.words_from(opened)[..opened.length]
    }

    /// The same with whatever is behind it.
    #[inline]
    pub(super) fn words_from(&self, opened: &Opened) -> &[u64] {
        opened.words_from(&self.words)
    }

    /// Whether everything opened is still as it was read. One cell needs no second look: it was
    /// validated when it was read.
    pub(super) fn holds(&self, ledger: &Ledger) -> bool {
        self.opened.len() <= 1 || self.holds_still(ledger)
    }

    /// Whether everything opened, be it one cell, is still as it was read.
    pub(super) fn holds_still(&self, ledger: &Ledger) -> bool {
        self.opened.iter().all(|opened| ledger.gates.load(opened.cell) == opened.seen.word)
    }

    #[inline]
    pub(super) fn find(&self, cell: Cell) -> Option<Place> {
        // Most often it is the last: changes come cell by cell.
        let last = self.opened.len().checked_sub(1)?;
        if self.opened[last].cell == cell { Some(Place::new(last)) } else { self.find_before(cell) }
    }

    fn find_before(&self, cell: Cell) -> Option<Place> {
        let found = match self.opened.len() {
            ..=FEW => self.opened.iter().position(|opened| opened.cell == cell),
            _ => self.places.get(&cell).copied(),
        };
        found.map(Place::new)
    }

    #[inline]
    pub(super) fn open(&mut self, ledger: &Ledger, cell: Cell) -> Result<Place, Exhausted> {
        if let Some(place) = self.find(cell) {
            return Ok(place);
        }
        self.read(ledger, cell)
    }

    /// Reads a cell that is not open.
    fn read(&mut self, ledger: &Ledger, cell: Cell) -> Result<Place, Exhausted> {
        if self.opened.len() == MOST_CELLS {
            return Err(Exhausted::Entries);
        }
        let (place, first) = (self.opened.len(), self.end);
        let (word, stamp, (length, before, replaced)) =
            ledger.read_stamped(cell, |record, stamp| {
                let (length, before) = record.copy_into(&mut self.words, first);
                (length, before, record.replaced_by_then(stamp))
            });
        let seen = Seen { word, stamp, before, replaced };
        self.opened.push(Opened { cell, seen, first, length, changed: false });
        self.end += length;
        if place == FEW {
            self.places
                .extend(self.opened.iter().enumerate().map(|(at, opened)| (opened.cell, at)));
        } else if place > FEW {
            self.places.insert(cell, place);
            ledger.urgency.goes_on(&mut self.asked);
        }
        Ok(Place::new(place))
    }
}

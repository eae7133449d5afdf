//! Transactions as their authors see them: open cells, look, change, commit.

use std::collections::HashMap;

use super::clock::Stamp;
use super::exhausted::Exhausted;
use super::gate::{Cell, GateWord};
use super::record::Replaced;
use super::registry::Moment;
use super::urgency::Asked;
use super::writer::Writer;
use super::{Kind, Ledger};

/// The most cells that one transaction may open.
pub(crate) const MOST_CELLS: usize = 1 << 22;

/// Why the body of a transaction gives up.
#[derive(Debug)]
pub(crate) enum Abort<E> {
    /// The answer is no. Final if everything it rests on was in force at one instant.
    Reject(E),
    /// What was read contradicts itself: it was read at different instants. Start over.
    Torn,
}

impl<E> Abort<E> {
    /// The same with another answer.
    pub(crate) fn map<F>(self, answer: impl FnOnce(E) -> F) -> Abort<F> {
        match self {
            Abort::Reject(error) => Abort::Reject(answer(error)),
            Abort::Torn => Abort::Torn,
        }
    }
}

impl<E> From<E> for Abort<E> {
    fn from(error: E) -> Self {
        Abort::Reject(error)
    }
}

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
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A transaction being prepared. Cells that are opened and not changed must merely be unchanged
/// when it commits.
pub(crate) struct Transaction<'a> {
    pub(super) writer: &'a mut Writer,
}

impl Transaction<'_> {
    /// Reads `cell` into the transaction; once, however often it is opened.
    #[inline]
    pub(crate) fn open(&mut self, cell: Cell) -> Result<Place, Exhausted> {
        let Writer { ledger, draft, .. } = &mut *self.writer;
        draft.open(ledger, cell)
    }

    /// Whether the transaction has opened `cell` before.
    pub(crate) fn has(&self, cell: Cell) -> bool {
        self.writer.draft.find(cell).is_some()
    }

    /// The `index`th word of what the cell will hold; 0 beyond its end.
    #[inline]
    pub(crate) fn word(&self, place: Place, index: usize) -> u64 {
        self.words(place).get(index).copied().unwrap_or(0)
    }

    /// What the cell will hold.
    #[inline]
    pub(crate) fn words(&self, place: Place) -> &[u64] {
        let draft = &self.writer.draft;
        draft.payload(&draft.opened[place.index()])
    }

    /// Changes what the cell will hold, word by word.
    #[inline]
    pub(crate) fn words_mut(&mut self, place: Place) -> &mut [u64] {
        let Draft { opened, words, .. } = &mut self.writer.draft;
        let opened = &mut opened[place.index()];
        opened.changed = true;
        &mut words[opened.first..][..opened.length]
    }

    /// Whether what was opened is still what was in force at an instant.
    pub(crate) fn is_unchanged_since(&self, place: Place, moment: &Moment) -> bool {
        self.writer.draft.opened[place.index()].seen.stamp <= moment.at()
    }

    /// Replaces what the cell will hold.
    pub(crate) fn rewrite(&mut self, place: Place, payload: &[u64]) {
        self.renew(place, payload.len()).copy_from_slice(payload);
    }

    /// Replaces what the cell will hold by so many words, for the caller to set all of them.
    #[inline]
    pub(crate) fn renew(&mut self, place: Place, length: usize) -> &mut [u64] {
        let Draft { opened, words, end, .. } = &mut self.writer.draft;
        let opened = &mut opened[place.index()];
        opened.changed = true;
        if length > opened.length {
            opened.first = *end;
            *end += length;
            if words.len() < *end {
                words.resize(*end, 0);
            }
        }
        opened.length = length;
        &mut words[opened.first..][..length]
    }

    /// Takes cells that nobody uses, whether the transaction commits or not; see
    /// [`Writer::take_cells`].
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Exhausted> {
        self.writer.take_cells(kind, first)
    }

    /// Gives cells back; see [`Writer::give_cells`].
    pub(crate) fn give_cells(&mut self, kind: Kind, cell: Cell) {
        self.writer.give_cells(kind, cell);
    }

    /// Lets those who wait for the transaction know that its body goes on. Opening cells does so, too;
    /// this is for what may take long between.
    pub(crate) fn goes_on(&mut self) {
        let Writer { ledger, draft, .. } = &mut *self.writer;
        ledger.urgency.goes_on(&mut draft.asked);
    }

    /// Whether everything opened so far is still as it was read, and so was in force at any
    /// instant since, together with whatever the caller has learned meanwhile by other means.
    pub(crate) fn holds(&self) -> bool {
        self.writer.draft.holds_still(&self.writer.ledger)
    }
}

/// The transaction's working memory, kept by the writer from one to the next.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) opened: Vec<Opened>,
    /// What the cells will hold, and room for more from `end`.
    pub(super) words: Vec<u64>,
    end: usize,
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
    first: usize,
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

/// What was in force when a cell was read.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) word: GateWord,
    pub(super) stamp: Stamp,
    /// That of the version before.
    pub(super) before: Stamp,
    pub(super) replaced: Replaced,
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
    fn holds_still(&self, ledger: &Ledger) -> bool {
        self.opened.iter().all(|opened| ledger.gates.load(opened.cell) == opened.seen.word)
    }

    #[inline]
    fn find(&self, cell: Cell) -> Option<Place> {
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
    fn open(&mut self, ledger: &Ledger, cell: Cell) -> Result<Place, Exhausted> {
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

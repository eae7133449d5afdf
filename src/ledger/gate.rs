//! Gates: the one word per cell that decides.

use super::descriptor::Ticket;
use super::pages::{Pages, Single};
use super::record::RecordNumber;
use crate::sync::{AtomicU64, Ordering, model_fence};

/// Names a fact that changes as one: its position among the gates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Cell(u32);

/// Cell numbers fit the tokens of unstamped records.
const CELL_BITS: u32 = 28;
const _: () = assert!(Cell::LIMIT <= 1 << CELL_BITS);

impl Cell {
    /// How many cells there can be, each with a version in force: that leaves as many records of the
    /// narrowest width to the changes in progress. Few in the crate's own tests, which come to the end of
    /// them.
    pub(crate) const LIMIT: u32 = if cfg!(test) { 1 << 12 } else { 1 << 26 };

    pub(crate) fn new(number: u32) -> Cell {
        Cell(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The `offset`th cell of the run that begins here.
    pub(crate) fn sibling(self, offset: u32) -> Cell {
        Cell(self.0.wrapping_add(offset))
    }
}

/// What a gate holds: the version in force, or the transaction that is about to decide one.
///
/// ```text
/// 0 | tag 35 | record 28          the version in force
/// 1 | worker slot 15 | sequence 48   a transaction in progress
/// ```
///
/// A version word never comes back: the tag grows with every change, touch, abort and reuse of
/// the cell. It wraps after 2^35 of them, so a thread would have to sleep inside one operation
/// through exactly that many, or a worker that has found a provider not to look at it meanwhile,
/// ending on the same record, to be misled. The word 0 is a cell that
/// was never used: record 0 is never handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GateWord(u64);

pub(crate) const TAG_BITS: u32 = 35;
const RECORD_BITS: u32 = 28;
const DESCRIPTOR: u64 = 1 << 63;

impl GateWord {
    pub(crate) const VACANT: GateWord = GateWord(0);

    /// The word that follows this one, naming `record`.
    #[inline]
    pub(crate) fn next(self, record: RecordNumber) -> GateWord {
        let tag = (self.tag() + 1) & ((1 << TAG_BITS) - 1);
        GateWord(tag << RECORD_BITS | u64::from(record.bits()))
    }

    /// The word that follows this one with the same record: a touch, or an abort.
    #[inline]
    pub(crate) fn next_same(self) -> GateWord {
        self.next(self.record())
    }

    #[inline]
    pub(crate) fn record(self) -> RecordNumber {
        RecordNumber::from_bits((self.0 & ((1 << RECORD_BITS) - 1)) as u32)
    }

    #[inline]
    pub(crate) fn tag(self) -> u64 {
        (self.0 & !DESCRIPTOR) >> RECORD_BITS
    }

    #[inline]
    pub(crate) fn of_ticket(ticket: Ticket) -> GateWord {
        GateWord(DESCRIPTOR | ticket.bits())
    }

    /// The transaction that holds the gate, if one does.
    #[inline]
    pub(crate) fn ticket(self) -> Option<Ticket> {
        (self.0 & DESCRIPTOR != 0).then(|| Ticket::from_bits(self.0 & !DESCRIPTOR))
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> GateWord {
        GateWord(bits)
    }
}

/// All gates, dense.
pub(crate) struct Gates {
    words: Pages<Single>,
    /// Stands for the gates that there aren't.
    vacant: AtomicU64,
}

impl Gates {
    pub(crate) fn new() -> Self {
        Gates { words: Pages::new(), vacant: AtomicU64::new(GateWord::VACANT.0) }
    }

    /// Makes room for `cell`; its gate is vacant.
    pub(crate) fn make(&self, cell: Cell) {
        self.words.make(cell.number());
    }

    /// What all gates take.
    pub(crate) fn bytes(&self) -> u64 {
        self.words.bytes()
    }

    /// The gate of `cell`; none for a cell that doesn't exist.
    #[inline]
    pub(crate) fn get(&self, cell: Cell) -> Option<Gate<'_>> {
        let word = self.words.get(cell.number())?.first()?;
        Some(Gate { word, cell })
    }

    /// The same; one to look at for a cell that doesn't exist.
    pub(crate) fn get_or_vacant(&self, cell: Cell) -> Gate<'_> {
        self.get(cell).unwrap_or(Gate { word: &self.vacant, cell })
    }

    /// The word in the gate of `cell`; vacant for a cell that doesn't exist.
    #[inline]
    pub(crate) fn load(&self, cell: Cell) -> GateWord {
        self.get(cell).map_or(GateWord::VACANT, Gate::load)
    }

    /// Whether the gate of `cell` still holds `word`; see [`Gate::still_holds`].
    #[inline]
    pub(crate) fn load_again(&self, cell: Cell, word: GateWord) -> bool {
        self.get(cell).is_some_and(|gate| gate.still_holds(word))
    }

    /// Exchanges the word in the gate of `cell`; see [`Gate::exchange`].
    #[inline]
    pub(crate) fn exchange(
        &self,
        cell: Cell,
        expected: GateWord,
        new: GateWord,
    ) -> Result<(), GateWord> {
        self.get(cell).ok_or(GateWord::VACANT)?.exchange(expected, new)
    }
}

/// The gate of one cell.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    word: &'a AtomicU64,
    cell: Cell,
}

impl Gate<'_> {
    /// The cell whose gate this is.
    #[inline]
    pub(crate) fn cell(self) -> Cell {
        self.cell
    }

    /// The word in the gate.
    #[inline]
    pub(crate) fn load(self) -> GateWord {
        // The fence stands for what SeqCst means here and loom does not model: two readers agree
        // on the order of two exchanges.
        model_fence();
        // SeqCst: acquires the record stored before the exchange that put this word here, and
        // takes its place in the one order of all exchanges and clock accesses.
        GateWord(self.word.load(Ordering::SeqCst))
    }

    /// Whether the gate still holds `word`, and with it what was read since it was loaded.
    #[inline]
    pub(crate) fn still_holds(self, word: GateWord) -> bool {
        // Acquire: the words read since the first load were acquired, so a word of a later
        // version brings the exchange of this gate with it, and then this load sees it.
        self.word.load(Ordering::Acquire) == word.0
    }

    /// Puts `new` in the place of `expected`, or says what was there.
    #[inline]
    pub(crate) fn exchange(self, expected: GateWord, new: GateWord) -> Result<(), GateWord> {
        // SeqCst: releases the record that `new` names to every `load`; on failure acquires what
        // the word found there names. Its place in the one order is the instant of a one-cell
        // change.
        match self.word.compare_exchange(expected.0, new.0, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Ok(()),
            Err(found) => Err(GateWord(found)),
        }
    }
}

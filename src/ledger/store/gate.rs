//! Gates: one word for each cell, which names the version in force.

use super::pages::{Pages, Single};
use crate::ledger::word::{Cell, GateWord};
use crate::sync::{AtomicU64, Ordering, model_fence};

/// Holds the gates of all cells, by cell number.
pub(crate) struct Gates {
    words: Pages<Single>,
    /// The gate of every cell that does not exist.
    vacant: AtomicU64,
}

impl Gates {
    pub(crate) fn new() -> Self {
        Gates { words: Pages::new(), vacant: AtomicU64::new(GateWord::VACANT.bits()) }
    }

    /// Makes room for the gate of `cell`, which is vacant.
    pub(crate) fn make(&self, cell: Cell) {
        self.words.make(cell.number());
    }

    /// Returns the bytes that all gates take.
    pub(crate) fn bytes(&self) -> u64 {
        self.words.bytes()
    }

    /// Returns the gate of `cell`, or `None` if the cell does not exist.
    #[inline]
    pub(crate) fn get(&self, cell: Cell) -> Option<Gate<'_>> {
        let word = self.words.get(cell.number())?.first()?;
        Some(Gate { word, cell })
    }

    /// Returns the gate of `cell`, or a vacant gate if the cell does not exist.
    pub(crate) fn get_or_vacant(&self, cell: Cell) -> Gate<'_> {
        self.get(cell).unwrap_or(Gate { word: &self.vacant, cell })
    }

    /// Loads the word in the gate of `cell`; [`VACANT`](GateWord::VACANT) if the cell does not
    /// exist.
    #[inline]
    pub(crate) fn load(&self, cell: Cell) -> GateWord {
        self.get(cell).map_or(GateWord::VACANT, Gate::load)
    }

    /// Returns whether the gate of `cell` still holds `word`; see [`Gate::still_holds`].
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

/// Refers to the gate of one cell.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    word: &'a AtomicU64,
    cell: Cell,
}

impl Gate<'_> {
    /// Returns the cell that the gate belongs to.
    #[inline]
    pub(crate) fn cell(self) -> Cell {
        self.cell
    }

    /// Loads the word in the gate.
    #[inline]
    pub(crate) fn load(self) -> GateWord {
        // The fence stands for what SeqCst means beyond acquire and release, which loom does not
        // model: two readers agree on the order of two exchanges.
        model_fence();
        // SeqCst: acquires the record stored before the exchange that put this word here, and takes
        // its place in the one order of all accesses to gates and to the clock.
        GateWord::from_bits(self.word.load(Ordering::SeqCst))
    }

    /// Returns whether the gate still holds `word`. If so, the words that this thread has read
    /// since it loaded `word` were in force.
    #[inline]
    pub(crate) fn still_holds(self, word: GateWord) -> bool {
        // Acquire: the words read since the first load were acquired. If one belongs to a later
        // version, the acquire brought that version's exchange of this gate with it, and this load
        // sees the exchange.
        self.word.load(Ordering::Acquire) == word.bits()
    }

    /// Replaces `expected` by `new`, or returns the word that it found instead.
    #[inline]
    pub(crate) fn exchange(self, expected: GateWord, new: GateWord) -> Result<(), GateWord> {
        // SeqCst: releases the record that `new` names to every `load`; on failure acquires what
        // the word found names. Its place in the one order is the instant of a change of one cell.
        match self.word.compare_exchange(
            expected.bits(),
            new.bits(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        ) {
            Ok(_) => Ok(()),
            Err(found) => Err(GateWord::from_bits(found)),
        }
    }
}

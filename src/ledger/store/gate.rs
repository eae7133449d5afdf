//! Gates: the one word per cell that decides.

use super::pages::{Pages, Single};
use crate::ledger::word::{Cell, GateWord};
use crate::sync::{AtomicU64, Ordering, model_fence};

/// All gates, dense.
pub(crate) struct Gates {
    words: Pages<Single>,
    /// Stands for the gates that there aren't.
    vacant: AtomicU64,
}

impl Gates {
    pub(crate) fn new() -> Self {
        Gates { words: Pages::new(), vacant: AtomicU64::new(GateWord::VACANT.bits()) }
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
        GateWord::from_bits(self.word.load(Ordering::SeqCst))
    }

    /// Whether the gate still holds `word`, and with it what was read since it was loaded.
    #[inline]
    pub(crate) fn still_holds(self, word: GateWord) -> bool {
        // Acquire: the words read since the first load were acquired, so a word of a later
        // version brings the exchange of this gate with it, and then this load sees it.
        self.word.load(Ordering::Acquire) == word.bits()
    }

    /// Puts `new` in the place of `expected`, or says what was there.
    #[inline]
    pub(crate) fn exchange(self, expected: GateWord, new: GateWord) -> Result<(), GateWord> {
        // SeqCst: releases the record that `new` names to every `load`; on failure acquires what
        // the word found there names. Its place in the one order is the instant of a one-cell
        // change.
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

//! Reads what was in force at the end of a pinned epoch.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;

use super::heap::HistoryKey;
use super::preserve::{copy_version, words_at};
use super::registry::Pin;
use crate::ledger::abort::Torn;
use crate::ledger::commit::waiters::Waiter;
use crate::ledger::read::Reader;
use crate::ledger::state::Ledger;
use crate::ledger::word::{Cell, GateWord, Stamp};

/// Tells that a pinned epoch was revoked: more would have to be kept for the epoch than its limit.
#[derive(Debug)]
pub(crate) struct Revocation;

impl From<Revocation> for Torn {
    fn from(_: Revocation) -> Self {
        Torn
    }
}

/// Reads cells as they were at the end of a pinned epoch.
pub(crate) struct Past<'a> {
    ledger: &'a Ledger,
    pin: &'a Pin,
    words: Vec<u64>,
}

impl Reader for Past<'_> {
    fn read_translated<W: AsRef<[u64]>, T>(
        &mut self,
        cell: Cell,
        translate: impl Fn(&[u64]) -> Option<W>,
        extract: impl FnOnce(&[u64]) -> T,
    ) -> Result<T, Torn> {
        self.ledger.read_at(self.pin, cell, &mut self.words)?;
        match translate(&self.words) {
            None => Ok(extract(&self.words)),
            // What the words name may have gone with what was kept for the epoch.
            Some(_) if !self.ledger.can_read(self.pin) => Err(Torn),
            Some(words) => Ok(extract(words.as_ref())),
        }
    }

    fn holds(&self) -> bool {
        true
    }
}

impl Ledger {
    /// Ends the present epoch and pins it, so that what is in force at its end can be read from now
    /// on. Lock-free, O(log pins).
    pub(crate) fn pin(&self) -> Pin {
        self.registry.register(&self.clock)
    }

    /// Ends a pin; no thread may read there any more. Calls `beside` with the cell and the number
    /// of each value kept beside a cell that no other pin needs. O(log n) for each thing that goes,
    /// amortised.
    pub(crate) fn unpin(&self, pin: &Pin, mut beside: impl FnMut(Cell, u64)) {
        self.registry.end(pin, |key| match key {
            HistoryKey::Version(cell, from) => drop(self.histories.remove(cell, from.bits())),
            HistoryKey::Beside(cell, number) => beside(cell, number),
        });
    }

    /// Returns whether what was in force can still be read.
    pub(crate) fn can_read(&self, pin: &Pin) -> bool {
        self.registry.holds(pin)
    }

    /// Bounds how much may be kept for a pin.
    pub(crate) fn limit_kept(&self, pin: &Pin, limit: u64) {
        self.registry.limit(pin, limit);
    }

    /// Returns how much has been kept for a pin.
    pub(crate) fn kept(&self, pin: &Pin) -> u64 {
        self.registry.kept(pin)
    }

    /// Returns the number of pins.
    pub(crate) fn pins(&self) -> usize {
        self.registry.count()
    }

    /// Reads the clock.
    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// Replaces `words` by the words of the version of `cell` that was in force when the pin's
    /// epoch ended: none if the cell was not in use. Lock-free: a repetition means that the cell
    /// has changed.
    ///
    /// The version is still in force, or in its record and named by the one in force, or in the
    /// cell's history. A thread that takes a version away from one of these places has put it into
    /// the next before, so this method looks in that order (I16).
    pub(crate) fn read_at(
        &self,
        pin: &Pin,
        cell: Cell,
        words: &mut Vec<u64>,
    ) -> Result<(), Revocation> {
        let at = pin.at();
        words.clear();
        loop {
            // Looked up each time: the cell may come into use.
            let gate = self.gate(cell);
            let (word, stamp, ()) = self.read_gate(gate, |_, record, _| {
                words.clear();
                record.copy_to(words);
            });
            if stamp <= at {
                return Ok(());
            }
            words.clear();
            if word == GateWord::VACANT {
                return Ok(());
            }
            let record = self.records.get(word.record());
            let (before, predecessors) = (record.stamp_before(), record.predecessors());
            if !gate.still_holds(word) {
                continue;
            }
            let in_place = match before <= at {
                true => copy_version(self.records.get(predecessors.last), before),
                false => self
                    .copy_of_earlier(predecessors.earlier, before)
                    .filter(|(from, _)| *from <= at)
                    .map(|(_, words)| words),
            };
            if let Some(found) = in_place {
                *words = found;
                return Ok(());
            }
            if let Some(found) = self.histories.with(cell, |history| words_at(history, at)) {
                words.extend_from_slice(&found);
                return Ok(());
            }
            // A version that is not found did not exist, or is kept no longer.
            if !self.can_read(pin) {
                return Err(Revocation);
            }
            if at < before {
                return Ok(());
            }
        }
    }

    /// Returns a reader of what was in force at the end of the pin's epoch.
    pub(crate) fn past<'a>(&'a self, pin: &'a Pin) -> Past<'a> {
        Past { ledger: self, pin, words: Vec::new() }
    }

    /// Applies `visit` to every cell that has changed since the pin's epoch. O(n / 4,096 + 64 c)
    /// for n cells of which c have changed.
    pub(crate) fn changed_since(&self, pin: &Pin, mut visit: impl FnMut(Cell)) {
        let at = pin.at();
        let _ = self.marks.since(at, self.cell_bound(), |cell| {
            if self.read_stamped(cell, |_, _| ()).1 > at {
                visit(cell);
            }
            ControlFlow::Continue(())
        });
    }

    /// Returns whether any cell has changed since the pin's epoch. Costs at most what
    /// [`changed_since`](Self::changed_since) costs; ends at the first cell that has changed.
    ///
    /// Finds each change that was in force when the call began, and finishes the transactions that it
    /// meets (I21).
    pub(crate) fn has_changed_since(&self, pin: &Pin) -> bool {
        let at = pin.at();
        let changed = self.marks.since(at, self.cell_bound(), |cell| {
            let (word, stamp, ()) = self.read_stamped(cell, |_, _| ());
            // A vacant cell has no version that the stamp could be of.
            match word != GateWord::VACANT && stamp > at {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        changed.is_break()
    }

    /// Enters a waiter, which the next change wakes; or returns `None` if a cell has changed since
    /// the pin's epoch already. Lock-free; costs O(log waiters) and a look at what has changed.
    pub(crate) fn wait_since(&self, pin: &Pin, waker: &Waker) -> Option<Arc<Waiter>> {
        let waiter = self.waiters.enter(waker.clone());
        // After the entry: whoever does not find the entry has put its change in force before, so
        // that this finds the change (I21).
        if self.has_changed_since(pin) {
            self.waiters.leave(&waiter);
            return None;
        }
        Some(waiter)
    }
}

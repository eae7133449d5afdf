//! Reading what was in force at an instant that has passed.

use super::heap::HistoryKey;
use super::preserve::{copy_version, words_at};
use super::registry::Pin;
use crate::ledger::read::View;
use crate::ledger::state::Ledger;
use crate::ledger::word::{Cell, GateWord, Stamp};

/// The instant has been revoked: more would have to be kept for it than may be.
#[derive(Debug)]
pub(crate) struct Revocation;

/// What was in force at an instant.
pub(crate) struct Past<'a> {
    ledger: &'a Ledger,
    pin: &'a Pin,
    words: Vec<u64>,
}

impl View for Past<'_> {
    fn read<T>(&mut self, cell: Cell, extract: impl FnOnce(&[u64]) -> T) -> Option<T> {
        self.ledger.read_at(self.pin, cell, &mut self.words).ok()?;
        Some(extract(&self.words))
    }

    fn holds(&self) -> bool {
        true
    }
}

impl Ledger {
    /// Ends the present, so that what was in force in it can be read from now on. Lock-free,
    /// O(log moments).
    pub(crate) fn pin(&self) -> Pin {
        self.registry.register(&self.clock)
    }

    /// Nobody reads there any more. `beside` learns what nobody needs any more of what was kept beside
    /// cells, by the cell and its number. O(log n) for each thing that goes, amortised.
    pub(crate) fn unpin(&self, pin: &Pin, mut beside: impl FnMut(Cell, u64)) {
        self.registry.end(pin, |key| match key {
            HistoryKey::Version(cell, from) => drop(self.histories.remove(cell, from.bits())),
            HistoryKey::Beside(cell, number) => beside(cell, number),
        });
    }

    /// Whether what was in force then can be read still.
    pub(crate) fn can_read(&self, pin: &Pin) -> bool {
        self.registry.holds(pin)
    }

    /// Bounds how much is kept for an instant.
    pub(crate) fn limit_kept(&self, pin: &Pin, limit: u64) {
        self.registry.limit(pin, limit);
    }

    /// How much has been kept for an instant.
    pub(crate) fn kept(&self, pin: &Pin) -> u64 {
        self.registry.kept(pin)
    }

    /// How many instants can be read.
    pub(crate) fn pins(&self) -> usize {
        self.registry.count()
    }

    /// The clock's reading.
    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// Replaces `words` by those of the version of `cell` that was in force at an instant: none if
    /// the cell was not in use then. Lock-free: a repetition means that the cell has changed.
    ///
    /// The version is the one in force still, or one that this names, in its place, or in the cell's
    /// history. Whoever takes it away from one of these places has put it into the next before.
    pub(crate) fn read_at(
        &self,
        pin: &Pin,
        cell: Cell,
        words: &mut Vec<u64>,
    ) -> Result<(), Revocation> {
        let at = pin.at();
        words.clear();
        loop {
            // Each time anew: the cell may come into use.
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
            // What isn't kept was not there, or is not kept any more.
            if !self.can_read(pin) {
                return Err(Revocation);
            }
            if at < before {
                return Ok(());
            }
        }
    }

    /// The view of an instant.
    pub(crate) fn past<'a>(&'a self, pin: &'a Pin) -> Past<'a> {
        Past { ledger: self, pin, words: Vec::new() }
    }

    /// Applies `visit` to all cells that have changed since an instant. O(n / 4,096 + 64 c) for n
    /// cells of which c have changed.
    pub(crate) fn changed_since(&self, pin: &Pin, mut visit: impl FnMut(Cell)) {
        let at = pin.at();
        self.marks.since(at, self.cell_bound(), |cell| {
            if self.read_stamped(cell, |_, _| ()).1 > at {
                visit(cell);
            }
        });
    }
}

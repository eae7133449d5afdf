//! Reading: one version of one cell, or several cells at one instant.

use super::Ledger;
use super::clock::Stamp;
use super::gate::{Cell, Gate, GateWord};
use super::record::Record;

impl Ledger {
    /// Applies `extract` to one version of `cell`, and returns the gate's word that names it.
    ///
    /// `extract` may be called on a mix of versions, and then again: its result counts only if
    /// the gate was the same before and after. Lock-free.
    #[inline]
    pub(crate) fn read<T>(&self, cell: Cell, extract: impl Fn(Record<'_>) -> T) -> (GateWord, T) {
        let (word, _, value) = self.read_stamped(cell, extract);
        (word, value)
    }

    /// The value alone.
    #[inline]
    pub(crate) fn peek<T>(&self, cell: Cell, extract: impl Fn(Record<'_>) -> T) -> T {
        self.read_stamped(cell, extract).2
    }

    /// The word that names the version in force. Lock-free.
    #[inline]
    pub(crate) fn version(&self, cell: Cell) -> GateWord {
        self.gates.get(cell).map_or(GateWord::VACANT, |gate| self.settled(gate))
    }

    /// The word in `gate` once no transaction holds it.
    #[inline]
    fn settled(&self, gate: Gate<'_>) -> GateWord {
        loop {
            let word = gate.load();
            let Some(ticket) = word.ticket() else { return word };
            self.help(ticket);
        }
    }

    /// Reads one version of `cell` and when it came into force.
    #[inline]
    pub(super) fn read_stamped<T>(
        &self,
        cell: Cell,
        mut extract: impl FnMut(Record<'_>) -> T,
    ) -> (GateWord, Stamp, T) {
        let Some(gate) = self.gates.get(cell) else {
            return (GateWord::VACANT, self.clock.now(), extract(Record::NOTHING));
        };
        loop {
            let word = self.settled(gate);
            if word == GateWord::VACANT {
                return (word, self.clock.now(), extract(Record::NOTHING));
            }
            let record = self.records.get(word.record());
            let stamp = record.stamp();
            let value = extract(record);
            if !gate.still_holds(word) {
                continue;
            }
            if !stamp.is_token() {
                return (word, stamp, value);
            }
            if let Some(stamp) = self.note_stamp(gate, word, record, stamp) {
                return (word, stamp, value);
            }
        }
    }

    /// Makes sure that a version about to be shown has its stamp: else one could see a change,
    /// take a snapshot, and miss the change in it. None if the version is no longer in force.
    ///
    /// The gate was validated after `token` was read, so that it is this version's.
    #[cold]
    fn note_stamp(
        &self,
        gate: Gate<'_>,
        word: GateWord,
        record: Record<'_>,
        token: Stamp,
    ) -> Option<Stamp> {
        let now = self.clock.now();
        match record.set_stamp(token, now) {
            Ok(()) => Some(now),
            // Another thread was first, or the record serves another version by now.
            Err(found) => gate.still_holds(word).then_some(found),
        }
    }
}

/// Several cells at one instant: reads that are compared with the gates once more at the end.
///
/// Words never come back in a gate, so if each is what it was when its cell was read, all those
/// versions were in force together at the moment between the last read and the first comparison.
pub(crate) struct Collect<'a> {
    ledger: &'a Ledger,
    seen: Vec<(Cell, GateWord)>,
}

impl<'a> Collect<'a> {
    /// Repeats `body` until everything it read was in force at one instant.
    ///
    /// Lock-free: a repetition means that a writer made progress. Under an endless storm of
    /// changes to what it reads this may repeat for as long as the storm lasts.
    pub(crate) fn consistent<T>(
        ledger: &'a Ledger,
        mut body: impl FnMut(&mut Collect<'a>) -> Option<T>,
    ) -> T {
        let mut collect = Collect { ledger, seen: Vec::new() };
        loop {
            collect.seen.clear();
            let value = body(&mut collect);
            let holds = collect.holds();
            if let (Some(value), true) = (value, holds) {
                return value;
            }
        }
    }

    /// Reads one cell into the collection.
    pub(crate) fn read<T>(&mut self, cell: Cell, extract: impl Fn(Record<'_>) -> T) -> T {
        let (word, value) = self.ledger.read(cell, extract);
        self.seen.push((cell, word));
        value
    }

    /// Whether nothing read has changed so far. A single cell needs no second look.
    pub(crate) fn holds(&self) -> bool {
        self.seen.len() <= 1
            || self.seen.iter().all(|&(cell, word)| self.ledger.gates.load(cell) == word)
    }
}

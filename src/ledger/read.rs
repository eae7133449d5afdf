//! Reading: one version of one cell, or several cells at one instant.

use smallvec::SmallVec;

use super::state::Ledger;
use super::store::gate::Gate;
use super::store::record::{Predecessors, Record};
use super::word::{Cell, GateWord, Stamp};

impl Ledger {
    /// Applies `extract` to one version of `cell`.
    ///
    /// `extract` may be called on a mix of versions, and then again: its result counts only if
    /// the gate was the same before and after. Lock-free.
    #[inline]
    pub(crate) fn peek<T>(&self, cell: Cell, extract: impl Fn(Record<'_>) -> T) -> T {
        self.read_stamped(cell, |record, _| extract(record)).2
    }

    /// Applies `extract` to one version of `cell`, and says which word names that. Lock-free.
    #[inline]
    pub(crate) fn peek_version<T>(
        &self,
        cell: Cell,
        extract: impl Fn(Record<'_>) -> T,
    ) -> (GateWord, T) {
        let (word, _, value) = self.read_stamped(cell, |record, _| extract(record));
        (word, value)
    }

    /// Whether the version is in force that `word` names, which was read before. Wait-free.
    #[inline]
    pub(crate) fn is_in_force(&self, cell: Cell, word: GateWord) -> bool {
        self.gates.load(cell) == word
    }

    /// The word that names the version in force. Lock-free.
    #[inline]
    pub(crate) fn version(&self, cell: Cell) -> GateWord {
        self.read_stamped(cell, |_, _| ()).0
    }

    /// The word in `gate` once no transaction holds it.
    #[inline]
    fn load_settled(&self, gate: Gate<'_>) -> GateWord {
        loop {
            let word = gate.load();
            let Some(ticket) = word.ticket() else { return word };
            self.help(ticket);
        }
    }

    /// Reads one version of `cell` and when it came into force.
    #[inline]
    pub(in crate::ledger) fn read_stamped<T>(
        &self,
        cell: Cell,
        mut extract: impl FnMut(Record<'_>, Stamp) -> T,
    ) -> (GateWord, Stamp, T) {
        self.read_gate(self.gate(cell), |_, record, stamp| extract(record, stamp))
    }

    /// Reads one version of the cell of `gate` and when it came into force; `extract` gets the word
    /// that names it and the stamp too, or the token if nobody has noted it yet.
    #[inline]
    pub(in crate::ledger) fn read_gate<T>(
        &self,
        gate: Gate<'_>,
        mut extract: impl FnMut(GateWord, Record<'_>, Stamp) -> T,
    ) -> (GateWord, Stamp, T) {
        loop {
            let word = self.load_settled(gate);
            let record = self.records.get(word.record());
            let stamp = match word {
                GateWord::VACANT => self.clock.now(),
                _ => record.stamp(),
            };
            let value = extract(word, record, stamp);
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

    /// The gate of `cell`; for a cell that there isn't at the time of the call one that stays vacant, so
    /// that whoever looks again has to ask for it again.
    #[inline]
    pub(in crate::ledger) fn gate(&self, cell: Cell) -> Gate<'_> {
        match self.gates.get(cell) {
            Some(gate) => gate,
            None => self.gate_of_new_cell(cell),
        }
    }

    /// Whoever made the gate may have done so without this thread having learned of it.
    #[cold]
    fn gate_of_new_cell(&self, cell: Cell) -> Gate<'_> {
        if cell.number() < self.cell_bound() {
            self.gates.make(cell);
        }
        self.gates.get_or_vacant(cell)
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
        // Another version's, if the record serves another by now; then so does the stamp.
        let now = self.stamp_now(gate.cell(), record.stamp_before());
        match record.set_stamp(token, now) {
            Ok(()) => Some(now),
            // Another thread was first, or the record serves another version by now.
            Err(found) => gate.still_holds(word).then_some(found),
        }
    }
}

impl Ledger {
    /// A stamp for a version of `cell` that is in force, or about to be, after one with the stamp
    /// `before`.
    #[inline]
    pub(in crate::ledger) fn stamp_now(&self, cell: Cell, before: Stamp) -> Stamp {
        let now = self.clock.now();
        // No snapshot was taken since the version before: that has been marked.
        if now == before || now == Stamp::BEGINNING {
            return now;
        }
        let mark = |mark| {
            self.marks.mark(cell, mark);
            Some(())
        };
        self.stamp_marked(now, mark).expect("a mark can always be made")
    }

    /// A stamp no later than a mark that was made before its reading of the clock. None if `mark`
    /// says so.
    #[inline]
    pub(in crate::ledger) fn stamp_marked(
        &self,
        now: Stamp,
        mut mark: impl FnMut(Stamp) -> Option<()>,
    ) -> Option<Stamp> {
        mark(now)?;
        let again = self.clock.now();
        if again == now { Some(now) } else { self.stamp_marked_ahead(again, mark) }
    }

    /// The same after a mark that was too early.
    #[cold]
    fn stamp_marked_ahead(
        &self,
        mut now: Stamp,
        mut mark: impl FnMut(Stamp) -> Option<()>,
    ) -> Option<Stamp> {
        // Ever later marks, so that snapshots in quick succession don't make this go on: a mark that
        // is too late only makes some look in vain.
        let mut ahead = 1;
        loop {
            let marked = now.later(ahead);
            mark(marked)?;
            now = self.clock.now();
            if now <= marked {
                return Some(now);
            }
            ahead = 2 * ahead + 1;
        }
    }
}

/// What was in force when a cell was read.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Observation {
    pub(in crate::ledger) word: GateWord,
    pub(in crate::ledger) stamp: Stamp,
    /// That of the version before.
    pub(in crate::ledger) before: Stamp,
    pub(in crate::ledger) predecessors: Predecessors,
}

/// Several cells at one instant: reads that are compared with the gates once more at the end.
///
/// Words never come back in a gate, so if each is what it was when its cell was read, all those
/// versions were in force together at the moment between the last read and the first comparison.
pub(crate) struct DoubleCollect<'a> {
    ledger: &'a Ledger,
    reads: SmallVec<[(Cell, GateWord); 4]>,
    words: SmallVec<[u64; 16]>,
}

/// Reads of several cells that belong together: as they are now, or as they were.
pub(crate) trait View {
    /// Applies `extract` to the words of one version of `cell`. None if there is no such view any
    /// more.
    fn read<T>(&mut self, cell: Cell, extract: impl FnOnce(&[u64]) -> T) -> Option<T>;

    /// Whether everything read so far was in force at one instant.
    fn holds(&self) -> bool;
}

impl<'a> DoubleCollect<'a> {
    /// Repeats `body` until everything it read was in force at one instant.
    ///
    /// Lock-free: a repetition means that a writer made progress. Under an endless storm of
    /// changes to what it reads this may repeat for as long as the storm lasts.
    pub(crate) fn consistent<T>(
        ledger: &'a Ledger,
        mut body: impl FnMut(&mut DoubleCollect<'a>) -> Option<T>,
    ) -> T {
        let mut collect = DoubleCollect { ledger, reads: SmallVec::new(), words: SmallVec::new() };
        loop {
            collect.reads.clear();
            let value = body(&mut collect);
            let holds = collect.holds();
            if let (Some(value), true) = (value, holds) {
                return value;
            }
        }
    }
}

impl View for DoubleCollect<'_> {
    fn read<T>(&mut self, cell: Cell, extract: impl FnOnce(&[u64]) -> T) -> Option<T> {
        let (word, _, ()) = self.ledger.read_stamped(cell, |record, _| {
            self.words.clear();
            record.copy_to(&mut self.words);
        });
        self.reads.push((cell, word));
        Some(extract(&self.words))
    }

    /// Nothing read has changed so far. A single cell needs no second look.
    fn holds(&self) -> bool {
        self.reads.len() <= 1
            || self.reads.iter().all(|&(cell, word)| self.ledger.gates.load(cell) == word)
    }
}

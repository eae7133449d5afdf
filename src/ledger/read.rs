//! Reads one version of a cell, or several cells at one instant.

use std::convert::Infallible;

use smallvec::SmallVec;

use super::abort::{Abort, Torn};
use super::state::Ledger;
use super::store::gate::Gate;
use super::store::record::{Predecessors, Record};
use super::word::{Cell, GateWord, Stamp};

impl Ledger {
    /// Applies `extract` to one version of `cell`. Lock-free.
    ///
    /// `extract` may see a mix of versions, and is then called again: its result counts only if the
    /// gate's word is the same before and after.
    #[inline]
    pub(crate) fn peek<T>(&self, cell: Cell, extract: impl Fn(Record<'_>) -> T) -> T {
        self.read_stamped(cell, |record, _| extract(record)).2
    }

    /// Applies `extract` to one version of `cell`, and returns the word that names the version too.
    /// Lock-free.
    #[inline]
    pub(crate) fn peek_version<T>(
        &self,
        cell: Cell,
        extract: impl Fn(Record<'_>) -> T,
    ) -> (GateWord, T) {
        let (word, _, value) = self.read_stamped(cell, |record, _| extract(record));
        (word, value)
    }

    /// Returns whether the version that `word` names is in force. Wait-free.
    ///
    /// `word` was read from the gate of `cell` before.
    #[inline]
    pub(crate) fn is_in_force(&self, cell: Cell, word: GateWord) -> bool {
        self.gate_word(cell) == word
    }

    /// Returns what is in the gate of `cell`: as long as that is a word that names a version, this
    /// version is in force. Wait-free.
    #[inline]
    pub(crate) fn gate_word(&self, cell: Cell) -> GateWord {
        self.gates.load(cell)
    }

    /// Returns the word that names the version of `cell` in force. Lock-free.
    #[inline]
    pub(crate) fn version(&self, cell: Cell) -> GateWord {
        self.read_stamped(cell, |_, _| ()).0
    }

    /// Loads the word of `gate`, after finishing any transaction that holds the gate.
    #[inline]
    fn load_settled(&self, gate: Gate<'_>) -> GateWord {
        loop {
            let word = gate.load();
            let Some(ticket) = word.ticket() else { return word };
            if self.help(ticket) {
                // The owner may have stopped (I21).
                self.waiters.tell();
            }
        }
    }

    /// Applies `extract` to one version of `cell`; returns the word that names the version, its
    /// stamp, and the result.
    #[inline]
    pub(in crate::ledger) fn read_stamped<T>(
        &self,
        cell: Cell,
        mut extract: impl FnMut(Record<'_>, Stamp) -> T,
    ) -> (GateWord, Stamp, T) {
        self.read_gate(self.gate(cell), |_, record, stamp| extract(record, stamp))
    }

    /// Applies `extract` to one version of the cell of `gate`; returns the word that names the
    /// version, its stamp, and the result. Lock-free.
    ///
    /// `extract` gets the word and the stamp too, or the token if no thread has stamped the version
    /// yet.
    ///
    /// The version was in force between the two loads of the gate (I4): a word never returns to a
    /// gate (I1), and a record does not change while a gate names it (I3).
    #[inline(always)] // What `extract` returns is not to be passed through memory.
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

    /// Returns the gate of `cell`. For a cell that does not exist at the time of the call, returns
    /// a gate that stays vacant; the caller has to call again to find the cell once it exists.
    #[inline]
    pub(in crate::ledger) fn gate(&self, cell: Cell) -> Gate<'_> {
        match self.gates.get(cell) {
            Some(gate) => gate,
            None => self.gate_of_new_cell(cell),
        }
    }

    /// Looks for the gate again, in case another thread has made it and this thread has not learned
    /// of that.
    #[cold]
    fn gate_of_new_cell(&self, cell: Cell) -> Gate<'_> {
        if cell.number() < self.cell_bound() {
            self.gates.make(cell);
        }
        self.gates.get_or_vacant(cell)
    }

    /// Stamps a version that a reader is about to show; returns its stamp, or `None` if the version
    /// is no longer in force.
    ///
    /// Without the stamp, a reader could see a change, take a snapshot, and miss the change in the
    /// snapshot (I15). The caller has validated the gate after it read `token`, so `token` is this
    /// version's.
    #[cold]
    fn note_stamp(
        &self,
        gate: Gate<'_>,
        word: GateWord,
        record: Record<'_>,
        token: Stamp,
    ) -> Option<Stamp> {
        // If the record serves another version by now, this stamp is that version's predecessor's;
        // then `set_stamp` fails, because the token is gone.
        let now = self.stamp_now(gate.cell(), record.stamp_before());
        match record.set_stamp(token, now) {
            Ok(()) => Some(now),
            // Another thread was first, or the record serves another version by now.
            Err(found) => gate.still_holds(word).then_some(found),
        }
    }
}

impl Ledger {
    /// Returns a stamp for a version of `cell` that is in force or about to be. `before` is the
    /// stamp of the version before it.
    #[inline]
    pub(in crate::ledger) fn stamp_now(&self, cell: Cell, before: Stamp) -> Stamp {
        let now = self.clock.now();
        // No snapshot was taken since the version before, whose stamp is marked already.
        if now == before || now == Stamp::BEGINNING {
            return now;
        }
        let mark = |mark| {
            self.marks.mark(cell, mark);
            Some(())
        };
        self.stamp_marked(now, mark).expect("a mark can always be made")
    }

    /// Calls `mark` with a stamp, then reads the clock; returns a reading that is no later than the
    /// mark (I18), or `None` if `mark` returns `None`.
    ///
    /// `now` is a reading of the clock.
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

    /// Does what [`stamp_marked`](Self::stamp_marked) does, after a mark that was too early.
    #[cold]
    fn stamp_marked_ahead(
        &self,
        mut now: Stamp,
        mut mark: impl FnMut(Stamp) -> Option<()>,
    ) -> Option<Stamp> {
        // The marks go ahead twice as far each time, so that snapshots in quick succession cannot
        // prolong the loop. A mark that is too late costs a search in vain, nothing else.
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

/// Holds what a read of a cell found: the version in force, and what that version names.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Observation {
    pub(in crate::ledger) word: GateWord,
    pub(in crate::ledger) stamp: Stamp,
    /// The stamp of the version directly before.
    pub(in crate::ledger) before: Stamp,
    pub(in crate::ledger) predecessors: Predecessors,
}

/// Reads several cells at one instant, by comparing every read with its gate once more at the end.
///
/// A word never returns to a gate (I1). So if each gate still holds the word that was read, all
/// versions read were in force together between the last read and the first comparison.
pub(crate) struct DoubleCollect<'a> {
    ledger: &'a Ledger,
    room: CollectRoom,
}

/// Holds what a [`DoubleCollect`] notes of what it reads. One that is used again allocates nothing
/// for as many cells as it has had to note before.
#[derive(Default)]
pub(crate) struct CollectRoom {
    /// The cells read, each with the word that was in its gate.
    reads: SmallVec<[(Cell, GateWord); 4]>,
    /// The words of the cell read last, if they are few.
    few: [u64; FEW],
    /// The words of the last cell that had more.
    many: Vec<u64>,
}

/// Counts the words that most cells have at most. They are copied in a loop without growth.
const FEW: usize = 16;

/// Reads several cells that belong together: as they are now, or as they were at a pinned epoch.
pub(crate) trait Reader {
    /// Applies `extract` to the words of one version of `cell`. Fails if the pinned epoch was
    /// revoked.
    fn read<T>(&mut self, cell: Cell, extract: impl FnOnce(&[u64]) -> T) -> Result<T, Torn> {
        self.read_translated(cell, |_| None::<[u64; 0]>, extract)
    }

    /// Applies `extract` to what `translate` makes of the words of one version of `cell`, or to the
    /// words themselves where that returns `None`. The version is in force, or kept for the pinned
    /// epoch, while `translate` runs. Fails if the pinned epoch was revoked.
    fn read_translated<W: AsRef<[u64]>, T>(
        &mut self,
        cell: Cell,
        translate: impl Fn(&[u64]) -> Option<W>,
        extract: impl FnOnce(&[u64]) -> T,
    ) -> Result<T, Torn>;

    /// Returns whether everything read so far was in force at one instant.
    fn holds(&self) -> bool;
}

impl<'a> DoubleCollect<'a> {
    /// Repeats `body` until everything that `body` read was in force at one instant; returns what
    /// `body` returned.
    ///
    /// Lock-free: a repetition means that a writer made progress. Under an endless storm of changes
    /// to the cells that `body` reads, the repetition lasts as long as the storm.
    pub(crate) fn consistent<T>(
        ledger: &'a Ledger,
        mut body: impl FnMut(&mut DoubleCollect<'a>) -> Result<T, Torn>,
    ) -> T {
        let body = |collect: &mut DoubleCollect<'a>| Ok(body(collect)?);
        let Ok(value) = Self::try_consistent::<T, Infallible>(ledger, body);
        value
    }

    /// Does what [`consistent`](Self::consistent) does, for a `body` that can refuse. Returns a
    /// refusal, too, only if everything that `body` read was in force at one instant.
    pub(crate) fn try_consistent<T, E>(
        ledger: &'a Ledger,
        body: impl FnMut(&mut DoubleCollect<'a>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        Self::try_consistent_in(&mut CollectRoom::default(), ledger, body)
    }

    /// Does what [`try_consistent`](Self::try_consistent) does, and notes in `room` what it reads.
    pub(crate) fn try_consistent_in<T, E>(
        room: &mut CollectRoom,
        ledger: &'a Ledger,
        mut body: impl FnMut(&mut DoubleCollect<'a>) -> Result<T, Abort<E>>,
    ) -> Result<T, E> {
        let mut collect = DoubleCollect { ledger, room: std::mem::take(room) };
        let answer = loop {
            collect.room.reads.clear();
            let answer = body(&mut collect);
            let holds = collect.holds();
            match answer {
                Ok(value) if holds => break Ok(value),
                Err(Abort::Reject(error)) if holds => break Err(error),
                _ => {}
            }
        };
        *room = collect.room;
        answer
    }
}

impl Reader for DoubleCollect<'_> {
    fn read_translated<W: AsRef<[u64]>, T>(
        &mut self,
        cell: Cell,
        translate: impl Fn(&[u64]) -> Option<W>,
        extract: impl FnOnce(&[u64]) -> T,
    ) -> Result<T, Torn> {
        let CollectRoom { reads, few, many } = &mut self.room;
        let (word, _, (length, translated)) = self.ledger.read_stamped(cell, |record, _| {
            let length = record.len();
            let words = match few.get_mut(..length) {
                Some(few) => {
                    few.iter_mut().enumerate().for_each(|(at, word)| *word = record.word(at));
                    &*few
                }
                None => {
                    many.clear();
                    record.copy_to(many);
                    &**many
                }
            };
            (length, translate(words))
        });
        reads.push((cell, word));
        Ok(match translated {
            Some(words) => extract(words.as_ref()),
            None => extract(few.get(..length).unwrap_or(many)),
        })
    }

    /// Returns whether nothing read has changed so far. A single cell was validated when it was
    /// read, and needs no second look.
    fn holds(&self) -> bool {
        let reads = &self.room.reads;
        reads.len() <= 1 || reads.iter().all(|&(cell, word)| self.ledger.gates.load(cell) == word)
    }
}

//! Reading what was in force at an instant that has passed.

use super::heap::Kept;
use super::preserve::{copy_of, words_at};
use super::registry::Moment;
use crate::ledger::read::View;
use crate::ledger::state::Ledger;
use crate::ledger::word::{Cell, GateWord, Stamp};

/// The instant has been revoked: more would have to be kept for it than may be.
#[derive(Debug)]
pub(crate) struct TooOld;

/// What was in force at an instant.
pub(crate) struct Past<'a> {
    ledger: &'a Ledger,
    moment: &'a Moment,
    words: Vec<u64>,
}

impl View for Past<'_> {
    fn read<T>(&mut self, cell: Cell, extract: impl FnOnce(&[u64]) -> T) -> Option<T> {
        self.ledger.read_at(self.moment, cell, &mut self.words).ok()?;
        Some(extract(&self.words))
    }

    fn holds(&self) -> bool {
        true
    }
}

impl Ledger {
    /// Ends the present, so that what was in force in it can be read from now on. Lock-free,
    /// O(log moments).
    pub(crate) fn moment(&self) -> Moment {
        self.registry.register(&self.clock)
    }

    /// Nobody reads there any more. `beside` learns what nobody needs any more of what was kept beside
    /// cells, by the cell and its number. O(log n) for each thing that goes, amortised.
    pub(crate) fn end_moment(&self, moment: &Moment, mut beside: impl FnMut(Cell, u64)) {
        self.registry.end(moment, |kept| match kept {
            Kept::Version(cell, from) => drop(self.histories.remove(cell, from.bits())),
            Kept::Beside(cell, number) => beside(cell, number),
        });
    }

    /// Whether what was in force then can be read still.
    pub(crate) fn can_read(&self, moment: &Moment) -> bool {
        self.registry.holds(moment)
    }

    /// Bounds how much is kept for an instant.
    pub(crate) fn limit_kept(&self, moment: &Moment, limit: u64) {
        self.registry.limit(moment, limit);
    }

    /// How much has been kept for an instant.
    pub(crate) fn kept(&self, moment: &Moment) -> u64 {
        self.registry.kept(moment)
    }

    /// How many instants can be read.
    pub(crate) fn moments(&self) -> usize {
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
        moment: &Moment,
        cell: Cell,
        words: &mut Vec<u64>,
    ) -> Result<(), TooOld> {
        let at = moment.at();
        words.clear();
        loop {
            // Each time anew: the cell may come into use.
            let gate = self.gate(cell);
            let (word, stamp, ()) = self.read_behind(gate, |_, record, _| {
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
            let (before, replaced) = (record.stamp_before(), record.replaced());
            if !gate.still_holds(word) {
                continue;
            }
            let in_place = match before <= at {
                true => copy_of(self.records.get(replaced.last), before),
                false => self
                    .copy_of_earlier(replaced.earlier, before)
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
            if !self.can_read(moment) {
                return Err(TooOld);
            }
            if at < before {
                return Ok(());
            }
        }
    }

    /// The view of an instant.
    pub(crate) fn past<'a>(&'a self, moment: &'a Moment) -> Past<'a> {
        Past { ledger: self, moment, words: Vec::new() }
    }

    /// Applies `visit` to all cells that have changed since an instant. O(n / 4,096 + 64 c) for n
    /// cells of which c have changed.
    pub(crate) fn changed_since(&self, moment: &Moment, mut visit: impl FnMut(Cell)) {
        let at = moment.at();
        self.marks.since(at, self.cell_bound(), |cell| {
            if self.read_stamped(cell, |_, _| ()).1 > at {
                visit(cell);
            }
        });
    }
}

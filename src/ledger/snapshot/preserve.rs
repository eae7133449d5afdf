//! Versions that are no longer in force, and that snapshots need: which are named, and which are
//! copied aside.
//!
//! A replaced version stays in its own record for as long as a snapshot needs it: that costs its
//! writer another spare, and nothing else. Each version names the one before it, and the newest one
//! before that with another stamp, as those between them are in no snapshot. A version that is
//! about to be named no more, or whose writer wants the record back, is *preserved*: copied to the
//! history of its cell, by the stamp with which it came into force.

use std::sync::Arc;

use super::heap::HistoryKey;
use super::history::{Histories, History, HistoryEntry, Span};
use super::pinned_range::PinnedRange;
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::store::record::{Predecessors, Record};
use crate::ledger::word::{Cell, GateWord, RecordNumber, Stamp};
use crate::step::{Step, reached};

impl Ledger {
    /// Keeps a value for as long as a snapshot needs it, if one does. O(log n) for n values of the
    /// cell.
    pub(crate) fn keep<V: Clone>(
        &self,
        histories: &Histories<V>,
        key: HistoryKey,
        span: Span,
        value: &V,
    ) {
        let Span { from, until } = span;
        let (cell, number) = match key {
            HistoryKey::Version(cell, from) => (cell, from.bits()),
            HistoryKey::Beside(cell, number) => (cell, number),
        };
        // Most often there is no snapshot at all.
        if !self.registry.is_empty() {
            let first_needing = || self.registry.first_needing(from, until);
            let entry = || HistoryEntry { until, value: value.clone() };
            let Some(registry_entry) = histories.add(cell, number, first_needing, entry) else {
                return;
            };
            reached(Step::Preserved);
            if !self.registry.note(key, from, until, registry_entry) {
                drop(histories.remove(cell, number));
            }
        }
    }
}

impl Ledger {
    /// What the next version of a cell names as those before it. What is named no more then is
    /// preserved.
    ///
    /// `observed` is the version in force.
    #[inline]
    pub(in crate::ledger) fn predecessors(
        &self,
        cell: Cell,
        observed: Observation,
        pinned: &mut PinnedRange,
    ) -> Predecessors {
        let Observation { word, stamp, before, predecessors: named } = observed;
        let last = word.record();
        // Before the first snapshot there is nothing that anyone could need.
        if stamp == Stamp::BEGINNING || word == GateWord::VACANT {
            return Predecessors { last, earlier: RecordNumber::NONE };
        }
        let earlier = match stamp == before {
            // No snapshot came between the two, so nobody needs the one before.
            true => named.earlier,
            false => {
                // Whenever it began.
                if pinned.may_need(self, Stamp::BEGINNING, before) {
                    self.preserve_unlinked(cell, word, named.earlier, before);
                }
                named.last
            }
        };
        Predecessors { last, earlier }
    }

    /// Preserves a version that was in force until `until`, if a snapshot needs it, as it is about to
    /// be named no more.
    #[cold]
    fn preserve_unlinked(&self, cell: Cell, word: GateWord, record: RecordNumber, until: Stamp) {
        let Some((from, words)) = self.copy_of_earlier(record, until) else { return };
        // Then the record was that of an earlier version of this cell.
        if self.gates.load_again(cell, word) {
            self.preserve(cell, from, until, words);
        }
    }

    /// An earlier version that ended at `until`, if its record still holds it: its stamp, its words.
    /// Any later use of the record has a token, or a stamp that is not less.
    pub(in crate::ledger) fn copy_of_earlier(
        &self,
        record: RecordNumber,
        until: Stamp,
    ) -> Option<(Stamp, Vec<u64>)> {
        if record == RecordNumber::NONE {
            return None;
        }
        let record = self.records.get(record);
        let from = record.stamp();
        let is_later = from.is_token() || from >= until;
        if is_later { None } else { Some((from, copy_version(record, from)?)) }
    }

    /// When a version ended that the caller has replaced, and whose record is the caller's still;
    /// `from`, when it began, if no snapshot needs the record any more.
    ///
    /// The clock would not do instead: by it a version that is in no snapshot, as the next has the
    /// same stamp, could seem to be in one.
    #[cold]
    pub(in crate::ledger) fn end_of(&self, cell: Cell, record: RecordNumber, from: Stamp) -> Stamp {
        let (_, stamp, (before, named)) =
            self.read_stamped(cell, |record, _| (record.stamp_before(), record.predecessors()));
        match record {
            // The gate has moved by a touch or an abort only.
            last if last == named.last => stamp,
            earlier if earlier == named.earlier => before,
            // The next version had the same stamp; or it is named no more, and has been preserved.
            _ => from,
        }
    }

    /// Adds a version to the history of its cell, if a snapshot needs it.
    pub(in crate::ledger) fn preserve(
        &self,
        cell: Cell,
        from: Stamp,
        until: Stamp,
        words: Vec<u64>,
    ) {
        let (key, span) = (HistoryKey::Version(cell, from), Span { from, until });
        self.keep(&self.histories, key, span, &Arc::from(words));
    }

    /// Whether the version of the cell is in its history that came into force then.
    pub(in crate::ledger) fn is_preserved(&self, cell: Cell, from: Stamp) -> bool {
        let found = self.histories.with(cell, |history| history.get(from.bits()).map(drop));
        found.is_some()
    }

    /// How many older versions of the cell are in its history.
    #[cfg(provider_tree_loom)]
    pub(crate) fn preserved(&self, cell: Cell) -> usize {
        self.histories.with(cell, |history| Some(history.len())).unwrap_or(0)
    }
}

/// The words that were in force at an instant, if they are in the history.
pub(in crate::ledger) fn words_at(history: &History<Arc<[u64]>>, at: Stamp) -> Option<Arc<[u64]>> {
    let (_, past) = history.last_to(at.bits())?;
    (at < past.until).then(|| Arc::clone(&past.value))
}

/// The words of the version that came into force then, if the record holds it.
///
/// For a version that ended at a later stamp than it began with: the record of any other one may hold
/// the next with the same stamp.
pub(in crate::ledger) fn copy_version(record: Record<'_>, stamp: Stamp) -> Option<Vec<u64>> {
    if record.stamp() != stamp {
        return None;
    }
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    // The next use of a record begins with its stamp: unchanged, the words were that version's.
    (record.stamp() == stamp).then_some(words)
}

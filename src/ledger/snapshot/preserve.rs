//! Older versions that snapshots need: which are named, and which are copied to a history.
//!
//! A replaced version stays in its record while a snapshot needs it; that costs its writer one more
//! spare, and nothing else. Each version names the one directly before it, and the newest before
//! that with another stamp; the versions between are in no snapshot. A version that is about to be
//! named no longer, or whose writer wants the record back, is *preserved*: copied to the history of
//! its cell, under its stamp.

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
    /// Keeps a value in a history for as long as a snapshot needs it, if one does. O(log n) for n
    /// values of the cell.
    ///
    /// The value enters the history before it is noted with a pin, and is removed again if no pin
    /// is left, so that nothing is kept for no pin (I17).
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
    /// Returns the records that the next version of `cell` will name. Preserves the version that
    /// will be named no longer (I16).
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
        // Before the first snapshot no thread can need an older version.
        if stamp == Stamp::BEGINNING || word == GateWord::VACANT {
            return Predecessors { last, earlier: RecordNumber::NONE };
        }
        let earlier = match stamp == before {
            // No snapshot came between the replaced version and the one before it, so none needs
            // the latter.
            true => named.earlier,
            false => {
                // From the beginning on: the stamp of the version that will not be named is not
                // known yet.
                if pinned.may_need(self, Stamp::BEGINNING, before) {
                    self.preserve_unlinked(cell, word, named.earlier, before);
                }
                named.last
            }
        };
        Predecessors { last, earlier }
    }

    /// Preserves the version in `record`, which was in force until `until`, if a snapshot needs it:
    /// the next version of the cell will not name it.
    #[cold]
    fn preserve_unlinked(&self, cell: Cell, word: GateWord, record: RecordNumber, until: Stamp) {
        let Some((from, words)) = self.copy_of_earlier(record, until) else { return };
        // The gate is unchanged, so the record held an earlier version of this cell.
        if self.gates.load_again(cell, word) {
            self.preserve(cell, from, until, words);
        }
    }

    /// Copies an earlier version that ended at `until`, if its record still holds it; returns its
    /// stamp and words. Any later use of the record has a token, or a stamp no earlier than
    /// `until`.
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

    /// Returns the stamp at which a version ended that the caller has replaced. The caller still
    /// owns its record. Returns `from`, the version's own stamp, if no snapshot needs the record.
    ///
    /// A reading of the clock would not do: a version whose successor has the same stamp is in no
    /// snapshot, and would seem to be in one.
    #[cold]
    pub(in crate::ledger) fn end_of(&self, cell: Cell, record: RecordNumber, from: Stamp) -> Stamp {
        let (_, stamp, (before, named)) =
            self.read_stamped(cell, |record, _| (record.stamp_before(), record.predecessors()));
        match record {
            // The gate has moved by a touch or an abort only.
            last if last == named.last => stamp,
            earlier if earlier == named.earlier => before,
            // The successor has the version's own stamp; or the version is named no longer, and has
            // been preserved.
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

    /// Returns whether the history of `cell` has the version with the stamp `from`.
    pub(in crate::ledger) fn is_preserved(&self, cell: Cell, from: Stamp) -> bool {
        let found = self.histories.with(cell, |history| history.get(from.bits()).map(drop));
        found.is_some()
    }

    /// Returns the number of older versions in the history of `cell`.
    #[cfg(provider_tree_loom)]
    pub(crate) fn preserved(&self, cell: Cell) -> usize {
        self.histories.with(cell, |history| Some(history.len())).unwrap_or(0)
    }
}

/// Returns the words that were in force at the end of the epoch `at`, if the history has them.
pub(in crate::ledger) fn words_at(history: &History<Arc<[u64]>>, at: Stamp) -> Option<Arc<[u64]>> {
    let (_, past) = history.last_to(at.bits())?;
    (at < past.until).then(|| Arc::clone(&past.value))
}

/// Copies the version with this stamp, if the record holds it.
///
/// The version must have ended at a later stamp than its own. Otherwise the record may hold the
/// next version with that stamp.
pub(in crate::ledger) fn copy_version(record: Record<'_>, stamp: Stamp) -> Option<Vec<u64>> {
    if record.stamp() != stamp {
        return None;
    }
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    // A reuse of the record begins with its stamp (I16). Unchanged, so the words were this
    // version's.
    (record.stamp() == stamp).then_some(words)
}

//! Histories: the versions of cells that are no longer in force, and that snapshots need.
//!
//! A replaced version stays in its own record for as long as a snapshot needs it: that costs its
//! writer another spare, and nothing else. Each version names the one before it, and the newest one
//! before that with another stamp, as those between them are in no snapshot. A version that is
//! about to be named no more, or whose writer wants the record back, is *preserved*: copied to the
//! history of its cell.

use std::sync::Arc;

use super::Ledger;
use super::chunks::Chunks;
use super::clock::Stamp;
use super::gate::{Cell, GateWord};
use super::record::{Record, RecordNumber, Replaced};
use super::registry::{Instants, Kept};
use super::transaction::Seen;
use crate::step::{Step, reached};
use crate::sync::{OnceBox, Slot};

/// The histories of all cells, made as they are needed.
pub(super) struct Histories(Chunks<OnceBox<[Slot<History>; BLOCK]>>);

/// So many are made at once.
const BLOCK: usize = if cfg!(provider_tree_loom) { 2 } else { 64 };

impl Histories {
    pub(super) fn new() -> Self {
        Histories(Chunks::new(1))
    }

    pub(super) fn get(&self, cell: Cell) -> Option<&Slot<History>> {
        let (block, offset) = locate(cell);
        let [block] = self.0.get(block)? else { return None };
        Some(&block.get()?[offset])
    }

    fn get_or_make(&self, cell: Cell) -> &Slot<History> {
        let (block, offset) = locate(cell);
        let new = |length| (0..length).map(|_| OnceBox::new()).collect();
        let block = &self.0.get_or_make(block, new)[0];
        if block.get().is_none() {
            // A loser's block is dropped: the winner's serves both.
            drop(block.set(Box::new(std::array::from_fn(|_| Slot::empty()))));
        }
        &block.get().expect("set above, by this thread or the one that beat it")[offset]
    }
}

fn locate(cell: Cell) -> (u32, usize) {
    let number = cell.number() as usize;
    ((number / BLOCK) as u32, number % BLOCK)
}

/// The preserved versions of one cell.
pub(super) struct History(Vec<Version>);

/// A version from when it came into force until another did.
#[derive(Clone)]
struct Version {
    from: Stamp,
    until: Stamp,
    words: Arc<[u64]>,
}

impl History {
    /// The words that were in force at an instant, if they are here.
    pub(super) fn at(&self, at: Stamp) -> Option<&[u64]> {
        let found = self.0.iter().find(|version| version.from <= at && at < version.until);
        found.map(|version| &*version.words)
    }
}

impl Ledger {
    /// What the next version of a cell names as those before it. What is named no more then is
    /// preserved.
    ///
    /// `seen` is the version in force.
    #[inline]
    pub(super) fn predecessors(&self, cell: Cell, seen: Seen, instants: &mut Instants) -> Replaced {
        let Seen { word, stamp, before, replaced: named } = seen;
        let last = word.record();
        // Before the first snapshot there is nothing that anyone could need.
        if stamp == Stamp::BEGINNING || word == GateWord::VACANT {
            return Replaced { last, earlier: RecordNumber::NONE };
        }
        let earlier = match stamp == before {
            // No snapshot came between the two, so nobody needs the one before.
            true => named.earlier,
            false => {
                // Whenever it began.
                if instants.need(self, Stamp::BEGINNING, before) {
                    self.leave_out(cell, word, named.earlier, before);
                }
                named.last
            }
        };
        Replaced { last, earlier }
    }

    /// Preserves a version that was in force until `until`, if a snapshot needs it, as it is about to
    /// be named no more.
    #[cold]
    fn leave_out(&self, cell: Cell, word: GateWord, record: RecordNumber, until: Stamp) {
        let Some((from, words)) = self.copy_of_earlier(record, until) else { return };
        // Then the record was that of an earlier version of this cell.
        if self.gates.load_again(cell, word) {
            self.preserve(cell, from, until, &words);
        }
    }

    /// An earlier version that ended at `until`, if its record still holds it: its stamp, its words.
    /// Any later use of the record has a token, or a stamp that is not less.
    pub(super) fn copy_of_earlier(
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
        if is_later { None } else { Some((from, copy_of(record, from)?)) }
    }

    /// When a version ended that the caller has replaced, and whose record is the caller's still;
    /// `from`, when it began, if no snapshot needs the record any more.
    ///
    /// The clock would not do instead: by it a version that is in no snapshot, as the next has the
    /// same stamp, could seem to be in one.
    #[cold]
    pub(super) fn ended(&self, cell: Cell, record: RecordNumber, from: Stamp) -> Stamp {
        let (_, stamp, (before, named)) =
            self.read_stamped(cell, |record, _| (record.stamp_before(), record.replaced()));
        match record {
            // The gate has moved by a touch or an abort only.
            last if last == named.last => stamp,
            earlier if earlier == named.earlier => before,
            // The next version had the same stamp; or it is named no more, and has been preserved.
            _ => from,
        }
    }

    /// Adds a version to the history of its cell, if a snapshot needs it.
    pub(super) fn preserve(&self, cell: Cell, from: Stamp, until: Stamp, words: &[u64]) {
        if self.registry.needing(from, until).is_none() {
            return;
        }
        let words: Arc<[u64]> = words.into();
        let mut is_new = false;
        self.histories.get_or_make(cell).update(|history| {
            // After the history was loaded: what is in it was needed by a snapshot that this sees,
            // unless that has ended.
            let is_needed = self.registry.needing(from, until).is_some();
            let versions = history.map_or(&[][..], |history| &history.0);
            is_new = is_needed && versions.iter().all(|version| version.from != from);
            if !is_new {
                return history.cloned();
            }
            let needed = versions.iter().filter(|version| self.needs(version)).cloned();
            let new = Version { from, until, words: Arc::clone(&words) };
            Some(Arc::new(History(needed.chain([new]).collect())))
        });
        reached(Step::Preserved);
        if is_new && !self.registry.keep(from, until, Kept::Version(cell)) {
            self.prune(cell);
        }
    }

    /// How many older versions of the cell are in its history.
    #[cfg(provider_tree_loom)]
    pub(crate) fn preserved(&self, cell: Cell) -> usize {
        let Some(history) = self.histories.get(cell) else { return 0 };
        history.with(|history| history.map_or(0, |history| history.0.len()))
    }

    fn needs(&self, version: &Version) -> bool {
        self.registry.needing(version.from, version.until).is_some()
    }

    /// Forgets the versions of a cell that no snapshot needs any more.
    fn prune(&self, cell: Cell) {
        let Some(history) = self.histories.get(cell) else { return };
        history.update(|history| {
            let current = history?;
            let next: Vec<_> =
                current.0.iter().filter(|version| self.needs(version)).cloned().collect();
            match next.len() {
                0 => None,
                all if all == current.0.len() => history.cloned(),
                _ => Some(Arc::new(History(next))),
            }
        });
    }

    /// Forgets the version of a cell that was preserved for a snapshot which has ended, unless
    /// another needs it.
    pub(super) fn let_go(&self, cell: Cell, at: Stamp) {
        self.prune(cell);
        let Some(history) = self.histories.get(cell) else { return };
        let rest: Vec<_> = history.with(|history| {
            let versions = history.map_or(&[][..], |history| &history.0);
            let kept = versions.iter().filter(|version| version.from <= at && at < version.until);
            kept.map(|version| (version.from, version.until)).collect()
        });
        for (from, until) in rest {
            if !self.registry.keep(from, until, Kept::Version(cell)) {
                self.prune(cell);
            }
        }
    }
}

/// The words of the version that came into force then, if the record holds it.
///
/// For a version that ended at a later stamp than it began with: the record of any other one may hold
/// the next with the same stamp.
pub(super) fn copy_of(record: Record<'_>, stamp: Stamp) -> Option<Vec<u64>> {
    if record.stamp() != stamp {
        return None;
    }
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    // The next use of a record begins with its stamp: unchanged, the words were that version's.
    (record.stamp() == stamp).then_some(words)
}

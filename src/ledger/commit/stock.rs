//! [`Stock`]: a writer's spare records, and its records that wait for snapshots to end.

use std::collections::VecDeque;

use super::descriptor::{Entry, Planned};
use crate::ledger::limits::{Limit, Width};
use crate::ledger::snapshot::pinned_range::PinnedRange;
use crate::ledger::state::Ledger;
use crate::ledger::word::{Cell, RecordNumber, Stamp};

/// Holds the records of one writer. The writer trades spares with the others in batches.
pub(super) struct Stock {
    spares: [Vec<RecordNumber>; Width::COUNT],
    retired: VecDeque<RetiredRecord>,
    /// The words of all retired records together, and the most that there may be.
    retired_words: usize,
    most_retired: usize,
    /// Which epochs the retired records may wait for.
    pub(super) pinned: PinnedRange,
}

/// Names a record whose version is no longer in force, and that stays in place for the snapshots
/// which need the version.
struct RetiredRecord {
    cell: Cell,
    record: RecordNumber,
    from: Stamp,
    until: Stamp,
}

/// Sets aside, for each of the first writers and for each of the others, the words of records that
/// it may leave in place. A writer withholds them while it does nothing, and for ever if it stops.
const FIRST_WRITERS: u32 = if cfg!(test) { 8 } else { 1 << 11 };
const MOST_RETIRED: [usize; 2] = match (cfg!(provider_tree_loom), cfg!(test)) {
    (true, _) => [8; 2],
    (false, true) => [1 << 11, 0],
    (false, false) => [1 << 17, 1 << 13],
};

/// Bounds the batches of each width that a writer keeps.
const MOST_BATCHES: usize = 4;

/// Returns the number of records of `width` that are left to changes in progress when all writers
/// keep as much as they may, and half are in force (I19).
#[cfg(not(any(test, provider_tree_loom)))]
const fn left_for_changes(width: Width) -> u64 {
    let (slots, first) = (crate::ledger::word::Ticket::SLOTS as u64, FIRST_WRITERS as u64);
    let kept = slots * (MOST_BATCHES * width.batch()) as u64;
    let words = first * MOST_RETIRED[0] as u64 + (slots - first) * MOST_RETIRED[1] as u64;
    // Position 0 is no record. Each writer of another width can be late to see that half are out.
    let lost = if width.is_common() { 1 } else { slots };
    width.half() as u64 - kept - words / width.words() as u64 - lost
}

#[cfg(not(any(test, provider_tree_loom)))]
const _: () = {
    let mut index = 0;
    while index < Width::COUNT {
        assert!(left_for_changes(Width::ALL[index]) >= 750_000);
        index += 1;
    }
};

impl Stock {
    /// Creates the stock of the writer in `slot`.
    pub(super) fn new(slot: u32) -> Self {
        Stock {
            spares: std::array::from_fn(|_| Vec::new()),
            retired: VecDeque::new(),
            retired_words: 0,
            most_retired: MOST_RETIRED[usize::from(slot >= FIRST_WRITERS)],
            pinned: PinnedRange::new(),
        }
    }

    /// Returns a spare of `width` for the version that will replace the one in the record
    /// `replaced`. The spare stays in the stock until it is [traded](Self::trade).
    ///
    /// If there is no spare of `width`, a version narrower than the replaced one gets a spare of
    /// the replaced one's width.
    #[inline]
    pub(super) fn peek(
        &mut self,
        ledger: &Ledger,
        width: Width,
        replaced: RecordNumber,
    ) -> Result<RecordNumber, Limit> {
        match self.spares[width.index()].last() {
            Some(spare) if is_granted(width, replaced) => Ok(*spare),
            _ => self.refill(ledger, width, replaced),
        }
    }

    /// Takes a spare out of the stock, chosen as in [`peek`](Self::peek).
    #[inline(always)] // A few instructions, in loops that have much in registers.
    pub(super) fn pop(
        &mut self,
        ledger: &Ledger,
        width: Width,
        replaced: RecordNumber,
    ) -> Result<RecordNumber, Limit> {
        if is_granted(width, replaced)
            && let Some(spare) = self.spares[width.index()].pop()
        {
            return Ok(spare);
        }
        let spare = self.refill(ledger, width, replaced)?;
        self.spares[spare.width().index()].pop();
        Ok(spare)
    }

    /// Puts `record` in the place of the spare that was last peeked at, whose version is now in
    /// force instead (I2). The version in `record` was in force from one stamp until the other.
    #[inline]
    pub(super) fn trade(
        &mut self,
        ledger: &Ledger,
        width: Width,
        cell: Cell,
        record: RecordNumber,
        [from, until]: [Stamp; 2],
    ) {
        match self.spares[width.index()].last_mut() {
            Some(last) if from == until && width == record.width() => *last = record,
            _ => {
                self.spares[width.index()].pop();
                self.retire_one(ledger, RetiredRecord { cell, record, from, until });
            }
        }
    }

    /// Takes in a record whose version was in force from one reading of the clock until another.
    /// The record becomes a spare, or stays in place as long as a snapshot needs its version.
    #[cold]
    fn retire_one(&mut self, ledger: &Ledger, retired: RetiredRecord) {
        self.retire(ledger, retired);
    }

    /// Takes in all records whose versions a transaction has replaced.
    #[cold]
    pub(super) fn retire_all<'a>(
        &mut self,
        ledger: &Ledger,
        replaced: impl Iterator<Item = &'a Planned>,
        until: Stamp,
    ) {
        for &Planned { entry: Entry { cell, old, .. }, from } in replaced {
            self.retire(ledger, RetiredRecord { cell, record: old.record(), from, until });
        }
    }

    #[inline(always)]
    fn retire(&mut self, ledger: &Ledger, retired: RetiredRecord) {
        // False for an interval in which no snapshot was taken.
        if !self.pinned.may_need(ledger, retired.from, retired.until) {
            self.keep(ledger, retired.record);
            return;
        }
        self.retired_words += retired.record.width().words();
        self.retired.push_back(retired);
        while self.retired_words > self.most_retired {
            self.take_back(ledger);
        }
    }

    /// Turns retired records that no snapshot needs any more into spares, before the writer rests.
    pub(super) fn rest(&mut self, ledger: &Ledger) {
        self.take_back_unneeded(ledger, usize::MAX);
    }

    /// Turns retired records into spares, oldest first, until a snapshot needs the next one, or up
    /// to `most`.
    fn take_back_unneeded(&mut self, ledger: &Ledger, most: usize) {
        if self.retired.is_empty() {
            return;
        }
        let Stock { spares, retired, retired_words, pinned, .. } = self;
        pinned.refresh(ledger);
        let mut left = most;
        loop {
            let (first, _) = retired.as_slices();
            let first = &first[..first.len().min(left)];
            let unneeded =
                first.iter().take_while(|it| !pinned.may_need(ledger, it.from, it.until));
            let taken = unneeded
                .map(|RetiredRecord { record, .. }| {
                    *retired_words -= record.width().words();
                    spares[record.width().index()].push(*record);
                })
                .count();
            let was_last = taken < first.len() || taken == 0;
            retired.drain(..taken);
            left -= taken;
            if was_last {
                break;
            }
        }
        Width::ALL.into_iter().for_each(|width| self.trim(ledger, width));
    }

    /// Takes back the record that was retired first; preserves its version if a snapshot needs it.
    fn take_back(&mut self, ledger: &Ledger) {
        let Some(RetiredRecord { cell, record, from, until }) = self.retired.pop_front() else {
            return;
        };
        // Most often the version was preserved when the cell's newest version ceased to name it.
        let is_there = ledger.is_preserved(cell, from);
        if !is_there && self.pinned.may_need(ledger, from, until) {
            let mut words = Vec::new();
            ledger.records.get(record).copy_to(&mut words);
            ledger.preserve(cell, from, until, words);
        }
        self.retired_words -= record.width().words();
        self.keep(ledger, record);
    }

    /// Finds the spare for [`peek`](Self::peek) when a mere look at the stock does not.
    ///
    /// A version narrower than the replaced one falls back to a spare of the replaced one's width:
    /// so what shrinks or keeps its size never needs to grow (I19).
    #[cold]
    fn refill(
        &mut self,
        ledger: &Ledger,
        width: Width,
        replaced: RecordNumber,
    ) -> Result<RecordNumber, Limit> {
        let before = replaced.width();
        let spare = match is_granted(width, replaced) || self.may_grow(ledger, width) {
            true => self.last(ledger, width),
            false => Err(Limit::Records(width)),
        };
        match spare {
            Err(_) if width < before => self.last(ledger, before),
            spare => spare,
        }
    }

    /// Returns whether a cell may grow into `width` (I19); preserves retired versions to make room.
    fn may_grow(&mut self, ledger: &Ledger, width: Width) -> bool {
        while !ledger.records.have_room(width, self.spares[width.index()].len()) {
            // A version that a snapshot needs can be copied to a history.
            if self.retired.is_empty() {
                return false;
            }
            self.take_back(ledger);
        }
        true
    }

    /// Returns the last spare of `width`; restocks first if there is none.
    fn last(&mut self, ledger: &Ledger, width: Width) -> Result<RecordNumber, Limit> {
        if self.spares[width.index()].is_empty() {
            self.take_back_unneeded(ledger, 2 * width.batch());
        }
        loop {
            if let Some(spare) = self.spares[width.index()].last() {
                return Ok(*spare);
            }
            let taken = ledger.records.take(width, &mut self.spares[width.index()]);
            if let Err(limit) = taken {
                // A version that a snapshot needs can be copied to a history.
                if self.retired.is_empty() {
                    return Err(limit);
                }
                self.take_back(ledger);
            }
        }
    }

    /// Keeps a record as a spare; gives some spares back if there are many.
    #[inline]
    pub(super) fn keep(&mut self, ledger: &Ledger, record: RecordNumber) {
        let width = record.width();
        let spares = &mut self.spares[width.index()];
        spares.push(record);
        if spares.len() > MOST_BATCHES * width.batch() {
            self.trim(ledger, width);
        }
    }

    /// Gives spares of `width` back if there are many, until there are few.
    #[cold]
    fn trim(&mut self, ledger: &Ledger, width: Width) {
        let spares = &mut self.spares[width.index()];
        if spares.len() <= MOST_BATCHES * width.batch() {
            return;
        }
        while spares.len() > 2 * width.batch() {
            let batch = spares.drain(spares.len() - width.batch()..);
            ledger.records.give(width, batch);
        }
    }

    /// Gives all records back, before the writer goes.
    pub(super) fn give_back(&mut self, ledger: &Ledger) {
        while !self.retired.is_empty() {
            self.take_back(ledger);
        }
        for width in Width::ALL {
            let spares = &mut self.spares[width.index()];
            while !spares.is_empty() {
                let batch = spares.len().min(width.batch());
                ledger.records.give(width, spares.drain(..batch));
            }
        }
    }

    /// Adds the number of spares of each width to `counts`.
    pub(super) fn count_spares(&self, counts: &mut [u64; Width::COUNT]) {
        for (count, spares) in counts.iter_mut().zip(&self.spares) {
            *count += spares.len() as u64;
        }
    }

    /// Returns the numbers of the spares.
    #[cfg(provider_tree_loom)]
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.spares.iter().flatten().map(|spare| spare.bits()).collect()
    }
}

/// Returns whether the version that will replace the one in `replaced` may have any record of
/// `width`: one of a common width, or of the replaced one's. Else its cell grows (I19).
#[inline]
fn is_granted(width: Width, replaced: RecordNumber) -> bool {
    width.is_common() || width == replaced.width()
}

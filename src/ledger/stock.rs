//! What one writer has in stock: spare records, and records that wait for snapshots to end.

use std::collections::VecDeque;

use super::Ledger;
use super::clock::Stamp;
use super::exhausted::Exhausted;
use super::gate::Cell;
use super::record::{RecordNumber, Width};
use super::registry::Instants;
use super::transaction::Opened;

/// The records of one writer. It trades spares with the others in batches.
pub(super) struct Stock {
    spares: [Vec<RecordNumber>; Width::COUNT],
    retired: VecDeque<Retired>,
    /// Their widths together.
    retired_words: usize,
    /// Whom they may wait for.
    pub(super) instants: Instants,
}

/// A record that is no longer in force, left in place for the snapshots that need it.
struct Retired {
    cell: Cell,
    record: RecordNumber,
    from: Stamp,
    until: Stamp,
}

/// So many words of records a writer leaves in place.
const MOST_RETIRED: usize = if cfg!(provider_tree_loom) { 8 } else { 1 << 17 };

impl Stock {
    pub(super) fn new() -> Self {
        Stock {
            spares: std::array::from_fn(|_| Vec::new()),
            retired: VecDeque::new(),
            retired_words: 0,
            instants: Instants::new(),
        }
    }

    /// A spare, which stays in the stock until it is [traded](Self::trade).
    #[inline]
    pub(super) fn peek(
        &mut self,
        ledger: &Ledger,
        width: Width,
    ) -> Result<RecordNumber, Exhausted> {
        match self.spares[width.index()].last() {
            Some(spare) => Ok(*spare),
            None => self.refill(ledger, width),
        }
    }

    /// Takes a spare out of the stock.
    #[inline]
    pub(super) fn pop(&mut self, ledger: &Ledger, width: Width) -> Result<RecordNumber, Exhausted> {
        if let Some(spare) = self.spares[width.index()].pop() {
            return Ok(spare);
        }
        let spare = self.refill(ledger, width)?;
        self.spares[width.index()].pop();
        Ok(spare)
    }

    /// Puts a record in the place of the spare that was last peeked at: that is in force now instead
    /// of this one, which was from one reading of the clock until another.
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
                self.retire_one(ledger, Retired { cell, record, from, until });
            }
        }
    }

    /// Keeps a record that was in force from one reading of the clock until another: as a spare or,
    /// for as long as a snapshot needs the version that it was, in its place.
    #[cold]
    fn retire_one(&mut self, ledger: &Ledger, retired: Retired) {
        self.retire(ledger, retired);
    }

    /// The same for all that a transaction has replaced.
    #[cold]
    pub(super) fn retire_all<'a>(
        &mut self,
        ledger: &Ledger,
        replaced: impl Iterator<Item = &'a Opened>,
        until: Stamp,
    ) {
        for Opened { cell, seen, .. } in replaced {
            let (record, from) = (seen.word.record(), seen.stamp);
            self.retire(ledger, Retired { cell: *cell, record, from, until });
        }
    }

    #[inline(always)]
    fn retire(&mut self, ledger: &Ledger, retired: Retired) {
        // False for an interval without a snapshot.
        if !self.instants.need(ledger, retired.from, retired.until) {
            self.keep(ledger, retired.record);
            return;
        }
        self.retired_words += retired.record.width().words();
        self.retired.push_back(retired);
        while self.retired_words > MOST_RETIRED {
            self.take_back(ledger);
        }
    }

    /// Takes back what no snapshot needs any more, before the writer rests.
    pub(super) fn rest(&mut self, ledger: &Ledger) {
        self.take_back_unneeded(ledger, usize::MAX);
    }

    /// Takes back the first of what was retired, until a snapshot needs the next, or up to `most`.
    fn take_back_unneeded(&mut self, ledger: &Ledger, most: usize) {
        if self.retired.is_empty() {
            return;
        }
        let Stock { spares, retired, retired_words, instants } = self;
        instants.refresh(ledger);
        let mut left = most;
        loop {
            let (first, _) = retired.as_slices();
            let first = &first[..first.len().min(left)];
            let unneeded = first.iter().take_while(|it| !instants.need(ledger, it.from, it.until));
            let taken = unneeded
                .map(|Retired { record, .. }| {
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
        Width::all().for_each(|width| self.trim(ledger, width));
    }

    /// Takes the record back that was retired first; snapshots find a copy instead.
    fn take_back(&mut self, ledger: &Ledger) {
        let Some(Retired { cell, record, from, until }) = self.retired.pop_front() else { return };
        // Most often it was copied when it was named no more.
        let is_there = ledger.is_preserved(cell, from);
        if !is_there && self.instants.need(ledger, from, until) {
            let mut words = Vec::new();
            ledger.records.get(record).copy_to(&mut words);
            ledger.preserve(cell, from, until, words);
        }
        self.retired_words -= record.width().words();
        self.keep(ledger, record);
    }

    /// Adds spares of `width`, of which there are none, and says which is the last.
    #[cold]
    fn refill(&mut self, ledger: &Ledger, width: Width) -> Result<RecordNumber, Exhausted> {
        self.take_back_unneeded(ledger, 2 * width.batch());
        loop {
            if let Some(spare) = self.spares[width.index()].last() {
                return Ok(*spare);
            }
            let taken = ledger.records.take(width, &mut self.spares[width.index()]);
            if let Err(exhausted) = taken {
                // What snapshots need can be copied elsewhere.
                if self.retired.is_empty() {
                    return Err(exhausted);
                }
                self.take_back(ledger);
            }
        }
    }

    /// Keeps a record that is no longer in force, and gives some back if they are many.
    #[inline]
    pub(super) fn keep(&mut self, ledger: &Ledger, record: RecordNumber) {
        let width = record.width();
        let spares = &mut self.spares[width.index()];
        spares.push(record);
        if spares.len() > 4 * width.batch() {
            self.trim(ledger, width);
        }
    }

    /// Gives spares back if they are many, until they are few.
    #[cold]
    fn trim(&mut self, ledger: &Ledger, width: Width) {
        let spares = &mut self.spares[width.index()];
        if spares.len() <= 4 * width.batch() {
            return;
        }
        while spares.len() > 2 * width.batch() {
            let batch = spares.drain(spares.len() - width.batch()..);
            ledger.records.give(width, batch);
        }
    }

    /// Gives everything back.
    pub(super) fn give_back(&mut self, ledger: &Ledger) {
        while !self.retired.is_empty() {
            self.take_back(ledger);
        }
        for width in Width::all() {
            let spares = &mut self.spares[width.index()];
            while !spares.is_empty() {
                let batch = spares.len().min(width.batch());
                ledger.records.give(width, spares.drain(..batch));
            }
        }
    }

    /// The numbers of the spares.
    #[cfg(provider_tree_loom)]
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.spares.iter().flatten().map(|spare| spare.bits()).collect()
    }
}

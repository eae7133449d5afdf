//! [`Marks`]: where cells have changed since an epoch.
//!
//! There is a mark for each block of cells, and one for each district of blocks: the latest stamp
//! of any version there. A thread that stamps a version marks the cell first, then reads the clock,
//! so that a snapshot which ends the stamp's epoch finds the mark (I18). A version whose
//! predecessor has the same stamp needs no mark of its own: each cell is marked once between two
//! snapshots.

use std::ops::ControlFlow;

use crate::ledger::store::chunks::Chunks;
use crate::ledger::word::{Cell, Stamp};
use crate::sync::{AtomicU64, Ordering, zeroed_words};

pub(in crate::ledger) struct Marks {
    blocks: Chunks<AtomicU64>,
    districts: Chunks<AtomicU64>,
}

/// Count the cells in a block, and in a district, as powers of two.
const BLOCK_BITS: u32 = 6;
const DISTRICT_BITS: u32 = 2 * BLOCK_BITS;

impl Marks {
    pub(in crate::ledger) fn new() -> Self {
        Marks { blocks: Chunks::new(1), districts: Chunks::new(1) }
    }

    /// Returns the bytes that all marks take.
    pub(in crate::ledger) fn bytes(&self) -> u64 {
        self.blocks.bytes() + self.districts.bytes()
    }

    /// Marks `cell` for a version that is about to get a stamp of at most `stamp`. The caller then
    /// reads the clock, and marks again if the reading is later.
    #[inline]
    pub(in crate::ledger) fn mark(&self, cell: Cell, stamp: Stamp) {
        let block = self.blocks.first(cell.number() >> BLOCK_BITS);
        // SeqCst: as in `raise`. The thread that made this mark has made the district's before.
        if block.is_none_or(|block| block.load(Ordering::SeqCst) < stamp.bits()) {
            self.raise_both(cell, stamp);
        }
    }

    #[cold]
    fn raise_both(&self, cell: Cell, stamp: Stamp) {
        let districts = self.districts.get_or_make(cell.number() >> DISTRICT_BITS, zeroed_words);
        raise(&districts[0], stamp);
        let blocks = self.blocks.get_or_make(cell.number() >> BLOCK_BITS, zeroed_words);
        raise(&blocks[0], stamp);
    }

    /// Applies `visit` to all cells below `bound` that may have a version stamped later than
    /// `since`, and to other cells of their blocks, until `visit` breaks off.
    pub(in crate::ledger) fn since(
        &self,
        since: Stamp,
        bound: u32,
        mut visit: impl FnMut(Cell) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let is_marked = |marks: &Chunks<AtomicU64>, position: u32| {
            // Made if missing, so that a mark which another thread makes is at this address.
            let mark = &marks.get_or_make(position, zeroed_words)[0];
            // SeqCst: after the caller's snapshot advanced the clock. Pairs with the exchange in
            // `raise`.
            mark.load(Ordering::SeqCst) > since.bits()
        };
        let mut first = 0;
        while first < bound {
            if !is_marked(&self.districts, first >> DISTRICT_BITS) {
                first = next(first, DISTRICT_BITS);
            } else if !is_marked(&self.blocks, first >> BLOCK_BITS) {
                first = next(first, BLOCK_BITS);
            } else {
                let end = next(first, BLOCK_BITS).min(bound);
                (first..end).try_for_each(|number| visit(Cell::new(number)))?;
                first = end;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Returns the first cell of the next block of this size.
fn next(number: u32, bits: u32) -> u32 {
    ((number >> bits) + 1) << bits
}

fn raise(mark: &AtomicU64, stamp: Stamp) {
    // SeqCst: as in the exchange below, since a mark that is found may serve.
    let mut current = mark.load(Ordering::SeqCst);
    while current < stamp.bits() {
        // SeqCst: before the reading of the clock that becomes the stamp. Pairs with the load in
        // `since`. On failure too, since the mark that was found may serve.
        match mark.compare_exchange(current, stamp.bits(), Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return,
            Err(found) => current = found,
        }
    }
}

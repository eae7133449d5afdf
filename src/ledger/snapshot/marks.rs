//! Marks: where cells have changed since some reading of the clock.
//!
//! One mark for each block of cells, and one for each block of those: the latest stamp of any version
//! there. Whoever stamps a version marks its cell first, then reads the clock, so that whoever
//! advances the clock past the stamp finds the mark. A version whose predecessor has the same stamp
//! needs no mark of its own: between two snapshots each cell is marked once.

use crate::ledger::store::chunks::Chunks;
use crate::ledger::word::{Cell, Stamp};
use crate::sync::{AtomicU64, Ordering, zeroed_words};

pub(in crate::ledger) struct Marks {
    blocks: Chunks<AtomicU64>,
    districts: Chunks<AtomicU64>,
}

/// Cells in a block, and blocks in a district, as powers of two.
const BLOCK_BITS: u32 = 6;
const DISTRICT_BITS: u32 = 2 * BLOCK_BITS;

impl Marks {
    pub(in crate::ledger) fn new() -> Self {
        Marks { blocks: Chunks::new(1), districts: Chunks::new(1) }
    }

    /// What all marks take.
    pub(in crate::ledger) fn bytes(&self) -> u64 {
        self.blocks.bytes() + self.districts.bytes()
    }

    /// A version of `cell` is about to get a stamp up to this one, if the clock's reading is no later
    /// still after this.
    #[inline]
    pub(in crate::ledger) fn mark(&self, cell: Cell, stamp: Stamp) {
        let block = self.blocks.first(cell.number() >> BLOCK_BITS);
        // SeqCst: as in `raise`. Whoever made this mark has made that of the district before.
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

    /// Applies `visit` to the cells below `bound` that may have a version stamped after `since`,
    /// and to others of their blocks.
    pub(in crate::ledger) fn since(&self, since: Stamp, bound: u32, mut visit: impl FnMut(Cell)) {
        let is_marked = |marks: &Chunks<AtomicU64>, position: u32| {
            // Made, not got: a mark made elsewhere is in the same place then.
            let mark = &marks.get_or_make(position, zeroed_words)[0];
            // SeqCst: after the advance of the clock by the caller's snapshot; partner of `raise`.
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
                (first..end).for_each(|number| visit(Cell::new(number)));
                first = end;
            }
        }
    }
}

/// Where the next block of this size begins.
fn next(number: u32, bits: u32) -> u32 {
    ((number >> bits) + 1) << bits
}

fn raise(mark: &AtomicU64, stamp: Stamp) {
    // SeqCst: as below; a mark that is found may serve.
    let mut current = mark.load(Ordering::SeqCst);
    while current < stamp.bits() {
        // SeqCst: before the reading of the clock that the stamp is made from; partner of the load in
        // `since`. On failure too: what was found may serve instead.
        match mark.compare_exchange(current, stamp.bits(), Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return,
            Err(found) => current = found,
        }
    }
}

//! [`Trail`]: which cells the owner of a slot has changed, for readers that follow.
//!
//! The owner announces each cell before any thread can see the change, and notes that the change is
//! over when no thread can see the version before. `follow` beside this file has the readers' half.

use crate::ledger::word::Cell;
use crate::sync::{AtomicU64, Ordering, zeroed_words};

/// Holds the numbers of the cells that the owners of one slot have announced, the latest [`RING`] of
/// them.
///
/// A *position* counts what was announced before it. What is between `done` and `announced` may come
/// into force at any time, or never.
pub(in crate::ledger) struct Trail {
    /// Counts what was announced. Grows before the places in the ring are written (I20).
    announced: AtomicU64,
    /// Counts what was announced and is over: in force before now, or never.
    done: AtomicU64,
    ring: Ring,
}

type Ring = Box<[AtomicU64; RING as usize]>;

/// Counts the places in a ring: 128 KiB for each slot, made once and used by one owner after another.
/// Where the allocator hands pages out untouched, only those are real that were written to.
///
/// A reader that falls behind by more than a ring has to look at all cells, which costs about 40 ns
/// for each provider. For a hundred thousand providers that is 4 ms for 2^14 changes of one worker:
/// about as much for each change as the change itself takes. A longer ring would spare little, since
/// to look at as many announced cells takes as long, and would not stay in the caches of the cores
/// that write it.
pub(in crate::ledger) const RING: u64 = if cfg!(provider_tree_loom) { 2 } else { 1 << 14 };

impl Trail {
    pub(in crate::ledger) fn new() -> Self {
        let ring = zeroed_words(RING as usize).try_into();
        let Ok(ring) = ring else { unreachable!("it has so many words") };
        let [announced, done] = [0; 2].map(AtomicU64::new);
        Trail { announced, done, ring }
    }

    /// Returns the position behind everything that the caller, who owns the slot, has announced.
    #[inline]
    pub(in crate::ledger) fn end(&self) -> u64 {
        // Relaxed: only owners store it, and the free list of slots ordered those of the owners
        // before.
        self.announced.load(Ordering::Relaxed)
    }

    /// Announces that `cell` is about to change, at position `start`. The same again is no further
    /// announcement.
    #[inline(always)]
    pub(in crate::ledger) fn announce(&self, start: u64, cell: Cell) {
        self.reserve(start + 1);
        self.write(start, cell);
    }

    /// Notes that everything before `end` is over.
    #[inline(always)]
    pub(in crate::ledger) fn finish(&self, end: u64) {
        // Release: the gates' exchanges come before. Pairs with the acquire in `done`.
        self.done.store(end, Ordering::Release);
    }

    /// Notes that everything announced is over, unless that is noted already.
    #[inline]
    pub(in crate::ledger) fn settle(&self) {
        // Relaxed: as in `end`.
        if self.done.load(Ordering::Relaxed) != self.end() {
            self.finish(self.end());
        }
    }

    #[inline(always)]
    pub(in crate::ledger) fn reserve(&self, end: u64) {
        // Relaxed: whoever has to see this has acquired something that the owner stores later: a
        // word of the ring, a gate, the descriptor, or `done`.
        self.announced.store(end, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(in crate::ledger) fn write(&self, position: u64, cell: Cell) {
        let place = &self.ring[(position % RING) as usize];
        // Release: the place was reserved before. Pairs with the acquire in `read`.
        place.store(u64::from(cell.number()), Ordering::Release);
    }

    /// Returns the position behind all that is announced to the caller: at least everything that it
    /// may have seen in force.
    #[inline(always)]
    pub(in crate::ledger) fn announced(&self) -> u64 {
        // Relaxed: see `reserve`.
        self.announced.load(Ordering::Relaxed)
    }

    /// Returns the position behind what is over.
    #[inline]
    pub(in crate::ledger) fn done(&self) -> u64 {
        // Acquire: pairs with the release in `finish`, so that whoever reads the cells afterwards
        // finds them changed.
        self.done.load(Ordering::Acquire)
    }

    /// Returns the cell announced at `position`, or any other if the place was not written yet or is
    /// reserved for a later one: [`announced`](Self::announced) tells afterwards.
    #[inline]
    pub(in crate::ledger) fn read(&self, position: u64) -> Cell {
        let place = &self.ring[(position % RING) as usize];
        // Acquire: pairs with the release in `write`. A word of a later lap brings the reservation
        // of its place.
        Cell::new(place.load(Ordering::Acquire) as u32)
    }
}

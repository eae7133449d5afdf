//! [`Seat`]: what belongs to a slot, for one writer after another.

use super::descriptor::Descriptor;
use super::trail::{RING, Trail};
use crate::sync::{AtomicU64, CachePadded};

/// Holds what all threads may read of the writer in a slot. It outlives the writer, and goes on with
/// the next.
pub(in crate::ledger) struct Seat {
    pub(in crate::ledger) descriptor: CachePadded<Descriptor>,
    pub(in crate::ledger) trail: CachePadded<Trail>,
}

impl Seat {
    pub(in crate::ledger) fn new() -> Self {
        let (descriptor, trail) = (Descriptor::new(), Trail::new());
        Seat { descriptor: CachePadded::new(descriptor), trail: CachePadded::new(trail) }
    }

    /// Returns the bytes that a seat takes.
    pub(in crate::ledger) fn bytes() -> u64 {
        (size_of::<Seat>() + size_of::<[AtomicU64; RING as usize]>()) as u64
    }
}

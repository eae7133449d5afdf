//! The clock of snapshots, and the stamps that versions get from it.

use super::gate::{Cell, GateWord, TAG_BITS};
use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

/// When a version came into force, or the token that it carries until someone notes that.
///
/// ```text
/// 0 | clock 63                 came into force at that reading of the clock
/// 1 | cell 28 | tag 35         not noted yet; unique for each version ever in force
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp(u64);

const TOKEN: u64 = 1 << 63;

impl Stamp {
    /// The token of the version that `word` puts in force in `cell`.
    #[inline]
    pub(crate) fn token(cell: Cell, word: GateWord) -> Stamp {
        Stamp(TOKEN | u64::from(cell.number()) << TAG_BITS | word.tag())
    }

    /// The token of a whole transaction.
    #[inline]
    pub(crate) fn transaction_token(sequence: u64) -> Stamp {
        Stamp(TOKEN | sequence)
    }

    #[inline]
    pub(crate) fn is_token(self) -> bool {
        self.0 & TOKEN != 0
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Stamp {
        Stamp(bits)
    }
}

/// Advanced by snapshots only, so that between two of them all versions share a stamp.
pub(crate) struct Clock(CachePadded<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(CachePadded::new(AtomicU64::new(1)))
    }

    /// The reading for a version that is in force by now.
    #[inline]
    pub(crate) fn now(&self) -> Stamp {
        // The fence stands for SeqCst in the models: a stamper's exchange of the gate comes
        // before its reading of the clock in the one order that a snapshot's advance is part of.
        model_fence();
        // SeqCst: partner of the gate's exchange, see above.
        Stamp(self.0.load(Ordering::SeqCst))
    }
}

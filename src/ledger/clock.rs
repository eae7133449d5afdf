//! The clock of snapshots, and the stamps that versions get from it.

use super::gate::{Cell, GateWord, TAG_BITS};
use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

/// When a version came into force, or the token that it carries until someone notes that.
///
/// ```text
/// 0 | clock 48                 came into force at that reading of the clock
/// 1 | cell 28 | tag 35         not noted yet; unique for each version ever in force
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(u64);

const TOKEN: u64 = 1 << 63;

/// The clock wraps after 2^48 snapshots.
pub(crate) const STAMP_BITS: u32 = 48;

impl Stamp {
    /// The stamp of everything before the first snapshot.
    pub(crate) const BEGINNING: Stamp = Stamp(1);

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

    /// Later than any instant.
    pub(crate) const NEVER: Stamp = Stamp((1 << STAMP_BITS) - 1);

    /// So many readings of the clock later.
    pub(crate) fn later(self, by: u64) -> Stamp {
        Stamp(self.0.saturating_add(by).min(Self::NEVER.0))
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

/// Advanced by snapshots only, so that between two of them all versions share a stamp. Begins at
/// [`BEGINNING`](Stamp::BEGINNING).
pub(crate) struct Clock(CachePadded<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(CachePadded::new(AtomicU64::new(Stamp::BEGINNING.0)))
    }

    /// The reading for a version that is in force by now.
    #[inline]
    pub(crate) fn now(&self) -> Stamp {
        // The fence stands for SeqCst in the models: a stamper's exchange of the gate comes
        // before its reading of the clock in the one order that a snapshot's advance is part of.
        model_fence();
        // SeqCst: partner of the gate's exchange, see above; acquires the registrations of all
        // snapshots that the reading comes after.
        Stamp(self.0.load(Ordering::SeqCst))
    }

    /// Ends the present `at`; false if that is over.
    pub(crate) fn advance(&self, at: Stamp) -> bool {
        let next = at.0 + 1;
        // SeqCst: after the snapshot's registration, which it releases to whoever reads the new
        // time; before the snapshot's loads of gates in the one order.
        let advanced = self.0.compare_exchange(at.0, next, Ordering::SeqCst, Ordering::SeqCst);
        // The fence stands for SeqCst in the models: partner of the one in `now`.
        model_fence();
        advanced.is_ok()
    }
}

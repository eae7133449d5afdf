//! The clock of snapshots, and the stamps that versions get from it.

use crate::ledger::word::Stamp;
use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

/// Advanced by snapshots only, so that between two of them all versions share a stamp. Begins at
/// [`BEGINNING`](Stamp::BEGINNING).
pub(crate) struct Clock(CachePadded<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(CachePadded::new(AtomicU64::new(Stamp::BEGINNING.bits())))
    }

    /// The reading for a version that is in force by now.
    #[inline]
    pub(crate) fn now(&self) -> Stamp {
        // The fence stands for SeqCst in the models: a stamper's exchange of the gate comes
        // before its reading of the clock in the one order that a snapshot's advance is part of.
        model_fence();
        // SeqCst: partner of the gate's exchange, see above; acquires the registrations of all
        // snapshots that the reading comes after.
        Stamp::from_bits(self.0.load(Ordering::SeqCst))
    }

    /// Ends the present `at`; false if that is over.
    pub(crate) fn advance(&self, at: Stamp) -> bool {
        let next = at.bits() + 1;
        // SeqCst: after the snapshot's registration, which it releases to whoever reads the new
        // time; before the snapshot's loads of gates in the one order.
        let advanced = self.0.compare_exchange(at.bits(), next, Ordering::SeqCst, Ordering::SeqCst);
        // The fence stands for SeqCst in the models: partner of the one in `now`.
        model_fence();
        advanced.is_ok()
    }
}

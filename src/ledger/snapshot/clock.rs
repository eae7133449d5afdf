//! [`Clock`]: the word that stamps are read from.

use crate::ledger::word::Stamp;
use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

/// Counts epochs. Only snapshots advance the clock, so that all versions between two snapshots
/// share a stamp. It begins at [`BEGINNING`](Stamp::BEGINNING).
pub(crate) struct Clock(CachePadded<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Clock(CachePadded::new(AtomicU64::new(Stamp::BEGINNING.bits())))
    }

    /// Reads the clock, for a version that is in force by now.
    #[inline]
    pub(crate) fn now(&self) -> Stamp {
        // The fence stands for SeqCst in the models: a writer's exchange of a gate precedes its
        // reading of the clock in the one order that a snapshot's advance is part of.
        model_fence();
        // SeqCst: after the exchange of the gate, in the one order; acquires the registrations of
        // all snapshots that ended earlier epochs. Pairs with the exchange in `advance`.
        Stamp::from_bits(self.0.load(Ordering::SeqCst))
    }

    /// Ends the epoch `at`; returns false if it has ended before.
    pub(crate) fn advance(&self, at: Stamp) -> bool {
        let next = at.bits() + 1;
        // SeqCst: after the snapshot's registration, which it releases to every thread that reads
        // the new time; before the snapshot's loads of gates, in the one order.
        let advanced = self.0.compare_exchange(at.bits(), next, Ordering::SeqCst, Ordering::SeqCst);
        // The fence stands for SeqCst in the models: partner of the fence in `now`.
        model_fence();
        advanced.is_ok()
    }
}

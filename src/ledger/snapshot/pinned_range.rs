//! [`PinnedRange`]: what a writer remembers of the registry.

use crate::ledger::state::Ledger;
use crate::ledger::word::Stamp;

/// Holds the earliest and the latest pinned epoch, as of some reading of the clock.
///
/// For a version that ended by that reading, this range tells most often whether a pin needs it,
/// without a look at the registry. An epoch that was unpinned since still counts, and only keeps a
/// version longer.
pub(in crate::ledger) struct PinnedRange {
    read_at: Stamp,
    earliest: Stamp,
    latest: Stamp,
}

impl PinnedRange {
    pub(in crate::ledger) fn new() -> Self {
        let (earliest, latest) = (Stamp::NEVER, Stamp::BEGINNING);
        PinnedRange { read_at: Stamp::BEGINNING, earliest, latest }
    }

    /// Returns whether a pin may need what was in force from one reading of the clock until before
    /// another.
    #[inline]
    pub(in crate::ledger) fn may_need(
        &mut self,
        ledger: &Ledger,
        from: Stamp,
        until: Stamp,
    ) -> bool {
        if until > self.read_at {
            self.refresh(ledger);
        }
        // Most often there are only one or two pins.
        let may_need = self.earliest < until && from <= self.latest;
        may_need
            && (from <= self.earliest || self.latest < until || ledger.registry.needs(from, until))
    }

    /// Looks at the registry again.
    #[cold]
    pub(in crate::ledger) fn refresh(&mut self, ledger: &Ledger) {
        // The clock first: every epoch that ended before this reading is registered by now (I16).
        self.read_at = ledger.clock.now();
        let ends = ledger.registry.bounds();
        (self.earliest, self.latest) = ends.unwrap_or((Stamp::NEVER, Stamp::BEGINNING));
    }
}

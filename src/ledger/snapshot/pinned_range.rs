//! What a writer remembers of the registry, to seldom have to look at it.

use crate::ledger::state::Ledger;
use crate::ledger::word::Stamp;

/// The earliest and the latest registered instant, as they were at some reading of the clock. For what
/// ended by then this tells most often who needs it, without a look at the registry; instants that have
/// ended meanwhile still count.
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

    /// Whether something may be needed that was in force from one reading of the clock until before
    /// another one was.
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
        // Most often there are one or two.
        let may_need = self.earliest < until && from <= self.latest;
        may_need
            && (from <= self.earliest || self.latest < until || ledger.registry.needs(from, until))
    }

    /// Looks at the registry again.
    #[cold]
    pub(in crate::ledger) fn refresh(&mut self, ledger: &Ledger) {
        // First the clock: every instant before this reading is registered by now.
        self.read_at = ledger.clock.now();
        let ends = ledger.registry.bounds();
        (self.earliest, self.latest) = ends.unwrap_or((Stamp::NEVER, Stamp::BEGINNING));
    }
}

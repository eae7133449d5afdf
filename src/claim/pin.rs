//! [`ForestPin`]: an instant of a forest that can be read until the `ForestPin` is dropped.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::claim::core::Core;
use crate::forest::Forest;
use crate::ledger::{Cell, Past, Pin, Place, Transaction, Waiter};

pub(crate) struct ForestPin {
    pub(crate) core: Arc<Core>,
    pin: Pin,
}

impl ForestPin {
    /// Ends the present instant, and keeps it readable from now on. Lock-free, O(log snapshots).
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        ForestPin { core: Arc::clone(core), pin: core.forest.ledger.pin() }
    }

    /// Returns the place of this instant in the order of the forest's instants.
    pub(crate) fn number(&self) -> u64 {
        self.pin.at().bits()
    }

    /// Returns a view of what was in force at this instant.
    pub(crate) fn view(&self) -> Past<'_> {
        self.core.forest.ledger.past(&self.pin)
    }

    pub(crate) fn can_be_read(&self) -> bool {
        self.core.forest.ledger.can_read(&self.pin)
    }

    pub(crate) fn limit_kept(&self, limit: u64) {
        self.core.forest.ledger.limit_kept(&self.pin, limit);
    }

    pub(crate) fn kept(&self) -> u64 {
        self.core.forest.ledger.kept(&self.pin)
    }

    /// Applies `visit` to all cells that have changed since this instant.
    pub(crate) fn changed_since(&self, visit: impl FnMut(Cell)) {
        self.core.forest.ledger.changed_since(&self.pin, visit);
    }

    /// Returns whether any cell has changed since this instant.
    pub(crate) fn has_changed(&self) -> bool {
        self.core.forest.ledger.has_changed_since(&self.pin)
    }

    /// Enters a waiter for the next change; returns `None` if a cell has changed since this instant.
    pub(crate) fn wait(&self, waker: &Waker) -> Option<Arc<Waiter>> {
        self.core.forest.ledger.wait_since(&self.pin, waker)
    }

    /// Returns whether the version that a transaction has opened was in force at this instant
    /// already.
    pub(crate) fn is_still(&self, transaction: &Transaction<'_>, place: Place) -> bool {
        transaction.is_unchanged_since(place, &self.pin)
    }
}

impl fmt::Debug for ForestPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForestPin").field(&self.number()).finish()
    }
}

impl Drop for ForestPin {
    fn drop(&mut self) {
        let Forest { ledger, configurations, .. } = &self.core.forest;
        // Holds the configurations until everything is let go.
        let mut all_gone = Vec::new();
        ledger.unpin(&self.pin, |usage, version| {
            all_gone.push(configurations.let_go(usage, version));
        });
    }
}

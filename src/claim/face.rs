//! Claims as the forest offers them.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::{Allocations, Audit, Overcommit, Worker};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::tree::{Provider, ProviderTree};

/// Claims and what they hold.
impl ProviderTree {
    /// What one thread claims and releases with. Each takes a few spare records with it and gives
    /// them back when dropped. Lock-free.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::Error::TooLarge) beyond 32,768 workers at the same time, of which the forest
    /// itself keeps a few for its own methods.
    pub fn worker(&self) -> Result<Worker> {
        Worker::new(Arc::clone(&self.core))
    }

    /// What `consumer` holds, at one instant; none if it holds nothing. Takes a shard's read lock
    /// for O(1).
    pub fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        self.core.allocations(consumer)
    }

    /// All consumers that hold something from before the call to after it, and some of those that
    /// came or went meanwhile, perhaps twice. Lock-free; O(cells).
    pub fn consumers(&self) -> Vec<Uuid> {
        self.core.consumer_uuids()
    }

    /// What holds something from `provider` or from what is below it, each consumer at an instant
    /// of its own: everyone who does so throughout the call. Lock-free; O(cells).
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn holders(&self, provider: &Provider) -> Result<Vec<Uuid>> {
        self.core.holders(provider)
    }

    /// Where more is used than there is, after an inventory has shrunk: each provider at an instant
    /// of its own. Lock-free; O(providers).
    pub fn overcommitted(&self) -> Vec<Overcommit> {
        self.core.overcommitted()
    }

    /// The earliest deadline of a lease, or an earlier one of a lease that was renewed or has
    /// ended; none if nothing is leased. Lock-free; O(log n) for n leases.
    pub fn next_deadline(&self) -> Option<u64> {
        self.core.agenda.first().map(|(due, _)| due.term.deadline)
    }

    /// What all workers have done since the forest began, also those that are gone. Wait-free;
    /// O(workers that were there at the same time).
    pub fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for slot in 0..self.core.ledger.writer_bound() {
            if let Some([tallies]) = self.core.tallies.get(slot) {
                sum += tallies.read();
            }
        }
        sum
    }

    /// Recomputes the usage of every provider from what consumers hold, and compares.
    ///
    /// Runs beside claims, and is exact for each provider that it settles: a provider counts only
    /// if nothing was claimed from it while all consumers were read. Those under constant claims
    /// are read again, up to 64 times, and reported as unsettled after that. Lock-free; O(cells)
    /// for each round.
    pub fn audit(&self) -> Audit {
        self.core.audit()
    }
}

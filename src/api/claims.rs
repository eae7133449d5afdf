//! The methods of [`ProviderTree`] about claims.

use std::sync::Arc;

use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::claim::{Allocations, Lease, Worker, allocations, lease_of};
use crate::error::Result;
use crate::values::Metrics;

/// Hands out workers, and reads what consumers hold.
impl ProviderTree {
    /// Returns a new worker, which one thread claims and releases with. Lock-free.
    ///
    /// Each worker takes a few spare records from the forest, and gives them back when it is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Returns [`TooLarge`](crate::Error::TooLarge) beyond 32,768 workers at the same time. The
    /// forest itself keeps a few of these workers for its own methods.
    pub fn worker(&self) -> Result<Worker> {
        Worker::new(Arc::clone(&self.core))
    }

    /// Returns what `consumer` holds, as of one instant, or `None` if the consumer holds nothing.
    /// Takes a shard's read lock for O(1).
    pub fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        allocations(&self.core, consumer)
    }

    /// Returns the lease of `consumer`, or `None` if the consumer holds nothing, or holds for good
    /// what it holds. Takes a shard's read lock for O(1).
    ///
    /// Serves callers that have lost the reply of [`Worker::lease`], or have [loaded](Self::load)
    /// the forest.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.set_inventories(&host, vcpu, Expect::Any)?;
    /// let claim = Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 3);
    /// tree.worker()?.lease(&claim, 100)?;
    ///
    /// let copy = ProviderTree::load(&tree.dump())?;
    /// let lease = copy.lease_of(claim.consumer()).expect("it is leased");
    /// let _receipt = copy.worker()?.confirm(&lease, 50)?;
    /// assert_eq!(copy.lease_of(claim.consumer()), None);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn lease_of(&self, consumer: Uuid) -> Option<Lease> {
        lease_of(&self.core, consumer)
    }

    /// Returns the earliest deadline of all leases, or `None` if nothing is leased. Lock-free;
    /// O(log n) for n leases.
    ///
    /// The returned deadline may be earlier than that of every lease in force. Then it belongs to a
    /// lease that was renewed or has ended, or to a call that is about to make or renew a lease, or
    /// to be refused.
    pub fn next_deadline(&self) -> Option<u64> {
        self.core.claims.leases.agenda.first().map(|(due, _)| due.term.deadline)
    }

    /// Returns what all workers together have done since the forest began, including the workers
    /// that are gone. Wait-free; O(the most workers that have existed at the same time).
    pub fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for slot in 0..self.core.forest.ledger.writer_bound() {
            if let Some(tallies) = self.core.claims.tallies.first(slot) {
                sum += tallies.read();
            }
        }
        sum
    }
}

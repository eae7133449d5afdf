//! Claims as the forest offers them.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::{Allocations, Lease, Worker};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::tree::ProviderTree;

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

    /// The lease of `consumer`; none if what it holds is not leased, or it holds nothing. For whoever
    /// has lost the reply of [`Worker::lease`], or has [loaded](Self::load) the forest. Takes a
    /// shard's read lock for O(1).
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
        self.core.lease_of(consumer)
    }

    /// The earliest deadline of a lease; none if nothing is leased. It may be an earlier one: of a
    /// lease that was renewed or has ended, or of a call that is about to make or renew one, or to be
    /// refused. Lock-free; O(log n) for n leases.
    pub fn next_deadline(&self) -> Option<u64> {
        self.core.agenda.first().map(|(due, _)| due.term.deadline)
    }

    /// What all workers have done since the forest began, also those that are gone. Wait-free;
    /// O(workers that were there at the same time).
    pub fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        for slot in 0..self.core.ledger.writer_bound() {
            if let Some(tallies) = self.core.tallies.first(slot) {
                sum += tallies.read();
            }
        }
        sum
    }
}

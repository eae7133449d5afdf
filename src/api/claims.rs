//! The methods of [`ProviderTree`] about claims.

use std::sync::Arc;

use uuid::Uuid;

use crate::api::tree::ProviderTree;
use crate::claim::{Allocations, Issued, Lease, Worker, allocations, lease_of};
use crate::error::Result;
use crate::values::{Deadline, Metrics};

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

    /// Issues a uuid for a consumer to come, so that a claim can be asked again if its reply is lost: a
    /// second claim of the uuid is refused as [`AlreadyHeld`](crate::Error::AlreadyHeld). Lock-free,
    /// O(1).
    ///
    /// Such a uuid says itself where its consumer is: whatever is done with the consumer touches no
    /// index, and takes no lock. Where no reply can be lost, [`Claim::unnamed`](crate::Claim::unnamed)
    /// saves the call.
    ///
    /// The uuid is good for any worker of the forest, until it is released once. If it is never claimed,
    /// it is given back when the returned value is dropped. A claim or a replacement of a
    /// uuid of this forest that is not good, since it was released, given back or made up, is refused as
    /// [`NotIssued`](crate::Error::NotIssued); so is a batch that concerns one that was made up. Every
    /// other call finds that such a consumer holds nothing. A uuid that another forest has issued is like
    /// any other from outside.
    ///
    /// # Errors
    ///
    /// Returns [`TooLarge`](crate::Error::TooLarge) if the forest is full, or beyond 32,768 workers
    /// at the same time.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    ///
    /// let issued = tree.issue()?;
    /// let vm = issued.consumer();
    /// let claim = Claim::new(vm).take(&host, ResourceClass::VCPU, 3);
    /// let _lost = worker.claim(&claim)?;
    /// assert!(matches!(worker.claim(&claim), Err(Error::AlreadyHeld { generation: 1, .. })));
    ///
    /// worker.release(vm)?;
    /// assert_eq!(worker.claim(&claim), Err(Error::NotIssued { consumer: vm }));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn issue(&self) -> Result<Issued> {
        self.core.forest.with_writer(|writer| Issued::new(&self.core, writer))
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
    /// use provider_tree::{Claim, Deadline, Expect, Inventories, Inventory, Now, ProviderTree};
    /// use provider_tree::ResourceClass;
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let claim = Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 3);
    /// let vm = tree.worker()?.lease(&claim, Deadline(100))?.consumer();
    ///
    /// let copy = ProviderTree::load(&tree.snapshot().dump()?)?;
    /// let lease = copy.lease_of(vm).expect("it is leased");
    /// copy.worker()?.confirm(&lease, Now(50))?;
    /// assert_eq!(copy.lease_of(vm), None);
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
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.core.claims.leases.agenda.first().map(|(due, _)| Deadline(due.term.deadline))
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

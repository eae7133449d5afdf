//! [`Worker`]: what one thread claims, replaces and releases with.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::core::Core;
use crate::claim::fast;
use crate::claim::lines::Line;
use crate::claim::request::{Before, Claim};
use crate::claim::shown::Amounts;
use crate::error::{Error, Result};
use crate::forest::{
    Configuration, Expect, Provider, RecentProviders, Refusal, RememberedConfigurations,
};
use crate::layout::Holding;
use crate::ledger::Writer;
use crate::sync::{CachePadded, Tally};
use crate::trace::Call;
use crate::values::Metrics;
use crate::values::metrics::Tallies;

/// Makes the claims and releases of one thread.
///
/// Every change is one transaction over the providers and consumers that the change concerns. The
/// change takes effect at one instant or, if it is refused, not at all. A claim that fits is never
/// refused because another thread has changed the same provider: the call itself checks the claim
/// again, against the new state.
///
/// All methods are lock-free, except that for each consumer's uuid they take the lock of a shard of
/// an index for O(1), unless the forest has [named](Claim::unnamed) the consumer.
pub struct Worker {
    pub(super) core: Arc<Core>,
    pub(super) writer: Writer,
    /// The lines of the claim at hand, sorted out.
    pub(super) wanted: Vec<Line>,
    /// What the consumer of the claim at hand holds before the change.
    pub(super) held: Vec<Holding>,
    /// The providers that this worker has found.
    recent: RecentProviders,
    /// What this worker has read of providers.
    remembered: RememberedConfigurations,
    /// The tallies of this worker's slot.
    tallies: Arc<CachePadded<Tallies>>,
    /// What the tallies were when this worker began.
    base: Metrics,
    /// The retries and helps that the tallies include already.
    counted: (u64, u64),
}

/// Names a consumer, and the generation that a change has led to.
///
/// A change that makes the consumer's generation grow has a receipt of its own: no earlier change of
/// the consumer has an equal one, not even after the consumer has ended and begun again. What leaves
/// the generation as it is returns a receipt equal to the one before: a release, a lease that is
/// confirmed once more, a replacement with [`Expect::Keep`]. And with [`Expect::Mirror`] a generation
/// can come again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Receipt {
    /// The consumer.
    pub consumer: Uuid,
    /// The consumer's generation from the change on; after a release, the last generation that the
    /// consumer had.
    pub generation: u64,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>) -> Result<Self> {
        let writer = core.forest.ledger.writer()?;
        let make = |length| (0..length).map(|_| Arc::default()).collect();
        let tallies = Arc::clone(&core.claims.tallies.get_or_make(writer.slot(), make)[0]);
        let base = tallies.read();
        let counted = (writer.retries(), writer.helps());
        let (wanted, held) = (Vec::new(), Vec::new());
        let (recent, remembered) =
            (RecentProviders::default(), RememberedConfigurations::default());
        Ok(Worker { core, writer, wanted, held, recent, remembered, tallies, base, counted })
    }

    /// Gives a consumer that holds nothing all that the claim asks for. The consumer's generation
    /// begins above every generation that the consumer has had; that of a consumer that the forest
    /// [names](Claim::unnamed) begins at 1.
    ///
    /// Of several claims of one consumer exactly one succeeds.
    ///
    /// # Errors
    ///
    /// Returns [`CapacityExceeded`](Error::CapacityExceeded) with what is free;
    /// [`UnitViolation`](Error::UnitViolation); [`NoInventory`](Error::NoInventory);
    /// [`Removed`](Error::Removed); [`Cordoned`](Error::Cordoned);
    /// [`GenerationConflict`](Error::GenerationConflict) if the claim
    /// [rests on](Claim::require_generation) another generation; [`AlreadyHeld`](Error::AlreadyHeld) if the
    /// consumer holds exactly what the claim asks for, and has the tag that the claim sets, as after a
    /// reply that was lost; [`ConsumerExists`](Error::ConsumerExists) if the consumer holds something
    /// else or has another tag;
    /// [`NotIssued`](Error::NotIssued) for a uuid of this forest's own that does not
    /// [wait to be claimed](crate::ProviderTree::issue);
    /// [`EmptyClaim`](Error::EmptyClaim); [`ZeroAmount`](Error::ZeroAmount);
    /// [`SumTooLarge`](Error::SumTooLarge); [`TooLarge`](Error::TooLarge) beyond 16,379 amounts.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, inventories, Expect::Any)?;
    ///
    /// let mut worker = tree.worker()?;
    /// let vm = Uuid::new_v4();
    /// let receipt = worker.claim(&Claim::new(vm).take(&host, ResourceClass::VCPU, 12))?;
    ///
    /// let refused = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 12));
    /// assert!(matches!(refused, Err(Error::CapacityExceeded { requested: 12, free: 4, .. })));
    ///
    /// worker.release(receipt.consumer)?;
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 0);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim(&mut self, claim: &Claim) -> Result<Receipt> {
        let claimed = self.put(claim, Before::Nothing, None);
        let named = claimed.as_ref().ok().map(|(receipt, _)| receipt.consumer);
        let call = Call::of_worker("claim", claim.consumer().or(named));
        let amounts = Amounts(claim);
        let call = call.with_amounts(&amounts);
        self.counting(claimed, |tallies| &tallies.claims, call).map(|(receipt, _)| receipt)
    }

    /// Gives a consumer what the claim asks for, in the place of everything that the consumer held
    /// before. The consumer's generation grows, unless [`Expect::Mirror`] sets it. A lease stays a
    /// lease, and the tag stays, unless the claim [sets](Claim::with_tag) another.
    ///
    /// With [`Expect::Any`], a consumer that holds nothing is created; with
    /// [`Expect::Generation`], the consumer has to be at that generation. An amount that the change
    /// does not raise passes even if a shrunk inventory is exceeded or the provider is cordoned.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), with
    /// [`ConsumerConflict`](Error::ConsumerConflict) in the place of `ConsumerExists` and
    /// `AlreadyHeld`; [`Unnamed`](Error::Unnamed) for an unnamed claim.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let hosts = [tree.create_root("host-1", None)?, tree.create_root("host-2", None)?];
    /// for host in &hosts {
    ///     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    ///     tree.configure(host, vcpu, Expect::Any)?;
    /// }
    /// let mut worker = tree.worker()?;
    /// let vm = Uuid::new_v4();
    /// let six = |host| Claim::new(vm).take(host, ResourceClass::VCPU, 6);
    /// let before = worker.claim(&six(&hosts[0]))?;
    ///
    /// // Moves what the consumer holds, unless another thread has changed it meanwhile.
    /// let expect = Expect::Generation(before.generation);
    /// let after = worker.replace(&six(&hosts[1]), expect)?;
    /// assert_eq!(tree.usage(&hosts[0], ResourceClass::VCPU)?.used, 0);
    /// assert_eq!(tree.usage(&hosts[1], ResourceClass::VCPU)?.used, 6);
    /// let late = worker.replace(&six(&hosts[0]), expect);
    /// let actual = Some(after.generation);
    /// assert!(matches!(late, Err(Error::ConsumerConflict { actual: now, .. }) if now == actual));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn replace(&mut self, claim: &Claim, expect: Expect) -> Result<Receipt> {
        let replaced =
            expect.validate().and_then(|()| self.put(claim, Before::Expected(expect), None));
        let amounts = Amounts(claim);
        let call = Call::of_worker("replace", claim.consumer()).with_amounts(&amounts);
        self.counting(replaced, |tallies| &tallies.claims, call).map(|(receipt, _)| receipt)
    }

    /// Gives back all that `consumer` holds. The consumer holds nothing from then on.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerNotFound`](Error::ConsumerNotFound) if the consumer holds nothing.
    pub fn release(&mut self, consumer: Uuid) -> Result<Receipt> {
        let Worker { core, writer, held, .. } = self;
        let released = match core.claims.consumers.hint(&consumer) {
            Some(hint) => match fast::release(core, writer, consumer, hint, held) {
                Some(generation) => Ok(Receipt { consumer, generation }),
                None => self.release_seldom(consumer),
            },
            None => Err(Refusal::Stale),
        };
        // A life that is over already is as good as none.
        let released = released.map_err(|refused| match refused {
            Refusal::Error(error) => error,
            Refusal::Stale => Error::ConsumerNotFound { consumer },
        });
        let call = Call::of_worker("release", Some(consumer));
        self.counting(released, |tallies| &tallies.releases, call)
    }

    /// Releases a consumer that the fast path does not serve.
    #[cold]
    fn release_seldom(&mut self, consumer: Uuid) -> Result<Receipt, Refusal> {
        let Core { forest, claims } = &*self.core;
        match claims.consumers.checked_hint(&forest.ledger, &consumer) {
            Some(interned) => self.end(consumer, interned, |_| Ok(())),
            None => Err(Refusal::Stale),
        }
    }

    /// Returns the provider with this uuid, as [`ProviderTree::find`](crate::ProviderTree::find)
    /// does, but without a lock if this worker has found the provider before.
    ///
    /// Serves threads that ask for the same providers again and again: a provider that this worker
    /// remembers needs no look at the index that all threads share. The worker remembers up to
    /// 65,536 providers.
    ///
    /// O(1), whether or not there is such a provider. If this worker has not found the provider
    /// before, or the provider has gone, the call takes a shard's read lock for O(1).
    ///
    /// ```
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let mut worker = tree.worker()?;
    /// assert_eq!(worker.find(host.uuid()), Some(host));
    /// tree.remove(&host)?;
    /// assert_eq!(worker.find(host.uuid()), None);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn find(&mut self, uuid: Uuid) -> Option<Provider> {
        self.recent.find(&self.core.forest, uuid)
    }

    /// Returns everything about `provider` but its usage, as
    /// [`ProviderTree::configuration`](crate::ProviderTree::configuration) does, but by reference, and from memory if
    /// nothing has changed since this worker has read it. Lock-free.
    ///
    /// Serves threads that ask for the same providers again and again. While nothing of `provider`
    /// has changed, the answer costs the load of one word of the forest and clones nothing. After
    /// changes of what is used alone, it costs one look at one cell.
    ///
    /// The worker remembers up to 16,384 providers, in about 2 MB. What it remembers stays in memory, with the
    /// caller's own [`Resources`](crate::Resources): of a provider that has changed since, until the
    /// worker reads that provider again; of one that has been removed, until the worker asks for it
    /// again or another takes its place; and no longer than the worker lives.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if `provider` doesn't exist any more.
    ///
    /// ```
    /// use provider_tree::{Edit, Error, Expect, ProviderTree, Trait};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let mut worker = tree.worker()?;
    /// assert_eq!(*worker.configuration(&host)?, tree.configuration(&host)?);
    /// let ssd = Trait::new("STORAGE_DISK_SSD")?;
    /// tree.configure(&host, Edit::new().add_traits([ssd]), Expect::Any)?;
    /// assert!(worker.configuration(&host)?.traits.contains(&ssd));
    /// tree.remove(&host)?;
    /// assert!(matches!(worker.configuration(&host), Err(Error::Removed { .. })));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn configuration(&mut self, provider: &Provider) -> Result<&Configuration> {
        self.remembered.read(&self.core.forest, provider)
    }

    /// Returns what this worker has done since it began. Wait-free.
    pub fn metrics(&self) -> Metrics {
        self.tallies.read() - self.base
    }

    /// Counts an outcome in this worker's tallies, with the retries and helps that it took, and tells what
    /// became of the call.
    #[inline]
    pub(super) fn counting<T>(
        &mut self,
        outcome: Result<T>,
        tally: impl FnOnce(&Tallies) -> &Tally,
        call: Call<'_>,
    ) -> Result<T> {
        self.count(&outcome, tally, call);
        outcome
    }

    /// Does what [`counting`](Self::counting) does, with an outcome that `call` may tell more of.
    #[inline]
    pub(super) fn count<T>(
        &mut self,
        outcome: &Result<T>,
        tally: impl FnOnce(&Tallies) -> &Tally,
        call: Call<'_>,
    ) {
        match outcome {
            Ok(_) => tally(&self.tallies).add(1),
            Err(error) => self.tallies.refused(error),
        }
        let retries = self.writer.retries() - self.counted.0;
        if (self.writer.retries(), self.writer.helps()) != self.counted {
            self.count_others();
        }
        // Last: a subscriber may panic.
        call.tell(outcome, retries);
    }

    /// Counts the retries and helps since this was done last.
    #[cold]
    #[inline(never)]
    fn count_others(&mut self) {
        let (retries, helps) = (self.writer.retries(), self.writer.helps());
        if retries > self.counted.0 {
            self.tallies.retries.add(retries - self.counted.0);
            self.tallies.retried(retries - self.counted.0);
        }
        self.tallies.helps.add(helps - self.counted.1);
        self.counted = (retries, helps);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

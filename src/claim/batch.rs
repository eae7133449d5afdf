//! [`Batch`]: what several changes want together.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::basis::Basis;
use crate::claim::request::{Before, Claim};
use crate::forest::{Edit, Expect, Provider, ProviderSpec};

/// Represents changes of any number of consumers and providers that are made as one: a migration, a swap, an
/// eviction to make room, a reshape.
///
/// Whatever the order in which the parts of a batch were added, they are made in this one: everything that
/// the consumers hold is given back; providers come, move and are configured; cordons end; everything that is
/// wanted is taken; cordons begin; providers go. So consumers can swap places on full providers, and
/// allocations can follow inventories to providers that did not exist before: nobody sees them in between.
///
/// ```
/// use provider_tree::{Batch, Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.configure(&host, vcpu, Expect::Any)?;
/// let mut worker = tree.worker()?;
/// let (low, high) = (Uuid::new_v4(), Uuid::new_v4());
/// let all = |consumer| Claim::new(consumer).take(&host, ResourceClass::VCPU, 8);
/// worker.claim(&all(low))?;
///
/// // Evict one and place the other.
/// worker.commit(&Batch::new().release(low, Expect::Any).claim(all(high)))?;
/// assert_eq!(tree.snapshot().consumers()?, [high]);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a batch does nothing until a worker commits it"]
pub struct Batch {
    pub(crate) consumers: Vec<ConsumerChange>,
    /// The providers that the batch creates.
    pub(crate) created: Vec<ProviderSpec>,
    /// The providers that the batch configures.
    pub(crate) edits: Vec<ProviderEdit>,
    /// The providers that the batch moves, and the parent of each afterwards; `None` makes it a root.
    pub(crate) moves: Vec<(Provider, Option<Provider>)>,
    /// The providers that the batch removes, with their descendants.
    pub(crate) removed: Vec<Provider>,
    pub(crate) cordons: Vec<CordonChange>,
    pub(crate) basis: Option<Basis>,
}

/// Describes what a batch does with one consumer.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerChange {
    /// Nil until the consumer of an unnamed claim is named.
    pub(crate) consumer: Uuid,
    /// What the consumer will hold; `None` if it will hold nothing any more.
    pub(crate) claim: Option<Claim>,
    pub(crate) before: Before,
}

/// Describes how a batch configures one provider.
#[derive(Clone, Debug)]
pub(crate) struct ProviderEdit {
    pub(crate) provider: Provider,
    pub(crate) edit: Edit,
    pub(crate) expect: Expect,
}

/// Describes a provider that a batch cordons, if `own` is true, or whose cordon the batch ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CordonChange {
    pub(crate) provider: Provider,
    pub(crate) own: bool,
}

impl Batch {
    /// Returns a batch that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what [`Worker::claim`](crate::Worker::claim) does, and returns the batch.
    pub fn claim(mut self, claim: Claim) -> Self {
        let (consumer, before) = (claim.consumer().unwrap_or_default(), Before::Nothing);
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// Adds what [`Worker::replace`](crate::Worker::replace) does, and returns the batch.
    pub fn replace(mut self, claim: Claim, expect: Expect) -> Self {
        let (consumer, before) = (claim.consumer().unwrap_or_default(), Before::Expected(expect));
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// Adds a claim of a consumer that is as expected, and that gives up its lease, if it has one.
    /// Returns the batch.
    pub(crate) fn claim_anew(mut self, claim: Claim, expect: Expect) -> Self {
        let (consumer, before) = (claim.consumer().unwrap_or_default(), Before::Ended(expect));
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// Adds what [`Worker::release`](crate::Worker::release) does, for a consumer that is as
    /// expected, and returns the batch. As no generation follows from a release,
    /// [`Expect::Mirror`] and [`Expect::Keep`] mean [`Expect::Any`] here.
    ///
    /// The commit is refused as [`ConsumerConflict`](crate::Error::ConsumerConflict) if the consumer
    /// is not at the expected generation, or holds nothing and a generation is expected; as
    /// [`ConsumerNotFound`](crate::Error::ConsumerNotFound) if it holds nothing and none is.
    pub fn release(mut self, consumer: Uuid, expect: Expect) -> Self {
        let before = Before::Ended(expect);
        self.consumers.push(ConsumerChange { consumer, claim: None, before });
        self
    }

    /// Adds what [`ProviderTree::cordon`](crate::ProviderTree::cordon) does, and returns the batch.
    /// The cordon begins after the batch has taken what it takes.
    pub fn cordon(mut self, provider: &Provider) -> Self {
        self.cordons.push(CordonChange { provider: *provider, own: true });
        self
    }

    /// Adds what [`ProviderTree::uncordon`](crate::ProviderTree::uncordon) does, and returns the
    /// batch. The cordon ends before the batch takes anything.
    pub fn uncordon(mut self, provider: &Provider) -> Self {
        self.cordons.push(CordonChange { provider: *provider, own: false });
        self
    }

    /// Adds what [`ProviderTree::configure`](crate::ProviderTree::configure) does, and returns the batch.
    pub fn configure(mut self, provider: &Provider, edit: impl Into<Edit>, expect: Expect) -> Self {
        self.edits.push(ProviderEdit { provider: *provider, edit: edit.into(), expect });
        self
    }

    /// Adds what [`ProviderTree::reparent`](crate::ProviderTree::reparent) does, and returns the batch. If
    /// the batch configures the provider too, its generation grows once.
    pub fn reparent(mut self, provider: &Provider, parent: Option<&Provider>) -> Self {
        self.moves.push((*provider, parent.copied()));
        self
    }

    /// Adds the creation of a provider with all that the entry says it has, and returns the batch. What the
    /// batch takes, whom it moves below the provider, and its cordons name the provider by the handle that
    /// [`ProviderSpec::to_come`] returns; its uuid may be the parent of others that the batch creates. The
    /// batch can't move, configure or remove it. After the commit, [`find`](crate::ProviderTree::find) returns
    /// the handle for good.
    ///
    /// ```
    /// use provider_tree::{Batch, Claim, Edit, Expect, Inventories, Inventory, ProviderSpec};
    /// use provider_tree::{ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu.clone(), Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let vm = worker.claim(&Claim::unnamed().take(&host, ResourceClass::VCPU, 3))?.consumer;
    ///
    /// // The host's CPUs become those of a child, and what is held of them goes along.
    /// let numa = ProviderSpec::new(Uuid::new_v4(), "host-1-numa-0")
    ///     .with_parent(host.uuid())
    ///     .with_inventories(vcpu);
    /// let held = Claim::new(vm).take(&numa.to_come(), ResourceClass::VCPU, 3);
    /// let reshape = Batch::new()
    ///     .configure(&host, Edit::new().remove_inventories([ResourceClass::VCPU]), Expect::Any)
    ///     .create(numa)
    ///     .replace(held, Expect::Any);
    /// worker.commit(&reshape)?;
    ///
    /// let numa = tree.find("host-1-numa-0").expect("just created");
    /// assert_eq!(tree.usage(&numa, ResourceClass::VCPU)?.used, 3);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn create(mut self, provider: ProviderSpec) -> Self {
        self.created.push(provider);
        self
    }

    /// Adds what [`ProviderTree::remove`](crate::ProviderTree::remove) does, and returns the batch. Nothing
    /// may be held from the provider and its descendants when all else in the batch is done. The batch may
    /// remove a descendant too, whatever the order.
    pub fn remove(mut self, provider: &Provider) -> Self {
        self.removed.push(*provider);
        self
    }

    /// Returns the batch with the handles of the providers that it creates in the place of those that stood
    /// for them. `handles` are in the order of the creations.
    pub(super) fn with_handles(&self, handles: &[Provider]) -> Self {
        let handles: HashMap<_, _, foldhash::fast::RandomState> =
            handles.iter().map(|handle| (handle.uuid, *handle)).collect();
        let known = |handle: &Provider| match handle.is_to_come() {
            true => handles.get(&handle.uuid).copied().unwrap_or(*handle),
            false => *handle,
        };
        let mut batch = self.clone();
        for change in &mut batch.consumers {
            change.claim = change.claim.as_ref().map(|claim| claim.with_handles(known));
        }
        for (_, parent) in &mut batch.moves {
            *parent = parent.as_ref().map(known);
        }
        for change in &mut batch.cordons {
            change.provider = known(&change.provider);
        }
        batch
    }
}

//! [`Batch`]: what several changes want together.

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
pub struct Batch {
    pub(crate) consumers: Vec<ConsumerChange>,
    /// The providers that the batch creates.
    pub(crate) created: Vec<ProviderSpec>,
    /// The providers that the batch moves and configures.
    pub(crate) changed: Vec<ProviderChange>,
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

/// Describes how a batch changes one provider.
#[derive(Clone, Debug)]
pub(crate) struct ProviderChange {
    pub(crate) provider: Provider,
    /// What changes of what the provider has, and what that rests on.
    pub(crate) edit: Option<(Edit, Expect)>,
    /// The parent that the provider comes to have, if it moves; `None` inside makes it a root.
    pub(crate) parent: Option<Option<Provider>>,
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
    /// expected, and returns the batch.
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
        let edit = Some((edit.into(), expect));
        match self.changed.iter_mut().find(|it| it.provider == *provider && it.edit.is_none()) {
            Some(change) => change.edit = edit,
            None => {
                let parent = None;
                self.changed.push(ProviderChange { provider: *provider, edit, parent });
            }
        }
        self
    }

    /// Adds what [`ProviderTree::reparent`](crate::ProviderTree::reparent) does, and returns the batch. If
    /// the batch configures the provider too, its generation grows once.
    pub fn reparent(mut self, provider: &Provider, parent: Option<&Provider>) -> Self {
        let parent = Some(parent.copied());
        match self.changed.iter_mut().find(|it| it.provider == *provider && it.parent.is_none()) {
            Some(change) => change.parent = parent,
            None => self.changed.push(ProviderChange { provider: *provider, edit: None, parent }),
        }
        self
    }

    /// Adds the creation of a provider with all that the entry says it has, and returns the batch. Other
    /// parts of the batch name the provider by the handle that
    /// [`ProviderSpec::to_come`] returns; its uuid may be the parent of others that the batch creates. After
    /// the commit, [`find`](crate::ProviderTree::find) returns the handle for good.
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
    /// may be held from the provider and its descendants when all else in the batch is done.
    pub fn remove(mut self, provider: &Provider) -> Self {
        self.removed.push(*provider);
        self
    }

    /// Returns the batch with the handles of the providers that it creates in the place of those that stood
    /// for them. `handles` are in the order of the creations.
    pub(super) fn with_handles(&self, handles: &[Provider]) -> Self {
        let known = |handle: &Provider| {
            let is_meant = |known: &&Provider| handle.is_to_come() && known.uuid == handle.uuid;
            handles.iter().find(is_meant).copied().unwrap_or(*handle)
        };
        let mut batch = self.clone();
        for change in &mut batch.consumers {
            change.claim = change.claim.as_ref().map(|claim| claim.with_handles(known));
        }
        for change in &mut batch.changed {
            change.provider = known(&change.provider);
            change.parent = change.parent.map(|parent| parent.as_ref().map(known));
        }
        for change in &mut batch.cordons {
            change.provider = known(&change.provider);
        }
        batch
    }
}

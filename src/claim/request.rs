//! Requests: what a consumer wants, and what several changes want together.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::claim::basis::Basis;
use crate::inventory::Inventories;
use crate::resource_class::ResourceClass;
use crate::tree::{Expect, Provider};

/// What one consumer wants: amounts of classes, from any number of providers, as one.
///
/// Asking twice for the same class of the same provider asks for the sum.
///
/// ```
/// use provider_tree::{Claim, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let claim = Claim::new(Uuid::new_v4())
///     .take(&host, ResourceClass::VCPU, 4)
///     .take(&host, ResourceClass::MEMORY_MB, 8_192);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Claim {
    consumer: Uuid,
    pub(crate) lines: SmallVec<[Line; 4]>,
    pub(crate) chains: Vec<Line>,
    pub(crate) conditions: Vec<(Provider, u64)>,
}

/// One amount of a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) provider: Provider,
    pub(crate) class: ResourceClass,
    pub(crate) amount: u64,
}

impl Claim {
    /// A claim of `consumer` that asks for nothing yet.
    pub fn new(consumer: Uuid) -> Self {
        Claim { consumer, lines: SmallVec::new(), chains: Vec::new(), conditions: Vec::new() }
    }

    /// The same claim with `amount` of `class` from `provider`.
    pub fn take(mut self, provider: &Provider, class: ResourceClass, amount: u64) -> Self {
        self.take_mut(provider, class, amount);
        self
    }

    /// Adds `amount` of `class` from `provider`.
    pub fn take_mut(&mut self, provider: &Provider, class: ResourceClass, amount: u64) {
        self.lines.push(Line { provider: *provider, class, amount });
    }

    /// The same claim with `amount` of `class` from `provider` and from each of its ancestors that
    /// has an inventory of it; there has to be at least one among them.
    ///
    /// For quotas: a team's provider below that of its organisation, with an inventory of what each
    /// may use. The chain is that of the instant at which the claim is made.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let vcpu = |total| Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
    /// let host = tree.create_root("host-1", None)?;
    /// let organisation = tree.create_root("quota: organisation", None)?;
    /// let team = tree.create_child(&organisation, "quota: team", None)?;
    /// for (provider, total) in [(host, 64), (organisation, 100), (team, 10)] {
    ///     tree.set_inventories(&provider, vcpu(total), Expect::Any)?;
    /// }
    /// let claim = Claim::new(Uuid::new_v4())
    ///     .take(&host, ResourceClass::VCPU, 8)
    ///     .take_chain(&team, ResourceClass::VCPU, 8);
    /// let _receipt = tree.worker()?.claim(&claim)?;
    /// assert_eq!(tree.usage(&organisation, ResourceClass::VCPU)?.used, 8);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn take_chain(mut self, provider: &Provider, class: ResourceClass, amount: u64) -> Self {
        self.chains.push(Line { provider: *provider, class, amount });
        self
    }

    /// The same claim, refused unless `provider` is at `generation` when it is made: for a decision
    /// that rests on more than what is free.
    pub fn rest_on(mut self, provider: &Provider, generation: u64) -> Self {
        self.conditions.push((*provider, generation));
        self
    }

    /// The consumer that makes the claim.
    pub fn consumer(&self) -> Uuid {
        self.consumer
    }

    /// The same claim with its chains alone.
    pub(crate) fn without_lines(&self) -> Self {
        Claim { lines: SmallVec::new(), ..self.clone() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.chains.is_empty()
    }
}

/// Changes of any number of consumers, and of inventories, to be made as one: a move, a swap, an
/// eviction to make room, a reshape.
///
/// Everything is given back before anything is taken, so that consumers can swap places on full
/// providers; and inventories change in between, so that what is held can follow them to other
/// providers.
///
/// ```
/// use provider_tree::{Batch, Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.set_inventories(&host, vcpu, Expect::Any)?;
/// let mut worker = tree.worker()?;
/// let (low, high) = (Uuid::new_v4(), Uuid::new_v4());
/// let all = |consumer| Claim::new(consumer).take(&host, ResourceClass::VCPU, 8);
/// let _receipt = worker.claim(&all(low))?;
///
/// // Evict one and place the other.
/// worker.commit(&Batch::new().release(low, Expect::Any).claim(all(high)))?;
/// assert_eq!(tree.consumers(), [high]);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) consumers: Vec<ConsumerChange>,
    pub(crate) inventories: Vec<InventoriesChange>,
    pub(crate) cordons: Vec<CordonChange>,
    pub(crate) basis: Option<Basis>,
}

/// What a batch does with one consumer.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerChange {
    pub(crate) consumer: Uuid,
    /// None to hold nothing any more.
    pub(crate) claim: Option<Claim>,
    pub(crate) before: Before,
}

/// What a batch expects of a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    /// That it holds nothing.
    Nothing,
    /// That it is at this generation, or nothing.
    Expected(Expect),
    /// The same; a lease ends with what it held before.
    Ended(Expect),
}

impl Before {
    /// What is expected of its generation.
    pub(crate) fn expect(self) -> Option<Expect> {
        match self {
            Before::Nothing => None,
            Before::Expected(expect) | Before::Ended(expect) => Some(expect),
        }
    }
}

/// What a batch does with one provider.
#[derive(Clone, Debug)]
pub(crate) struct InventoriesChange {
    pub(crate) provider: Provider,
    pub(crate) inventories: Inventories,
    pub(crate) expect: Expect,
}

/// A provider that a batch cordons, or takes out of its cordon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CordonChange {
    pub(crate) provider: Provider,
    pub(crate) own: bool,
}

impl Batch {
    /// A batch that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same batch with what [`Worker::claim`](crate::Worker::claim) does.
    pub fn claim(mut self, claim: Claim) -> Self {
        let (consumer, before) = (claim.consumer, Before::Nothing);
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// The same batch with what [`Worker::replace`](crate::Worker::replace) does.
    pub fn replace(mut self, claim: Claim, expect: Expect) -> Self {
        let (consumer, before) = (claim.consumer, Before::Expected(expect));
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// The same batch with a claim for a consumer that is as expected, and ends first.
    pub(crate) fn claim_anew(mut self, claim: Claim, expect: Expect) -> Self {
        let (consumer, before) = (claim.consumer, Before::Ended(expect));
        self.consumers.push(ConsumerChange { consumer, claim: Some(claim), before });
        self
    }

    /// The same batch with what [`Worker::release`](crate::Worker::release) does, for a consumer
    /// that is as expected.
    pub fn release(mut self, consumer: Uuid, expect: Expect) -> Self {
        let before = Before::Ended(expect);
        self.consumers.push(ConsumerChange { consumer, claim: None, before });
        self
    }

    /// The same batch with what [`ProviderTree::cordon`](crate::ProviderTree::cordon) does. The
    /// cordon begins after the batch has taken what it takes.
    pub fn cordon(mut self, provider: &Provider) -> Self {
        self.cordons.push(CordonChange { provider: *provider, own: true });
        self
    }

    /// The same batch with what [`ProviderTree::uncordon`](crate::ProviderTree::uncordon) does. The
    /// cordon ends before the batch takes anything.
    pub fn uncordon(mut self, provider: &Provider) -> Self {
        self.cordons.push(CordonChange { provider: *provider, own: false });
        self
    }

    /// The same batch with what
    /// [`ProviderTree::set_inventories`](crate::ProviderTree::set_inventories) does.
    pub fn set_inventories(
        mut self,
        provider: &Provider,
        inventories: Inventories,
        expect: Expect,
    ) -> Self {
        self.inventories.push(InventoriesChange { provider: *provider, inventories, expect });
        self
    }
}

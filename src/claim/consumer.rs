//! Consumers: what they hold, as users see it.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::claim::core::Core;
use crate::claim::request::Claim;
use crate::forest::{Forest, Origin, Provider};
use crate::layout::{ConsumerWords, Holding, Identity, Structure, structure_of};
use crate::ledger::{Cell, DoubleCollect, Reader, Torn};
use crate::values::{Deadline, ResourceClass};

/// Lists everything that a consumer held at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Allocations {
    /// The consumer.
    pub consumer: Uuid,
    /// The consumer's generation, which grows with each change of what the consumer holds. It
    /// begins at 1 or above, and above every generation that the consumer had before it held
    /// nothing. [`Expect::Mirror`](crate::Expect::Mirror) sets the generation instead.
    pub generation: u64,
    /// The deadline of the lease; `None` if the allocations are held for good.
    #[cfg_attr(feature = "serde", serde(default))]
    pub deadline: Option<Deadline>,
    /// The tag that a claim has [set](crate::Claim::with_tag); 0 if none has.
    #[cfg_attr(feature = "serde", serde(default))]
    pub tag: u64,
    /// The amounts that the consumer holds, one entry for each class of each provider.
    pub allocations: Vec<Allocation>,
}

/// Represents an amount that a consumer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Allocation {
    /// The provider that the amount comes from.
    pub provider: Uuid,
    /// The resource class of the amount.
    pub class: ResourceClass,
    /// How much the consumer holds.
    pub amount: u64,
    #[cfg_attr(feature = "serde", serde(skip))]
    origin: Origin,
}

impl Allocations {
    /// Returns the claim that asks for exactly this, tag and all: what a consumer can be made to hold again,
    /// or to hold beside something else. Returns `None` if an allocation has no
    /// [handle](Allocation::handle).
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::from([(ResourceClass::VCPU, Inventory::new(8))]);
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let vm = worker.claim(&Claim::unnamed().take(&host, ResourceClass::VCPU, 3))?.consumer;
    ///
    /// // It grows by one.
    /// let held = tree.allocations(vm).expect("it was claimed");
    /// let more = held.claim().expect("the forest made it").take(&host, ResourceClass::VCPU, 1);
    /// worker.replace(&more, Expect::Generation(held.generation))?;
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 4);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim(&self) -> Option<Claim> {
        let mut claim = Claim::new(self.consumer).with_tag(self.tag);
        for allocation in &self.allocations {
            claim.extend([(allocation.handle()?, allocation.class, allocation.amount)]);
        }
        Some(claim)
    }
}

impl<'a> IntoIterator for &'a Allocations {
    type Item = &'a Allocation;
    type IntoIter = std::slice::Iter<'a, Allocation>;

    fn into_iter(self) -> Self::IntoIter {
        self.allocations.iter()
    }
}

impl Allocation {
    /// Returns an allocation as a plain value, for a dump that a caller makes.
    pub fn new(provider: Uuid, class: ResourceClass, amount: u64) -> Self {
        Allocation { provider, class, amount, origin: Origin::default() }
    }

    /// Returns an allocation from `provider`.
    pub(crate) fn of(provider: &Provider, class: ResourceClass, amount: u64) -> Self {
        Allocation { provider: provider.uuid(), class, amount, origin: provider.into() }
    }

    /// Returns the handle of the provider, so that nobody has to look it up; `None` if no forest has made
    /// this value, but a caller or `serde`. Two allocations are equal whether or not they have it.
    pub fn handle(&self) -> Option<Provider> {
        self.origin.handle(self.provider)
    }
}

/// Returns what `consumer` holds now.
pub(crate) fn allocations(core: &Core, consumer: Uuid) -> Option<Allocations> {
    DoubleCollect::consistent(&core.forest.ledger, |collect| {
        let Some(hint) = core.claims.consumers.hint(&consumer) else { return Ok(None) };
        read_allocations(&core.forest, collect, hint.cell, |words| {
            words.are_of(consumer, hint.incarnation)
        })
    })
}

/// Returns what the consumer in `cell` holds, or `None` if `is_meant` rejects the words of the
/// cell.
pub(crate) fn read_allocations(
    forest: &Forest,
    reader: &mut impl Reader,
    cell: Cell,
    is_meant: impl FnOnce(ConsumerWords<'_>) -> bool,
) -> Result<Option<Allocations>, Torn> {
    let read = reader.read(cell, |words| {
        let words = ConsumerWords(words);
        is_meant(words).then(|| {
            let held: SmallVec<[Holding; 4]> = words.held().collect();
            (words.identity(), words.deadline().map(Deadline), held)
        })
    })?;
    let Some((identity, deadline, held)) = read else { return Ok(None) };
    let Identity { uuid: consumer, generation, tag } = identity;
    let mut allocations = Vec::with_capacity(held.len());
    for Holding { usage, class, amount } in held {
        let cell = structure_of(usage);
        let structure = reader.read(cell, Structure::of_words)?;
        let class = ResourceClass::from_number(class);
        allocations.push(Allocation::of(&forest.handle(cell, &structure), class, amount));
    }
    Ok(Some(Allocations { consumer, generation, deadline, tag, allocations }))
}

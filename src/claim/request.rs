//! [`Claim`]: what one consumer wants.

use std::fmt;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::claim::lines::{Line, sort_out};
use crate::error::{Error, Result};
use crate::forest::{Expect, Forest, Provider};
use crate::values::ResourceClass;

/// Represents what one consumer wants: amounts of resource classes from any number of providers,
/// all of them or none.
///
/// A claim that asks twice for the same class of the same provider asks for the sum.
///
/// A claim checks what can be checked of it, and notes the order of what it asks for, while it is
/// made. So a claim that is asked again, for [one consumer after the
/// other](Self::for_consumer), costs nothing of that again. What it asks for in the order of the
/// providers' creation costs least.
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
#[derive(Clone)]
#[must_use = "a claim does nothing until a worker makes it"]
pub struct Claim {
    /// `None` if the forest is to name the consumer.
    consumer: Option<Uuid>,
    /// The tag that the consumer comes to have; `None` if it keeps the one that it has.
    tag: Option<u64>,
    pub(crate) lines: SmallVec<[Line; 4]>,
    pub(crate) chains: Vec<Line>,
    pub(crate) conditions: Vec<(Provider, Condition)>,
    made: Made,
    /// The lines sorted out, for a claim whose own lines are not and that is asked again; else empty.
    sorted_out: Vec<Line>,
}

/// Tells what is known of a claim's handles and lines since it was made.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// The forest of all handles; 0 if there is no handle yet, [`SEVERAL`](Self::SEVERAL) if the
    /// handles are of several forests.
    forest: u32,
    /// Whether the lines are [sorted out](sort_out).
    is_sorted: bool,
    /// The order of the last line; 0, less than that of any line, if there is none. (No usage cell is
    /// the first of all cells.)
    last: u64,
    has_zero: bool,
}

impl Made {
    /// Stands for several forests: no process numbers so many.
    const SEVERAL: u32 = u32::MAX;

    const OF_NOTHING: Made = Made { forest: 0, is_sorted: true, last: 0, has_zero: false };

    #[inline]
    fn note(&mut self, handle: &Provider) {
        if self.forest != handle.forest {
            self.forest = if self.forest == 0 { handle.forest } else { Self::SEVERAL };
        }
    }
}

/// Represents what has to be true of a provider when a claim is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    /// The provider is at this generation.
    Generation(u64),
}

impl Claim {
    /// Returns a claim of `consumer` that asks for nothing yet.
    #[inline]
    pub fn new(consumer: Uuid) -> Self {
        Claim::of(Some(consumer))
    }

    /// Returns a claim that asks for nothing yet, of a consumer that the forest names: each time the
    /// claim is granted it is another one, and the [receipt](crate::Receipt::consumer) says which.
    ///
    /// No call is as cheap as a claim of a consumer that the forest names, and its release: they touch
    /// no index, and so take no lock. The uuid is one of version 8 (RFC 9562), and no other consumer
    /// of any forest has it or will have it: after the release, a claim of the uuid is refused as
    /// [`NotIssued`](Error::NotIssued). A dump keeps it, and a forest that is loaded from the dump finds
    /// the consumer by an index, like one from outside.
    ///
    /// Nobody can ask for the same claim again if the reply is lost. Where that can happen, let
    /// the forest [issue](crate::ProviderTree::issue) a uuid first.
    ///
    /// [`Worker::claim`](crate::Worker::claim), [`lease`](crate::Worker::lease), gangs and batches
    /// take unnamed claims. A replacement and a [fork](crate::Fork) refuse them as
    /// [`Unnamed`](Error::Unnamed).
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    ///
    /// let small = Claim::unnamed().take(&host, ResourceClass::VCPU, 4);
    /// let (one, other) = (worker.claim(&small)?, worker.claim(&small)?);
    /// assert_ne!(one.consumer, other.consumer);
    /// worker.release(one.consumer)?;
    /// assert_eq!(tree.snapshot().consumers()?, [other.consumer]);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn unnamed() -> Self {
        Claim::of(None)
    }

    #[inline]
    fn of(consumer: Option<Uuid>) -> Self {
        let (lines, chains, conditions, sorted_out) = Default::default();
        let made = Made::OF_NOTHING;
        Claim { consumer, tag: None, lines, chains, conditions, made, sorted_out }
    }

    /// Makes the claim one of another consumer, and returns it. All that it asks for stays, and is
    /// neither checked nor sorted again. O(1); the first time O(n log n) for a claim of n amounts
    /// that are not in the order of the providers' creation.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    ///
    /// let mut small = Claim::new(Uuid::from_u128(1)).take(&host, ResourceClass::VCPU, 4);
    /// for consumer in 1..=4 {
    ///     worker.claim(small.for_consumer(Uuid::from_u128(consumer)))?;
    /// }
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.free(), 0);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn for_consumer(&mut self, consumer: Uuid) -> &Self {
        self.consumer = Some(consumer);
        if !self.made.is_sorted && self.sorted_out.is_empty() {
            self.sorted_out.extend_from_slice(&self.lines);
            // Refused: the sum of some lines is too large, as each attempt at the claim will say.
            if sort_out(&mut self.sorted_out).is_err() {
                self.sorted_out.clear();
            }
        }
        self
    }

    /// Sets the tag of the consumer: any number of the caller's, such as an index, a priority or an
    /// owner. Returns the claim.
    ///
    /// The tag changes together with what the consumer holds, and is part of it wherever that is
    /// shown: in [`Allocations`](crate::Allocations), and so in snapshots, dumps, changes and
    /// forks, and beside the consumers of a [view with
    /// holders](crate::View::with_holders). The library makes nothing of it.
    ///
    /// A consumer that holds nothing begins with this tag, or with 0 if the claim sets none. A
    /// [replacement](crate::Worker::replace) that sets no tag leaves the consumer its tag; so does
    /// what changes only a lease. The tag ends with the [release](crate::Worker::release).
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let take = |amount| Claim::new(Uuid::from_u128(1)).take(&host, ResourceClass::VCPU, amount);
    ///
    /// let receipt = worker.claim(&take(4).with_tag(70))?;
    /// assert_eq!(tree.allocations(receipt.consumer).map(|held| held.tag), Some(70));
    /// let receipt = worker.replace(&take(2), Expect::Any)?;
    /// assert_eq!(tree.allocations(receipt.consumer).map(|held| held.tag), Some(70));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn with_tag(mut self, tag: u64) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Adds `amount` of `class` from `provider`, and returns the claim.
    ///
    /// Nothing is checked here: the call that the claim is given to refuses an amount of 0 as
    /// [`ZeroAmount`](Error::ZeroAmount), and a provider of another forest as
    /// [`ForeignProvider`](Error::ForeignProvider).
    pub fn take(mut self, provider: &Provider, class: ResourceClass, amount: u64) -> Self {
        self.add(provider, class, amount);
        self
    }

    /// Adds `amount` of `class` from `provider` to the claim.
    #[inline]
    pub(crate) fn add(&mut self, provider: &Provider, class: ResourceClass, amount: u64) {
        let line = Line { provider: *provider, class, amount };
        self.made.note(provider);
        self.made.has_zero |= amount == 0;
        self.made.is_sorted &= self.made.last < line.order();
        self.made.last = line.order();
        self.sorted_out.clear();
        self.lines.push(line);
    }

    /// Puts the lines into the order that they are sorted out by, for a caller who does not mind
    /// their order.
    pub(crate) fn put_in_order(&mut self) {
        if !self.made.is_sorted {
            self.lines.sort_unstable_by_key(Line::order);
            self.made.is_sorted = self.lines.is_sorted_by(|one, next| one.order() < next.order());
            self.made.last = self.lines.last().map_or(0, Line::order);
        }
    }

    /// Adds a chain: `amount` of `class` from each provider that has an inventory of the class,
    /// among `provider` and its ancestors. Returns the claim.
    ///
    /// At least one provider of the chain has to have such an inventory. The chain is as it is at
    /// the instant at which the claim is made.
    ///
    /// Chains serve quotas: the provider of a team is a child of the provider of the team's
    /// organisation, and each of the two has an inventory of what the team, or the organisation,
    /// may use. Give limits a class of their own, or a search takes the team for a host. As with
    /// [`take`](Self::take), nothing is checked here. `examples/quota.rs` in the repository does
    /// more with quotas.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let (vcpu, quota) = (ResourceClass::VCPU, ResourceClass::new("CUSTOM_QUOTA_VCPU")?);
    /// let host = tree.create_root("host-1", None)?;
    /// let organisation = tree.create_root("quota: organisation", None)?;
    /// let team = tree.create_child(&organisation, "quota: team", None)?;
    /// for (provider, class, total) in
    ///     [(host, vcpu, 64), (organisation, quota, 100), (team, quota, 10)]
    /// {
    ///     let inventories = Inventories::new().with(class, Inventory::new(total));
    ///     tree.configure(&provider, inventories, Expect::Any)?;
    /// }
    /// let claim =
    ///     Claim::new(Uuid::new_v4()).take(&host, vcpu, 8).take_with_ancestors(&team, quota, 8);
    /// tree.worker()?.claim(&claim)?;
    /// assert_eq!(tree.usage(&organisation, quota)?.used, 8);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn take_with_ancestors(
        mut self,
        provider: &Provider,
        class: ResourceClass,
        amount: u64,
    ) -> Self {
        self.made.note(provider);
        self.made.has_zero |= amount == 0;
        self.chains.push(Line { provider: *provider, class, amount });
        self
    }

    /// Adds the condition that `provider` is at `generation` when the claim is made, and returns
    /// the claim. A claim is refused as [`GenerationConflict`](Error::GenerationConflict) if one of
    /// its conditions does not hold.
    ///
    /// Conditions serve decisions that rest on more than what is free, such as a trait.
    ///
    /// ```
    /// use provider_tree::{Claim, Edit, Error, Expect, Inventories, Inventory, ProviderTree};
    /// use provider_tree::{ResourceClass, Trait};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    ///
    /// let seen = tree.configuration(&host)?.generation;
    /// let claim = Claim::unnamed()
    ///     .take(&host, ResourceClass::VCPU, 2)
    ///     .require_generation(&host, seen);
    /// let mut worker = tree.worker()?;
    /// worker.claim(&claim)?;
    /// tree.configure(&host, Edit::new().add_traits([Trait::new("CUSTOM_OLD")?]), Expect::Any)?;
    /// let refused = worker.claim(&claim);
    /// assert!(matches!(refused, Err(Error::GenerationConflict { expected: 1, actual: 2, .. })));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn require_generation(mut self, provider: &Provider, generation: u64) -> Self {
        self.made.note(provider);
        self.conditions.push((*provider, Condition::Generation(generation)));
        self
    }

    /// Returns the consumer that makes the claim, or `None` if the forest is to name it.
    #[inline]
    pub fn consumer(&self) -> Option<Uuid> {
        self.consumer
    }

    /// Returns the consumer that makes the claim; refuses an unnamed claim.
    pub(crate) fn named(&self) -> Result<Uuid> {
        self.consumer.ok_or(Error::Unnamed)
    }

    /// Returns what the claim asks for with [`take`](Self::take), in the order in which it was added: the
    /// provider, the class and the amount of each.
    pub fn amounts(&self) -> impl ExactSizeIterator<Item = (Provider, ResourceClass, u64)> {
        self.lines.iter().map(|line| (line.provider, line.class, line.amount))
    }

    /// Returns what the claim asks for with [`take_with_ancestors`](Self::take_with_ancestors), in the order
    /// in which it was added: the provider that each chain begins at, the class and the amount of each.
    ///
    /// ```
    /// use provider_tree::{Claim, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let claim = Claim::unnamed()
    ///     .take(&host, ResourceClass::DISK_GB, 5)
    ///     .take_with_ancestors(&host, ResourceClass::VCPU, 2)
    ///     .require_generation(&host, 1);
    /// assert!(claim.amounts().eq([(host, ResourceClass::DISK_GB, 5)]));
    /// assert!(claim.amounts_with_ancestors().eq([(host, ResourceClass::VCPU, 2)]));
    /// assert!(claim.required_generations().eq([(host, 1)]));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn amounts_with_ancestors(
        &self,
    ) -> impl ExactSizeIterator<Item = (Provider, ResourceClass, u64)> {
        self.chains.iter().map(|line| (line.provider, line.class, line.amount))
    }

    /// Returns what the claim [requires](Self::require_generation), in the order in which it was added: the
    /// provider and the generation of each condition.
    pub fn required_generations(&self) -> impl ExactSizeIterator<Item = (Provider, u64)> {
        let required = |(provider, condition): &(Provider, Condition)| {
            let Condition::Generation(generation) = *condition;
            (*provider, generation)
        };
        self.conditions.iter().map(required)
    }

    /// Returns the tag that the claim sets, if it sets one.
    pub fn tag(&self) -> Option<u64> {
        self.tag
    }

    /// Returns the tag that the consumer comes to have. `before` is the tag that it has; 0 if it
    /// holds nothing.
    #[inline]
    pub(crate) fn tag_after(&self, before: u64) -> u64 {
        self.tag.unwrap_or(before)
    }

    /// Returns the claim with other handles in the place of those that it takes from: those that `handle`
    /// returns for them. Conditions are of providers that there are already.
    pub(crate) fn with_handles(&self, handle: impl Fn(&Provider) -> Provider) -> Self {
        let mut claim = Claim { tag: self.tag, ..Claim::of(self.consumer) };
        for Line { provider, class, amount } in &self.lines {
            claim.add(&handle(provider), *class, *amount);
        }
        for Line { provider, class, amount } in &self.chains {
            claim = claim.take_with_ancestors(&handle(provider), *class, *amount);
        }
        for (provider, Condition::Generation(generation)) in &self.conditions {
            claim = claim.require_generation(provider, *generation);
        }
        claim
    }

    /// Returns a copy of the claim that asks for its chains alone.
    pub(crate) fn without_lines(&self) -> Self {
        Claim { lines: SmallVec::new(), ..self.clone() }
    }

    /// Checks what can be checked of the claim without a transaction.
    #[inline]
    pub(crate) fn check(&self, forest: &Forest) -> Result<()> {
        match self.is_empty() || self.made.has_zero || self.made.forest != forest.id() {
            true => self.check_each(forest),
            false => Ok(()),
        }
    }

    /// Finds what is wrong with the claim by itself.
    #[cold]
    fn check_each(&self, forest: &Forest) -> Result<()> {
        if self.is_empty() {
            return Err(Error::EmptyClaim { consumer: self.consumer.unwrap_or_default() });
        }
        for line in self.lines.iter().chain(&self.chains) {
            line.check(forest)?;
        }
        for (provider, _) in &self.conditions {
            forest.usage_cell(provider)?;
        }
        Ok(())
    }

    /// Returns the lines sorted out, if they are all that the claim asks for and are known to be so.
    #[inline]
    pub(crate) fn sorted_out(&self) -> Option<&[Line]> {
        if !self.chains.is_empty() {
            return None;
        }
        match self.made.is_sorted {
            true => Some(&self.lines),
            false => Some(&self.sorted_out[..]).filter(|lines| !lines.is_empty()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.chains.is_empty()
    }
}

/// Shows what the claim asks for.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |lines: &[Line]| {
            let one =
                |line: &Line| format!("{} {} {}", line.provider.uuid, line.class, line.amount);
            lines.iter().map(one).collect::<Vec<_>>()
        };
        f.debug_struct("Claim")
            .field("consumer", &self.consumer)
            .field("tag", &self.tag)
            .field("amounts", &show(&self.lines))
            .field("with_ancestors", &show(&self.chains))
            .field("conditions", &self.conditions)
            .finish()
    }
}

/// Adds amounts, each of a class from a provider, as [`take`](Claim::take) does.
///
/// ```
/// use provider_tree::{Claim, ProviderTree, ResourceClass};
///
/// let tree = ProviderTree::new();
/// let mut claim = Claim::unnamed();
/// for name in ["host-1", "host-2"] {
///     let host = tree.create_root(name, None)?;
///     claim.extend([(host, ResourceClass::VCPU, 4), (host, ResourceClass::MEMORY_MB, 8_192)]);
/// }
/// # Ok::<(), provider_tree::Error>(())
/// ```
impl Extend<(Provider, ResourceClass, u64)> for Claim {
    #[inline]
    fn extend<I: IntoIterator<Item = (Provider, ResourceClass, u64)>>(&mut self, amounts: I) {
        for (provider, class, amount) in amounts {
            self.add(&provider, class, amount);
        }
    }
}

/// Returns a claim of the consumer that asks for nothing yet.
impl From<Uuid> for Claim {
    fn from(consumer: Uuid) -> Self {
        Claim::new(consumer)
    }
}

/// Tells what a change of a consumer expects of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    /// The consumer holds nothing.
    Nothing,
    /// The consumer meets what is expected of its generation, if anything is expected.
    Expected(Expect),
    /// The consumer meets what is expected of its generation, if anything is expected. If the
    /// consumer is leased, the lease ends together with what the consumer held before; so does the
    /// tag.
    Ended(Expect),
}

impl Before {
    /// Checks what is expected by itself, before the forest is looked at.
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Before::Nothing => Ok(()),
            Before::Expected(expect) | Before::Ended(expect) => expect.validate(),
        }
    }

    /// Checks that the consumer is as expected, and returns what its next generation follows from.
    /// `generation` is `None` if the consumer holds nothing.
    pub(crate) fn check(self, consumer: Uuid, generation: Option<u64>) -> Result<Expect> {
        match (self, generation) {
            (Before::Nothing, None) => Ok(Expect::Any),
            (Before::Nothing, Some(generation)) => {
                Err(Error::ConsumerExists { consumer, generation })
            }
            (Before::Expected(expect) | Before::Ended(expect), actual) => match expect {
                Expect::Generation(expected) if actual != Some(expected) => {
                    Err(Error::ConsumerConflict { consumer, expected, actual })
                }
                _ => Ok(expect),
            },
        }
    }
}

//! Commands about consumers and what they hold.

use provider_tree::{Deadline, Expect, Now, ResourceClass};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lines::{Line, Lines};
use super::shape::{ExpectShape, NowShape};

/// Makes a new consumer hold exactly what it asks for, or refuses.
///
/// A scheduler mostly has a [`provider_tree::Claim`] at hand, which it has got from a view of the replica's
/// forest; that is made into a command by `Claim::from(&claim)`. Up to three amounts need no memory of their
/// own.
///
/// ```
/// use provider_tree::ResourceClass;
/// use provider_tree_cluster::command::Claim;
/// use uuid::Uuid;
///
/// let (vm, host) = (Uuid::new_v4(), Uuid::new_v4());
/// let claim = Claim::new(vm)
///     .take(host, ResourceClass::VCPU, 4)
///     .take(host, ResourceClass::MEMORY_MB, 4096);
/// assert_eq!(claim.amounts().len(), 2);
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who is to hold the amounts.
    pub consumer: Uuid,
    #[serde(rename = "takes", with = "super::lines")]
    lines: Lines,
    #[serde(default, with = "super::lines")]
    with_ancestors: Vec<Line>,
    #[serde(default)]
    generations: Vec<(Uuid, u64)>,
    /// A number of the caller's that is kept beside what the consumer holds.
    #[serde(default)]
    pub tag: Option<u64>,
}

impl Claim {
    /// Returns a claim that asks for nothing yet.
    pub fn new(consumer: Uuid) -> Self {
        let (lines, with_ancestors, generations) = Default::default();
        Claim { consumer, lines, with_ancestors, generations, tag: None }
    }

    /// Also asks for an amount of a provider.
    pub fn take(mut self, provider: Uuid, class: ResourceClass, amount: u64) -> Self {
        self.lines.push(Line { provider, class, amount });
        self
    }

    /// Also asks for an amount of a provider and of each of its ancestors that has the class.
    pub fn take_with_ancestors(
        mut self,
        provider: Uuid,
        class: ResourceClass,
        amount: u64,
    ) -> Self {
        self.with_ancestors.push(Line { provider, class, amount });
        self
    }

    /// Rests on the generation of a provider.
    pub fn require_generation(mut self, provider: Uuid, generation: u64) -> Self {
        self.generations.push((provider, generation));
        self
    }

    /// Sets the number that is kept beside what the consumer holds.
    pub fn with_tag(mut self, tag: u64) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Returns what the claim asks for with [`take`](Self::take), in the order in which it was added.
    pub fn amounts(&self) -> &[Line] {
        &self.lines
    }

    /// Returns what the claim asks for with [`take_with_ancestors`](Self::take_with_ancestors), in the order
    /// in which it was added.
    pub fn amounts_with_ancestors(&self) -> &[Line] {
        &self.with_ancestors
    }

    /// Returns the providers and the generations that the claim [requires](Self::require_generation).
    pub fn required_generations(&self) -> &[(Uuid, u64)] {
        &self.generations
    }
}

/// Names the providers by their uuids. A claim that names no consumer gets a random one, another one each time:
/// whoever may have to ask for the same again keeps the command.
impl From<&provider_tree::Claim> for Claim {
    fn from(claim: &provider_tree::Claim) -> Self {
        let line = |(provider, class, amount): (provider_tree::Provider, _, _)| {
            let provider = provider.uuid();
            Line { provider, class, amount }
        };
        let generation =
            |(provider, generation): (provider_tree::Provider, _)| (provider.uuid(), generation);
        Claim {
            consumer: claim.consumer().unwrap_or_else(Uuid::new_v4),
            lines: claim.amounts().map(line).collect(),
            with_ancestors: claim.amounts_with_ancestors().map(line).collect(),
            generations: claim.required_generations().map(generation).collect(),
            tag: claim.tag(),
        }
    }
}

impl From<provider_tree::Claim> for Claim {
    fn from(claim: provider_tree::Claim) -> Self {
        Claim::from(&claim)
    }
}

/// Makes a consumer hold exactly what the claim asks for, whatever it holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// What the consumer is to hold.
    pub claim: Claim,
    /// The generation that the consumer has to be at.
    #[serde(default, with = "ExpectShape")]
    pub expect: Expect,
}

/// Gives back all that a consumer holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The consumer.
    pub consumer: Uuid,
}

/// Makes those of several claims that fit, if they are enough.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimGang {
    /// The claims.
    pub members: Vec<Claim>,
    /// How many have to fit.
    pub at_least: u64,
}

/// Gives a new consumer as much of a claim as fits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimPartly {
    /// The claim.
    pub claim: Claim,
}

/// Makes a claim until a deadline. What is leased stays held until somebody sends [`Expire`]: no replica does so by
/// itself, as none looks at a clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The claim.
    pub claim: Claim,
    /// From when on the lease can't be confirmed any more, by the clock of those who ask.
    pub deadline: Deadline,
}

/// Keeps for good what a lease holds.
///
/// # Errors
///
/// A consumer that holds nothing is refused as [`LeaseEnded`](provider_tree::Error::LeaseEnded), and so is
/// a lease whose deadline has come; a consumer at another generation as
/// [`ConsumerConflict`](provider_tree::Error::ConsumerConflict); one that is not leased, as after it was
/// confirmed, as [`NotLeased`](provider_tree::Error::NotLeased). That holds for [`Renew`] and [`Cancel`] too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// The consumer of the lease.
    pub consumer: Uuid,
    /// The generation that the consumer is at: that of the receipt of the lease, or of what has changed it
    /// since.
    pub generation: u64,
    /// The time, by the clock of who asks.
    #[serde(with = "NowShape")]
    pub now: Now,
}

/// Gives a lease another deadline.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The consumer of the lease.
    pub consumer: Uuid,
    /// The generation that the consumer is at.
    pub generation: u64,
    /// The deadline that the lease is to have.
    pub deadline: Deadline,
    /// The time, by the clock of who asks.
    #[serde(with = "NowShape")]
    pub now: Now,
}

/// Gives back what a lease holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The consumer of the lease.
    pub consumer: Uuid,
    /// The generation that the consumer is at.
    pub generation: u64,
}

/// Ends all leases whose deadline has come. One process is to send this now and then, such as when
/// [`next_deadline`](crate::Forest::next_deadline) says so; the unit of time is the callers' own, the same for all,
/// such as milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expire {
    /// The time, by the clock of who asks.
    #[serde(with = "NowShape")]
    pub now: Now,
}

/// Takes amounts of a provider that no consumer holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The provider.
    pub provider: Uuid,
    /// How much of which class.
    #[serde(with = "super::shape::amounts")]
    pub amounts: Vec<(ResourceClass, u64)>,
}

/// Gives back amounts of a provider that were [taken](Take).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutBack {
    /// The provider.
    pub provider: Uuid,
    /// How much of which class.
    #[serde(with = "super::shape::amounts")]
    pub amounts: Vec<(ResourceClass, u64)>,
}

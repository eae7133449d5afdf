//! Audits: usage recomputed from what consumers hold.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::error::Result;
use crate::forest::{Origin, Provider};
use crate::layout::{Layouts, UsageWords, usage_of};
use crate::ledger::Cell;
use crate::values::{ResourceClass, Usage};
use crate::view::snapshot::Snapshot;

/// Tells what an audit found; see [`Snapshot::audit`](crate::Snapshot::audit).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Audit {
    /// The number of providers.
    pub providers: usize,
    /// The number of consumers that held something.
    pub consumers: usize,
    /// The classes of providers whose usage is not the sum of what is held. Always empty, unless
    /// this crate is wrong.
    pub differences: Vec<Difference>,
    /// The classes of providers of which more is used than the capacity. There are such classes
    /// only after an inventory has shrunk.
    pub overcommitted: Vec<Overcommit>,
}

/// Describes a class of a provider whose usage is not the sum of what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Difference {
    /// The provider's uuid; the nil uuid if the allocations name a provider that does not exist.
    pub provider: Uuid,
    /// The class.
    pub class: ResourceClass,
    /// How much is in use by the provider's own count.
    pub used: u64,
    /// How much of `used` was taken without a consumer.
    pub taken: u64,
    /// How much all consumers hold together, at most [`u64::MAX`].
    pub allocated: u64,
}

/// Describes a class of a provider of which more is used than the capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Overcommit {
    /// The provider.
    pub provider: Uuid,
    /// The class.
    pub class: ResourceClass,
    /// The capacity, and how much is used.
    pub usage: Usage,
    #[cfg_attr(feature = "serde", serde(skip))]
    origin: Origin,
}

impl Overcommit {
    /// Returns the handle of the provider, so that nobody has to look it up; `None` if `serde` has made this
    /// value. Two values are equal whether or not they have it.
    pub fn handle(&self) -> Option<Provider> {
        self.origin.handle(self.provider)
    }
}

impl Audit {
    /// Returns whether the usage of every provider is the sum of what is held.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Snapshot {
    /// Recomputes the usage of every provider from what consumers held, and compares. The audit is
    /// exact, since everything in a snapshot is of one instant. O(cells ever used).
    pub fn audit(&self) -> Result<Audit> {
        let mut audit = Audit::default();
        let mut sums = Sums::default();
        self.each_consumer(|consumer| {
            audit.consumers += 1;
            for held in consumer.held() {
                let sum = sums.entry(held.usage).or_default().entry(held.class).or_default();
                *sum += u128::from(held.amount);
            }
        })?;
        self.each_usage(|provider, words, layouts| {
            let sums = sums.remove(&usage_of(provider.cell));
            audit.compare(provider, words, layouts, sums);
        })?;
        // What is left is held from providers that don't exist.
        for (_, sums) in sums {
            audit.differences.extend(unknown(Uuid::nil(), &sums));
        }
        Ok(audit)
    }

    /// Returns the classes of providers of which more was used than the capacity, as after an
    /// inventory has shrunk. O(providers).
    pub fn overcommitted(&self) -> Result<Vec<Overcommit>> {
        let mut found = Vec::new();
        self.each_usage(|provider, words, layouts| {
            found.extend(overcommits(provider, words, layouts));
        })?;
        Ok(found)
    }

    /// Returns the consumers that held something from `provider` or from one of its descendants.
    /// O(cells ever used).
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` did not exist at the snapshot.
    pub fn holders(&self, provider: &Provider) -> Result<Vec<Uuid>> {
        let below = self.subtree(provider)?;
        let below: HashSet<Cell, foldhash::fast::RandomState> =
            below.iter().map(|provider| usage_of(provider.cell)).collect();
        let mut found = Vec::new();
        self.each_consumer(|consumer| {
            if consumer.held().any(|held| below.contains(&held.usage)) {
                found.push(consumer.uuid());
            }
        })?;
        Ok(found)
    }

    fn each_usage(
        &self,
        mut visit: impl FnMut(&Provider, UsageWords<&[u64]>, &Layouts),
    ) -> Result<()> {
        self.read_forest(|mut past| {
            for provider in past.all()? {
                // The provider exists: the walk is of the same instant.
                past.usage(&provider, |words, layouts| visit(&provider, words, layouts))?;
            }
            Ok(())
        })
    }
}

fn overcommits<'a>(
    &provider: &Provider,
    words: UsageWords<&'a [u64]>,
    layouts: &Layouts,
) -> impl Iterator<Item = Overcommit> + use<'a> {
    let usages = words.all(layouts).map(|(class, amounts)| (class, amounts.usage()));
    usages.filter(|(_, usage)| usage.used > usage.capacity).map(move |(class, usage)| Overcommit {
        provider: provider.uuid,
        class: ResourceClass::from_number(class),
        usage,
        origin: Origin::from(&provider),
    })
}

/// Describes what is held of classes of which the provider has no inventory.
fn unknown(provider: Uuid, sums: &ClassSums) -> impl Iterator<Item = Difference> + '_ {
    sums.iter().map(move |(class, allocated)| Difference {
        provider,
        class: ResourceClass::from_number(*class),
        used: 0,
        taken: 0,
        allocated: u64::try_from(*allocated).unwrap_or(u64::MAX),
    })
}

type ClassSums = HashMap<u16, u128, foldhash::fast::FixedState>;

/// Holds what is held from each usage cell.
type Sums = HashMap<Cell, ClassSums, foldhash::fast::FixedState>;

impl Audit {
    fn compare(
        &mut self,
        provider: &Provider,
        words: UsageWords<&[u64]>,
        layouts: &Layouts,
        sums: Option<ClassSums>,
    ) {
        self.providers += 1;
        let handle = provider;
        let provider = provider.uuid;
        let mut sums = sums.unwrap_or_default();
        for (class, amounts) in words.all(layouts) {
            let (used, taken) = (amounts.used, amounts.taken);
            let allocated = sums.remove(&class).unwrap_or(0);
            let class = ResourceClass::from_number(class);
            if u128::from(used) != allocated + u128::from(taken) {
                let allocated = u64::try_from(allocated).unwrap_or(u64::MAX);
                self.differences.push(Difference { provider, class, used, taken, allocated });
            }
        }
        self.differences.extend(unknown(provider, &sums));
        self.overcommitted.extend(overcommits(handle, words, layouts));
    }
}

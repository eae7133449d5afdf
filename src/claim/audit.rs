//! The audit: usage recomputed from what consumers hold.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::consumer::each_consumer;
use crate::inventory::Usage;
use crate::ledger::{Cell, GateWord};
use crate::resource_class::ResourceClass;
use crate::tree::Provider;
use crate::tree::cells::{Life, UsageWords, usage_of};
use crate::tree::core::{Core, all_usages};

/// What an audit found; see [`ProviderTree::audit`](crate::ProviderTree::audit).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many providers were settled: compared with all consumers while nothing was claimed
    /// from them.
    pub providers: usize,
    /// How many consumers held something in the last round.
    pub consumers: usize,
    /// Where the books don't agree. Always empty, or this crate is wrong.
    pub differences: Vec<Difference>,
    /// Where more is used than there is: after an inventory has shrunk, and never else.
    pub overcommitted: Vec<Overcommit>,
    /// Providers under such a storm of claims that no round settled them.
    pub unsettled: Vec<Uuid>,
}

/// A class of a provider whose usage is not the sum of what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The provider.
    pub provider: Uuid,
    /// The class.
    pub class: ResourceClass,
    /// What the provider says is used.
    pub used: u64,
    /// What of it was taken for no consumer.
    pub taken: u64,
    /// What all consumers hold together, saturated.
    pub allocated: u64,
}

/// A class of a provider of which more is used than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overcommit {
    /// The provider.
    pub provider: Uuid,
    /// The class.
    pub class: ResourceClass,
    /// Capacity and use.
    pub usage: Usage,
}

impl Audit {
    /// Whether every provider was settled and all books agree.
    pub fn holds(&self) -> bool {
        self.differences.is_empty() && self.unsettled.is_empty()
    }
}

/// So many rounds until a provider counts as unsettled.
const ROUNDS: usize = 64;

/// A provider's words, and the gate's word that named them.
struct Pending {
    provider: Provider,
    word: GateWord,
    words: Vec<u64>,
}

impl Core {
    /// A provider whose gate is the same before and after all consumers are read was changed by
    /// no transaction meanwhile. Every change of what is held from it is part of one, so what each
    /// consumer holds from it was the same throughout, whenever its turn came.
    pub(crate) fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        let mut rest = self.forest();
        for _ in 0..ROUNDS {
            let pending: Vec<_> =
                rest.drain(..).filter_map(|provider| self.pending(provider)).collect();
            let (consumers, held) = self.sums();
            audit.consumers = consumers;
            for pending in pending {
                if self.ledger.version(usage_of(pending.provider.cell)) == pending.word {
                    audit.settle(&pending, &held);
                } else {
                    rest.push(pending.provider);
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        audit.unsettled = rest.iter().map(Provider::uuid).collect();
        audit
    }

    /// Each provider at an instant of its own.
    pub(crate) fn overcommitted(&self) -> Vec<Overcommit> {
        let mut found = Vec::new();
        for provider in self.forest() {
            // Removed meanwhile: then nothing of it is used.
            let Ok(usages) = self.read_usage(&provider, all_usages) else { continue };
            let provider = provider.uuid;
            let over = usages.into_iter().filter(|(_, usage)| usage.used > usage.capacity);
            found.extend(over.map(|(class, usage)| Overcommit { provider, class, usage }));
        }
        found
    }

    /// The provider's words now; none if it has been removed.
    fn pending(&self, provider: Provider) -> Option<Pending> {
        let (word, words) = self.ledger.read(usage_of(provider.cell), |record| {
            let mut words = Vec::with_capacity(record.len());
            record.copy_to(&mut words);
            words
        });
        Core::check(&provider, Life::of_words(&words)).ok()?;
        Some(Pending { provider, word, words })
    }

    /// How many consumers there are, and what they hold of each class of each provider.
    fn sums(&self) -> (usize, Sums) {
        let mut consumers = 0;
        let mut sums = Sums::default();
        each_consumer(&self.ledger, |consumer| {
            consumers += 1;
            for held in consumer.held() {
                let sum = sums.entry(held.usage).or_default().entry(held.class).or_default();
                *sum += u128::from(held.amount);
            }
        });
        (consumers, sums)
    }
}

/// Usage cell, class, amount.
type Sums =
    HashMap<Cell, HashMap<u16, u128, foldhash::fast::FixedState>, foldhash::fast::FixedState>;

impl Audit {
    fn settle(&mut self, pending: &Pending, sums: &Sums) {
        self.providers += 1;
        let provider = pending.provider.uuid;
        let words = UsageWords(&pending.words);
        let sums = sums.get(&usage_of(pending.provider.cell));
        let sum = |class: u16| sums.and_then(|sums| sums.get(&class)).copied().unwrap_or(0);
        for (class, amounts) in words.all() {
            let usage = amounts.usage();
            let taken = amounts.taken;
            let allocated = sum(class);
            let class = ResourceClass::from_number(class);
            if u128::from(usage.used) != allocated + u128::from(taken) {
                let allocated = u64::try_from(allocated).unwrap_or(u64::MAX);
                let used = usage.used;
                self.differences.push(Difference { provider, class, used, taken, allocated });
            }
            if usage.used > usage.capacity {
                self.overcommitted.push(Overcommit { provider, class, usage });
            }
        }
        let unknown = sums.into_iter().flatten().filter(|(class, _)| words.find(**class).is_none());
        self.differences.extend(unknown.map(|(class, allocated)| Difference {
            provider,
            class: ResourceClass::from_number(*class),
            used: 0,
            taken: 0,
            allocated: u64::try_from(*allocated).unwrap_or(u64::MAX),
        }));
    }
}

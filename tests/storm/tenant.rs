//! A tenant: one thread's worker, the consumers that only it claims for, and its own books.

use std::collections::{BTreeMap, HashMap};

use provider_tree::{
    Claim, Error, Expect, Provider, ProviderTree, Receipt, ResourceClass, Result, Worker,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Rng};

/// An amount of one class of one provider.
pub(crate) type Line = (Provider, ResourceClass, u64);

/// Amounts by provider and class.
pub(crate) type Sums = BTreeMap<(Uuid, ResourceClass), u64>;

/// Claims, and compares what the forest says with what it knows: nobody else touches its
/// consumers, so there is exactly one right answer at any time.
pub(crate) struct Tenant {
    tree: ProviderTree,
    worker: Worker,
    consumers: Vec<Uuid>,
    holdings: HashMap<Uuid, Holding>,
    /// The greatest generations of those that have held something.
    floors: HashMap<Uuid, u64>,
    taken: Vec<Line>,
}

/// What a consumer holds.
struct Holding {
    generation: u64,
    lines: Vec<Line>,
}

impl Tenant {
    /// The `number`th tenant, with so many consumers.
    pub(crate) fn new(tree: &ProviderTree, number: usize, consumers: usize) -> Self {
        let consumer = |index| Uuid::from_u64_pair(number as u64 + 1, index as u64);
        Tenant {
            tree: tree.clone(),
            worker: tree.worker().expect("a worker"),
            consumers: (0..consumers).map(consumer).collect(),
            holdings: HashMap::new(),
            floors: HashMap::new(),
            taken: Vec::new(),
        }
    }

    /// So many tenants, no two with a consumer in common.
    pub(crate) fn several(tree: &ProviderTree, tenants: usize, consumers: usize) -> Vec<Tenant> {
        (0..tenants).map(|number| Tenant::new(tree, number, consumers)).collect()
    }

    /// Does something with a random consumer or without one: claims `lines`, or gives back.
    pub(crate) fn act(
        &mut self,
        gust: &mut Gust<'_>,
        lines: &[Line],
        explained: impl Fn(&Error) -> bool,
    ) {
        let consumer = *gust.rng.pick(&self.consumers);
        let (what, result) = match gust.rng.below(10) {
            0..=2 => ("claim", self.claim(consumer, lines)),
            3..=4 => ("replace", self.replace(consumer, lines, Expect::Any)),
            5 => {
                let expect = self.guess(consumer, &mut gust.rng);
                ("replace at a generation", self.replace(consumer, lines, expect))
            }
            6..=7 => ("release", self.release(consumer)),
            8 if !self.taken.is_empty() => ("put back", self.put_back(&mut gust.rng)),
            _ => ("take", self.take(lines)),
        };
        gust.expect(what, result, |error| {
            matches!(
                error,
                Error::ConsumerExists { .. }
                    | Error::AlreadyHeld { .. }
                    | Error::ConsumerConflict { .. }
                    | Error::ConsumerNotFound { .. }
            ) || explained(error)
        });
    }

    pub(crate) fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> Result<()> {
        let result = self.worker.claim(&request(consumer, lines));
        if result.is_ok() {
            assert_eq!(self.generation(consumer), None, "claimed while it held something");
        }
        self.conclude(consumer, lines, result)
    }

    pub(crate) fn replace(&mut self, consumer: Uuid, lines: &[Line], expect: Expect) -> Result<()> {
        let result = self.worker.replace(&request(consumer, lines), expect);
        if let (Ok(_), Expect::Generation(expected)) = (&result, expect) {
            assert_eq!(self.generation(consumer), Some(expected), "replaced against the rule");
        }
        self.conclude(consumer, lines, result)
    }

    pub(crate) fn release(&mut self, consumer: Uuid) -> Result<()> {
        let result = self.worker.release(consumer);
        match &result {
            Ok(receipt) => assert_eq!(Some(receipt.generation), self.generation(consumer)),
            Err(error) => self.check_refusal(consumer, &[], error),
        }
        if let Ok(receipt) = &result {
            self.holdings.remove(&consumer);
            self.floors.insert(consumer, receipt.generation);
        }
        self.check(consumer);
        result.map(|_| ())
    }

    /// Takes the lines of the first line's provider, for no consumer.
    pub(crate) fn take(&mut self, lines: &[Line]) -> Result<()> {
        let Some(&(provider, ..)) = lines.first() else { return Ok(()) };
        let lines: Vec<Line> = lines.iter().filter(|line| line.0 == provider).copied().collect();
        let amounts: Vec<_> = lines.iter().map(|&(_, class, amount)| (class, amount)).collect();
        self.worker.take(&provider, &amounts)?;
        self.taken.extend(lines);
        Ok(())
    }

    /// Puts back one of the amounts taken, which can't be refused. There must be one.
    fn put_back(&mut self, rng: &mut Rng) -> Result<()> {
        let (provider, class, amount) = self.taken.swap_remove(rng.index(self.taken.len()));
        let put_back = self.worker.put_back(&provider, &[(class, amount)]);
        assert_eq!(put_back, Ok(()), "what was taken can be put back");
        Ok(())
    }

    /// Gives everything back.
    pub(crate) fn leave(&mut self) {
        for consumer in self.consumers.clone() {
            if self.generation(consumer).is_some() {
                assert_eq!(self.release(consumer), Ok(()));
            }
        }
        while !self.taken.is_empty() {
            assert_eq!(self.put_back(&mut Rng::new(0)), Ok(()));
        }
    }

    /// What is held exists: it is found, says itself that it is in use, and can't be removed. Looks
    /// at one amount.
    pub(crate) fn check_that_what_is_held_stays(&self, gust: &mut Gust<'_>) {
        let tree = &self.tree;
        let held: Vec<&Line> = self.lines().collect();
        if let [_, ..] = held[..] {
            let (provider, class, amount) = *gust.rng.pick(&held);
            assert_eq!(tree.find(provider.uuid()), Some(*provider), "held, and not found");
            let usage = tree.usage(provider, *class).expect("held, so the provider has it");
            assert!(usage.used >= *amount, "{amount} held of {class}, {usage:?}");
            let removed = tree.remove(provider);
            let in_use = matches!(removed, Err(Error::InUse { used: 1.., .. }));
            assert!(
                in_use,
                "removal of {provider:?}, of which {amount} {class} are held: {removed:?}"
            );
            gust.count("removal refused to the holder");
        }
    }

    /// Everything that this tenant holds or took.
    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.holdings.values().flat_map(|holding| &holding.lines).chain(&self.taken)
    }

    /// What all tenants hold and took together.
    pub(crate) fn sums(tenants: &[Tenant]) -> Sums {
        sum(tenants.iter().flat_map(Tenant::lines).copied())
    }

    /// How often its changes were prepared in vain.
    pub(crate) fn retries(&self) -> u64 {
        self.worker.retries()
    }

    fn generation(&self, consumer: Uuid) -> Option<u64> {
        self.holdings.get(&consumer).map(|holding| holding.generation)
    }

    /// The consumer's generation, or one that it is not at: be it of a life that is over.
    fn guess(&self, consumer: Uuid, rng: &mut Rng) -> Expect {
        let over = self.floors.get(&consumer).copied().unwrap_or(1);
        let actual = self.generation(consumer).unwrap_or(over);
        let actual = if rng.percent(10) { over } else { actual };
        Expect::Generation(if rng.percent(70) { actual } else { actual + rng.up_to(2) })
    }

    /// Books the result of a claim or a replacement.
    fn conclude(&mut self, consumer: Uuid, lines: &[Line], result: Result<Receipt>) -> Result<()> {
        match &result {
            Ok(receipt) => {
                let generation = receipt.generation;
                assert_eq!(receipt.consumer, consumer);
                match self.generation(consumer) {
                    Some(before) => assert_eq!(generation, before + 1),
                    None => assert!(self.floors.get(&consumer).is_none_or(|it| generation > *it)),
                }
                self.holdings.insert(consumer, Holding { generation, lines: lines.to_vec() });
            }
            Err(error) => self.check_refusal(consumer, lines, error),
        }
        self.check(consumer);
        result.map(|_| ())
    }

    /// Whether the refusal is about what was asked, and true as far as this tenant can know.
    fn check_refusal(&self, consumer: Uuid, lines: &[Line], error: &Error) {
        let known = self.generation(consumer);
        let sums = sum(lines.iter().copied());
        let asked =
            |provider: &Uuid, class: &ResourceClass| sums.get(&(*provider, *class)).copied();
        let makes_sense = match error {
            Error::ConsumerExists { generation, .. } | Error::AlreadyHeld { generation, .. } => {
                known == Some(*generation)
            }
            Error::ConsumerNotFound { .. } => known.is_none(),
            Error::ConsumerConflict { expected, actual, .. } => {
                known == *actual && known != Some(*expected)
            }
            Error::CapacityExceeded { provider, class, requested, free } => {
                asked(provider, class) == Some(*requested) && requested > free
            }
            Error::UnitViolation { provider, class, requested, min_unit, max_unit, step_size } => {
                let obeys =
                    (min_unit..=max_unit).contains(&requested) && requested % step_size == 0;
                asked(provider, class) == Some(*requested) && !obeys
            }
            Error::NoInventory { provider, class } => asked(provider, class).is_some(),
            Error::Removed { provider } | Error::Cordoned { provider } => {
                lines.iter().any(|line| line.0.uuid() == *provider)
            }
            _ => false,
        };
        assert!(makes_sense, "{error:?} of {lines:?} for {consumer}, at generation {known:?}");
    }

    /// Whether the forest says of the consumer what this tenant knows.
    pub(crate) fn check(&self, consumer: Uuid) {
        let found = self.tree.allocations(consumer);
        let Some(holding) = self.holdings.get(&consumer) else {
            assert_eq!(found, None, "{consumer} holds nothing");
            return;
        };
        let found = found.unwrap_or_else(|| panic!("{consumer} holds {:?}", holding.lines));
        assert_eq!((found.consumer, found.generation), (consumer, holding.generation));
        let of_each = found.allocations.iter();
        let allocated: Sums =
            of_each.map(|held| ((held.provider, held.class), held.amount)).collect();
        assert_eq!(allocated, sum(holding.lines.iter().copied()));
        assert_eq!(allocated.len(), found.allocations.len(), "one entry for each class");
    }
}

fn request(consumer: Uuid, lines: &[Line]) -> Claim {
    let mut claim = Claim::new(consumer);
    lines.iter().for_each(|(provider, class, amount)| claim.take_mut(provider, *class, *amount));
    claim
}

fn sum(lines: impl IntoIterator<Item = Line>) -> Sums {
    let mut sums = Sums::new();
    for (provider, class, amount) in lines {
        *sums.entry((provider.uuid(), class)).or_default() += amount;
    }
    sums
}

/// What all providers say is used of each class, if any is.
pub(crate) fn usages(tree: &ProviderTree) -> Sums {
    let used = |provider: Provider| {
        let usages = tree.usages(&provider).expect("nothing is removed meanwhile").into_iter();
        usages.map(move |(class, usage)| ((provider.uuid(), class), usage.used))
    };
    tree.providers().into_iter().flat_map(used).filter(|(_, used)| *used > 0).collect()
}

/// After a storm: the forest's books are the tenants' books, and are empty once all have left.
pub(crate) fn check_books(tree: &ProviderTree, mut tenants: Vec<Tenant>) {
    for tenant in &tenants {
        tenant.consumers.iter().for_each(|consumer| tenant.check(*consumer));
    }
    assert_eq!(usages(tree), Tenant::sums(&tenants));
    let audit = tree.audit();
    assert!(audit.holds(), "{audit:?}");
    let consumers: usize = tenants.iter().map(|tenant| tenant.holdings.len()).sum();
    assert_eq!((audit.consumers, tree.consumers().len()), (consumers, consumers));
    tenants.iter_mut().for_each(Tenant::leave);
    assert_eq!(usages(tree), Sums::new());
    assert!(tree.consumers().is_empty());
    assert!(tree.audit().holds());
    drop(tenants);
    assert_no_leaks(tree);
}

//! What a fork answers is what the forest would answer.

use std::collections::HashMap;

use provider_tree::{
    Allocations, Claim, Deadline, Error, Expect, Fork, Inventories, Inventory, Now, Provider,
    ProviderTree, ResourceClass, Result, Worker,
};
use shared::dumps::in_order;
use uuid::Uuid;

use crate::random::{Random, Rng};
use crate::rig::*;

/// A consumer of a twin has begun anew where that of the fork has not.
fn normal(error: Error) -> Error {
    match error {
        Error::ConsumerExists { consumer, .. } => Error::ConsumerExists { consumer, generation: 0 },
        Error::AlreadyHeld { consumer, .. } => Error::AlreadyHeld { consumer, generation: 0 },
        error => error,
    }
}

/// What a claim asks for, of whichever forest.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    consumer: Uuid,
    lines: Vec<(Uuid, ResourceClass, u64)>,
    chain: Option<(Uuid, ResourceClass, u64)>,
    condition: Option<(Uuid, u64)>,
}

type Handles = HashMap<Uuid, Provider>;

impl Wish {
    fn of(&self, handles: &Handles) -> Claim {
        let mut claim = Claim::new(self.consumer);
        for (provider, class, amount) in &self.lines {
            claim.extend([(handles[provider], *class, *amount)]);
        }
        if let Some((provider, class, amount)) = self.chain {
            claim = claim.take_with_ancestors(&handles[&provider], class, amount);
        }
        if let Some((provider, generation)) = self.condition {
            claim = claim.require_generation(&handles[&provider], generation);
        }
        claim
    }
}

/// A call, of whichever forest.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Claim(Wish),
    Replace(Wish),
    Release(Uuid),
    Fits(Wish),
    Cordon(Uuid),
    Uncordon(Uuid),
    Set(Uuid, Inventories),
}

/// A fork, and a forest that began with what is in its snapshot.
pub(crate) struct Twins {
    pub(crate) tree: ProviderTree,
    pub(crate) fork: Fork,
    pub(crate) twin: ProviderTree,
    worker: Worker,
    of_fork: Handles,
    of_twin: Handles,
    /// In the order of the twin.
    providers: Vec<Uuid>,
    consumers: Vec<Uuid>,
}

impl Twins {
    /// Two copies of a forest come about by chance: with the same cells, so that of several reasons
    /// for a refusal both find the same first.
    pub(crate) fn new(random: &mut Random) -> Self {
        let dump = random.tree.snapshot().dump().unwrap();
        let [tree, twin] = [(); 2].map(|()| ProviderTree::load(&dump).unwrap());
        let [of_fork, of_twin] = [&tree, &twin].map(|tree| {
            let all = tree.providers().into_iter();
            all.map(|provider| (provider.uuid(), provider)).collect::<Handles>()
        });
        let fork = tree.snapshot().fork();
        Twins {
            fork,
            worker: twin.worker().unwrap(),
            of_fork,
            of_twin,
            providers: twin.providers().iter().map(Provider::uuid).collect(),
            consumers: (0..10).map(id).collect(),
            tree,
            twin,
        }
    }

    fn line(&self, rng: &mut Rng) -> (Uuid, ResourceClass, u64) {
        let provider = rng.pick(&self.providers);
        let usages = self.twin.usages(&self.of_twin[&provider]).unwrap();
        let has: Vec<_> = usages.iter().map(|(class, _)| *class).collect();
        let any = has.is_empty() || rng.percent(5);
        let amount = if rng.percent(3) { rng.below(2) * 50 } else { 1 + rng.below(5) };
        (provider, rng.pick(if any { &CLASSES } else { &has }), amount)
    }

    fn wish(&self, rng: &mut Rng) -> Wish {
        let lines = (0..1 + rng.below(3)).map(|_| self.line(rng)).collect();
        let chain = rng.percent(20).then(|| self.line(rng));
        let condition = rng.percent(15).then(|| {
            let provider = rng.pick(&self.providers);
            let data = self.twin.configuration(&self.of_twin[&provider]).unwrap();
            (provider, data.generation + rng.below(5) / 4)
        });
        let empty = rng.percent(2);
        let lines = if empty { Vec::new() } else { lines };
        Wish { consumer: rng.pick(&self.consumers), lines, chain, condition }
    }

    /// What a consumer of the twin holds already, to ask for it again.
    fn again(&self, rng: &mut Rng) -> Option<Wish> {
        let held = self.twin.allocations(rng.pick(&self.consumers))?;
        let lines = held.allocations.iter().map(|it| (it.provider, it.class, it.amount));
        let (consumer, lines) = (held.consumer, lines.collect());
        Some(Wish { consumer, lines, chain: None, condition: None })
    }

    pub(crate) fn some_call(&self, rng: &mut Rng) -> Call {
        match rng.below(20) {
            0..=4 => Call::Claim(self.wish(rng)),
            5..=8 => Call::Replace(self.wish(rng)),
            9 => self.again(rng).map_or(Call::Fits(self.wish(rng)), |wish| {
                if rng.percent(50) { Call::Claim(wish) } else { Call::Replace(wish) }
            }),
            10..=12 => Call::Release(rng.pick(&self.consumers)),
            13..=14 => Call::Fits(self.wish(rng)),
            15 => Call::Cordon(rng.pick(&self.providers)),
            _ => Call::Uncordon(rng.pick(&self.providers)),
        }
    }

    pub(crate) fn some_inventories(&self, rng: &mut Rng) -> Call {
        Call::Set(rng.pick(&self.providers), rng.inventories())
    }

    /// Does it to both; fails unless both say the same, and are the same afterwards. Returns whether
    /// it was done.
    pub(crate) fn call(&mut self, call: &Call) -> bool {
        let before = self.sight();
        let (of_fork, of_twin, worker) = (&self.of_fork, &self.of_twin, &mut self.worker);
        let (fork, twin) = (&mut self.fork, &self.twin);
        let unit = |result: Result<provider_tree::Receipt>| result.map(|_| false);
        let (left, right) = match call {
            Call::Claim(wish) => (
                fork.claim(&wish.of(of_fork)).map(|()| false),
                unit(worker.claim(&wish.of(of_twin))),
            ),
            Call::Replace(wish) => (
                fork.replace(&wish.of(of_fork)).map(|()| false),
                unit(worker.replace(&wish.of(of_twin), Expect::Any)),
            ),
            Call::Release(consumer) => {
                (fork.release(*consumer).map(|()| false), unit(worker.release(*consumer)))
            }
            Call::Fits(wish) => {
                // Of a consumer that holds nothing.
                let wish = Wish { consumer: id(77), ..wish.clone() };
                let claimed = worker.claim(&wish.of(of_twin));
                if claimed.is_ok() {
                    let _ = worker.release(id(77)).unwrap();
                }
                (fork.fits(&wish.of(of_fork)).map(|()| false), unit(claimed))
            }
            Call::Cordon(it) => (fork.cordon(&of_fork[it]), twin.cordon(&of_twin[it])),
            Call::Uncordon(it) => (fork.uncordon(&of_fork[it]), twin.uncordon(&of_twin[it])),
            Call::Set(it, inventories) => {
                let set = twin.configure(&of_twin[it], inventories.clone(), Expect::Any);
                let set = set.map(|_| false);
                (fork.set_inventories(&of_fork[it], inventories.clone()).map(|()| false), set)
            }
        };
        assert_eq!(left.clone().map_err(normal), right.map_err(normal), "{call:?}");
        let after = self.check();
        if left.is_err() || matches!(call, Call::Fits(_)) {
            assert_eq!(after, before, "{call:?} was refused");
        }
        left.is_ok()
    }

    fn sight(&self) -> ForkSight {
        let providers: Vec<_> = self.providers.iter().map(|it| self.of_fork[it]).collect();
        sight_of_fork(&self.fork, &providers, &self.consumers)
    }

    /// Fails unless both are the same.
    fn check(&self) -> ForkSight {
        let sight = self.sight();
        for (uuid, facts) in self.providers.iter().zip(&sight.0) {
            let provider = &self.of_twin[uuid];
            assert_eq!(facts.0, self.twin.usages(provider));
            assert_eq!(facts.1, self.twin.is_cordoned(provider));
        }
        for (consumer, held) in self.consumers.iter().zip(&sight.1) {
            let found = self.twin.allocations(*consumer).map(in_order);
            let generation = held.as_ref().map_or(0, |held| held.generation);
            // That of one that was released and claims again is of another life there.
            let found = found.map(|found| Allocations { generation, ..found });
            assert_eq!(*held, found);
        }
        sight
    }

    /// Fails unless the fork's forest is what the fork is.
    pub(crate) fn check_committed(&self) {
        assert_eq!(
            timeless(self.tree.snapshot().dump().unwrap()),
            timeless(self.twin.snapshot().dump().unwrap())
        );
        for (consumer, held) in self.consumers.iter().zip(self.sight().1) {
            // A fork knows no floors: a life that begins in it may begin higher in the forest.
            let generation = held.as_ref().map_or(0, |held| held.generation);
            let found = self.tree.allocations(*consumer).map(in_order);
            assert!(found.as_ref().is_none_or(|found| found.generation >= generation));
            assert_eq!(found.map(|found| Allocations { generation, ..found }), held);
        }
    }
}

#[test]
fn whatever_is_asked_by_chance_is_answered_as_by_the_forest() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        (0..200).for_each(|_| random.step());
        let mut twins = Twins::new(&mut random);
        let (dump, rng) = (twins.tree.snapshot().dump().unwrap(), &mut random.rng);
        let mut done = 0;
        for _ in 0..150 {
            let call = match rng.percent(8) {
                true => twins.some_inventories(rng),
                false => twins.some_call(rng),
            };
            done += u64::from(twins.call(&call));
        }
        assert!(done > 10, "seed {seed}: {done} were not refused");
        assert_eq!(twins.tree.snapshot().dump().unwrap(), dump, "a fork changes nothing");
    }
}

#[test]
fn it_begins_with_the_snapshot() {
    let mut it = Estate::new();
    let snapshot = it.tree.snapshot();
    release(&mut it.worker, id(1));
    it.tree.uncordon(&it.shut).unwrap();
    let fork = snapshot.fork();
    assert_eq!(fork.snapshot().number(), snapshot.number());
    for provider in it.handles() {
        assert_eq!(fork.usages(&provider), snapshot.usages(&provider));
        assert_eq!(fork.is_cordoned(&provider), snapshot.is_cordoned(&provider));
    }
    for consumer in [1, 2, 3].map(id) {
        assert_eq!(fork.allocations(consumer), snapshot.allocations(consumer));
    }
}

#[test]
fn claim_replace_release() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 6);
    let mut fork = tree.snapshot().fork();
    let used = |fork: &Fork, it| fork.usage(it, VCPU).unwrap().used;
    assert_eq!(fork.fits(&cpus(id(2), &host, 3)), Err(exceeded(&host, 3, 2)));
    assert_eq!(fork.claim(&cpus(id(2), &host, 3)), Err(exceeded(&host, 3, 2)));
    fork.claim(&cpus(id(2), &host, 2)).unwrap();
    assert_eq!(fork.claim(&cpus(id(3), &host, 1)), Err(exceeded(&host, 1, 0)));
    fork.replace(&cpus(id(1), &other, 8)).unwrap();
    assert_eq!((used(&fork, &host), used(&fork, &other)), (2, 8));
    let held = fork.allocations(id(1)).unwrap().unwrap();
    assert_eq!((held.generation, held.allocations[0].provider), (2, other.uuid()));
    fork.release(id(1)).unwrap();
    assert_eq!(fork.release(id(1)), Err(Error::ConsumerNotFound { consumer: id(1) }));
    assert_eq!(fork.allocations(id(1)), Ok(None));
    assert_eq!((used(&fork, &host), used(&fork, &other)), (2, 0));
    fork.replace(&cpus(id(4), &other, 8)).unwrap();
    assert_eq!(tree.snapshot().consumers().unwrap(), [id(1)]);
}

#[test]
fn a_consumer_that_exists() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 6);
    let mut fork = tree.snapshot().fork();
    for amount in [6, 5] {
        let wanted = cpus(id(1), &host, amount);
        let error = refused(&tree, || worker.claim(&wanted));
        assert_eq!(fork.claim(&wanted), Err(error));
    }
    // What is wrong with a claim by itself comes first.
    let empty = Claim::new(id(1));
    assert_eq!(fork.claim(&empty), Err(refused(&tree, || worker.claim(&empty))));
    // That there is no chain comes before what the claim rests on.
    let stale = Claim::new(id(2)).take_with_ancestors(&host, GPU, 1).require_generation(&host, 77);
    assert_eq!(fork.claim(&stale), Err(refused(&tree, || worker.claim(&stale))));
}

#[test]
fn a_lease_stays_one_unless_it_is_released() {
    for (is_released, deadline) in [(false, Some(50)), (true, None)] {
        let mut it = Estate::new();
        let mut fork = it.tree.snapshot().fork();
        if is_released {
            fork.release(id(2)).unwrap();
        }
        fork.replace(&cpus(id(2), &it.host, 1)).unwrap();
        assert_eq!(fork.allocations(id(2)).unwrap().unwrap().deadline, deadline.map(Deadline));
        // Also when it is committed.
        assert_eq!(it.worker.commit(&fork.to_batch()).unwrap()[0].generation, 2);
        assert_eq!(fork.allocations(id(2)), Ok(it.tree.allocations(id(2))));
        assert_eq!(it.tree.next_deadline(), deadline.map(Deadline));
        assert_eq!(it.worker.expire(Now(50)).unwrap().len(), usize::from(!is_released));
    }
}

#[test]
fn nested_cordons() {
    let tree = ProviderTree::new();
    let top = host(&tree, "top", 8);
    let middle = child(&tree, &top, "middle", 8);
    let low = child(&tree, &middle, "low", 8);
    let beside = child(&tree, &top, "beside", 8);
    tree.cordon(&middle).unwrap();
    let mut fork = tree.snapshot().fork();
    let all = [top, middle, low, beside];
    let are = |fork: &Fork| all.map(|it| fork.is_cordoned(&it).unwrap());
    assert_eq!(are(&fork), [false, true, true, false]);
    assert_eq!(fork.cordon(&middle), Ok(false));
    assert_eq!(fork.cordon(&low), Ok(true));
    assert_eq!(fork.uncordon(&middle), Ok(true));
    assert_eq!(are(&fork), [false, false, true, false]);
    assert_eq!(fork.cordon(&top), Ok(true));
    assert_eq!(are(&fork), [true; 4]);
    assert_eq!(fork.claim(&cpus(id(1), &beside, 1)), Err(cordoned(&beside)));
    // Under a cordoned ancestor.
    assert_eq!(fork.uncordon(&low), Ok(true));
    assert_eq!(fork.uncordon(&low), Ok(false));
    assert_eq!(are(&fork), [true; 4]);
    assert_eq!(fork.uncordon(&top), Ok(true));
    assert_eq!(are(&fork), [false; 4]);
    fork.claim(&cpus(id(1), &low, 1)).unwrap();
    assert_eq!(all.map(|it| tree.is_cordoned(&it).unwrap()), [false, true, true, false]);
}

#[test]
fn inventories_and_units() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 6);
    let mut fork = tree.snapshot().fork();
    let none = Inventories::new();
    let in_use = Error::InUse { provider: host.uuid(), class: VCPU, used: 6 };
    assert_eq!(fork.set_inventories(&host, none.clone()), Err(in_use));
    let steps = Inventory::new(20).with_step_size(4);
    fork.set_inventories(&host, Inventories::new().with(VCPU, steps)).unwrap();
    let usage = fork.usage(&host, VCPU).unwrap();
    assert_eq!((usage.capacity, usage.used), (20, 6));
    let violation = fork.claim(&cpus(id(2), &host, 6)).unwrap_err();
    assert!(matches!(violation, Error::UnitViolation { step_size: 4, .. }), "{violation:?}");
    fork.claim(&cpus(id(2), &host, 12)).unwrap();
    // Twice: of the fork, not of the snapshot.
    fork.set_inventories(&host, of(VCPU, 17)).unwrap();
    assert_eq!(fork.claim(&cpus(id(3), &host, 1)), Err(exceeded(&host, 1, 0)));
    fork.release(id(1)).unwrap();
    fork.release(id(2)).unwrap();
    fork.set_inventories(&host, none).unwrap();
    assert_eq!(fork.usages(&host), Ok(Vec::new()));
    assert_eq!(tree.usage(&host, VCPU).unwrap().used, 6);
}

#[test]
fn chains_and_conditions() {
    let tree = ProviderTree::new();
    let top = host(&tree, "top", 8);
    let middle = tree.create_child(&top, "middle", None).unwrap();
    let low = child(&tree, &middle, "low", 5);
    let mut fork = tree.snapshot().fork();
    let chain = |number, amount| Claim::new(id(number)).take_with_ancestors(&low, VCPU, amount);
    fork.claim(&chain(1, 4)).unwrap();
    assert_eq!(fork.allocations(id(1)).unwrap().unwrap().allocations.len(), 2);
    assert_eq!(fork.claim(&chain(2, 2)), Err(exceeded(&low, 2, 1)));
    // A link that only the fork has.
    fork.set_inventories(&middle, of(VCPU, 1)).unwrap();
    fork.claim(&chain(3, 1)).unwrap();
    assert_eq!(fork.usage(&middle, VCPU).unwrap().used, 1);
    let nowhere = Claim::new(id(4)).take_with_ancestors(&low, GPU, 1);
    let none = Error::NoInventory { provider: low.uuid(), class: GPU };
    assert_eq!(fork.claim(&nowhere), Err(none));
    let generation = tree.configuration(&top).unwrap().generation;
    let rests = |number, generation| cpus(id(number), &top, 1).require_generation(&top, generation);
    fork.claim(&rests(5, generation)).unwrap();
    let conflict = |expected, actual| {
        let provider = top.uuid();
        Err(Error::GenerationConflict { provider, expected, actual })
    };
    assert_eq!(fork.claim(&rests(6, generation + 1)), conflict(generation + 1, generation));
    fork.set_inventories(&top, of(VCPU, 9)).unwrap();
    assert_eq!(fork.claim(&rests(6, generation)), conflict(generation, generation + 1));
}

#[test]
fn foreign_and_removed_handles() {
    let it = Estate::new();
    let gone = it.tree.create_root("gone", None).unwrap();
    it.tree.remove(&gone).unwrap();
    let mut fork = it.tree.snapshot().fork();
    let later = it.tree.create_root("later", None).unwrap();
    let elsewhere = Estate::new().host;
    let foreign = Error::ForeignProvider { provider: elsewhere.uuid() };
    for (it, error) in [(gone, removed(&gone)), (later, removed(&later)), (elsewhere, foreign)] {
        assert_eq!(fork.usage(&it, VCPU), Err(error.clone()));
        assert_eq!(fork.usages(&it), Err(error.clone()));
        assert_eq!(fork.is_cordoned(&it), Err(error.clone()));
        assert_eq!(fork.claim(&cpus(id(9), &it, 1)), Err(error.clone()));
        assert_eq!(
            fork.fits(&Claim::new(id(9)).take_with_ancestors(&it, VCPU, 1)),
            Err(error.clone())
        );
        assert_eq!(fork.cordon(&it), Err(error.clone()));
        assert_eq!(fork.uncordon(&it), Err(error.clone()));
        assert_eq!(fork.set_inventories(&it, of(VCPU, 1)), Err(error));
    }
}

#[test]
fn a_clone_is_independent() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 6);
    let mut first = tree.snapshot().fork();
    first.claim(&cpus(id(2), &host, 2)).unwrap();
    let mut second = first.clone();
    second.release(id(2)).unwrap();
    second.cordon(&other).unwrap();
    first.claim(&cpus(id(3), &other, 8)).unwrap();
    assert_eq!(first.usage(&host, VCPU).unwrap().used, 8);
    assert_eq!(second.usage(&host, VCPU).unwrap().used, 6);
    assert_eq!(second.usage(&other, VCPU).unwrap().used, 0);
    assert_eq!(first.is_cordoned(&other), Ok(false));
}

#[test]
fn many_threads_fork_one_snapshot() {
    let (tree, [host, other], mut worker) = two_hosts(64);
    claim(&mut worker, id(1000), &host, 32);
    let snapshot = tree.snapshot();
    let before = tree.snapshot().dump().unwrap();
    std::thread::scope(|scope| {
        for seat in 0..6 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                let mut fork = snapshot.fork();
                for number in 0..32 {
                    fork.claim(&cpus(id(number), &host, 1)).unwrap();
                }
                assert_eq!(fork.fits(&cpus(id(seat), &host, 1)), Err(exceeded(&host, 1, 0)));
                fork.release(id(1000)).unwrap();
                fork.claim(&cpus(id(2000 + seat), &other, 64)).unwrap();
                assert_eq!(fork.usage(&host, VCPU).unwrap().used, 32);
            });
        }
    });
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

//! Gangs that move between two sets of providers: all they hold at once, or nothing.

use provider_tree::{
    Allocation, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, Version,
    Worker,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Storm};
use crate::{GPU, THREADS, VCPU};

/// How many providers a set has.
const SIZE: usize = 3;

/// What a gang wants of each provider of a set.
const CPUS: u64 = 3;
const GPUS: u64 = 2;

struct Board {
    tree: ProviderTree,
    sets: [Vec<Provider>; 2],
    gangs: u64,
    /// How many gangs fit into a set.
    fit: u64,
}

fn consumer(gang: u64) -> Uuid {
    Uuid::from_u64_pair(7, gang)
}

impl Board {
    /// The providers belong to the sets by turns, so that no set comes first among the cells.
    fn new(gangs: u64, fit: u64) -> Self {
        let tree = ProviderTree::new();
        let mut sets = [Vec::new(), Vec::new()];
        for number in 0..2 * SIZE {
            let provider = tree.create_root(&format!("provider-{number}"), None);
            let provider = provider.expect("a new name");
            let inventories = Inventories::new()
                .with(VCPU, Inventory::new(fit * CPUS))
                .with(GPU, Inventory::new(fit * GPUS));
            tree.configure(&provider, inventories, Expect::Any).expect("it exists");
            sets[number % 2].push(provider);
        }
        Board { tree, sets, gangs, fit }
    }

    /// All that a gang wants of one set, forwards or backwards.
    fn whole(&self, gang: u64, set: usize, backwards: bool) -> Claim {
        let mut claim = Claim::new(consumer(gang));
        let mut providers = self.sets[set].clone();
        if backwards {
            providers.reverse();
        }
        for provider in &providers {
            claim.extend([(*provider, VCPU, CPUS)]);
            claim.extend([(*provider, GPU, GPUS)]);
        }
        claim
    }

    /// Gangs begin in both sets by turns.
    fn enter(&self, worker: &mut Worker, gang: u64) {
        let claim = self.whole(gang, gang as usize % 2, false);
        assert!(worker.claim(&claim).is_ok_and(|receipt| receipt.generation == 1));
    }

    /// Moves a gang back and forth, when there is room.
    fn play(&self, gust: &mut Gust<'_>, worker: &mut Worker, gang: u64) {
        let mut set = gang as usize % 2;
        let mut generation = 1;
        while gust.blows() {
            let other = 1 - set;
            let claim = self.whole(gang, other, gang % 2 == set as u64);
            let expect = match gust.rng.percent(50) {
                true => Expect::Any,
                false => Expect::Generation(generation),
            };
            let moved = worker.replace(&claim, expect);
            let moved = gust.expect("move", moved, |error| match error {
                Error::CapacityExceeded { provider, requested, free, .. } => {
                    let is_theirs = self.sets[other].iter().any(|it| it.uuid() == *provider);
                    is_theirs && requested > free && self.fit < self.gangs
                }
                _ => false,
            });
            if let Some(receipt) = moved {
                set = other;
                generation += 1;
                assert_eq!(receipt.generation, generation);
            }
            assert_eq!(self.place(gang), (generation, set));
        }
        gust.add("retries", worker.metrics().retries);
    }

    /// The gang's generation, and the one set of which it holds all.
    fn place(&self, gang: u64) -> (u64, usize) {
        let held = self.tree.allocations(consumer(gang)).expect("a gang is always somewhere");
        let holds = |set: &Vec<Provider>| {
            let amounts = |provider: &Provider| {
                let provider = provider.uuid();
                [(VCPU, CPUS), (GPU, GPUS)]
                    .map(|(class, amount)| Allocation::new(provider, class, amount))
            };
            let mut wanted = set.iter().flat_map(amounts);
            held.allocations.len() == 2 * set.len()
                && wanted.all(|amount| held.allocations.contains(&amount))
        };
        match self.sets.each_ref().map(holds) {
            [true, false] => (held.generation, 0),
            [false, true] => (held.generation, 1),
            _ => panic!("neither all of one set nor all of the other: {held:?}"),
        }
    }

    /// Each gang is in one place at any time, and its generation only grows.
    fn watch_gangs(&self, gust: &mut Gust<'_>) {
        let mut generations = vec![0; self.gangs as usize];
        while gust.blows() {
            let gang = gust.rng.below(self.gangs);
            let (generation, _) = self.place(gang);
            let before = std::mem::replace(&mut generations[gang as usize], generation);
            assert!(generation >= before, "generation {generation} after {before}");
            gust.count("look at a gang");
        }
    }

    /// If no version changes between two looks, all usages between them were so at one instant.
    fn watch_sets(&self, gust: &mut Gust<'_>) {
        while gust.blows() {
            let before = self.versions();
            let gangs = self.gangs_in_providers();
            if before == self.versions() {
                self.check_totals(gangs);
                gust.count("look at both sets");
            } else {
                gust.count("sets changed meanwhile");
            }
        }
    }

    fn versions(&self) -> [[Version; SIZE]; 2] {
        self.sets.each_ref().map(|set| {
            let version = |index: usize| self.tree.version(&set[index]).expect("of this forest");
            std::array::from_fn(version)
        })
    }

    /// How many gangs each provider has, by what is used of it.
    fn gangs_in_providers(&self) -> [[u64; SIZE]; 2] {
        let gangs_in = |provider: &Provider| {
            let usages = self.tree.usages(provider).expect("never removed");
            let used = usages.iter().map(|(class, usage)| (*class, usage.used));
            let used: Vec<_> = used.collect();
            let gangs = used[0].1 / CPUS;
            assert_eq!(used, [(VCPU, gangs * CPUS), (GPU, gangs * GPUS)], "whole gangs");
            assert!(gangs <= self.fit, "{gangs} gangs");
            gangs
        };
        self.sets.each_ref().map(|set| std::array::from_fn(|index| gangs_in(&set[index])))
    }

    /// Whoever has one provider of a set has all, and no gang is in both sets or in none.
    fn check_totals(&self, gangs: [[u64; SIZE]; 2]) {
        let equal = |set: &[u64; SIZE]| set.iter().all(|gangs| *gangs == set[0]);
        let total = gangs[0][0] + gangs[1][0];
        assert!(gangs.iter().all(equal) && total == self.gangs, "{gangs:?}");
    }
}

fn swap(name: &'static str, gangs: u64, fit: u64) {
    let board = Board::new(gangs, fit);
    let mut workers: Vec<Worker> =
        (0..gangs).map(|_| board.tree.worker().expect("a worker")).collect();
    for (gang, worker) in (0..).zip(&mut workers) {
        board.enter(worker, gang);
    }
    let board = &board;
    let mut storm = Storm::new(name);
    for (gang, worker) in (0..).zip(&mut workers) {
        storm.thread("gang", move |gust| board.play(gust, worker, gang));
    }
    storm.thread("watcher of sets", |gust| board.watch_sets(gust));
    for _ in gangs as usize + 1..THREADS {
        storm.thread("watcher of gangs", |gust| board.watch_gangs(gust));
    }
    let tally = storm.run();
    assert!(tally.of("move") > 0 && tally.of("look at a gang") > 0);
    board.check_totals(board.gangs_in_providers());
    let audit = board.tree.snapshot().audit().unwrap();
    assert!(audit.holds() && audit.overcommitted.is_empty(), "{audit:?}");
    for (gang, worker) in (0..).zip(&mut workers) {
        assert!(worker.release(consumer(gang)).is_ok());
    }
    assert_eq!(board.gangs_in_providers(), [[0; SIZE]; 2]);
    drop(workers);
    assert_no_leaks(&board.tree);
}

#[test]
fn two_consumers_swap_places_and_are_seen_in_one() {
    swap("two_consumers_swap_places_and_are_seen_in_one", 2, 2);
}

#[test]
fn many_consumers_swap_places_where_there_is_little_room() {
    swap("many_consumers_swap_places_where_there_is_little_room", 6, 4);
}

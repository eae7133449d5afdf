//! Larger than loom can explore: eight threads and long histories, under shuttle only.

#![cfg(provider_tree_shuttle)]

use loom_tests::{Model, thread};
use provider_tree::model::{Hand, Ledger};
use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Worker,
};
use shuttle::rand::{Rng, thread_rng};
use uuid::Uuid;

const THREADS: usize = 8;
const VCPU: ResourceClass = ResourceClass::VCPU;

fn pick(count: usize) -> usize {
    thread_rng().gen_range(0..count)
}

/// Runs `body` in eight threads, each with its number.
fn crowd(body: impl Fn(usize) + Clone + Send + 'static) {
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let body = body.clone();
            thread::spawn(move || body(number))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic in the thread"));
}

fn host(tree: &ProviderTree, number: u128, capacity: u64) -> Provider {
    let host = tree.create_root(&format!("host-{number}"), Uuid::from_u128(number));
    let host = host.expect("a new provider");
    let inventories = Inventories::new().with(VCPU, Inventory::new(capacity));
    tree.configure(&host, inventories, Expect::Any).expect("a valid inventory");
    host
}

#[test]
fn eight_workers_in_a_ring_all_commit() {
    Model {
        name: "eight_workers_in_a_ring_all_commit",
        property: "eight overlapping pairs in a ring, over and over, help one another to the end",
        threads: THREADS,
        bound: None,
    }
    .check(|| {
        let (ledger, cells) = Ledger::with_cells([&[0][..]; THREADS]);
        let shared = ledger.clone();
        crowd(move |number| {
            let mut hand: Hand = shared.hand();
            for _ in 0..5 {
                let pair = [cells[number], cells[(number + 1) % THREADS]];
                assert!(hand.transact(pair, |_| true, |_, word| Some(word + 1)));
            }
        });
        assert_eq!(ledger.read_all(cells), [10; THREADS]);
    });
}

#[test]
fn eight_workers_take_no_more_than_there_is() {
    Model {
        name: "eight_workers_take_no_more_than_there_is",
        property: "claims, replacements and releases over two scarce providers add up throughout",
        threads: THREADS,
        bound: None,
    }
    .check(|| {
        let tree = ProviderTree::new();
        let hosts = [host(&tree, 1, 5), host(&tree, 2, 5)];
        let shared = tree.clone();
        crowd(move |number| {
            let consumer = Uuid::from_u128(100 + number as u128);
            let mut worker = shared.worker().expect("few workers");
            for _ in 0..6 {
                let claim = Claim::new(consumer)
                    .take(&hosts[pick(2)], VCPU, 1 + pick(3) as u64)
                    .take(&hosts[pick(2)], VCPU, 1);
                check(step(&mut worker, consumer, &claim));
                for host in &hosts {
                    let usage = shared.usage(host, VCPU).expect("has an inventory");
                    assert!(usage.used <= usage.capacity, "oversold");
                }
            }
        });
        let audit = tree.snapshot().audit().expect("not too old");
        assert!(audit.holds() && audit.overcommitted.is_empty(), "{audit:?}");
    });
}

fn step(worker: &mut Worker, consumer: Uuid, claim: &Claim) -> Result<(), Error> {
    match pick(3) {
        0 => worker.claim(claim).map(drop),
        1 => worker.replace(claim, Expect::Any).map(drop),
        _ => worker.release(consumer).map(drop),
    }
}

/// Only what a race or the state explains.
fn check(result: Result<(), Error>) {
    match result {
        Ok(())
        | Err(Error::CapacityExceeded { .. })
        | Err(Error::ConsumerExists { .. } | Error::AlreadyHeld { .. })
        | Err(Error::ConsumerNotFound { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn eight_gardeners_keep_a_forest() {
    Model {
        name: "eight_gardeners_keep_a_forest",
        property: "creations, moves, renames and removals of a few keys leave a sound forest",
        threads: THREADS,
        bound: None,
    }
    .check(|| {
        let tree = ProviderTree::new();
        let shared = tree.clone();
        crowd(move |_| {
            for _ in 0..5 {
                garden(&shared);
            }
        });
        let all = tree.providers();
        for provider in &all {
            assert_eq!(tree.find(provider.uuid()), Some(*provider));
            let name = tree.configuration(provider).expect("is there").name.clone();
            assert_eq!(tree.find(&name), Some(*provider));
        }
        for number in 0..4 {
            let found = tree.find(Uuid::from_u128(number));
            assert!(found.is_none_or(|found| all.contains(&found)), "an orphan");
        }
    });
}

fn garden(tree: &ProviderTree) {
    let uuid = Uuid::from_u128(pick(4) as u128);
    let name = format!("name-{}", pick(4));
    let other = tree.find(Uuid::from_u128(pick(4) as u128));
    let Some(provider) = tree.find(uuid) else {
        let created = match other {
            Some(parent) => tree.create_child(&parent, &name, uuid),
            None => tree.create_root(&name, uuid),
        };
        return expected(created.map(drop));
    };
    match pick(3) {
        0 => expected(tree.remove(&provider).map(drop)),
        1 => expected(tree.rename(&provider, &name)),
        _ => expected(tree.reparent(&provider, other.as_ref())),
    }
}

fn expected(result: Result<(), Error>) {
    match result {
        Ok(())
        | Err(Error::UuidExists { .. })
        | Err(Error::NameExists { .. })
        | Err(Error::Removed { .. })
        | Err(Error::WouldCycle { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

//! What the tests share: small forests, books to check, threads that go on meanwhile.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use provider_tree::{
    Claim, Dump, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass,
    Result, Worker,
};
use uuid::Uuid;

pub(crate) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(crate) const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
pub(crate) const GPU: ResourceClass = ResourceClass::PGPU;

/// The consumer with this number.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(1, number)
}

/// A consumer of one thread's own.
pub(crate) fn own(seat: usize, number: u64) -> Uuid {
    Uuid::from_u64_pair(2 + seat as u64, number)
}

pub(crate) fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

pub(crate) fn set(tree: &ProviderTree, provider: &Provider, inventories: Inventories) {
    tree.configure(provider, inventories, Expect::Any).unwrap();
}

/// A root with so many VCPU.
pub(crate) fn host(tree: &ProviderTree, name: &str, total: u64) -> Provider {
    let host = tree.create_root(name, None).unwrap();
    set(tree, &host, of(VCPU, total));
    host
}

/// A child with so many VCPU.
pub(crate) fn child(tree: &ProviderTree, parent: &Provider, name: &str, total: u64) -> Provider {
    let child = tree.create_child(parent, name, None).unwrap();
    set(tree, &child, of(VCPU, total));
    child
}

/// A forest of one host with so many VCPU, and a worker.
pub(crate) fn one_host(total: u64) -> (ProviderTree, Provider, Worker) {
    let tree = ProviderTree::new();
    let host = host(&tree, "host", total);
    let worker = tree.worker().unwrap();
    (tree, host, worker)
}

/// A forest of two hosts with so many VCPU each, and a worker.
pub(crate) fn two_hosts(total: u64) -> (ProviderTree, [Provider; 2], Worker) {
    let tree = ProviderTree::new();
    let hosts = ["host-0", "host-1"].map(|name| host(&tree, name, total));
    let worker = tree.worker().unwrap();
    (tree, hosts, worker)
}

/// A claim of so many VCPU.
pub(crate) fn cpus(consumer: Uuid, provider: &Provider, amount: u64) -> Claim {
    Claim::new(consumer).take(provider, VCPU, amount)
}

pub(crate) fn claim(worker: &mut Worker, consumer: Uuid, provider: &Provider, amount: u64) {
    let _receipt = worker.claim(&cpus(consumer, provider, amount)).unwrap();
}

/// How many VCPU are used.
pub(crate) fn used(tree: &ProviderTree, provider: &Provider) -> u64 {
    tree.usage(provider, VCPU).unwrap().used
}

pub(crate) fn generation(tree: &ProviderTree, provider: &Provider) -> u64 {
    tree.configuration(provider).unwrap().generation
}

/// The refusal of so many VCPU.
pub(crate) fn exceeded(provider: &Provider, requested: u64, free: u64) -> Error {
    Error::CapacityExceeded { provider: provider.uuid(), class: VCPU, requested, free }
}

pub(crate) fn cordoned(provider: &Provider) -> Error {
    Error::Cordoned { provider: provider.uuid() }
}

/// Fails unless `call` is refused and the forest is afterwards what it was before.
pub(crate) fn refused<T: std::fmt::Debug>(
    tree: &ProviderTree,
    call: impl FnOnce() -> Result<T>,
) -> Error {
    let before = tree.snapshot().dump().unwrap();
    let error = call().unwrap_err();
    assert_eq!(tree.snapshot().dump().unwrap(), before, "after {error:?}");
    error
}

/// Fails unless what is used is what is held or taken, of inventories that exist.
pub(crate) fn check_books(dump: &Dump) {
    let mut held = HashMap::<_, u64>::new();
    for allocation in dump.consumers.iter().flat_map(|consumer| &consumer.allocations) {
        *held.entry((allocation.provider, allocation.class)).or_default() += allocation.amount;
    }
    for provider in &dump.providers {
        for (class, amounts) in &provider.used {
            let uuid = provider.configuration.uuid;
            assert!(
                provider.configuration.inventories.get(*class).is_some(),
                "{class:?} of {uuid}"
            );
            let held = held.remove(&(uuid, *class)).unwrap_or(0);
            assert_eq!(amounts.used, held + amounts.taken, "{class:?} of {uuid}");
        }
    }
    assert!(held.is_empty(), "held of nothing: {held:?}");
    assert!(dump.consumers.iter().all(|consumer| !consumer.allocations.is_empty()));
}

/// Fails unless nothing is used beyond the capacity.
pub(crate) fn check_capacities(dump: &Dump) {
    for provider in &dump.providers {
        for (class, amounts) in &provider.used {
            let capacity =
                provider.configuration.inventories.get(*class).unwrap().capacity().unwrap();
            assert!(amounts.used <= capacity, "{class:?} of {}", provider.configuration.uuid);
        }
    }
}

/// Gives back what the thread's consumer of this round holds, and claims anew. Each thread has
/// eight of them.
pub(crate) fn churn(
    worker: &mut Worker,
    seat: usize,
    round: u64,
    wanted: impl FnOnce(Claim) -> Claim,
) -> Result<()> {
    let consumer = own(seat, round % 8);
    match worker.release(consumer) {
        Ok(_) | Err(Error::ConsumerNotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    worker.claim(&wanted(Claim::new(consumer))).map(drop)
}

/// Runs `body` in so many threads that start together, with their seats; what each returns.
pub(crate) fn together<T: Send>(threads: usize, body: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let run = |seat| {
        start.wait();
        body(seat)
    };
    thread::scope(|scope| {
        let run = &run;
        let spawned: Vec<_> = (0..threads).map(|seat| scope.spawn(move || run(seat))).collect();
        spawned.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Threads that go on while something else happens.
pub(crate) struct Others {
    rounds: Vec<AtomicU64>,
    over: AtomicBool,
    failed: AtomicBool,
}

impl Others {
    /// Waits until each has done at least so many whole rounds more.
    pub(crate) fn go_on(&self, more: u64) {
        let goals: Vec<_> = self.rounds().iter().map(|rounds| rounds + more + 1).collect();
        while self.rounds().iter().zip(&goals).any(|(rounds, goal)| rounds < goal) {
            assert!(!self.failed.load(Ordering::SeqCst), "another thread failed");
            thread::yield_now();
        }
    }

    /// How many rounds each has done.
    pub(crate) fn rounds(&self) -> Vec<u64> {
        self.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst)).collect()
    }
}

/// Sets a flag when it goes, also if that is by a panic.
struct Sets<'a>(&'a AtomicBool, bool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        if self.1 || thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// Repeats `round` in so many threads, each with a worker, its seat and the number of the round,
/// for as long as `body` runs.
pub(crate) fn meanwhile<T>(
    tree: &ProviderTree,
    threads: usize,
    round: impl Fn(&mut Worker, usize, u64) + Sync,
    body: impl FnOnce(&Others) -> T,
) -> T {
    let others = Others {
        rounds: (0..threads).map(|_| AtomicU64::new(0)).collect(),
        over: AtomicBool::new(false),
        failed: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let (others, round) = (&others, &round);
        for (seat, rounds) in others.rounds.iter().enumerate() {
            scope.spawn(move || {
                let _failed = Sets(&others.failed, false);
                let mut worker = tree.worker().unwrap();
                while !others.over.load(Ordering::SeqCst) {
                    round(&mut worker, seat, rounds.load(Ordering::SeqCst));
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _over = Sets(&others.over, true);
        others.go_on(1);
        body(others)
    })
}

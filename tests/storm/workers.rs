//! Workers and what they use, over and over: nothing may pile up.

use std::sync::{Mutex, PoisonError};

use provider_tree::{Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, Worker};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Storm};
use crate::{MEMORY, THREADS, VCPU};

/// How much more memory the process may have at the end than after the first third.
const GROWTH: u64 = 64 << 10;

/// How many workers may wait for someone who takes them on.
const SEATS: usize = 32;

/// A worker that has changed hands, and the consumer that it leaves to the next.
type Handed = (Worker, Option<Uuid>);

struct Office {
    tree: ProviderTree,
    providers: Vec<Provider>,
    bench: Mutex<Vec<Handed>>,
}

impl Office {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let provider = |number| {
            let provider = tree.create_root(&format!("provider-{number}"), None);
            let provider = provider.expect("a new name");
            let inventories = Inventories::new()
                .with(VCPU, Inventory::new(1 << 20))
                .with(MEMORY, Inventory::new(1 << 20));
            tree.configure(&provider, inventories, Expect::Any).expect("it exists");
            provider
        };
        let providers = (0..40).map(provider).collect();
        Office { tree, providers, bench: Mutex::new(Vec::new()) }
    }

    /// Takes on a worker, or finds a new one; lets it work, then go.
    fn shift(&self, gust: &mut Gust<'_>) {
        let (mut worker, left) = self.hire(gust);
        if let Some(consumer) = left {
            let released = worker.release(consumer);
            gust.expect("release by another thread", released, |_| false);
        }
        for _ in 0..gust.rng.up_to(4) {
            let consumer = self.claim(gust, &mut worker);
            gust.expect("release", worker.release(consumer), |_| false);
        }
        let consumer = gust.rng.percent(50).then(|| self.claim(gust, &mut worker));
        self.dismiss(gust, (worker, consumer));
    }

    fn hire(&self, gust: &mut Gust<'_>) -> Handed {
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        match gust.rng.percent(40) && !bench.is_empty() {
            true => {
                gust.count("worker from another thread");
                let seat = gust.rng.index(bench.len());
                bench.swap_remove(seat)
            }
            false => {
                gust.count("worker created");
                drop(bench);
                (self.tree.worker().expect("few at a time"), None)
            }
        }
    }

    /// Back to the bench while there are seats; else for good.
    fn dismiss(&self, gust: &mut Gust<'_>, handed: Handed) {
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        if bench.len() < SEATS && gust.rng.percent(50) {
            bench.push(handed);
            return;
        }
        drop(bench);
        let (mut worker, consumer) = handed;
        if let Some(consumer) = consumer {
            gust.expect("release", worker.release(consumer), |_| false);
        }
    }

    /// Claims for a consumer never seen before: of few providers, seldom of many.
    fn claim(&self, gust: &mut Gust<'_>, worker: &mut Worker) -> Uuid {
        let consumer = gust.rng.uuid();
        let most = if gust.rng.percent(5) { self.providers.len() } else { 3 };
        let first = gust.rng.index(self.providers.len());
        let mut claim = Claim::new(consumer);
        for provider in self.providers.iter().cycle().skip(first).take(1 + gust.rng.index(most)) {
            claim.extend([(*provider, VCPU, 1)]);
            claim.extend([(*provider, MEMORY, gust.rng.up_to(9))]);
        }
        gust.expect("claim", worker.claim(&claim), |_| false);
        consumer
    }

    /// Creates, changes and removes a provider with a uuid and a name never seen before.
    fn build(&self, gust: &mut Gust<'_>) {
        let mut name = || gust.rng.uuid().to_string();
        let (first, second) = (name(), name());
        let parent = *gust.rng.pick(&self.providers);
        let created = self.tree.create_child(&parent, &first, None);
        let Some(provider) = gust.expect("create", created, |_| false) else { return };
        let inventories = Inventories::new().with(VCPU, Inventory::new(8));
        let set = self.tree.configure(&provider, inventories, Expect::Any);
        gust.expect("set inventories", set, |_| false);
        gust.expect("rename", self.tree.rename(&provider, &second), |_| false);
        gust.expect("remove", self.tree.remove(&provider), |_| false);
        let again = self.tree.remove(&provider);
        gust.expect("remove again", again, |error| matches!(error, Error::Removed { .. }));
    }

    /// Ends the shift of those who still wait.
    fn close(&self) {
        let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        for (mut worker, consumer) in bench.drain(..) {
            if let Some(consumer) = consumer {
                assert!(worker.release(consumer).is_ok());
            }
        }
    }
}

/// The memory of this process in KiB, where the system says so.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[test]
fn workers_come_and_go() {
    let office = Office::new();
    let mut warm = None;
    let mut storm = Storm::new("workers_come_and_go");
    for _ in 0..THREADS - 2 {
        storm.thread("shift", |gust| {
            while gust.blows() {
                office.shift(gust);
            }
        });
    }
    storm.thread("builder", |gust| {
        while gust.blows() {
            office.build(gust);
        }
    });
    storm.thread("shift and memory", |gust| {
        while gust.blows() {
            office.shift(gust);
            if gust.is_warm() && warm.is_none() {
                warm = resident_memory();
            }
        }
    });
    let tally = storm.run();
    assert!(tally.of("worker created") > 0 && tally.of("release by another thread") > 0);
    if let (Some(warm), Some(now)) = (warm, resident_memory()) {
        eprintln!("workers_come_and_go: {warm} KiB after a third, {now} KiB at the end");
        assert!(now <= warm + GROWTH, "{warm} KiB have become {now} KiB");
    }
    office.close();
    assert!(office.tree.snapshot().consumers().unwrap().is_empty());
    assert!(office.tree.snapshot().audit().unwrap().holds());
    assert_eq!(office.tree.providers(), office.providers);
    assert_no_leaks(&office.tree);
}

//! What becomes of a claim over a thousand providers under a storm of small ones, and of the small
//! ones?
//!
//! `cargo bench --bench gang`. One thread claims a unit from each of many providers in one commit
//! and gives all back; others claim from one provider each. Rates per second, each kind alone and
//! both at once, the median over the rounds. With `--test` everything runs once, briefly.

#![expect(clippy::disallowed_types, reason = "the flag belongs to the benchmark")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::HOST;
use provider_tree::{
    Claim, Inventories, Inventory, Provider, ProviderSpec, ProviderTree, ResourceClass,
};
use uuid::Uuid;

const PROVIDERS: usize = 4096;
const VCPU: ResourceClass = ResourceClass::VCPU;

fn main() {
    let brief = std::env::args().any(|argument| argument == "--test");
    let (rounds, length) =
        if brief { (1, Duration::from_millis(20)) } else { (5, Duration::from_millis(500)) };
    println!("claims per second, median of {rounds} rounds of {} ms", length.as_millis());
    println!(
        "{:>9} {:>7} {:>12} {:>12} {:>12} {:>12} {:>10}",
        "providers", "threads", "large alone", "small alone", "large", "small", "retries"
    );
    let forest = Forest::new();
    for providers in [10, 100, 1000] {
        for threads in [1, 3] {
            let alone = median(rounds, || forest.run(length, providers, 0));
            let small = median(rounds, || forest.run(length, 0, threads));
            let both = median(rounds, || forest.run(length, providers, threads));
            println!(
                "{providers:>9} {threads:>7} {:>12.0} {:>12.0} {:>12.0} {:>12.0} {:>10.2}",
                alone.large, small.small, both.large, both.small, both.retries
            );
        }
    }
}

#[derive(Clone, Copy)]
struct Rates {
    large: f64,
    small: f64,
    /// Of each large claim.
    retries: f64,
}

fn median(rounds: usize, mut run: impl FnMut() -> Rates) -> Rates {
    let all: Vec<_> = (0..rounds).map(|_| run()).collect();
    let middle = |of: fn(&Rates) -> f64| {
        let mut values: Vec<_> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Rates {
        large: middle(|rates| rates.large),
        small: middle(|rates| rates.small),
        retries: middle(|rates| rates.retries),
    }
}

struct Forest {
    tree: ProviderTree,
    providers: Vec<Provider>,
}

impl Forest {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let vcpu = Inventories::new().with(VCPU, Inventory::new(HOST[0]));
        let spec = |number| {
            ProviderSpec::new(Uuid::new_v4(), format!("host-{number}"))
                .with_inventories(vcpu.clone())
        };
        let list: Vec<_> = (0..PROVIDERS).map(spec).collect();
        let providers = tree.populate(&list).expect("a sound list");
        Forest { tree, providers }
    }

    /// One thread with claims over `large` providers, unless that is none, and `small` others.
    fn run(&self, length: Duration, large: usize, small: usize) -> Rates {
        let start = Barrier::new(small + usize::from(large > 0));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (start, over) = (&start, &over);
            let others: Vec<_> = (0..small)
                .map(|seed| scope.spawn(move || self.small(seed as u64 + 1, start, over)))
                .collect();
            let (rate, retries) = match large {
                0 => {
                    thread::sleep(length);
                    (0.0, 0.0)
                }
                large => self.large(large, length, start),
            };
            // Relaxed: the others only have to notice at some time.
            over.store(true, Ordering::Relaxed);
            let small = others.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            Rates { large: rate, small, retries }
        })
    }

    fn large(&self, providers: usize, length: Duration, start: &Barrier) -> (f64, f64) {
        let mut worker = self.tree.worker().expect("few workers");
        let stride = PROVIDERS / providers;
        let consumer = Uuid::new_v4();
        let mut claim = Claim::new(consumer);
        for provider in self.providers.iter().step_by(stride).take(providers) {
            claim.extend([(*provider, VCPU, 1)]);
        }
        start.wait();
        let begin = Instant::now();
        let mut claims = 0.0;
        while begin.elapsed() < length {
            worker.claim(&claim).map(drop).expect("fits");
            worker.release(consumer).map(drop).expect("was claimed");
            claims += 1.0;
        }
        (claims / begin.elapsed().as_secs_f64(), worker.metrics().retries as f64 / claims)
    }

    fn small(&self, seed: u64, start: &Barrier, over: &AtomicBool) -> f64 {
        let mut worker = self.tree.worker().expect("few workers");
        let consumer = Uuid::new_v4();
        let mut random = seed;
        start.wait();
        let begin = Instant::now();
        let mut claims = 0.0;
        while !over.load(Ordering::Relaxed) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let provider = &self.providers[(random >> 20) as usize % PROVIDERS];
            worker.claim(&Claim::new(consumer).take(provider, VCPU, 1)).map(drop).expect("fits");
            worker.release(consumer).map(drop).expect("was claimed");
            claims += 1.0;
        }
        claims / begin.elapsed().as_secs_f64()
    }
}

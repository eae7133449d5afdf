//! What does a claim cost, beside a mutex per provider?
//!
//! `cargo bench --bench claim`. Ours and the peers run alternately in one process; each figure is
//! the median over the rounds, and so is each ratio of two neighbours. With `--test` everything
//! runs once, briefly.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use provider_tree::{Claim, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass};
use uuid::Uuid;

const CLASSES: [ResourceClass; 3] =
    [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
const CAPACITY: u64 = 1 << 40;

fn main() {
    let brief = std::env::args().any(|argument| argument == "--test");
    let (rounds, length) =
        if brief { (1, Duration::from_millis(5)) } else { (9, Duration::from_millis(200)) };
    println!(
        "ns per operation and thread, median of {rounds} rounds of {} ms; ratio: ours / peer",
        length.as_millis()
    );
    println!("{:58} {:>7} {:>8} {:>8} {:>6}", "workload", "threads", "ours", "peer", "ratio");
    for (providers, name) in [(8192, "8,192 providers"), (4, "4 hot providers")] {
        let ours = Ours::new(providers);
        let peer = Peer::new(providers);
        for threads in [1, 2] {
            let workload = Workload { rounds, length, threads, providers };
            workload.compare(
                &format!("take and put back 3 classes, {name} (mutex)"),
                |thread| ours.take_and_put_back(thread),
                |_| peer.take_and_put_back(),
            );
            workload.compare(
                &format!("claim and release, {name} (mutex + mutex of map)"),
                |thread| ours.claim_and_release(thread),
                |thread| peer.claim_and_release(thread),
            );
        }
    }
}

/// One line of the table.
struct Workload {
    rounds: usize,
    length: Duration,
    threads: usize,
    providers: usize,
}

impl Workload {
    /// Runs both sides alternately. Each maker makes, within a thread, what is timed there; it is
    /// given the index of a provider. An operation is half of a call: every call changes and
    /// changes back.
    fn compare<A: FnMut(usize), B: FnMut(usize)>(
        &self,
        name: &str,
        ours: impl Fn(usize) -> A + Sync,
        peer: impl Fn(usize) -> B + Sync,
    ) {
        let mut rounds: Vec<_> = (0..self.rounds)
            .map(|_| {
                let ours = self.time(&ours);
                let peer = self.time(&peer);
                [ours, peer, ours / peer]
            })
            .collect();
        let mut median = |index: usize| {
            rounds.sort_by(|a, b| a[index].total_cmp(&b[index]));
            rounds[rounds.len() / 2][index]
        };
        let (ours, peer, ratio) = (median(0), median(1), median(2));
        println!("{name:58} {:7} {ours:8.1} {peer:8.1} {ratio:6.2}", self.threads);
    }

    /// Nanoseconds per call, averaged over the threads.
    fn time<F: FnMut(usize)>(&self, make: &(impl Fn(usize) -> F + Sync)) -> f64 {
        let start = Barrier::new(self.threads);
        let times: Vec<f64> = thread::scope(|scope| {
            let timed = |thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut operation = make(thread);
                    let mut random = Random(thread as u64 + 1);
                    start.wait();
                    let begin = Instant::now();
                    let mut calls = 0_u64;
                    while begin.elapsed() < self.length {
                        for _ in 0..256 {
                            operation(random.next() as usize % self.providers);
                        }
                        calls += 256;
                    }
                    begin.elapsed().as_nanos() as f64 / calls as f64
                })
            };
            let threads: Vec<_> = (0..self.threads).map(timed).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        times.iter().sum::<f64>() / times.len() as f64
    }
}

/// xorshift64*: enough to pick a provider.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

/// A consumer of this thread: uuids spread as random ones do.
fn consumer(thread: usize, number: u64) -> Uuid {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ thread as u64)
}

struct Ours {
    tree: ProviderTree,
    providers: Vec<Provider>,
}

impl Ours {
    fn new(count: usize) -> Self {
        let tree = ProviderTree::new();
        let create = |number| {
            let provider = tree.create_root(&format!("host-{number}"), None).expect("a new name");
            let inventories: Inventories =
                CLASSES.map(|class| (class, Inventory::new(CAPACITY))).into_iter().collect();
            tree.set_inventories(&provider, inventories, Expect::Any).expect("valid");
            provider
        };
        let providers = (0..count).map(create).collect();
        Ours { tree, providers }
    }

    fn take_and_put_back(&self, _thread: usize) -> impl FnMut(usize) {
        let mut worker = self.tree.worker().expect("few workers");
        let amounts = CLASSES.map(|class| (class, 1));
        move |at| {
            let provider = &self.providers[at];
            worker.take(provider, black_box(&amounts)).expect("fits");
            worker.put_back(provider, black_box(&amounts)).expect("was taken");
        }
    }

    fn claim_and_release(&self, thread: usize) -> impl FnMut(usize) {
        let mut worker = self.tree.worker().expect("few workers");
        let mut number = 0;
        move |at| {
            number += 1;
            let provider = &self.providers[at];
            let consumer = consumer(thread, number);
            let mut claim = Claim::new(consumer);
            for class in CLASSES {
                claim.take_mut(provider, class, 1);
            }
            worker.claim(&claim).map(drop).expect("fits");
            worker.release(consumer).map(drop).expect("was claimed");
        }
    }
}

/// Provider, class, amount.
type Held = (usize, usize, u64);

/// What a user would write: a mutex for each provider, and one around a map of what is held.
struct Peer {
    providers: Vec<Mutex<[(u64, u64); 3]>>,
    held: Mutex<HashMap<Uuid, Vec<Held>>>,
}

impl Peer {
    fn new(count: usize) -> Self {
        let provider = |_| Mutex::new([(CAPACITY, 0); 3]);
        Peer { providers: (0..count).map(provider).collect(), held: Mutex::default() }
    }

    /// All amounts or none.
    fn take(&self, at: usize, amounts: &[u64; 3]) -> bool {
        let mut provider = self.providers[at].lock();
        let fits = provider.iter().zip(amounts).all(|((capacity, used), a)| used + a <= *capacity);
        if fits {
            provider.iter_mut().zip(amounts).for_each(|((_, used), amount)| *used += amount);
        }
        fits
    }

    fn put_back(&self, at: usize, amounts: &[u64; 3]) {
        let mut provider = self.providers[at].lock();
        provider.iter_mut().zip(amounts).for_each(|((_, used), amount)| *used -= amount);
    }

    fn take_and_put_back(&self) -> impl FnMut(usize) {
        |at| {
            assert!(self.take(at, black_box(&[1; 3])));
            self.put_back(at, black_box(&[1; 3]));
        }
    }

    fn claim_and_release(&self, thread: usize) -> impl FnMut(usize) {
        let mut number = 0;
        move |at| {
            number += 1;
            let consumer = consumer(thread, number);
            assert!(self.take(at, black_box(&[1; 3])));
            let held = (0..3).map(|class| (at, class, 1)).collect();
            self.held.lock().insert(consumer, held);
            let held = self.held.lock().remove(&consumer).expect("just inserted");
            let mut amounts = [0; 3];
            held.iter().for_each(|&(_, class, amount)| amounts[class] = amount);
            self.put_back(held[0].0, &amounts);
        }
    }
}

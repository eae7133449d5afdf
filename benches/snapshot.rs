//! What does a snapshot cost: to take, to have, to read?
//!
//! `cargo bench --bench snapshot`. With `--test` everything runs once, briefly. The throughput of
//! claims without snapshots, with a new one every millisecond, and with one that is held, is measured
//! alternately; each ratio is the median over the rounds.

#![expect(clippy::disallowed_types, reason = "the benchmark stops its threads with std's atomics")]

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::{CLASSES, HOST, JOB, amounts, inventories};
use provider_tree::{Claim, Provider, ProviderSpec, ProviderTree, Snapshot};
use uuid::Uuid;

fn main() {
    let brief = std::env::args().any(|argument| argument == "--test");
    // First, while this process has no memory left from anything else.
    keeping(if brief { 100 } else { 100_000 });
    let sizes: &[usize] = if brief { &[100] } else { &[1_000, 100_000, 1_000_000] };
    taking(sizes, if brief { 10 } else { 100_000 });
    let clusters: &[_] = if brief { &[(10, 20)] } else { &[(10_000, 10_000), (1_000, 96_000)] };
    reading(clusters);
    let (rounds, length) =
        if brief { (1, Duration::from_millis(10)) } else { (61, Duration::from_millis(60)) };
    claiming(rounds, length);
    differing(if brief { 1_000 } else { 1_000_000 });
    forking(if brief { 10 } else { 20_000 });
}

/// A forest of so many roots, in which nothing is held.
fn forest(count: usize) -> (ProviderTree, Vec<Provider>) {
    let tree = ProviderTree::new();
    let inventories = inventories(HOST);
    let mut providers = Vec::with_capacity(count);
    let numbers: Vec<_> = (0..count).collect();
    for numbers in numbers.chunks(100_000) {
        let specs: Vec<_> = numbers
            .iter()
            .map(|number| {
                let spec = ProviderSpec::new(consumer(9, *number as u64), format!("host-{number}"));
                spec.with_inventories(inventories.clone())
            })
            .collect();
        providers.extend(tree.populate(&specs).expect("valid"));
    }
    (tree, providers)
}

fn taking(sizes: &[usize], times: u32) {
    println!("take a snapshot and drop it");
    for &count in sizes {
        let (tree, _) = forest(count);
        let begin = Instant::now();
        for _ in 0..times {
            black_box(tree.snapshot());
        }
        let each = begin.elapsed().as_nanos() as f64 / f64::from(times);
        println!("    {count:9} providers {each:10.0} ns");
    }
}

fn reading(clusters: &[(usize, u64)]) {
    println!("read all of a snapshot, ms");
    println!("    {:>9} {:>9} {:>8} {:>8} {:>8}", "nodes", "pods", "usages", "audit", "dump");
    for &(nodes, pods) in clusters {
        let (tree, providers) = forest(nodes);
        let mut worker = tree.worker().expect("few workers");
        for pod in 0..pods {
            let node = &providers[pod as usize % nodes];
            let mut claim = Claim::new(consumer(1, pod));
            for (class, amount) in amounts(JOB) {
                claim.extend([(*node, class, amount)]);
            }
            worker.claim(&claim).expect("it fits");
        }
        let snapshot = tree.snapshot();
        let usages = |snapshot: &Snapshot| {
            for provider in snapshot.providers().expect("not too old") {
                black_box(snapshot.usages(&provider).expect("it exists"));
            }
        };
        let usages = milliseconds(|| usages(&snapshot));
        let audit = milliseconds(|| assert!(snapshot.audit().expect("not too old").holds()));
        let dump = milliseconds(|| drop(black_box(snapshot.dump().expect("not too old"))));
        println!("    {nodes:9} {pods:9} {usages:8.2} {audit:8.2} {dump:8.2}");
    }
}

/// The median of five.
fn milliseconds(mut body: impl FnMut()) -> f64 {
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let begin = Instant::now();
            body();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn claiming(rounds: usize, length: Duration) {
    println!("claims beside snapshots, operations/s and thread; ratio to none; kept versions");
    println!(
        "    {:34} {:>7} {:>9} {:>9} {:>5} {:>9} {:>5} {:>7}",
        "workload", "threads", "none", "each ms", "", "one held", "", "kept"
    );
    for (count, name) in [(8192, "8,192 providers"), (4, "4 hot providers")] {
        let (tree, providers) = forest(count);
        for (operation, workload) in [
            (take_and_put_back as Operation, "take and put back"),
            (claim_and_release, "claim and release"),
        ] {
            for threads in [1, 2] {
                let run = |beside: &dyn Fn(&AtomicBool)| {
                    throughput(&tree, &providers, threads, length, operation, beside)
                };
                // A thread that wakes up each millisecond costs the others something by itself.
                let awake = |over: &AtomicBool| {
                    while !over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(1));
                    }
                };
                let mut results = Vec::new();
                let mut kept = 0;
                for _ in 0..rounds {
                    let none = run(&awake);
                    let each = run(&|over| {
                        let mut held = tree.snapshot();
                        while !over.load(Ordering::Relaxed) {
                            thread::sleep(Duration::from_millis(1));
                            held = tree.snapshot();
                        }
                        drop(held);
                    });
                    let held = tree.snapshot();
                    let one = run(&awake);
                    kept = kept.max(held.kept());
                    drop(held);
                    results.push([none, each, each / none, one, one / none]);
                }
                let mut median = |index: usize| {
                    results.sort_by(|a, b| a[index].total_cmp(&b[index]));
                    results[results.len() / 2][index]
                };
                let [none, each, to_each, one, to_one] = std::array::from_fn(&mut median);
                println!(
                    "    {:34} {threads:7} {none:9.0} {each:9.0} {to_each:5.2} {one:9.0} \
                     {to_one:5.2} {kept:7}",
                    format!("{workload}, {name}")
                );
            }
        }
        assert_eq!(tree.memory().snapshots, 0);
    }
}

type Operation = fn(&ProviderTree, &[Provider], usize, &AtomicBool) -> u64;

/// Operations per second and thread while `beside` runs in another thread.
fn throughput(
    tree: &ProviderTree,
    providers: &[Provider],
    threads: usize,
    length: Duration,
    operation: Operation,
    beside: &dyn Fn(&AtomicBool),
) -> f64 {
    let over = AtomicBool::new(false);
    let start = Barrier::new(threads + 1);
    let mut done = 0;
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (over, start) = (&over, &start);
                scope.spawn(move || {
                    start.wait();
                    operation(tree, providers, thread, over)
                })
            })
            .collect();
        let over = &over;
        scope.spawn(move || {
            thread::sleep(length);
            over.store(true, Ordering::Relaxed);
        });
        start.wait();
        beside(over);
        done = running.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    });
    done as f64 / length.as_secs_f64() / threads as f64
}

fn take_and_put_back(
    tree: &ProviderTree,
    providers: &[Provider],
    thread: usize,
    over: &AtomicBool,
) -> u64 {
    let mut worker = tree.worker().expect("few workers");
    let amounts = amounts(JOB);
    let mut random = Random(thread as u64 + 1);
    let mut done = 0;
    while !over.load(Ordering::Relaxed) {
        let provider = &providers[random.next() as usize % providers.len()];
        worker.take(provider, &amounts).expect("it fits");
        worker.put_back(provider, &amounts).expect("it was taken");
        done += 2;
    }
    done
}

fn claim_and_release(
    tree: &ProviderTree,
    providers: &[Provider],
    thread: usize,
    over: &AtomicBool,
) -> u64 {
    let mut worker = tree.worker().expect("few workers");
    let mut random = Random(thread as u64 + 1);
    let mut done = 0;
    while !over.load(Ordering::Relaxed) {
        let provider = &providers[random.next() as usize % providers.len()];
        let mut claim = Claim::new(consumer(thread, done));
        for (class, amount) in amounts(JOB) {
            claim.extend([(*provider, class, amount)]);
        }
        let receipt = worker.claim(&claim).expect("it fits");
        worker.release(receipt.consumer).expect("it holds something");
        done += 2;
    }
    done
}

/// What is kept for a snapshot that is held while every provider changes in the time of three later
/// ones, and what is given back: the second time takes no more memory.
fn keeping(count: usize) {
    println!("memory kept for a snapshot of {count} providers, all of which change");
    let (tree, providers) = forest(count);
    let mut worker = tree.worker().expect("few workers");
    let before = resident();
    for time in ["first", "second"] {
        let held = tree.snapshot();
        for _ in 0..3 {
            for provider in &providers {
                worker.take(provider, &[(CLASSES[0], JOB[0])]).expect("it fits");
            }
            drop(tree.snapshot());
        }
        let kept = held.kept();
        let while_held = resident();
        assert_eq!(held.usage(&providers[0], CLASSES[0]).map(|usage| usage.used % 3), Ok(0));
        let begin = Instant::now();
        drop(held);
        let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
        let grown = |to: u64| to.saturating_sub(before) as f64 / (1 << 20) as f64;
        println!(
            "    {time:6} time: {kept} kept, {:.1} MiB more while it is held, {:.1} MiB after; \
             dropped in {milliseconds:.1} ms",
            grown(while_held),
            grown(resident()),
        );
    }
}

/// The memory of this process in bytes, where the system says so.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn differing(count: usize) {
    println!("changes since a snapshot, of {count} providers, ms");
    let (tree, providers) = forest(count);
    let mut worker = tree.worker().expect("few workers");
    for changed in [0, 1, 100, count / 100] {
        let before = tree.snapshot();
        for number in 0..changed {
            let provider = &providers[number * (count / changed)];
            worker.take(provider, &[(CLASSES[0], JOB[0])]).expect("it fits");
        }
        let now = tree.snapshot();
        let time = milliseconds(|| {
            let changes = now.changes_since(&before).expect("not too old");
            assert_eq!(changes.len(), changed);
        });
        println!("    {changed:9} changed {time:10.3}");
    }
}

fn forking(times: u64) {
    let (tree, providers) = forest(1_000);
    let mut worker = tree.worker().expect("few workers");
    let all = |consumer: Uuid, provider: &Provider| {
        Claim::new(consumer).take(provider, CLASSES[0], HOST[0])
    };
    for (number, provider) in providers.iter().enumerate() {
        worker.claim(&all(consumer(2, number as u64), provider)).expect("it fits");
    }
    let snapshot = tree.snapshot();
    let begin = Instant::now();
    for number in 0..times {
        let at = number as usize % providers.len();
        let mut fork = snapshot.fork();
        fork.release(consumer(2, at as u64)).expect("it holds something");
        fork.claim(&all(consumer(3, number), &providers[at])).expect("it fits now");
        black_box(fork);
    }
    let each = begin.elapsed().as_nanos() as f64 / times as f64;
    println!("fork, evict one, place another: {each:.0} ns");
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

/// Uuids spread as random ones do.
fn consumer(thread: usize, number: u64) -> Uuid {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ thread as u64)
}

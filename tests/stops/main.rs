//! Threads stopped for ever in the middle of an allocation: at every one that every changing call makes.
//!
//! A thread can stop anywhere. `src/tests/` stops it at the steps of the protocols; here it stops in the
//! allocator, which also is in the middle of whatever the crate's dependencies do. What others wait for
//! then, they wait for for ever.
//!
//! Excepted are allocations under the lock of an index's shard, of which the crate says that others may
//! wait for it: they are told by their backtraces, counted, and passed over.
//!
//! One test at a time: there is one place at which a thread stops, and one count of what is allocated.
#![expect(
    clippy::disallowed_types,
    reason = "tests start and stop their threads with std's atomics"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

// `cluster` finds these here, as it does in the crate.
use provider_tree::{
    Batch, Claim, Deadline, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Trait,
};
use uuid::Uuid;

use allocator::{FOR_EVER, go_on, live, reset, stopped, stopping};
use calls::{CALLS, Prepare};
use cluster::{Cluster, VCPU, assert_sound, everything_else};

mod allocator;
mod calls;
#[path = "../../src/tests/cluster.rs"]
mod cluster;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` in a thread of its own, and fails if it does not come to an end.
fn must_end(what: &str, body: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if is_done.recv_timeout(FOR_EVER).is_err() {
        assert!(thread.is_finished(), "{what}: others wait for the stopped thread");
    }
    if let Err(panic) = thread.join() {
        eprintln!("{what}: others failed");
        std::panic::resume_unwind(panic);
    }
}

/// A thread in a call, which it has begun and not ended.
struct Stopped {
    cluster: Arc<Cluster>,
    backtrace: String,
    thread: thread::JoinHandle<()>,
}

impl Stopped {
    /// None if the call makes fewer allocations.
    fn at(allocation: usize, prepare: Prepare) -> Option<Stopped> {
        let cluster = Arc::new(Cluster::new());
        let of_thread = Arc::clone(&cluster);
        reset();
        let thread = thread::spawn(move || {
            let call = prepare(&of_thread);
            stopping(allocation, call);
        });
        let Some(backtrace) = stopped() else {
            thread.join().unwrap();
            return None;
        };
        Some(Stopped { cluster, backtrace, thread })
    }

    /// Whether it holds the lock of an index's shard.
    fn has_lock(&self) -> bool {
        let is_locked = |line: &str| {
            line.contains("dashmap::")
                && !line.contains("with_hasher")
                && !line.contains("with_capacity")
        };
        self.backtrace.lines().any(is_locked)
    }

    fn go_on(self) -> Arc<Cluster> {
        go_on(0);
        self.thread.join().unwrap();
        self.cluster
    }
}

/// The calls that may allocate nothing, and so stop nowhere.
const FRUGAL: [&str; 2] = ["remove a leaf", "put back"];

#[test]
fn a_thread_stopped_in_the_allocator_stops_nobody() {
    let _alone = alone();
    let (mut all, mut all_passed) = (0, 0);
    for (name, prepare) in CALLS {
        let (mut stops, mut passed) = (0, 0);
        for allocation in 1.. {
            let Some(stopped) = Stopped::at(allocation, *prepare) else { break };
            let what = format!("{name} at allocation {allocation}");
            if stopped.has_lock() {
                passed += 1;
            } else {
                stops += 1;
                let cluster = Arc::clone(&stopped.cluster);
                must_end(&what, move || everything_else(&cluster));
            }
            assert_sound(&stopped.go_on(), &what);
        }
        println!("{name}: stopped at {stops} allocations, {passed} more under a shard's lock");
        assert!(stops > 0 || FRUGAL.contains(name), "{name}: stopped nowhere");
        all += stops;
        all_passed += passed;
    }
    println!("stopped at {all} allocations in all, {all_passed} more under a shard's lock");
    assert!(all_passed > 0, "no index has grown");
    assert!(all > 10 * all_passed, "hardly anything was stopped");
}

/// Each change and each thing that waits for memory would leave more behind than this.
const NOTHING: isize = 64 << 10;

#[test]
fn a_thread_stopped_in_a_lease_keeps_no_memory_of_others() {
    let _alone = alone();
    let churn = |cluster: &Cluster, times: u64| {
        let mut worker = cluster.tree.worker().unwrap();
        for number in 0..times {
            let claim = Claim::new(Uuid::from_u128(200)).take(&cluster.other, VCPU, 1);
            let _ = worker.lease(&claim, Deadline(number)).unwrap();
            let _ = worker.release(claim.consumer().unwrap()).unwrap();
        }
    };
    let (_, lease) = CALLS.iter().find(|(name, _)| *name == "lease").unwrap();
    let mut stops = 0;
    for allocation in 1.. {
        let Some(stopped) = Stopped::at(allocation, *lease) else { break };
        if !stopped.has_lock() {
            stops += 1;
            let cluster = Arc::clone(&stopped.cluster);
            must_end("churn", move || {
                churn(&cluster, 200);
                let before = live();
                churn(&cluster, 2_000);
                let more = live() - before;
                assert!(more < NOTHING, "allocation {allocation}: {more} bytes for 2,000 leases");
            });
        }
        assert_sound(&stopped.go_on(), "lease");
    }
    assert!(stops > 0);
}

#[test]
fn an_asker_stopped_in_the_allocator_is_waited_for_once() {
    const PROVIDERS: u128 = 1_000;
    /// After so many attempts that have lost it asks.
    const LOSSES: usize = 2;
    /// Many changes and some silences take far less, waiting in turns for each cell far more.
    const SOON: Duration = Duration::from_secs(10);

    let _alone = alone();
    let cluster = Arc::new(Cluster::new());
    let below = |number| {
        ProviderSpec::new(Uuid::from_u128(1_000 + number), format!("below-{number}"))
            .with_parent(cluster.leaf.uuid())
    };
    let below: Vec<_> = (0..PROVIDERS).map(below).collect();
    cluster.tree.populate(&below).unwrap();
    let change = |cluster: &Cluster| {
        let mut worker = cluster.tree.worker().unwrap();
        worker.take(&cluster.leaf, &[(VCPU, 1)]).unwrap();
        worker.put_back(&cluster.leaf, &[(VCPU, 1)]).unwrap();
    };

    reset();
    let of_thread = Arc::clone(&cluster);
    let asker = thread::spawn(move || {
        stopping(1, || {
            let _ = of_thread.tree.cordon(&of_thread.leaf);
        });
    });
    // Once in each attempt it makes the list of what is left to do, with its first cells opened. If one
    // of them changes then, it loses.
    let mut attempts = 0;
    while attempts <= LOSSES {
        let backtrace = stopped().expect("an attempt that has lost is made again");
        if backtrace.contains("inherit_below") && !backtrace.contains("grow_one") {
            attempts += 1;
            if attempts <= LOSSES {
                change(&cluster);
            }
        }
        if attempts <= LOSSES {
            go_on(1);
        }
    }

    // Now with more threads than processors that don't give up their turn.
    let is_over = Arc::new(AtomicBool::new(false));
    let processors = thread::available_parallelism().unwrap().get();
    let hogs: Vec<_> = (0..2 * processors)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            // Relaxed: it only has to notice at some time.
            thread::spawn(move || while !is_over.load(Ordering::Relaxed) {})
        })
        .collect();
    let others = Arc::clone(&cluster);
    let start = Instant::now();
    must_end("beside an asker", move || {
        let change = |cluster: &Cluster| {
            let mut worker = cluster.tree.worker().unwrap();
            for _ in 0..50 {
                worker.take(&cluster.leaf, &[(VCPU, 1)]).unwrap();
                worker.put_back(&cluster.leaf, &[(VCPU, 1)]).unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| change(&others)))));
    });
    let took = start.elapsed();
    is_over.store(true, Ordering::Relaxed);
    hogs.into_iter().for_each(|hog| hog.join().unwrap());
    println!("400 changes beside a stopped asker: {took:?}");
    go_on(0);
    asker.join().unwrap();
    assert!(cluster.tree.is_cordoned(&cluster.leaf).unwrap());
    assert_sound(&cluster, "an asker");
    assert!(took < SOON, "{took:?}");
}

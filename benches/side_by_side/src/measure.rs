//! Runs one side of a comparison: so many threads for so long, first for throughput, then for
//! latency.
//!
//! The two are measured apart, since reading the clock twice for each call costs more than many a
//! call does.

#![expect(clippy::disallowed_types, reason = "the flags belong to the benchmark")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::peer::Peer;

/// How long and with how many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    pub(crate) length: Duration,
}

/// What one run has shown.
pub(crate) struct Sample {
    /// Of all threads together.
    pub(crate) calls_per_second: f64,
    /// Nanoseconds of single calls, with the cost of reading the clock.
    pub(crate) latencies: Histogram<u64>,
}

/// One side of a comparison: a structure, ours or a peer's, and what is done with it.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) locks: bool,
    run: Box<dyn Fn(Plan) -> Sample>,
}

/// A thread's loop beside those that are measured.
type Beside = Arc<dyn Fn(usize, &AtomicBool) + Send + Sync>;

impl Side {
    /// All runs are on the same structure. `make` makes, within a thread, the call that is
    /// measured.
    pub(crate) fn new<P: Peer, F: FnMut()>(
        forest: &Arc<P>,
        make: impl Fn(P::Session, usize) -> F + Sync + 'static,
    ) -> Self {
        let forest = forest.clone();
        let run = move |plan| run(plan, &[], &|thread| make(forest.session(), thread));
        Side { name: P::NAME, locks: P::LOCKS, run: Box::new(run) }
    }

    /// The same while so many other threads do what `other` makes.
    pub(crate) fn beside<P: Peer, F: FnMut(), G: FnMut()>(
        forest: &Arc<P>,
        make: impl Fn(P::Session, usize) -> F + Sync + 'static,
        others: usize,
        other: impl Fn(P::Session, usize) -> G + Send + Sync + 'static,
    ) -> Self {
        let forest = forest.clone();
        let its = forest.clone();
        let beside: Beside = Arc::new(move |thread, over| {
            let mut call = other(its.session(), thread);
            // Relaxed: it only has to notice at some time.
            while !over.load(Ordering::Relaxed) {
                call();
            }
        });
        let beside = vec![beside; others];
        let run = move |plan| run(plan, &beside, &|thread| make(forest.session(), thread));
        Side { name: P::NAME, locks: P::LOCKS, run: Box::new(run) }
    }

    /// Each run is on a structure of its own, for calls that make it grow.
    pub(crate) fn afresh<P: Peer, F: FnMut()>(
        build: impl Fn() -> Arc<P> + 'static,
        make: impl Fn(P::Session, usize) -> F + Sync + 'static,
    ) -> Self {
        let run = move |plan| {
            let forest = build();
            run(plan, &[], &|thread| make(forest.session(), thread))
        };
        Side { name: P::NAME, locks: P::LOCKS, run: Box::new(run) }
    }

    pub(crate) fn run(&self, plan: Plan) -> Sample {
        (self.run)(plan)
    }
}

/// No call of interest takes longer than this, in nanoseconds; one that does counts as this.
const LONGEST: u64 = 60_000_000_000;

/// Room for latencies, to one per cent: few enough buckets to stay out of the caches' way.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are in order")
}

fn run<F: FnMut()>(plan: Plan, beside: &[Beside], make: &(impl Fn(usize) -> F + Sync)) -> Sample {
    let barrier = Barrier::new(plan.threads + beside.len());
    let between = Barrier::new(plan.threads);
    let begins = [OnceLock::new(), OnceLock::new()];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (barrier, between, over, begins) = (&barrier, &between, &over, &begins);
        let others: Vec<_> = beside
            .iter()
            .enumerate()
            .map(|(number, beside)| {
                scope.spawn(move || {
                    barrier.wait();
                    beside(plan.threads + number, over);
                })
            })
            .collect();
        let measured: Vec<_> = (0..plan.threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut call = make(thread);
                    barrier.wait();
                    // All count from one instant: with more threads than cores some come late.
                    let rate = throughput(begins[0].get_or_init(Instant::now), plan, &mut call);
                    between.wait();
                    let begin = begins[1].get_or_init(Instant::now);
                    (rate, latencies(begin, plan, &mut call))
                })
            })
            .collect();
        let mut sample = Sample { calls_per_second: 0.0, latencies: histogram() };
        for thread in measured {
            let (rate, latencies) = thread.join().expect("no call panics");
            sample.calls_per_second += rate;
            sample.latencies += latencies;
        }
        over.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().expect("no call panics"));
        sample
    })
}

/// Calls per second of one thread.
fn throughput(begin: &Instant, plan: Plan, call: &mut impl FnMut()) -> f64 {
    let mut calls = 0_u64;
    let mut batch = 1_u64;
    loop {
        let before = begin.elapsed();
        if calls > 0 && before >= plan.length {
            return calls as f64 / before.as_secs_f64();
        }
        (0..batch).for_each(|_| call());
        calls += batch;
        // Long enough that the clock does not count, short enough to end in time.
        if begin.elapsed() - before < Duration::from_micros(10) {
            batch *= 2;
        }
    }
}

fn latencies(begin: &Instant, plan: Plan, call: &mut impl FnMut()) -> Histogram<u64> {
    let mut latencies = histogram();
    let length = plan.length / 2;
    loop {
        let before = Instant::now();
        call();
        let after = Instant::now();
        // At most `u64::MAX` nanoseconds are 584 years.
        latencies.saturating_record((after - before).as_nanos() as u64);
        if after.duration_since(*begin) >= length {
            return latencies;
        }
    }
}

/// What reading the clock adds to each latency, in nanoseconds.
pub(crate) fn clock_cost() -> u64 {
    let mut costs = histogram();
    for _ in 0..10_000 {
        let before = Instant::now();
        costs.saturating_record(before.elapsed().as_nanos() as u64);
    }
    costs.value_at_quantile(0.5)
}

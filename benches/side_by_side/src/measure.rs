//! Runs one side of a comparison: so many threads for so long, first for throughput, then for
//! latency.
//!
//! The two are measured apart, since reading the clock twice for each call costs more than many a
//! call does. With the throughput the processor time is measured, of the threads that call and of
//! those that a side runs for them: on a busy machine it says more than the time that passes, and
//! what a side does by spinning or on another thread is in it.

#![expect(clippy::disallowed_types, reason = "the flags belong to the benchmark")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::{ProcessTime, ThreadTime};
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
    /// Nanoseconds of processors for each call, those of the threads beside left out.
    pub(crate) processor: f64,
    /// Nanoseconds of single calls, with the cost of reading the clock.
    pub(crate) latencies: Histogram<u64>,
}

/// One side of a comparison: a structure, ours or a peer's, and what is done with it.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) locks: bool,
    run: Box<dyn Fn(Plan) -> Sample>,
    note: Box<dyn Fn() -> String>,
}

/// A thread's loop beside those that are measured, until it is told to end; returns its processor
/// time while throughput was measured.
type Beside = Arc<dyn Fn(usize, &Phase) -> Duration + Send + Sync>;

/// What is measured now.
#[derive(Default)]
struct Phase {
    throughput: AtomicBool,
    over: AtomicBool,
}

impl Phase {
    /// Calls until all is over; returns the processor time while throughput was measured, to within
    /// one call.
    fn repeat(&self, mut call: impl FnMut()) -> Duration {
        let mut begin = None;
        let mut spent = Duration::ZERO;
        // Relaxed, both: it only has to notice at some time.
        while !self.over.load(Ordering::Relaxed) {
            match (self.throughput.load(Ordering::Relaxed), begin) {
                (true, None) => begin = Some(ThreadTime::now()),
                (false, Some(since)) => {
                    spent = since.elapsed();
                    begin = None;
                }
                _ => {}
            }
            call();
        }
        spent
    }
}

impl Side {
    /// All runs are on the same structure. `make` makes, within a thread, the call that is
    /// measured.
    pub(crate) fn new<P: Peer, F: FnMut()>(
        forest: &Arc<P>,
        make: impl Fn(P::Session, usize) -> F + Sync + 'static,
    ) -> Self {
        let forest = forest.clone();
        let run = move |plan| run(plan, &[], &|thread| make(forest.session(), thread));
        Side::of::<P>(run)
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
        let beside: Beside =
            Arc::new(move |thread, phase| phase.repeat(other(its.session(), thread)));
        let beside = vec![beside; others];
        let run = move |plan| run(plan, &beside, &|thread| make(forest.session(), thread));
        Side::of::<P>(run)
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
        Side::of::<P>(run)
    }

    fn of<P: Peer>(run: impl Fn(Plan) -> Sample + 'static) -> Self {
        let (run, note) = (Box::new(run), Box::new(String::new));
        Side { name: P::NAME, locks: P::LOCKS, run, note }
    }

    /// Each run comes after `prepare`.
    pub(crate) fn after(self, prepare: impl Fn(Plan) + 'static) -> Self {
        let run = move |plan| {
            prepare(plan);
            (self.run)(plan)
        };
        Side { run: Box::new(run), ..self }
    }

    /// What `note` says of all runs together stands beside their figures.
    pub(crate) fn noted(self, note: impl Fn() -> String + 'static) -> Self {
        Side { note: Box::new(note), ..self }
    }

    pub(crate) fn note(&self) -> String {
        (self.note)()
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

/// When throughput began to be measured.
struct Begin {
    time: Instant,
    processor: ProcessTime,
}

/// What one thread has done.
struct Throughput {
    calls: u64,
    seconds: f64,
    /// Of the whole process, until this thread was ready.
    processor: Duration,
}

fn run<F: FnMut()>(plan: Plan, beside: &[Beside], make: &(impl Fn(usize) -> F + Sync)) -> Sample {
    let barrier = Barrier::new(plan.threads + beside.len());
    let between = Barrier::new(plan.threads);
    let (begin, begin_latencies) = (OnceLock::new(), OnceLock::new());
    let phase = Phase::default();
    thread::scope(|scope| {
        let (barrier, between, phase) = (&barrier, &between, &phase);
        let (begin, begin_latencies) = (&begin, &begin_latencies);
        let others: Vec<_> = beside
            .iter()
            .enumerate()
            .map(|(number, beside)| {
                scope.spawn(move || {
                    barrier.wait();
                    beside(plan.threads + number, phase)
                })
            })
            .collect();
        let measured: Vec<_> = (0..plan.threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut call = make(thread);
                    barrier.wait();
                    // All count from one instant: with more threads than cores some come late.
                    let begin = begin.get_or_init(|| {
                        // Relaxed, here and below: pairs with the loads in `Phase::repeat`, which only
                        // have to notice at some time.
                        phase.throughput.store(true, Ordering::Relaxed);
                        Begin { time: Instant::now(), processor: ProcessTime::now() }
                    });
                    let done = throughput(begin, plan, &mut call);
                    if between.wait().is_leader() {
                        phase.throughput.store(false, Ordering::Relaxed);
                    }
                    let begin = begin_latencies.get_or_init(Instant::now);
                    (done, latencies(begin, plan, &mut call))
                })
            })
            .collect();
        let mut latencies = histogram();
        let mut all = Vec::new();
        for thread in measured {
            let (done, its) = thread.join().expect("no call panics");
            latencies += its;
            all.push(done);
        }
        phase.over.store(true, Ordering::Relaxed);
        let others = others.into_iter().map(|other| other.join().expect("no call panics"));
        let beside: Duration = others.sum();
        // The last thread that was ready has seen the time of all.
        let processor = all.iter().map(|done| done.processor).max().unwrap_or_default();
        let calls: u64 = all.iter().map(|done| done.calls).sum();
        Sample {
            calls_per_second: all.iter().map(|done| done.calls as f64 / done.seconds).sum(),
            processor: processor.saturating_sub(beside).as_nanos() as f64 / calls as f64,
            latencies,
        }
    })
}

/// Calls of one thread for as long as is planned.
fn throughput(begin: &Begin, plan: Plan, call: &mut impl FnMut()) -> Throughput {
    let mut calls = 0_u64;
    let mut batch = 1_u64;
    loop {
        let before = begin.time.elapsed();
        if calls > 0 && before >= plan.length {
            let processor = begin.processor.elapsed();
            return Throughput { calls, seconds: before.as_secs_f64(), processor };
        }
        (0..batch).for_each(|_| call());
        calls += batch;
        // Long enough that the clock does not count, short enough to end in time.
        if begin.time.elapsed() - before < Duration::from_micros(10) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_beside_are_not_part_of_the_processor_time() {
        let phase = Phase::default();
        let spent = thread::scope(|scope| {
            let beside = scope.spawn(|| phase.repeat(|| thread::sleep(Duration::from_micros(10))));
            phase.throughput.store(true, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
            phase.throughput.store(false, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
            phase.over.store(true, Ordering::Relaxed);
            beside.join().unwrap()
        });
        assert!(Duration::ZERO < spent && spent < Duration::from_millis(20), "{spent:?}");
    }
}

//! What all storms share: seeds, choices, threads that start together, time, counts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provider_tree::{Error, Result};
use uuid::Uuid;

/// One storm at a time: they measure time and memory.
static ALONE: Mutex<()> = Mutex::new(());

/// How much longer than planned a storm may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

type Task<'a> = Box<dyn FnOnce(&mut Gust<'_>) + Send + 'a>;

/// A set of threads that are about to start together.
pub(crate) struct Storm<'a> {
    name: &'static str,
    seed: u64,
    length: Duration,
    tasks: Vec<(&'static str, Task<'a>)>,
    alone: MutexGuard<'static, ()>,
}

impl<'a> Storm<'a> {
    pub(crate) fn new(name: &'static str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = setting("STORM_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
        let seconds = setting("STORM_SECONDS");
        let seconds = seconds.unwrap_or(if cfg!(debug_assertions) { 1.0 } else { 3.0 });
        let length = Duration::from_secs_f64(seconds);
        eprintln!("{name}: STORM_SEED={seed} STORM_SECONDS={seconds}");
        Storm { name, seed, length, tasks: Vec::new(), alone }
    }

    /// Adds a thread.
    pub(crate) fn thread(
        &mut self,
        role: &'static str,
        task: impl FnOnce(&mut Gust<'_>) + Send + 'a,
    ) {
        self.tasks.push((role, Box::new(task)));
    }

    /// Runs all threads to their end, and returns what they counted.
    pub(crate) fn run(self) -> Tally {
        let Storm { name, seed, length, tasks, alone } = self;
        let start = Barrier::new(tasks.len());
        let (left, leaving) = mpsc::channel();
        let began = Instant::now();
        let mut tally = Tally::default();
        let mut failed = Vec::new();
        std::thread::scope(|scope| {
            let spawn = |(seat, (role, task)): (usize, (&'static str, Task<'a>))| {
                let rng = Rng::new(seed).fork(seat as u64);
                let (start, leave) = (&start, Leave { left: left.clone(), barrier: &start });
                let body = move || {
                    let _leave = leave;
                    start.wait();
                    let over = Instant::now() + length;
                    let tally = Tally::default();
                    let mut gust = Gust { rng, seat, length, over, barrier: start, tally };
                    task(&mut gust);
                    gust.tally
                };
                let thread = std::thread::Builder::new().name(format!("{role} {seat}"));
                (role, thread.spawn_scoped(scope, body).expect("a thread"))
            };
            let threads: Vec<_> = tasks.into_iter().enumerate().map(spawn).collect();
            await_all(&leaving, threads.len(), name, seed, length + PATIENCE);
            for (role, thread) in threads {
                match thread.join() {
                    Ok(counts) => tally.merge(counts),
                    Err(_) => failed.push(role),
                }
            }
        });
        eprintln!("{name}: {:.1} s{tally}", began.elapsed().as_secs_f64());
        drop(alone);
        assert!(failed.is_empty(), "{name}: {failed:?} failed, STORM_SEED={seed}");
        tally
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

/// Waits until all threads have left; a thread that never does can't be joined, nor left behind.
fn await_all(leaving: &Receiver<()>, threads: usize, name: &str, seed: u64, patience: Duration) {
    let until = Instant::now() + patience;
    for left in 0..threads {
        if leaving.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
            let stuck = threads - left;
            // Not captured by the test harness, which will have no time to show what it captured.
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "{name}: {stuck} threads never end, STORM_SEED={seed}");
            std::process::exit(101);
        }
    }
}

/// Tells the others when a thread leaves, and that they need not go on if it panicked.
struct Leave<'a> {
    left: Sender<()>,
    barrier: &'a Barrier,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.barrier.break_up();
        }
        let _ = self.left.send(());
    }
}

/// One thread's part of a storm.
pub(crate) struct Gust<'a> {
    pub(crate) rng: Rng,
    pub(crate) seat: usize,
    length: Duration,
    over: Instant,
    barrier: &'a Barrier,
    tally: Tally,
}

impl Gust<'_> {
    /// Whether there is time left, and no thread has failed.
    pub(crate) fn blows(&self) -> bool {
        !self.barrier.is_broken() && Instant::now() < self.over
    }

    /// Whether the first third is over.
    pub(crate) fn is_warm(&self) -> bool {
        self.over.saturating_duration_since(Instant::now()) < self.length * 2 / 3
    }

    /// Waits for all threads of the storm; false if one has failed, so that not all will come.
    pub(crate) fn meet(&self) -> bool {
        self.barrier.wait()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &'static str, count: u64) {
        self.tally.entry(what)[0] += count;
    }

    /// Counts a result. Fails unless it is `Ok` or an error that `explained` accepts.
    pub(crate) fn expect<T>(
        &mut self,
        what: &'static str,
        result: Result<T>,
        explained: impl Fn(&Error) -> bool,
    ) -> Option<T> {
        let counts = self.tally.entry(what);
        match result {
            Ok(value) => {
                counts[0] += 1;
                Some(value)
            }
            Err(error) => {
                assert!(explained(&error), "{what}: the race does not explain {error:?}");
                counts[1] += 1;
                None
            }
        }
    }
}

/// How often what was done, and was refused.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<&'static str, [u64; 2]>);

impl Tally {
    /// How often it was done.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).map_or(0, |[done, _]| *done)
    }

    fn entry(&mut self, what: &'static str) -> &mut [u64; 2] {
        self.0.entry(what).or_default()
    }

    fn merge(&mut self, other: Tally) {
        for (what, [done, refused]) in other.0 {
            let entry = self.entry(what);
            entry[0] += done;
            entry[1] += refused;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(what, counts)| match counts {
            [done, 0] => write!(f, ", {what} {done}"),
            [done, refused] => write!(f, ", {what} {done} (refused {refused})"),
        })
    }
}

/// Choices, the same for the same seed: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// Choices of their own for the `number`th user.
    pub(crate) fn fork(&self, number: u64) -> Self {
        let mut rng = Rng(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Rng(rng.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        1 + self.below(most)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of `values`, of which there must be some.
    pub(crate) fn pick<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.index(values.len())]
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }
}

/// Where threads wait for each other, again and again, unless one fails. They yield rather than
/// sleep, so that they go on as close together as the machine allows.
struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

impl Barrier {
    fn new(threads: usize) -> Self {
        Barrier { threads, arrived: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    /// Waits for all; false if not all will come.
    fn wait(&self) -> bool {
        let number = self.arrived.fetch_add(1, Ordering::SeqCst);
        let complete = (number / self.threads + 1) * self.threads;
        while self.arrived.load(Ordering::SeqCst) < complete {
            if self.is_broken() {
                return false;
            }
            std::thread::yield_now();
        }
        !self.is_broken()
    }

    fn break_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

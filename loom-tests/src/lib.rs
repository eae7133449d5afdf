//! The harness of the models.
//!
//! A model runs the code of `provider-tree` itself, on primitives that [loom] controls, in every
//! interleaving that differs within its preemption bound. `cargo xtask loom` runs them all. Without
//! `--cfg provider_tree_loom` this crate is empty.
//!
//! The same models run under [shuttle], which picks interleavings at random, and with it larger
//! ones: `cargo xtask shuttle`.
//!
//! [loom]: https://docs.rs/loom
//! [shuttle]: https://docs.rs/shuttle

#![cfg(provider_tree_loom)]

pub mod contests;
pub mod hosts;
pub mod providers;
pub mod records;
pub mod snapshots;

use std::time::Instant;

use provider_tree::model::threads;

/// The checker's threads, counted.
pub mod thread {
    #[cfg(not(provider_tree_shuttle))]
    use loom::thread;
    #[cfg(provider_tree_shuttle)]
    use shuttle::thread;

    use super::threads;

    /// A thread that was started.
    pub struct JoinHandle<T>(thread::JoinHandle<T>);

    /// Starts a thread.
    pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        threads::start();
        JoinHandle(thread::spawn(body))
    }

    impl<T: 'static> JoinHandle<T> {
        /// Waits for the thread to end.
        ///
        /// # Errors
        ///
        /// What it panicked with.
        pub fn join(self) -> std::thread::Result<T> {
            let ended = self.0.join();
            threads::joined();
            ended
        }
    }
}

/// What is checked, and how far.
pub struct Model {
    /// The test's name.
    pub name: &'static str,
    /// What holds in every interleaving.
    pub property: &'static str,
    /// How many threads run, the main one included.
    pub threads: usize,
    /// How many times a thread may be preempted; none explores everything.
    ///
    /// Without a bound only the litmus programs end within seconds; the others have the bound that
    /// keeps the whole suite within minutes. `MODEL_BOUND` replaces it, by a number or by `none`.
    /// Means nothing to shuttle, which preempts at random.
    pub bound: Option<usize>,
}

impl Model {
    /// Runs `body` in every interleaving, or with shuttle in many random ones, and prints how many
    /// there were.
    ///
    /// # Panics
    ///
    /// If `body` does in any of them, and if there was only one: then nothing was checked.
    pub fn check(self, body: impl Fn() + Send + Sync + 'static) {
        let start = Instant::now();
        let bound = match std::env::var("MODEL_BOUND").as_deref() {
            Ok("none") => None,
            Ok(number) => Some(number.parse().expect("MODEL_BOUND is a number or none")),
            Err(_) => self.bound,
        };
        let iterations = explore(bound, body);
        let bound = bound.map_or("none".to_owned(), |bound| bound.to_string());
        println!(
            "model: {} | {} | threads {} | bound {bound} | iterations {iterations} | {:.2} s",
            self.name,
            self.property,
            self.threads,
            start.elapsed().as_secs_f64(),
        );
        assert!(iterations > 1, "{}: a single interleaving shows nothing", self.name);
    }
}

#[cfg(not(provider_tree_shuttle))]
fn explore(bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> u64 {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let iterations = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&iterations);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 50_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        threads::begin();
        body();
    });
    iterations.load(Ordering::Relaxed)
}

/// `SHUTTLE_ITERATIONS` says how many interleavings are tried. A failure prints the schedule
/// that led to it, for `shuttle::replay`.
#[cfg(provider_tree_shuttle)]
fn explore(_bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> u64 {
    let wanted = std::env::var("SHUTTLE_ITERATIONS").ok();
    let iterations = wanted.map_or(1_000, |number| number.parse().expect("a number"));
    let mut config = shuttle::Config::new();
    // A forest is built on the stack before it is boxed.
    config.stack_size = 1 << 20;
    let scheduler = shuttle::scheduler::RandomScheduler::new(iterations);
    let body = move || {
        threads::begin();
        body();
    };
    shuttle::Runner::new(scheduler, config).run(body) as u64
}

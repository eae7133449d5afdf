//! The scheduler threads.
//!
//! # How threads stay out of each other's way
//!
//! Each thread has its own [`View`] of what is free and chooses on it; the library's claim is what
//! decides. Claims that both fit don't conflict in the library. But a policy with one best node for
//! everybody makes threads meet there, and there the room is short by construction. Two things
//! could spoil the packing, one the speed:
//!
//! - **Stale views.** A thread that does not know where the others placed their tasks takes for
//!   the fullest node what is not, or no longer. So what becomes of every task stands in a shared
//!   log, and before each choice a thread reads on in the log and reads the nodes that changed
//!   again from the tree. A view lacks at most what is under way at this moment: one task for each
//!   other thread.
//! - **Giving way.** A thread whose claim is refused could turn to a random or a second-best node.
//!   That avoids conflicts and loses the packing. Here it catches up and chooses again, always the
//!   best node it knows.
//! - **Running into each other.** If threads know only what is done, all of them choose the same
//!   node, one wins, and the others begin again: with a slow step between choosing and claiming,
//!   many threads are no faster than one. So a thread writes its choice into the log *before* it
//!   claims, and the others count it as gone ([`Intents`]). They then choose what they would have
//!   chosen one after another. Only threads that choose at the very same moment still meet.
//!
//! An intent is a hint and binds nobody. It may be counted twice for a moment (claimed, but not yet
//! recorded) and it may come to nothing. A task that fits nowhere beside the intents is therefore
//! tried again without them, and has failed only if it fits nowhere then; that is final, because
//! nothing is ever given back, so that a view without intents is never short of room.
//!
//! What is left of the difference to one thread is the order of about as many neighbouring tasks as
//! there are threads. `--pause` puts the slow step in, to measure the worst case. With 200
//! microseconds, best-fit on the trace with the seeds 42 and 43, once as it is and once with
//! intents left out (medians of five, on two cores that were also busy with other work, so that
//! the rates vary by a fifth, and the one with intents and 128 threads by two fifths):
//!
//! | threads | decisions/s | GPU allocation | refused per task | without intents: | | |
//! |---:|---:|---:|---:|---:|---:|---:|
//! | 1 | 4,300 | 93.17 % | 0 | | | |
//! | 2 | 8,300 | 93.16 % | 0.00 | 5,800 | 93.23 % | 0.3 |
//! | 8 | 32,800 | 93.21 % | 0.02 | 6,300 | 93.49 % | 3.1 |
//! | 32 | 29,800 | 93.21 % | 0.04 | 6,700 | 93.52 % | 12 |
//! | 128 | 19,000 | 93.08 % | 0.10 | 6,100 | 93.48 % | 19 |
//!
//! So the packing does not need intents, the speed does. The processor time of the whole program
//! grows from 0.5 s with 8 threads to 2.0 s with 128. Every thread builds a view and keeps it up to
//! date, which suggests itself as the cause, but was not measured apart.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use provider_tree::{Error, Worker};
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Cluster;
use crate::intents::Intents;
use crate::log::{Log, Outcome, Reader};
use crate::options::PolicyName;
use crate::policy::Choice;
use crate::progress;
use crate::seed::{self, Purpose};
use crate::shape::Demand;
use crate::view::View;

/// How a run is scheduled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) policy: PolicyName,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    /// A sleep between choosing and claiming.
    pub(crate) pause: Duration,
}

/// What the threads did.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// What became of each task.
    pub(crate) outcomes: Vec<Outcome>,
    /// From the first thread's start to the last one's end.
    pub(crate) elapsed: Duration,
    pub(crate) counters: Counters,
}

/// What one thread, or all together, counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) placed: u64,
    pub(crate) failed: u64,
    /// Claims that the library refused because the room was gone.
    pub(crate) refused: u64,
    /// Nodes read again because others had placed something there.
    pub(crate) refreshed: u64,
    /// Retries inside the library.
    pub(crate) retries: u64,
}

/// Schedules the tasks in order on the cluster.
pub(crate) fn run(
    cluster: &Cluster,
    tasks: &[Demand],
    settings: &Settings,
) -> Result<Schedule, Error> {
    let log = Log::new(tasks.len());
    let barrier = Barrier::new(settings.threads);
    let label = format!("{}, seed {}", settings.policy, settings.seed);
    let shifts = thread::scope(|scope| {
        let work = || Thread::work(cluster, tasks, settings, &log, &barrier);
        let threads: Vec<_> = (0..settings.threads).map(|_| scope.spawn(work)).collect();
        if progress::is_wanted() {
            progress::follow(&log, tasks.len(), &label);
        }
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Result<Vec<Shift>, Error>>()
    })?;
    Ok(Schedule {
        outcomes: log.outcomes().collect(),
        elapsed: elapsed(&shifts),
        counters: shifts.iter().fold(Counters::default(), |sum, shift| sum.plus(shift.counters)),
    })
}

/// One thread's time and counts.
struct Shift {
    start: Instant,
    end: Instant,
    counters: Counters,
}

fn elapsed(shifts: &[Shift]) -> Duration {
    let start = shifts.iter().map(|shift| shift.start).min();
    let end = shifts.iter().map(|shift| shift.end).max();
    start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start)
}

impl Counters {
    fn plus(self, other: Self) -> Self {
        Self {
            placed: self.placed + other.placed,
            failed: self.failed + other.failed,
            refused: self.refused + other.refused,
            refreshed: self.refreshed + other.refreshed,
            retries: self.retries + other.retries,
        }
    }
}

/// One scheduler thread.
struct Thread<'a> {
    cluster: &'a Cluster,
    tasks: &'a [Demand],
    settings: &'a Settings,
    log: &'a Log,
    worker: Worker,
    view: View,
    reader: Reader,
    intents: Intents,
    counters: Counters,
}

impl<'a> Thread<'a> {
    /// Takes tasks until there are none left. After an error nobody takes any more.
    fn work(
        cluster: &'a Cluster,
        tasks: &'a [Demand],
        settings: &'a Settings,
        log: &'a Log,
        barrier: &Barrier,
    ) -> Result<Shift, Error> {
        let thread = Self::new(cluster, tasks, settings, log);
        // Also a thread that failed has to come here, or the others would wait for ever.
        barrier.wait();
        let start = Instant::now();
        let counters = thread.and_then(Self::take_tasks);
        let counters = counters.inspect_err(|_| log.stop())?;
        Ok(Shift { start, end: Instant::now(), counters })
    }

    fn new(
        cluster: &'a Cluster,
        tasks: &'a [Demand],
        settings: &'a Settings,
        log: &'a Log,
    ) -> Result<Self, Error> {
        Ok(Self {
            cluster,
            tasks,
            settings,
            log,
            worker: cluster.tree.worker()?,
            view: View::new(cluster, settings.policy.order())?,
            reader: Reader::default(),
            intents: Intents::default(),
            counters: Counters::default(),
        })
    }

    fn take_tasks(mut self) -> Result<Counters, Error> {
        while let Some(index) = self.log.take() {
            let outcome = self.settle(index)?;
            self.log.record(index, outcome);
            match outcome {
                Outcome::Placed(_) => self.counters.placed += 1,
                _ => self.counters.failed += 1,
            }
        }
        self.counters.retries = self.worker.retries();
        Ok(self.counters)
    }

    /// Chooses and claims until the claim holds or nothing fits.
    fn settle(&mut self, index: usize) -> Result<Outcome, Error> {
        let demand = &self.tasks[index];
        let mut random = seed::generator(self.settings.seed, Purpose::Choice, index as u64);
        let mut refused = None;
        loop {
            self.catch_up(index, refused)?;
            let Some(choice) = self.choose(demand, &mut random) else {
                return Ok(Outcome::Failed);
            };
            self.log.record(index, Outcome::Chosen(choice.node));
            if !self.settings.pause.is_zero() {
                thread::sleep(self.settings.pause);
            }
            if self.claim(index, choice)? {
                return Ok(Outcome::Placed(choice.node));
            }
            refused = Some(choice.node);
        }
    }

    /// Learns what the others have placed and chosen, and reads the node again that has just
    /// refused a claim.
    fn catch_up(&mut self, index: usize, refused: Option<u32>) -> Result<(), Error> {
        let news = self.reader.catch_up(self.log, index);
        if let Some(node) = refused
            && let Err(position) = news.placed.binary_search(&node)
        {
            news.placed.insert(position, node);
        }
        self.intents.withdraw(&mut self.view, &news.chosen, &news.placed);
        for &node in &news.placed {
            self.view.refresh(self.cluster, node)?;
        }
        self.counters.refreshed += news.placed.len() as u64;
        let Settings { policy, seed, .. } = *self.settings;
        self.intents.adopt(&mut self.view, &news.chosen, self.tasks, policy, seed);
        Ok(())
    }

    /// The policy's choice beside the others' intents; if there is none, regardless of them.
    fn choose(&mut self, demand: &Demand, random: &mut Xoshiro256PlusPlus) -> Option<Choice> {
        if self.view.is_hopeless(demand) {
            return None;
        }
        let policy = self.settings.policy;
        let choice = policy.choose(&self.view, demand, random);
        if choice.is_some() {
            return choice;
        }
        if self.intents.withdraw_all(&mut self.view) {
            let choice = policy.choose(&self.view, demand, random);
            if choice.is_some() {
                return choice;
            }
        }
        self.view.give_up(*demand);
        None
    }

    /// Claims what was chosen; false when the room is gone.
    fn claim(&mut self, index: usize, choice: Choice) -> Result<bool, Error> {
        let Choice { node, devices } = choice;
        let demand = &self.tasks[index];
        let consumer = seed::consumer(self.settings.seed, index as u64);
        match self.worker.claim(&self.cluster.claim(consumer, demand, node, devices)) {
            Ok(_) => {
                self.view.subtract(node, demand, devices);
                Ok(true)
            }
            Err(Error::CapacityExceeded { .. }) => {
                self.counters.refused += 1;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

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

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use provider_tree::{Claim, Error, Provider, Request, Worker};

use crate::cluster::Cluster;
use crate::desk::{Desks, Seat};
use crate::options::PolicyName;
use crate::progress;
use crate::queue::Queue;
use crate::seed::{self, Purpose};
use crate::shape::Demand;

/// How a run is scheduled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) policy: PolicyName,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    /// A sleep between choosing and claiming.
    pub(crate) pause: Duration,
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No node had room.
    Failed,
    /// It was placed on the node with this root.
    Placed(Provider),
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
    /// Providers read again because they had changed.
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
    let (requests, request_of) = distinct_requests(cluster, tasks)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let desks = settings.threads.min(cores);
    let shared = Shared {
        cluster,
        tasks,
        settings,
        request_of,
        desks: Desks::new(desks, cluster, settings.policy, &requests)?,
        queue: Queue::new(tasks.len()),
    };
    let barrier = Barrier::new(settings.threads);
    let label = format!("{}, seed {}", settings.policy, settings.seed);
    let shifts = thread::scope(|scope| {
        let (shared, barrier) = (&shared, &barrier);
        let work = |number| move || Thread::work(shared, number, barrier);
        let threads: Vec<_> = (0..settings.threads).map(work).collect();
        let threads: Vec<_> = threads.into_iter().map(|work| scope.spawn(work)).collect();
        if progress::is_wanted() {
            progress::follow(&shared.queue, &label);
        }
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Result<Vec<Shift>, Error>>()
    })?;
    let mut outcomes = vec![Outcome::Failed; tasks.len()];
    for &(index, outcome) in shifts.iter().flat_map(|shift| &shift.outcomes) {
        outcomes[index] = outcome;
    }
    let counters = shifts.iter().fold(Counters::default(), |sum, shift| sum.plus(shift.counters));
    let counters = Counters { refreshed: shared.desks.refreshed(), ..counters };
    Ok(Schedule { outcomes, elapsed: elapsed(&shifts), counters })
}

/// Returns what the tasks ask for, each request once, and by task which one it is. No node serves
/// the tasks without a request, ever.
fn distinct_requests(
    cluster: &Cluster,
    tasks: &[Demand],
) -> Result<(Vec<Option<Request>>, Vec<usize>), Error> {
    let (mut requests, mut known) = (Vec::new(), HashMap::new());
    let request_of = tasks.iter().map(|demand| match known.entry(*demand) {
        Entry::Occupied(known) => Ok(*known.get()),
        Entry::Vacant(new) => {
            requests.push(cluster.request(demand)?);
            Ok(*new.insert(requests.len() - 1))
        }
    });
    let request_of = request_of.collect::<Result<_, Error>>()?;
    Ok((requests, request_of))
}

/// One thread's time, counts and decisions.
struct Shift {
    start: Instant,
    end: Instant,
    counters: Counters,
    outcomes: Vec<(usize, Outcome)>,
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

/// What all scheduler threads look at.
struct Shared<'a> {
    cluster: &'a Cluster,
    tasks: &'a [Demand],
    settings: &'a Settings,
    /// By task: the number of its request.
    request_of: Vec<usize>,
    desks: Desks,
    queue: Queue,
}

/// One scheduler thread.
struct Thread<'a> {
    shared: &'a Shared<'a>,
    number: usize,
    worker: Worker,
    counters: Counters,
    outcomes: Vec<(usize, Outcome)>,
}

impl<'a> Thread<'a> {
    /// Takes tasks until there are none left. After an error nobody takes any more.
    fn work(shared: &'a Shared<'a>, number: usize, barrier: &Barrier) -> Result<Shift, Error> {
        let thread = Self::new(shared, number);
        // Also a thread that failed has to come here, or the others would wait for ever.
        barrier.wait();
        let start = Instant::now();
        let done = thread.and_then(Self::take_tasks);
        let (counters, outcomes) = done.inspect_err(|_| shared.queue.stop())?;
        Ok(Shift { start, end: Instant::now(), counters, outcomes })
    }

    fn new(shared: &'a Shared<'a>, number: usize) -> Result<Self, Error> {
        Ok(Self {
            shared,
            number,
            worker: shared.cluster.tree.worker()?,
            counters: Counters::default(),
            outcomes: Vec::new(),
        })
    }

    fn take_tasks(mut self) -> Result<(Counters, Vec<(usize, Outcome)>), Error> {
        while let Some(index) = self.shared.queue.take() {
            let outcome = self.settle(index)?;
            match outcome {
                Outcome::Placed(_) => self.counters.placed += 1,
                Outcome::Failed => self.counters.failed += 1,
            }
            self.outcomes.push((index, outcome));
        }
        self.counters.retries = self.worker.retries();
        Ok((self.counters, self.outcomes))
    }

    /// Chooses and claims until the claim holds or nothing fits.
    fn settle(&mut self, index: usize) -> Result<Outcome, Error> {
        let Shared { tasks, settings, request_of, desks, .. } = self.shared;
        let consumer = seed::consumer(settings.seed, index as u64);
        let mut random = seed::generator(settings.seed, Purpose::Choice, index as u64);
        loop {
            let mut desk = desks.sit(self.number);
            let found = desk.find(request_of[index], &tasks[index], &mut random)?;
            let Some(found) = found else { return Ok(Outcome::Failed) };
            let claim = found.claim(consumer);
            let is_granted = match settings.pause.is_zero() {
                true => self.claim_sitting(desk, &claim)?,
                false => self.claim_after_pause(desk, claim)?,
            };
            if is_granted {
                return Ok(Outcome::Placed(found.root()));
            }
        }
    }

    /// Claims without leaving the desk; returns false when the room is gone.
    fn claim_sitting(&mut self, mut desk: Seat<'_>, claim: &Claim) -> Result<bool, Error> {
        let is_granted = self.claim(claim)?;
        match is_granted {
            true => desk.claimed(claim),
            false => desk.refresh(),
        }
        Ok(is_granted)
    }

    /// Says at all desks what it is about to claim, leaves the desk for the pause, and claims;
    /// returns false when the room is gone.
    fn claim_after_pause(&mut self, desk: Seat<'_>, claim: Claim) -> Result<bool, Error> {
        let Shared { settings, desks, .. } = self.shared;
        let claim = Arc::new(claim);
        desks.announce(desk, &claim);
        thread::sleep(settings.pause);
        let is_granted = self.claim(&claim)?;
        let mut desk = desks.sit(self.number);
        if !is_granted {
            desk.refresh();
        }
        desks.settle(desk, claim, is_granted);
        Ok(is_granted)
    }

    /// Claims; returns false when the room is gone.
    fn claim(&mut self, claim: &Claim) -> Result<bool, Error> {
        match self.worker.claim(claim) {
            Ok(_) => Ok(true),
            Err(Error::CapacityExceeded { .. }) => {
                self.counters.refused += 1;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

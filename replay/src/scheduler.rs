//! The scheduler threads.
//!
//! # How threads stay out of each other's way
//!
//! A thread sits down at a [desk](crate::desk), which has a view of what is free, chooses there, and
//! claims; the library's claim is what decides. Claims that both fit don't conflict in the library.
//! But a policy with one best node for everybody makes threads meet there, and there the room is
//! short by construction. Two things could spoil the packing, two the speed:
//!
//! - **Giving way.** A thread whose claim is refused could turn to a random or a second-best node.
//!   That avoids conflicts and loses the packing. Here its desk reads again what has changed, and it
//!   chooses again, always the best node it knows.
//! - **Failing too early.** A view that shows less than what is free would make tasks fail. What
//!   fits nowhere is therefore tried again without what is only intended, in a view that is up to
//!   date, and has failed only if it fits nowhere then. A view that shows too much does no harm: its
//!   node refuses the claim. So desks read again only after a refusal.
//! - **Telling each other everything.** If each thread had a view, each change would be read once
//!   for each thread. There are as many desks as cores, so that it is read once for each core, and a
//!   thread that runs still finds one free.
//! - **Running into each other.** If threads know only what is done, all of them choose the same
//!   node, one wins, and the others begin again: with a slow step between choosing and claiming,
//!   many threads are no faster than one. So before such a step a thread tells all desks what it is
//!   about to claim, and they count it as gone. Only threads that choose at the very same moment at
//!   different desks still meet. Without a slow step, a thread keeps its desk until it has claimed.
//!
//! What is left of the difference to one thread is the order of about as many neighbouring tasks as
//! there are threads. `--pause` puts the slow step in, to measure the worst case. With 200
//! microseconds, best-fit on the trace with the seeds 42 and 43 (medians of three, on two cores):
//!
//! | threads | decisions/s | GPU allocation | refused per task |
//! |---:|---:|---:|---:|
//! | 1 | 4,600 | 93.00 % | 0 |
//! | 2 | 9,100 | 92.96 % | 0.00 |
//! | 8 | 36,100 | 93.00 % | 0.02 |
//! | 32 | 125,000 | 92.94 % | 0.04 |
//! | 128 | 109,400 | 93.12 % | 0.06 |
//!
//! The processor time of the whole program grows from 0.4 s with 8 threads to 1.0 s with 128. Without
//! a pause, `COMPARE.md` has the figures of all policies.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use provider_tree::{Claim, Error, Provider, Worker};

use crate::cluster::Cluster;
use crate::desk::{Desks, Seat};
use crate::gate::Gate;
use crate::interrupt::Interrupt;
use crate::kinds::Kinds;
use crate::policy::PolicyName;
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
    /// How many tasks come first that are listed; the others are drawn from among them.
    pub(crate) listed: usize,
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
    /// What became of each task; of the first ones only, if the run was interrupted.
    pub(crate) outcomes: Vec<Outcome>,
    /// Until the first thread's start: the requests, the desks and the threads are made.
    pub(crate) set_up: Duration,
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

/// Why there is no schedule.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The library has refused something that is no conflict.
    Library(Error),
    /// The system has started only so many threads.
    Threads { started: usize, error: io::Error },
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// Schedules the tasks in order on the cluster, until it is interrupted.
pub(crate) fn run(
    cluster: &Cluster,
    tasks: &[Demand],
    settings: &Settings,
    interrupt: &Interrupt,
) -> Result<Schedule, Trouble> {
    let begin = Instant::now();
    let kinds = Kinds::new(cluster, tasks)?;
    let listed = &tasks[..settings.listed.min(tasks.len())];
    // A desk for each thread that can run.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let desks = settings.threads.min(cores);
    let are_told = !settings.pause.is_zero();
    let shared = Shared {
        cluster,
        settings,
        desks: Desks::new(desks, cluster, settings.policy, listed, &kinds, are_told)?,
        kinds: kinds.of_task,
        queue: Queue::new(tasks.len(), interrupt.clone()),
    };
    let gate = Gate::default();
    let label = format!("{}, seed {}", settings.policy, settings.seed);
    let shifts = thread::scope(|scope| {
        let (shared, gate) = (&shared, &gate);
        let start = |number| {
            let work = move || Thread::work(shared, number, gate);
            let started = thread::Builder::new().spawn_scoped(scope, work);
            // Those that have started would wait for ever.
            started
                .inspect_err(|_| gate.close())
                .map_err(|error| Trouble::Threads { started: number, error })
        };
        let threads = (0..settings.threads).map(start).collect::<Result<Vec<_>, Trouble>>()?;
        gate.open_for(settings.threads);
        if progress::is_wanted() {
            progress::follow(&shared.queue, &label);
        }
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Result<Vec<Shift>, Error>>().map_err(Trouble::from)
    })?;
    // The queue gives the tasks out in order, and what is given out is decided.
    let decided = shifts.iter().map(|shift| shift.outcomes.len()).sum();
    let mut outcomes = vec![Outcome::Failed; decided];
    for &(index, outcome) in shifts.iter().flat_map(|shift| &shift.outcomes) {
        outcomes[index] = outcome;
    }
    let counters = shifts.iter().fold(Counters::default(), |sum, shift| sum.plus(shift.counters));
    let counters = Counters { refreshed: shared.desks.refreshed(), ..counters };
    let (set_up, elapsed) = times(begin, &shifts);
    Ok(Schedule { outcomes, set_up, elapsed, counters })
}

/// One thread's time, counts and decisions.
struct Shift {
    start: Instant,
    end: Instant,
    counters: Counters,
    outcomes: Vec<(usize, Outcome)>,
}

/// Returns how long it took until the first thread's start, and from there to the last one's end.
fn times(begin: Instant, shifts: &[Shift]) -> (Duration, Duration) {
    let start = shifts.iter().map(|shift| shift.start).min().unwrap_or(begin);
    let end = shifts.iter().map(|shift| shift.end).max().unwrap_or(start);
    (start - begin, end - start)
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
    settings: &'a Settings,
    /// By task: the number of its kind.
    kinds: Vec<usize>,
    desks: Desks,
    queue: Queue,
}

/// Lets nobody wait for a thread that has panicked.
struct Alarm<'a> {
    gate: &'a Gate,
    queue: &'a Queue,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.gate.close();
            self.queue.stop();
        }
    }
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
    fn work(shared: &'a Shared<'a>, number: usize, gate: &Gate) -> Result<Shift, Error> {
        let _alarm = Alarm { gate, queue: &shared.queue };
        let thread = Self::new(shared, number);
        // Also a thread that failed has to come here, or the others would wait for ever.
        if !gate.pass() {
            shared.queue.stop();
        }
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
        self.counters.retries = self.worker.metrics().retries;
        Ok((self.counters, self.outcomes))
    }

    /// Chooses and claims until the claim holds or nothing fits.
    fn settle(&mut self, index: usize) -> Result<Outcome, Error> {
        let Shared { settings, kinds, desks, .. } = self.shared;
        let consumer = seed::consumer(settings.seed, index as u64);
        let mut random = seed::generator(settings.seed, Purpose::Choice, index as u64);
        loop {
            let mut desk = desks.sit(self.number);
            let found = desk.find(kinds[index], &mut random)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_panics() {
        let (gate, queue) = (Gate::default(), Queue::new(9, Interrupt::default()));
        thread::scope(|scope| {
            let panicking = scope.spawn(|| {
                let _alarm = Alarm { gate: &gate, queue: &queue };
                panic!("this one panics");
            });
            gate.open_for(2);
            assert!(!gate.pass());
            assert!(panicking.join().is_err());
        });
        assert_eq!((queue.take(), queue.taken()), (None, 9));
    }
}

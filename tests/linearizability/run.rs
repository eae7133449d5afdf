//! A run: thousands of histories, recorded and checked, batch by batch.

use std::fmt;
use std::ops::AddAssign;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use linearize::{explained_by_responses, linearize};
use uuid::Uuid;

use crate::caller::Caller;
use crate::history::History;
use crate::plan::{Plan, Profile};
use crate::recorder::record;

/// One run at a time has the cores for itself.
static ALONE: Mutex<()> = Mutex::new(());

/// So many histories are recorded, then checked.
const BATCH: usize = 300;

/// What a run is asked to do.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    pub(crate) caller: Caller,
    pub(crate) seed: u64,
    pub(crate) histories: u64,
    pub(crate) repeats: u64,
}

impl Run {
    /// As the environment says.
    pub(crate) fn new(name: &'static str, profile: Profile, caller: Caller) -> Self {
        let seed = setting("LINEARIZABILITY_SEED");
        let usual = if cfg!(debug_assertions) { 3_000 } else { 20_000 };
        Run {
            name,
            profile,
            caller,
            seed: seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0 >> 16),
            histories: setting("LINEARIZABILITY_HISTORIES").unwrap_or(usual),
            repeats: setting("LINEARIZABILITY_REPEATS").unwrap_or(1),
        }
    }

    /// Records and checks everything. Ends with the first history that is rejected.
    pub(crate) fn check(&self) -> Result<Tally, String> {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{}: LINEARIZABILITY_SEED={}", self.name, self.seed);
        let mut tally = Tally::default();
        let began = Instant::now();
        self.each_batch(|histories| {
            let began = Instant::now();
            let checked = check_all(histories);
            tally.checking += began.elapsed();
            tally += checked.map_err(|rejected| format!("{}: {rejected}", self.name))?;
            Ok::<_, String>(())
        })?;
        tally.recording = began.elapsed() - tally.checking;
        eprintln!("{}: {tally}", self.name);
        Ok(tally)
    }

    /// Records without checking.
    pub(crate) fn record(&self) -> Vec<History> {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{}: LINEARIZABILITY_SEED={}", self.name, self.seed);
        let mut all = Vec::new();
        let Ok(()) = self.each_batch(|histories| {
            all.extend_from_slice(histories);
            Ok::<_, std::convert::Infallible>(())
        });
        all
    }

    fn each_batch<E>(&self, mut visit: impl FnMut(&[History]) -> Result<(), E>) -> Result<(), E> {
        let seeds: Vec<_> = (0..self.histories).map(|n| self.seed.wrapping_add(n)).collect();
        for seeds in seeds.chunks(BATCH) {
            let plans = seeds.iter().map(|seed| Plan::new(*seed, self.profile));
            let plans: Vec<_> = plans.collect();
            for threads in 2..=4 {
                let plans = plans.iter().filter(|plan| plan.threads.len() == threads);
                let repeated = plans.flat_map(|plan| (0..self.repeats).map(|_| plan.clone()));
                let repeated: Vec<_> = repeated.collect();
                for plans in repeated.chunks(BATCH) {
                    visit(&record(plans, self.caller))?;
                }
            }
        }
        Ok(())
    }
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Checks the histories on all cores.
fn check_all(histories: &[History]) -> Result<Tally, String> {
    let share = histories.len().div_ceil(cores()).max(1);
    thread::scope(|scope| {
        let check = |histories| scope.spawn(move || check_some(histories));
        let checks: Vec<_> = histories.chunks(share).map(check).collect();
        let mut all = Tally::default();
        for check in checks {
            all += check.join().expect("a check ends")?;
        }
        Ok(all)
    })
}

fn check_some(histories: &[History]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for history in histories {
        linearize(history).map_err(|rejection| {
            let seed = format!("LINEARIZABILITY_SEED={}", history.seed);
            format!("{seed} LINEARIZABILITY_HISTORIES=1 LINEARIZABILITY_REPEATS=1000: {rejection}")
        })?;
        tally.count(history);
    }
    Ok(tally)
}

/// What a run has checked.
#[derive(Default)]
pub(crate) struct Tally {
    histories: usize,
    calls: usize,
    refused: usize,
    overlapping: usize,
    pairs: usize,
    reordered: usize,
    recording: Duration,
    checking: Duration,
}

impl Tally {
    fn count(&mut self, history: &History) {
        let pairs = history.overlaps();
        self.histories += 1;
        self.calls += history.events.len();
        self.refused += history.events.iter().filter(|event| event.outcome.is_err()).count();
        self.overlapping += usize::from(pairs > 0);
        self.pairs += pairs;
        self.reordered += usize::from(!explained_by_responses(history));
    }

    /// How many of a hundred histories had calls that overlapped.
    pub(crate) fn overlapping_percent(&self) -> usize {
        self.overlapping * 100 / self.histories.max(1)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.histories += other.histories;
        self.calls += other.calls;
        self.refused += other.refused;
        self.overlapping += other.overlapping;
        self.pairs += other.pairs;
        self.reordered += other.reordered;
        self.recording += other.recording;
        self.checking += other.checking;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { histories, calls, refused, pairs, reordered, .. } = self;
        let percent = self.overlapping_percent();
        let [recording, checking] = [self.recording, self.checking].map(|time| time.as_secs_f64());
        write!(f, "{histories} histories, {percent} % with overlapping calls ({pairs} pairs), ")?;
        write!(f, "{reordered} explained by another order than that of responses only; ")?;
        write!(f, "{calls} calls, {refused} of them refused; {recording:.1} s + {checking:.1} s")
    }
}

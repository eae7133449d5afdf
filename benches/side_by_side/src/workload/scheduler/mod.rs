//! A whole scheduler, end to end: one program, of which only what decides claims differs.
//!
//! Each thread believes something of what is free of each host, in an index of its own that is the same
//! on all sides, holds a share of the jobs, and makes decisions: it releases one of its jobs at random,
//! finds a host for the next one, and claims it. If it is refused, it reads that host and looks again;
//! if no host seems to have room, it reads them all. Hosts are filled to [`FILL`] before. Threads
//! prefer the fullest hosts, as best-fit does, so they meet at the few that have just room enough.
//!
//! Before each run the books are checked: what the side says is used is what all jobs together hold.

mod index;
mod program;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::measure::{Plan, Side};
use crate::peer::dash_maps::DashMaps;
use crate::peer::locked_persistent::LockedPersistent;
use crate::peer::mutex_maps::MutexMaps;
use crate::peer::ours::Ours;
use crate::peer::single_writer::SingleWriter;
use crate::peer::two_phase::TwoPhase;
use crate::peer::{Claim, HOST, Peer, Read, Snapshot};
use crate::stopper;
use crate::workload::Workload;
use program::{Program, Tally};

const DECISION: &str = "a job released at random, and the next one placed: found, claimed, noted";

/// How much of the hosts' processors is used.
const FILL: f64 = 0.7;

/// How often the observer looks.
const LOOK: Duration = Duration::from_millis(10);

/// How long a thread is stopped each time, unless a whole run is shorter.
const STOP: Duration = Duration::from_millis(100);

/// On so many hosts.
pub(super) fn all(hosts: usize) -> [Workload; 3] {
    let alone = move || {
        vec![
            alone::<Ours>(hosts),
            alone::<MutexMaps>(hosts),
            alone::<LockedPersistent>(hosts),
            alone::<SingleWriter>(hosts),
            alone::<DashMaps>(hosts),
            alone::<TwoPhase>(hosts),
        ]
    };
    let observed = move || {
        vec![
            observed::<Ours>(hosts),
            observed::<MutexMaps>(hosts),
            observed::<LockedPersistent>(hosts),
            observed::<SingleWriter>(hosts),
        ]
    };
    let beside_stopped = move || {
        vec![
            beside_stopped::<Ours>(hosts),
            beside_stopped::<MutexMaps>(hosts),
            beside_stopped::<LockedPersistent>(hosts),
            beside_stopped::<SingleWriter>(hosts),
            beside_stopped::<DashMaps>(hosts),
            beside_stopped::<TwoPhase>(hosts),
        ]
    };
    [
        Workload::new("scheduler, undisturbed", DECISION, alone),
        Workload::new("scheduler, a snapshot each 10 ms", DECISION, observed),
        Workload::new("scheduler, one more thread is stopped", DECISION, beside_stopped).stopping(),
    ]
}

fn alone<P: Peer<Session: Claim + Read>>(hosts: usize) -> Side {
    Arc::new(Crew::<P>::new(hosts, 0)).alone()
}

/// While another thread takes snapshots, and adds up in each what is used.
fn observed<P: Peer<Session: Claim + Read + Snapshot>>(hosts: usize) -> Side {
    let crew = Arc::new(Crew::<P>::new(hosts, 0));
    let (worker, observer) = (crew.clone(), crew.clone());
    let work = move |session, thread| worker.work(session, thread);
    let observe = move |mut session: P::Session, _| {
        let observer = observer.clone();
        let mut next = Instant::now();
        move || {
            next += LOOK;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let begin = Instant::now();
            let used = session.used();
            observer.looks.add(begin.elapsed());
            assert!(used.iter().zip(HOST).all(|(used, all)| *used <= all * hosts as u64));
            next = next.max(Instant::now() - LOOK);
        }
    };
    let side = Side::beside(&crew.forest, work, 1, observe);
    crew.ready(side)
}

/// Beside one more thread of the same program, which is stopped now and then.
fn beside_stopped<P: Peer<Session: Claim + Read>>(hosts: usize) -> Side {
    let crew = Arc::new(Crew::<P>::new(hosts, 1));
    let (worker, stopped) = (crew.clone(), crew.clone());
    let work = move |session, thread| worker.work(session, thread);
    let work_and_stop = move |session, thread| {
        let mut work = stopped.work(session, thread);
        let length = *stopped.stop.lock();
        let submitted = stopper::submit(length, &stopped.stops).expect("it was tried out before");
        move || {
            let _ = &submitted;
            work();
        }
    };
    let side = Side::beside(&crew.forest, work, 1, work_and_stop);
    crew.ready(side)
}

/// All threads of a scheduler, and what they schedule with.
struct Crew<P> {
    forest: Arc<P>,
    hosts: usize,
    /// How many programs there are beside those of the threads that are measured.
    others: usize,
    /// What the threads of a run go on with in the next.
    programs: Mutex<Vec<Arc<Mutex<Program>>>>,
    /// How long a thread is stopped.
    stop: Mutex<Duration>,
    stops: Arc<AtomicU64>,
    looks: Looks,
}

/// How often the observer has looked, and how long that took.
#[derive(Default)]
struct Looks {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Looks {
    // Relaxed, all: they are read when the observer has been joined.

    fn add(&self, time: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Their number, and how long one took in the mean, in microseconds.
    fn read(&self) -> (u64, u64) {
        let count = self.count.load(Ordering::Relaxed);
        (count, self.nanoseconds.load(Ordering::Relaxed) / 1_000 / count.max(1))
    }
}

impl<P: Peer<Session: Claim + Read>> Crew<P> {
    fn new(hosts: usize, others: usize) -> Self {
        Crew {
            forest: Arc::new(P::new(hosts)),
            hosts,
            others,
            programs: Mutex::default(),
            stop: Mutex::default(),
            stops: Arc::default(),
            looks: Looks::default(),
        }
    }

    /// Nobody but the threads that are measured.
    fn alone(self: Arc<Self>) -> Side {
        let worker = self.clone();
        let work = move |session, thread| worker.work(session, thread);
        let side = Side::new(&self.forest, work);
        self.ready(side)
    }

    /// The side, whose runs each begin with programs that are prepared.
    fn ready(self: Arc<Self>, side: Side) -> Side {
        let notes = self.clone();
        side.after(move |plan| self.prepare(plan)).noted(move || notes.note())
    }

    /// What a thread of this number does, until the run is over.
    fn work(&self, mut session: P::Session, thread: usize) -> impl FnMut() + use<P> {
        // Nobody else wants it before that.
        let mut program = self.programs.lock()[thread].lock_arc();
        move || program.decide(&mut session)
    }

    /// Fills the hosts before the first run, checks the books, and has all programs look at all hosts.
    fn prepare(&self, plan: Plan) {
        let mut session = self.forest.session();
        let mut programs = self.programs.lock();
        if programs.is_empty() {
            let count = plan.threads + self.others;
            let program = |number| Arc::new(Mutex::new(Program::new(number, count, self.hosts)));
            programs.extend((0..count).map(program));
            self.fill(&programs, &mut session);
        }
        self.audit(&programs, &mut session);
        programs.iter().for_each(|program| program.lock().survey(&mut session));
        *self.stop.lock() = STOP.min(plan.length);
    }

    /// The programs take turns, so that the jobs of all are spread alike.
    fn fill(&self, programs: &[Arc<Mutex<Program>>], session: &mut P::Session) {
        programs.iter().for_each(|program| program.lock().survey(session));
        let enough = (HOST[0] * self.hosts as u64) as f64 * FILL;
        let mut used = 0;
        for program in programs.iter().cycle() {
            let placed = program.lock().place(session).expect("there is room");
            used += placed[0];
            if used as f64 >= enough {
                return;
            }
        }
    }

    /// What is used of each host is what jobs hold of it.
    fn audit(&self, programs: &[Arc<Mutex<Program>>], session: &mut P::Session) {
        let mut held = vec![[0; 3]; self.hosts];
        programs.iter().for_each(|program| program.lock().add_held(&mut held));
        session.all_usages(self.hosts, |host, amounts| {
            assert_eq!(amounts.map(|its| its.used), held[host], "{}, host {host}", P::NAME);
        });
    }

    /// What is told of all runs together beside their figures.
    fn note(&self) -> String {
        let mut all = Tally::default();
        for program in self.programs.lock().iter() {
            let Tally { decisions, refused, surveys, unplaced } = program.lock().tally;
            all.decisions += decisions;
            all.refused += refused;
            all.surveys += surveys;
            all.unplaced += unplaced;
        }
        let each = |count: u64| count as f64 / all.decisions.max(1) as f64;
        let mut note = format!("refused {:.4} of each", each(all.refused));
        if all.surveys > 0 {
            note += &format!(", all read for 1 in {:.0}", each(all.surveys).recip());
        }
        if all.unplaced > 0 {
            note += &format!(", {} had no host", all.unplaced);
        }
        // Relaxed, both: whoever writes it has been joined.
        let stops = self.stops.load(Ordering::Relaxed);
        if stops > 0 {
            note += &format!(", {stops} stops");
        }
        let (looks, mean) = self.looks.read();
        if looks > 0 {
            note += &format!(", {looks} snapshots of {mean} µs");
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: usize = 64;

    fn balances<P: Peer<Session: Claim + Read>>() {
        for threads in [1, 3] {
            let crew = Arc::new(Crew::<P>::new(HOSTS, 0));
            let side = crew.clone().alone();
            let plan = Plan { threads, length: Duration::from_millis(20) };
            assert!(side.run(plan).calls_per_second > 0.0);
            // It begins with an audit of what the first has left.
            side.run(plan);
            let programs = crew.programs.lock();
            crew.audit(&programs, &mut crew.forest.session());
            let mut held = vec![[0; 3]; HOSTS];
            programs.iter().for_each(|program| program.lock().add_held(&mut held));
            let used = held.iter().map(|its| its[0]).sum::<u64>() as f64;
            let share = used / (HOST[0] * HOSTS as u64) as f64;
            assert!((share - FILL).abs() < 0.1, "{}: {share}", P::NAME);
        }
    }

    #[test]
    fn what_is_used_is_what_jobs_hold() {
        balances::<Ours>();
        balances::<MutexMaps>();
        balances::<LockedPersistent>();
        balances::<SingleWriter>();
        balances::<DashMaps>();
        balances::<TwoPhase>();
    }

    fn adds_up<P: Peer<Session: Claim + Read + Snapshot>>() {
        let crew = Crew::<P>::new(HOSTS, 0);
        crew.prepare(Plan { threads: 2, length: Duration::from_millis(1) });
        let mut held = vec![[0; 3]; HOSTS];
        crew.programs.lock().iter().for_each(|program| program.lock().add_held(&mut held));
        let held = [0, 1, 2].map(|class| held.iter().map(|its| its[class]).sum::<u64>());
        assert_eq!(crew.forest.session().used(), held, "{}", P::NAME);
    }

    #[test]
    fn a_snapshot_adds_up_to_what_jobs_hold() {
        adds_up::<Ours>();
        adds_up::<MutexMaps>();
        adds_up::<LockedPersistent>();
        adds_up::<SingleWriter>();
    }

    #[test]
    fn an_observer_looks_while_decisions_are_made() {
        for side in all(HOSTS)[1].sides() {
            side.run(Plan { threads: 2, length: Duration::from_millis(20) });
            assert!(side.note().contains("snapshots"), "{}: {}", side.name, side.note());
        }
    }
}

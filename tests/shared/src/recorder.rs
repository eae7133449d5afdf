//! The recorder: threads make the calls of plans on a real forest, and note when.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provider_tree::{Claim, Expect, Provider, ProviderTree, Worker};
use uuid::Uuid;

use crate::caller::Caller;
use crate::history::{Event, Floors, History};
use crate::model::Model;
use crate::operation::{Answer, Handle, Op, Outcome, SLOTS, Slot, Stock, Stocks, inventories};
use crate::plan::{CLASSES, Pause, Plan, Step, consumers};
use crate::stall::stalling;

/// How long all histories of one recording may take together.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs plans that have equally many threads, one after the other, on one forest that is emptied
/// in between: so cells and records serve again.
pub fn record(plans: &[Plan], call: Caller) -> Vec<History> {
    let threads = plans.first().map_or(0, |plan| plan.threads.len());
    let stage = Stage::new(threads);
    let (left, leaving) = std::sync::mpsc::channel();
    let seats = std::thread::scope(|scope| {
        let play = |seat| {
            let (stage, left) = (&stage, left.clone());
            scope.spawn(move || {
                let _leave = Leave { stage, left };
                Player::new(stage, seat, call).play(plans)
            })
        };
        let seats: Vec<_> = (0..threads).map(play).collect();
        for _ in 0..threads {
            if leaving.recv_timeout(PATIENCE).is_err() {
                stage.never_ends();
            }
        }
        seats.into_iter().map(|seat| seat.join().expect("a thread failed")).collect::<Vec<_>>()
    });
    let floors = stage.floors().clone();
    assemble(plans, seats, floors)
}

/// What the threads of a recording share.
struct Stage {
    tree: ProviderTree,
    clock: AtomicU64,
    /// Of the history at hand.
    seed: AtomicU64,
    barrier: Barrier,
    /// The handles that each thread starts a history with.
    slots: Mutex<Option<[Provider; SLOTS]>>,
    /// Those that each history began with.
    floors: Mutex<Vec<Floors>>,
}

impl Stage {
    fn new(threads: usize) -> Self {
        Stage {
            tree: ProviderTree::new(),
            clock: AtomicU64::new(0),
            seed: AtomicU64::new(0),
            barrier: Barrier::new(threads as u64),
            slots: Mutex::new(None),
            floors: Mutex::new(vec![Floors::new()]),
        }
    }

    fn worker(&self) -> Worker {
        self.tree.worker().expect("room for a worker")
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A thread that never ends can be neither joined nor left behind.
    fn never_ends(&self) -> ! {
        // Not captured by the test harness, which has no time to show what it has captured.
        let _ = writeln!(std::io::stderr(), "a call never returns, {}", self.seed());
        std::process::exit(101);
    }

    fn seed(&self) -> String {
        format!("LINEARIZABILITY_SEED={}", self.seed.load(Ordering::SeqCst))
    }

    fn slots(&self) -> MutexGuard<'_, Option<[Provider; SLOTS]>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn floors(&self) -> MutexGuard<'_, Vec<Floors>> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when a thread leaves, and the others not to wait for one that failed.
struct Leave<'a> {
    stage: &'a Stage,
    left: std::sync::mpsc::Sender<()>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a thread failed, {}", self.stage.seed());
            self.stage.barrier.break_up();
        }
        let _ = self.left.send(());
    }
}

/// A call as the thread that made it noted it.
struct Note {
    invoked: u64,
    responded: u64,
    op: Op<Provider>,
    outcome: Outcome<Provider>,
}

/// One thread of a recording.
struct Player<'a> {
    stage: &'a Stage,
    seat: usize,
    call: Caller,
    worker: Worker,
    slots: Option<[Provider; SLOTS]>,
    floors: Floors,
    notes: Vec<Note>,
}

impl<'a> Player<'a> {
    fn new(stage: &'a Stage, seat: usize, call: Caller) -> Self {
        let worker = stage.worker();
        let (slots, floors, notes) = (None, Floors::new(), Vec::new());
        Player { stage, seat, call, worker, slots, floors, notes }
    }

    /// This thread's notes of each plan.
    fn play(&mut self, plans: &[Plan]) -> Vec<Vec<Note>> {
        plans.iter().map_while(|plan| self.play_one(plan)).collect()
    }

    /// None if another thread has failed.
    fn play_one(&mut self, plan: &Plan) -> Option<Vec<Note>> {
        let leads = self.seat == 0;
        if leads {
            self.stage.seed.store(plan.seed, Ordering::SeqCst);
            self.slots = None;
            self.take_floors();
            self.make(&plan.prelude);
            *self.stage.slots() = self.slots;
        }
        self.stage.barrier.wait()?;
        self.slots = *self.stage.slots();
        self.take_floors();
        // A new one has to allocate, and so stalls within its calls.
        self.worker = self.stage.worker();
        self.stage.barrier.wait()?;
        self.make(&plan.threads[self.seat]);
        self.stage.barrier.wait()?;
        if leads {
            self.make(&plan.finale);
            self.clear();
            self.find_floors();
        }
        Some(std::mem::take(&mut self.notes))
    }

    fn make(&mut self, steps: &[Step]) {
        steps.iter().for_each(|step| self.make_one(step));
    }

    fn make_one(&mut self, step: &Step) {
        let op = step.op.map(|slot| self.handle(slot)).counted_from(&self.floors);
        match step.pause {
            Pause::Spin(times) => (0..times).for_each(|_| std::hint::spin_loop()),
            Pause::Yield => std::thread::yield_now(),
        }
        let invoked = self.stage.tick();
        let outcome = stalling(step.stall, || (self.call)(&self.stage.tree, &mut self.worker, &op));
        let responded = self.stage.tick();
        if let Some(handle) = outcome.as_ref().ok().and_then(Answer::handle) {
            self.slots.get_or_insert([handle; SLOTS])[step.into] = handle;
        }
        self.notes.push(Note { invoked, responded, op, outcome });
    }

    fn handle(&self, slot: Slot) -> Provider {
        self.slots.expect("the prelude begins with a creation")[slot]
    }

    fn take_floors(&mut self) {
        self.floors = self.stage.floors().last().cloned().unwrap_or_default();
    }

    /// Finds what consumers have come to: a life more, and its end.
    fn find_floors(&mut self) {
        let tree = &self.stage.tree;
        let root = tree.create_root("floor", None).expect("the forest is empty");
        let stocks = Stocks::from([(CLASSES[0], Stock::of(1))]);
        tree.configure(&root, inventories(&stocks), Expect::Any).expect("nothing is used");
        let mut floors = Floors::new();
        for consumer in consumers() {
            let claimed = self.worker.claim(&Claim::new(consumer).take(&root, CLASSES[0], 1));
            floors.insert(consumer, claimed.expect("it fits").generation);
            let _receipt = self.worker.release(consumer).expect("it exists");
        }
        tree.remove(&root).expect("it is not used");
        self.stage.floors().push(floors);
    }

    /// Empties the forest, through the right calls.
    fn clear(&mut self) {
        let tree = &self.stage.tree;
        let audit = tree.snapshot().audit().unwrap();
        assert!(audit.holds(), "the books don't agree: {audit:?}");
        for consumer in consumers() {
            let _ = self.worker.release(consumer);
        }
        for provider in tree.providers() {
            let usages = tree.usages(&provider).expect("a provider of the forest");
            let taken = usages.iter().map(|(class, usage)| (*class, usage.used));
            let taken: Vec<_> = taken.filter(|(_, used)| *used > 0).collect();
            self.worker.put_back(&provider, &taken).expect("what was taken can be given back");
        }
        for root in tree.roots() {
            tree.remove(&root).expect("what is not used can be removed");
        }
        assert!(tree.providers().is_empty() && tree.snapshot().consumers().unwrap().is_empty());
    }
}

/// Puts the notes of all seats together.
fn assemble(plans: &[Plan], seats: Vec<Vec<Vec<Note>>>, floors: Vec<Floors>) -> Vec<History> {
    let mut seats: Vec<_> = seats.into_iter().map(Vec::into_iter).collect();
    let history = |(plan, floors): (&Plan, Floors)| {
        let notes = seats.iter_mut().enumerate().flat_map(|(seat, notes)| {
            let notes = notes.next().unwrap_or_default();
            notes.into_iter().map(move |note| (seat, note))
        });
        let mut notes: Vec<_> = notes.collect();
        notes.sort_by_key(|(_, note)| note.invoked);
        let began = notes.first().map_or(0, |(_, note)| note.invoked);
        let mut names = Names { began, ..Names::default() };
        let events = notes.into_iter().map(|(seat, note)| names.event(seat, note)).collect();
        History { seed: plan.seed, initial: Model::new(&floors), events }
    };
    plans.iter().zip(floors).map(history).collect()
}

/// What stands for the recording's times and providers in one history.
#[derive(Default)]
struct Names {
    began: u64,
    handles: HashMap<Provider, Handle>,
    lives: HashMap<Uuid, u32>,
}

impl Names {
    fn event(&mut self, thread: usize, note: Note) -> Event {
        let Note { invoked, responded, op, outcome } = note;
        let op = op.map(|provider| self.handle(provider));
        let outcome = outcome.map(|answer| answer.map(|provider| self.handle(provider)));
        let (invoked, responded) = (invoked - self.began, responded - self.began);
        Event { thread, invoked, responded, op, outcome }
    }

    fn handle(&mut self, provider: Provider) -> Handle {
        *self.handles.entry(provider).or_insert_with(|| {
            let uuid = provider.uuid();
            let lives = self.lives.entry(uuid).or_default();
            let life = *lives;
            *lives += 1;
            Handle { uuid, life }
        })
    }
}

/// Where threads wait for each other, again and again, unless one fails. They don't sleep, so that
/// they go on as close together as the machine allows.
struct Barrier {
    threads: u64,
    arrived: AtomicU64,
}

/// So many arrivals that no one waits any more.
const BROKEN: u64 = 1 << 63;

/// How often to look again before giving way to another thread.
const SPINS: u32 = 200;

impl Barrier {
    fn new(threads: u64) -> Self {
        Barrier { threads, arrived: AtomicU64::new(0) }
    }

    /// Waits for all; none if not all will come.
    fn wait(&self) -> Option<()> {
        let number = self.arrived.fetch_add(1, Ordering::SeqCst);
        let complete = (number / self.threads + 1) * self.threads;
        let mut spins = 0;
        loop {
            let arrived = self.arrived.load(Ordering::SeqCst);
            if arrived >= BROKEN {
                return None;
            }
            if arrived >= complete {
                return Some(());
            }
            spins += 1;
            match spins % SPINS {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }

    fn break_up(&self) {
        self.arrived.fetch_or(BROKEN, Ordering::SeqCst);
    }
}

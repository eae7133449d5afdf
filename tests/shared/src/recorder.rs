//! The recorder: threads make the calls of plans on a real forest, and note when.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provider_tree::{Batch, Claim, Error, Expect, Lease, Provider, ProviderTree, Worker};
use uuid::Uuid;

use crate::history::{Event, Floors, History};
use crate::model::Model;
use crate::operation::{
    Answer, Handle, Item, Listing, Op, Outcome, SLOTS, SetOp, Slot, Stock, Stocks, inventories,
    partial, resources,
};
use crate::plan::{CLASSES, Pause, Plan, Step, consumers};
use crate::stall::stalling;

/// How long all histories of one recording may take together.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to make calls: the right one, or one that is wrong on purpose.
pub type Caller = fn(&ProviderTree, &mut Worker, &Op<Provider>) -> Outcome<Provider>;

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
        tree.set_inventories(&root, inventories(&stocks), Expect::Any).expect("nothing is used");
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
        let audit = tree.audit();
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
        assert!(tree.providers().is_empty() && tree.consumers().is_empty());
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
    lives: HashMap<Uuid, u8>,
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

/// Makes one call of the library.
pub fn call(tree: &ProviderTree, worker: &mut Worker, op: &Op<Provider>) -> Outcome<Provider> {
    Ok(match op {
        Op::Populate(list) => {
            let list: Vec<_> = list.iter().map(Listing::spec).collect();
            Answer::Populated(tree.populate(&list).map_err(sorted)?)
        }
        Op::AddTraits(provider, traits, expect) => {
            Answer::Updated(tree.add_traits(provider, traits.iter().copied(), *expect)?)
        }
        Op::Traits(how, provider, traits, expect) => {
            let traits = traits.iter().copied();
            match how {
                SetOp::Set => Answer::Generation(tree.set_traits(provider, traits, *expect)?),
                SetOp::Update => Answer::Updated(tree.update_traits(provider, traits, *expect)?),
                SetOp::Add => Answer::Updated(tree.add_traits(provider, traits, *expect)?),
                SetOp::Remove => Answer::Updated(tree.remove_traits(provider, traits, *expect)?),
            }
        }
        Op::HasTraits(provider, traits) => {
            Answer::Is(tree.has_traits(provider, traits.iter().copied())?)
        }
        Op::HaveTraitsChanged(provider, traits) => {
            Answer::Is(tree.have_traits_changed(provider, traits.iter().copied())?)
        }
        Op::Aggregates(how, provider, set, expect) => {
            let set = set.iter().copied();
            match how {
                SetOp::Set => Answer::Generation(tree.set_aggregates(provider, set, *expect)?),
                SetOp::Update => Answer::Updated(tree.update_aggregates(provider, set, *expect)?),
                SetOp::Add => Answer::Updated(tree.add_aggregates(provider, set, *expect)?),
                SetOp::Remove => Answer::Updated(tree.remove_aggregates(provider, set, *expect)?),
            }
        }
        Op::InAggregates(provider, set) => {
            Answer::Is(tree.in_aggregates(provider, set.iter().copied())?)
        }
        Op::HaveAggregatesChanged(provider, set) => {
            Answer::Is(tree.have_aggregates_changed(provider, set.iter().copied())?)
        }
        Op::UpdateInventories(provider, said, expect) => {
            Answer::Updated(tree.update_inventories(provider, partial(said), *expect)?)
        }
        Op::HaveInventoriesChanged(provider, said) => {
            Answer::Is(tree.have_inventories_changed(provider, partial(said))?)
        }
        Op::HasInventories(provider) => Answer::Is(tree.has_inventories(provider)?),
        Op::UpdateResources(provider, values, expect) => {
            Answer::Updated(tree.update_resources(provider, resources(values), *expect)?)
        }
        Op::HaveResourcesChanged(provider, values) => {
            Answer::Is(tree.have_resources_changed(provider, &resources(values))?)
        }
        Op::Cordon(provider, true) => Answer::Is(tree.cordon(provider)?),
        Op::Cordon(provider, false) => Answer::Is(tree.uncordon(provider)?),
        Op::IsCordoned(provider) => Answer::Is(tree.is_cordoned(provider)?),
        Op::Commit(items) => Answer::Receipts(worker.commit(&batch(items)).map_err(sorted)?),
        Op::Gang(members, at_least) => {
            let members: Vec<_> = members.iter().map(|(one, lines)| claim(*one, lines)).collect();
            Answer::Gang(worker.claim_gang(&members, *at_least).map_err(sorted)?)
        }
        Op::Partly(consumer, lines) => {
            Answer::Partly(worker.claim_partly(&claim(*consumer, lines))?)
        }
        Op::RestOn(consumer, lines, provider, generation) => {
            let claim = claim(*consumer, lines).rest_on(provider, *generation);
            Answer::Receipt(worker.claim(&claim)?)
        }
        Op::Chain(consumer, (provider, class, amount)) => {
            let claim = Claim::new(*consumer).take_chain(provider, *class, *amount);
            Answer::Receipt(worker.claim(&claim)?)
        }
        Op::Lease(consumer, lines, deadline) => {
            let lease = worker.lease(&claim(*consumer, lines), *deadline)?;
            LEASES.with_borrow_mut(|leases| leases.insert(*consumer, lease));
            Answer::Receipt(lease.receipt())
        }
        Op::Confirm(consumer, now) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.confirm(&lease, *now)?),
            None => Answer::Nothing,
        },
        Op::Renew(consumer, deadline, now) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.renew(&lease, *deadline, *now)?),
            None => Answer::Nothing,
        },
        Op::Forget(consumer) => match lease(*consumer) {
            Some(lease) => Answer::Receipt(worker.forget(&lease)?),
            None => Answer::Nothing,
        },
        Op::Expire(now) => {
            let mut ended = worker.expire(*now)?;
            ended.sort_by_key(|receipt| receipt.consumer);
            Answer::Receipts(ended)
        }
        Op::HasSharingProvider(class) => Answer::Is(tree.has_sharing_provider(*class)),
        Op::Dump => Answer::Dump(tree.dump()),
        Op::CreateRoot(uuid, name) => Answer::Created(tree.create_root(name, *uuid)?),
        Op::CreateChild(parent, uuid, name) => {
            Answer::Created(tree.create_child(parent, name, *uuid)?)
        }
        Op::Remove(provider) => Answer::Removed(tree.remove(provider)?),
        Op::RemoveLeaf(provider) => done(tree.remove_leaf(provider)?),
        Op::Reparent(provider, parent) => done(tree.reparent(provider, parent.as_ref())?),
        Op::Rename(provider, name) => done(tree.rename(provider, name)?),
        // Each in its turn: both answer the same.
        Op::Find(uuid) if worker.metrics().claims.is_multiple_of(2) => {
            Answer::Found(worker.find(*uuid))
        }
        Op::Find(uuid) => Answer::Found(tree.find(*uuid)),
        Op::FindByName(name) => Answer::Found(tree.find(*name)),
        Op::Roots => Answer::Walk(tree.roots()),
        Op::Providers => Answer::Walk(tree.providers()),
        Op::Children(provider) => Answer::Walk(tree.children(provider)?),
        Op::Parent(provider) => Answer::Found(tree.parent(provider)?),
        Op::Ancestors(provider) => Answer::Walk(tree.ancestors(provider)?),
        Op::Subtree(provider) => Answer::Walk(tree.subtree(provider)?),
        Op::TreeOf(provider) => Answer::Walk(tree.tree_of(provider)?),
        Op::Name(provider) => Answer::Name(tree.name(provider)?.to_string()),
        Op::Data(provider) => Answer::Data(tree.data(provider)?),
        Op::SetInventories(provider, stocks, expect) => {
            let set = tree.set_inventories(provider, inventories(stocks), *expect)?;
            Answer::Generation(set.generation)
        }
        Op::SetTraits(provider, traits, expect) => {
            Answer::Generation(tree.set_traits(provider, traits.iter().copied(), *expect)?)
        }
        Op::Usage(provider, class) => Answer::Usage(tree.usage(provider, *class)?),
        Op::Usages(provider) => Answer::Usages(tree.usages(provider)?),
        Op::Claim(consumer, lines) => Answer::Receipt(worker.claim(&claim(*consumer, lines))?),
        Op::Replace(consumer, lines, expect) => {
            Answer::Receipt(worker.replace(&claim(*consumer, lines), *expect)?)
        }
        Op::Release(consumer) => Answer::Receipt(worker.release(*consumer)?),
        Op::Take(provider, amounts) => done(worker.take(provider, amounts)?),
        Op::PutBack(provider, amounts) => done(worker.put_back(provider, amounts)?),
        Op::Allocations(consumer) => Answer::Allocations(tree.allocations(*consumer)),
        Op::TakeRest(..) | Op::Grow(..) => unreachable!("no call of the library"),
    })
}

thread_local! {
    /// The last lease of each consumer that this thread has made.
    static LEASES: RefCell<HashMap<Uuid, Lease>> = RefCell::default();
}

fn lease(consumer: Uuid) -> Option<Lease> {
    LEASES.with_borrow(|leases| leases.get(&consumer).copied())
}

/// Forgets the leases that this thread has made.
pub fn forget_leases() {
    LEASES.with_borrow_mut(HashMap::clear);
}

fn batch(items: &[Item<Provider>]) -> Batch {
    items.iter().fold(Batch::new(), |batch, item| match item {
        Item::Claim(consumer, lines) => batch.claim(claim(*consumer, lines)),
        Item::Replace(consumer, lines, expect) => batch.replace(claim(*consumer, lines), *expect),
        Item::Release(consumer, expect) => batch.release(*consumer, *expect),
        Item::SetInventories(provider, stocks, expect) => {
            batch.set_inventories(provider, inventories(stocks), *expect)
        }
    })
}

/// The same error with its faults in an order that depends on nothing else.
pub fn sorted(mut error: Error) -> Error {
    if let Error::InvalidEntries { faults } = &mut error {
        faults.sort_by_cached_key(|fault| format!("{fault:?}"));
    }
    error
}

fn done((): ()) -> Answer<Provider> {
    Answer::Done
}

fn claim(consumer: Uuid, lines: &[(Provider, provider_tree::ResourceClass, u64)]) -> Claim {
    let mut claim = Claim::new(consumer);
    lines.iter().for_each(|(provider, class, amount)| claim.take_mut(provider, *class, *amount));
    claim
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

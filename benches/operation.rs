//! What does each operation take, for one thread that nobody disturbs?
//!
//! `cargo bench --bench operation`, with a filter behind it if only some are of interest. Where there
//! is an obvious way to do the same without the library, it is in the same group. What many threads
//! make of it is the question of `cargo xtask bench`.
//!
//! Making a claim is part of the time of a claim. What is undone between two measurements is not
//! timed.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion};
use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};
use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Worker,
};
use smallvec::SmallVec;
use uuid::Uuid;

const CLASSES: [ResourceClass; 3] =
    [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
const PROVIDERS: usize = 1024;
const CAPACITY: u64 = 1 << 40;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args();
    taking(&mut criterion);
    claiming(&mut criterion, "3 classes of 1 provider", 0);
    claiming(&mut criterion, "1 class of 3 providers", 331);
    refusing(&mut criterion);
    replacing(&mut criterion);
    finding(&mut criterion);
    reading(&mut criterion);
    configuring(&mut criterion);
    creating(&mut criterion);
    moving(&mut criterion);
    walking(&mut criterion);
    snapshots(&mut criterion);
    changes(&mut criterion);
    forks(&mut criterion);
    criterion.final_summary();
}

fn taking(criterion: &mut Criterion) {
    let (mut ours, mut peer) = (Forest::new(), Mutexes::new());
    let (ours, peer) = (&mut ours, &mut peer);
    let mut group = criterion.benchmark_group("take, 3 classes");
    group.bench_function("ours", |bencher| {
        each(bencher, ours, |_, _| {}, Forest::take, Forest::put_back);
    });
    group.bench_function("a mutex per provider", |bencher| {
        each(bencher, peer, |_, _| {}, Mutexes::take_for_none, Mutexes::put_back);
    });
    group.finish();
    let mut group = criterion.benchmark_group("put back, 3 classes");
    group.bench_function("ours", |bencher| {
        each(bencher, ours, Forest::take, Forest::put_back, |_, _| {});
    });
    group.bench_function("a mutex per provider", |bencher| {
        each(bencher, peer, Mutexes::take_for_none, Mutexes::put_back, |_, _| {});
    });
    group.finish();
}

/// Each line of a claim is of another class and of the provider so many further on.
fn claiming(criterion: &mut Criterion, what: &str, stride: usize) {
    let (mut ours, mut peer) = (Forest::new(), Mutexes::new());
    let (ours, peer) = (&mut ours, &mut peer);
    let claim = |forest: &mut Forest, number| forest.claim(number, stride);
    let peers_claim = |peer: &mut Mutexes, number| peer.claim(number, stride);
    let mut group = criterion.benchmark_group(format!("claim, {what}"));
    group.bench_function("ours", |bencher| {
        each(bencher, ours, |_, _| {}, claim, Forest::release);
    });
    group.bench_function("a mutex per provider", |bencher| {
        each(bencher, peer, |_, _| {}, peers_claim, Mutexes::release);
    });
    group.finish();
    let mut group = criterion.benchmark_group(format!("release, {what}"));
    group.bench_function("ours", |bencher| {
        each(bencher, ours, claim, Forest::release, |_, _| {});
    });
    group.bench_function("a mutex per provider", |bencher| {
        each(bencher, peer, peers_claim, Mutexes::release, |_, _| {});
    });
    group.finish();
}

/// The last of three classes does not fit.
fn refusing(criterion: &mut Criterion) {
    let (mut forest, mut peer) = (Forest::new(), Mutexes::new());
    let mut group = criterion.benchmark_group("refused claim, 3 classes of 1 provider");
    let mut next = picks();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let number = next();
            let mut claim = forest.wanted(number, 0);
            claim.take_mut(&forest.providers[pick(number)], CLASSES[2], CAPACITY);
            let refused = forest.worker.claim(black_box(&claim));
            assert!(matches!(refused, Err(Error::CapacityExceeded { .. })));
        });
    });
    group.bench_function("a mutex per provider", |bencher| {
        bencher.iter(|| {
            let number = next();
            let mut lines = lines(number, 0);
            lines[2].amount += CAPACITY;
            assert!(!peer.try_claim(consumer(number), black_box(lines)));
        });
    });
    group.finish();
}

/// A consumer of three classes moves to another provider.
fn replacing(criterion: &mut Criterion) {
    let mut forest = Forest::new();
    criterion.bench_function("replace, 3 classes to another provider", |bencher| {
        let before = |forest: &mut Forest, number| forest.claim(number, 0);
        let timed = |forest: &mut Forest, number: usize| {
            let mut claim = Claim::new(consumer(number));
            let provider = &forest.providers[pick(number + 1)];
            CLASSES.into_iter().for_each(|class| claim.take_mut(provider, class, 1));
            forest.worker.replace(black_box(&claim), Expect::Any).map(drop).expect("it fits");
        };
        each(bencher, &mut forest, before, timed, Forest::release);
    });
}

fn finding(criterion: &mut Criterion) {
    let forest = Forest::new();
    let uuids: Vec<_> = (0..PROVIDERS).map(provider_uuid).collect();
    let names: Vec<_> = (0..PROVIDERS).map(name).collect();
    let mut next = picks();

    let mut group = criterion.benchmark_group("find by uuid");
    let all = || uuids.iter().copied().zip(0_usize..);
    let std: HashMap<_, _, Hasher> = all().collect();
    let dash: DashMap<_, _, Hasher> = all().collect();
    let papaya: papaya::HashMap<_, _, Hasher> = all().collect();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| forest.tree.find(black_box(&uuids[next()])).is_some());
    });
    group.bench_function("HashMap", |bencher| {
        bencher.iter(|| std.get(black_box(&uuids[next()])).copied());
    });
    group.bench_function("DashMap", |bencher| {
        bencher.iter(|| dash.get(black_box(&uuids[next()])).map(|at| *at));
    });
    group.bench_function("papaya", |bencher| {
        bencher.iter(|| papaya.pin().get(black_box(&uuids[next()])).copied());
    });
    group.finish();

    let mut group = criterion.benchmark_group("find by name");
    let all = || names.iter().cloned().zip(0_usize..);
    let std: HashMap<_, _, Hasher> = all().collect();
    let dash: DashMap<_, _, Hasher> = all().collect();
    let papaya: papaya::HashMap<_, _, Hasher> = all().collect();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| forest.tree.find(black_box(names[next()].as_str())).is_some());
    });
    group.bench_function("HashMap", |bencher| {
        bencher.iter(|| std.get(black_box(&names[next()])).copied());
    });
    group.bench_function("DashMap", |bencher| {
        bencher.iter(|| dash.get(black_box(&names[next()])).map(|at| *at));
    });
    group.bench_function("papaya", |bencher| {
        bencher.iter(|| papaya.pin().get(black_box(&names[next()])).copied());
    });
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let (Forest { tree, providers, .. }, peer) = (Forest::new(), Mutexes::new());
    let mut next = picks();
    let mut group = criterion.benchmark_group("usage of 1 class");
    group.bench_function("ours", |bencher| {
        bencher.iter(|| tree.usage(&providers[next()], black_box(CLASSES[1])).expect("it has it"));
    });
    group.bench_function("a mutex per provider", |bencher| {
        bencher.iter(|| peer.providers[next()].lock()[black_box(1)]);
    });
    group.finish();
    criterion.bench_function("usages of all 3 classes", |bencher| {
        bencher.iter(|| tree.usages(&providers[next()]).expect("it exists"));
    });
    criterion.bench_function("data", |bencher| {
        bencher.iter(|| tree.data(&providers[next()]).expect("it exists"));
    });
    criterion.bench_function("inventories: 1 class of the data", |bencher| {
        bencher.iter(|| {
            let data = tree.data(&providers[next()]).expect("it exists");
            data.inventories.get(black_box(CLASSES[1])).copied()
        });
    });
}

fn configuring(criterion: &mut Criterion) {
    let forest = Forest::new();
    let mut state = (forest, Vec::new(), 0);
    criterion.bench_function("set_inventories, 3 classes", |bencher| {
        let before = |(_, stock, changes): &mut (Forest, Vec<Inventories>, u64), _| {
            *changes += 1;
            stock.push(inventories(CAPACITY + *changes));
        };
        let timed = |(forest, stock, _): &mut (Forest, Vec<Inventories>, u64), number| {
            let inventories = stock.pop().expect("one for each call");
            let provider = &forest.providers[pick(number)];
            black_box(forest.tree.set_inventories(provider, inventories, Expect::Any))
                .expect("valid");
        };
        each(bencher, &mut state, before, timed, |_, _| {});
    });
}

fn creating(criterion: &mut Criterion) {
    /// A forest, and what was created and is to be removed.
    struct State(Forest, Vec<Provider>);
    let mut state = State(Forest::new(), Vec::new());
    let names: Vec<_> = (0..AT_ONCE).map(|number| format!("child-{number}")).collect();
    let create = |State(forest, created): &mut State, number: usize| {
        let parent = &forest.providers[pick(number)];
        let name = black_box(&names[number % AT_ONCE]);
        created.push(forest.tree.create_child(parent, name, consumer(number)).expect("it is new"));
    };
    let remove = |State(forest, created): &mut State, _| {
        let last = created.pop().expect("one for each call");
        forest.tree.remove_leaf(black_box(&last)).expect("it is a leaf");
    };
    criterion.bench_function("create a child", |bencher| {
        each(bencher, &mut state, |_, _| {}, create, remove);
    });
    criterion.bench_function("remove a leaf", |bencher| {
        each(bencher, &mut state, create, remove, |_, _| {});
    });
}

fn moving(criterion: &mut Criterion) {
    let Forest { tree, providers, .. } = Forest::new();
    let child = tree.create_child(&providers[0], "child", None).expect("it is new");
    let mut next = picks();
    criterion.bench_function("move a leaf to another root", |bencher| {
        bencher.iter(|| tree.reparent(&child, Some(&providers[next()])).expect("no cycle"));
    });
    let mut number = 0_usize;
    let names = ["one", "another"];
    criterion.bench_function("rename", |bencher| {
        bencher.iter(|| {
            number += 1;
            tree.rename(&child, black_box(names[number % 2])).expect("it is free");
        });
    });
}

fn walking(criterion: &mut Criterion) {
    let tree = ProviderTree::new();
    let root = tree.create_root("root", None).expect("it is new");
    let mut children = Vec::new();
    for count in [10, 1000] {
        for number in children.len()..count {
            let name = format!("child-{number}");
            children.push(tree.create_child(&root, &name, None).expect("it is new"));
        }
        criterion.bench_function(&format!("children, {count}"), |bencher| {
            bencher.iter(|| tree.children(black_box(&root)).expect("it exists"));
        });
    }
    criterion.bench_function("parent", |bencher| {
        bencher.iter(|| tree.parent(black_box(&children[500])).expect("it exists"));
    });
}

fn snapshots(criterion: &mut Criterion) {
    let mut forest = Forest::new();
    criterion.bench_function("snapshot, taken and dropped", |bencher| {
        bencher.iter(|| forest.tree.snapshot());
    });
    let snapshot = forest.tree.snapshot();
    let mut next = picks();
    let mut group = criterion.benchmark_group("usage in a snapshot");
    group.bench_function("not changed since", |bencher| {
        bencher.iter(|| {
            snapshot.usage(&forest.providers[next()], black_box(CLASSES[1])).expect("it is there")
        });
    });
    (0..PROVIDERS).for_each(|number| forest.take(number));
    group.bench_function("changed since", |bencher| {
        bencher.iter(|| {
            let provider = &forest.providers[next()];
            let usage = snapshot.usage(provider, black_box(CLASSES[1])).expect("it is there");
            assert_eq!(usage.used, 0);
        });
    });
    group.finish();
}

fn changes(criterion: &mut Criterion) {
    let mut forest = Forest::new();
    let before = forest.tree.snapshot();
    forest.take(0);
    let now = forest.tree.snapshot();
    criterion.bench_function("changes since, 1 change", |bencher| {
        bencher.iter(|| {
            let changes = now.changes_since(black_box(&before)).expect("not too old");
            assert_eq!(changes.len(), 1);
        });
    });
}

/// One who holds all of a provider goes, and another comes, in a fork.
fn forks(criterion: &mut Criterion) {
    let mut forest = Forest::new();
    let all =
        |consumer, provider: &Provider| Claim::new(consumer).take(provider, CLASSES[0], CAPACITY);
    for (number, provider) in forest.providers.iter().enumerate() {
        forest.worker.claim(&all(consumer(number), provider)).map(drop).expect("it fits");
    }
    let snapshot = forest.tree.snapshot();
    let mut next = picks();
    criterion.bench_function("fork, evict one, place another", |bencher| {
        bencher.iter(|| {
            let number = next();
            let mut fork = snapshot.fork();
            fork.release(consumer(number)).expect("it holds something");
            let placed = fork.claim(&all(consumer(PROVIDERS), &forest.providers[number]));
            placed.expect("it fits now");
            fork
        });
    });
}

/// So many calls are timed as one, between what prepares and what undoes them.
const AT_ONCE: usize = 256;

/// Times `timed` for each number, after `before` and before `after` for the same numbers.
fn each<S>(
    bencher: &mut Bencher<'_>,
    state: &mut S,
    before: impl Fn(&mut S, usize),
    timed: impl Fn(&mut S, usize),
    after: impl Fn(&mut S, usize),
) {
    bencher.iter_custom(|times| {
        // Whether 32 bits or 64: nobody waits for so many.
        let times = times as usize;
        let mut time = Duration::ZERO;
        for first in (0..times).step_by(AT_ONCE) {
            let numbers = first..times.min(first + AT_ONCE);
            numbers.clone().for_each(|number| before(state, number));
            let begin = Instant::now();
            numbers.clone().for_each(|number| timed(state, number));
            time += begin.elapsed();
            numbers.for_each(|number| after(state, number));
        }
        time
    });
}

/// The provider of a call: not in order, since nobody's are. The factor is odd, so all come.
fn pick(number: usize) -> usize {
    number.wrapping_mul(613) % PROVIDERS
}

/// The providers of one call after the other.
fn picks() -> impl FnMut() -> usize {
    let mut number = 0;
    move || {
        number += 1;
        pick(number)
    }
}

/// Uuids spread as random ones do, and the same in every run.
fn spread(space: u64, number: usize) -> Uuid {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ space)
}

fn provider_uuid(number: usize) -> Uuid {
    spread(1, number)
}

fn consumer(number: usize) -> Uuid {
    spread(2, number)
}

fn name(number: usize) -> String {
    format!("host-{number}")
}

fn inventories(total: u64) -> Inventories {
    CLASSES.map(|class| (class, Inventory::new(total))).into_iter().collect()
}

/// Ours, with what one thread needs.
struct Forest {
    tree: ProviderTree,
    providers: Vec<Provider>,
    worker: Worker,
}

impl Forest {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let inventories = inventories(CAPACITY);
        let spec = |number| {
            ProviderSpec::new(provider_uuid(number), name(number))
                .with_inventories(inventories.clone())
        };
        let list: Vec<_> = (0..PROVIDERS).map(spec).collect();
        let providers = tree.populate(&list).expect("a sound list");
        let worker = tree.worker().expect("the first worker");
        Forest { tree, providers, worker }
    }

    fn take(&mut self, number: usize) {
        let amounts = CLASSES.map(|class| (class, 1));
        self.worker.take(&self.providers[pick(number)], black_box(&amounts)).expect("it fits");
    }

    fn put_back(&mut self, number: usize) {
        let amounts = CLASSES.map(|class| (class, 1));
        let provider = &self.providers[pick(number)];
        self.worker.put_back(provider, black_box(&amounts)).expect("it was taken");
    }

    fn wanted(&self, number: usize, stride: usize) -> Claim {
        let mut claim = Claim::new(consumer(number));
        for (offset, class) in CLASSES.into_iter().enumerate() {
            let at = (pick(number) + offset * stride) % PROVIDERS;
            let class = if stride == 0 { class } else { CLASSES[0] };
            claim.take_mut(&self.providers[at], class, 1);
        }
        claim
    }

    fn claim(&mut self, number: usize, stride: usize) {
        let claim = self.wanted(number, stride);
        self.worker.claim(black_box(&claim)).map(drop).expect("it fits");
    }

    fn release(&mut self, number: usize) {
        self.worker.release(black_box(consumer(number))).map(drop).expect("it holds something");
    }
}

/// The hasher of our indexes.
type Hasher = foldhash::quality::RandomState;

#[derive(Clone, Copy)]
struct Line {
    provider: usize,
    class: usize,
    amount: u64,
}

type Lines = SmallVec<[Line; 3]>;

/// The lines that [`Forest::wanted`] has.
fn lines(number: usize, stride: usize) -> Lines {
    let line = |offset: usize| Line {
        provider: (pick(number) + offset * stride) % PROVIDERS,
        class: if stride == 0 { offset } else { 0 },
        amount: 1,
    };
    (0..3).map(line).collect()
}

/// What a user would write: a mutex for each provider around what is free, locked in order, and one
/// around what is held.
struct Mutexes {
    providers: Vec<Mutex<[u64; 3]>>,
    held: Mutex<HashMap<Uuid, Lines, Hasher>>,
}

impl Mutexes {
    fn new() -> Self {
        let providers = (0..PROVIDERS).map(|_| Mutex::new([CAPACITY; 3])).collect();
        Mutexes { providers, held: Mutex::default() }
    }

    fn take_for_none(&mut self, number: usize) {
        let mut free = self.providers[pick(number)].lock();
        let amounts = black_box([1; 3]);
        assert!(free.iter().zip(&amounts).all(|(free, amount)| free >= amount));
        free.iter_mut().zip(&amounts).for_each(|(free, amount)| *free -= amount);
    }

    fn put_back(&mut self, number: usize) {
        let mut free = self.providers[pick(number)].lock();
        free.iter_mut().zip(black_box([1; 3])).for_each(|(free, amount)| *free += amount);
    }

    fn claim(&mut self, number: usize, stride: usize) {
        assert!(self.try_claim(consumer(number), black_box(lines(number, stride))));
    }

    /// No two lines are of the same class of the same provider.
    fn try_claim(&mut self, consumer: Uuid, lines: Lines) -> bool {
        let mut held = self.held.lock();
        let Entry::Vacant(place) = held.entry(consumer) else { return false };
        let mut locked = Locked::new(&self.providers, &lines);
        if !lines.iter().all(|line| *locked.free(line) >= line.amount) {
            return false;
        }
        lines.iter().for_each(|line| *locked.free(line) -= line.amount);
        place.insert(lines);
        true
    }

    fn release(&mut self, number: usize) {
        let lines = self.held.lock().remove(&black_box(consumer(number)));
        let lines = lines.expect("it holds something");
        let mut locked = Locked::new(&self.providers, &lines);
        lines.iter().for_each(|line| *locked.free(line) += line.amount);
    }
}

/// The providers of some lines, locked in their order.
struct Locked<'a>(SmallVec<[(usize, MutexGuard<'a, [u64; 3]>); 3]>);

impl<'a> Locked<'a> {
    fn new(providers: &'a [Mutex<[u64; 3]>], lines: &[Line]) -> Self {
        let mut wanted: SmallVec<[usize; 3]> = lines.iter().map(|line| line.provider).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Locked(wanted.into_iter().map(|at| (at, providers[at].lock())).collect())
    }

    fn free(&mut self, line: &Line) -> &mut u64 {
        let mut guards = self.0.iter_mut();
        let guard = guards.find(|(at, _)| *at == line.provider).map(|(_, guard)| guard);
        &mut guard.expect("all were locked")[line.class]
    }
}

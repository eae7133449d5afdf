//! What does each operation take, for one thread that nobody disturbs?
//!
//! `cargo bench --bench operation`, with a filter behind it if only some are of interest. Where there
//! is an obvious way to do the same without the library, it is in the same group. What many threads
//! make of it is the question of `cargo xtask bench`.
//!
//! What is undone between two measurements is not timed.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::{
    APART, AT_ONCE, CLASSES, Forest, HOST, JOB, OPERATIONS, Operation, PEERS, PROVIDERS, amounts,
    consumer, inventories, name, pick, provider_uuid,
};
use criterion::{Bencher, Criterion};
use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};
use provider_tree::{Claim, Error, Expect, Inventories, Provider, ProviderTree};
use smallvec::SmallVec;
use uuid::Uuid;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args();
    counted(&mut criterion);
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

/// The operations that are counted, too, each beside what does the same.
fn counted(criterion: &mut Criterion) {
    type Steps = [fn(&mut Mutexes, usize); 3];
    let peers: [(&str, Steps); 7] = [
        ("take, 3 classes", [nothing, Mutexes::take_for_none, Mutexes::put_back]),
        ("put back, 3 classes", [Mutexes::take_for_none, Mutexes::put_back, nothing]),
        ("claim, 3 classes of 1 provider", [nothing, Mutexes::claim_one, Mutexes::release]),
        ("release, 3 classes of 1 provider", [Mutexes::claim_one, Mutexes::release, nothing]),
        ("claim, 1 class of 3 providers", [nothing, Mutexes::claim_three, Mutexes::release]),
        ("release, 1 class of 3 providers", [Mutexes::claim_three, Mutexes::release, nothing]),
        ("usage", [nothing, Mutexes::usage, nothing]),
    ];
    for Operation { name, before, run, after } in OPERATIONS {
        let mut group = criterion.benchmark_group(*name);
        let [before, after] = [before, after].map(|step| step.unwrap_or(nothing));
        group.bench_function("ours", |bencher| {
            each(bencher, &mut Forest::default(), before, run, after);
        });
        for (peer, of) in PEERS {
            if of.contains(name) {
                group.bench_function(peer.name, |bencher| {
                    each(bencher, &mut Forest::default(), nothing, peer.run, nothing);
                });
            }
        }
        for (_, [before, run, after]) in peers.iter().filter(|(peers, _)| peers == name) {
            group.bench_function("a mutex per provider", |bencher| {
                each(bencher, &mut Mutexes::new(), before, run, after);
            });
        }
        group.finish();
    }
}

fn nothing<S>(_: &mut S, _: usize) {}

/// The last of three classes does not fit.
fn refusing(criterion: &mut Criterion) {
    let (mut forest, mut peer) = (Forest::default(), Mutexes::new());
    let mut group = criterion.benchmark_group("refused claim, 3 classes of 1 provider");
    let mut next = picks();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let number = next();
            let mut claim = Claim::new(consumer(number));
            for (class, amount) in amounts([JOB[0], JOB[1], HOST[2] + 1]) {
                claim.extend([(*forest.provider(number), class, amount)]);
            }
            let refused = forest.worker.claim(black_box(&claim));
            assert!(matches!(refused, Err(Error::CapacityExceeded { .. })));
        });
    });
    group.bench_function("a mutex per provider", |bencher| {
        bencher.iter(|| {
            let number = next();
            let mut lines = lines_of_one(number);
            lines[2].amount = HOST[2] + 1;
            assert!(!peer.try_claim(consumer(number), black_box(lines)));
        });
    });
    group.finish();
}

/// A consumer of three classes moves to another provider.
fn replacing(criterion: &mut Criterion) {
    let mut forest = Forest::default();
    criterion.bench_function("replace, 3 classes to another provider", |bencher| {
        let timed = |forest: &mut Forest, number: usize| {
            let mut claim = Claim::new(consumer(number));
            let provider = forest.provider(number + 1);
            for (class, amount) in amounts(JOB) {
                claim.extend([(*provider, class, amount)]);
            }
            forest.worker.replace(black_box(&claim), Expect::Any).map(drop).expect("it fits");
        };
        each(bencher, &mut forest, Forest::claim_one, timed, Forest::release);
    });
}

fn finding(criterion: &mut Criterion) {
    let uuids: Vec<_> = (0..PROVIDERS).map(provider_uuid).collect();
    let names: Vec<_> = (0..PROVIDERS).map(name).collect();
    let mut next = picks();

    let mut group = criterion.benchmark_group("find by uuid");
    let all = || uuids.iter().copied().zip(0_usize..);
    let std: HashMap<_, _, Hasher> = all().collect();
    let dash: DashMap<_, _, Hasher> = all().collect();
    let papaya: papaya::HashMap<_, _, Hasher> = all().collect();
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
    let Forest { tree, providers, .. } = Forest::default();
    let mut next = picks();
    criterion.bench_function("usages of all 3 classes", |bencher| {
        bencher.iter(|| tree.usages(&providers[next()]).expect("it exists"));
    });
    criterion.bench_function("inventories: 1 class of the data", |bencher| {
        bencher.iter(|| {
            let data = tree.configuration(&providers[next()]).expect("it exists");
            data.inventories.get(black_box(CLASSES[1])).copied()
        });
    });
}

fn configuring(criterion: &mut Criterion) {
    let forest = Forest::default();
    let mut state = (forest, Vec::new(), 0);
    criterion.bench_function("set_inventories, 3 classes", |bencher| {
        let before = |(_, stock, changes): &mut (Forest, Vec<Inventories>, u64), _| {
            *changes += 1;
            // A prime number of steps, so that each provider comes to have something else.
            stock.push(inventories(HOST.map(|total| total + *changes % 97)));
        };
        let timed = |(forest, stock, _): &mut (Forest, Vec<Inventories>, u64), number| {
            let inventories = stock.pop().expect("one for each call");
            let provider = forest.provider(number);
            black_box(forest.tree.configure(provider, inventories, Expect::Any)).expect("valid");
        };
        each(bencher, &mut state, before, timed, |_, _| {});
    });
}

fn creating(criterion: &mut Criterion) {
    /// A forest, and what was created and is to be removed.
    struct State(Forest, Vec<Provider>);
    let mut state = State(Forest::default(), Vec::new());
    let names: Vec<_> = (0..AT_ONCE).map(|number| format!("child-{number}")).collect();
    let create = |State(forest, created): &mut State, number: usize| {
        let parent = forest.provider(number);
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
    let Forest { tree, providers, .. } = Forest::default();
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
        bencher.iter(|| {
            tree.ancestors(black_box(&children[500]))
                .map(|all| all.first().copied())
                .expect("it exists")
        });
    });
}

fn snapshots(criterion: &mut Criterion) {
    let mut forest = Forest::default();
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
    let mut forest = Forest::default();
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
    let mut forest = Forest::default();
    let all =
        |consumer, provider: &Provider| Claim::new(consumer).take(provider, CLASSES[0], HOST[0]);
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

/// The providers of one call after the other.
fn picks() -> impl FnMut() -> usize {
    let mut number = 0;
    move || {
        number += 1;
        pick(number)
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

fn lines_of_one(number: usize) -> Lines {
    let line = |class| Line { provider: pick(number), class, amount: JOB[class] };
    (0..3).map(line).collect()
}

fn lines_of_three(number: usize) -> Lines {
    let provider = |offset| (pick(number) + offset) % PROVIDERS;
    APART.map(|offset| Line { provider: provider(offset), class: 0, amount: JOB[0] }).into()
}

/// What a user would write: a mutex for each provider around what is free, locked in order, and one
/// around what is held.
struct Mutexes {
    providers: Vec<Mutex<[u64; 3]>>,
    held: Mutex<HashMap<Uuid, Lines, Hasher>>,
}

impl Mutexes {
    fn new() -> Self {
        let providers = (0..PROVIDERS).map(|_| Mutex::new(HOST)).collect();
        Mutexes { providers, held: Mutex::default() }
    }

    fn take_for_none(&mut self, number: usize) {
        let mut free = self.providers[pick(number)].lock();
        let amounts = black_box(JOB);
        assert!(free.iter().zip(&amounts).all(|(free, amount)| free >= amount));
        free.iter_mut().zip(&amounts).for_each(|(free, amount)| *free -= amount);
    }

    fn put_back(&mut self, number: usize) {
        let mut free = self.providers[pick(number)].lock();
        free.iter_mut().zip(black_box(JOB)).for_each(|(free, amount)| *free += amount);
    }

    fn usage(&mut self, number: usize) {
        black_box(self.providers[pick(number)].lock()[black_box(1)]);
    }

    fn claim_one(&mut self, number: usize) {
        assert!(self.try_claim(consumer(number), black_box(lines_of_one(number))));
    }

    fn claim_three(&mut self, number: usize) {
        assert!(self.try_claim(consumer(number), black_box(lines_of_three(number))));
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

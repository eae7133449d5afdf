//! Size: a million providers in a chain, below one parent, and side by side; and what an operation
//! costs as forests grow.
//!
//! Without the test harness, as each part measures the memory of a process of its own. To be run
//! with optimisation, `cargo test --release --test scale`; without it, forests are smaller.

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use provider_tree::{
    Claim, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree, RecordCounts,
    ResourceClass, Snapshot, Worker,
};
use uuid::Uuid;

const MANY: usize = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };

type Part = (&'static str, fn());

const PARTS: [Part; 6] = [
    ("chain", chain),
    ("children of one parent", children),
    ("roots", roots),
    ("hosts with consumers", hosts_with_consumers),
    ("cost", costs),
    ("snapshots held", snapshots_held),
];

fn main() {
    let wanted = std::env::var(PART).ok();
    if let Some((_, part)) = PARTS.iter().find(|(name, _)| wanted.as_deref() == Some(name)) {
        return part();
    }
    let this = std::env::current_exe().expect("a test knows where it is");
    for (name, _) in PARTS {
        println!("\n{name}, {MANY} providers");
        let status = Command::new(&this).env(PART, name).status().expect("a test starts itself");
        assert!(status.success(), "{name}: {status}");
    }
    println!("\ntest result: ok. {} parts passed", PARTS.len());
}

/// The environment variable that names the part that a process is for.
const PART: &str = "SCALE_PART";

fn chain() {
    let tree = ProviderTree::new();
    let ids: Vec<_> = (0..MANY as u64).map(uuid).collect();
    let (all, top) = built(|| {
        let top = tree.create_root("0", ids[0]).unwrap();
        let mut last = top;
        for (number, id) in ids.iter().enumerate().skip(1) {
            last = tree.create_child(&last, &number.to_string(), *id).unwrap();
        }
        (MANY, top)
    });
    let walk = timed("walked", all, || tree.subtree(&top).unwrap());
    assert!(walk.iter().map(Provider::uuid).eq(ids.iter().copied()));
    let (middle, last) = (walk[all / 2], walk[all - 1]);
    assert_eq!(tree.ancestors(&last).unwrap().len(), all - 1);

    timed("lower half made a root", 1, || tree.reparent(&middle, None).unwrap());
    assert_eq!(tree.subtree(&top).unwrap().len(), all / 2);
    assert_eq!(tree.tree_of(&last).unwrap().len(), all - all / 2);
    timed("upper half put below it", 1, || tree.reparent(&top, Some(&last)).unwrap());
    assert_eq!(tree.ancestors(&walk[all / 2 - 1]).unwrap().len(), all - 1);
    assert!(tree.reparent(&middle, Some(&top)).is_err(), "a circle");

    let dump = timed("dumped", all, || tree.snapshot().dump().unwrap());
    let copy = timed("loaded", all, || ProviderTree::load(&dump).unwrap());
    assert_eq!(copy.providers().len(), all);
    timed("dropped", all, || drop(copy));
    assert_eq!(timed("removed", all, || tree.remove(&middle).unwrap()), all);
    assert!(tree.roots().is_empty());
}

fn children() {
    let tree = ProviderTree::new();
    let (all, top) = built(|| {
        let top = tree.create_root("top", None).unwrap();
        for number in 1..MANY {
            tree.create_child(&top, &number.to_string(), uuid(number as u64)).unwrap();
        }
        (MANY, top)
    });
    let walk = timed("walked", all, || tree.children(&top).unwrap());
    assert!(walk.iter().map(Provider::uuid).eq((1..MANY as u64).map(uuid)));
    let other = tree.create_root("other", None).unwrap();
    timed("all moved to another parent", 1, || tree.reparent(&top, Some(&other)).unwrap());
    assert_eq!(tree.ancestors(&walk[all / 2]).unwrap(), [top, other]);
    assert_eq!(timed("removed", all, || tree.remove(&other).unwrap()), all + 1);
    timed("dropped", all, || drop(tree));
}

fn roots() {
    let tree = ProviderTree::new();
    let list: Vec<_> = (0..MANY)
        .map(|number| ProviderSpec::new(uuid(number as u64), number.to_string()))
        .collect();
    let (all, handles) = built(|| (MANY, tree.populate(&list).unwrap()));
    assert_eq!(timed("walked", all, || tree.roots()), handles);
    for provider in handles.iter().step_by(1000) {
        assert_eq!(tree.tree_of(provider).unwrap(), [*provider]);
    }
    timed("dropped", all, || drop(tree));
}

/// Hosts of three classes, each with three consumers; and, with `SCALE_GIB`, more of them until the
/// process has so many GiB or there are ten million hosts.
fn hosts_with_consumers() {
    const STEP: u64 = if cfg!(debug_assertions) { 1000 } else { 50_000 };
    const CONSUMERS: u64 = 3;
    const MOST_HOSTS: u64 = 10_000_000;
    let most =
        std::env::var(GIB).map_or(0, |gib| gib.parse::<u64>().expect("a number of GiB") << 30);
    let tree = ProviderTree::new();
    let mut worker = tree.worker().unwrap();
    let classes = [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
    let inventory = |(class, total)| (class, Inventory::new(total));
    let inventories: Inventories =
        classes.into_iter().zip([64, 262_144, 4000]).map(inventory).collect();
    let inventories = Arc::new(inventories);
    let consumer = |number: u64| Uuid::from_u64_pair(1, number);
    let mut grow = |count| {
        let specs: Vec<_> = (count..count + STEP)
            .map(|number| {
                let mut spec = ProviderSpec::new(uuid(number), number.to_string());
                spec.inventories = Arc::clone(&inventories);
                spec
            })
            .collect();
        for (host, number) in tree.populate(&specs).unwrap().iter().zip(count..) {
            for number in number * CONSUMERS..(number + 1) * CONSUMERS {
                let amounts = classes.into_iter().zip([4, 8192, 40]);
                let claim = amounts.fold(Claim::new(consumer(number)), |claim, (class, amount)| {
                    claim.take(host, class, amount)
                });
                let _ = worker.claim(&claim).unwrap();
            }
        }
        (STEP as usize, ())
    };
    built(|| grow(0));
    let mut count = STEP;
    while count < MOST_HOSTS && resident_memory().is_some_and(|bytes| bytes < most) {
        grow(count);
        count += STEP;
    }
    let memory = tree.memory();
    let (hosts, consumers) = (memory.providers.live, memory.consumers.live);
    println!("  {hosts} hosts, {consumers} consumers, {} bytes", memory.bytes.total());
    for RecordCounts { words, made, in_force, .. } in memory.records.iter().filter(|it| it.made > 0)
    {
        println!("  {made} records of {words} words, {in_force} of them in force");
    }
    assert_eq!((hosts, consumers), (count, CONSUMERS * count));
    // A full forest goes on as an empty one does.
    for number in [0, consumers / 2, consumers - 1] {
        let held = tree.allocations(consumer(number)).unwrap();
        assert_eq!(held.allocations.len(), classes.len());
        let _ = worker.release(consumer(number)).unwrap();
        let host = tree.find(held.allocations[0].provider).unwrap();
        let _ = worker.claim(&Claim::new(consumer(number)).take(&host, classes[0], 1)).unwrap();
    }
}

/// The environment variable that says how large the forest of hosts and consumers is to grow.
const GIB: &str = "SCALE_GIB";

/// Runs `build`, and says what each of the providers that it made took of time and memory.
fn built<T>(build: impl FnOnce() -> (usize, T)) -> (usize, T) {
    let before = resident_memory();
    let begin = Instant::now();
    let (count, made) = build();
    report("built", count, begin.elapsed());
    if let (Some(before), Some(after)) = (before, resident_memory()) {
        println!("  {:32} {:10.0} bytes each", "memory", (after - before) as f64 / count as f64);
    }
    (count, made)
}

fn timed<T>(what: &str, count: usize, run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = run();
    report(what, count, begin.elapsed());
    result
}

fn report(what: &str, count: usize, time: Duration) {
    let each = time.as_nanos() as f64 / count as f64;
    println!("  {what:32} {each:10.0} ns each, {:.3} s in all", time.as_secs_f64());
}

/// The memory of this process in bytes, where the system says so.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// How much more an operation may cost in the largest forest than in the smallest. Caches account
/// for a factor of ten or so, and of some 150 for a look-up whose every line comes from a slow memory;
/// what is linear would take a thousand times as long.
const MOST: f64 = 200.0;

/// Every operation whose cost must not depend on the size of the forest, on two shapes of it; and
/// those that visit all, for each that they visit.
fn costs() {
    let sizes = [MANY / 1_000, MANY / 100, MANY / 10, MANY];
    for wide in [false, true] {
        let shape = if wide { "below one parent" } else { "side by side" };
        println!("  {shape:32} {}", sizes.map(|size| format!("{size:>9}")).join(""));
        let columns = sizes.map(|size| Forest::new(size, wide).costs());
        for (row, (operation, _)) in columns[0].iter().enumerate() {
            let times = columns.each_ref().map(|column| column[row].1);
            println!("  {operation:32} {} ns", times.map(|time| format!("{time:9.0}")).join(""));
            let growth = times[times.len() - 1] / times[0];
            assert!(growth < MOST, "{operation}, {shape}: {growth:.0} times from first to last");
        }
    }
}

struct Forest {
    tree: ProviderTree,
    size: usize,
    handles: Vec<Provider>,
    names: Vec<String>,
    list: Vec<ProviderSpec>,
}

impl Forest {
    /// A root and `size` providers, below the root or beside it.
    fn new(size: usize, wide: bool) -> Self {
        let tree = ProviderTree::new();
        let top = tree.create_root("top", uuid(u64::MAX / 2)).unwrap();
        let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1 << 40));
        let spec = |number: usize| {
            let spec = ProviderSpec::new(uuid(number as u64), number.to_string());
            let spec = spec.with_inventories(vcpu.clone());
            if wide { spec.with_parent(top.uuid()) } else { spec }
        };
        let list: Vec<_> = (0..size).map(spec).collect();
        let handles = tree.populate(&list).unwrap();
        let names = (0..size).map(|number| number.to_string()).collect();
        Forest { tree, size, handles, names, list }
    }

    /// Nanoseconds for each operation.
    fn costs(&self) -> Vec<(&'static str, f64)> {
        let tree = &self.tree;
        let mut worker = tree.worker().unwrap();
        let other = tree.create_root("other", None).unwrap();
        let any = |at: usize| &self.handles[at % self.size];
        let mut total = 1 << 41;
        let mut costs = vec![
            (
                "find by uuid",
                each(|at| {
                    black_box(tree.find(uuid((at % self.size) as u64)));
                }),
            ),
            ("find a uuid that is missing", each(|at| assert_eq!(tree.find(missing(at)), None))),
            (
                "find by name",
                each(|at| {
                    black_box(tree.find(&self.names[at % self.size]));
                }),
            ),
            ("find a name that is missing", each(|_| assert_eq!(tree.find("missing"), None))),
            (
                "data",
                each(|at| {
                    black_box(tree.configuration(any(at)).unwrap());
                }),
            ),
            (
                "parent",
                each(|at| {
                    black_box(tree.ancestors(any(at)).map(|all| all.first().copied()).unwrap());
                }),
            ),
            (
                "usage",
                each(|at| {
                    black_box(tree.usage(any(at), ResourceClass::VCPU).unwrap());
                }),
            ),
            (
                "set_inventories",
                each(|at| {
                    total += 1;
                    let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
                    tree.configure(any(at), vcpu, Expect::Any).unwrap();
                }),
            ),
            (
                "claim and release",
                each(|at| {
                    let consumer = uuid(at as u64);
                    let claim = Claim::new(consumer).take(any(at), ResourceClass::VCPU, 1);
                    worker.claim(&claim).map(drop).unwrap();
                    worker.release(consumer).map(drop).unwrap();
                }),
            ),
            (
                "create and remove",
                each(|_| {
                    let new = tree.create_root("new", None).unwrap();
                    tree.remove(&new).unwrap();
                }),
            ),
            (
                "rename there and back",
                each(|at| {
                    tree.rename(any(at), "renamed").unwrap();
                    tree.rename(any(at), &self.names[at % self.size]).unwrap();
                }),
            ),
            (
                "move there and back",
                each(|at| {
                    let parent = tree.ancestors(any(at)).map(|all| all.first().copied()).unwrap();
                    tree.reparent(any(at), Some(&other)).unwrap();
                    tree.reparent(any(at), parent.as_ref()).unwrap();
                }),
            ),
        ];
        let mut per_provider = |what, run: &mut dyn FnMut()| {
            let begin = Instant::now();
            run();
            costs.push((what, begin.elapsed().as_nanos() as f64 / self.size as f64));
        };
        per_provider("walk, for each provider", &mut || {
            black_box(tree.providers());
        });
        let mut dump = None;
        per_provider("dump, for each provider", &mut || {
            dump = Some(tree.snapshot().dump().unwrap())
        });
        let dump = dump.expect("just made");
        per_provider("load, for each provider", &mut || drop(ProviderTree::load(&dump).unwrap()));
        per_provider("populate, for each provider", &mut || {
            drop(tree.populate(&self.list).unwrap());
        });
        costs
    }
}

/// How much more a change may cost, and the end of a snapshot, with the most snapshots held than with
/// the fewest.
const MOST_FOR_HELD: f64 = 2.0;

/// What a change costs and the end of a snapshot, with ever more of them held, each with a change of
/// every provider before it: of amounts, and of configurations.
fn snapshots_held() {
    let held = [100, 1_000, 10_000];
    println!("  {:44} {}", "held", held.map(|held| format!("{held:>9}")).join(""));
    for (what, change) in [("amounts", take as Change), ("inventories", configure as Change)] {
        for providers in [1, 30] {
            let columns = costs_of(held.map(|held| Ring::new(providers, held, change)).each_mut());
            for (row, operation) in ["a change", "the end of a snapshot"].iter().enumerate() {
                let times = columns.map(|column| column[row]);
                let operation = format!("{operation}, {what} of {providers}");
                let columns = times.map(|time| format!("{time:9.0}")).join("");
                let growth = times[times.len() - 1] / times[0];
                println!("  {operation:44} {columns} ns, {growth:.2}");
                assert!(growth < MOST_FOR_HELD, "{operation}: {growth:.2} times");
            }
        }
    }
    once_held();
}

/// What was held once costs nothing: neither the next snapshots, nor changes.
fn once_held() {
    let mut ring = Ring::new(1, 1, take);
    let [before] = costs_of([&mut ring]);
    let many: Vec<_> = (0..MANY).map(|_| ring.tree.snapshot()).collect();
    timed("a snapshot dropped of as many as providers", MANY, || drop(many));
    let [after] = costs_of([&mut ring]);
    let operations = ["a change", "the end of a snapshot"];
    for ((operation, before), after) in operations.iter().zip(before).zip(after) {
        println!("  {operation:44} {before:9.0} {after:9.0} ns");
        assert!(after < MOST_FOR_HELD * before, "{operation}: {before:.0} ns, then {after:.0}");
    }
}

/// Changes a provider for the so manieth time.
type Change = fn(&ProviderTree, &mut Worker, &Provider, u64);

fn take(_: &ProviderTree, worker: &mut Worker, provider: &Provider, _: u64) {
    worker.take(provider, &[(ResourceClass::VCPU, 1)]).unwrap();
}

fn configure(tree: &ProviderTree, _: &mut Worker, provider: &Provider, number: u64) {
    let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1 + number));
    tree.configure(provider, vcpu, Expect::Any).unwrap();
}

/// A forest of which so many snapshots are held, the oldest of which goes when another one is taken.
struct Ring {
    tree: ProviderTree,
    worker: Worker,
    providers: Vec<Provider>,
    change: Change,
    number: u64,
    held: VecDeque<Snapshot>,
}

impl Ring {
    fn new(providers: usize, held: usize, change: Change) -> Self {
        let tree = ProviderTree::new();
        let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1 << 40));
        let spec = |number: usize| {
            ProviderSpec::new(uuid(number as u64), number.to_string())
                .with_inventories(vcpu.clone())
        };
        let providers = tree.populate(&(0..providers).map(spec).collect::<Vec<_>>()).unwrap();
        let worker = tree.worker().unwrap();
        let mut ring = Ring { tree, worker, providers, change, number: 0, held: VecDeque::new() };
        while ring.held.len() < held {
            ring.change_all();
            ring.held.push_back(ring.tree.snapshot());
        }
        ring
    }

    fn change_all(&mut self) {
        self.number += 1;
        for provider in &self.providers {
            (self.change)(&self.tree, &mut self.worker, provider, self.number);
        }
    }

    /// Nanoseconds for the change of a provider, and for the end of a snapshot by what goes with it, in a
    /// batch in which each version that is kept goes as another one is kept.
    fn batch(&mut self) -> [f64; 2] {
        const ROUNDS: usize = 300;
        let mut times = [Duration::ZERO; 2];
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            self.change_all();
            times[0] += begin.elapsed();
            self.held.push_back(self.tree.snapshot());
            let oldest = self.held.pop_front();
            let begin = Instant::now();
            drop(oldest);
            times[1] += begin.elapsed();
        }
        let providers = self.providers.len() as f64;
        times.map(|time| time.as_nanos() as f64 / ROUNDS as f64 / providers)
    }
}

/// What a [batch](Ring::batch) costs in each ring: the best of several, for which the rings take turns, so
/// that a machine that becomes slower for a while does so for all.
fn costs_of<const N: usize>(mut rings: [&mut Ring; N]) -> [[f64; 2]; N] {
    let mut best = [[f64::INFINITY; 2]; N];
    for _ in 0..10 {
        for (best, ring) in best.iter_mut().zip(&mut rings) {
            let costs = ring.batch();
            *best = [best[0].min(costs[0]), best[1].min(costs[1])];
        }
    }
    best
}

/// A uuid that no provider has.
fn missing(at: usize) -> Uuid {
    Uuid::from_u128(at as u128)
}

/// Nanoseconds per call: the best of several batches, each over providers far apart.
fn each(mut operation: impl FnMut(usize)) -> f64 {
    const CALLS: usize = 2_000;
    let mut at = 0_usize;
    let batch = |_| {
        let begin = Instant::now();
        for _ in 0..CALLS {
            at = at.wrapping_add(0x9e37_79b9);
            operation(at);
        }
        begin.elapsed().as_nanos() as f64 / CALLS as f64
    };
    (0..5).map(batch).fold(f64::INFINITY, f64::min)
}

/// A uuid whose bits are spread as those of random ones.
fn uuid(number: u64) -> Uuid {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32))
}

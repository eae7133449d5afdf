//! What does it cost to find where something fits, claim it and release it again?
//!
//! `cargo bench --bench search`. Hosts of two NUMA nodes with four GPUs each; jobs of cpu, memory
//! and one, two or four GPUs of one model on one node. Each thread releases one of its jobs at
//! random and places a new one, which is a decision. Beside our views there is what one would
//! write without them. All sides get the same jobs from the same seeds and take turns in each
//! round; ratios are medians over the rounds. Then what a view costs by itself.
//!
//! Behind `--` there may be the names of parts (`decisions`, `candidates`, `refresh`, `scores`,
//! `build`, `beside`), and `--large` for 100,000 hosts. With `--test` everything runs once,
//! briefly, and the sides are checked against each other.

#![expect(clippy::disallowed_types, reason = "the flags belong to the benchmark")]

use std::collections::BTreeSet;
use std::hint::{black_box, spin_loop};
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use parking_lot::Mutex;
use provider_tree::{
    Candidate, Claim, Error, Group, Inventories, Inventory, Prepared, Provider, ProviderSpec,
    ProviderTree, Request, ResourceClass, Trait, Unplaced, View, Worker,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY_MB: ResourceClass = ResourceClass::MEMORY_MB;
const NODES: usize = 2;
const GPUS: usize = 4;
const MODELS: usize = 4;

/// What a host has, and what a job takes of it for each GPU.
const HOST: [u64; 2] = [96, 786_432];
const JOB: [u64; 2] = [4, 16_384];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|it| *it == part);
    let extent = match (is_given("--test"), is_given("--large")) {
        (true, _) => Extent::BRIEF,
        (false, true) => Extent { sizes: &[100_000], ..Extent::WHOLE },
        (false, false) => Extent::WHOLE,
    };
    for &hosts in extent.sizes {
        if wants("decisions") {
            decisions(&extent, hosts);
        }
        if wants("candidates") {
            candidates(&extent, hosts);
        }
        if wants("refresh") {
            refreshes(&extent, hosts);
        }
        if wants("scores") {
            scores(&extent, hosts);
        }
        if wants("build") {
            builds(&extent, hosts);
        }
        if wants("beside") {
            beside(&extent, hosts);
        }
    }
}

/// Says how much is measured.
struct Extent {
    is_brief: bool,
    sizes: &'static [usize],
    rounds: usize,
    /// Of a side's turn in a round.
    length: Duration,
    /// Of what is timed call by call.
    repeats: usize,
}

impl Extent {
    const WHOLE: Extent = Extent {
        is_brief: false,
        sizes: &[1_000, 10_000],
        rounds: 7,
        length: Duration::from_millis(200),
        repeats: 10_000,
    };
    const BRIEF: Extent = Extent {
        is_brief: true,
        sizes: &[100],
        rounds: 1,
        length: Duration::from_millis(4),
        repeats: 10,
    };
}

// ---- What there is, and what is asked for.

/// Describes a kind of job.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Shape {
    gpus: usize,
    model: usize,
}

impl Shape {
    const COUNT: usize = 3 * MODELS;

    fn all() -> impl Iterator<Item = Shape> {
        (0..Self::COUNT).map(|number| Shape { gpus: 1 << (number % 3), model: number / 3 })
    }

    fn number(self) -> usize {
        self.model * 3 + self.gpus.trailing_zeros() as usize
    }

    /// Draws one: six of ten jobs want one GPU, three want two, one wants four.
    fn random(random: &mut Random) -> Shape {
        let gpus = match random.below(10) {
            0..6 => 1,
            6..9 => 2,
            _ => 4,
        };
        Shape { gpus, model: random.below(MODELS) }
    }

    fn amounts(self) -> [u64; 2] {
        JOB.map(|amount| amount * self.gpus as u64)
    }
}

/// Returns the request for `shape`: cpu and memory of the root, and the GPUs, if `on_one_node` all
/// below the same NUMA node.
fn request(shape: Shape, on_one_node: bool) -> Request {
    let [vcpu, memory] = shape.amounts();
    let mut request = Request::new().take(VCPU, vcpu).take(MEMORY_MB, memory).isolate();
    let mut names: Vec<_> = (0..shape.gpus).map(|at| format!("G{at}")).collect();
    for name in &names {
        let gpu = Group::new().take(gpu_class(), 1).require(model(shape.model));
        request = request.group(name, gpu);
    }
    if on_one_node {
        names.push("N".to_owned());
        request = request.group("N", Group::new().require(numa_root())).same_subtree(names);
    }
    request
}

fn prepare_all(view: &View) -> Vec<Prepared> {
    let prepare = |shape| view.prepare(&request(shape, true)).expect("a sound request");
    Shape::all().map(prepare).collect()
}

fn gpu_class() -> ResourceClass {
    ResourceClass::new("CUSTOM_GPU").expect("a sound name")
}

fn model(number: usize) -> Trait {
    Trait::new(&format!("CUSTOM_MODEL_{number}")).expect("a sound name")
}

fn numa_root() -> Trait {
    Trait::new("HW_NUMA_ROOT").expect("a sound name")
}

/// Says where a job is: on which GPUs, a bit each, of which node.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Spot {
    host: u32,
    node: u8,
    gpus: u8,
}

/// Holds a forest, in which host *n* has GPUs of model *n* mod 4.
struct Cluster {
    tree: ProviderTree,
    hosts: Vec<Providers>,
    gpu: ResourceClass,
}

struct Providers {
    root: Provider,
    gpus: [[Provider; GPUS]; NODES],
}

impl Cluster {
    fn new(hosts: usize) -> Self {
        let tree = ProviderTree::new();
        let gpu = gpu_class();
        let [vcpu, memory] = HOST.map(Inventory::new);
        let of_root = Inventories::new().with(VCPU, vcpu).with(MEMORY_MB, memory);
        let of_gpu = Inventories::new().with(gpu, Inventory::new(1));
        let specs_of = |host: usize| {
            let root = uuid(host, 0, 0);
            let name = format!("host-{host}");
            let mut specs = vec![ProviderSpec::new(root, &*name).with_inventories(of_root.clone())];
            for node in 0..NODES {
                let (above, name) = (uuid(host, node + 1, 0), format!("{name}-{node}"));
                let spec = ProviderSpec::new(above, &*name).with_parent(root);
                specs.push(spec.with_traits([numa_root()]));
                for gpu in 0..GPUS {
                    let spec =
                        ProviderSpec::new(uuid(host, node + 1, gpu + 1), format!("{name}-{gpu}"))
                            .with_parent(above)
                            .with_traits([model(host % MODELS)])
                            .with_inventories(of_gpu.clone());
                    specs.push(spec);
                }
            }
            specs
        };
        let numbers: Vec<_> = (0..hosts).collect();
        let mut all = Vec::with_capacity(hosts);
        for numbers in numbers.chunks(1_000) {
            let specs: Vec<_> = numbers.iter().copied().flat_map(specs_of).collect();
            let created = tree.populate(&specs).expect("a sound list");
            all.extend(created.chunks(1 + NODES * (1 + GPUS)).map(|providers| Providers {
                root: providers[0],
                gpus: std::array::from_fn(|node| {
                    std::array::from_fn(|gpu| providers[1 + node * (1 + GPUS) + 1 + gpu])
                }),
            }));
        }
        Cluster { tree, hosts: all, gpu }
    }

    /// Returns the claim of a job at `spot`.
    fn claim(&self, consumer: Uuid, shape: Shape, spot: Spot) -> Claim {
        let host = &self.hosts[spot.host as usize];
        let [vcpu, memory] = shape.amounts();
        let mut claim =
            Claim::new(consumer).take(&host.root, VCPU, vcpu).take(&host.root, MEMORY_MB, memory);
        for at in (0..GPUS).filter(|at| spot.gpus >> at & 1 == 1) {
            claim.take_mut(&host.gpus[usize::from(spot.node)][at], self.gpu, 1);
        }
        claim
    }

    /// Returns what is free of `host`, as it is now.
    fn read(&self, host: usize) -> Host {
        let providers = &self.hosts[host];
        let free = |provider, class| self.tree.usage(provider, class).expect("is there").free();
        let is_free = |node: usize, at: usize| free(&providers.gpus[node][at], self.gpu) > 0;
        Host {
            free: [free(&providers.root, VCPU), free(&providers.root, MEMORY_MB)],
            model: host % MODELS,
            gpus: std::array::from_fn(|node| {
                (0..GPUS).map(|at| u8::from(is_free(node, at)) << at).sum()
            }),
        }
    }

    /// Returns everything that is free now.
    fn read_all(&self) -> Vec<Host> {
        (0..self.hosts.len()).map(|host| self.read(host)).collect()
    }
}

/// Spreads as random uuids do; the low half says whose it is.
fn uuid(host: usize, node: usize, gpu: usize) -> Uuid {
    let number = (host as u64) << 8 | (node << 4 | gpu) as u64;
    Uuid::from_u64_pair(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

/// Returns where `candidate` is.
fn spot_of(candidate: &Candidate) -> Spot {
    let number = |provider: Provider| provider.uuid().as_u64_pair().1;
    let (host, mut node, mut gpus) = (number(candidate.root()) >> 8, 0, 0);
    let gpu = gpu_class();
    for (provider, class, amount) in candidate.lines() {
        let number = number(provider);
        assert_eq!(number >> 8, host, "one host");
        if class == gpu {
            let (above, bit) = ((number >> 4 & 0xf) as u8 - 1, 1 << ((number & 0xf) - 1));
            assert!(amount == 1 && gpus & bit == 0, "each GPU once");
            assert!(gpus == 0 || node == above, "one NUMA node");
            (node, gpus) = (above, gpus | bit);
        }
    }
    Spot { host: host as u32, node, gpus }
}

/// What is free of a host, for those that keep this themselves.
#[derive(Clone, PartialEq, Debug)]
struct Host {
    free: [u64; 2],
    model: usize,
    /// A bit for each GPU that is free, node by node.
    gpus: [u8; NODES],
}

impl Host {
    fn unused(hosts: usize) -> Vec<Host> {
        let host = |host| Host { free: HOST, model: host % MODELS, gpus: [(1 << GPUS) - 1; NODES] };
        (0..hosts).map(host).collect()
    }

    /// Returns how many GPUs the node has free that has the most.
    fn most(&self) -> usize {
        self.gpus[0].count_ones().max(self.gpus[1].count_ones()) as usize
    }

    fn fits(&self, shape: Shape) -> bool {
        let [vcpu, memory] = shape.amounts();
        self.model == shape.model
            && self.free[0] >= vcpu
            && self.free[1] >= memory
            && self.most() >= shape.gpus
    }

    /// Returns which GPUs of this host a job of this shape gets: those of the fuller node.
    fn spot(&self, host: usize, shape: Shape) -> Spot {
        let free = |node: &usize| self.gpus[*node].count_ones() as usize;
        let nodes = (0..NODES).filter(|node| free(node) >= shape.gpus);
        let node = nodes.min_by_key(free).expect("it fits");
        let (mut gpus, mut rest) = (0, self.gpus[node]);
        for _ in 0..shape.gpus {
            let bit = rest & rest.wrapping_neg();
            (gpus, rest) = (gpus | bit, rest & !bit);
        }
        Spot { host: host as u32, node: node as u8, gpus }
    }

    fn take(&mut self, shape: Shape, spot: Spot) {
        let gpus = &mut self.gpus[usize::from(spot.node)];
        assert_eq!((*gpus & spot.gpus, self.model), (spot.gpus, shape.model), "free GPUs");
        assert_eq!(spot.gpus.count_ones() as usize, shape.gpus, "as many as asked for");
        *gpus &= !spot.gpus;
        for (free, amount) in self.free.iter_mut().zip(shape.amounts()) {
            *free = free.checked_sub(amount).expect("enough is free");
        }
    }

    fn give_back(&mut self, shape: Shape, spot: Spot) {
        self.gpus[usize::from(spot.node)] |= spot.gpus;
        for (free, amount) in self.free.iter_mut().zip(shape.amounts()) {
            *free += amount;
        }
    }
}

/// Draws jobs until `share` of all GPUs is used, for one of so many threads after the other, each
/// on the first host where it fits, counted from where the part of the thread begins.
fn draw_jobs(hosts: usize, share: f64, threads: usize) -> Vec<(Shape, Spot)> {
    let mut random = Random(hosts as u64 + 1);
    let mut free = Host::unused(hosts);
    // How many hosts each thread has passed over for each shape: nothing is given back.
    let mut passed = vec![[0; Shape::COUNT]; threads];
    let mut rest = gpus_of(hosts, share);
    let mut jobs = Vec::new();
    while rest > 0 {
        let thread = jobs.len() % threads;
        let at = |passed: usize| (hosts * thread / threads + passed) % hosts;
        let mut shape = Shape::random(&mut random);
        loop {
            let passed = &mut passed[thread][shape.number()];
            while *passed < hosts && !free[at(*passed)].fits(shape) {
                *passed += 1;
            }
            if *passed < hosts && shape.gpus <= rest {
                let host = at(*passed);
                let spot = free[host].spot(host, shape);
                free[host].take(shape, spot);
                jobs.push((shape, spot));
                rest -= shape.gpus;
                break;
            }
            match shape.gpus {
                1 => shape.model = (shape.model + 1) % MODELS,
                _ => shape.gpus /= 2,
            }
        }
    }
    jobs
}

fn gpus_of(hosts: usize, share: f64) -> usize {
    ((hosts * NODES * GPUS) as f64 * share) as usize
}

// ---- Decisions.

/// Keeps what is free, and shares it among threads.
trait Side: Sync {
    type Job: Send;

    /// Returns what one of so many threads places with.
    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Self::Job>;

    /// Returns what is free.
    fn free(&self) -> Vec<Host>;
}

/// Places jobs and releases them, for one thread.
trait Hand: Send {
    type Job: Send;

    /// Places a job where it is said to be.
    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Self::Job;

    /// Takes note of what all threads have adopted.
    fn begin(&mut self) {}

    /// Places a job where it fits. Returns `None` if it fits nowhere.
    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Self::Job>;

    fn release(&mut self, shape: Shape, job: Self::Job);

    /// Returns how many claims were refused so far.
    fn refusals(&self) -> u64 {
        0
    }

    /// Returns where the job is, in short runs.
    fn spot(job: &Self::Job) -> Option<Spot>;
}

/// A job of those that claim.
struct Claimed {
    claim: Claim,
    spot: Option<Spot>,
}

/// Ours: a view and a worker for each thread.
struct Ours<'a> {
    cluster: &'a Cluster,
    /// Whether views are refreshed before each decision.
    is_fresh: bool,
    is_brief: bool,
}

struct OurHand<'a> {
    side: &'a Ours<'a>,
    view: View,
    worker: Worker,
    prepared: Vec<Prepared>,
    part: Range<usize>,
    refusals: u64,
}

/// So often a claim is tried again that was refused.
const TRIES: u32 = 1_000;

impl Side for Ours<'_> {
    type Job = Claimed;

    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Claimed> {
        let view = self.cluster.tree.view();
        let worker = self.cluster.tree.worker().expect("few workers");
        let prepared = prepare_all(&view);
        OurHand { side: self, view, worker, prepared, part: thread..threads, refusals: 0 }
    }

    fn free(&self) -> Vec<Host> {
        assert!(self.cluster.tree.audit().holds());
        self.cluster.read_all()
    }
}

impl Hand for OurHand<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.side.cluster.claim(consumer, shape, spot);
        self.worker.claim(&claim).map(drop).expect("fits");
        Claimed { claim, spot: Some(spot) }
    }

    fn begin(&mut self) {
        self.view.refresh();
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        if self.side.is_fresh {
            self.view.refresh();
        }
        let Range { start: part, end: parts } = self.part;
        let first = |view: &View, prepared: &mut Prepared| -> Result<_, Error> {
            Ok(view.candidates(prepared)?.from_part(part, parts).next())
        };
        let prepared = &mut self.prepared[shape.number()];
        match self.view.place(&mut self.worker, prepared, consumer, TRIES, first) {
            Ok(placed) => {
                self.refusals += u64::from(placed.refusals);
                let spot = self.side.is_brief.then(|| spot_of(&placed.candidate));
                Some(Claimed { claim: placed.claim, spot })
            }
            Err(Unplaced::NothingFits { refusals } | Unplaced::GaveUp { refusals, .. }) => {
                self.refusals += u64::from(refusals);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn release(&mut self, _: Shape, job: Claimed) {
        self.worker.release(job.claim.consumer()).map(drop).expect("was claimed");
        self.view.released(&job.claim);
    }

    fn refusals(&self) -> u64 {
        self.refusals
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}

/// One mutex around our index: a view of an instant, which is told what happens and decides.
struct LockedView<'a> {
    cluster: &'a Cluster,
    state: Mutex<(View, Vec<Prepared>)>,
    is_brief: bool,
}

impl<'a> LockedView<'a> {
    /// Begins with what is free in `cluster` now.
    fn new(cluster: &'a Cluster, is_brief: bool) -> Self {
        let view = cluster.tree.snapshot().view().expect("not too old");
        let prepared = prepare_all(&view);
        LockedView { cluster, state: Mutex::new((view, prepared)), is_brief }
    }
}

impl Side for LockedView<'_> {
    type Job = Claimed;

    fn hand(&self, _: usize, _: usize) -> impl Hand<Job = Claimed> {
        self
    }

    fn free(&self) -> Vec<Host> {
        let view = &self.state.lock().0;
        let free = |provider: &Provider, class| {
            let usage = view.usage(provider, class);
            usage.expect("is there").free()
        };
        let host = |(host, of): (usize, &Providers)| Host {
            free: [free(&of.root, VCPU), free(&of.root, MEMORY_MB)],
            model: host % MODELS,
            gpus: of.gpus.each_ref().map(|gpus| {
                let bits = gpus.iter().enumerate();
                bits.map(|(at, gpu)| (free(gpu, self.cluster.gpu) as u8) << at).sum()
            }),
        };
        self.cluster.hosts.iter().enumerate().map(host).collect()
    }
}

impl Hand for &LockedView<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.cluster.claim(consumer, shape, spot);
        self.state.lock().0.claimed(&claim);
        Claimed { claim, spot: Some(spot) }
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        let mut state = self.state.lock();
        let (view, prepared) = &mut *state;
        let candidates = view.candidates(&mut prepared[shape.number()]);
        let candidate = candidates.expect("prepared for it").next()?;
        let claim = candidate.claim(consumer);
        view.claimed(&claim);
        drop(state);
        let spot = self.is_brief.then(|| spot_of(&candidate));
        Some(Claimed { claim, spot })
    }

    fn release(&mut self, _: Shape, job: Claimed) {
        self.state.lock().0.released(&job.claim);
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}

/// One mutex around an array of hosts, which is looked through.
struct LockedArray {
    /// The hosts, and where the next sample begins.
    state: Mutex<(Vec<Host>, usize)>,
    find: fn(&[Host], &mut usize, Shape) -> Option<usize>,
}

impl LockedArray {
    fn new(hosts: usize, find: fn(&[Host], &mut usize, Shape) -> Option<usize>) -> Self {
        LockedArray { state: Mutex::new((Host::unused(hosts), 0)), find }
    }
}

/// Finds the first host where a job fits.
fn first_fit(hosts: &[Host], _: &mut usize, shape: Shape) -> Option<usize> {
    hosts.iter().position(|host| host.fits(shape))
}

/// Finds the fullest host of some that fit, as kube-scheduler does in a large cluster: from where
/// the last search ended, it looks for fifty of them.
fn best_of_sample(hosts: &[Host], next: &mut usize, shape: Shape) -> Option<usize> {
    const SAMPLE: usize = 50;
    let mut found = 0;
    let mut best = None;
    let begin = *next;
    for at in (begin..hosts.len()).chain(0..begin) {
        if hosts[at].fits(shape) {
            let key = (hosts[at].most(), hosts[at].free[0]);
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, at));
            }
            found += 1;
            if found == SAMPLE {
                *next = (at + 1) % hosts.len();
                break;
            }
        }
    }
    best.map(|(_, at)| at)
}

impl Side for LockedArray {
    type Job = Spot;

    fn hand(&self, _: usize, _: usize) -> impl Hand<Job = Spot> {
        self
    }

    fn free(&self) -> Vec<Host> {
        self.state.lock().0.clone()
    }
}

impl Hand for &LockedArray {
    type Job = Spot;

    fn adopt(&mut self, shape: Shape, spot: Spot, _: Uuid) -> Spot {
        self.state.lock().0[spot.host as usize].take(shape, spot);
        spot
    }

    fn place(&mut self, shape: Shape, _: Uuid) -> Option<Spot> {
        let (hosts, next) = &mut *self.state.lock();
        let at = (self.find)(hosts, next, shape)?;
        let spot = hosts[at].spot(at, shape);
        hosts[at].take(shape, spot);
        Some(spot)
    }

    fn release(&mut self, shape: Shape, spot: Spot) {
        self.state.lock().0[spot.host as usize].give_back(shape, spot);
    }

    fn spot(job: &Spot) -> Option<Spot> {
        Some(*job)
    }
}

/// An ordered set for each thread, and claims.
struct OwnSets<'a> {
    cluster: &'a Cluster,
}

struct OwnSet<'a> {
    cluster: &'a Cluster,
    worker: Worker,
    hosts: Vec<Host>,
    /// Model, most free GPUs of a node, and the host, counted from where this thread begins.
    order: BTreeSet<(usize, usize, usize)>,
    start: usize,
    /// When everything was read.
    read: Instant,
    refusals: u64,
}

impl Side for OwnSets<'_> {
    type Job = Claimed;

    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Claimed> {
        let cluster = self.cluster;
        let worker = cluster.tree.worker().expect("few workers");
        let start = cluster.hosts.len() * thread / threads;
        let (hosts, order) = (Vec::new(), BTreeSet::new());
        OwnSet { cluster, worker, hosts, order, start, read: Instant::now(), refusals: 0 }
    }

    fn free(&self) -> Vec<Host> {
        assert!(self.cluster.tree.audit().holds());
        self.cluster.read_all()
    }
}

impl OwnSet<'_> {
    /// Reads everything, but seldom, or it would do nothing else once the cluster is full. Returns
    /// whether it has.
    fn read_all(&mut self) -> bool {
        const AT_MOST_EACH: Duration = Duration::from_millis(10);
        if self.read.elapsed() < AT_MOST_EACH && !self.hosts.is_empty() {
            return false;
        }
        self.hosts = self.cluster.read_all();
        let key = |(at, host): (usize, &Host)| (host.model, host.most(), self.place_of(at));
        self.order = self.hosts.iter().enumerate().map(key).collect();
        self.read = Instant::now();
        true
    }

    fn place_of(&self, host: usize) -> usize {
        (host + self.hosts.len() - self.start) % self.hosts.len()
    }

    fn change(&mut self, host: usize, change: impl FnOnce(&mut Host)) {
        let place = self.place_of(host);
        let of = &mut self.hosts[host];
        let before = of.most();
        change(of);
        let (model, now) = (of.model, of.most());
        if now != before {
            self.order.remove(&(model, before, place));
            self.order.insert((model, now, place));
        }
    }

    fn find(&self, shape: Shape) -> Option<usize> {
        let range = (shape.model, shape.gpus, 0)..(shape.model + 1, 0, 0);
        let hosts = self.order.range(range).map(|key| (key.2 + self.start) % self.hosts.len());
        hosts.into_iter().find(|&host| self.hosts[host].fits(shape))
    }
}

impl Hand for OwnSet<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.cluster.claim(consumer, shape, spot);
        self.worker.claim(&claim).map(drop).expect("fits");
        Claimed { claim, spot: Some(spot) }
    }

    fn begin(&mut self) {
        self.hosts.clear();
        self.read_all();
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        loop {
            let Some(host) = self.find(shape) else {
                match self.read_all() {
                    true => continue,
                    false => return None,
                }
            };
            let spot = self.hosts[host].spot(host, shape);
            let claim = self.cluster.claim(consumer, shape, spot);
            match self.worker.claim(&claim) {
                Ok(_receipt) => {
                    self.change(host, |host| host.take(shape, spot));
                    return Some(Claimed { claim, spot: Some(spot) });
                }
                Err(Error::CapacityExceeded { .. }) => {
                    self.refusals += 1;
                    let now = self.cluster.read(host);
                    self.change(host, |host| *host = now);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn release(&mut self, shape: Shape, job: Claimed) {
        self.worker.release(job.claim.consumer()).map(drop).expect("was claimed");
        let spot = job.spot.expect("known");
        self.change(spot.host as usize, |host| host.give_back(shape, spot));
    }

    fn refusals(&self) -> u64 {
        self.refusals
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}

/// One thread with its jobs.
struct Player<H: Hand> {
    hand: H,
    thread: usize,
    random: Random,
    jobs: Vec<(Shape, H::Job)>,
    /// Counts the consumers so far.
    consumers: u64,
    /// The GPUs that the jobs have, and those that they should have.
    used: usize,
    quota: usize,
    /// Counts the searches that found nothing.
    vain: u64,
}

impl<H: Hand> Player<H> {
    fn new(hand: H, thread: usize, quota: usize) -> Self {
        let random = Random(thread as u64 * 7_919 + 1);
        let jobs = Vec::new();
        Player { hand, thread, random, jobs, consumers: 0, used: 0, quota, vain: 0 }
    }

    fn consumer(&mut self) -> Uuid {
        self.consumers += 1;
        let mixed = self.consumers.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ self.thread as u64)
    }

    fn adopt(&mut self, shape: Shape, spot: Spot) {
        let consumer = self.consumer();
        let job = self.hand.adopt(shape, spot, consumer);
        self.jobs.push((shape, job));
        self.used += shape.gpus;
    }

    /// Releases one of the jobs, unless there are too few already, and places another. One that
    /// fits nowhere asks for half as many GPUs.
    fn decide(&mut self) {
        if self.used >= self.quota && !self.jobs.is_empty() {
            let at = self.random.below(self.jobs.len());
            let (shape, job) = self.jobs.swap_remove(at);
            self.hand.release(shape, job);
            self.used -= shape.gpus;
        }
        let mut shape = Shape::random(&mut self.random);
        loop {
            let consumer = self.consumer();
            if let Some(job) = self.hand.place(shape, consumer) {
                self.jobs.push((shape, job));
                self.used += shape.gpus;
                break;
            }
            self.vain += 1;
            match shape.gpus {
                1 => break,
                _ => shape.gpus /= 2,
            }
        }
    }

    /// Returns whether a job of this shape fits anywhere.
    fn fits(&mut self, shape: Shape) -> bool {
        let consumer = self.consumer();
        let job = self.hand.place(shape, consumer);
        job.map(|job| self.hand.release(shape, job)).is_some()
    }
}

/// A side with its threads, whatever they place with.
trait Team {
    /// Decides for so long.
    fn run(&mut self, length: Duration) -> Turn;

    fn fits(&mut self, shape: Shape) -> bool;

    /// Checks that what is used is what the jobs have, if the jobs say where they are.
    fn check(&self);

    /// Returns the share of the GPUs that is used.
    fn used(&self) -> f64;

    fn release_all(&mut self);
}

struct Threads<'a, S: Side, H: Hand> {
    side: &'a S,
    hosts: usize,
    players: Vec<Player<H>>,
}

/// Returns the side with so many threads, after they have adopted `jobs`.
fn team<'a, S: Side>(
    side: &'a S,
    hosts: usize,
    jobs: &[(Shape, Spot)],
    threads: usize,
) -> Box<dyn Team + 'a> {
    let quota = jobs.iter().map(|(shape, _)| shape.gpus).sum::<usize>() / threads;
    let player = |thread| Player::new(side.hand(thread, threads), thread, quota);
    let mut players: Vec<_> = (0..threads).map(player).collect();
    for (number, (shape, spot)) in jobs.iter().enumerate() {
        players[number % threads].adopt(*shape, *spot);
    }
    players.iter_mut().for_each(|player| player.hand.begin());
    Box::new(Threads { side, hosts, players })
}

/// What came of a turn.
#[derive(Clone, Copy, Default)]
struct Turn {
    /// Decisions per second of all threads.
    rate: f64,
    /// Processor time of each, in microseconds.
    processor: f64,
    /// Of each decision.
    refusals: f64,
    vain: f64,
}

impl<S: Side, H: Hand<Job = S::Job>> Team for Threads<'_, S, H> {
    fn run(&mut self, length: Duration) -> Turn {
        let over = AtomicBool::new(false);
        let start = Barrier::new(self.players.len() + 1);
        let counts = |players: &[Player<H>]| {
            players.iter().fold((0, 0), |(refusals, vain), player| {
                (refusals + player.hand.refusals(), vain + player.vain)
            })
        };
        let before = counts(&self.players);
        let (mut decisions, mut processor, mut seconds) = (0_u64, Duration::ZERO, 0.0);
        thread::scope(|scope| {
            let running: Vec<_> = self
                .players
                .iter_mut()
                .map(|player| {
                    let (over, start) = (&over, &start);
                    scope.spawn(move || {
                        start.wait();
                        let begin = ThreadTime::now();
                        let mut decisions = 0;
                        // Relaxed: it has to be noticed at some time.
                        while !over.load(Ordering::Relaxed) {
                            player.decide();
                            decisions += 1;
                        }
                        (decisions, begin.elapsed())
                    })
                })
                .collect();
            start.wait();
            let begin = Instant::now();
            thread::sleep(length);
            over.store(true, Ordering::Relaxed);
            for thread in running {
                let (own, time) = thread.join().expect("no panic");
                decisions += own;
                processor += time;
            }
            seconds = begin.elapsed().as_secs_f64();
        });
        let after = counts(&self.players);
        let decisions = decisions as f64;
        Turn {
            rate: decisions / seconds,
            processor: processor.as_secs_f64() * 1e6 / decisions,
            refusals: (after.0 - before.0) as f64 / decisions,
            vain: (after.1 - before.1) as f64 / decisions,
        }
    }

    fn fits(&mut self, shape: Shape) -> bool {
        self.players[0].fits(shape)
    }

    fn check(&self) {
        let mut free = Host::unused(self.hosts);
        for (shape, job) in self.players.iter().flat_map(|player| &player.jobs) {
            let spot = H::spot(job).expect("known");
            free[spot.host as usize].take(*shape, spot);
        }
        assert_eq!(free, self.side.free(), "what is used is what the jobs have");
    }

    fn used(&self) -> f64 {
        let used: usize = self.players.iter().map(|player| player.used).sum();
        used as f64 / gpus_of(self.hosts, 1.0) as f64
    }

    fn release_all(&mut self) {
        for player in &mut self.players {
            for (shape, job) in player.jobs.drain(..) {
                player.hand.release(shape, job);
            }
        }
    }
}

const SIDES: [&str; 6] = [
    "ours, refreshed when nothing fits",
    "ours, refreshed each time",
    "a Mutex around the same index",
    "a Mutex around an array, first fit",
    "an ordered set a thread, and claims",
    "a Mutex around an array, best of 50",
];

fn decisions(extent: &Extent, hosts: usize) {
    println!(
        "decisions (place and release), {hosts} hosts, medians of {} rounds of {} ms",
        extent.rounds,
        extent.length.as_millis()
    );
    println!(
        "    {:>4} {:>7} {:36} {:>10} {:>9} {:>8} {:>9} {:>8} {:>8} {:>6}",
        "full",
        "threads",
        "side",
        "per s",
        "us each",
        "by ours:",
        "processor",
        "refused",
        "in vain",
        "used"
    );
    let clusters: [Cluster; 3] = std::array::from_fn(|_| Cluster::new(hosts));
    let mut medians = Vec::new();
    for share in [0.5, 0.7, 0.99] {
        for threads in [1, 2, 8] {
            let jobs = draw_jobs(hosts, share, threads);
            let results = compete(extent, &clusters, hosts, &jobs, threads);
            for (side, result) in results.iter().enumerate() {
                let [rate, processor, refusals, vain, used, by_rate, by_processor] = *result;
                println!(
                    "    {:>3}% {threads:>7} {:36} {rate:>10.0} {processor:>9.2} {by_rate:>8.2} \
                     {by_processor:>9.2} {refusals:>8.4} {vain:>8.4} {:>5.1}%",
                    share * 100.0,
                    SIDES[side],
                    used * 100.0
                );
            }
            medians.push((share, threads, results));
        }
    }
    let of = |threads: usize, side: usize, what: usize| {
        let found = medians.iter().find(|it| it.0 == 0.7 && it.1 == threads);
        found.expect("measured").2[side][what]
    };
    let floors = match hosts {
        100_000 => Some((200e3, 280e3)),
        10_000 => Some((300e3, 450e3)),
        1_000 => Some((500e3, 750e3)),
        _ => None,
    };
    println!("    70 % full:");
    more("decisions per second, 1 thread", of(1, 0, 0), floors);
    more("2 threads by 1", of(2, 0, 0) / of(1, 0, 0), Some((1.5, 1.8)));
    more("8 threads by 2", of(8, 0, 0) / of(2, 0, 0), Some((0.85, 0.95)));
    for (threads, floors) in [(1, (5.0, 2.0)), (2, (1.5, 0.8)), (8, (2.5, 1.0))] {
        let floors = (hosts == 1_000).then_some(floors);
        less(&format!("the Mutex by ours, threads: {threads}"), of(threads, 2, 5), floors);
    }
}

/// Returns for each side the medians of rate, processor time, refusals and searches in vain, the
/// share that is used at the end, and the medians of the ratios of the first two to ours.
fn compete(
    extent: &Extent,
    clusters: &[Cluster; 3],
    hosts: usize,
    jobs: &[(Shape, Spot)],
    threads: usize,
) -> [[f64; 7]; SIDES.len()] {
    let is_brief = extent.is_brief;
    let [lazy, fresh, ordered] = clusters;
    let view = LockedView::new(lazy, is_brief);
    let lazy = Ours { cluster: lazy, is_fresh: false, is_brief };
    let fresh = Ours { cluster: fresh, is_fresh: true, is_brief };
    let array = LockedArray::new(hosts, first_fit);
    let ordered = OwnSets { cluster: ordered };
    let sample = LockedArray::new(hosts, best_of_sample);
    let mut teams: [Box<dyn Team + '_>; SIDES.len()] = [
        team(&lazy, hosts, jobs, threads),
        team(&fresh, hosts, jobs, threads),
        team(&view, hosts, jobs, threads),
        team(&array, hosts, jobs, threads),
        team(&ordered, hosts, jobs, threads),
        team(&sample, hosts, jobs, threads),
    ];
    if is_brief {
        for shape in Shape::all() {
            let fit = teams.each_mut().map(|team| team.fits(shape));
            assert!(fit.iter().all(|&fits| fits == fit[0]), "{shape:?}: {fit:?}");
        }
    }
    let mut rounds: [Vec<Turn>; SIDES.len()] = Default::default();
    // One turn that does not count.
    for round in 0..=extent.rounds {
        for (team, turns) in teams.iter_mut().zip(&mut rounds) {
            let turn = team.run(extent.length);
            if round > 0 {
                turns.push(turn);
            }
        }
    }
    let results = std::array::from_fn(|side| {
        let of = |what: &dyn Fn(&Turn, &Turn) -> f64| {
            median(rounds[side].iter().zip(&rounds[0]).map(|(turn, ours)| what(turn, ours)))
        };
        [
            of(&|turn, _| turn.rate),
            of(&|turn, _| turn.processor),
            of(&|turn, _| turn.refusals),
            of(&|turn, _| turn.vain),
            teams[side].used(),
            of(&|turn, ours| turn.rate / ours.rate),
            of(&|turn, ours| turn.processor / ours.processor),
        ]
    });
    for team in &mut teams {
        if is_brief {
            team.check();
        }
        team.release_all();
    }
    results
}

// ---- What a view costs by itself.

/// Ten candidates in a cluster that is almost full.
fn candidates(extent: &Extent, hosts: usize) {
    println!("candidates, {hosts} hosts, 99 % full");
    let cluster = Cluster::new(hosts);
    let mut worker = cluster.tree.worker().expect("few workers");
    // Full, and then a job away here and there.
    let mut jobs = draw_jobs(hosts, 1.0, 1);
    let mut random = Random(1);
    let mut used = gpus_of(hosts, 1.0);
    while used > gpus_of(hosts, 0.99) {
        used -= jobs.swap_remove(random.below(jobs.len())).0.gpus;
    }
    let consumer = |number: usize| uuid(number, 15, 15);
    for (number, (shape, spot)) in jobs.iter().enumerate() {
        let claim = cluster.claim(consumer(number), *shape, *spot);
        worker.claim(&claim).map(drop).expect("fits");
    }
    let mut view = cluster.tree.view();
    let prepare = |model| view.prepare(&request(Shape { gpus: 1, model }, false)).expect("sound");
    let mut prepared: Vec<_> = (0..MODELS).map(prepare).collect();
    let mut ten = |view: &View, number: usize| {
        let candidates = view.candidates(&mut prepared[number % MODELS]).expect("its view");
        let claims = candidates.seeded(number as u64).take(10);
        claims.fold(0, |count, candidate| {
            black_box(candidate.claim(consumer(usize::MAX)));
            count + 1
        })
    };
    for number in 0..MODELS {
        ten(&view, number);
    }
    let still = nanoseconds(extent.repeats, |number| {
        black_box(ten(&view, number));
    });
    let found: usize = (0..MODELS).map(|number| ten(&view, number)).sum();
    let mut times = Vec::new();
    for number in 0..extent.repeats {
        let (shape, spot) = jobs[random.below(jobs.len())];
        let claim = cluster.claim(consumer(0), shape, spot);
        view.released(&claim);
        view.claimed(&claim);
        let begin = Instant::now();
        ten(&view, number);
        times.push(begin.elapsed().as_nanos() as f64);
    }
    let floors = match hosts {
        100_000 => Some((4.0, 1.0)),
        10_000 => Some((3.0, 1.0)),
        _ => None,
    };
    println!("    {:60} {:>10.2}", "found", found as f64 / MODELS as f64);
    less("ten as claims, us", still / 1e3, floors);
    less("the same after a release and a claim, us", median(times.into_iter()) / 1e3, floors);
}

fn refreshes(extent: &Extent, hosts: usize) {
    println!("refresh, {hosts} hosts, 8 workers");
    let cluster = Cluster::new(hosts);
    let mut workers: Vec<_> = (0..8).map(|_| cluster.tree.worker().expect("few workers")).collect();
    let mut random = Random(1);
    let mut gpus: Vec<_> = cluster.hosts.iter().flat_map(|host| host.gpus.concat()).collect();
    for at in 0..gpus.len() {
        let other = random.below(gpus.len());
        gpus.swap(at, other);
    }
    let amount = [(cluster.gpu, 1)];
    let mut change = |worker: usize, gpus: &[Provider], takes: bool| {
        for gpu in gpus {
            let worker = &mut workers[worker];
            match takes {
                true => worker.take(gpu, &amount).map(drop).expect("is free"),
                false => worker.put_back(gpu, &amount).map(drop).expect("was taken"),
            }
        }
    };
    let mut view = cluster.tree.view();
    for worker in 0..8 {
        change(worker, &gpus[..1], true);
        change(worker, &gpus[..1], false);
    }
    view.refresh();
    let idle = nanoseconds(extent.repeats * 10, |_| assert_eq!(view.refresh(), 0));
    less("nothing changed, ns", idle, Some((50.0, 10.0)));
    let batches = gpus.chunks_exact(200).take(extent.repeats.min(40));
    let mut times = Vec::new();
    let mut refresh = |times: &mut Vec<f64>, changed: usize| {
        let begin = Instant::now();
        let read = view.refresh();
        times.push(begin.elapsed().as_nanos() as f64 / read as f64);
        assert_eq!(read, changed);
    };
    for batch in batches.clone() {
        for takes in [true, false] {
            change(0, batch, takes);
            refresh(&mut times, batch.len());
        }
    }
    less("each of 200 changed by this thread, ns", median(times.drain(..)), Some((170.0, 60.0)));
    // Odd while it is the other thread's turn, who keeps its core meanwhile.
    let turn = &AtomicUsize::new(0);
    let wait = |parity: usize| {
        while turn.load(Ordering::Acquire) % 2 != parity {
            spin_loop();
        }
    };
    thread::scope(|scope| {
        let all = batches.clone();
        scope.spawn(move || {
            for batch in all {
                for takes in [true, false] {
                    wait(1);
                    change(1, batch, takes);
                    turn.fetch_add(1, Ordering::Release);
                }
            }
        });
        for batch in batches {
            for _ in 0..2 {
                turn.fetch_add(1, Ordering::Release);
                wait(0);
                refresh(&mut times, batch.len());
            }
        }
    });
    less(
        "each of 200 changed by another thread, ns",
        median(times.drain(..)),
        Some((400.0, 300.0)),
    );
}

/// A closure over two columns, for each host.
fn scores(extent: &Extent, hosts: usize) {
    let cluster = Cluster::new(hosts);
    let mut worker = cluster.tree.worker().expect("few workers");
    for (number, (shape, spot)) in draw_jobs(hosts, 0.7, 1).into_iter().enumerate() {
        let claim = cluster.claim(uuid(number, 15, 15), shape, spot);
        worker.claim(&claim).map(drop).expect("fits");
    }
    let view = cluster.tree.view();
    let score = |vcpu: u64, memory: u64| (vcpu << 13).abs_diff(memory);
    let each = nanoseconds(extent.repeats / 10, |_| {
        let (vcpu, memory) = (view.free(VCPU), view.free(MEMORY_MB));
        let scores = vcpu.iter().zip(&*memory).map(|(vcpu, memory)| score(*vcpu, *memory));
        black_box(scores.min());
    });
    println!("scores, {hosts} hosts");
    less("all hosts by two columns, us", each / 1e3, (hosts == 10_000).then_some((20.0, 8.0)));
}

fn builds(extent: &Extent, hosts: usize) {
    println!("a view of {hosts} hosts with {} providers each", 1 + NODES * (1 + GPUS));
    let cluster = Cluster::new(hosts);
    let times = (0..if extent.is_brief { 1 } else { 5 }).map(|_| {
        let begin = ThreadTime::now();
        black_box(cluster.tree.view());
        begin.elapsed().as_secs_f64() * 1e3
    });
    // In proportion to the floor for 100,000.
    let part = hosts as f64 / 100_000.0;
    less("build, ms", median(times), Some((500.0 * part, 250.0 * part)));
    let view = cluster.tree.view();
    let bytes = view.bytes() as f64 / view.providers() as f64;
    less("bytes for each provider", bytes, Some((150.0, 90.0)));
}

/// What views that are refreshed all the time cost those who claim.
fn beside(extent: &Extent, hosts: usize) {
    const PAUSE: Duration = Duration::from_micros(100);
    println!("claim and release beside views that refresh each 100 us, {hosts} hosts");
    println!(
        "    {:>5} {:>12} {:>14} {:>20} {:>20}",
        "views", "ns each", "by none", "by threads that wake", "processor of a view"
    );
    let cluster = Cluster::new(hosts);
    let run = |views: usize, refreshes: bool| {
        let over = &AtomicBool::new(false);
        let mut worker = cluster.tree.worker().expect("few workers");
        let mut random = Random(1);
        thread::scope(|scope| {
            let others: Vec<_> = (0..views)
                .map(|_| {
                    let mut view = cluster.tree.view();
                    scope.spawn(move || {
                        let begin = ThreadTime::now();
                        while !over.load(Ordering::Relaxed) {
                            if refreshes {
                                view.refresh();
                            }
                            thread::sleep(PAUSE);
                        }
                        begin.elapsed()
                    })
                })
                .collect();
            let (begin, wall) = (ThreadTime::now(), Instant::now());
            let mut claims = 0_u32;
            while wall.elapsed() < extent.length {
                for _ in 0..100 {
                    let host = random.below(hosts);
                    let shape = Shape { gpus: 1, model: host % MODELS };
                    let spot = Spot { host: host as u32, node: 0, gpus: 1 };
                    let consumer = uuid(random.below(1 << 30), 15, 15);
                    worker.claim(&cluster.claim(consumer, shape, spot)).map(drop).expect("fits");
                    worker.release(consumer).map(drop).expect("was claimed");
                    claims += 1;
                }
            }
            let (each, wall) = (begin.elapsed() / claims, wall.elapsed().as_secs_f64());
            over.store(true, Ordering::Relaxed);
            let own = others.into_iter().map(|thread| thread.join().expect("no panic"));
            let own = own.sum::<Duration>().as_secs_f64() / wall / views.max(1) as f64;
            (each.as_nanos() as f64, own)
        })
    };
    const VIEWS: [usize; 4] = [0, 1, 2, 8];
    let mut rounds: Vec<[[f64; 4]; VIEWS.len()]> = Vec::new();
    for _ in 0..extent.rounds {
        let none = run(0, false).0;
        rounds.push(VIEWS.map(|views| {
            let awake = run(views, false).0;
            let (each, own) = run(views, true);
            [each, each / none, each / awake, own]
        }));
    }
    for (at, views) in VIEWS.into_iter().enumerate() {
        let of = |what: usize| median(rounds.iter().map(|round| round[at][what]));
        let [each, by_none, by_awake, own] = std::array::from_fn(of);
        println!(
            "    {views:>5} {each:>12.0} {by_none:>14.2} {by_awake:>20.2} {:>19.1}%",
            own * 100.0
        );
        if views == 1 {
            less("processor time of claims beside a view by without", by_none, Some((1.15, 1.03)));
        }
    }
}

// ---- What all need.

/// Prints a figure that should be small, with the floor and the goal that it has.
fn less(what: &str, value: f64, floors: Option<(f64, f64)>) {
    figure(what, value, floors, |value, bound| value <= bound);
}

/// Prints a figure that should be large, with the floor and the goal that it has.
fn more(what: &str, value: f64, floors: Option<(f64, f64)>) {
    figure(what, value, floors, |value, bound| value >= bound);
}

fn figure(what: &str, value: f64, floors: Option<(f64, f64)>, keeps: fn(f64, f64) -> bool) {
    print!("    {what:60} {value:>10.2}");
    if let Some((floor, goal)) = floors {
        let reached = match (keeps(value, floor), keeps(value, goal)) {
            (_, true) => "goal reached",
            (true, _) => "floor kept",
            _ => "floor missed",
        };
        print!("  (floor {floor}, goal {goal}: {reached})");
    }
    println!();
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the processor time of one of so many calls; the median of five times as many.
fn nanoseconds(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let calls = calls.max(1);
    median((0..5).map(|_| {
        let begin = ThreadTime::now();
        (0..calls).for_each(&mut call);
        begin.elapsed().as_nanos() as f64 / calls as f64
    }))
}

/// xorshift64*: enough to pick a job.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() as usize * bound) >> 32
    }
}

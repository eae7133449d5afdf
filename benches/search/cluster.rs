//! What there is, and what is asked for.

use provider_tree::{
    Candidate, Claim, Group, Inventories, Inventory, Prepared, Provider, ProviderSpec,
    ProviderTree, Request, ResourceClass, Trait, View,
};
use uuid::Uuid;

use benches::random::Random;

pub(crate) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(crate) const MEMORY_MB: ResourceClass = ResourceClass::MEMORY_MB;
pub(crate) const NODES: usize = 2;
pub(crate) const GPUS: usize = 4;
pub(crate) const MODELS: usize = 4;

/// What a host has, and what a job takes of it for each GPU.
pub(crate) const HOST: [u64; 2] = [96, 786_432];
pub(crate) const JOB: [u64; 2] = [4, 16_384];

/// Describes a kind of job.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Shape {
    pub(crate) gpus: usize,
    pub(crate) model: usize,
}

impl Shape {
    pub(crate) const COUNT: usize = 3 * MODELS;

    pub(crate) fn all() -> impl Iterator<Item = Shape> {
        (0..Self::COUNT).map(|number| Shape { gpus: 1 << (number % 3), model: number / 3 })
    }

    pub(crate) fn number(self) -> usize {
        self.model * 3 + self.gpus.trailing_zeros() as usize
    }

    /// Draws one: six of ten jobs want one GPU, three want two, one wants four.
    pub(crate) fn random(random: &mut Random) -> Shape {
        let gpus = match random.below(10) {
            0..6 => 1,
            6..9 => 2,
            _ => 4,
        };
        Shape { gpus, model: random.below(MODELS) }
    }

    pub(crate) fn amounts(self) -> [u64; 2] {
        JOB.map(|amount| amount * self.gpus as u64)
    }
}

/// Returns the request for `shape`: cpu and memory of the root, and the GPUs, if `on_one_node` all
/// below the same NUMA node.
pub(crate) fn request(shape: Shape, on_one_node: bool) -> Request {
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

pub(crate) fn prepare_all(view: &View) -> Vec<Prepared> {
    let prepare = |shape| view.prepare(&request(shape, true)).expect("a sound request");
    Shape::all().map(prepare).collect()
}

pub(crate) fn gpu_class() -> ResourceClass {
    ResourceClass::new("CUSTOM_GPU").expect("a sound name")
}

pub(crate) fn model(number: usize) -> Trait {
    Trait::new(&format!("CUSTOM_MODEL_{number}")).expect("a sound name")
}

pub(crate) fn numa_root() -> Trait {
    Trait::new("HW_NUMA_ROOT").expect("a sound name")
}

/// Says where a job is: on which GPUs, a bit each, of which node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spot {
    pub(crate) host: u32,
    pub(crate) node: u8,
    pub(crate) gpus: u8,
}

/// Holds a forest, in which host *n* has GPUs of model *n* mod 4.
pub(crate) struct Cluster {
    pub(crate) tree: ProviderTree,
    pub(crate) hosts: Vec<Providers>,
    pub(crate) gpu: ResourceClass,
}

pub(crate) struct Providers {
    pub(crate) root: Provider,
    pub(crate) gpus: [[Provider; GPUS]; NODES],
}

impl Cluster {
    pub(crate) fn new(hosts: usize) -> Self {
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
    pub(crate) fn claim(&self, consumer: Uuid, shape: Shape, spot: Spot) -> Claim {
        let host = &self.hosts[spot.host as usize];
        let [vcpu, memory] = shape.amounts();
        let mut claim =
            Claim::new(consumer).take(&host.root, VCPU, vcpu).take(&host.root, MEMORY_MB, memory);
        for at in (0..GPUS).filter(|at| spot.gpus >> at & 1 == 1) {
            claim.extend([(host.gpus[usize::from(spot.node)][at], self.gpu, 1)]);
        }
        claim
    }

    /// Returns what is free of `host`, as it is now.
    pub(crate) fn read(&self, host: usize) -> Host {
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
    pub(crate) fn read_all(&self) -> Vec<Host> {
        (0..self.hosts.len()).map(|host| self.read(host)).collect()
    }
}

/// Spreads as random uuids do; the low half says whose it is.
pub(crate) fn uuid(host: usize, node: usize, gpu: usize) -> Uuid {
    let number = (host as u64) << 8 | (node << 4 | gpu) as u64;
    Uuid::from_u64_pair(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

/// Returns where `candidate` is.
pub(crate) fn spot_of(candidate: &Candidate) -> Spot {
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
pub(crate) struct Host {
    pub(crate) free: [u64; 2],
    pub(crate) model: usize,
    /// A bit for each GPU that is free, node by node.
    pub(crate) gpus: [u8; NODES],
}

impl Host {
    pub(crate) fn unused(hosts: usize) -> Vec<Host> {
        let host = |host| Host { free: HOST, model: host % MODELS, gpus: [(1 << GPUS) - 1; NODES] };
        (0..hosts).map(host).collect()
    }

    /// Returns how many GPUs the node has free that has the most.
    pub(crate) fn most(&self) -> usize {
        self.gpus[0].count_ones().max(self.gpus[1].count_ones()) as usize
    }

    pub(crate) fn fits(&self, shape: Shape) -> bool {
        let [vcpu, memory] = shape.amounts();
        self.model == shape.model
            && self.free[0] >= vcpu
            && self.free[1] >= memory
            && self.most() >= shape.gpus
    }

    /// Returns which GPUs of this host a job of this shape gets: those of the fuller node.
    pub(crate) fn spot(&self, host: usize, shape: Shape) -> Spot {
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

    pub(crate) fn take(&mut self, shape: Shape, spot: Spot) {
        let gpus = &mut self.gpus[usize::from(spot.node)];
        assert_eq!((*gpus & spot.gpus, self.model), (spot.gpus, shape.model), "free GPUs");
        assert_eq!(spot.gpus.count_ones() as usize, shape.gpus, "as many as asked for");
        *gpus &= !spot.gpus;
        for (free, amount) in self.free.iter_mut().zip(shape.amounts()) {
            *free = free.checked_sub(amount).expect("enough is free");
        }
    }

    pub(crate) fn give_back(&mut self, shape: Shape, spot: Spot) {
        self.gpus[usize::from(spot.node)] |= spot.gpus;
        for (free, amount) in self.free.iter_mut().zip(shape.amounts()) {
            *free += amount;
        }
    }
}

/// Draws jobs until `share` of all GPUs is used, for one of so many threads after the other, each
/// on the first host where it fits, counted from where the part of the thread begins.
pub(crate) fn draw_jobs(hosts: usize, share: f64, threads: usize) -> Vec<(Shape, Spot)> {
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

pub(crate) fn gpus_of(hosts: usize, share: f64) -> usize {
    ((hosts * NODES * GPUS) as f64 * share) as usize
}

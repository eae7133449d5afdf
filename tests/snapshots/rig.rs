//! What the tests share: a small forest with something of everything, all that can be seen of it,
//! and everything that can be done to it, by chance.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{
    Allocations, Audit, Batch, Claim, Dump, Error, Expect, Fork, Inventories, Inventory, Lease,
    Overcommit, Provider, ProviderData, ProviderSpec, ProviderTree, ResourceClass, Resources,
    Result, Snapshot, Trait, Usage, Worker,
};
use uuid::Uuid;

pub(crate) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(crate) const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
pub(crate) const GPU: ResourceClass = ResourceClass::PGPU;
pub(crate) const CLASSES: [ResourceClass; 3] = [VCPU, MEMORY, GPU];

/// The consumer with this number.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(1, number)
}

/// The provider's uuid with this number.
pub(crate) fn pid(number: u64) -> Uuid {
    Uuid::from_u64_pair(2, number)
}

pub(crate) fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

pub(crate) fn set(tree: &ProviderTree, provider: &Provider, inventories: Inventories) {
    tree.set_inventories(provider, inventories, Expect::Any).unwrap();
}

/// A root with so many VCPU.
pub(crate) fn host(tree: &ProviderTree, name: &str, total: u64) -> Provider {
    let host = tree.create_root(name, None).unwrap();
    set(tree, &host, of(VCPU, total));
    host
}

/// A child with so many VCPU.
pub(crate) fn child(tree: &ProviderTree, parent: &Provider, name: &str, total: u64) -> Provider {
    let child = tree.create_child(parent, name, None).unwrap();
    set(tree, &child, of(VCPU, total));
    child
}

/// A forest of two hosts with so many VCPU each, and a worker.
pub(crate) fn two_hosts(total: u64) -> (ProviderTree, [Provider; 2], Worker) {
    let tree = ProviderTree::new();
    let hosts = ["host-0", "host-1"].map(|name| host(&tree, name, total));
    let worker = tree.worker().unwrap();
    (tree, hosts, worker)
}

/// A claim of so many VCPU.
pub(crate) fn cpus(consumer: Uuid, provider: &Provider, amount: u64) -> Claim {
    Claim::new(consumer).take(provider, VCPU, amount)
}

pub(crate) fn claim(worker: &mut Worker, consumer: Uuid, provider: &Provider, amount: u64) {
    let _receipt = worker.claim(&cpus(consumer, provider, amount)).unwrap();
}

pub(crate) fn release(worker: &mut Worker, consumer: Uuid) {
    let _receipt = worker.release(consumer).unwrap();
}

/// The refusal of so many VCPU.
pub(crate) fn exceeded(provider: &Provider, requested: u64, free: u64) -> Error {
    Error::CapacityExceeded { provider: provider.uuid(), class: VCPU, requested, free }
}

pub(crate) fn cordoned(provider: &Provider) -> Error {
    Error::Cordoned { provider: provider.uuid() }
}

pub(crate) fn removed(provider: &Provider) -> Error {
    Error::Removed { provider: provider.uuid() }
}

/// By provider and class: the order of cells means nothing.
pub(crate) fn sorted(mut held: Allocations) -> Allocations {
    held.allocations.sort_by_key(|held| (held.provider, held.class));
    held
}

/// Fails unless `call` is refused and the forest is afterwards what it was before.
pub(crate) fn refused<T: std::fmt::Debug>(
    tree: &ProviderTree,
    call: impl FnOnce() -> Result<T>,
) -> Error {
    let before = tree.dump();
    let error = call().unwrap_err();
    assert_eq!(tree.dump(), before, "after {error:?}");
    error
}

/// The dump without what differs between two forests that did the same in other words.
pub(crate) fn timeless(mut dump: Dump) -> Dump {
    dump.providers.iter_mut().for_each(|provider| provider.data.generation = 0);
    dump.consumers.iter_mut().for_each(|consumer| consumer.generation = 0);
    dump
}

/// A small forest with something of everything.
pub(crate) struct Estate {
    pub(crate) tree: ProviderTree,
    pub(crate) worker: Worker,
    /// 16 VCPU and 64 MEMORY_MB; has traits, an aggregate, a value of the caller's own, and shares.
    pub(crate) host: Provider,
    /// Below the host, 2 PGPU.
    pub(crate) gpu: Provider,
    /// A cordoned root with 8 VCPU.
    pub(crate) shut: Provider,
    /// Below that.
    pub(crate) inner: Provider,
    /// A root with nothing.
    pub(crate) bare: Provider,
    /// Of consumer 2.
    pub(crate) lease: Lease,
}

impl Estate {
    /// Consumer 1 holds 4 VCPU of the host and a GPU, consumer 2 leases 2 VCPU, and 1 is taken.
    pub(crate) fn new() -> Self {
        let tree = ProviderTree::new();
        let mut worker = tree.worker().unwrap();
        let host = tree.create_root("host", pid(100)).unwrap();
        set(&tree, &host, of(VCPU, 16).with(MEMORY, Inventory::new(64)));
        let traits = [Trait::MISC_SHARES_VIA_AGGREGATE, Trait::new("CUSTOM_FAST").unwrap()];
        tree.set_traits(&host, traits, Expect::Any).unwrap();
        tree.set_aggregates(&host, [id(900)], Expect::Any).unwrap();
        tree.update_resources(&host, Resources::new().with(VCPU, 7_u32), Expect::Any).unwrap();
        let gpu = tree.create_child(&host, "gpu", pid(101)).unwrap();
        set(&tree, &gpu, of(GPU, 2));
        let shut = tree.create_root("shut", pid(102)).unwrap();
        set(&tree, &shut, of(VCPU, 8));
        let inner = tree.create_child(&shut, "inner", pid(103)).unwrap();
        tree.cordon(&shut).unwrap();
        let bare = tree.create_root("bare", pid(104)).unwrap();
        let _receipt = worker.claim(&cpus(id(1), &host, 4).take(&gpu, GPU, 1)).unwrap();
        let lease = worker.lease(&cpus(id(2), &host, 2), 50).unwrap();
        worker.take(&host, &[(VCPU, 1)]).unwrap();
        Estate { tree, worker, host, gpu, shut, inner, bare, lease }
    }

    pub(crate) fn handles(&self) -> Vec<Provider> {
        vec![self.host, self.gpu, self.shut, self.inner, self.bare]
    }
}

/// What is asked: handles, uuids and names of providers, and consumers, that are and are not.
pub(crate) struct Asked {
    pub(crate) handles: Vec<Provider>,
    pub(crate) uuids: Vec<Uuid>,
    pub(crate) names: Vec<String>,
    pub(crate) consumers: Vec<Uuid>,
}

/// What each provider says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    children: Result<Vec<Provider>>,
    parent: Result<Option<Provider>>,
    ancestors: Result<Vec<Provider>>,
    subtree: Result<Vec<Provider>>,
    tree_of: Result<Vec<Provider>>,
    data: Result<ProviderData>,
    usages: Result<Vec<(ResourceClass, Usage)>>,
    usage: [Result<Usage>; 3],
    is_cordoned: Result<bool>,
    holders: Result<BTreeSet<Uuid>>,
}

/// All that can be seen of a forest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    dump: Dump,
    roots: Vec<Provider>,
    providers: Vec<Provider>,
    by_uuid: Vec<Option<Provider>>,
    by_name: Vec<Option<Provider>>,
    facts: Vec<Facts>,
    shares: [bool; 3],
    consumers: BTreeSet<Uuid>,
    allocations: Vec<Option<Allocations>>,
    all_allocations: BTreeMap<Uuid, Allocations>,
    overcommitted: Vec<Overcommit>,
    audit: Audit,
}

impl Sight {
    /// As the forest shows itself, one call after the other: nothing may change meanwhile.
    pub(crate) fn of_tree(tree: &ProviderTree, asked: &Asked) -> Self {
        let facts = |provider: &Provider| Facts {
            children: tree.children(provider),
            parent: tree.parent(provider),
            ancestors: tree.ancestors(provider),
            subtree: tree.subtree(provider),
            tree_of: tree.tree_of(provider),
            data: tree.data(provider),
            usages: tree.usages(provider),
            usage: CLASSES.map(|class| tree.usage(provider, class)),
            is_cordoned: tree.is_cordoned(provider),
            holders: tree.holders(provider).map(|all| all.into_iter().collect()),
        };
        let allocations = |consumer: &Uuid| tree.allocations(*consumer).map(sorted);
        let consumers = tree.consumers();
        let all = consumers.iter().filter_map(|one| Some((*one, allocations(one)?)));
        Sight {
            dump: tree.dump(),
            roots: tree.roots(),
            providers: tree.providers(),
            by_uuid: asked.uuids.iter().map(|uuid| tree.find(uuid)).collect(),
            by_name: asked.names.iter().map(|name| tree.find(name)).collect(),
            facts: asked.handles.iter().map(facts).collect(),
            shares: CLASSES.map(|class| tree.has_sharing_provider(class)),
            allocations: asked.consumers.iter().map(allocations).collect(),
            all_allocations: all.collect(),
            consumers: consumers.into_iter().collect(),
            overcommitted: tree.overcommitted(),
            audit: tree.audit(),
        }
    }

    /// As the snapshot shows it; an error if it is too old for anything.
    pub(crate) fn of_snapshot(snapshot: &Snapshot, asked: &Asked) -> Result<Self> {
        let facts = |provider: &Provider| Facts {
            children: snapshot.children(provider),
            parent: snapshot.parent(provider),
            ancestors: snapshot.ancestors(provider),
            subtree: snapshot.subtree(provider),
            tree_of: snapshot.tree_of(provider),
            data: snapshot.data(provider),
            usages: snapshot.usages(provider),
            usage: CLASSES.map(|class| snapshot.usage(provider, class)),
            is_cordoned: snapshot.is_cordoned(provider),
            holders: snapshot.holders(provider).map(|all| all.into_iter().collect()),
        };
        let mut shares = [false; 3];
        for (shares, class) in shares.iter_mut().zip(CLASSES) {
            *shares = snapshot.has_sharing_provider(class)?;
        }
        let allocations = |one: &Uuid| snapshot.allocations(*one).map(|found| found.map(sorted));
        let all = snapshot.all_allocations()?.into_iter();
        Ok(Sight {
            dump: snapshot.dump()?,
            roots: snapshot.roots()?,
            providers: snapshot.providers()?,
            by_uuid: asked.uuids.iter().map(|uuid| snapshot.find(uuid)).collect::<Result<_>>()?,
            by_name: asked.names.iter().map(|name| snapshot.find(name)).collect::<Result<_>>()?,
            facts: asked.handles.iter().map(facts).collect(),
            shares,
            consumers: snapshot.consumers()?.into_iter().collect(),
            allocations: asked.consumers.iter().map(allocations).collect::<Result<_>>()?,
            all_allocations: all.map(|held| (held.consumer, sorted(held))).collect(),
            overcommitted: snapshot.overcommitted()?,
            audit: snapshot.audit()?,
        })
    }

    pub(crate) fn dump(&self) -> &Dump {
        &self.dump
    }

    pub(crate) fn holds(&self) -> bool {
        self.audit.holds()
    }
}

/// Choices, the same for the same seed: SplitMix64.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `values`, of which there must be some.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    /// Some of the classes, seldom with units, and seldom too few for what is used.
    pub(crate) fn inventories(&mut self) -> Inventories {
        let mut inventories = Inventories::new();
        for (class, likely) in CLASSES.into_iter().zip([97, 80, 50]) {
            if self.percent(likely) {
                let inventory = Inventory::new(4 + self.below(30));
                let inventory = match self.below(6) {
                    0 => inventory.with_step_size(2),
                    1 => inventory.with_min_unit(2).with_max_unit(4),
                    _ => inventory,
                };
                inventories.insert(class, inventory);
            }
        }
        inventories
    }
}

const PROVIDERS: u64 = 12;
const CONSUMERS: u64 = 10;

/// A forest to which everything is done, by chance. Uuids and names are few, so that they come
/// again.
pub(crate) struct Random {
    pub(crate) tree: ProviderTree,
    pub(crate) worker: Worker,
    pub(crate) rng: Rng,
    /// All providers there have been.
    pub(crate) handles: Vec<Provider>,
    leases: Vec<Lease>,
    now: u64,
    /// How often what was done.
    pub(crate) done: BTreeMap<&'static str, u64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let tree = ProviderTree::new();
        let worker = tree.worker().unwrap();
        let (handles, leases, done) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut random =
            Random { tree, worker, rng: Rng::new(seed), handles, leases, now: 0, done };
        (0..40).for_each(|_| random.step());
        random
    }

    pub(crate) fn asked(&self) -> Asked {
        let first = self.handles.len().saturating_sub(40);
        Asked {
            handles: self.handles[first..].to_vec(),
            uuids: (0..PROVIDERS).map(pid).collect(),
            names: (0..PROVIDERS).map(name).collect(),
            consumers: (0..CONSUMERS).map(id).collect(),
        }
    }

    /// Fails unless each of these was done.
    pub(crate) fn check_done(&self, all: &[&str]) {
        for what in all {
            assert!(self.done.contains_key(what), "never done: {what}; {:?}", self.done);
        }
    }

    fn count<T>(&mut self, what: &'static str, result: Result<T>) -> Option<T> {
        let value = result.ok()?;
        *self.done.entry(what).or_default() += 1;
        Some(value)
    }

    /// A live one, if there is any, and seldom one that is gone.
    pub(crate) fn provider(&mut self) -> Option<Provider> {
        let live = self.tree.providers();
        let from = if self.rng.percent(5) || live.is_empty() { &self.handles } else { &live };
        (!from.is_empty()).then(|| self.rng.pick(from))
    }

    pub(crate) fn consumer(&mut self) -> Uuid {
        id(self.rng.below(CONSUMERS))
    }

    /// A claim of some amounts, seldom with a chain or a condition.
    pub(crate) fn claim(&mut self) -> Claim {
        let mut claim = Claim::new(self.consumer());
        for _ in 0..1 + self.rng.below(3) {
            let Some(provider) = self.provider() else { continue };
            let (class, amount) = (self.class_of(&provider), 1 + self.rng.below(4));
            match self.rng.below(8) {
                0 => claim = claim.take_chain(&provider, class, amount),
                1 => {
                    let generation = self.tree.data(&provider).map_or(0, |data| data.generation);
                    claim = claim.rest_on(&provider, generation + self.rng.below(8) / 7);
                    claim.take_mut(&provider, class, amount);
                }
                _ => claim.take_mut(&provider, class, amount),
            }
        }
        claim
    }

    /// One that the provider has, and seldom another.
    fn class_of(&mut self, provider: &Provider) -> ResourceClass {
        let usages = self.tree.usages(provider).unwrap_or_default();
        let has: Vec<_> = usages.into_iter().map(|(class, _)| class).collect();
        let any = has.is_empty() || self.rng.percent(5);
        self.rng.pick(if any { &CLASSES } else { &has })
    }

    /// One of the last.
    fn lease(&mut self) -> Option<Lease> {
        let last = &self.leases[self.leases.len().saturating_sub(3)..];
        (!last.is_empty()).then(|| self.rng.pick(last))
    }

    /// Does something; much of it is refused.
    pub(crate) fn step(&mut self) {
        match self.rng.below(30) {
            0..=3 => self.create(),
            4..=7 => self.restructure(),
            8 => self.populate(),
            9..=13 => self.configure(),
            14..=15 => self.cordon(),
            16..=18 => {
                let claim = self.claim();
                let claimed = self.worker.claim(&claim);
                self.count("claim", claimed);
            }
            19..=20 => {
                let claim = self.claim();
                let replaced = self.worker.replace(&claim, Expect::Any);
                self.count("replace", replaced);
            }
            21..=23 => {
                let consumer = self.consumer();
                let released = self.worker.release(consumer);
                self.count("release", released);
            }
            24..=26 => self.lend(),
            27 => self.take(),
            _ => self.commit(),
        }
    }

    fn create(&mut self) {
        let (uuid, name) = (pid(self.rng.below(PROVIDERS)), name(self.rng.below(PROVIDERS)));
        let parent = self.provider().filter(|_| self.rng.percent(70));
        let created = match parent {
            Some(parent) => self.tree.create_child(&parent, &name, uuid),
            None => self.tree.create_root(&name, uuid),
        };
        if let Some(provider) = self.count("create", created) {
            self.handles.push(provider);
            let inventories = self.rng.inventories();
            set(&self.tree, &provider, inventories);
        }
    }

    fn restructure(&mut self) {
        let Some(provider) = self.provider() else { return };
        match self.rng.below(4) {
            0 => {
                let removed = self.tree.remove(&provider);
                self.count("remove", removed);
            }
            1 => {
                let renamed = self.tree.rename(&provider, &name(self.rng.below(PROVIDERS)));
                self.count("rename", renamed);
            }
            _ => {
                let parent = self.provider().filter(|_| self.rng.percent(80));
                let moved = self.tree.reparent(&provider, parent.as_ref());
                self.count("reparent", moved);
            }
        }
    }

    fn populate(&mut self) {
        let spec = |rng: &mut Rng| {
            let (uuid, name) = (pid(rng.below(PROVIDERS)), name(rng.below(PROVIDERS)));
            let spec = ProviderSpec::new(uuid, name).with_inventories(rng.inventories());
            if rng.percent(50) { spec.with_parent(pid(rng.below(PROVIDERS))) } else { spec }
        };
        let listed: Vec<_> = (0..1 + self.rng.below(2)).map(|_| spec(&mut self.rng)).collect();
        let populated = self.tree.populate(&listed);
        let handles = self.count("populate", populated);
        for handle in handles.into_iter().flatten() {
            if !self.handles.contains(&handle) {
                self.handles.push(handle);
            }
        }
    }

    fn configure(&mut self) {
        let Some(provider) = self.provider() else { return };
        let (tree, rng) = (&self.tree, &mut self.rng);
        let some = |rng: &mut Rng| rng.percent(50);
        match rng.below(6) {
            0..=2 => {
                let done = tree.set_inventories(&provider, rng.inventories(), Expect::Any);
                self.count("inventories", done);
            }
            3 => {
                let both = [Trait::MISC_SHARES_VIA_AGGREGATE, Trait::new("CUSTOM_FAST").unwrap()];
                let traits: Vec<_> = both.into_iter().filter(|_| some(rng)).collect();
                let done = tree.set_traits(&provider, traits, Expect::Any);
                self.count("traits", done);
            }
            4 => {
                let aggregates: Vec<_> =
                    [id(900), id(901)].into_iter().filter(|_| some(rng)).collect();
                let done = tree.set_aggregates(&provider, aggregates, Expect::Any);
                self.count("aggregates", done);
            }
            _ => {
                let resources = Resources::new().with(VCPU, rng.below(4));
                let done = tree.update_resources(&provider, resources, Expect::Any);
                self.count("resources", done);
            }
        }
    }

    fn cordon(&mut self) {
        let Some(provider) = self.provider() else { return };
        let (what, done) = match self.rng.percent(15) {
            true => ("cordon", self.tree.cordon(&provider)),
            false => ("uncordon", self.tree.uncordon(&provider)),
        };
        self.count(what, done);
    }

    fn lend(&mut self) {
        self.now += self.rng.below(3);
        let (now, deadline) = (self.now, self.now + self.rng.below(40));
        match (self.rng.below(6), self.lease()) {
            (0, Some(lease)) => {
                let confirmed = self.worker.confirm(&lease, now);
                self.count("confirm", confirmed);
            }
            (1, Some(lease)) => {
                let renewed = self.worker.renew(&lease, deadline, now);
                self.count("renew", renewed);
            }
            (2, Some(lease)) => {
                let forgotten = self.worker.forget(&lease);
                self.count("forget", forgotten);
            }
            (3, _) => {
                let ended = self.worker.expire(now).unwrap().len();
                *self.done.entry("expire").or_default() += ended as u64;
            }
            _ => {
                let claim = self.claim();
                let leased = self.worker.lease(&claim, deadline);
                if let Some(lease) = self.count("lease", leased) {
                    self.leases.push(lease);
                }
            }
        }
    }

    fn take(&mut self) {
        let Some(provider) = self.provider() else { return };
        let amounts = [(self.class_of(&provider), 1 + self.rng.below(2))];
        let (what, done) = match self.rng.percent(50) {
            true => ("take", self.worker.take(&provider, &amounts)),
            false => ("put back", self.worker.put_back(&provider, &amounts)),
        };
        self.count(what, done);
    }

    /// Some of everything in one batch.
    fn commit(&mut self) {
        let mut batch = Batch::new();
        if let Some(held) = self.tree.consumers().first().filter(|_| self.rng.percent(50)) {
            batch = batch.release(*held, Expect::Any);
        }
        batch = match self.rng.percent(50) {
            true => batch.claim(self.claim()),
            false => batch.replace(self.claim(), Expect::Any),
        };
        if let Some(provider) = self.provider().filter(|_| self.rng.percent(40)) {
            batch = batch.set_inventories(&provider, self.rng.inventories(), Expect::Any);
        }
        if let Some(provider) = self.provider().filter(|_| self.rng.percent(50)) {
            batch = match self.rng.percent(40) {
                true => batch.cordon(&provider),
                false => batch.uncordon(&provider),
            };
        }
        let committed = self.worker.commit(&batch);
        self.count("commit", committed);
    }
}

/// All that [`Random`] counts.
pub(crate) const EVERYTHING: [&str; 22] = [
    "create",
    "remove",
    "rename",
    "reparent",
    "populate",
    "inventories",
    "traits",
    "aggregates",
    "resources",
    "cordon",
    "uncordon",
    "claim",
    "replace",
    "release",
    "confirm",
    "renew",
    "forget",
    "expire",
    "lease",
    "take",
    "put back",
    "commit",
];

fn name(number: u64) -> String {
    format!("provider-{number}")
}

/// What a fork says of providers and consumers.
pub(crate) type ForkSight =
    (Vec<(Result<Vec<(ResourceClass, Usage)>>, Result<bool>)>, Vec<Option<Allocations>>);

pub(crate) fn sight_of_fork(fork: &Fork, providers: &[Provider], consumers: &[Uuid]) -> ForkSight {
    let facts = |provider: &Provider| (fork.usages(provider), fork.is_cordoned(provider));
    let held = |consumer: &Uuid| fork.allocations(*consumer).unwrap().map(sorted);
    (providers.iter().map(facts).collect(), consumers.iter().map(held).collect())
}

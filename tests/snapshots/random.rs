//! Does everything that can be done to a forest, by chance.

use std::collections::BTreeMap;

use provider_tree::{
    Batch, Claim, Deadline, Edit, Expect, Inventories, Inventory, Lease, Now, Provider,
    ProviderSpec, ProviderTree, ResourceClass, Resources, Result, Trait, Worker,
};
use uuid::Uuid;

use crate::rig::{Asked, CLASSES, VCPU, id, pid, set};

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
        if self.rng.percent(50) {
            claim = claim.with_tag(self.rng.below(3));
        }
        for _ in 0..1 + self.rng.below(3) {
            let Some(provider) = self.provider() else { continue };
            let (class, amount) = (self.class_of(&provider), 1 + self.rng.below(4));
            match self.rng.below(8) {
                0 => claim = claim.take_with_ancestors(&provider, class, amount),
                1 => {
                    let generation =
                        self.tree.configuration(&provider).map_or(0, |data| data.generation);
                    claim = claim.require_generation(&provider, generation + self.rng.below(8) / 7);
                    claim.extend([(provider, class, amount)]);
                }
                _ => claim.extend([(provider, class, amount)]),
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
                let done = tree.configure(&provider, rng.inventories(), Expect::Any);
                self.count("inventories", done);
            }
            3 => {
                let both = [Trait::MISC_SHARES_VIA_AGGREGATE, Trait::new("CUSTOM_FAST").unwrap()];
                let traits: Vec<_> = both.into_iter().filter(|_| some(rng)).collect();
                let done = tree.configure(&provider, Edit::new().set_traits(traits), Expect::Any);
                self.count("traits", done);
            }
            4 => {
                let aggregates: Vec<_> =
                    [id(900), id(901)].into_iter().filter(|_| some(rng)).collect();
                let done =
                    tree.configure(&provider, Edit::new().set_aggregates(aggregates), Expect::Any);
                self.count("aggregates", done);
            }
            _ => {
                let resources = Resources::new().with(VCPU, rng.below(4));
                let done =
                    tree.configure(&provider, Edit::new().set_resources(resources), Expect::Any);
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
                let confirmed = self.worker.confirm(&lease, Now(now));
                self.count("confirm", confirmed);
            }
            (1, Some(lease)) => {
                let renewed = self.worker.renew(&lease, Deadline(deadline), Now(now));
                self.count("renew", renewed);
            }
            (2, Some(lease)) => {
                let forgotten = self.worker.cancel(&lease);
                self.count("cancel", forgotten);
            }
            (3, _) => {
                let ended = self.worker.expire(Now(now)).unwrap().len();
                *self.done.entry("expire").or_default() += ended as u64;
            }
            _ => {
                let claim = self.claim();
                let leased = self.worker.lease(&claim, Deadline(deadline));
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
        if let Some(held) =
            self.tree.snapshot().consumers().unwrap().first().filter(|_| self.rng.percent(50))
        {
            batch = batch.release(*held, Expect::Any);
        }
        batch = match self.rng.percent(50) {
            true => batch.claim(self.claim()),
            false => batch.replace(self.claim(), Expect::Any),
        };
        if let Some(provider) = self.provider().filter(|_| self.rng.percent(40)) {
            batch = batch.configure(&provider, self.rng.inventories(), Expect::Any);
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
    "cancel",
    "expire",
    "lease",
    "take",
    "put back",
    "commit",
];

fn name(number: u64) -> String {
    format!("provider-{number}")
}

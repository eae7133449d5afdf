//! Forests to which one thread makes the same calls, some of them loaded from dumps on the way: they come
//! to equal dumps, and say the same.
//!
//! Each step is chosen by random numbers of its own, and knows providers and consumers by their uuids
//! alone. So the same numbers make the same call on every forest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use provider_tree::{
    Batch, Claim, Deadline, Dump, Edit, Error, Expect, Inventories, Inventory, Now,
    PartialInventories, PartialInventory, Provider, ProviderSpec, ProviderTree, ResourceClass,
    Resources, Result, Trait, Worker,
};
use shared::plan::Rng;
use uuid::Uuid;

use crate::{MEMORY, VCPU};

const CLASSES: [ResourceClass; 2] = [VCPU, MEMORY];
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Two of them each share a floor.
const CONSUMERS: [u128; 4] = [8, 9, 8 + 4_096, 9 + 8_192];
const STEPS: u64 = 60;

fn sequences() -> u64 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.unwrap_or(if cfg!(debug_assertions) { 400 } else { 4_000 })
}

#[test]
fn forests_that_were_loaded_on_the_way_go_on_as_the_first_one() {
    let mut made = BTreeMap::<&str, u64>::new();
    for seed in 0..sequences() {
        run(seed, &mut made);
    }
    // Each call has been made, and not only refused.
    assert_eq!(made.len(), 22, "{made:?}");
    assert!(made.values().all(|count| *count >= sequences() / 10), "{made:?}");
}

/// Makes one sequence of calls, and counts those that were not refused.
fn run(seed: u64, made: &mut BTreeMap<&str, u64>) {
    let rng = &mut Rng::new(seed);
    let mut replicas = vec![Replica::new(ProviderTree::new())];
    for (number, name) in (1..).zip(&NAMES[..3]) {
        let stocks = CLASSES.map(|class| (class, Inventory::new(12))).into_iter().collect();
        let spec = ProviderSpec::new(Uuid::from_u128(number), *name).with_inventories(stocks);
        replicas[0].tree.populate(&[spec]).unwrap();
    }
    let mut all = Vec::new();
    for number in 0..STEPS {
        let step = |replica: &mut Replica| replica.step(&mut Rng::new(seed * STEPS + number));
        let first = step(&mut replicas[0]);
        for replica in &mut replicas[1..] {
            assert_eq!(step(replica), first, "seed {seed}, after {all:#?}");
        }
        let (call, said) = &first;
        *made.entry(call).or_default() += u64::from(matches!(said, Some(Ok(_))));
        all.push(first);
        if !rng.percent(12) && number < STEPS - 1 {
            continue;
        }
        let dump = replicas[0].dump();
        for replica in &replicas[1..] {
            assert_eq!(replica.dump(), dump, "seed {seed}, after {all:#?}");
        }
        // One that joins, or begins again.
        let loaded = Replica::new(ProviderTree::load(&passed_on(dump)).unwrap());
        match rng.below(4) as usize {
            at if at < replicas.len() => replicas[at] = loaded,
            _ => replicas.push(loaded),
        }
    }
}

/// The dump as another process gets it, if it has nothing that can't be written.
fn passed_on(dump: Dump) -> Dump {
    #[cfg(feature = "serde")]
    if dump.providers.iter().all(|provider| provider.configuration.resources.is_empty()) {
        return serde_json::from_str(&serde_json::to_string(&dump).unwrap()).unwrap();
    }
    dump
}

struct Replica {
    tree: ProviderTree,
    worker: Worker,
}

/// What a call said, or why it was refused, in short; `None` if what it is about does not exist.
type Said = Option<Result<String, String>>;

impl Replica {
    fn new(tree: ProviderTree) -> Self {
        let worker = tree.worker().unwrap();
        Replica { tree, worker }
    }

    fn dump(&self) -> Dump {
        self.tree.snapshot().dump().unwrap()
    }

    /// Makes the call that these numbers choose; returns its name, and what it said.
    fn step(&mut self, rng: &mut Rng) -> (&'static str, Said) {
        match rng.below(3) {
            0 => self.change_providers(rng),
            1 => self.change_leases(rng),
            _ => self.change_consumers(rng),
        }
    }

    fn change_providers(&mut self, rng: &mut Rng) -> (&'static str, Said) {
        match rng.below(14) {
            0 => ("create_root", self.create_root(rng)),
            1..=3 => ("create_child", self.create_child(rng)),
            4 => ("rename", self.rename(rng)),
            5 => ("reparent", self.reparent(rng)),
            6 => ("remove", self.remove(rng)),
            7 => ("remove_leaf", self.remove_leaf(rng)),
            8 => ("cordon", self.cordon(rng)),
            9 => ("populate", self.populate(rng)),
            _ => ("configure", self.configure(rng)),
        }
    }

    fn change_consumers(&mut self, rng: &mut Rng) -> (&'static str, Said) {
        match rng.below(12) {
            0..=1 => ("claim", self.claim(rng)),
            2..=3 => ("replace", self.replace(rng)),
            4..=5 => ("release", Some(said(self.worker.release(consumer(rng))))),
            6 => ("take", self.take(rng)),
            7 => ("put_back", self.put_back(rng)),
            8 => ("claim_gang", self.gang(rng)),
            9 => ("claim_partly", self.partly(rng)),
            _ => ("commit", self.commit(rng)),
        }
    }

    fn change_leases(&mut self, rng: &mut Rng) -> (&'static str, Said) {
        let (deadline, now) = (Deadline(rng.below(8)), Now(rng.below(8)));
        if rng.percent(15) {
            return ("expire", Some(said(self.worker.expire(now))));
        }
        let call = rng.below(6);
        if call < 3 {
            return ("lease", self.lease(rng, deadline));
        }
        let first = rng.below(4) as usize;
        let mut leases = (0..4).map(|number| CONSUMERS[(first + number) % 4]);
        let lease = leases.find_map(|consumer| self.tree.lease_of(Uuid::from_u128(consumer)));
        let worker = &mut self.worker;
        match call {
            3 => ("confirm", lease.map(|lease| said(worker.confirm(&lease, now)))),
            4 => ("renew", lease.map(|lease| said(worker.renew(&lease, deadline, now)))),
            _ => ("cancel", lease.map(|lease| said(worker.cancel(&lease)))),
        }
    }
}

/// Changes of providers.
impl Replica {
    /// One of the providers that there are.
    fn find(&self, rng: &mut Rng) -> Option<Provider> {
        let mut all = self.tree.providers();
        all.sort_unstable_by_key(Provider::uuid);
        let at = rng.below(all.len().max(1) as u64);
        all.get(at as usize).copied()
    }

    fn create_root(&self, rng: &mut Rng) -> Said {
        Some(uuid(self.tree.create_root(rng.pick(&NAMES), provider(rng))))
    }

    fn create_child(&self, rng: &mut Rng) -> Said {
        let parent = self.find(rng)?;
        Some(uuid(self.tree.create_child(&parent, rng.pick(&NAMES), provider(rng))))
    }

    fn rename(&self, rng: &mut Rng) -> Said {
        Some(said(self.tree.rename(&self.find(rng)?, rng.pick(&NAMES))))
    }

    fn reparent(&self, rng: &mut Rng) -> Said {
        let provider = self.find(rng)?;
        match rng.percent(30) {
            true => Some(said(self.tree.reparent(&provider, None))),
            false => Some(said(self.tree.reparent(&provider, Some(&self.find(rng)?)))),
        }
    }

    fn remove(&self, rng: &mut Rng) -> Said {
        Some(said(self.tree.remove(&self.find(rng)?)))
    }

    fn remove_leaf(&self, rng: &mut Rng) -> Said {
        Some(said(self.tree.remove_leaf(&self.find(rng)?)))
    }

    fn cordon(&self, rng: &mut Rng) -> Said {
        let provider = self.find(rng)?;
        match rng.percent(30) {
            true => Some(said(self.tree.cordon(&provider))),
            false => Some(said(self.tree.uncordon(&provider))),
        }
    }

    fn populate(&self, rng: &mut Rng) -> Said {
        let count = 1 + rng.below(3);
        let specs: Vec<_> = (0..count).map(|_| spec(rng)).collect();
        let made = self.tree.populate(&specs);
        Some(said(made.map(|made| made.iter().map(Provider::uuid).collect::<Vec<_>>())))
    }

    fn configure(&self, rng: &mut Rng) -> Said {
        let provider = self.find(rng)?;
        Some(said(self.tree.configure(&provider, edit(rng), expect(rng))))
    }
}

/// Changes of consumers.
impl Replica {
    /// A claim of one line to three, and now and then of a chain or a condition.
    fn wanted(&self, rng: &mut Rng) -> Option<Claim> {
        let mut claim = Claim::new(consumer(rng));
        for _ in 0..=rng.below(2) {
            claim.extend([(self.find(rng)?, rng.pick(&CLASSES), 1 + rng.below(3))]);
        }
        if rng.percent(15) {
            claim = claim.take_with_ancestors(&self.find(rng)?, VCPU, 1);
        }
        if rng.percent(10) {
            claim = claim.require_generation(&self.find(rng)?, rng.below(4));
        }
        Some(if rng.percent(30) { claim.with_tag(rng.below(3)) } else { claim })
    }

    fn claim(&mut self, rng: &mut Rng) -> Said {
        let claim = self.wanted(rng)?;
        Some(said(self.worker.claim(&claim)))
    }

    fn lease(&mut self, rng: &mut Rng, deadline: Deadline) -> Said {
        let claim = self.wanted(rng)?;
        Some(said(self.worker.lease(&claim, deadline).map(|lease| lease.receipt())))
    }

    fn replace(&mut self, rng: &mut Rng) -> Said {
        let claim = self.wanted(rng)?;
        Some(said(self.worker.replace(&claim, expect(rng))))
    }

    fn take(&mut self, rng: &mut Rng) -> Said {
        let provider = self.find(rng)?;
        Some(said(self.worker.take(&provider, &amounts(rng))))
    }

    fn put_back(&mut self, rng: &mut Rng) -> Said {
        let provider = self.find(rng)?;
        Some(said(self.worker.put_back(&provider, &amounts(rng))))
    }

    fn gang(&mut self, rng: &mut Rng) -> Said {
        let members: Option<Vec<_>> = (0..=rng.below(3)).map(|_| self.wanted(rng)).collect();
        let made = self.worker.claim_gang(&members?, rng.below(3) as usize);
        let in_short = |member: Result<_>| member.map_err(|error| in_short(&error));
        Some(said(made.map(|made| made.into_iter().map(in_short).collect::<Vec<_>>())))
    }

    fn partly(&mut self, rng: &mut Rng) -> Said {
        let claim = self.wanted(rng)?;
        let made = self.worker.claim_partly(&claim);
        Some(said(made.map(|made| {
            let refused = made.refused.iter().map(|(at, error)| (*at, in_short(error)));
            (made.receipt, refused.collect::<Vec<_>>())
        })))
    }

    fn commit(&mut self, rng: &mut Rng) -> Said {
        let mut batch = Batch::new();
        for _ in 0..=rng.below(4) {
            batch = match rng.below(16) {
                0..=2 => batch.claim(self.wanted(rng)?),
                3..=5 => batch.replace(self.wanted(rng)?, expect(rng)),
                6..=8 => batch.release(consumer(rng), expect(rng)),
                9 if rng.percent(30) => batch.cordon(&self.find(rng)?),
                9..=10 => batch.uncordon(&self.find(rng)?),
                11 => batch.remove(&self.find(rng)?),
                12 => batch.reparent(&self.find(rng)?, Some(&self.find(rng)?)),
                13 => batch.create(spec(rng)),
                _ => batch.configure(&self.find(rng)?, edit(rng), expect(rng)),
            };
        }
        Some(said(self.worker.commit(&batch)))
    }
}

fn provider(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(1 + u128::from(rng.below(5)))
}

fn consumer(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(rng.pick(&CONSUMERS))
}

fn amounts(rng: &mut Rng) -> Vec<(ResourceClass, u64)> {
    let count = 1 + rng.below(2) as usize;
    CLASSES[..count].iter().map(|class| (*class, 1 + rng.below(2))).collect()
}

fn spec(rng: &mut Rng) -> ProviderSpec {
    let spec = ProviderSpec::new(provider(rng), rng.pick(&NAMES)).with_inventories(stocks(rng));
    let parent = rng.percent(60).then(|| provider(rng));
    let generation = rng.percent(30).then(|| rng.below(4));
    ProviderSpec { parent, generation, ..spec.with_traits(traits(rng)) }
}

fn stocks(rng: &mut Rng) -> Inventories {
    let few = CLASSES.map(|class| (class, Inventory::new(4 + rng.below(12))));
    few.into_iter().filter(|_| rng.percent(85)).collect()
}

fn traits(rng: &mut Rng) -> BTreeSet<Trait> {
    rng.percent(40).then_some(Trait::MISC_SHARES_VIA_AGGREGATE).into_iter().collect()
}

fn edit(rng: &mut Rng) -> Edit {
    let edit = Edit::new();
    match rng.below(8) {
        0..=2 => edit.set_inventories(stocks(rng)),
        3 => {
            let more = (rng.pick(&CLASSES), PartialInventory::new(2 + rng.below(8)));
            edit.update_inventories(PartialInventories::from_iter([more]))
        }
        4 if rng.percent(30) => edit.remove_inventories([rng.pick(&CLASSES)]),
        5 => edit.set_traits(traits(rng)),
        6 => edit.set_aggregates([Uuid::from_u128(u128::from(rng.below(2)))]),
        _ => edit.set_resources(Resources::new().with(VCPU, rng.below(2))),
    }
}

/// A generation that is right now and then.
fn expect(rng: &mut Rng) -> Expect {
    match rng.below(8) {
        0..=3 => Expect::Any,
        4 => Expect::Keep,
        5 => Expect::Mirror(rng.below(5)),
        _ => Expect::Generation(1 + rng.below(4)),
    }
}

fn said<T: Debug>(made: Result<T>) -> Result<String, String> {
    made.map(|made| format!("{made:?}")).map_err(|error| in_short(&error))
}

fn uuid(made: Result<Provider>) -> Result<String, String> {
    said(made.map(|provider| provider.uuid()))
}

/// The variant of an error. Of the reasons why amounts don't fit, a call names that of one of them, which
/// another forest need not name.
fn in_short(error: &Error) -> String {
    if let Error::CapacityExceeded { .. }
    | Error::Cordoned { .. }
    | Error::NoInventory { .. }
    | Error::UnitViolation { .. } = error
    {
        return "does not fit".to_owned();
    }
    let text = format!("{error:?}");
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

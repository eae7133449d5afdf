//! Plans: which operations the threads of a history make, chosen at random from few of everything.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Expect, ResourceClass, Trait};
use uuid::Uuid;

use crate::operation::{Item, Line, Listing, Op, SLOTS, Said, SetOp, Slot, Stock, Stocks};

pub const CLASSES: [ResourceClass; 2] = [ResourceClass::VCPU, ResourceClass::MEMORY_MB];
pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The uuids of providers.
pub fn providers() -> [Uuid; 3] {
    [1, 2, 3].map(Uuid::from_u128)
}

/// The uuids of consumers.
pub fn consumers() -> [Uuid; 2] {
    [8, 9].map(Uuid::from_u128)
}

/// One call of one thread.
#[derive(Clone, Debug)]
pub struct Step {
    pub op: Op<Slot>,
    /// Where a handle that it returns is kept.
    pub into: Slot,
    pub pause: Pause,
    /// At which allocation within the call to give way; 0 for none.
    pub stall: u32,
}

/// What a thread does before a call, so that calls meet in many ways.
#[derive(Clone, Copy, Debug)]
pub enum Pause {
    Spin(u32),
    Yield,
}

/// What is done in one history.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Before the threads start. The first call creates a provider.
    pub prelude: Vec<Step>,
    /// By all threads at once.
    pub threads: Vec<Vec<Step>>,
    /// After all threads are done: looks at everything.
    pub finale: Vec<Step>,
}

/// How operations are chosen.
pub type Profile = fn(&mut Rng) -> Op<Slot>;

/// Claims alone.
pub fn claims(rng: &mut Rng) -> Op<Slot> {
    match rng.below(16) {
        12..=13 => Op::Commit(items(rng)),
        14 => Op::Gang(members(rng), rng.below(3) as usize),
        15 => Op::Partly(rng.pick(&consumers()), lines(rng)),
        0..=2 => Op::Claim(rng.pick(&consumers()), lines(rng)),
        3..=4 => Op::Replace(rng.pick(&consumers()), lines(rng), expect(rng)),
        5..=6 => Op::Release(rng.pick(&consumers())),
        7 => Op::Take(slot(rng), amounts(rng)),
        8 => Op::PutBack(slot(rng), amounts(rng)),
        9 => Op::Usage(slot(rng), rng.pick(&CLASSES)),
        10 => Op::Usages(slot(rng)),
        _ => Op::Allocations(rng.pick(&consumers())),
    }
}

/// Changes of structure, and walks.
pub fn structure(rng: &mut Rng) -> Op<Slot> {
    match rng.below(24) {
        20..=23 => Op::Populate(listings(rng)),
        0..=1 => Op::CreateRoot(rng.pick(&providers()), rng.pick(&NAMES)),
        2..=4 => Op::CreateChild(slot(rng), rng.pick(&providers()), rng.pick(&NAMES)),
        5..=6 => Op::Remove(slot(rng)),
        7 => Op::RemoveLeaf(slot(rng)),
        8..=9 => Op::Reparent(slot(rng), rng.percent(70).then(|| slot(rng))),
        10..=11 => Op::Rename(slot(rng), rng.pick(&NAMES)),
        12 => Op::Find(rng.pick(&providers())),
        13 => Op::FindByName(rng.pick(&NAMES)),
        14 => Op::Data(slot(rng)),
        _ => walk(rng),
    }
}

fn walk(rng: &mut Rng) -> Op<Slot> {
    match rng.below(8) {
        0 => Op::Roots,
        1 => Op::Providers,
        2 => Op::Children(slot(rng)),
        3 => Op::Parent(slot(rng)),
        4 => Op::Ancestors(slot(rng)),
        5 => Op::Subtree(slot(rng)),
        6 => Op::TreeOf(slot(rng)),
        _ => Op::Name(slot(rng)),
    }
}

/// Changes of inventories and traits against claims.
pub fn configuration(rng: &mut Rng) -> Op<Slot> {
    match rng.below(18) {
        14 => Op::Cordon(slot(rng), rng.percent(50)),
        15 => Op::IsCordoned(slot(rng)),
        16 => Op::RestOn(rng.pick(&consumers()), lines(rng), slot(rng), rng.below(3)),
        17 => Op::Chain(rng.pick(&consumers()), (slot(rng), rng.pick(&CLASSES), 1)),
        10 => Op::AddTraits(slot(rng), traits(rng), expect(rng)),
        11 => Op::HasSharingProvider(rng.pick(&CLASSES)),
        12 => Op::Populate(listings(rng)),
        13 => Op::Dump,
        0..=2 => Op::SetInventories(slot(rng), stocks(rng), expect(rng)),
        3 => Op::SetTraits(slot(rng), traits(rng), expect(rng)),
        4 => Op::Data(slot(rng)),
        _ => claims(rng),
    }
}

/// What only a sequence of calls by one thread needs besides.
pub fn alone(rng: &mut Rng) -> Op<Slot> {
    let consumer = |rng: &mut Rng| rng.pick(&consumers());
    let how = |rng: &mut Rng| rng.pick(&[SetOp::Set, SetOp::Add, SetOp::Remove]);
    match rng.below(40) {
        0 => Op::Traits(how(rng), slot(rng), traits(rng), expect(rng)),
        1 => Op::HasTraits(slot(rng), traits(rng)),
        2 => Op::HaveTraitsChanged(slot(rng), traits(rng)),
        3..=4 => Op::Aggregates(how(rng), slot(rng), aggregates(rng), expect(rng)),
        5 => Op::InAggregates(slot(rng), aggregates(rng)),
        6 => Op::HaveAggregatesChanged(slot(rng), aggregates(rng)),
        7..=8 => Op::UpdateInventories(slot(rng), said(rng), expect(rng)),
        9 => Op::HaveInventoriesChanged(slot(rng), said(rng)),
        10 => Op::HasInventories(slot(rng)),
        11 => Op::UpdateResources(slot(rng), values(rng), expect(rng)),
        12 => Op::HaveResourcesChanged(slot(rng), values(rng)),
        13..=15 => Op::Lease(consumer(rng), lines(rng), rng.below(8)),
        16..=17 => Op::Confirm(consumer(rng), rng.below(8)),
        18..=19 => Op::Renew(consumer(rng), rng.below(8), rng.below(8)),
        20 => Op::Cancel(consumer(rng)),
        21..=22 => Op::Expire(rng.below(8)),
        _ => everything(rng),
    }
}

fn aggregates(rng: &mut Rng) -> BTreeSet<Uuid> {
    [21, 22].into_iter().filter(|_| rng.percent(50)).map(Uuid::from_u128).collect()
}

fn said(rng: &mut Rng) -> Said {
    let mut said = Said::new();
    for class in CLASSES {
        if rng.percent(70) {
            let min_unit = rng.percent(30).then(|| rng.below(3));
            said.insert(class, (1 + rng.below(4), min_unit));
        }
    }
    said
}

fn values(rng: &mut Rng) -> BTreeMap<ResourceClass, u8> {
    let chosen: Vec<_> = CLASSES.into_iter().filter(|_| rng.percent(50)).collect();
    chosen.into_iter().map(|class| (class, rng.below(2) as u8)).collect()
}

/// A batch of one to three changes.
fn items(rng: &mut Rng) -> Vec<Item<Slot>> {
    let consumer = |rng: &mut Rng| rng.pick(&consumers());
    let item = |rng: &mut Rng| match rng.below(8) {
        0..=1 => Item::Claim(consumer(rng), lines(rng)),
        2..=3 => Item::Replace(consumer(rng), lines(rng), expect(rng)),
        4..=5 => Item::Release(consumer(rng), expect(rng)),
        _ => Item::SetInventories(slot(rng), stocks(rng), expect(rng)),
    };
    (0..=rng.below(3)).map(|_| item(rng)).collect()
}

fn members(rng: &mut Rng) -> Vec<(Uuid, Vec<Line<Slot>>)> {
    let all = consumers();
    let count = rng.below(3) as usize;
    all[..count].iter().map(|consumer| (*consumer, lines(rng))).collect()
}

/// All of them.
pub fn everything(rng: &mut Rng) -> Op<Slot> {
    match rng.below(5) {
        0..=1 => claims(rng),
        2..=3 => structure(rng),
        _ => configuration(rng),
    }
}

impl Plan {
    pub fn new(seed: u64, profile: Profile) -> Self {
        let rng = &mut Rng::new(seed);
        let count = [2, 3, 4][rng.below(3) as usize];
        let steps = 4 + rng.below(3);
        let thread = |rng: &mut Rng| (0..steps).map(|_| step(rng, profile)).collect();
        let prelude = prelude(rng);
        let threads = (0..count).map(|_| thread(rng)).collect();
        Plan { seed, prelude, threads, finale: finale() }
    }
}

fn step(rng: &mut Rng, profile: Profile) -> Step {
    let pause = match rng.below(10) {
        0 => Pause::Yield,
        1..=4 => Pause::Spin(rng.below(100) as u32),
        _ => Pause::Spin(0),
    };
    let stall = if rng.percent(60) { 1 + rng.below(10) as u32 } else { 0 };
    Step { op: profile(rng), into: slot(rng), pause, stall }
}

pub fn at_once(op: Op<Slot>, into: Slot) -> Step {
    Step { op, into, pause: Pause::Spin(0), stall: 0 }
}

/// A provider in slot 0, one in slot 1 beside or below it, and perhaps one in slot 2, which may be
/// removed already.
fn prelude(rng: &mut Rng) -> Vec<Step> {
    let [first, second, third] = providers();
    let mut steps = vec![
        at_once(Op::CreateRoot(first, "a"), 0),
        at_once(Op::SetInventories(0, stocks(rng), Expect::Any), 0),
    ];
    let below = match rng.percent(50) {
        true => Op::CreateRoot(second, "b"),
        false => Op::CreateChild(0, second, "b"),
    };
    steps.push(at_once(below, 1));
    steps.push(at_once(Op::SetInventories(1, stocks(rng), Expect::Any), 1));
    if rng.percent(50) {
        steps.push(at_once(Op::CreateChild(1, third, "c"), 2));
    }
    if rng.percent(25) {
        steps.push(at_once(Op::Remove(2), 2));
    }
    if rng.percent(50) {
        steps.push(at_once(Op::Claim(consumers()[0], vec![(0, CLASSES[0], 1)]), 0));
    }
    steps
}

fn finale() -> Vec<Step> {
    let by_uuid = |(slot, uuid)| at_once(Op::Find(uuid), slot);
    let by_name = |name| at_once(Op::FindByName(name), SLOTS - 1);
    let state = |slot| [at_once(Op::Data(slot), slot), at_once(Op::Usages(slot), slot)];
    let held = |consumer| at_once(Op::Allocations(consumer), 0);
    let sharing = |class| at_once(Op::HasSharingProvider(class), 0);
    [Op::Providers, Op::Dump]
        .map(|op| at_once(op, 0))
        .into_iter()
        .chain(CLASSES.map(sharing))
        .chain(providers().into_iter().enumerate().map(by_uuid))
        .chain((0..providers().len()).flat_map(state))
        .chain(NAMES.map(by_name))
        .chain(consumers().map(held))
        .collect()
}

fn slot(rng: &mut Rng) -> Slot {
    rng.below(SLOTS as u64) as Slot
}

/// One line or two, perhaps of the same class of the same provider.
fn lines(rng: &mut Rng) -> Vec<Line<Slot>> {
    let count = 1 + rng.below(2);
    (0..count).map(|_| (slot(rng), rng.pick(&CLASSES), 1 + rng.below(3))).collect()
}

/// One class or both.
fn amounts(rng: &mut Rng) -> Vec<(ResourceClass, u64)> {
    let amounts = CLASSES.map(|class| (class, 1 + rng.below(2)));
    match rng.below(3) {
        0 => amounts.to_vec(),
        1 => amounts[..1].to_vec(),
        _ => amounts[1..].to_vec(),
    }
}

/// The first class nearly always, the second mostly; some with units.
fn stocks(rng: &mut Rng) -> Stocks {
    let mut stocks = BTreeMap::new();
    for (class, percent) in CLASSES.into_iter().zip([90, 60]) {
        if rng.percent(percent) {
            stocks.insert(class, stock(rng));
        }
    }
    stocks
}

fn stock(rng: &mut Rng) -> Stock {
    let all = Stock::of(1 + rng.below(4));
    match rng.below(6) {
        0 => Stock { min_unit: 2, ..all },
        1 => Stock { max_unit: 2, ..all },
        2 => Stock { step_size: 2, ..all },
        _ => all,
    }
}

fn traits(rng: &mut Rng) -> BTreeSet<Trait> {
    rng.percent(50).then_some(Trait::MISC_SHARES_VIA_AGGREGATE).into_iter().collect()
}

/// Some of the providers, mostly with names of their own and with parents that exist.
fn listings(rng: &mut Rng) -> Vec<Listing> {
    let mut list = Vec::new();
    for (uuid, own) in providers().into_iter().zip(NAMES) {
        if rng.percent(50) {
            let name = if rng.percent(60) { own } else { rng.pick(&NAMES) };
            let parent = rng.percent(50).then(|| rng.pick(&providers()));
            let generation = rng.percent(30).then(|| rng.below(4));
            list.push(Listing {
                uuid,
                name,
                parent,
                generation,
                stocks: stocks(rng),
                traits: traits(rng),
            });
        }
    }
    if rng.percent(50) {
        list.reverse();
    }
    list
}

/// A generation that is right now and then.
fn expect(rng: &mut Rng) -> Expect {
    match rng.below(8) {
        0..=3 => Expect::Any,
        4 => Expect::Mirror(rng.below(4)),
        _ => Expect::Generation(1 + rng.below(3)),
    }
}

/// Choices: the same for the same seed, by SplitMix64, or as bytes say, and the first of each when
/// there are no more.
pub enum Rng {
    Seeded(u64),
    Told(std::vec::IntoIter<u8>),
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::Seeded(seed);
        Rng::Seeded(rng.next())
    }

    fn next(&mut self) -> u64 {
        let state = match self {
            Rng::Told(bytes) => return bytes.next().unwrap_or(0).into(),
            Rng::Seeded(state) => state,
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

//! Commands of all kinds, chosen at random, about few providers and consumers.

use provider_tree::{
    Deadline, Expect, Inventories, Inventory, Now, PartialInventories, PartialInventory,
    ProviderSpec, ResourceClass, Trait,
};
use provider_tree_cluster::command::*;
use shared::plan::Rng;
use uuid::Uuid;

pub(crate) const CLASSES: [ResourceClass; 2] = [ResourceClass::VCPU, ResourceClass::MEMORY_MB];
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// How many kinds of commands there are.
pub(crate) const KINDS: u64 = 22;

/// The providers that there are at the beginning.
pub(crate) fn first_providers() -> Populate {
    let provider = |(number, name): (u128, &str)| {
        let stocks = CLASSES.map(|class| (class, Inventory::new(12))).into_iter().collect();
        ProviderSpec::new(Uuid::from_u128(number), name).with_inventories(stocks)
    };
    Populate { providers: (1..).zip(&NAMES[..3]).map(|(n, name)| provider((n, name))).collect() }
}

/// A command of any kind; those about consumers come more often.
pub(crate) fn any(rng: &mut Rng) -> Command {
    match rng.percent(50) {
        true => of_kind(rng.pick(&[0, 0, 0, 1, 1, 2, 2, 2]), rng),
        false => of_kind(rng.below(KINDS), rng),
    }
}

/// A command of the kind with this number.
pub(crate) fn of_kind(kind: u64, rng: &mut Rng) -> Command {
    let (consumer, provider) = (consumer(rng), provider(rng));
    let (now, generation) = (Now(rng.below(8)), 1 + rng.below(4));
    match kind {
        0 => claim(rng).into(),
        1 => Replace { claim: claim(rng), expect: expect(rng) }.into(),
        2 => Release { consumer }.into(),
        3 => {
            let members = (0..=rng.below(3)).map(|_| claim(rng)).collect();
            ClaimGang { members, at_least: rng.below(3) }.into()
        }
        4 => ClaimPartly { claim: claim(rng) }.into(),
        5 => Lease { claim: claim(rng), deadline: deadline(rng) }.into(),
        6 => Confirm { consumer, generation, now }.into(),
        7 => Renew { consumer, generation, deadline: deadline(rng), now }.into(),
        8 => Cancel { consumer, generation }.into(),
        9 => Expire { now }.into(),
        10 => Take { provider, amounts: amounts(rng) }.into(),
        11 => PutBack { provider, amounts: amounts(rng) }.into(),
        12 => batch(rng).into(),
        13 => Create { uuid: provider, name: name(rng), parent: parent(rng) }.into(),
        14 => Populate { providers: (0..=rng.below(3)).map(|_| spec(rng)).collect() }.into(),
        15 => Remove { provider }.into(),
        16 => RemoveLeaf { provider }.into(),
        17 => Move { provider, parent: parent(rng) }.into(),
        18 => Rename { provider, name: name(rng) }.into(),
        19 if rng.percent(30) => Cordon { provider }.into(),
        19 | 20 => Uncordon { provider }.into(),
        _ => configure(rng).into(),
    }
}

fn claim(rng: &mut Rng) -> Claim {
    let mut claim = Claim::new(consumer(rng));
    for _ in 0..=rng.below(2) {
        claim = claim.take(provider(rng), rng.pick(&CLASSES), 1 + rng.below(3));
    }
    if rng.percent(15) {
        claim = claim.take_with_ancestors(provider(rng), CLASSES[0], 1);
    }
    if rng.percent(10) {
        claim = claim.require_generation(provider(rng), rng.below(4));
    }
    match rng.percent(30) {
        true => claim.with_tag(rng.below(3)),
        false => claim,
    }
}

fn batch(rng: &mut Rng) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..=rng.below(4) {
        let (consumer, expect) = (consumer(rng), expect(rng));
        match rng.below(16) {
            0..=2 => batch.consumers.push(ConsumerChange::Claim(claim(rng))),
            3..=5 => {
                batch.consumers.push(ConsumerChange::Replace { claim: claim(rng), expect });
            }
            6..=8 => batch.consumers.push(ConsumerChange::Release { consumer, expect }),
            9 if rng.percent(30) => batch.cordoned.push(provider(rng)),
            9 | 10 => batch.uncordoned.push(provider(rng)),
            11 => batch.removed.push(provider(rng)),
            12 => batch.moved.push(Move { provider: provider(rng), parent: parent(rng) }),
            13 => batch.created.push(spec(rng)),
            _ => batch.configured.push(configure(rng)),
        }
    }
    batch
}

fn configure(rng: &mut Rng) -> Configure {
    let class = rng.pick(&CLASSES);
    let step = match rng.below(12) {
        0..=2 => EditStep::SetInventories(stocks(rng)),
        3..=4 => {
            let more = (class, PartialInventory::new(2 + rng.below(8)));
            EditStep::UpdateInventories(PartialInventories::from_iter([more]))
        }
        5 => EditStep::RemoveInventories(vec![class]),
        6 => EditStep::SetTraits(traits(rng)),
        7 => EditStep::AddTraits(traits(rng)),
        8 => EditStep::RemoveTraits(traits(rng)),
        9 => EditStep::SetAggregates(vec![aggregate(rng)]),
        10 => EditStep::AddAggregates(vec![aggregate(rng)]),
        _ => EditStep::RemoveAggregates(vec![aggregate(rng)]),
    };
    Configure { provider: provider(rng), edit: Edit::new().with(step), expect: expect(rng) }
}

fn provider(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(1 + u128::from(rng.below(5)))
}

fn consumer(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(u128::from(100 + rng.below(5)))
}

fn aggregate(rng: &mut Rng) -> Uuid {
    Uuid::from_u128(u128::from(200 + rng.below(2)))
}

fn parent(rng: &mut Rng) -> Option<Uuid> {
    rng.percent(60).then(|| provider(rng))
}

fn name(rng: &mut Rng) -> String {
    rng.pick(&NAMES).to_owned()
}

fn deadline(rng: &mut Rng) -> Deadline {
    Deadline(rng.below(8))
}

fn amounts(rng: &mut Rng) -> Vec<(ResourceClass, u64)> {
    let count = 1 + rng.below(2) as usize;
    CLASSES[..count].iter().map(|class| (*class, 1 + rng.below(2))).collect()
}

fn spec(rng: &mut Rng) -> ProviderSpec {
    let spec = ProviderSpec::new(provider(rng), name(rng)).with_inventories(stocks(rng));
    let generation = rng.percent(30).then(|| rng.below(4));
    ProviderSpec { parent: parent(rng), generation, ..spec.with_traits(traits(rng)) }
}

fn stocks(rng: &mut Rng) -> Inventories {
    let few = CLASSES.map(|class| (class, Inventory::new(4 + rng.below(12))));
    few.into_iter().filter(|_| rng.percent(85)).collect()
}

fn traits(rng: &mut Rng) -> Vec<Trait> {
    rng.percent(40).then_some(Trait::MISC_SHARES_VIA_AGGREGATE).into_iter().collect()
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

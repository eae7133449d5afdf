//! Callers that make one operation of several calls: without care, and the checker notices; with
//! care, and it doesn't.

use std::collections::BTreeSet;
use std::thread::yield_now;

use provider_tree::{Error, Expect, Inventories, Inventory, Provider, ProviderTree};
use provider_tree::{ResourceClass, Result, Trait, Worker};

use crate::caller::{self, Caller};
use crate::operation::{Answer, Op, Outcome, SLOTS, Slot};
use crate::plan::{Profile, Rng};
use crate::run::Run;

const VCPU: ResourceClass = ResourceClass::VCPU;

/// So many histories are enough for each careless caller to be noticed.
const HISTORIES: u64 = 1_000;

fn run(name: &'static str, profile: Profile, caller: Caller) -> Run {
    Run { histories: HISTORIES, repeats: 1, ..Run::new(name, profile, caller) }
}

fn assert_noticed(name: &'static str, profile: Profile, caller: Caller) {
    match run(name, profile, caller).check() {
        Ok(tally) => panic!("{name}: not noticed: {tally}"),
        Err(rejected) => eprintln!("{}", rejected.lines().next().unwrap_or_default()),
    }
}

#[test]
fn taking_what_was_free_a_moment_ago_is_not_atomic() {
    assert_noticed("careless rest", rest, take_what_was_free);
}

#[test]
fn adding_to_what_was_there_a_moment_ago_is_not_atomic() {
    assert_noticed("careless growth", growth, grow_carelessly);
}

#[test]
fn adding_under_an_expected_generation_is_atomic() {
    let tally = run("careful growth", growth, grow_carefully).check();
    tally.map(drop).unwrap_or_else(|rejected| panic!("{rejected}"));
}

fn slot(rng: &mut Rng) -> Slot {
    rng.below(SLOTS as u64) as Slot
}

fn rest(rng: &mut Rng) -> Op<Slot> {
    match rng.below(6) {
        0..=2 => Op::TakeRest(slot(rng), VCPU),
        3 => Op::PutBack(slot(rng), vec![(VCPU, 1)]),
        4 => Op::Take(slot(rng), vec![(VCPU, 1)]),
        _ => Op::Usage(slot(rng), VCPU),
    }
}

/// None, or one.
fn traits(rng: &mut Rng) -> BTreeSet<Trait> {
    (0..rng.below(2)).map(|_| Trait::MISC_SHARES_VIA_AGGREGATE).collect()
}

fn growth(rng: &mut Rng) -> Op<Slot> {
    match rng.below(6) {
        0..=2 => Op::Grow(slot(rng), VCPU),
        3 => Op::SetTraits(slot(rng), traits(rng), Expect::Any),
        4 => Op::Data(slot(rng)),
        _ => Op::Usage(slot(rng), VCPU),
    }
}

fn take_what_was_free(
    tree: &ProviderTree,
    worker: &mut Worker,
    op: &Op<Provider>,
) -> Outcome<Provider> {
    let Op::TakeRest(provider, class) = op else { return caller::call(tree, worker, op) };
    let free = tree.usage(provider, *class)?.free();
    yield_now();
    if free > 0 {
        worker.take(provider, &[(*class, free)])?;
    }
    Ok(Answer::Amount(free))
}

fn grow_carelessly(
    tree: &ProviderTree,
    worker: &mut Worker,
    op: &Op<Provider>,
) -> Outcome<Provider> {
    let Op::Grow(provider, class) = op else { return caller::call(tree, worker, op) };
    let (_, total, grown) = read_grown(tree, provider, *class)?;
    yield_now();
    tree.configure(provider, grown, Expect::Any)?;
    Ok(Answer::Amount(total))
}

fn grow_carefully(
    tree: &ProviderTree,
    worker: &mut Worker,
    op: &Op<Provider>,
) -> Outcome<Provider> {
    let Op::Grow(provider, class) = op else { return caller::call(tree, worker, op) };
    loop {
        let (generation, total, grown) = read_grown(tree, provider, *class)?;
        yield_now();
        match tree.configure(provider, grown, Expect::Generation(generation)) {
            Ok(_) => return Ok(Answer::Amount(total)),
            Err(Error::GenerationConflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The provider's generation, and what it has with a unit more: of the class, and of everything.
fn read_grown(
    tree: &ProviderTree,
    provider: &Provider,
    class: ResourceClass,
) -> Result<(u64, u64, Inventories)> {
    let data = tree.configuration(provider)?;
    let inventory = data.inventories.get(class);
    let inventory = inventory.ok_or(Error::NoInventory { provider: provider.uuid(), class })?;
    let total = inventory.total + 1;
    let grown =
        Inventories::clone(&data.inventories).with(class, Inventory { total, ..*inventory });
    Ok((data.generation, total, grown))
}

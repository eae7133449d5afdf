//! Claims while inventories change.

use std::collections::HashMap;

use provider_tree::{
    Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Updated, Usage,
};

use crate::rig::{Gust, Rng, Storm};
use crate::tenant::{Line, Tenant, check_books};
use crate::{DISK, GPU, MEMORY, THREADS, VCPU};

const CLASSES: [ResourceClass; 4] = [VCPU, MEMORY, DISK, GPU];

/// Some of the classes, the first ones more often, with some capacity each.
pub(crate) fn some_inventories(rng: &mut Rng) -> Inventories {
    let mut inventories = Inventories::new();
    for (class, likely) in CLASSES.into_iter().zip([98, 80, 60, 40]) {
        if !rng.percent(likely) {
            continue;
        }
        let inventory = Inventory::new(4 + rng.below(40)).with_reserved(rng.below(4));
        let inventory = match rng.below(4) {
            0 => inventory.with_step_size(2),
            1 => inventory.with_max_unit(4).with_allocation_ratio(0.75),
            _ => inventory,
        };
        inventories.insert(class, inventory);
    }
    inventories
}

/// Gives `provider` other inventories.
pub(crate) fn reconfigure(tree: &ProviderTree, gust: &mut Gust<'_>, provider: &Provider) {
    let Ok(before) = tree.configuration(provider) else { return };
    let guess = before.generation + gust.rng.below(2);
    let expect = if gust.rng.percent(50) { Expect::Any } else { Expect::Generation(guess) };
    let changed = tree.configure(provider, some_inventories(&mut gust.rng), expect);
    let generation = gust.expect("change of inventories", changed, |error| match error {
        Error::InUse { used, .. } => *used > 0,
        Error::GenerationConflict { expected, actual, .. } => {
            expect == Expect::Generation(*expected) && expected != actual
        }
        Error::Removed { .. } => true,
        _ => false,
    });
    let Some(Updated { changed, generation: after, .. }) = generation else { return };
    match expect {
        Expect::Generation(before) => assert_eq!(after, before + u64::from(changed)),
        Expect::Any => assert!(after >= before.generation + u64::from(changed)),
        Expect::Mirror(set) => assert_eq!(after, set),
        Expect::Keep => unreachable!("not asked for"),
    }
}

/// Amounts of the classes of `providers`, with small odds for what there may not be.
fn some_lines(providers: &[Provider], rng: &mut Rng) -> Vec<Line> {
    let line = |rng: &mut Rng| (*rng.pick(providers), *rng.pick(&CLASSES), rng.up_to(6));
    (0..rng.up_to(3)).map(|_| line(rng)).collect()
}

/// What a watcher last saw of a provider.
type Seen = (u64, HashMap<ResourceClass, Usage>);

/// While a provider stays at one generation, no inventory shrinks: what is used grows only within
/// the capacity, and what is exceeded can only become less.
fn watch(tree: &ProviderTree, provider: &Provider, last: &mut Option<Seen>) -> bool {
    let generation = || tree.configuration(provider).expect("never removed").generation;
    let before = generation();
    let usages = tree.usages(provider).expect("never removed");
    if generation() != before {
        return false;
    }
    let usages: HashMap<_, _> = usages.into_iter().collect();
    if let Some((_, earlier)) = last.take().filter(|(at, _)| *at == before) {
        for (class, now) in &usages {
            let earlier = earlier.get(class).expect("one generation has the same classes");
            assert_eq!(now.capacity, earlier.capacity);
            let most = now.capacity.max(earlier.used);
            assert!(now.used <= most, "{provider:?}, {class}: {earlier:?}, then {now:?}");
        }
    }
    *last = Some((before, usages));
    true
}

#[test]
fn usage_is_the_sum_of_allocations() {
    let tree = ProviderTree::new();
    let name = |number| format!("provider-{number}");
    let providers: Vec<Provider> =
        (0..6).map(|number| tree.create_root(&name(number), None).expect("a new name")).collect();
    let mut tenants = Tenant::several(&tree, THREADS - 4, 4);
    let mut storm = Storm::new("usage_is_the_sum_of_allocations");
    for tenant in &mut tenants {
        storm.thread("claimer", |gust| {
            while gust.blows() {
                let lines = some_lines(&providers, &mut gust.rng);
                tenant.act(gust, &lines, |error| {
                    matches!(
                        error,
                        Error::CapacityExceeded { .. }
                            | Error::NoInventory { .. }
                            | Error::UnitViolation { .. }
                    )
                });
            }
            gust.add("retries", tenant.retries());
        });
    }
    for _ in 0..2 {
        storm.thread("configurator", |gust| {
            while gust.blows() {
                let provider = *gust.rng.pick(&providers);
                reconfigure(&tree, gust, &provider);
            }
        });
    }
    storm.thread("auditor", |gust| {
        while gust.blows() {
            let audit = tree.snapshot().audit().unwrap();
            assert!(audit.differences.is_empty(), "{audit:?}");
            let exceeded = |usage: Usage| usage.used > usage.capacity;
            assert!(audit.overcommitted.iter().all(|over| exceeded(over.usage)), "{audit:?}");
            assert_eq!(audit.providers, providers.len());
            gust.count("audit");
            gust.add("settled", audit.providers as u64);
        }
    });
    storm.thread("watcher", |gust| {
        let mut seen: Vec<Option<Seen>> = vec![None; providers.len()];
        while gust.blows() {
            // One for some time, so that its generation stays the same now and then.
            let index = gust.rng.index(providers.len());
            for _ in 0..64 {
                let watched = watch(&tree, &providers[index], &mut seen[index]);
                gust.count(if watched { "watched" } else { "changed while watched" });
            }
        }
    });
    let tally = storm.run();
    let required = ["claim", "change of inventories", "audit", "watched"];
    assert!(required.iter().all(|what| tally.of(what) > 0));
    check_books(&tree, tenants);
}

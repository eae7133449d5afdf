//! Claims alone: nothing shrinks, so nothing is ever exceeded.

use provider_tree::{Error, Expect, Inventories, Inventory, Provider, ProviderTree};

use crate::rig::{Gust, Rng, Storm};
use crate::tenant::{Line, Tenant, check_books};
use crate::{MEMORY, THREADS, VCPU};

const HOT: usize = 4;
const CPUS: u64 = 16;
const MEGABYTES: u64 = 1000;

/// Few providers, with little of everything. The last one gives only even amounts up to 8.
fn hot_providers(tree: &ProviderTree) -> Vec<Provider> {
    let provider = |number| {
        let provider = tree.create_root(&format!("hot-{number}"), None).expect("a new name");
        let cpus = Inventory::new(10).with_allocation_ratio(1.6);
        let cpus = match number {
            3 => cpus.with_min_unit(2).with_max_unit(8).with_step_size(2),
            _ => cpus,
        };
        let memory = Inventory::new(MEGABYTES + 24).with_reserved(24);
        let inventories = Inventories::new().with(VCPU, cpus).with(MEMORY, memory);
        tree.configure(&provider, inventories, Expect::Any).expect("it exists");
        provider
    };
    (0..HOT).map(provider).collect()
}

/// Amounts of one to four providers; some ask twice for the same.
fn some_lines(hot: &[Provider], rng: &mut Rng) -> Vec<Line> {
    let line = |rng: &mut Rng| match rng.percent(70) {
        true => (*rng.pick(hot), VCPU, rng.up_to(6)),
        false => (*rng.pick(hot), MEMORY, rng.up_to(400)),
    };
    (0..rng.up_to(4)).map(|_| line(rng)).collect()
}

fn look_at_usages(tree: &ProviderTree, hot: &[Provider], gust: &mut Gust<'_>) {
    while gust.blows() {
        for provider in hot {
            let usages = tree.usages(provider).expect("never removed");
            let capacities: Vec<_> =
                usages.iter().map(|(class, at)| (*class, at.capacity)).collect();
            assert_eq!(capacities, [(VCPU, CPUS), (MEMORY, MEGABYTES)]);
            let within = usages.iter().all(|(_, usage)| usage.used <= usage.capacity);
            assert!(within, "{provider:?}: {usages:?}");
            let usage = tree.usage(provider, VCPU).expect("never removed");
            assert!(usage.used <= usage.capacity, "{provider:?}: {usage:?}");
        }
        gust.count("look");
        if gust.rng.percent(1) {
            let audit = tree.snapshot().audit().unwrap();
            assert!(audit.differences.is_empty() && audit.overcommitted.is_empty(), "{audit:?}");
            gust.count("audit");
            gust.add("settled", audit.providers as u64);
        }
    }
}

#[test]
fn capacity_is_never_exceeded() {
    let tree = ProviderTree::new();
    let hot = hot_providers(&tree);
    let mut tenants = Tenant::several(&tree, THREADS - 1, 8);
    let mut storm = Storm::new("capacity_is_never_exceeded");
    for tenant in &mut tenants {
        storm.thread("claimer", |gust| {
            while gust.blows() {
                let lines = some_lines(&hot, &mut gust.rng);
                tenant.act(gust, &lines, |error| match error {
                    Error::CapacityExceeded { free, .. } => *free <= MEGABYTES,
                    Error::UnitViolation { provider, .. } => *provider == hot[3].uuid(),
                    _ => false,
                });
            }
            gust.add("retries", tenant.retries());
        });
    }
    storm.thread("reader", |gust| look_at_usages(&tree, &hot, gust));
    let tally = storm.run();
    assert!(tally.of("claim") > 0 && tally.of("look") > 0);
    assert!(tree.snapshot().audit().unwrap().overcommitted.is_empty());
    check_books(&tree, tenants);
}

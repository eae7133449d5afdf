//! Changes of configuration against claims, readers and each other.

#![cfg(provider_tree_loom)]

use std::collections::BTreeSet;
use std::sync::Arc;

use loom_tests::{Model, thread};
use provider_tree::{
    Edit, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Resources,
    Trait, Usage,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;

fn vcpu(inventory: Inventory) -> Inventories {
    Inventories::new().with(VCPU, inventory)
}

/// A forest with one provider of `capacity` VCPU, at generation 1.
fn host(capacity: u64) -> (ProviderTree, Provider) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", Uuid::from_u128(1)).expect("the first provider");
    let inventories = vcpu(Inventory::new(capacity));
    tree.configure(&host, inventories, Expect::Any).expect("a valid inventory");
    (tree, host)
}

/// Sets the inventories in a thread of its own while `mine` runs in this one.
fn swap_against<A>(
    tree: &ProviderTree,
    host: Provider,
    inventories: Inventories,
    mine: impl FnOnce(&ProviderTree) -> A,
) -> (A, Result<u64, Error>) {
    let other = tree.clone();
    let thread = thread::spawn(move || {
        other.configure(&host, inventories, Expect::Any).map(|set| set.generation)
    });
    let mine = mine(tree);
    (mine, thread.join().expect("no panic in the thread"))
}

fn take(tree: &ProviderTree, host: &Provider, amount: u64) -> Result<(), Error> {
    tree.worker().expect("few workers").take(host, &[(VCPU, amount)])
}

#[test]
fn an_inventory_swap_is_atomic_against_claims() {
    Model {
        name: "an_inventory_swap_is_atomic_against_claims",
        property: "a claim is checked against exactly the inventory in force when it commits",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let odd = vcpu(Inventory::new(5).with_min_unit(5).with_step_size(5));
        let (claimed, swapped) = swap_against(&tree, host, odd, |tree| take(tree, &host, 3));
        assert_eq!(swapped, Ok(2));
        let used = match claimed {
            Ok(()) => 3,
            Err(Error::UnitViolation { step_size: 5, .. }) => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 5, used }));
    });
}

#[test]
fn a_snapshots_configuration_moves_to_the_history() {
    Model {
        name: "a_snapshots_configuration_moves_to_the_history",
        property: "a snapshot finds its configuration while another one replaces it, and then nothing is kept",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let before = tree.snapshot();
        let read = |_: &ProviderTree| before.configuration(&host).map(|data| data.inventories.clone());
        let four = vcpu(Inventory::new(4));
        let (found, swapped) = swap_against(&tree, host, vcpu(Inventory::new(5)), read);
        assert_eq!(swapped, Ok(2));
        assert_eq!(found.as_deref(), Ok(&four));
        assert_eq!(before.configuration(&host).map(|data| data.inventories.clone()).as_deref(), Ok(&four));
        // Of the usage too: a worker that goes leaves nothing in place.
        assert_eq!(before.kept(), 2);
        let after = tree.snapshot();
        drop(before);
        assert_eq!(after.kept(), 0, "kept for nobody");
    });
}

#[test]
fn a_snapshot_amid_a_change_keeps_one_configuration() {
    Model {
        name: "a_snapshot_amid_a_change_keeps_one_configuration",
        property: "of a provider that is configured as a snapshot is taken it keeps one configuration",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let five = vcpu(Inventory::new(5));
        let (snapshot, swapped) = swap_against(&tree, host, five, ProviderTree::snapshot);
        assert_eq!(swapped, Ok(2));
        let six = tree.configure(&host, vcpu(Inventory::new(6)), Expect::Any);
        assert_eq!(six.map(|set| set.generation), Ok(3));
        // And one version of its usage: a worker that goes leaves nothing in place.
        assert_eq!(snapshot.kept(), 2);
    });
}

#[test]
fn a_reader_finds_the_configuration_in_force() {
    Model {
        name: "a_reader_finds_the_configuration_in_force",
        property: "generation, inventory and capacity read together belong together",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let (data, swapped) =
            swap_against(&tree, host, vcpu(Inventory::new(7)), |tree| tree.configuration(&host));
        assert_eq!(swapped, Ok(2));
        let data = data.expect("is there");
        let total = data.inventories.get(VCPU).expect("has it").total;
        assert!([(1, 4), (2, 7)].contains(&(data.generation, total)), "{data:?}");
    });
}

#[test]
fn two_swaps_both_count() {
    Model {
        name: "two_swaps_both_count",
        property: "two swaps follow one another, and neither takes the other's version away",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, host) = host(4);
        let traits = [Trait::MISC_SHARES_VIA_AGGREGATE];
        let (mine, theirs) = swap_against(&tree, host, vcpu(Inventory::new(7)), |tree| {
            let set = tree.configure(&host, Edit::new().set_traits(traits), Expect::Any);
            set.map(|set| set.generation)
        });
        assert!([(Ok(2), Ok(3)), (Ok(3), Ok(2))].contains(&(mine, theirs)));
        let data = tree.configuration(&host).expect("is there");
        assert_eq!(data.generation, 3);
        assert_eq!(data.inventories.get(VCPU).expect("has it").total, 7);
        assert_eq!(*data.traits, BTreeSet::from(traits));
    });
}

#[test]
fn a_shrink_and_a_claim_follow_one_another() {
    Model {
        name: "a_shrink_and_a_claim_follow_one_another",
        property: "a claim against a shrink below it is refused, or the provider is overcommitted",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let (claimed, shrunk) =
            swap_against(&tree, host, vcpu(Inventory::new(1)), |tree| take(tree, &host, 3));
        assert_eq!(shrunk, Ok(2));
        let used = match claimed {
            Ok(()) => 3,
            Err(Error::CapacityExceeded { requested: 3, free: 1, .. }) => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 1, used }));
    });
}

#[test]
fn a_class_is_dropped_or_claimed() {
    Model {
        name: "a_class_is_dropped_or_claimed",
        property: "of dropping a class and claiming it exactly one succeeds",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let (claimed, dropped) =
            swap_against(&tree, host, Inventories::new(), |tree| take(tree, &host, 3));
        match (claimed, dropped) {
            (Ok(()), Err(Error::InUse { used: 3, .. })) => {
                assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 4, used: 3 }));
            }
            (Err(Error::NoInventory { .. }), Ok(2)) => {
                assert!(tree.usages(&host).expect("is there").is_empty());
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_generation_is_expected_once() {
    Model {
        name: "a_generation_is_expected_once",
        property: "of two changes that rest on one generation exactly one succeeds",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let other = tree.clone();
        let thread = thread::spawn(move || {
            let inventories = vcpu(Inventory::new(7));
            let set = other.configure(&host, inventories, Expect::Generation(1));
            set.map(|set| set.generation)
        });
        let edit = Edit::new().set_aggregates([Uuid::nil()]);
        let mine = tree.configure(&host, edit, Expect::Generation(1)).map(|set| set.generation);
        let theirs = thread.join().expect("no panic in the thread");
        let conflict = Error::GenerationConflict { provider: host.uuid(), expected: 1, actual: 2 };
        let data = tree.configuration(&host).expect("is there");
        assert_eq!(data.generation, 2);
        let total = data.inventories.get(VCPU).expect("has it").total;
        match (mine, theirs) {
            (Ok(2), Err(error)) if error == conflict => {
                assert_eq!((total, data.aggregates.len()), (4, 1));
            }
            (Err(error), Ok(2)) if error == conflict => {
                assert_eq!((total, data.aggregates.len()), (7, 0));
            }
            other => panic!("{other:?}"),
        }
    });
}

/// Resources that tell for how long a configuration holds them.
fn counted(value: &Arc<()>) -> Resources {
    Resources::new().with(VCPU, Arc::clone(value))
}

/// How many configurations hold it.
fn held(value: &Arc<()>) -> usize {
    Arc::strong_count(value) - 1
}

/// A forest with one provider, at generation 2, whose configuration holds a value.
fn counted_host() -> (ProviderTree, Provider, Arc<()>) {
    let (tree, host) = host(4);
    let value = Arc::new(());
    let set = tree.configure(&host, Edit::new().set_resources(counted(&value)), Expect::Any);
    assert_eq!(set.map(|updated| updated.generation), Ok(2));
    (tree, host, value)
}

/// Drops the resources in a thread of its own.
fn drop_resources(tree: &ProviderTree, host: &Provider) -> thread::JoinHandle<u64> {
    let (tree, host) = (tree.clone(), *host);
    thread::spawn(move || {
        let dropped =
            tree.configure(&host, Edit::new().set_resources(Resources::new()), Expect::Any);
        dropped.expect("no condition").generation
    })
}

#[test]
fn a_snapshot_has_the_configuration_of_its_instant() {
    Model {
        name: "a_snapshot_has_the_configuration_of_its_instant",
        property: "a snapshot reads one configuration, and that is kept until it ends and no longer",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, value) = counted_host();
        let thread = drop_resources(&tree, &host);
        let snapshot = tree.snapshot();
        let read = || {
            let data = snapshot.configuration(&host).expect("is there");
            (data.generation, !data.resources.is_empty())
        };
        let seen = read();
        assert!([(2, true), (3, false)].contains(&seen), "{seen:?}");
        assert_eq!(thread.join().expect("no panic in the thread"), 3);
        assert_eq!(read(), seen);
        assert_eq!(held(&value), usize::from(seen.1));
        drop(snapshot);
        assert_eq!(held(&value), 0, "kept for nobody");
    });
}

#[test]
fn a_snapshot_ends_while_a_configuration_is_replaced() {
    Model {
        name: "a_snapshot_ends_while_a_configuration_is_replaced",
        property: "a configuration that is replaced while a snapshot ends is the next's, or goes",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, value) = counted_host();
        let (first, second) = (tree.snapshot(), tree.snapshot());
        let thread = drop_resources(&tree, &host);
        drop(first);
        assert_eq!(thread.join().expect("no panic in the thread"), 3);
        assert!(!second.configuration(&host).expect("is there").resources.is_empty());
        assert_eq!(held(&value), 1);
        drop(second);
        assert_eq!(held(&value), 0, "kept for nobody");
    });
}

#[test]
fn a_snapshot_has_the_first_configuration() {
    Model {
        name: "a_snapshot_has_the_first_configuration",
        property: "a configuration that came into force with its provider is kept as others are",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let host = tree.create_root("host", Uuid::from_u128(1)).expect("the first provider");
        let snapshot = tree.snapshot();
        let other = tree.clone();
        let thread = thread::spawn(move || {
            let set = other.configure(&host, vcpu(Inventory::new(4)), Expect::Any);
            set.map(|set| set.generation)
        });
        assert_eq!(snapshot.configuration(&host).map(|data| data.generation), Ok(0));
        assert_eq!(thread.join().expect("no panic in the thread"), Ok(1));
        let data = snapshot.configuration(&host).expect("is there");
        assert_eq!((data.generation, data.inventories.get(VCPU)), (0, None));
    });
}

#[test]
fn what_a_worker_has_read_is_read_until_it_changes() {
    Model {
        name: "what_a_worker_has_read_is_read_until_it_changes",
        property: "a worker reads what it has read before until that is changed and removed, not after",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host) = host(4);
        let mut worker = tree.worker().expect("a worker");
        let mut read = || {
            let data = worker.configuration(&host).ok()?;
            let total = data.inventories.get(VCPU).expect("has it").total;
            Some((data.generation, total))
        };
        // What states the provider goes through, in this order.
        let states = [Some((1, 4)), Some((2, 7)), None];
        assert_eq!(read(), states[0]);
        let other = tree.clone();
        let thread = thread::spawn(move || {
            let set = other.configure(&host, vcpu(Inventory::new(7)), Expect::Any);
            assert_eq!(set.map(|set| set.generation), Ok(2));
            assert_eq!(other.remove(&host), Ok(1));
        });
        let seen = [read(), read()].map(|seen| states.iter().position(|state| *state == seen));
        assert!(seen.is_sorted() && seen[0].is_some(), "{seen:?}");
        thread.join().expect("no panic in the thread");
        assert_eq!(read(), None);
    });
}

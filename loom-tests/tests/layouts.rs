//! Layouts of packed amounts: shared, given up and used again, under those who read by them.

#![cfg(provider_tree_loom)]

use loom_tests::{Model, thread};
use provider_tree::model::Layouts;
use provider_tree::{
    Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Usage,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const GPU: ResourceClass = ResourceClass::PGPU;

#[test]
fn a_layout_is_taken_up_as_its_last_user_leaves() {
    Model {
        name: "a_layout_is_taken_up_as_its_last_user_leaves",
        property: "who asks for a layout gets that, though its number comes to serve another meanwhile",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let layouts = Layouts::default();
        let four = layouts.layout(4);
        let other = layouts.clone();
        let thread = thread::spawn(move || {
            drop(four);
            let five = other.layout(5);
            assert_eq!(other.capacity(&five, 5), 5);
            five
        });
        let four = layouts.layout(4);
        assert_eq!(layouts.capacity(&four, 4), 4);
        let five = thread.join().expect("no panic in the thread");
        assert_eq!((layouts.capacity(&four, 4), layouts.capacity(&five, 5)), (4, 5));
        drop((four, five));
        assert_eq!(layouts.count(), 0);
    });
}

#[test]
fn two_make_one_layout() {
    Model {
        name: "two_make_one_layout",
        property: "two who want one layout at once share it, and nothing is left of it",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let layouts = Layouts::default();
        let other = layouts.clone();
        let thread = thread::spawn(move || other.layout(4));
        let mine = layouts.layout(4);
        let others = thread.join().expect("no panic in the thread");
        assert_eq!(layouts.count(), 1, "they share one");
        assert_eq!((layouts.capacity(&mine, 4), layouts.capacity(&others, 4)), (4, 4));
        drop(mine);
        assert_eq!(layouts.count(), 1, "still in use");
        drop(others);
        assert_eq!(layouts.count(), 0);
    });
}

/// A forest with two providers, of which the first has 4 VCPU, one of them in use.
fn two_hosts() -> (ProviderTree, [Provider; 2]) {
    let tree = ProviderTree::new();
    let hosts = [("host", 1), ("other", 2)].map(|(name, number)| {
        tree.create_root(name, Uuid::from_u128(number)).expect("few providers")
    });
    set(&tree, &hosts[0], VCPU, 4);
    tree.worker().expect("few workers").take(&hosts[0], &[(VCPU, 1)]).expect("4 are free");
    (tree, hosts)
}

fn set(tree: &ProviderTree, provider: &Provider, class: ResourceClass, total: u64) {
    let inventories = Inventories::new().with(class, Inventory::new(total));
    tree.configure(provider, inventories, Expect::Any).expect("nothing forbids it");
}

/// Runs `mine` while the first provider comes to have 5 VCPU, and the layout that it had until then
/// comes to serve the other provider, for another class.
fn while_the_layout_changes_hands<A>(
    mine: impl FnOnce(&ProviderTree, &Provider) -> A,
) -> (ProviderTree, A) {
    let (tree, [host, other]) = two_hosts();
    let thread = thread::spawn({
        let tree = tree.clone();
        move || {
            set(&tree, &host, VCPU, 5);
            set(&tree, &other, GPU, 3);
        }
    });
    let mine = mine(&tree, &host);
    thread.join().expect("no panic in the thread");
    assert_eq!(tree.usage(&other, GPU), Ok(Usage { capacity: 3, used: 0 }));
    (tree, mine)
}

#[test]
fn a_reader_meets_a_layout_that_serves_another() {
    Model {
        name: "a_reader_meets_a_layout_that_serves_another",
        property: "a reader takes no version for one of the layout that its number serves later",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (_, usage) = while_the_layout_changes_hands(|tree, host| tree.usage(host, VCPU));
        let capacity = usage.expect("it always has some").capacity;
        assert!([4, 5].contains(&capacity), "{capacity}");
    });
}

#[test]
fn a_copy_meets_a_layout_that_serves_another() {
    Model {
        name: "a_copy_meets_a_layout_that_serves_another",
        property: "a copy of all amounts is of the layout that is in force with them",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (_, usages) = while_the_layout_changes_hands(|tree, host| tree.usages(host));
        let usages = usages.expect("it is there");
        let is_of = |capacity| usages == [(VCPU, Usage { capacity, used: 1 })];
        assert!(is_of(4) || is_of(5), "{usages:?}");
    });
}

#[test]
fn a_take_meets_a_layout_that_serves_another() {
    Model {
        name: "a_take_meets_a_layout_that_serves_another",
        property: "what is free is taken, though the layout changes hands",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, taken) = while_the_layout_changes_hands(|tree, host| {
            let taken = tree.worker().expect("few workers").take(host, &[(VCPU, 3)]);
            (taken, *host)
        });
        let (taken, host) = taken;
        assert_eq!(taken, Ok(()));
        assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 5, used: 4 }));
    });
}

#[test]
fn a_snapshot_is_revoked_as_its_layout_goes() {
    Model {
        name: "a_snapshot_is_revoked_as_its_layout_goes",
        property: "a snapshot's amounts are read as they were, or not at all",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (_, usage) = while_the_layout_changes_hands(|tree, host| {
            let snapshot = tree.snapshot();
            snapshot.keep_at_most(0);
            snapshot.usage(host, VCPU)
        });
        match usage {
            Ok(Usage { capacity, used }) => assert!([4, 5].contains(&capacity) && used == 1),
            Err(error) => assert!(matches!(error, Error::SnapshotTooOld { .. }), "{error:?}"),
        }
    });
}

#[test]
fn a_swap_meets_a_layout_that_serves_another() {
    Model {
        name: "a_swap_meets_a_layout_that_serves_another",
        property: "what is used moves along to other inventories, though the layout changes hands",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, host) = while_the_layout_changes_hands(|tree, host| {
            set(tree, host, VCPU, 6);
            *host
        });
        let capacity = tree.usage(&host, VCPU).expect("it is there").capacity;
        assert!([5, 6].contains(&capacity), "{capacity}");
    });
}

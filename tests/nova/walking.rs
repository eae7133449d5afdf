//! Nova's `data`, `get_provider_uuids`, `get_provider_uuids_in_tree` and deep copies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use provider_tree::{Expect, Provider, ProviderTree, Resources, Trait};
use uuid::Uuid;

use crate::{VCPU, host, of, removed};

/// ```text
/// a            e
/// +- b         +- f
/// |  +- c
/// +- d
/// ```
///
/// Made in an order that is not the one of a walk.
fn forest() -> (ProviderTree, [Provider; 6]) {
    let tree = ProviderTree::new();
    let a = tree.create_root("a", None).unwrap();
    let e = tree.create_root("e", None).unwrap();
    let b = tree.create_child(&a, "b", None).unwrap();
    let d = tree.create_child(&a, "d", None).unwrap();
    let f = tree.create_child(&e, "f", None).unwrap();
    let c = tree.create_child(&b, "c", None).unwrap();
    (tree, [a, b, c, d, e, f])
}

#[test]
fn data_has_everything_that_is_known_of_a_provider() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let (ssd, rack) = (Trait::new("STORAGE_DISK_SSD").unwrap(), Uuid::from_u128(1));
    let resources = Resources::new().with(VCPU, "cores 0-7".to_owned());
    tree.set_inventories(&child, of(VCPU, 8), Expect::Any).unwrap();
    tree.set_traits(&child, [ssd], Expect::Any).unwrap();
    tree.set_aggregates(&child, [rack], Expect::Any).unwrap();
    tree.update_resources(&child, resources.clone(), Expect::Any).unwrap();

    let data = tree.data(&child).unwrap();
    assert_eq!((data.uuid, &*data.configuration.name), (child.uuid(), "child"));
    assert_eq!((data.parent, data.generation), (Some(host.uuid()), 4));
    assert_eq!(*data.configuration.inventories, of(VCPU, 8));
    assert_eq!(*data.configuration.traits, BTreeSet::from([ssd]));
    assert_eq!(*data.configuration.aggregates, BTreeSet::from([rack]));
    assert_eq!(data.configuration.resources, resources);
    assert_eq!(tree.data(&host).unwrap().parent, None);
}

/// Nova copies it deeply for each reader.
#[test]
fn data_is_shared() {
    let (tree, host) = host();
    tree.set_inventories(&host, of(VCPU, 8), Expect::Any).unwrap();
    let (one, two) = (tree.data(&host).unwrap(), tree.data(&host).unwrap());
    assert!(Arc::ptr_eq(&one.configuration.inventories, &two.configuration.inventories));
    assert!(Arc::ptr_eq(&one.configuration.name, &two.configuration.name));
}

#[test]
fn data_that_was_read_stays_as_it_was() {
    let (tree, host) = host();
    tree.set_inventories(&host, of(VCPU, 8), Expect::Any).unwrap();
    let data = tree.data(&host).unwrap();
    tree.set_inventories(&host, of(VCPU, 9), Expect::Any).unwrap();
    tree.rename(&host, "other").unwrap();
    assert_eq!(
        (&*data.configuration.name, &*data.configuration.inventories),
        ("host", &of(VCPU, 8))
    );
}

#[test]
fn the_data_of_what_is_unknown_is_an_error() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.data(&gone), Err(error));
}

#[test]
fn a_walk_of_everything_has_parents_before_children_and_siblings_as_they_came() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.providers(), [a, b, c, d, e, f]);
    assert_eq!(tree.roots(), [a, e]);
    assert_eq!(tree.children(&a), Ok(vec![b, d]));
}

#[test]
fn a_walk_of_a_subtree_begins_at_its_top() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.subtree(&a), Ok(vec![a, b, c, d]));
    assert_eq!(tree.subtree(&b), Ok(vec![b, c]));
    assert_eq!(tree.subtree(&e), Ok(vec![e, f]));
    assert_eq!(tree.subtree(&d), Ok(vec![d]));
}

#[test]
fn every_member_of_a_tree_names_the_whole_tree() {
    let (tree, [a, b, c, d, e, f]) = forest();
    for member in [a, b, c, d] {
        assert_eq!(tree.tree_of(&member), Ok(vec![a, b, c, d]));
    }
    for member in [e, f] {
        assert_eq!(tree.tree_of(&member), Ok(vec![e, f]));
    }
}

#[test]
fn a_walk_of_what_is_unknown_is_an_error() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.subtree(&gone), Err(error.clone()));
    assert_eq!(tree.tree_of(&gone), Err(error));
    assert_eq!(tree.providers(), []);
}

/// Nova's deep copy fails beside a writer, and takes the longer the larger the tree.
#[test]
fn a_snapshot_stays_as_it_was() {
    let (tree, [a, ..]) = forest();
    let snapshot = tree.snapshot().dump().unwrap();
    tree.set_inventories(&a, of(VCPU, 8), Expect::Any).unwrap();
    tree.remove(&a).unwrap();
    let names: Vec<_> =
        snapshot.providers.iter().map(|one| &*one.data.configuration.name).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
    assert!(snapshot.providers[0].data.configuration.inventories.is_empty());
}

/// Nova fails at a depth of 996, and its deep copy at 200.
#[test]
fn no_depth_is_too_much_for_a_small_stack() {
    const DEPTH: usize = 100_000;
    const STACK: usize = 128 << 10;
    let climb = || {
        let (tree, host) = host();
        let mut bottom = host;
        for depth in 1..DEPTH {
            bottom = tree.create_child(&bottom, &format!("at-{depth}"), None).unwrap();
        }
        assert_eq!(tree.find("at-99999"), Some(bottom));
        assert_eq!(tree.subtree(&host).unwrap().last(), Some(&bottom));
        assert_eq!(tree.tree_of(&bottom).unwrap().len(), DEPTH);
        assert_eq!(tree.ancestors(&bottom).unwrap().last(), Some(&host));
        let snapshot = tree.snapshot().dump().unwrap();
        assert_eq!(ProviderTree::load(&snapshot).unwrap().snapshot().dump().unwrap(), snapshot);
        assert_eq!(tree.remove(&host), Ok(DEPTH));
    };
    let thread = thread::Builder::new().stack_size(STACK).spawn(climb).unwrap();
    thread.join().unwrap();
}

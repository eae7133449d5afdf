//! Nova's `data`, `get_provider_uuids`, `get_provider_uuids_in_tree` and deep copies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Expect, Provider, ProviderTree, Resources, Result, Trait};
use uuid::Uuid;

use crate::{VCPU, host, of, removed, unknown};

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

/// What Nova answers where this crate answers with handles.
fn uuids<const N: usize>(providers: [Provider; N]) -> Result<Vec<Uuid>> {
    Ok(providers.iter().map(Provider::uuid).collect())
}

#[test]
fn data_has_everything_that_is_known_of_a_provider() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let (ssd, rack) = (Trait::new("STORAGE_DISK_SSD").unwrap(), Uuid::from_u128(1));
    let resources = Resources::new().with(VCPU, "cores 0-7".to_owned());
    tree.configure(&child, of(VCPU, 8), Expect::Any).unwrap();
    tree.configure(&child, Edit::new().set_traits([ssd]), Expect::Any).unwrap();
    tree.configure(&child, Edit::new().set_aggregates([rack]), Expect::Any).unwrap();
    tree.configure(&child, Edit::new().set_resources(resources.clone()), Expect::Any).unwrap();

    let data = tree.data("child").unwrap();
    assert_eq!((data.uuid, &*data.name), (child.uuid(), "child"));
    assert_eq!((data.parent, data.generation), (Some(host.uuid()), 4));
    assert_eq!(*data.inventories, of(VCPU, 8));
    assert_eq!(*data.traits, BTreeSet::from([ssd]));
    assert_eq!(*data.aggregates, BTreeSet::from([rack]));
    assert_eq!(data.resources, resources);
    assert_eq!(tree.data("host").unwrap().parent, None);
    assert_eq!(tree.data(child.uuid()), Ok(data.clone()));
    assert_eq!(tree.configuration(&child), Ok(data));
}

/// Nova copies it deeply for each reader.
#[test]
fn data_is_shared() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
    let (one, two) = (tree.data("host").unwrap(), tree.configuration(&host).unwrap());
    assert!(Arc::ptr_eq(&one.inventories, &two.inventories));
    assert!(Arc::ptr_eq(&one.name, &two.name));
    assert!(Arc::ptr_eq(&one.facts, &two.facts));
}

#[test]
fn data_that_was_read_stays_as_it_was() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
    let data = tree.data("host").unwrap();
    tree.configure(&host, of(VCPU, 9), Expect::Any).unwrap();
    tree.rename(&host, "other").unwrap();
    assert_eq!((&*data.name, &*data.inventories), ("host", &of(VCPU, 8)));
}

#[test]
fn the_data_of_what_is_unknown_is_an_error() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.data("host"), Err(unknown("host")));
    assert_eq!(tree.data(gone.uuid()), Err(unknown(&gone.uuid().to_string())));
    assert_eq!(tree.configuration(&gone), Err(error));
}

#[test]
fn a_walk_of_everything_has_parents_before_children_and_siblings_as_they_came() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.providers(), [a, b, c, d, e, f]);
    assert_eq!(tree.roots(), [a, e]);
    assert_eq!(tree.children(&a), Ok(vec![b, d]));
    assert_eq!(tree.get_provider_uuids(None), uuids([a, b, c, d, e, f]));
}

#[test]
fn a_walk_of_a_subtree_begins_at_its_top() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.subtree(&a), Ok(vec![a, b, c, d]));
    assert_eq!(tree.subtree(&b), Ok(vec![b, c]));
    assert_eq!(tree.subtree(&e), Ok(vec![e, f]));
    assert_eq!(tree.subtree(&d), Ok(vec![d]));
    assert_eq!(tree.get_provider_uuids(Some("a".into())), uuids([a, b, c, d]));
    assert_eq!(tree.get_provider_uuids(Some(b.uuid().into())), uuids([b, c]));
}

#[test]
fn every_member_of_a_tree_names_the_whole_tree() {
    let (tree, [a, b, c, d, e, f]) = forest();
    for member in [a, b, c, d] {
        assert_eq!(tree.tree_of(&member), Ok(vec![a, b, c, d]));
        assert_eq!(tree.get_provider_uuids_in_tree(member.uuid()), uuids([a, b, c, d]));
    }
    for member in [e, f] {
        assert_eq!(tree.tree_of(&member), Ok(vec![e, f]));
        assert_eq!(tree.get_provider_uuids_in_tree(member.uuid()), uuids([e, f]));
    }
    assert_eq!(tree.get_provider_uuids_in_tree("c"), uuids([a, b, c, d]));
}

#[test]
fn a_walk_of_what_is_unknown_is_an_error() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.subtree(&gone), Err(error.clone()));
    assert_eq!(tree.tree_of(&gone), Err(error));
    assert_eq!(tree.get_provider_uuids(Some("host".into())), Err(unknown("host")));
    assert_eq!(tree.get_provider_uuids_in_tree("host"), Err(unknown("host")));
    assert_eq!(tree.providers(), []);
    assert_eq!(tree.get_provider_uuids(None), uuids([]));
}

/// Nova's deep copy fails beside a writer, and takes the longer the larger the tree.
#[test]
fn a_snapshot_stays_as_it_was() {
    let (tree, [a, ..]) = forest();
    let snapshot = tree.snapshot().dump().unwrap();
    tree.configure(&a, of(VCPU, 8), Expect::Any).unwrap();
    tree.remove(&a).unwrap();
    let names: Vec<_> = snapshot.providers.iter().map(|one| &*one.configuration.name).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
    assert!(snapshot.providers[0].configuration.inventories.is_empty());
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

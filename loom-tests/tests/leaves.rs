//! Leaves that are created and removed by fast transactions, which have as many cells here as that takes.

#![cfg(provider_tree_loom)]

use loom_tests::Model;
use loom_tests::contests::{
    one_creates_a_name_whose_owner_goes, two_create_one_name, two_create_one_uuid,
    two_remove_one_provider,
};
use loom_tests::hosts::{hosts, used};
use loom_tests::providers::{assert_sound, child, race, root, uuid};
use provider_tree::model::with_wide_fast_transactions;
use provider_tree::{Claim, Error, Provider, ProviderTree, ResourceClass};

const VCPU: ResourceClass = ResourceClass::VCPU;

/// Checks a model of two threads with one preemption.
fn check(name: &'static str, property: &'static str, body: impl Fn() + Send + Sync + 'static) {
    check_up_to(1, name, property, body);
}

fn check_up_to(
    bound: usize,
    name: &'static str,
    property: &'static str,
    body: impl Fn() + Send + Sync + 'static,
) {
    let bound = Some(bound);
    with_wide_fast_transactions(|| Model { name, property, threads: 2, bound }.check(body));
}

/// The names of what is below `parent`, in their order.
fn below(tree: &ProviderTree, parent: &Provider) -> Vec<String> {
    let children = tree.children(parent).expect("is there");
    children
        .iter()
        .map(|child| {
            tree.configuration(child).map(|now| now.name.clone()).expect("is there").to_string()
        })
        .collect()
}

#[test]
fn two_leaves_of_one_uuid() {
    check(
        "two_leaves_of_one_uuid",
        "of two creations of one uuid one succeeds, and the other leaves no name behind",
        two_create_one_uuid,
    );
}

#[test]
fn two_leaves_of_one_name() {
    check(
        "two_leaves_of_one_name",
        "of two creations of one name one succeeds, and the other leaves no uuid behind",
        two_create_one_name,
    );
}

#[test]
fn two_leaves_of_one_parent() {
    check(
        "two_leaves_of_one_parent",
        "two leaves come below the last child of one parent, one after the other",
        || {
            let tree = ProviderTree::new();
            let parent = root(&tree, "parent", 1);
            child(&tree, &parent, "first", 2);
            race(
                &tree,
                |tree| child(tree, &parent, "mine", 3),
                move |tree| child(tree, &parent, "theirs", 4),
            );
            let below = below(&tree, &parent);
            let below: Vec<&str> = below.iter().map(String::as_str).collect();
            let orders = [["first", "mine", "theirs"], ["first", "theirs", "mine"]];
            assert!(orders.iter().any(|order| *order == below[..]), "{below:?}");
            assert_sound(&tree, 4);
        },
    );
}

#[test]
fn a_leaf_or_its_parents_removal() {
    check(
        "a_leaf_or_its_parents_removal",
        "no orphan: a leaf keeps its parent from going as a leaf, or does not come",
        || {
            let tree = ProviderTree::new();
            let parent = root(&tree, "parent", 1);
            let (created, removed) = race(
                &tree,
                |tree| tree.create_child(&parent, "child", uuid(2)).map(drop),
                move |tree| tree.remove_leaf(&parent),
            );
            match (created, removed) {
                (Ok(()), Err(Error::HasChildren { .. })) => assert_sound(&tree, 2),
                (Err(Error::Removed { .. }), Ok(())) => assert_sound(&tree, 0),
                other => panic!("{other:?}"),
            }
        },
    );
}

#[test]
fn a_leaf_is_removed_once() {
    check(
        "a_leaf_is_removed_once",
        "of two removals of one leaf exactly one succeeds",
        two_remove_one_provider,
    );
}

#[test]
fn a_leaf_comes_behind_one_that_goes() {
    check(
        "a_leaf_comes_behind_one_that_goes",
        "a leaf comes below a parent whose last child goes, and is the only one then",
        || {
            let tree = ProviderTree::new();
            let parent = root(&tree, "parent", 1);
            let old = child(&tree, &parent, "old", 2);
            let (removed, new) =
                race(&tree, |tree| tree.remove(&old), move |tree| child(tree, &parent, "new", 3));
            assert_eq!(removed, Ok(1));
            assert_eq!(tree.children(&parent), Ok(vec![new]));
            assert_sound(&tree, 2);
        },
    );
}

#[test]
fn a_leaf_comes_with_the_name_of_one_that_goes() {
    check(
        "a_leaf_comes_with_the_name_of_one_that_goes",
        "a creation with the name of a leaf that goes is refused or comes after it",
        one_creates_a_name_whose_owner_goes,
    );
}

#[test]
fn a_leaf_is_claimed_or_goes() {
    check(
        "a_leaf_is_claimed_or_goes",
        "a claim of a leaf keeps it from going, or comes too late",
        || {
            let (tree, [host]) = hosts([4]);
            let (removed, claimed) = race(
                &tree,
                |tree| tree.remove(&host),
                move |tree| {
                    let mut worker = tree.worker().expect("a worker");
                    worker.claim(&Claim::new(uuid(7)).take(&host, VCPU, 1)).map(drop)
                },
            );
            match (removed, claimed) {
                (Err(Error::InUse { .. }), Ok(())) => assert_eq!(used(&tree, &host), 1),
                (Ok(1), Err(Error::Removed { .. })) => assert_sound(&tree, 0),
                other => panic!("{other:?}"),
            }
        },
    );
}

#[test]
fn a_snapshot_has_a_leaf_whole() {
    check_up_to(
        2,
        "a_snapshot_has_a_leaf_whole",
        "a snapshot has a new leaf by its uuid, its name, and its parent, or by none of them",
        || {
            let tree = ProviderTree::new();
            let parent = root(&tree, "parent", 1);
            let ((snapshot, found), leaf) = race(
                &tree,
                |tree| {
                    let snapshot = tree.snapshot();
                    let found = snapshot.find(uuid(2)).expect("kept");
                    (snapshot, found)
                },
                move |tree| child(tree, &parent, "leaf", 2),
            );
            assert!(found.is_none_or(|found| found == leaf), "{found:?}");
            assert_eq!(snapshot.find("leaf").expect("kept"), found);
            let children = snapshot.children(&parent).expect("was there");
            assert_eq!(children, Vec::from_iter(found));
        },
    );
}

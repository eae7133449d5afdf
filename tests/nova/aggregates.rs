//! Nova's `update_aggregates`, `add_aggregates`, `remove_aggregates`, `in_aggregates` and
//! `have_aggregates_changed`.

use std::collections::BTreeSet;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Expect, Provider, ProviderTree};
use uuid::Uuid;

use crate::{changed, host, removed, unchanged, unknown};

fn aggregates() -> [Uuid; 3] {
    [1, 2, 3].map(Uuid::from_u128)
}

/// A host in the first two.
fn member() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let [rack, power, _] = aggregates();
    tree.configure(&host, Edit::new().set_aggregates([rack, power]), Expect::Any).unwrap();
    (tree, host)
}

fn kept(tree: &ProviderTree, provider: &Provider) -> BTreeSet<Uuid> {
    (*tree.configuration(provider).unwrap().aggregates).clone()
}

#[test]
fn an_update_replaces_them_all_and_says_whether_they_were_others() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.update_aggregates("host", [power, rack, power], None), Ok(false));
    assert_eq!(tree.update_aggregates("host", [zone], None), Ok(true));
    assert_eq!(kept(&tree, &host), BTreeSet::from([zone]));
    assert_eq!(tree.update_aggregates("host", [], None), Ok(true));
    assert_eq!(kept(&tree, &host), BTreeSet::new());
    assert_eq!(tree.update_aggregates("host", [], None), Ok(false));
}

#[test]
fn adding_keeps_those_that_are_there() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.add_aggregates("host", [zone, rack]), Ok(()));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack, power, zone]));
}

#[test]
fn adding_those_that_are_there_or_none_changes_nothing() {
    let (tree, _) = member();
    let [rack, power, _] = aggregates();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.add_aggregates("host", [power, rack]), Ok(()));
    assert_eq!(tree.add_aggregates("host", []), Ok(()));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn removing_takes_those_that_are_there() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.remove_aggregates("host", [zone, rack]), Ok(()));
    assert_eq!(kept(&tree, &host), BTreeSet::from([power]));
}

#[test]
fn removing_those_that_are_not_there_or_none_changes_nothing() {
    let (tree, _) = member();
    let [.., zone] = aggregates();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.remove_aggregates("host", [zone]), Ok(()));
    assert_eq!(tree.remove_aggregates("host", []), Ok(()));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn a_provider_is_in_aggregates_if_it_is_in_all_of_them() {
    let (tree, _) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.in_aggregates("host", [rack]), Ok(true));
    assert_eq!(tree.in_aggregates("host", [power, rack]), Ok(true));
    assert_eq!(tree.in_aggregates("host", [rack, zone]), Ok(false));
}

#[test]
fn every_provider_is_in_all_of_no_aggregates() {
    let (tree, _) = host();
    assert_eq!(tree.in_aggregates("host", []), Ok(true));
}

#[test]
fn they_have_changed_if_the_set_is_another() {
    let (tree, _) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.have_aggregates_changed("host", [power, rack, rack]), Ok(false));
    assert_eq!(tree.have_aggregates_changed("host", [rack]), Ok(true));
    assert_eq!(tree.have_aggregates_changed("host", [rack, power, zone]), Ok(true));
    assert_eq!(tree.have_aggregates_changed("host", [rack, zone]), Ok(true));
    assert_eq!(tree.have_aggregates_changed("host", []), Ok(true));
}

#[test]
fn an_unknown_provider_is_an_error_even_without_aggregates() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.update_aggregates("host", [], None), Err(unknown("host")));
    assert_eq!(tree.add_aggregates("host", []), Err(unknown("host")));
    assert_eq!(tree.remove_aggregates("host", []), Err(unknown("host")));
    assert_eq!(tree.in_aggregates("host", []), Err(unknown("host")));
    assert_eq!(tree.have_aggregates_changed("host", []), Err(unknown("host")));
    let edits = [
        Edit::new().set_aggregates([]),
        Edit::new().add_aggregates([]),
        Edit::new().remove_aggregates([]),
    ];
    for edit in edits {
        assert_eq!(tree.configure(&gone, edit, Expect::Any), Err(error.clone()));
    }
}

#[test]
fn an_edit_that_makes_a_difference_says_so_and_moves_the_generation() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    let edit = |edit| tree.configure(&host, edit, Expect::Any);
    assert_eq!(edit(Edit::new().add_aggregates([zone, rack])), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack, power, zone]));
    assert_eq!(edit(Edit::new().remove_aggregates([zone, rack])), changed(3));
    assert_eq!(kept(&tree, &host), BTreeSet::from([power]));
    assert_eq!(edit(Edit::new().set_aggregates([zone])), changed(4));
    assert_eq!(kept(&tree, &host), BTreeSet::from([zone]));
    assert_eq!(edit(Edit::new().set_aggregates([])), changed(5));
    assert_eq!(kept(&tree, &host), BTreeSet::new());
}

#[test]
fn an_edit_that_makes_none_says_so_and_does_not_move_the_generation() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    let edits = [
        Edit::new().set_aggregates([power, rack, power]),
        Edit::new().add_aggregates([power, rack]),
        Edit::new().add_aggregates([]),
        Edit::new().remove_aggregates([zone]),
        Edit::new().remove_aggregates([]),
    ];
    for edit in edits {
        assert_eq!(tree.configure(&host, edit, Expect::Any), unchanged(1));
    }
    tree.configure(&host, Edit::new().set_aggregates([]), Expect::Any).unwrap();
    assert_eq!(tree.configure(&host, Edit::new().set_aggregates([]), Expect::Any), unchanged(2));
}

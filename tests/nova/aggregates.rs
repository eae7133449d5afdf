//! Nova's `update_aggregates`, `add_aggregates`, `remove_aggregates`, `in_aggregates` and
//! `have_aggregates_changed`.

use std::collections::BTreeSet;

use provider_tree::{Expect, Provider, ProviderTree};
use uuid::Uuid;

use crate::{changed, host, removed, unchanged};

fn aggregates() -> [Uuid; 3] {
    [1, 2, 3].map(Uuid::from_u128)
}

/// A host in the first two.
fn member() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let [rack, power, _] = aggregates();
    tree.set_aggregates(&host, [rack, power], Expect::Any).unwrap();
    (tree, host)
}

fn kept(tree: &ProviderTree, provider: &Provider) -> BTreeSet<Uuid> {
    (*tree.data(provider).unwrap().configuration.aggregates).clone()
}

#[test]
fn setting_replaces_them_all_and_always_moves_the_generation() {
    let (tree, host) = member();
    let [.., zone] = aggregates();
    assert_eq!(tree.set_aggregates(&host, [zone], Expect::Any), Ok(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([zone]));
    assert_eq!(tree.set_aggregates(&host, [zone], Expect::Any), Ok(3));
}

#[test]
fn an_update_replaces_them_all_and_says_whether_they_were_others() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.update_aggregates(&host, [power, rack, power], Expect::Any), unchanged(1));
    assert_eq!(tree.update_aggregates(&host, [zone], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([zone]));
    assert_eq!(tree.update_aggregates(&host, [], Expect::Any), changed(3));
    assert_eq!(tree.update_aggregates(&host, [], Expect::Any), unchanged(3));
}

#[test]
fn adding_keeps_those_that_are_there() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.add_aggregates(&host, [zone, rack], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack, power, zone]));
}

#[test]
fn adding_those_that_are_there_or_none_changes_nothing() {
    let (tree, host) = member();
    let [rack, power, _] = aggregates();
    assert_eq!(tree.add_aggregates(&host, [power, rack], Expect::Any), unchanged(1));
    assert_eq!(tree.add_aggregates(&host, [], Expect::Any), unchanged(1));
}

#[test]
fn removing_takes_those_that_are_there() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.remove_aggregates(&host, [zone, rack], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([power]));
}

#[test]
fn removing_those_that_are_not_there_or_none_changes_nothing() {
    let (tree, host) = member();
    let [.., zone] = aggregates();
    assert_eq!(tree.remove_aggregates(&host, [zone], Expect::Any), unchanged(1));
    assert_eq!(tree.remove_aggregates(&host, [], Expect::Any), unchanged(1));
}

#[test]
fn a_provider_is_in_aggregates_if_it_is_in_all_of_them() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.in_aggregates(&host, [rack]), Ok(true));
    assert_eq!(tree.in_aggregates(&host, [power, rack]), Ok(true));
    assert_eq!(tree.in_aggregates(&host, [rack, zone]), Ok(false));
}

#[test]
fn every_provider_is_in_all_of_no_aggregates() {
    let (tree, host) = host();
    assert_eq!(tree.in_aggregates(&host, []), Ok(true));
}

#[test]
fn they_have_changed_if_the_set_is_another() {
    let (tree, host) = member();
    let [rack, power, zone] = aggregates();
    assert_eq!(tree.have_aggregates_changed(&host, [power, rack, rack]), Ok(false));
    assert_eq!(tree.have_aggregates_changed(&host, [rack]), Ok(true));
    assert_eq!(tree.have_aggregates_changed(&host, [rack, power, zone]), Ok(true));
    assert_eq!(tree.have_aggregates_changed(&host, [rack, zone]), Ok(true));
    assert_eq!(tree.have_aggregates_changed(&host, []), Ok(true));
}

#[test]
fn an_unknown_provider_is_an_error_even_without_aggregates() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.set_aggregates(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.update_aggregates(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.add_aggregates(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.remove_aggregates(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.in_aggregates(&gone, []), Err(error.clone()));
    assert_eq!(tree.have_aggregates_changed(&gone, []), Err(error));
}

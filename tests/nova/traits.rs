//! Nova's `update_traits`, `add_traits`, `remove_traits`, `has_traits` and `have_traits_changed`.

use std::collections::BTreeSet;

use provider_tree::{Expect, Provider, ProviderTree, Trait};

use crate::{changed, host, removed, unchanged};

fn traits() -> [Trait; 3] {
    ["HW_CPU_X86_AVX2", "STORAGE_DISK_SSD", "CUSTOM_RACK_7"].map(|name| Trait::new(name).unwrap())
}

/// A host with the first two.
fn host_with_traits() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let [avx, ssd, _] = traits();
    tree.set_traits(&host, [avx, ssd], Expect::Any).unwrap();
    (tree, host)
}

fn kept(tree: &ProviderTree, provider: &Provider) -> BTreeSet<Trait> {
    (*tree.data(provider).unwrap().configuration.traits).clone()
}

#[test]
fn setting_replaces_them_all_and_always_moves_the_generation() {
    let (tree, host) = host_with_traits();
    let [.., rack] = traits();
    assert_eq!(tree.set_traits(&host, [rack], Expect::Any), Ok(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack]));
    assert_eq!(tree.set_traits(&host, [rack], Expect::Any), Ok(3));
}

#[test]
fn an_update_replaces_them_all_and_says_whether_they_were_others() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.update_traits(&host, [ssd, avx, ssd], Expect::Any), unchanged(1));
    assert_eq!(tree.update_traits(&host, [rack], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack]));
    assert_eq!(tree.update_traits(&host, [], Expect::Any), changed(3));
    assert_eq!(tree.update_traits(&host, [], Expect::Any), unchanged(3));
}

#[test]
fn adding_keeps_those_that_are_there() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.add_traits(&host, [rack, avx], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([avx, ssd, rack]));
}

#[test]
fn adding_those_that_are_there_or_none_changes_nothing() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, _] = traits();
    assert_eq!(tree.add_traits(&host, [ssd, avx], Expect::Any), unchanged(1));
    assert_eq!(tree.add_traits(&host, [], Expect::Any), unchanged(1));
}

#[test]
fn removing_takes_those_that_are_there() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.remove_traits(&host, [rack, avx], Expect::Any), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([ssd]));
}

#[test]
fn removing_those_that_are_not_there_or_none_changes_nothing() {
    let (tree, host) = host_with_traits();
    let [.., rack] = traits();
    assert_eq!(tree.remove_traits(&host, [rack], Expect::Any), unchanged(1));
    assert_eq!(tree.remove_traits(&host, [], Expect::Any), unchanged(1));
}

#[test]
fn a_provider_has_traits_if_it_has_all_of_them() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.has_traits(&host, [avx]), Ok(true));
    assert_eq!(tree.has_traits(&host, [ssd, avx]), Ok(true));
    assert_eq!(tree.has_traits(&host, [avx, rack]), Ok(false));
}

#[test]
fn every_provider_has_all_of_no_traits() {
    let (tree, host) = host();
    assert_eq!(tree.has_traits(&host, []), Ok(true));
}

#[test]
fn they_have_changed_if_the_set_is_another() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.have_traits_changed(&host, [ssd, avx, avx]), Ok(false));
    assert_eq!(tree.have_traits_changed(&host, [avx]), Ok(true));
    assert_eq!(tree.have_traits_changed(&host, [avx, ssd, rack]), Ok(true));
    assert_eq!(tree.have_traits_changed(&host, [avx, rack]), Ok(true));
    assert_eq!(tree.have_traits_changed(&host, []), Ok(true));
}

/// Nova raises nothing for an unknown provider if there is nothing to add.
#[test]
fn an_unknown_provider_is_an_error_even_without_traits() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.set_traits(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.update_traits(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.add_traits(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.remove_traits(&gone, [], Expect::Any), Err(error.clone()));
    assert_eq!(tree.has_traits(&gone, []), Err(error.clone()));
    assert_eq!(tree.have_traits_changed(&gone, []), Err(error));
}

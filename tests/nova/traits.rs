//! Nova's `update_traits`, `add_traits`, `remove_traits`, `has_traits` and `have_traits_changed`.

use std::collections::BTreeSet;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Expect, Provider, ProviderTree, Trait};

use crate::{changed, host, removed, unchanged, unknown};

fn traits() -> [Trait; 3] {
    ["HW_CPU_X86_AVX2", "STORAGE_DISK_SSD", "CUSTOM_RACK_7"].map(|name| Trait::new(name).unwrap())
}

/// A host with the first two.
fn host_with_traits() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let [avx, ssd, _] = traits();
    tree.configure(&host, Edit::new().set_traits([avx, ssd]), Expect::Any).unwrap();
    (tree, host)
}

fn kept(tree: &ProviderTree, provider: &Provider) -> BTreeSet<Trait> {
    (*tree.configuration(provider).unwrap().traits).clone()
}

#[test]
fn an_update_replaces_them_all_and_says_whether_they_were_others() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.update_traits("host", [ssd, avx, ssd], None), Ok(false));
    assert_eq!(tree.update_traits("host", [rack], None), Ok(true));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack]));
    assert_eq!(tree.update_traits("host", [], None), Ok(true));
    assert_eq!(kept(&tree, &host), BTreeSet::new());
    assert_eq!(tree.update_traits("host", [], None), Ok(false));
}

#[test]
fn adding_keeps_those_that_are_there() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.add_traits("host", [rack, avx]), Ok(()));
    assert_eq!(kept(&tree, &host), BTreeSet::from([avx, ssd, rack]));
}

#[test]
fn adding_those_that_are_there_or_none_changes_nothing() {
    let (tree, _) = host_with_traits();
    let [avx, ssd, _] = traits();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.add_traits("host", [ssd, avx]), Ok(()));
    assert_eq!(tree.add_traits("host", []), Ok(()));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn removing_takes_those_that_are_there() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.remove_traits("host", [rack, avx]), Ok(()));
    assert_eq!(kept(&tree, &host), BTreeSet::from([ssd]));
}

#[test]
fn removing_those_that_are_not_there_or_none_changes_nothing() {
    let (tree, _) = host_with_traits();
    let [.., rack] = traits();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.remove_traits("host", [rack]), Ok(()));
    assert_eq!(tree.remove_traits("host", []), Ok(()));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn a_provider_has_traits_if_it_has_all_of_them() {
    let (tree, _) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.has_traits("host", [avx]), Ok(true));
    assert_eq!(tree.has_traits("host", [ssd, avx]), Ok(true));
    assert_eq!(tree.has_traits("host", [avx, rack]), Ok(false));
}

#[test]
fn every_provider_has_all_of_no_traits() {
    let (tree, _) = host();
    assert_eq!(tree.has_traits("host", []), Ok(true));
}

#[test]
fn they_have_changed_if_the_set_is_another() {
    let (tree, _) = host_with_traits();
    let [avx, ssd, rack] = traits();
    assert_eq!(tree.have_traits_changed("host", [ssd, avx, avx]), Ok(false));
    assert_eq!(tree.have_traits_changed("host", [avx]), Ok(true));
    assert_eq!(tree.have_traits_changed("host", [avx, ssd, rack]), Ok(true));
    assert_eq!(tree.have_traits_changed("host", [avx, rack]), Ok(true));
    assert_eq!(tree.have_traits_changed("host", []), Ok(true));
}

/// Nova raises nothing for an unknown provider if there is nothing to add or to remove.
#[test]
fn an_unknown_provider_is_an_error_even_without_traits() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.update_traits("host", [], None), Err(unknown("host")));
    assert_eq!(tree.add_traits("host", []), Err(unknown("host")));
    assert_eq!(tree.remove_traits("host", []), Err(unknown("host")));
    assert_eq!(tree.has_traits("host", []), Err(unknown("host")));
    assert_eq!(tree.have_traits_changed("host", []), Err(unknown("host")));
    let edits =
        [Edit::new().set_traits([]), Edit::new().add_traits([]), Edit::new().remove_traits([])];
    for edit in edits {
        assert_eq!(tree.configure(&gone, edit, Expect::Any), Err(error.clone()));
    }
}

#[test]
fn an_edit_that_makes_a_difference_says_so_and_moves_the_generation() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    let edit = |edit| tree.configure(&host, edit, Expect::Any);
    assert_eq!(edit(Edit::new().add_traits([rack, avx])), changed(2));
    assert_eq!(kept(&tree, &host), BTreeSet::from([avx, ssd, rack]));
    assert_eq!(edit(Edit::new().remove_traits([rack, avx])), changed(3));
    assert_eq!(kept(&tree, &host), BTreeSet::from([ssd]));
    assert_eq!(edit(Edit::new().set_traits([rack])), changed(4));
    assert_eq!(kept(&tree, &host), BTreeSet::from([rack]));
    assert_eq!(edit(Edit::new().set_traits([])), changed(5));
    assert_eq!(kept(&tree, &host), BTreeSet::new());
}

#[test]
fn an_edit_that_makes_none_says_so_and_does_not_move_the_generation() {
    let (tree, host) = host_with_traits();
    let [avx, ssd, rack] = traits();
    let edits = [
        Edit::new().set_traits([ssd, avx, ssd]),
        Edit::new().add_traits([ssd, avx]),
        Edit::new().add_traits([]),
        Edit::new().remove_traits([rack]),
        Edit::new().remove_traits([]),
    ];
    for edit in edits {
        assert_eq!(tree.configure(&host, edit, Expect::Any), unchanged(1));
    }
    tree.configure(&host, Edit::new().set_traits([]), Expect::Any).unwrap();
    assert_eq!(tree.configure(&host, Edit::new().set_traits([]), Expect::Any), unchanged(2));
}

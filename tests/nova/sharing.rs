//! Nova's `has_sharing_provider`.

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Edit, Expect, Inventories, Provider, ProviderSpec, ProviderTree, Trait};
use uuid::Uuid;

use crate::{DISK, MEMORY, VCPU, changed, host, of, unchanged};

const SHARES: Trait = Trait::MISC_SHARES_VIA_AGGREGATE;

fn shares_disk(tree: &ProviderTree) -> bool {
    tree.has_sharing_provider(DISK)
}

/// A forest whose only provider shares its disk.
fn sharing() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    share(&tree, &host);
    assert!(shares_disk(&tree));
    (tree, host)
}

fn share(tree: &ProviderTree, provider: &Provider) {
    let edit = Edit::new().set_inventories(of(DISK, 100)).set_traits([SHARES]);
    tree.configure(provider, edit, Expect::Any).unwrap();
}

#[test]
fn no_provider_shares_in_an_empty_forest() {
    assert!(!shares_disk(&ProviderTree::new()));
}

#[test]
fn neither_the_inventory_nor_the_trait_is_enough() {
    let (tree, host) = host();
    tree.configure(&host, of(DISK, 100), Expect::Any).unwrap();
    let other = tree.create_root("other", None).unwrap();
    tree.configure(&other, Edit::new().set_traits([SHARES]), Expect::Any).unwrap();
    assert!(!shares_disk(&tree), "they have one each");
}

#[test]
fn only_the_classes_of_its_inventories_are_shared() {
    let (tree, _) = sharing();
    assert!(!tree.has_sharing_provider(VCPU));
    assert!(!tree.has_sharing_provider(MEMORY));
}

#[test]
fn a_configuration_says_whether_its_provider_shares() {
    let (tree, host) = sharing();
    assert_eq!(tree.configuration(&host).map(|now| now.is_sharing()), Ok(true));
    tree.remove_traits("host", [SHARES]).unwrap();
    assert_eq!(tree.configuration(&host).map(|now| now.is_sharing()), Ok(false));
}

#[test]
fn it_begins_with_the_trait_set() {
    let (tree, host) = host();
    tree.configure(&host, of(DISK, 100), Expect::Any).unwrap();
    tree.configure(&host, Edit::new().set_traits([SHARES]), Expect::Any).unwrap();
    assert!(shares_disk(&tree));
}

#[test]
fn it_begins_with_the_trait_added_or_updated() {
    let (tree, _) = host();
    tree.update_inventory("host", of(DISK, 100), None).unwrap();
    tree.add_traits("host", [SHARES]).unwrap();
    assert!(shares_disk(&tree));
    tree.update_traits("host", [], None).unwrap();
    assert!(!shares_disk(&tree));
    tree.update_traits("host", [SHARES], None).unwrap();
    assert!(shares_disk(&tree));
}

#[test]
fn it_begins_with_the_inventory_set_or_updated() {
    let (tree, host) = host();
    tree.add_traits("host", [SHARES]).unwrap();
    tree.configure(&host, of(DISK, 100), Expect::Any).unwrap();
    assert!(shares_disk(&tree));
    tree.update_inventory("host", of(VCPU, 8), None).unwrap();
    assert!(!shares_disk(&tree) && tree.has_sharing_provider(VCPU));
    tree.update_inventory("host", of(DISK, 1), None).unwrap();
    assert!(shares_disk(&tree) && !tree.has_sharing_provider(VCPU));
}

#[test]
fn it_begins_with_an_edit_of_both() {
    let (tree, host) = host();
    let edit = Edit::new().add_traits([SHARES]).update_inventories(of(DISK, 100).into());
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(1));
    assert!(shares_disk(&tree));
}

#[test]
fn it_begins_with_a_population() {
    let (tree, host) = host();
    let listed = ProviderSpec::new(host.uuid(), "host").with_traits([SHARES]);
    tree.populate(&[listed.with_inventories(of(DISK, 100))]).unwrap();
    assert!(shares_disk(&tree));
}

#[test]
fn it_begins_with_a_dump_that_is_loaded() {
    let (tree, _) = sharing();
    assert!(shares_disk(&ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap()));
}

#[test]
fn it_ends_with_the_inventory() {
    for edit in [Inventories::new().into(), Edit::new().remove_inventories([DISK])] {
        let (tree, host) = sharing();
        tree.configure(&host, edit, Expect::Any).unwrap();
        assert!(!shares_disk(&tree));
    }
}

#[test]
fn it_ends_with_the_trait() {
    let (tree, _) = sharing();
    tree.remove_traits("host", [SHARES]).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn it_ends_with_an_edit_of_both() {
    let (tree, host) = sharing();
    let edit = Edit::new().remove_traits([SHARES]).remove_inventories([DISK]);
    tree.configure(&host, edit, Expect::Any).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn it_ends_with_the_provider() {
    let (tree, host) = sharing();
    tree.remove(&host).unwrap();
    assert!(!shares_disk(&tree));
    assert_eq!(tree.create_root("host", host.uuid()).map(|_| shares_disk(&tree)), Ok(false));
}

#[test]
fn it_ends_with_the_subtree_that_the_provider_is_in() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    share(&tree, &child);
    tree.remove(&host).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn it_ends_with_a_population_that_replaces_the_provider() {
    let (tree, host) = sharing();
    tree.populate(&[ProviderSpec::new(host.uuid(), "host")]).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn it_ends_with_a_population_that_drops_the_provider() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    share(&tree, &child);
    tree.populate(&[ProviderSpec::new(host.uuid(), "host")]).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn it_goes_on_while_another_provider_shares() {
    let (tree, host) = sharing();
    let other = tree.create_root("other", None).unwrap();
    share(&tree, &other);
    tree.remove(&host).unwrap();
    assert!(shares_disk(&tree));
    tree.remove_traits("other", [SHARES]).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn changes_that_do_not_concern_it_leave_it_as_it_is() {
    let (tree, host) = sharing();
    let (ssd, rack) = (Trait::new("STORAGE_DISK_SSD").unwrap(), Uuid::from_u128(1));
    let edit = |edit| tree.configure(&host, edit, Expect::Any);
    assert_eq!(edit(of(DISK, 7).into()), changed(2));
    assert_eq!(edit(Edit::new().set_traits([SHARES])), unchanged(2));
    assert_eq!(edit(Edit::new().set_traits([SHARES, ssd])), changed(3));
    assert_eq!(edit(Edit::new().set_aggregates([rack])), changed(4));
    tree.rename(&host, "other").unwrap();
    assert!(shares_disk(&tree));
    // Once is enough to end it: none of these has counted the provider again.
    tree.remove_traits("other", [SHARES]).unwrap();
    assert!(!shares_disk(&tree));
}

#[test]
fn a_refused_change_leaves_it_as_it_is() {
    let (tree, host) = sharing();
    tree.configure(&host, Edit::new().set_traits([]), Expect::Generation(99)).unwrap_err();
    let twice = ProviderSpec::new(host.uuid(), "host");
    tree.populate(&[twice.clone(), twice]).unwrap_err();
    assert!(shares_disk(&tree));
}

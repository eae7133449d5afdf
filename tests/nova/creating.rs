//! Nova's `new_root`, `new_child` and `populate_from_iterable`.

use std::slice;

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{Error, ProviderSpec, ProviderTree};
use uuid::Uuid;

use crate::{generation, host, removed, unknown};

#[test]
fn a_provider_has_the_uuid_that_it_is_given() {
    let (tree, host) = host();
    let [one, two, three, four] = [1, 2, 3, 4].map(Uuid::from_u128);
    assert_eq!(tree.new_root("root", Some(one), None), Ok(one));
    assert_eq!(tree.new_child("child", "root", Some(two), None), Ok(two));
    assert_eq!(tree.create_root("other", three).unwrap().uuid(), three);
    assert_eq!(tree.create_child(&host, "other child", four).unwrap().uuid(), four);
}

/// Nova stores a root without uuid under `None`.
#[test]
fn without_a_uuid_it_gets_one_of_its_own() {
    let (tree, host) = host();
    let root = tree.create_root("root", None).unwrap();
    let child = tree.create_child(&host, "child", None).unwrap();
    assert!(!root.uuid().is_nil() && !child.uuid().is_nil());
    assert_ne!(root.uuid(), child.uuid());
    assert_eq!(tree.find(child.uuid()), Some(child));
    let other = tree.new_root("other", None, None).unwrap();
    let child = tree.new_child("other child", other, None, None).unwrap();
    assert!(!other.is_nil() && !child.is_nil());
    assert_ne!(other, child);
    assert_eq!(tree.find("other child").unwrap().uuid(), child);
}

#[test]
fn the_parent_of_a_child_is_the_one_given() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let grandchild = tree.create_child(&child, "grandchild", None).unwrap();
    assert_eq!(tree.ancestors(&host), Ok(vec![]));
    assert_eq!(tree.ancestors(&child), Ok(vec![host]));
    assert_eq!(tree.ancestors(&grandchild), Ok(vec![child, host]));
    assert_eq!(tree.roots(), [host]);
}

#[test]
fn the_parent_of_a_child_is_given_by_name_by_uuid_or_by_text() {
    let (tree, host) = host();
    let uuid = host.uuid();
    let named = tree.new_child("by name", "host", None, None).unwrap();
    let identified = tree.new_child("by uuid", uuid, None, None).unwrap();
    let written = tree.new_child("by text", &uuid.to_string(), None, None).unwrap();
    for child in [named, identified, written] {
        assert_eq!(tree.data(child).unwrap().parent, Some(uuid));
    }
    assert_eq!(tree.data("host").unwrap().parent, None);
}

/// In Nova it is at none.
#[test]
fn without_a_generation_a_provider_starts_at_0() {
    let (tree, host) = host();
    let root = tree.new_root("root", None, None).unwrap();
    let child = tree.new_child("child", root, None, None).unwrap();
    assert_eq!(tree.data(root).unwrap().generation, 0);
    assert_eq!(tree.data(child).unwrap().generation, 0);
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn a_provider_starts_at_the_generation_that_it_is_given() {
    let tree = ProviderTree::new();
    let root = tree.new_root("root", None, Some(7)).unwrap();
    let child = tree.new_child("child", root, None, Some(8)).unwrap();
    assert_eq!(tree.data(root).unwrap().generation, 7);
    assert_eq!(tree.data(child).unwrap().generation, 8);
}

#[test]
fn nothing_is_created_at_a_generation_that_is_too_large() {
    let (tree, host) = host();
    let too_large = Some(u64::MAX);
    for refused in
        [tree.new_root("new", None, too_large), tree.new_child("new", host.uuid(), None, too_large)]
    {
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
        assert_eq!(tree.find("new"), None);
    }
}

#[test]
fn a_uuid_that_exists_is_refused_for_a_root() {
    let (tree, host) = host();
    let error = Error::UuidExists { uuid: host.uuid() };
    assert_eq!(tree.create_root("other", host.uuid()), Err(error.clone()));
    assert_eq!(tree.new_root("other", Some(host.uuid()), Some(7)), Err(error));
    assert_eq!(tree.find("other"), None);
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn a_uuid_that_exists_is_refused_for_a_child() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let error = Error::UuidExists { uuid: host.uuid() };
    assert_eq!(tree.create_child(&child, "other", host.uuid()), Err(error.clone()));
    assert_eq!(tree.new_child("other", "child", Some(host.uuid()), None), Err(error));
    assert_eq!(tree.providers(), [host, child]);
}

/// Nova accepts it, and one of the two shadows the other.
#[test]
fn a_name_that_exists_is_refused_for_a_root() {
    let (tree, host) = host();
    let uuid = Uuid::from_u128(1);
    let error = Error::NameExists { name: "host".into() };
    assert_eq!(tree.create_root("host", uuid), Err(error.clone()));
    assert_eq!(tree.new_root("host", Some(uuid), None), Err(error));
    assert_eq!(tree.find(uuid), None);
    assert_eq!(tree.find("host"), Some(host));
}

/// Nova refuses it only if the uuid is not given as well.
#[test]
fn a_name_that_exists_anywhere_in_the_forest_is_refused_for_a_child() {
    let (tree, host) = host();
    let elsewhere = tree.create_root("elsewhere", None).unwrap();
    tree.create_child(&elsewhere, "child", None).unwrap();
    let error = Error::NameExists { name: "child".into() };
    for uuid in [None, Some(Uuid::from_u128(1))] {
        assert_eq!(tree.create_child(&host, "child", uuid), Err(error.clone()));
        assert_eq!(tree.new_child("child", "host", uuid, None), Err(error.clone()));
    }
    assert_eq!(tree.children(&host), Ok(vec![]));
}

#[test]
fn an_unknown_parent_is_an_error_of_its_own() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.create_child(&gone, "child", None), Err(error));
    assert_eq!(tree.new_child("child", "host", None, None), Err(unknown("host")));
    let text = gone.uuid().to_string();
    assert_eq!(tree.new_child("child", gone.uuid(), None, None), Err(unknown(&text)));
    assert_eq!(tree.find("child"), None);
}

#[test]
fn a_parent_in_another_forest_is_an_error_of_its_own() {
    let (tree, other) = (ProviderTree::new(), host());
    let refused = tree.create_child(&other.1, "child", None);
    assert_eq!(refused, Err(Error::ForeignProvider { provider: other.1.uuid() }));
}

#[test]
fn what_was_refused_can_be_created_afterwards() {
    let (tree, host) = host();
    let uuid = Uuid::from_u128(1);
    tree.create_root("host", uuid).unwrap_err();
    tree.create_root("other", host.uuid()).unwrap_err();
    assert!(tree.create_root("other", uuid).is_ok());
}

#[test]
fn a_list_is_made_true_as_by_a_population() {
    let (tree, host) = host();
    let [one, two] = [1, 2].map(Uuid::from_u128);
    let root = ProviderSpec::new(one, "root").with_generation(7);
    let child = ProviderSpec::new(two, "child").with_parent(one);
    assert_eq!(tree.populate_from_iterable(&[root.clone(), child]), Ok(()));
    assert_eq!(tree.get_provider_uuids(None), Ok(vec![host.uuid(), one, two]));
    assert_eq!(tree.data("root").unwrap().generation, 7);
    assert_eq!(tree.populate_from_iterable(slice::from_ref(&root)), Ok(()));
    assert_eq!(tree.get_provider_uuids(None), Ok(vec![host.uuid(), one]));
    let refused = tree.populate_from_iterable(&[root.clone(), root]);
    assert!(matches!(refused, Err(Error::InvalidEntries { .. })));
}

#[test]
fn a_provider_with_a_generation_that_is_too_large_is_not_created() {
    let tree = ProviderTree::new();
    let refused = tree.new_root("host", None, Some(u64::MAX));
    assert_eq!(
        refused,
        Err(Error::TooLarge { what: "generation", limit: i64::MAX as u64, full: false })
    );
    assert!(!tree.exists("host"));
}

//! Nova's `new_root` and `new_child`.

use provider_tree::{Error, ProviderTree};
use uuid::Uuid;

use crate::{host, removed};

#[test]
fn a_provider_has_the_uuid_that_it_is_given() {
    let (tree, host) = host();
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    assert_eq!(tree.create_root("root", one).unwrap().uuid(), one);
    assert_eq!(tree.create_child(&host, "child", two).unwrap().uuid(), two);
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
}

#[test]
fn the_parent_of_a_child_is_the_one_given() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let grandchild = tree.create_child(&child, "grandchild", None).unwrap();
    assert_eq!(tree.parent(&child), Ok(Some(host)));
    assert_eq!(tree.parent(&grandchild), Ok(Some(child)));
    assert_eq!(tree.roots(), [host]);
}

#[test]
fn a_uuid_that_exists_is_refused_for_a_root() {
    let (tree, host) = host();
    let refused = tree.create_root("other", host.uuid());
    assert_eq!(refused, Err(Error::UuidExists { uuid: host.uuid() }));
    assert_eq!(tree.find("other"), None);
}

#[test]
fn a_uuid_that_exists_is_refused_for_a_child() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let refused = tree.create_child(&child, "other", host.uuid());
    assert_eq!(refused, Err(Error::UuidExists { uuid: host.uuid() }));
    assert_eq!(tree.providers(), [host, child]);
}

/// Nova accepts it, and one of the two shadows the other.
#[test]
fn a_name_that_exists_is_refused_for_a_root() {
    let (tree, host) = host();
    let uuid = Uuid::from_u128(1);
    let refused = tree.create_root("host", uuid);
    assert_eq!(refused, Err(Error::NameExists { name: "host".into() }));
    assert_eq!(tree.find(uuid), None);
    assert_eq!(tree.find("host"), Some(host));
}

/// Nova refuses it only if the uuid is not given as well.
#[test]
fn a_name_that_exists_anywhere_in_the_forest_is_refused_for_a_child() {
    let (tree, host) = host();
    let elsewhere = tree.create_root("elsewhere", None).unwrap();
    tree.create_child(&elsewhere, "child", None).unwrap();
    for uuid in [None, Some(Uuid::from_u128(1))] {
        let refused = tree.create_child(&host, "child", uuid);
        assert_eq!(refused, Err(Error::NameExists { name: "child".into() }));
    }
    assert_eq!(tree.children(&host), Ok(vec![]));
}

#[test]
fn an_unknown_parent_is_an_error_of_its_own() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.create_child(&gone, "child", None), Err(error));
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

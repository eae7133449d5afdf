//! Nova's `exists`, and how a uuid, a name or a text finds a provider.

use std::sync::Arc;

use provider_tree::ProviderKey;
use provider_tree::coming_from_nova::NovaProviderTree;
use uuid::Uuid;

use crate::{host, removed, unknown};

#[test]
fn a_provider_is_found_by_its_uuid() {
    let (tree, host) = host();
    let uuid = host.uuid();
    assert_eq!(tree.find(uuid), Some(host));
    assert_eq!([uuid].iter().find_map(|one| tree.find(one)), Some(host));
    assert_eq!(tree.find(ProviderKey::Uuid(uuid)), Some(host));
    assert!(tree.exists(uuid));
}

#[test]
fn a_provider_is_found_by_its_name() {
    let (tree, host) = host();
    let (text, shared) = ("host".to_owned(), Arc::<str>::from("host"));
    assert_eq!(tree.find("host"), Some(host));
    assert_eq!(tree.find(&text), Some(host));
    assert_eq!(tree.find(&shared), Some(host));
    assert_eq!(tree.find(ProviderKey::Name("host")), Some(host));
    assert!(tree.exists("host"));
}

#[test]
fn a_provider_is_found_by_the_text_of_its_uuid() {
    let (tree, host) = host();
    let text = host.uuid().to_string();
    assert_eq!(tree.find(&text), Some(host));
    assert!(tree.exists(&text));
    assert_eq!(tree.data(&text).unwrap().uuid, host.uuid());
}

#[test]
fn children_are_found_as_roots_are() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    assert_eq!(tree.find(child.uuid()), Some(child));
    assert_eq!(tree.find("child"), Some(child));
    assert_eq!(tree.find(&child.uuid().to_string()), Some(child));
}

#[test]
fn what_does_not_exist_is_not_found() {
    let (tree, _) = host();
    let uuid = Uuid::from_u128(1);
    assert_eq!(tree.find(uuid), None);
    assert_eq!(tree.find("guest"), None);
    assert_eq!(tree.find(&uuid.to_string()), None);
    assert!(!tree.exists(uuid) && !tree.exists("guest") && !tree.exists(&uuid.to_string()));
}

#[test]
fn what_was_removed_is_not_found() {
    let (tree, gone, _) = removed();
    assert_eq!(tree.find(gone.uuid()), None);
    assert_eq!(tree.find("host"), None);
    assert_eq!(tree.find(&gone.uuid().to_string()), None);
    assert!(!tree.exists(gone.uuid()) && !tree.exists("host"));
}

#[test]
fn an_unknown_key_is_an_error_that_has_it_as_text() {
    let (tree, _) = host();
    let uuid = Uuid::from_u128(1);
    let text = "00000000-0000-0000-0000-000000000001";
    assert_eq!(tree.data("guest"), Err(unknown("guest")));
    assert_eq!(tree.data(uuid), Err(unknown(text)));
    assert_eq!(tree.data(text), Err(unknown(text)));
}

/// In Nova the uuid of a root wins over every name.
#[test]
fn a_name_that_looks_like_a_uuid_wins_over_the_uuid() {
    let (tree, host) = host();
    let text = host.uuid().to_string();
    let named = tree.create_root(&text, None).unwrap();
    assert_eq!(tree.find(host.uuid()), Some(host));
    assert_eq!(tree.find(&text), Some(named));
    assert_eq!(tree.data(&text).unwrap().uuid, named.uuid());
    tree.remove(&named).unwrap();
    assert_eq!(tree.find(&text), Some(host));
}

#[test]
fn a_worker_finds_what_it_has_found_before() {
    let (tree, host) = host();
    let mut worker = tree.worker().unwrap();
    assert_eq!(worker.find(Uuid::from_u128(1)), None);
    for _ in 0..3 {
        assert_eq!(worker.find(host.uuid()), Some(host));
    }
}

#[test]
fn a_worker_does_not_find_what_has_gone() {
    let (tree, host) = host();
    let mut worker = tree.worker().unwrap();
    assert_eq!(worker.find(host.uuid()), Some(host));
    tree.remove(&host).unwrap();
    assert_eq!(worker.find(host.uuid()), None);
    let next = tree.create_root("next", host.uuid()).unwrap();
    assert_ne!(next, host);
    assert_eq!(worker.find(host.uuid()), Some(next));
}

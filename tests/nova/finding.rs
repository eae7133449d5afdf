//! Nova's `find`, `find_by_uuid` and `exists`.

use std::sync::Arc;

use provider_tree::ProviderKey;
use uuid::Uuid;

use crate::{host, removed};

#[test]
fn a_provider_is_found_by_its_uuid() {
    let (tree, host) = host();
    let uuid = host.uuid();
    assert_eq!(tree.find(uuid), Some(host));
    assert_eq!([uuid].iter().find_map(|one| tree.find(one)), Some(host));
    assert_eq!(tree.find(ProviderKey::Uuid(uuid)), Some(host));
}

#[test]
fn a_provider_is_found_by_its_name() {
    let (tree, host) = host();
    let (text, shared) = ("host".to_owned(), Arc::<str>::from("host"));
    assert_eq!(tree.find("host"), Some(host));
    assert_eq!(tree.find(&text), Some(host));
    assert_eq!(tree.find(&shared), Some(host));
    assert_eq!(tree.find(ProviderKey::Name("host")), Some(host));
}

#[test]
fn children_are_found_as_roots_are() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    assert_eq!(tree.find(child.uuid()), Some(child));
    assert_eq!(tree.find("child"), Some(child));
}

#[test]
fn what_does_not_exist_is_not_found() {
    let (tree, _) = host();
    assert_eq!(tree.find(Uuid::from_u128(1)), None);
    assert_eq!(tree.find("guest"), None);
}

#[test]
fn what_was_removed_is_not_found() {
    let (tree, gone, _) = removed();
    assert_eq!(tree.find(gone.uuid()), None);
    assert_eq!(tree.find("host"), None);
}

/// Nova takes a string for either, so that such a name hides what has the uuid.
#[test]
fn a_name_that_reads_like_a_uuid_is_a_name() {
    let (tree, host) = host();
    let named = tree.create_root(&host.uuid().to_string(), None).unwrap();
    assert_eq!(tree.find(host.uuid()), Some(host));
    assert_eq!(tree.find(&host.uuid().to_string()), Some(named));
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

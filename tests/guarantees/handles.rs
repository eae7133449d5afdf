//! Handles of providers in what a forest says: where each is, and what it is worth.

use provider_tree::{Allocation, Error};

use crate::rig::*;

#[test]
fn what_a_forest_says_of_a_provider_has_its_handle() {
    let (tree, host, mut worker) = one_host(8);
    let before = tree.snapshot();
    let _receipt = worker.claim(&cpus(id(1), &host, 2)).unwrap();
    let held = tree.allocations(id(1)).unwrap().allocations;
    assert_eq!(held[0].handle(), Some(host));
    let changes = tree.snapshot().changes_since(&before).unwrap();
    assert_eq!(changes.providers[0].handle(), Some(host));
    let after = changes.consumers[0].after.as_ref().unwrap();
    assert_eq!(after.allocations[0].handle(), Some(host));
    let mut fork = before.fork();
    fork.claim(&cpus(id(2), &host, 1)).unwrap();
    let held = fork.allocations(id(2)).unwrap().unwrap();
    assert_eq!(held.allocations[0].handle(), Some(host));

    // A value that somebody else has made has none, and is equal all the same.
    let made = Allocation::new(host.uuid(), VCPU, 2);
    assert_eq!(made.handle(), None);
    assert_eq!(made, tree.allocations(id(1)).unwrap().allocations[0]);

    // The handle of what has gone is refused as any other.
    let before = tree.snapshot();
    worker.release(id(1)).map(drop).unwrap();
    tree.remove(&host).unwrap();
    let changes = tree.snapshot().changes_since(&before).unwrap();
    let gone = changes.providers[0].handle().unwrap();
    assert_eq!(tree.configuration(&gone), Err(Error::Removed { provider: host.uuid() }));
}

//! Replies that were lost: a retry is told that the consumer holds just this, and only then.

use provider_tree::{Claim, Deadline, Edit, Error, Expect, Provider, ProviderTree, Trait, Worker};

use crate::rig::*;

/// Two hosts, and what consumer 1 holds of them: 2 and 3 VCPU.
fn held() -> (ProviderTree, [Provider; 2], Worker, Claim) {
    let (tree, [one, two], mut worker) = two_hosts(8);
    let claim = cpus(id(1), &one, 2).take(&two, VCPU, 3);
    let _receipt = worker.claim(&claim).unwrap();
    (tree, [one, two], worker, claim)
}

fn exists(generation: u64) -> Error {
    Error::ConsumerExists { consumer: id(1), generation }
}

fn already(generation: u64) -> Error {
    Error::AlreadyHeld { consumer: id(1), generation }
}

#[test]
fn the_same_request_again_is_held_already() {
    let (tree, [one, two], mut worker, claim) = held();
    assert_eq!(refused(&tree, || worker.claim(&claim)), already(1));
    // The same in other words.
    let split = cpus(id(1), &two, 1).take(&one, VCPU, 2).take(&two, VCPU, 2);
    assert_eq!(refused(&tree, || worker.claim(&split)), already(1));
    assert_eq!(refused(&tree, || worker.lease(&claim, Deadline(5))), already(1));
}

#[test]
fn another_request_is_not() {
    let (tree, [one, two], mut worker, same) = held();
    let third = host(&tree, "host-2", 8);
    let others = [
        cpus(id(1), &one, 2).take(&two, VCPU, 4),
        cpus(id(1), &one, 3).take(&two, VCPU, 2),
        cpus(id(1), &one, 2),
        cpus(id(1), &one, 2).take(&third, VCPU, 3),
        same.clone().take(&third, VCPU, 1),
        same.take(&two, VCPU, 1),
    ];
    for other in others {
        assert_eq!(refused(&tree, || worker.claim(&other)), exists(1), "{other:?}");
    }
}

#[test]
fn after_a_replacement_it_is_what_is_held_then() {
    let (tree, [one, _], mut worker, first) = held();
    let second = cpus(id(1), &one, 5);
    let _receipt = worker.replace(&second, Expect::Any).unwrap();
    assert_eq!(refused(&tree, || worker.claim(&first)), exists(2));
    assert_eq!(refused(&tree, || worker.claim(&second)), already(2));
    let _receipt = worker.release(id(1)).unwrap();
    assert_eq!(worker.claim(&first).unwrap().generation, 3);
}

#[test]
fn a_provider_in_the_place_of_one_that_is_gone_is_another() {
    let tree = ProviderTree::new();
    let mut worker = tree.worker().unwrap();
    let uuid = id(100);
    let make = || {
        let host = tree.create_root("host", uuid).unwrap();
        set(&tree, &host, of(VCPU, 8));
        host
    };
    let first = make();
    let wanted = cpus(id(1), &first, 2);
    let _receipt = worker.claim(&wanted).unwrap();
    let _receipt = worker.release(id(1)).unwrap();
    tree.remove(&first).unwrap();
    let second = make();
    claim(&mut worker, id(1), &second, 2);
    let error = refused(&tree, || worker.claim(&wanted));
    assert_eq!(error, exists(2));
}

#[test]
fn a_retry_is_told_so_even_if_it_would_not_fit_any_more() {
    let (tree, hosts, mut worker, first) = held();
    for (number, host) in hosts.iter().enumerate() {
        claim(&mut worker, id(10 + number as u64), host, 8 - used(&tree, host));
        tree.cordon(host).unwrap();
    }
    assert_eq!(refused(&tree, || worker.claim(&first)), already(1));
}

#[test]
fn of_many_retries_at_once_one_is_made_and_the_others_are_held_already() {
    let (tree, host, mut worker) = one_host(8);
    for round in 0..200 {
        let outcomes = together(4, |_| tree.worker().unwrap().claim(&cpus(id(1), &host, 2)));
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{round}");
        let rest = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(rest.clone().all(|error| *error == already(1 + round)), "{outcomes:?}");
        assert_eq!(used(&tree, &host), 2);
        let _receipt = worker.release(id(1)).unwrap();
    }
}

#[test]
fn a_retry_is_told_whatever_has_happened_to_what_it_rests_on() {
    let (tree, host, mut worker) = one_host(8);
    let claim = cpus(id(1), &host, 2).require_generation(&host, generation(&tree, &host));
    let _receipt = worker.claim(&claim).unwrap();
    let traits = [Trait::MISC_SHARES_VIA_AGGREGATE];
    tree.configure(&host, Edit::new().set_traits(traits), Expect::Any).unwrap();
    assert_eq!(refused(&tree, || worker.claim(&claim)), already(1));
}

//! Leases: confirm, renew and expire against each other.

#![cfg(provider_tree_loom)]

use loom_tests::{Model, thread};
use provider_tree::model::{interned, is_anything_due};
use provider_tree::{
    Claim, Deadline, Error, Expect, Inventories, Inventory, Lease, Now, Provider, ProviderTree,
    ResourceClass,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const ONE: Uuid = Uuid::from_u128(8);

/// A forest with one provider of 4 VCPU, of which 3 are leased until 10.
fn leased() -> (ProviderTree, Provider, Lease) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", Uuid::from_u128(1)).expect("the first provider");
    let inventories = Inventories::new().with(VCPU, Inventory::new(4));
    tree.configure(&host, inventories, Expect::Any).expect("valid");
    let claim = Claim::new(ONE).take(&host, VCPU, 3);
    let lease = tree.worker().expect("few workers").lease(&claim, Deadline(10)).expect("fits");
    (tree, host, lease)
}

fn used(tree: &ProviderTree, host: &Provider) -> u64 {
    tree.usage(host, VCPU).expect("is there").used
}

#[test]
fn a_lease_is_confirmed_or_expires() {
    Model {
        name: "a_lease_is_confirmed_or_expires",
        property: "of confirm and expire exactly one wins, and a confirmed lease stays",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, lease) = leased();
        let mut other = tree.worker().expect("few workers");
        // The other's clock is ahead.
        let thread = thread::spawn(move || other.expire(Now(10)).map(|ended| ended.len()));
        let mut worker = tree.worker().expect("few workers");
        let confirmed = worker.confirm(&lease, Now(9)).map(drop);
        let expired = thread.join().expect("no panic in the thread");
        match (confirmed, expired) {
            (Ok(()), Ok(0)) => {
                assert_eq!(used(&tree, &host), 3);
                assert!(worker.release(ONE).is_ok());
            }
            (Err(Error::LeaseEnded { consumer: ONE }), Ok(1)) => {
                assert_eq!(tree.allocations(ONE), None);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(used(&tree, &host), 0);
        assert_eq!(worker.expire(Now(u64::MAX)), Ok(vec![]));
    });
}

#[test]
fn a_refused_lease_leaves_the_agenda() {
    Model {
        name: "a_refused_lease_leaves_the_agenda",
        property: "a lease that another leaves no room for is entered nowhere once it is refused",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let host = tree.create_root("host", Uuid::from_u128(1)).expect("the first provider");
        let inventories = Inventories::new().with(VCPU, Inventory::new(4));
        tree.configure(&host, inventories, Expect::Any).expect("valid");
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.take(&host, &[(VCPU, 2)]).is_ok());
        let claim = Claim::new(ONE).take(&host, VCPU, 3);
        let leased = tree.worker().expect("few workers").lease(&claim, Deadline(10)).is_ok();
        let taken = thread.join().expect("no panic in the thread");
        assert!(leased != taken, "both or neither");
        assert_eq!((is_anything_due(&tree), interned(&tree)[2]), (leased, u64::from(leased)));
    });
}

#[test]
fn a_renewed_lease_expires_later() {
    Model {
        name: "a_renewed_lease_expires_later",
        property: "a lease renewed beside an expiry ends at one of its deadlines, and never stays",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, lease) = leased();
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.expire(Now(10)).map(|ended| ended.len()));
        let mut worker = tree.worker().expect("few workers");
        let renewed = worker.renew(&lease, Deadline(20), Now(9)).map(drop);
        let expired = thread.join().expect("no panic in the thread");
        let left = match (renewed, expired) {
            (Ok(()), Ok(0)) => 1,
            (Err(Error::LeaseEnded { .. }), Ok(1)) => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(used(&tree, &host), 3 * left);
        assert_eq!(worker.expire(Now(20)).map(|ended| ended.len() as u64), Ok(left));
        assert_eq!(used(&tree, &host), 0);
    });
}

#[test]
fn a_deadline_that_comes_back_is_met() {
    Model {
        name: "a_deadline_that_comes_back_is_met",
        property: "a lease renewed by two at once, by one to the deadline it had, still expires",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, lease) = leased();
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.renew(&lease, Deadline(20), Now(5)).map(drop));
        let mut worker = tree.worker().expect("few workers");
        assert!(worker.renew(&lease, Deadline(10), Now(5)).is_ok());
        // Whatever the deadline is by now, the lease is found by it.
        let deadline = tree.allocations(ONE).and_then(|held| held.deadline);
        let next = tree.next_deadline();
        assert!(
            next.is_some() && next <= deadline.max(Some(Deadline(20))),
            "{next:?} {deadline:?}"
        );
        assert_eq!(thread.join().expect("no panic in the thread"), Ok(()));
        let deadline = tree.allocations(ONE).and_then(|held| held.deadline);
        let deadline = deadline.expect("it is leased");
        assert_eq!(worker.expire(Now(deadline.0)).map(|ended| ended.len()), Ok(1));
        assert_eq!(used(&tree, &host), 0);
    });
}

#[test]
fn a_lease_ends_once() {
    Model {
        name: "a_lease_ends_once",
        property: "of two that expire, and one that forgets, one ends the lease",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, host, lease) = leased();
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.expire(Now(10)).map(|ended| ended.len()));
        let mut worker = tree.worker().expect("few workers");
        let forgotten = worker.cancel(&lease).map(|_| 1).or_else(|error| match error {
            Error::LeaseEnded { .. } => Ok::<_, Error>(0),
            other => Err(other),
        });
        let expired = thread.join().expect("no panic in the thread");
        assert_eq!(forgotten.expect("only that") + expired.expect("there is room"), 1);
        assert_eq!(used(&tree, &host), 0);
        assert!(tree.snapshot().consumers().unwrap().is_empty());
    });
}

#[test]
fn a_new_lease_is_found_due() {
    Model {
        name: "a_new_lease_is_found_due",
        property: "a lease that begins while others are expired is found by the next to expire",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let host = tree.create_root("host", Uuid::from_u128(1)).expect("the first provider");
        let inventories = Inventories::new().with(VCPU, Inventory::new(4));
        tree.configure(&host, inventories, Expect::Any).expect("valid");
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || {
            other.lease(&Claim::new(ONE).take(&host, VCPU, 3), Deadline(10)).map(drop)
        });
        let mut worker = tree.worker().expect("few workers");
        let first = worker.expire(Now(10)).expect("there is room").len();
        assert_eq!(thread.join().expect("no panic in the thread"), Ok(()));
        assert_eq!(worker.expire(Now(10)).expect("there is room").len(), 1 - first);
        assert_eq!(used(&tree, &host), 0);
    });
}

#[test]
fn a_deadline_that_is_seen_is_met() {
    Model {
        name: "a_deadline_that_is_seen_is_met",
        property: "whoever sees a renewed deadline, or a new lease, ends it by that deadline",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, host, lease) = leased();
        let other = tree.clone();
        let thread = thread::spawn(move || {
            let mut worker = other.worker().expect("few workers");
            let seen = |consumer| other.allocations(consumer).and_then(|held| held.deadline);
            let (now, due) = match (seen(Uuid::from_u128(9)), seen(ONE)) {
                (Some(Deadline(30)), _) => (30, 2),
                (None, Some(Deadline(20))) => (20, 1),
                _ => return 0,
            };
            assert_eq!(worker.expire(Now(now)).expect("there is room").len(), due);
            due
        });
        let mut worker = tree.worker().expect("few workers");
        assert!(worker.renew(&lease, Deadline(20), Now(5)).is_ok());
        let claim = Claim::new(Uuid::from_u128(9)).take(&host, VCPU, 1);
        assert!(worker.lease(&claim, Deadline(30)).is_ok());
        let ended = thread.join().expect("no panic in the thread");
        assert_eq!(worker.expire(Now(30)).expect("there is room").len(), 2 - ended);
        assert_eq!(used(&tree, &host), 0);
    });
}

//! Consumers that the forest names: claims and releases by uuids whose cells come to serve others.

#![cfg(provider_tree_loom)]

use loom_tests::hosts::{hosts, used};
use loom_tests::{Model, thread};
use provider_tree::{Claim, Error, Issued, Provider, ProviderTree, ResourceClass, Result, Worker};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;

/// Runs `mine` in this thread and `theirs` in another, each with a worker.
fn race<A, B: Send + 'static>(
    mine: (&mut Worker, impl FnOnce(&mut Worker) -> A),
    theirs: (Worker, impl FnOnce(&mut Worker) -> B + Send + 'static),
) -> (A, B) {
    let (mut other, theirs) = theirs;
    let thread = thread::spawn(move || theirs(&mut other));
    let mine = mine.1(mine.0);
    (mine, thread.join().expect("no panic in the thread"))
}

fn worker(tree: &ProviderTree) -> Worker {
    tree.worker().expect("few workers")
}

fn issue(tree: &ProviderTree) -> (Issued, Uuid) {
    let issued = tree.issue().expect("there is room");
    let consumer = issued.consumer();
    (issued, consumer)
}

/// The consumer, if the claim was granted. If it was not, the uuid must have been given back.
fn granted(claimed: Result<()>, consumer: Uuid) -> Option<Uuid> {
    if claimed.is_err() {
        assert_eq!(claimed, Err(Error::NotIssued { consumer }));
    }
    claimed.is_ok().then_some(consumer)
}

fn claim(worker: &mut Worker, consumer: Uuid, host: &Provider) -> Result<()> {
    worker.claim(&Claim::new(consumer).take(host, VCPU, 1)).map(drop)
}

fn claim_unnamed(worker: &mut Worker, host: &Provider) -> Uuid {
    let claim = Claim::unnamed().take(host, VCPU, 1);
    worker.claim(&claim).expect("fits").consumer
}

/// Fails unless these consumers, and no others, hold a unit each.
fn check(tree: &ProviderTree, hosts: &[Provider; 2], consumers: &[Uuid]) {
    let mut found = tree.snapshot().consumers().unwrap();
    found.sort_unstable();
    let mut expected = consumers.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(consumers.iter().all(|consumer| tree.allocations(*consumer).is_some()));
    let used: u64 = hosts.iter().map(|host| used(tree, host)).sum();
    assert_eq!(used, consumers.len() as u64);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn an_issued_uuid_is_claimed_once() {
    Model {
        name: "an_issued_uuid_is_claimed_once",
        property: "of two claims of one issued uuid one is granted, and the other learns of it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, hosts) = hosts([2, 2]);
        let (issued, consumer) = issue(&tree);
        // Of two providers, so that only the uuid is in the way.
        let (mine, theirs) = race(
            (&mut worker(&tree), |worker| claim(worker, consumer, &hosts[0])),
            (worker(&tree), move |worker| claim(worker, consumer, &hosts[1])),
        );
        let exists = Error::ConsumerExists { consumer, generation: 1 };
        match (mine, theirs) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => assert_eq!(error, exists),
            other => panic!("{other:?}"),
        }
        drop(issued);
        check(&tree, &hosts, &[consumer]);
    });
}

#[test]
fn a_named_consumer_has_one_life() {
    Model {
        name: "a_named_consumer_has_one_life",
        property: "a claim beside the release finds the consumer there, or gone for good",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, hosts) = hosts([2, 2]);
        let mut one = worker(&tree);
        let consumer = claim_unnamed(&mut one, &hosts[0]);
        let (claimed, released) = race(
            (&mut worker(&tree), |worker| claim(worker, consumer, &hosts[1])),
            (one, move |worker| worker.release(consumer).map(drop)),
        );
        assert_eq!(released, Ok(()));
        match claimed {
            Err(Error::ConsumerExists { generation: 1, .. }) => {}
            other => assert_eq!(other, Err(Error::NotIssued { consumer })),
        }
        check(&tree, &hosts, &[]);
    });
}

#[test]
fn a_stale_uuid_releases_nobody() {
    Model {
        name: "a_stale_uuid_releases_nobody",
        property: "a release by a uuid whose cell serves another by now leaves that one alone",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, hosts) = hosts([2, 2]);
        let mut one = worker(&tree);
        let first = claim_unnamed(&mut one, &hosts[0]);
        let host = hosts[1];
        let (late, (early, second)) = race(
            (&mut worker(&tree), |worker| worker.release(first).map(drop)),
            (one, move |worker| {
                let released = worker.release(first).map(drop);
                (released, claim_unnamed(worker, &host))
            }),
        );
        let gone = Error::ConsumerNotFound { consumer: first };
        match (early, late) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => assert_eq!(error, gone),
            other => panic!("{other:?}"),
        }
        assert_ne!(first, second);
        check(&tree, &hosts, &[second]);
    });
}

#[test]
fn a_uuid_is_given_back_or_claimed() {
    Model {
        name: "a_uuid_is_given_back_or_claimed",
        property: "an issued uuid that is dropped beside its claim is the consumer's, or nobody's",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, hosts) = hosts([4, 4]);
        let (issued, consumer) = issue(&tree);
        let mut mine = worker(&tree);
        let (claimed, ()) = race(
            (&mut mine, |worker| claim(worker, consumer, &hosts[0])),
            (worker(&tree), move |_| drop(issued)),
        );
        let mut there = vec![claim_unnamed(&mut mine, &hosts[0])];
        there.extend(granted(claimed, consumer));
        check(&tree, &hosts, &there);
    });
}

#[test]
fn a_uuid_that_was_given_back_takes_no_later_ones_cell() {
    Model {
        name: "a_uuid_that_was_given_back_takes_no_later_ones_cell",
        property: "a claim of a uuid whose cell is issued again meanwhile leaves the later uuid good",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, hosts) = hosts([2, 2]);
        let (issued, consumer) = issue(&tree);
        let (host, forest) = (hosts[1], tree.clone());
        let (mine, later) = race(
            (&mut worker(&tree), |worker| claim(worker, consumer, &hosts[0])),
            (worker(&tree), move |worker| {
                drop(issued);
                let (_again, consumer) = issue(&forest);
                claim(worker, consumer, &host).expect("it is good");
                consumer
            }),
        );
        let mut there = vec![later];
        there.extend(granted(mine, consumer));
        check(&tree, &hosts, &there);
    });
}

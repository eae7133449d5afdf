//! Consumers that the forest names: uuids that it issues, for one life each.

use std::collections::HashSet;

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Issued, Lease, Mirror, Now, ProviderTree,
};
use shared::dumps::without_floors;
use uuid::Uuid;

use crate::rig::*;

fn not_issued(consumer: Uuid) -> Error {
    Error::NotIssued { consumer }
}

/// Fails unless nothing has this uuid and nothing can come to have it, whatever is asked.
fn check_gone(tree: &ProviderTree, consumer: Uuid) {
    let mut worker = tree.worker().unwrap();
    let host = tree.find("host-0").unwrap();
    let (claim, absent) = (cpus(consumer, &host, 1), Error::ConsumerNotFound { consumer });
    let error = not_issued(consumer);
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(worker.claim(&claim), Err(error.clone()));
    assert_eq!(worker.lease(&claim, Deadline(5)).unwrap_err(), error);
    assert_eq!(worker.replace(&claim, Expect::Any), Err(error.clone()));
    let conflict = Error::ConsumerConflict { consumer, expected: 1, actual: None };
    assert_eq!(worker.replace(&claim, Expect::Generation(1)), Err(conflict));
    assert_eq!(worker.claim_partly(&claim).unwrap_err(), error);
    assert_eq!(worker.claim_gang(std::slice::from_ref(&claim), 0), Err(error.clone()));
    assert_eq!(worker.commit(&Batch::new().claim(claim)), Err(error));
    assert_eq!(worker.release(consumer), Err(absent));
    assert_eq!((tree.allocations(consumer), tree.lease_of(consumer)), (None, None));
    let snapshot = tree.snapshot();
    assert_eq!(snapshot.allocations(consumer), Ok(None));
    assert_eq!(snapshot.fork().allocations(consumer), Ok(None));
    assert!(!tree.snapshot().consumers().unwrap().contains(&consumer));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn each_unnamed_claim_is_one_of_another_consumer() {
    let (tree, [host, other], mut worker) = two_hosts(1000);
    let one = Claim::unnamed().take(&host, VCPU, 1).with_tag(7);
    let two = Claim::unnamed().take(&other, VCPU, 1).take(&host, VCPU, 1);
    assert_eq!((one.consumer(), two.consumer()), (None, None));
    let mut seen = HashSet::new();
    let mut held = Vec::new();
    for round in 0..200 {
        let claim = if round % 3 == 0 { &two } else { &one };
        let receipt = worker.claim(claim).unwrap();
        assert_eq!(receipt.consumer.get_version(), Some(uuid::Version::Custom));
        assert!(receipt.generation == 1 && seen.insert(receipt.consumer));
        held.push(receipt.consumer);
        // A cell that is free again serves another one.
        if round % 2 == 0 {
            let gone = held.swap_remove(round % held.len());
            let _receipt = worker.release(gone).unwrap();
            assert_eq!(worker.release(gone), Err(Error::ConsumerNotFound { consumer: gone }));
        }
    }
    let found: HashSet<_> = tree.snapshot().consumers().unwrap().into_iter().collect();
    assert_eq!(found, held.iter().copied().collect());
    assert!(seen.difference(&found).all(|gone| tree.allocations(*gone).is_none()));
    assert!(held.iter().all(|consumer| tree.allocations(*consumer).is_some()));
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn a_refused_unnamed_claim_leaves_nothing_behind() {
    let (tree, [host, _], mut worker) = two_hosts(4);
    let before = tree.memory().consumers.live;
    for claim in [
        Claim::unnamed().take(&host, VCPU, 5),
        Claim::unnamed().take(&host, VCPU, 1).require_generation(&host, 77),
        Claim::unnamed().take_with_ancestors(&host, MEMORY, 1),
    ] {
        refused(&tree, || worker.claim(&claim));
        refused(&tree, || worker.lease(&claim, Deadline(5)));
        refused(&tree, || worker.claim_partly(&claim));
        refused(&tree, || worker.claim_gang(&[claim.clone(), claim.clone()], 1));
        refused(&tree, || worker.commit(&Batch::new().claim(claim.clone())));
    }
    let unnamed = Claim::unnamed().take(&host, VCPU, 1);
    assert_eq!(refused(&tree, || worker.replace(&unnamed, Expect::Any)), Error::Unnamed);
    let batch = Batch::new().claim(unnamed.clone()).replace(unnamed.clone(), Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&batch)), Error::Unnamed);
    assert_eq!(tree.snapshot().fork().claim(&unnamed), Err(Error::Unnamed));
    assert_eq!(tree.snapshot().fork().replace(&unnamed), Err(Error::Unnamed));
    assert_eq!(tree.snapshot().fork().fits(&unnamed), Ok(()));
    let nobody = Uuid::nil();
    let empty = Error::EmptyClaim { consumer: nobody };
    assert_eq!(refused(&tree, || worker.claim(&Claim::unnamed())), empty);
    drop(worker);
    let after = tree.memory().consumers;
    assert_eq!((after.live, after.absent), (before, 0));
    assert_eq!(tree.next_deadline(), None);
}

#[test]
fn whatever_makes_a_claim_makes_an_unnamed_one() {
    let (tree, [host, other], mut worker) = two_hosts(100);
    let of = |amount| Claim::unnamed().take(&host, VCPU, amount);
    let lease: Lease = worker.lease(&of(1), Deadline(50)).unwrap();
    assert_eq!(tree.lease_of(lease.consumer()), Some(lease));
    let partly = worker.claim_partly(&of(200).take(&other, VCPU, 1)).unwrap();
    assert_eq!(partly.refused.len(), 1);
    let gang = worker.claim_gang(&[of(1), of(500), of(2)], 2).unwrap();
    let [Ok(first), Err(_), Ok(last)] = &gang[..] else { panic!("{gang:?}") };
    let batch = Batch::new().claim(of(3)).claim(of(4)).release(first.consumer, Expect::Any);
    let receipts = worker.commit(&batch).unwrap();
    let chained = worker.claim(&of(1).take_with_ancestors(&other, VCPU, 1)).unwrap();
    let there = [
        lease.consumer(),
        partly.receipt.consumer,
        last.consumer,
        receipts[0].consumer,
        receipts[1].consumer,
        chained.consumer,
    ];
    let found: HashSet<_> = tree.snapshot().consumers().unwrap().into_iter().collect();
    assert_eq!(found, there.into());
    check_gone(&tree, first.consumer);
    drop(worker);
    let memory = tree.memory().consumers;
    assert_eq!((memory.live, memory.absent, tree.memory().consumer_entries), (6, 0, 0));
    // The rest does not notice.
    let mut worker = tree.worker().unwrap();
    let _receipt = worker.confirm(&lease, Now(0)).unwrap();
    let moved = worker.replace(&cpus(last.consumer, &other, 5), Expect::Generation(1)).unwrap();
    assert_eq!(moved.generation, 2);
    assert!(tree.snapshot().audit().unwrap().holds());
    assert_eq!(tree.snapshot().holders(&other).unwrap().len(), 3);
    for consumer in there {
        let _receipt = worker.release(consumer).unwrap();
        check_gone(&tree, consumer);
    }
    assert!(tree.snapshot().consumers().unwrap().is_empty());
}

#[test]
fn an_issued_uuid_serves_a_retry_after_a_lost_reply() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    let issued = tree.issue().unwrap();
    let consumer = issued.consumer();
    assert_eq!((tree.allocations(consumer), tree.snapshot().consumers().unwrap().len()), (None, 0));
    assert_eq!(worker.release(consumer), Err(Error::ConsumerNotFound { consumer }));
    // A refusal leaves it good, and so does everything else.
    let claim = cpus(consumer, &host, 5);
    assert_eq!(worker.claim(&cpus(consumer, &host, 9)), Err(exceeded(&host, 9, 8)));
    let _lost = worker.claim(&claim).unwrap();
    drop(issued);
    let held = Error::AlreadyHeld { consumer, generation: 1 };
    assert_eq!(tree.worker().unwrap().claim(&claim), Err(held.clone()));
    let _receipt = worker.release(consumer).unwrap();
    check_gone(&tree, consumer);
}

#[test]
fn an_issued_uuid_that_is_never_claimed_is_given_back() {
    let (tree, _, worker) = two_hosts(8);
    let issued: Vec<Issued> = (0..100).map(|_| tree.issue().unwrap()).collect();
    let uuids: HashSet<_> = issued.iter().map(Issued::consumer).collect();
    assert_eq!(uuids.len(), 100);
    assert_eq!(tree.memory().consumers.absent, 100);
    drop(issued);
    drop(worker);
    assert_eq!(tree.memory().consumers.absent, 0);
    uuids.into_iter().for_each(|gone| check_gone(&tree, gone));
    // Nor by a thread that panics.
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _issued = tree.issue().unwrap();
        std::panic::panic_any(());
    }));
    assert!(panics.is_err());
    assert_eq!(tree.memory().consumers.absent, 0);
}

#[test]
fn an_issued_uuid_is_claimed_in_every_way() {
    let (tree, [host, _], mut worker) = two_hosts(100);
    let issued: Vec<Issued> = (0..6).map(|_| tree.issue().unwrap()).collect();
    let claim = |at: usize| cpus(issued[at].consumer(), &host, 1);
    let _receipt = worker.replace(&claim(0), Expect::Any).unwrap();
    let lease = worker.lease(&claim(1), Deadline(50)).unwrap();
    assert_eq!(worker.claim_gang(&[claim(2)], 1).unwrap().len(), 1);
    let _partial = worker.claim_partly(&claim(3)).unwrap();
    worker.commit(&Batch::new().claim(claim(4))).unwrap();
    // A fork learns only from the commit whether it is good.
    let mut fork = tree.snapshot().fork();
    fork.claim(&claim(5)).unwrap();
    worker.commit(&fork.to_batch_if_unchanged()).unwrap();
    assert_eq!(tree.snapshot().consumers().unwrap().len(), 6);
    assert_eq!(worker.expire(Now(50)).unwrap()[0].consumer, lease.consumer());
    check_gone(&tree, lease.consumer());
    // A fork whose answers rest on a consumer that is gone, and stays so.
    let mut fork = tree.snapshot().fork();
    assert_eq!(fork.allocations(lease.consumer()), Ok(None));
    fork.release(issued[0].consumer()).unwrap();
    worker.commit(&fork.to_batch_if_unchanged()).unwrap();
    check_gone(&tree, issued[0].consumer());
    // And one that claims for a consumer that is gone.
    let mut fork = tree.snapshot().fork();
    fork.claim(&claim(0)).unwrap();
    let gone = not_issued(issued[0].consumer());
    assert_eq!(refused(&tree, || worker.commit(&fork.to_batch())), gone);
    let gone = issued[0].consumer();
    let absent = Error::ConsumerNotFound { consumer: gone };
    let batch = Batch::new().release(gone, Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&batch)), absent);
}

#[test]
fn what_was_made_up_is_nobody() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    let outside = id(1);
    claim(&mut worker, outside, &host, 1);
    // Cells that are free, in a life that no uuid was issued for.
    for number in [2, 3] {
        claim(&mut worker, id(number), &host, 1);
        let _receipt = worker.release(id(number)).unwrap();
    }
    let issued = tree.issue().unwrap();
    let (high, low) = issued.consumer().as_u64_pair();
    let of_cell = |cell: u64, incarnation: u64| {
        let high = incarnation << 16 | high & 0xffff;
        Uuid::from_u64_pair(high, low >> 32 << 32 | cell)
    };
    assert_eq!(of_cell(low & 0xffff_ffff, high >> 16), issued.consumer());
    // Cells of every kind, those that serve others, free ones, and those that there are not.
    for cell in (0..300).chain([1 << 20, u64::from(u32::MAX)]) {
        for incarnation in [0, 1, 2, 3, (1 << 48) - 1] {
            let forged = of_cell(cell, incarnation);
            if forged != issued.consumer() {
                assert_eq!(tree.allocations(forged), None);
                let absent = Error::ConsumerNotFound { consumer: forged };
                assert_eq!(worker.release(forged), Err(absent));
                assert_eq!(worker.claim(&cpus(forged, &host, 1)), Err(not_issued(forged)));
            }
        }
    }
    for cell in [0, 1, 2, 5, low & 0xffff_ffff, 1 << 30] {
        let forged = of_cell(cell, 9);
        check_gone(&tree, forged);
        // A batch has to rest on what stands for the uuid, and nothing does for good.
        let mut fork = tree.snapshot().fork();
        assert_eq!(fork.allocations(forged), Ok(None));
        fork.claim(&cpus(id(4), &host, 1)).unwrap();
        for batch in [Batch::new().release(forged, Expect::Any), fork.to_batch_if_unchanged()] {
            assert_eq!(refused(&tree, || worker.commit(&batch)), not_issued(forged));
        }
    }
    assert_eq!(tree.snapshot().consumers().unwrap(), [outside]);
    let _receipt = worker.claim(&cpus(issued.consumer(), &host, 1)).unwrap();
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn a_uuid_of_another_forest_is_one_from_outside() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    let other = ProviderTree::new();
    let foreign = other.issue().unwrap().consumer();
    for generation in [1, 2] {
        let receipt = worker.claim(&cpus(foreign, &host, 1)).unwrap();
        assert_eq!((receipt.consumer, receipt.generation), (foreign, generation));
        assert_eq!(tree.memory().consumer_entries, 1);
        let _receipt = worker.release(foreign).unwrap();
    }
}

#[test]
fn a_loaded_forest_keeps_the_uuids_and_issues_its_own() {
    let (tree, [host, _], mut worker) = two_hosts(100);
    let unnamed = Claim::unnamed().take(&host, VCPU, 1).with_tag(7);
    let before: Vec<_> = (0..10).map(|_| worker.claim(&unnamed).unwrap().consumer).collect();
    let lease = worker.lease(&unnamed, Deadline(50)).unwrap();
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    assert_eq!(copy.snapshot().dump().unwrap(), tree.snapshot().dump().unwrap());
    assert_eq!(copy.memory().consumer_entries, 11);
    let host = copy.find("host-0").unwrap();
    let mut worker = copy.worker().unwrap();
    let unnamed = Claim::unnamed().take(&host, VCPU, 1);
    for gone in &before[..5] {
        let _receipt = worker.release(*gone).unwrap();
        // From outside, so another life can follow.
        assert_eq!(worker.claim(&cpus(*gone, &host, 1)).unwrap().generation, 2);
        let new = worker.claim(&unnamed).unwrap().consumer;
        assert!(!before.contains(&new) && copy.allocations(new).is_some());
    }
    let lease = copy.lease_of(lease.consumer()).unwrap();
    let _receipt = worker.confirm(&lease, Now(0)).unwrap();
    assert!(copy.snapshot().audit().unwrap().holds());
}

#[test]
fn snapshots_and_mirrors_tell_one_life_of_a_cell_from_the_next() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    let unnamed = Claim::unnamed().take(&host, VCPU, 1);
    let first = worker.claim(&unnamed).unwrap().consumer;
    let before = tree.snapshot();
    let mut feed = tree.subscribe(&before);
    let mut mirror = Mirror::new(feed.position()).unwrap();
    let _receipt = worker.release(first).unwrap();
    let second = worker.claim(&unnamed).unwrap().consumer;
    // The same cell: only its life differs.
    assert_eq!(first.as_u64_pair().1, second.as_u64_pair().1);
    let after = tree.snapshot();
    let has = |snapshot: &provider_tree::Snapshot, consumer| {
        snapshot.allocations(consumer).unwrap().is_some()
    };
    assert_eq!([has(&before, first), has(&before, second)], [true, false]);
    assert_eq!([has(&after, first), has(&after, second)], [false, true]);
    let changes = feed.poll().unwrap();
    assert_eq!(changes.consumers.len(), 2);
    mirror.apply(&changes).unwrap();
    assert_eq!(mirror.dump(), without_floors(tree.snapshot().dump().unwrap()));
}

#[test]
fn threads_claim_one_issued_uuid_once_each_time() {
    let (tree, [host, _], _) = two_hosts(1000);
    for _ in 0..50 {
        let issued = tree.issue().unwrap();
        let claim = cpus(issued.consumer(), &host, 1);
        let claimed = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| tree.worker().unwrap().claim(&claim))).collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
        });
        let consumer = issued.consumer();
        let held = Err(Error::AlreadyHeld { consumer, generation: 1 });
        assert_eq!(claimed.iter().filter(|it| it.is_ok()).count(), 1);
        assert!(claimed.iter().all(|it| it.is_ok() || *it == held), "{claimed:?}");
        drop(issued);
        assert!(tree.allocations(consumer).is_some());
        let _receipt = tree.worker().unwrap().release(consumer).unwrap();
    }
    assert_eq!(used(&tree, &host), 0);
}

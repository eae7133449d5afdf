//! Leases: each ends once, by a confirmation, an expiry or its holder, and after that means
//! nothing.

use std::time::{Duration, Instant};

use provider_tree::{Deadline, Error, Expect, Lease, Now, ProviderTree, Receipt, Worker};

use crate::rig::*;

fn ended(lease: &Lease) -> Error {
    Error::LeaseEnded { consumer: lease.consumer() }
}

fn consumers(receipts: &[Receipt]) -> Vec<uuid::Uuid> {
    receipts.iter().map(|receipt| receipt.consumer).collect()
}

#[test]
fn a_lease_is_held_and_confirmed_for_good() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    assert_eq!((used(&tree, &host), tree.next_deadline()), (5, Some(Deadline(100))));
    assert_eq!(tree.allocations(id(1)).unwrap().deadline, Some(Deadline(100)));
    assert_eq!(
        worker.confirm(&lease, Now(99)).unwrap(),
        Receipt { consumer: id(1), generation: 2 }
    );
    assert_eq!(worker.confirm(&lease, Now(1_000)).unwrap().generation, 2);
    assert_eq!(tree.allocations(id(1)).unwrap().deadline, None);
    assert_eq!((worker.expire(Now(u64::MAX)).unwrap(), used(&tree, &host)), (vec![], 5));
    let error = refused(&tree, || worker.cancel(&lease));
    assert_eq!(error, Error::NotLeased { consumer: id(1) });
    let error = refused(&tree, || worker.renew(&lease, Deadline(200), Now(99)));
    assert_eq!(error, Error::NotLeased { consumer: id(1) });
}

#[test]
fn from_its_deadline_on_a_lease_is_not_confirmed() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    for now in [100, 101, u64::MAX] {
        assert_eq!(refused(&tree, || worker.confirm(&lease, Now(now))), ended(&lease));
        assert_eq!(
            refused(&tree, || worker.renew(&lease, Deadline(u64::MAX - 1), Now(now))),
            ended(&lease)
        );
    }
    assert_eq!(worker.expire(Now(99)).unwrap(), []);
    assert_eq!(consumers(&worker.expire(Now(100)).unwrap()), [id(1)]);
    assert_eq!((used(&tree, &host), tree.allocations(id(1))), (0, None));
}

#[test]
fn what_was_expired_is_not_confirmed_by_a_clock_that_is_behind() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    assert_eq!(worker.expire(Now(100)).unwrap(), [lease.receipt()]);
    for now in [0, 99, 100] {
        assert_eq!(refused(&tree, || worker.confirm(&lease, Now(now))), ended(&lease));
    }
}

#[test]
fn a_lease_is_not_the_next_one_of_its_consumer() {
    for end in ["expired", "forgotten", "released"] {
        let (tree, host, mut worker) = one_host(8);
        let first = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
        match end {
            "expired" => assert_eq!(worker.expire(Now(100)).unwrap().len(), 1),
            "forgotten" => assert_eq!(worker.cancel(&first), Ok(first.receipt())),
            _ => assert_eq!(worker.release(id(1)), Ok(first.receipt())),
        }
        let second = worker.lease(&cpus(id(1), &host, 5), Deadline(200)).unwrap();
        assert!(second.receipt().generation > first.receipt().generation);
        assert_ne!(second, first);
        assert_eq!(refused(&tree, || worker.confirm(&first, Now(0))), ended(&first), "{end}");
        assert_eq!(refused(&tree, || worker.renew(&first, Deadline(300), Now(0))), ended(&first));
        assert_eq!(refused(&tree, || worker.cancel(&first)), ended(&first));
        let _receipt = worker.confirm(&second, Now(150)).unwrap();
    }
}

#[test]
fn forgetting_gives_back_at_once() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    assert_eq!(worker.cancel(&lease), Ok(lease.receipt()));
    assert_eq!((used(&tree, &host), tree.next_deadline()), (0, None));
    assert_eq!(refused(&tree, || worker.cancel(&lease)), ended(&lease));
}

#[test]
fn a_lease_is_renewed_to_a_later_or_an_earlier_deadline() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    assert_eq!(worker.renew(&lease, Deadline(300), Now(50)).unwrap().generation, 2);
    assert_eq!(
        (worker.expire(Now(299)).unwrap(), tree.next_deadline()),
        (vec![], Some(Deadline(300)))
    );
    assert_eq!(worker.renew(&lease, Deadline(200), Now(150)).unwrap().generation, 3);
    assert_eq!(tree.next_deadline(), Some(Deadline(200)));
    // The deadline that it has already.
    assert_eq!(worker.renew(&lease, Deadline(200), Now(150)).unwrap().generation, 4);
    assert_eq!(refused(&tree, || worker.confirm(&lease, Now(200))), ended(&lease));
    assert_eq!(worker.expire(Now(199)).unwrap(), []);
    assert_eq!(consumers(&worker.expire(Now(200)).unwrap()), [id(1)]);
    assert_eq!((used(&tree, &host), tree.next_deadline()), (0, None));
}

#[test]
fn a_replacement_keeps_the_deadline() {
    let (tree, host, mut worker) = one_host(8);
    let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
    let _receipt = worker.replace(&cpus(id(1), &host, 8), Expect::Generation(1)).unwrap();
    assert_eq!(tree.allocations(id(1)).unwrap().deadline, Some(Deadline(100)));
    assert_eq!(consumers(&worker.expire(Now(100)).unwrap()), [id(1)]);
    assert_eq!(refused(&tree, || worker.confirm(&lease, Now(0))), ended(&lease));
}

#[test]
fn the_latest_deadline_is_one_less_than_the_largest_number() {
    let (tree, host, mut worker) = one_host(8);
    let wanted = cpus(id(1), &host, 5);
    let too_late = Error::TooLarge { what: "deadline", limit: u64::MAX - 1, full: false };
    assert_eq!(refused(&tree, || worker.lease(&wanted, Deadline(u64::MAX))), too_late);
    let lease = worker.lease(&wanted, Deadline(u64::MAX - 1)).unwrap();
    assert_eq!(refused(&tree, || worker.renew(&lease, Deadline(u64::MAX), Now(0))), too_late);
    assert_eq!(worker.expire(Now(u64::MAX - 2)).unwrap(), []);
    assert_eq!(worker.expire(Now(u64::MAX - 1)).unwrap(), [lease.receipt()]);
}

#[test]
fn a_lease_that_does_not_fit_leaves_no_deadline() {
    let (tree, host, mut worker) = one_host(8);
    assert_eq!(
        refused(&tree, || worker.lease(&cpus(id(1), &host, 9), Deadline(100))),
        exceeded(&host, 9, 8)
    );
    assert_eq!(tree.next_deadline(), None);
}

#[test]
fn many_threads_expire_and_each_lease_ends_once() {
    let (tree, host, mut worker) = one_host(10_000);
    for number in 0..2000 {
        worker.lease(&cpus(id(number), &host, 1), Deadline(number % 7)).unwrap();
    }
    let told = together(4, |_| tree.worker().unwrap().expire(Now(10)).unwrap());
    let mut all: Vec<_> = told.iter().flat_map(|receipts| consumers(receipts)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..2000).map(id).collect::<Vec<_>>());
    assert_eq!((used(&tree, &host), tree.next_deadline()), (0, None));
    assert_eq!(tree.metrics().expirations, 2000);
}

#[test]
fn of_a_confirmation_and_an_expiry_exactly_one_happens() {
    let (tree, host, mut worker) = one_host(8);
    let [mut confirmed, mut expired] = [0; 2];
    for round in 0..1000 {
        let lease = worker.lease(&cpus(id(round), &host, 5), Deadline(100)).unwrap();
        // The clock of who confirms is behind that of who expires.
        let [confirms, expires] = &together(2, |seat| {
            let mut worker = tree.worker().unwrap();
            match seat {
                0 => worker.confirm(&lease, Now(99)).is_ok(),
                _ => worker.expire(Now(100)).unwrap().len() == 1,
            }
        })[..] else {
            unreachable!("there are two threads");
        };
        assert_ne!(confirms, expires, "round {round}");
        assert_eq!(used(&tree, &host), if *confirms { 5 } else { 0 });
        assert_eq!(tree.allocations(id(round)).is_some(), *confirms);
        if *confirms {
            confirmed += 1;
            let _receipt = worker.release(id(round)).unwrap();
        } else {
            expired += 1;
        }
        assert_eq!((used(&tree, &host), tree.next_deadline()), (0, None));
    }
    println!("confirmed {confirmed}, expired {expired}");
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn renewals_and_expiries_lose_no_lease() {
    let (tree, host, mut worker) = one_host(8);
    for round in 0..500 {
        let lease = worker.lease(&cpus(id(1), &host, 5), Deadline(100)).unwrap();
        let outcomes = together(3, |seat| {
            let mut worker = tree.worker().unwrap();
            match seat {
                0 => worker.renew(&lease, Deadline(200), Now(99)).is_ok(),
                1 => worker.renew(&lease, Deadline(150), Now(99)).is_ok(),
                _ => worker.expire(Now(100)).unwrap().len() == 1,
            }
        });
        let left = tree.allocations(id(1)).map(|held| held.deadline.unwrap());
        assert_eq!(left.is_none(), outcomes[2], "round {round}: {outcomes:?}");
        if let Some(deadline) = left {
            assert!(deadline == Deadline(150) || deadline == Deadline(200));
            assert_eq!(worker.expire(Now(deadline.0 - 1)).unwrap(), []);
            assert_eq!(consumers(&worker.expire(Now(deadline.0)).unwrap()), [id(1)]);
        }
        // An entry for a deadline that was replaced may stay until that is due.
        assert_eq!((worker.expire(Now(200)).unwrap(), tree.next_deadline()), (vec![], None));
    }
}

/// How long it takes to expire ten leases that are due.
fn expire_ten(tree: &ProviderTree, worker: &mut Worker) -> Duration {
    let host = tree.find("host").unwrap();
    let attempts = (0..5).map(|_| {
        for number in 0..10 {
            worker.lease(&cpus(own(0, number), &host, 1), Deadline(10)).unwrap();
        }
        let begin = Instant::now();
        assert_eq!(worker.expire(Now(10)).unwrap().len(), 10);
        begin.elapsed()
    });
    attempts.min().unwrap()
}

#[test]
fn expiry_visits_what_is_due_alone() {
    let (tree, host, mut worker) = one_host(1_000_000);
    let alone = expire_ten(&tree, &mut worker);
    for number in 0..100_000 {
        worker.lease(&cpus(id(number), &host, 1), Deadline(1_000 + number)).unwrap();
    }
    let among_many = expire_ten(&tree, &mut worker);
    println!("ten leases: {alone:?} alone, {among_many:?} among 100,000");
    assert!(among_many < alone * 100, "{alone:?} alone, {among_many:?} among 100,000");
    assert_eq!((used(&tree, &host), tree.next_deadline()), (100_000, Some(Deadline(1_000))));
}

#[test]
fn leases_survive_a_dump() {
    let (tree, host, mut worker) = one_host(8);
    let _leased = worker.lease(&cpus(id(1), &host, 2), Deadline(100)).unwrap();
    let second = worker.lease(&cpus(id(2), &host, 2), Deadline(200)).unwrap();
    let _receipt = worker.renew(&second, Deadline(300), Now(0)).unwrap();
    claim(&mut worker, id(3), &host, 2);
    let dump = tree.snapshot().dump().unwrap();
    let copy = ProviderTree::load(&dump).unwrap();
    assert_eq!(
        (copy.snapshot().dump().unwrap(), copy.next_deadline()),
        (dump, Some(Deadline(100)))
    );
    let mut worker = copy.worker().unwrap();
    assert_eq!(consumers(&worker.expire(Now(100)).unwrap()), [id(1)]);
    assert_eq!(consumers(&worker.expire(Now(300)).unwrap()), [id(2)]);
    assert_eq!(copy.snapshot().consumers().unwrap(), [id(3)]);
}

/// A lease of one forest names a cell of that forest; in another it means nothing.
#[test]
fn a_lease_of_another_forest_is_refused() {
    let (_other, other_host, mut other_worker) = one_host(8);
    let foreign = other_worker.lease(&cpus(id(1), &other_host, 5), Deadline(100)).unwrap();
    let (tree, host, mut worker) = one_host(8);
    let _own = worker.lease(&cpus(id(2), &host, 5), Deadline(100)).unwrap();
    let error = Error::ForeignLease { consumer: id(1) };
    assert_eq!(refused(&tree, || worker.confirm(&foreign, Now(0))), error);
    assert_eq!(refused(&tree, || worker.renew(&foreign, Deadline(50), Now(0))), error);
    assert_eq!(refused(&tree, || worker.cancel(&foreign)), error);
}

//! Consumers: claims, gangs, batches, leases.

use provider_tree::{Batch, Claim, Deadline, Error, Expect, Now};

use crate::site::{DISK, GUEST, MEMORY, Site, TENANT, VCPU, check, cpus, id, of, refuses};

#[test]
fn of_claims_nothing_is_left() {
    check(claim);
}

#[test]
fn of_gangs_nothing_is_left() {
    check(gangs);
}

#[test]
fn of_batches_nothing_is_left() {
    check(batches);
}

#[test]
fn of_leases_nothing_is_left() {
    check(leases);
}

/// Claims that are refused, each for another reason.
fn refusals(site: &Site) -> Vec<Claim> {
    let Site { host, idle, pool, gone, foreign, .. } = site;
    let new = || Claim::new(id(9));
    let many = |new: Claim| (0..16_380).fold(new, |all, _| all.take(host, VCPU, 1));
    vec![
        cpus(id(9), host, 9),
        cpus(id(9), host, 1).take(host, MEMORY, 3),
        cpus(id(9), host, 1).take(pool, VCPU, 1),
        cpus(id(9), host, 1).take(idle, VCPU, 1),
        cpus(id(9), host, 1).take(gone, VCPU, 1),
        cpus(id(9), foreign, 1),
        cpus(id(9), host, 0),
        cpus(id(9), host, u64::MAX).take(host, VCPU, 1),
        new(),
        cpus(id(9), host, 1).require_generation(host, u64::MAX),
        new().take_with_ancestors(host, DISK, 1),
        new().take_with_ancestors(host, VCPU, 5),
        cpus(TENANT, host, 1),
        many(new()),
    ]
}

pub(crate) fn claim(site: &Site) {
    let Site { host, pool, gone, foreign, .. } = site;
    let mut worker = site.worker();
    let one = cpus(id(1), host, 1).take(pool, DISK, 10);
    let _receipt = worker.claim(&one).unwrap();
    refuses!(worker.claim(&one), Error::AlreadyHeld { .. });
    refuses!(worker.claim(&cpus(id(1), host, 2)), Error::ConsumerExists { .. });
    for refused in refusals(site) {
        assert!(worker.claim(&refused).is_err(), "{refused:?}");
        let generation = Expect::Generation(u64::MAX);
        assert!(worker.replace(&refused, generation).is_err(), "{refused:?}");
        if refused.consumer() != Some(TENANT) {
            assert!(worker.replace(&refused, Expect::Any).is_err(), "{refused:?}");
            assert!(worker.claim_partly(&refused.require_generation(host, u64::MAX)).is_err());
        }
    }
    let late = Expect::Mirror(u64::MAX);
    refuses!(worker.replace(&cpus(id(9), host, 1), late), Error::TooLarge { .. });
    // Wider ones, and narrower again.
    for amounts in [1, 2, 1] {
        let wide = (0..amounts).fold(cpus(id(1), host, 2), |all, _| all.take(pool, DISK, 1));
        let _receipt = worker.replace(&wide, Expect::Any).unwrap();
    }
    let _receipt = worker.replace(&cpus(id(2), host, 1), Expect::Any).unwrap();
    for number in [1, 2] {
        let _receipt = worker.release(id(number)).unwrap();
    }
    refuses!(worker.release(id(1)), Error::ConsumerNotFound { .. });
    refuses!(worker.release(id(9)), Error::ConsumerNotFound { .. });

    worker.take(host, &[(VCPU, 2), (MEMORY, 4)]).unwrap();
    refuses!(worker.take(host, &[(VCPU, 1), (VCPU, 9)]), Error::CapacityExceeded { .. });
    refuses!(worker.take(gone, &[(VCPU, 1)]), Error::Removed { .. });
    refuses!(worker.take(foreign, &[(VCPU, 1)]), Error::ForeignProvider { .. });
    refuses!(worker.put_back(host, &[(VCPU, 3)]), Error::NotTaken { .. });
    refuses!(worker.put_back(host, &[(DISK, 3)]), Error::NoInventory { .. });
    worker.put_back(host, &[(VCPU, 2), (MEMORY, 4)]).unwrap();
    assert!(worker.find(host.uuid()).is_some() && worker.find(gone.uuid()).is_none());
    // More than a worker keeps.
    let many = || (10..100).map(|number| Claim::new(id(number)).take(pool, DISK, 1));
    for one in many() {
        let _receipt = worker.claim(&one).unwrap();
    }
    for one in many() {
        let _receipt = worker.release(one.consumer().unwrap()).unwrap();
    }
}

pub(crate) fn gangs(site: &Site) {
    let Site { host, pool, gone, .. } = site;
    let mut worker = site.worker();
    let member = |number| cpus(id(number), host, 2);
    let members: Vec<_> = (0..5).map(member).collect();
    let made = worker.claim_gang(&members, 3).unwrap();
    assert_eq!(made.iter().filter(|member| member.is_ok()).count(), 3);
    refuses!(worker.claim_gang(&members[3..], 1), Error::TooFewFit { .. });
    assert!(worker.claim_gang(&members, 0).unwrap().iter().all(Result::is_err));
    refuses!(worker.claim_gang(&[member(3), member(3)], 1), Error::InvalidEntries { .. });
    for refused in refusals(site) {
        let fitting = Claim::new(id(4)).take(pool, DISK, 1);
        let _ = worker.claim_gang(&[fitting.clone(), refused.clone()], 2).unwrap_err();
        if worker.claim_gang(&[fitting, refused], 1).is_ok() {
            let _receipt = worker.release(id(4)).unwrap();
        }
    }
    for number in 0..3 {
        let _receipt = worker.release(id(number)).unwrap();
    }

    let partly = cpus(id(1), host, 5).take(host, VCPU, 5).take(pool, DISK, 5);
    assert_eq!(worker.claim_partly(&partly).unwrap().refused.len(), 1);
    refuses!(worker.claim_partly(&partly), Error::ConsumerExists { .. });
    let _receipt = worker.release(id(1)).unwrap();
    refuses!(worker.claim_partly(&cpus(id(2), host, 9)), Error::TooFewFit { .. });
    refuses!(worker.claim_partly(&cpus(id(2), gone, 1)), Error::TooFewFit { .. });
    refuses!(worker.claim_partly(&Claim::new(id(2))), Error::EmptyClaim { .. });
    let on_stale = cpus(id(2), host, 1).require_generation(host, u64::MAX);
    refuses!(worker.claim_partly(&on_stale), Error::GenerationConflict { .. });
    let chain = cpus(id(2), host, 1).take_with_ancestors(host, VCPU, 5);
    refuses!(worker.claim_partly(&chain), Error::CapacityExceeded { .. });
}

pub(crate) fn batches(site: &Site) {
    let Site { tree, host, idle, pool, gone, .. } = site;
    let mut worker = site.worker();
    let two = Batch::new().claim(cpus(id(1), host, 1)).claim(cpus(id(2), host, 1));
    let lease = worker.lease(&cpus(id(3), host, 1), Deadline(5)).unwrap();
    let receipts = worker.commit(&two).unwrap();
    refuses!(worker.commit(&two), Error::ConsumerExists { .. });
    let both = Batch::new()
        .release(id(1), Expect::Any)
        .release(lease.consumer(), Expect::Any)
        .replace(cpus(id(2), host, 3), Expect::Generation(receipts[1].generation))
        .claim(cpus(id(4), pool, 1).require_generation(pool, u64::MAX));
    refuses!(worker.commit(&both), Error::GenerationConflict { .. });
    for refused in refusals(site) {
        let fitting = Claim::new(id(4)).take(pool, DISK, 1);
        let batch = Batch::new().claim(fitting).replace(cpus(id(2), host, 2), Expect::Any);
        worker.commit(&batch.claim(refused)).unwrap_err();
    }
    let with = |batch: Batch| batch.claim(Claim::new(id(4)).take(pool, DISK, 1));
    let new = || with(Batch::new());
    refuses!(worker.commit(&with(new())), Error::InvalidEntries { .. });
    let absent = new().release(id(5), Expect::Any);
    refuses!(worker.commit(&absent), Error::ConsumerNotFound { .. });
    let stale = new().release(id(2), Expect::Generation(7));
    refuses!(worker.commit(&stale), Error::ConsumerConflict { .. });
    let stale = new().replace(cpus(id(5), host, 1), Expect::Generation(7));
    refuses!(worker.commit(&stale), Error::ConsumerConflict { .. });
    let shrunk = new().configure(host, of(DISK, 1), Expect::Any);
    refuses!(worker.commit(&shrunk), Error::InUse { .. });
    let stale = new().configure(pool, of(DISK, 90), Expect::Any).configure(
        idle,
        of(VCPU, 1),
        Expect::Generation(u64::MAX),
    );
    refuses!(worker.commit(&stale), Error::GenerationConflict { .. });
    let removed = new().configure(gone, of(DISK, 1), Expect::Any);
    refuses!(worker.commit(&removed), Error::Removed { .. });
    refuses!(worker.commit(&new().cordon(gone)), Error::Removed { .. });
    refuses!(worker.commit(&new().cordon(idle).uncordon(gone)), Error::Removed { .. });
    let both = Batch::new()
        .release(id(1), Expect::Any)
        .release(lease.consumer(), Expect::Any)
        .release(id(2), Expect::Generation(tree.allocations(id(2)).unwrap().generation))
        .configure(pool, of(DISK, 90), Expect::Any)
        .cordon(pool);
    assert_eq!(worker.commit(&both).unwrap().len(), 3);
    let back = Batch::new().uncordon(pool).configure(pool, of(DISK, 100), Expect::Any);
    worker.commit(&back).unwrap();
    assert_eq!(tree.next_deadline(), Some(Deadline(1_000_000)));
}

pub(crate) fn leases(site: &Site) {
    let Site { tree, host, foreign_lease, .. } = site;
    let mut worker = site.worker();
    for refused in refusals(site) {
        assert!(worker.lease(&refused, Deadline(3)).is_err(), "{refused:?}");
    }
    let new = |number| cpus(id(number), host, 1);
    refuses!(worker.lease(&new(9), Deadline(u64::MAX)), Error::TooLarge { .. });
    let mut lease = |number, deadline| worker.lease(&new(number), deadline).unwrap();
    let [one, two, three, four] =
        [(1, 100), (2, 20), (3, 30), (4, 40)].map(|(n, at)| lease(n, Deadline(at)));
    refuses!(worker.lease(&new(1), Deadline(50)), Error::AlreadyHeld { .. });
    refuses!(worker.lease(&cpus(id(1), host, 2), Deadline(50)), Error::ConsumerExists { .. });
    refuses!(worker.claim(&cpus(id(1), host, 2)), Error::ConsumerExists { .. });
    refuses!(worker.confirm(foreign_lease, Now(0)), Error::ForeignLease { .. });
    refuses!(worker.renew(foreign_lease, Deadline(1), Now(0)), Error::ForeignLease { .. });
    refuses!(worker.cancel(foreign_lease), Error::ForeignLease { .. });
    let _receipt = worker.confirm(&one, Now(5)).unwrap();
    let _receipt = worker.confirm(&one, Now(5)).unwrap();
    refuses!(worker.renew(&one, Deadline(60), Now(5)), Error::NotLeased { .. });
    refuses!(worker.cancel(&one), Error::NotLeased { .. });
    let _receipt = worker.renew(&two, Deadline(60), Now(5)).unwrap();
    let _receipt = worker.renew(&two, Deadline(15), Now(5)).unwrap();
    refuses!(worker.renew(&two, Deadline(u64::MAX), Now(5)), Error::TooLarge { .. });
    refuses!(worker.renew(&two, Deadline(60), Now(15)), Error::LeaseEnded { .. });
    refuses!(worker.confirm(&two, Now(15)), Error::LeaseEnded { .. });
    assert_eq!(worker.expire(Now(15)).unwrap().len(), 1);
    assert_eq!(worker.expire(Now(15)).unwrap().len(), 0);
    refuses!(worker.confirm(&two, Now(0)), Error::LeaseEnded { .. });
    refuses!(worker.renew(&two, Deadline(60), Now(0)), Error::LeaseEnded { .. });
    refuses!(worker.cancel(&two), Error::LeaseEnded { .. });
    let _receipt = worker.cancel(&three).unwrap();
    // What is replaced stays a lease, until it is released.
    let _receipt = worker.replace(&cpus(four.consumer(), host, 2), Expect::Any).unwrap();
    assert_eq!(tree.lease_of(four.consumer()).map(|lease| lease.consumer()), Some(id(4)));
    let _receipt = worker.release(four.consumer()).unwrap();
    let _receipt = worker.release(one.consumer()).unwrap();
    assert!(tree.lease_of(GUEST).is_some());
}

//! Snapshots, feeds, forks, dumps.

use std::task::{Context, Waker};
use std::time::Duration;

use provider_tree::{Claim, Deadline, Edit, Error, Expect, Now, ProviderTree};

use crate::site::{DISK, Site, TENANT, VCPU, check, cpus, id, of, refuses};

#[test]
fn of_snapshots_nothing_is_left() {
    check(snapshots);
}

#[test]
fn of_forks_nothing_is_left() {
    check(forks);
}

#[test]
fn of_dumps_nothing_is_left() {
    check(load);
}

/// Changes of every kind, and back.
fn change(site: &Site) {
    let Site { tree, rack, idle, pool, .. } = site;
    let mut worker = site.worker();
    for total in [80, 70, 100] {
        tree.configure(pool, of(DISK, total), Expect::Any).unwrap();
        tree.rename(idle, &format!("idle {total}")).unwrap();
        let new = tree.create_child(rack, "new", id(1)).unwrap();
        worker.lease(&Claim::new(id(1)).take(pool, DISK, 1), Deadline(9)).unwrap();
        tree.remove(&new).unwrap();
        assert_eq!(worker.expire(Now(9)).unwrap().len(), 1);
    }
    tree.rename(idle, "idle").unwrap();
}

pub(crate) fn snapshots(site: &Site) {
    let Site { tree, .. } = site;
    // Snapshots of several times, some bounded, which end in another order than they began.
    let mut held = Vec::new();
    for number in 0..9 {
        let snapshot = tree.snapshot();
        if number % 3 == 0 {
            snapshot.keep_at_most(number);
        }
        held.push(snapshot);
        change(site);
    }
    let mut feed = tree.subscribe(&held[4]).with_bound(2);
    change(site);
    held.swap(0, 7);
    held.swap(2, 5);
    for snapshot in held.drain(..) {
        let _ = snapshot.dump();
        let _ = snapshot.audit();
    }
    let _ = feed.poll();
    let mut feed = tree.subscribe(&tree.snapshot());
    change(site);
    let _ = feed.poll().unwrap();
    // One that waits and is woken, and others that end their wait.
    let mut others = [feed.clone(), feed.clone()];
    let context = &mut Context::from_waker(Waker::noop());
    assert!(feed.poll_changed(context).is_pending());
    assert!(others[0].poll_changed(context).is_pending());
    assert!(!others[1].wait(Duration::from_nanos(1)));
    drop(others);
    change(site);
    assert!(feed.wait(Duration::ZERO));
    let _ = feed.poll_touched().unwrap();
    assert!(feed.poll_changed(context).is_pending());
    drop(feed);
    // More than a worker leaves in place.
    let before = tree.snapshot();
    let mut worker = site.worker();
    for round in 0..40 {
        let _moment = tree.snapshot();
        worker.take(&site.host, &[(VCPU, 1)]).unwrap();
        worker.put_back(&site.host, &[(VCPU, 1)]).unwrap();
        tree.configure(&site.host, Edit::new().set_aggregates([id(round)]), Expect::Any).unwrap();
    }
    drop(worker);
    drop(before);
}

pub(crate) fn forks(site: &Site) {
    let Site { tree, host, idle, pool, gone, .. } = site;
    let mut worker = site.worker();
    let snapshot = tree.snapshot();
    let mut fork = snapshot.fork();
    fork.claim(&cpus(id(1), host, 1)).unwrap();
    fork.set_inventories(pool, of(DISK, 50)).unwrap();
    fork.uncordon(idle).unwrap();
    assert_eq!(fork.allocations(id(2)), Ok(None));
    refuses!(fork.claim(&cpus(id(1), host, 2)), Error::ConsumerExists { .. });
    refuses!(fork.claim(&cpus(id(3), host, 9)), Error::CapacityExceeded { .. });
    refuses!(fork.claim(&cpus(id(3), gone, 9)), Error::Removed { .. });
    refuses!(fork.release(id(3)), Error::ConsumerNotFound { .. });
    refuses!(fork.set_inventories(host, of(DISK, 1)), Error::InUse { .. });
    let batch = fork.to_batch_if_unchanged();
    // The consumer that was asked for and held nothing holds something.
    let _receipt = worker.claim(&cpus(id(2), host, 1)).unwrap();
    refuses!(worker.commit(&batch), Error::ProviderChanged { .. } | Error::ConsumerChanged { .. });
    let _receipt = worker.release(id(2)).unwrap();
    for total in [99, 100] {
        tree.configure(pool, of(DISK, total), Expect::Any).unwrap();
    }
    refuses!(worker.commit(&fork.to_batch()), Error::GenerationConflict { .. });

    let mut fork = tree.snapshot().fork();
    fork.claim(&cpus(id(1), host, 1)).unwrap();
    fork.set_inventories(pool, of(DISK, 50)).unwrap();
    assert_eq!(fork.allocations(id(2)), Ok(None));
    fork.release(TENANT).unwrap();
    fork.claim(&Claim::new(TENANT).take_with_ancestors(host, VCPU, 2)).unwrap();
    worker.commit(&fork.to_batch_if_unchanged()).unwrap();
    let _receipt = worker.release(id(1)).unwrap();
    tree.configure(pool, of(DISK, 100), Expect::Any).unwrap();
}

pub(crate) fn load(site: &Site) {
    let mut dump = site.tree.snapshot().dump().unwrap();
    let copy = ProviderTree::load(&dump).unwrap();
    assert_eq!(copy.snapshot().dump().unwrap(), dump);
    crate::books::assert_no_leaks(&copy);
    dump.consumers[0].allocations[0].amount += 1;
    refuses!(ProviderTree::load(&dump), Error::InvalidEntries { .. });
}

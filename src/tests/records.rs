//! A forest as full as can be: a thread that gives something back always finds a record for the
//! change, and then there is as much room as before.

use provider_tree::{Deadline, Now};
use std::sync::Barrier;
use std::thread;

use uuid::Uuid;

use crate::{
    Batch, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Result, Worker,
};

/// Counts the threads that give back at the same time. Each has a worker that begins without any
/// stock.
const THREADS: usize = 16;

/// Count the cells of one size that can grow out of the smallest size: the size of a provider with
/// 4 to 8 classes, then the next. The record at position 0 is nobody's.
const GROWN: [usize; 2] = [(1 << 11) - 1, (1 << 10) - 1];

fn consumer(number: usize) -> Uuid {
    Uuid::from_u128(1 << 100 | number as u128)
}

fn class(number: usize) -> ResourceClass {
    ResourceClass::new(&format!("CUSTOM_{number}")).unwrap()
}

fn inventories(classes: usize) -> Inventories {
    let add = |all: Inventories, number| all.with(class(number), Inventory::new(1 << 40));
    (0..classes).fold(Inventories::new(), add)
}

/// Holds a forest of providers with equally many classes, and with room for a number of amounts of
/// one consumer.
struct Forest {
    tree: ProviderTree,
    hosts: Vec<Provider>,
}

impl Forest {
    fn new(hosts: usize, classes: usize) -> Self {
        let tree = ProviderTree::new();
        let create = |number| {
            let host = tree.create_root(&format!("host {number}"), None).unwrap();
            tree.configure(&host, inventories(classes), Expect::Any).unwrap();
            host
        };
        let hosts = (0..hosts).map(create).collect();
        Forest { tree, hosts }
    }

    fn worker(&self) -> Worker {
        self.tree.worker().unwrap()
    }

    /// Returns a claim of `amounts` amounts, of three classes of each provider.
    fn claim(&self, number: usize, amounts: usize) -> Claim {
        (0..amounts).fold(Claim::new(consumer(number)), |claim, amount| {
            claim.take(&self.hosts[amount / 3], class(amount % 3), 1)
        })
    }

    /// Claims `amounts` amounts for each of as many consumers as there is room for, and returns how
    /// many consumers that is.
    fn fill(&self, amounts: usize) -> usize {
        let mut worker = self.worker();
        let refused = |number: &usize| worker.claim(&self.claim(*number, amounts)).is_err();
        let consumers = (0..).find(refused).unwrap();
        self.assert_holds(consumers, amounts);
        let (what, limit) = too_large(worker.claim(&self.claim(consumers, amounts)));
        match amounts {
            ..=3 => assert_eq!(
                (what, limit),
                ("the forest, in which a provider counts three times and a consumer once", 1 << 12)
            ),
            _ => assert_eq!(what, "the providers and consumers of about one size"),
        }
        self.assert_holds(consumers, amounts);
        consumers
    }

    /// Runs `body` in many threads at once, each for its part of the consumers. No thread lives on
    /// what another worker leaves: all workers stay until the end.
    fn together(&self, consumers: usize, body: impl Fn(&mut Worker, usize) + Sync) {
        let start = Barrier::new(THREADS);
        let run = |first| {
            let mut worker = self.worker();
            start.wait();
            (first..consumers).step_by(THREADS).for_each(|number| body(&mut worker, number));
            worker
        };
        thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> =
                (0..THREADS).map(|first| scope.spawn(move || run(first))).collect();
            let workers = threads.into_iter().map(|thread| thread.join().unwrap());
            drop(workers.collect::<Vec<_>>());
        });
    }

    fn assert_holds(&self, consumers: usize, amounts: usize) {
        assert_eq!(self.tree.snapshot().consumers().unwrap().len(), consumers);
        let audit = self.tree.snapshot().audit().unwrap();
        assert!(audit.holds(), "{audit:?}");
        let used = self.tree.usage(&self.hosts[0], class(0)).unwrap().used;
        assert_eq!(used as usize, if amounts == 0 { 0 } else { consumers });
    }
}

fn too_large<T: std::fmt::Debug>(result: Result<T>) -> (&'static str, u64) {
    match result {
        Err(Error::TooLarge { what, limit, full: true }) => (what, limit),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_forest_takes_back_everything_and_has_room_again() {
    let forest = Forest::new(1, 3);
    let consumers = forest.fill(3);
    for _ in 0..3 {
        forest.together(consumers, |worker, number| {
            let amounts = [(class(number % 3), 5)];
            worker.take(&forest.hosts[0], &amounts).unwrap();
            worker.put_back(&forest.hosts[0], &amounts).unwrap();
            let _receipt = worker.release(consumer(number)).unwrap();
        });
        forest.assert_holds(0, 0);
        assert_eq!(forest.fill(3), consumers);
    }
}

#[test]
fn so_it_does_beside_snapshots() {
    let forest = Forest::new(1, 3);
    let consumers = forest.fill(3);
    let first = forest.tree.snapshot();
    for _ in 0..3 {
        let full = forest.tree.snapshot();
        // The worker leaves as many older versions in place as it may, and does nothing more.
        let mut idle = forest.worker();
        let left = 10 * THREADS;
        for number in left..consumers {
            let _receipt = idle.release(consumer(number)).unwrap();
        }
        forest.together(left, |worker, number| {
            let _receipt = worker.release(consumer(number)).unwrap();
        });
        forest.assert_holds(0, 0);
        for snapshot in [&first, &full] {
            assert_eq!(snapshot.consumers().unwrap().len(), consumers);
            let held = snapshot.allocations(consumer(consumers - 1)).unwrap().unwrap();
            assert_eq!(held.allocations.len(), 3);
        }
        drop(idle);
        assert_eq!(forest.fill(3), consumers);
    }
}

#[test]
fn leases_end_in_a_full_forest() {
    let forest = Forest::new(1, 3);
    let consumers = forest.fill(3);
    for _ in 0..3 {
        forest.together(consumers, |worker, number| {
            let _receipt = worker.release(consumer(number)).unwrap();
        });
        let mut worker = forest.worker();
        let lease = |number| {
            worker.lease(&forest.claim(number, 3), Deadline(1 + number as u64 % 2)).unwrap()
        };
        let leases: Vec<_> = (0..consumers).map(lease).collect();
        too_large(worker.lease(&forest.claim(consumers, 3), Deadline(1)));
        drop(worker);
        forest.together(consumers, |worker, number| {
            if number % 2 == 1 {
                let _receipt = worker.cancel(&leases[number]).unwrap();
            }
            worker.expire(Now(1)).unwrap();
        });
        forest.assert_holds(0, 0);
        assert_eq!(forest.fill(3), consumers);
    }
}

#[test]
fn many_providers_go_from_a_full_forest_at_once() {
    let forest = Forest::new(1, 3);
    for _ in 0..3 {
        let top = forest.tree.create_root("top", None).unwrap();
        let list: Vec<_> = (0..1000)
            .map(|number| {
                ProviderSpec::new(Uuid::from_u128(7000 + number), format!("leaf {number}"))
                    .with_parent(top.uuid())
            })
            .collect();
        forest.tree.populate(&list).unwrap();
        let consumers = forest.fill(3);
        let more = |number: &usize| {
            forest.tree.create_child(&top, &format!("more {number}"), None).is_err()
        };
        let more = (0..).find(more).unwrap();
        too_large(forest.tree.create_child(&top, "one more", None));
        let changes = (0..consumers)
            .fold(Batch::new(), |batch, number| batch.release(consumer(number), Expect::Any));
        assert_eq!(forest.tree.remove(&top).unwrap(), 1001 + more);
        let receipts = forest.worker().commit(&changes).unwrap();
        assert_eq!(receipts.len(), consumers);
        forest.assert_holds(0, 0);
    }
}

#[test]
fn cells_that_grow_leave_room_to_those_that_change() {
    let forest = Forest::new(4, 3);
    assert_eq!(forest.fill(11), GROWN[0]);
    for round in 0..3 {
        let snapshot = (round == 1).then(|| forest.tree.snapshot());
        forest.together(GROWN[0], |worker, number| {
            let _receipt = worker.replace(&forest.claim(number, 10), Expect::Any).unwrap();
            let _receipt = worker.release(consumer(number)).unwrap();
        });
        forest.assert_holds(0, 0);
        assert_eq!(forest.fill(11), GROWN[0]);
        if let Some(snapshot) = snapshot {
            let held = snapshot.allocations(consumer(0)).unwrap().unwrap();
            assert_eq!(held.allocations.len(), 11);
        }
    }
    // The cells of the smallest size still have all records of that size.
    let _receipt = forest.worker().claim(&forest.claim(GROWN[0], 3)).unwrap();
}

#[test]
fn what_waits_for_a_snapshot_makes_room_to_grow() {
    let forest = Forest::new(4, 3);
    let mut worker = forest.worker();
    let consumers = (0..).find(|number| worker.claim(&forest.claim(*number, 11)).is_err()).unwrap();
    let snapshot = forest.tree.snapshot();
    for number in 0..100 {
        let _receipt = worker.release(consumer(number)).unwrap();
        let _receipt = worker.claim(&forest.claim(consumers + number, 11)).unwrap();
    }
    too_large(worker.claim(&forest.claim(0, 11)));
    assert_eq!(snapshot.consumers().unwrap().len(), consumers);
    assert_eq!(snapshot.allocations(consumer(0)).unwrap().unwrap().allocations.len(), 11);
}

#[test]
fn what_is_drawn_to_change_is_not_used_to_grow() {
    // A provider and a consumer are of one size.
    let forest = Forest::new(2, 6);
    let claim = |number, amounts| {
        (0..amounts).fold(Claim::new(consumer(number)), |claim, amount| {
            claim.take(&forest.hosts[0], class(amount), 1)
        })
    };
    let mut worker = forest.worker();
    let mut grown = (0..).find(|number| worker.claim(&claim(*number, 6)).is_err()).unwrap();
    let mut small = 1 << 20;
    for _ in 0..200 {
        worker.take(&forest.hosts[1], &[(class(0), 1)]).unwrap();
        grown += usize::from(worker.claim(&claim(grown, 6)).is_ok());
        if worker.replace(&claim(small, 3), Expect::Any).is_ok() {
            small += usize::from(worker.replace(&claim(small, 6), Expect::Any).is_ok());
        }
    }
    let grown = grown + (small - (1 << 20)) + forest.hosts.len();
    assert!(grown <= GROWN[0], "{grown} of one size");
}

#[test]
fn a_cell_that_shrinks_keeps_its_size_where_the_smaller_one_is_full() {
    let forest = Forest::new(10, 3);
    let large = 1 << 20;
    let _receipt = forest.worker().claim(&forest.claim(large, 27)).unwrap();
    let mut worker = forest.worker();
    let consumers = (0..).find(|number| worker.claim(&forest.claim(*number, 11)).is_err()).unwrap();
    for amounts in [10, 11, 27, 4, 3] {
        let _receipt = worker.replace(&forest.claim(large, amounts), Expect::Any).unwrap();
        let held = forest.tree.allocations(consumer(large)).unwrap();
        assert_eq!(held.allocations.len(), amounts);
    }
    forest.assert_holds(consumers + 1, 11);
}

#[test]
fn providers_with_many_classes_leave_room_to_their_changes() {
    let forest = Forest::new(0, 0);
    let spec = |number| {
        ProviderSpec::new(Uuid::from_u128(7000 + number as u128), format!("host {number}"))
            .with_inventories(inventories(10))
    };
    let list: Vec<_> = (0..GROWN[1] + 1).map(spec).collect();
    for _ in 0..3 {
        let (what, limit) = too_large(forest.tree.populate(&list));
        assert_eq!((what, limit), ("the providers and consumers of about one size", 1 << 10));
        assert!(forest.tree.providers().is_empty());
        let hosts = forest.tree.populate(&list[..GROWN[1]]).unwrap();
        let small = forest.tree.create_root("small", None).unwrap();
        for classes in [10, 17] {
            too_large(forest.tree.configure(&small, inventories(classes), Expect::Any));
        }
        assert_eq!(forest.tree.configuration(&small).unwrap().inventories.len(), 0);
        forest.tree.configure(&small, inventories(3), Expect::Any).unwrap();
        forest.together(hosts.len(), |worker, number| {
            let amounts = [(class(0), 2), (class(9), 3)];
            worker.take(&hosts[number], &amounts).unwrap();
            worker.put_back(&hosts[number], &amounts).unwrap();
        });
        for host in &hosts {
            forest.tree.configure(host, inventories(12), Expect::Any).unwrap();
        }
        let gone: usize =
            forest.tree.roots().iter().map(|root| forest.tree.remove(root).unwrap()).sum();
        assert_eq!(gone, GROWN[1] + 1);
    }
}

#[test]
fn who_would_be_refused_anyway_hears_why() {
    let forest = Forest::new(2, 3);
    let [host, other] = [forest.hosts[0], forest.hosts[1]];
    // These are far more workers for each record than a forest has outside of this test: the
    // workers withhold all records.
    let mut workers = Vec::new();
    loop {
        let mut worker = forest.worker();
        match worker.take(&host, &[(class(0), 1)]) {
            Ok(()) => workers.push(worker),
            Err(Error::TooLarge { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    let mut worker = forest.worker();
    let free = (1 << 40) - workers.len() as u64;
    let refused = worker.take(&host, &[(class(1), 1), (class(0), free + 1)]);
    let (provider, class_0) = (host.uuid(), class(0));
    let requested = free + 1;
    let expected = Error::CapacityExceeded { provider, class: class_0, requested, free };
    assert_eq!(refused, Err(expected));
    let refused = worker.put_back(&other, &[(class(2), 1)]);
    let (provider, class_2) = (other.uuid(), class(2));
    let expected = Error::NotTaken { provider, class: class_2, requested: 1, taken: 0 };
    assert_eq!(refused, Err(expected));
    too_large(worker.take(&host, &[(class(0), 1)]));
    too_large(worker.put_back(&host, &[(class(0), 1)]));
    let taken = workers.len() as u64;
    assert_eq!(forest.tree.usage(&host, class(0)).unwrap().used, taken);
    assert_eq!(forest.tree.usage(&host, class(1)).unwrap().used, 0);
    // A worker with a spare needs no other record, and a worker that goes leaves its spares to the
    // others.
    workers[0].put_back(&host, &[(class(0), 1)]).unwrap();
    workers.pop();
    worker.put_back(&host, &[(class(0), taken - 1)]).unwrap();
}

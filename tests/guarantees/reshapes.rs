//! Reshapes: inventories and what is held of them move from a root to its children, and back, in
//! one commit each, while others claim and release there.

use std::thread;

use provider_tree::{
    Batch, Claim, Dump, Error, Expect, Inventories, Provider, ProviderTree, Worker,
};
use uuid::Uuid;

use crate::rig::*;

const TOTAL: u64 = 64;

/// A root with two children. Either the root has all VCPU, or the children have half of it each.
struct Host {
    root: Provider,
    children: [Provider; 2],
}

impl Host {
    fn new(tree: &ProviderTree) -> Self {
        let root = host(tree, "root", TOTAL);
        let children = ["numa-0", "numa-1"].map(|name| tree.create_child(&root, name, None));
        Host { root, children: children.map(Result::unwrap) }
    }

    /// The provider from which a consumer takes, before or after a reshape to children.
    fn place(&self, consumer: Uuid, at_children: bool) -> &Provider {
        match at_children {
            true => &self.children[usize::from(consumer.as_bytes()[15] % 2)],
            false => &self.root,
        }
    }

    /// Moves everything that is held, with its inventories, as it was read; none if that has
    /// changed meanwhile.
    fn try_reshape(&self, tree: &ProviderTree, worker: &mut Worker, down: bool) -> Option<usize> {
        let half = if down { of(VCPU, TOTAL / 2) } else { Inventories::new() };
        let whole = if down { Inventories::new() } else { of(VCPU, TOTAL) };
        let mut batch = Batch::new().configure(&self.root, whole, Expect::Any);
        for child in &self.children {
            batch = batch.configure(child, half.clone(), Expect::Any);
        }
        let holders = tree.snapshot().holders(&self.root).unwrap();
        for holder in &holders {
            let held = tree.allocations(*holder)?;
            let amount = held.allocations[0].amount;
            let moved = cpus(*holder, self.place(*holder, down), amount);
            batch = batch.replace(moved, Expect::Generation(held.generation));
        }
        match worker.commit(&batch) {
            Ok(receipts) => {
                assert_eq!(receipts.len(), holders.len());
                Some(receipts.len())
            }
            Err(Error::ConsumerConflict { .. } | Error::InUse { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn reshape(&self, tree: &ProviderTree, worker: &mut Worker, down: bool) -> usize {
        loop {
            if let Some(moved) = self.try_reshape(tree, worker, down) {
                return moved;
            }
        }
    }

    /// Fails unless either the root or both children have inventories, and hold everything.
    fn check(&self, dump: &Dump) -> bool {
        check_books(dump);
        check_capacities(dump);
        let has = |provider: &Provider| {
            let found =
                dump.providers.iter().find(|dump| dump.configuration.uuid == provider.uuid());
            !found.unwrap().configuration.inventories.is_empty()
        };
        let [at_root, left, right] = [&self.root, &self.children[0], &self.children[1]].map(has);
        assert!(left == right && at_root != left, "{at_root} {left} {right}");
        left
    }
}

#[test]
fn g13_a_reshape_moves_inventories_and_what_is_held() {
    let tree = ProviderTree::new();
    let host = Host::new(&tree);
    let mut worker = tree.worker().unwrap();
    for number in 0..6 {
        claim(&mut worker, id(number), &host.root, 10);
    }
    assert_eq!(host.reshape(&tree, &mut worker, true), 6);
    assert!(host.check(&tree.snapshot().dump().unwrap()));
    assert_eq!(host.children.map(|child| used(&tree, &child)), [30, 30]);
    assert_eq!(host.reshape(&tree, &mut worker, false), 6);
    assert!(!host.check(&tree.snapshot().dump().unwrap()));
    assert_eq!((used(&tree, &host.root), tree.allocations(id(0)).unwrap().generation), (60, 3));
}

#[test]
fn g13_a_reshape_that_does_not_cover_everything_changes_nothing() {
    let tree = ProviderTree::new();
    let Host { root, children: [child, _] } = Host::new(&tree);
    let mut worker = tree.worker().unwrap();
    claim(&mut worker, id(1), &root, 10);
    claim(&mut worker, id(2), &root, 10);
    let batch = |total| {
        Batch::new()
            .configure(&root, Inventories::new(), Expect::Any)
            .configure(&child, of(VCPU, total), Expect::Any)
            .replace(cpus(id(1), &child, 10), Expect::Any)
    };
    let error = refused(&tree, || worker.commit(&batch(TOTAL)));
    assert_eq!(error, Error::InUse { provider: root.uuid(), class: VCPU, used: 10 });
    let both = batch(19).replace(cpus(id(2), &child, 10), Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&both)), exceeded(&child, 20, 19));
    let both = batch(20).replace(cpus(id(2), &child, 10), Expect::Any);
    worker.commit(&both).unwrap();
}

#[test]
fn g13_reshapes_under_live_claims_are_seen_whole() {
    let tree = ProviderTree::new();
    let host = Host::new(&tree);
    let mut worker = tree.worker().unwrap();
    // These stay, and move with each reshape.
    for number in 0..4 {
        claim(&mut worker, id(number), &host.root, 5);
    }
    let live = |worker: &mut Worker, seat: usize, round: u64| {
        let consumer = own(seat, round % 4);
        match worker.release(consumer) {
            Ok(_) | Err(Error::ConsumerNotFound { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        let mut nowhere = |claim: Claim| {
            let refused = worker.claim(&claim).unwrap_err();
            assert!(matches!(refused, Error::NoInventory { .. }), "{refused:?}");
        };
        // Never do both have an inventory.
        nowhere(cpus(consumer, &host.root, 1).take(&host.children[0], VCPU, 1));
        nowhere(cpus(consumer, &host.children[1], 1).take(&host.root, VCPU, 1));
        // There is room enough, wherever it is.
        let at = |at_children| cpus(consumer, host.place(consumer, at_children), 2);
        match worker.claim(&at(false)).or_else(|_| worker.claim(&at(true))) {
            Ok(_) | Err(Error::NoInventory { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        for _ in 0..20 {
            thread::yield_now();
        }
    };
    let moved = meanwhile(&tree, 2, live, |others| {
        let mut moved = 0;
        for turn in 0..200 {
            let down = turn % 2 == 0;
            moved += host.reshape(&tree, &mut worker, down);
            assert_eq!(host.check(&tree.snapshot().dump().unwrap()), down);
            if turn % 10 == 0 {
                others.go_on(1);
            }
        }
        moved
    });
    println!("{moved} consumers moved in 200 reshapes");
    assert!(moved > 4 * 200, "nothing was claimed by others");
    assert!(!host.check(&tree.snapshot().dump().unwrap()));
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn g13_a_reader_beside_reshapes_sees_no_half_state() {
    let tree = ProviderTree::new();
    let host = Host::new(&tree);
    let mut worker = tree.worker().unwrap();
    for number in 0..4 {
        claim(&mut worker, id(number), &host.root, 5);
    }
    let reshape = |worker: &mut Worker, _, round: u64| {
        host.reshape(&tree, worker, round.is_multiple_of(2));
    };
    let seen = meanwhile(&tree, 1, reshape, |others| {
        let mut seen = [0; 2];
        for _ in 0..300 {
            seen[usize::from(host.check(&tree.snapshot().dump().unwrap()))] += 1;
            for number in 0..4 {
                let held = tree.allocations(id(number)).unwrap().allocations;
                assert_eq!((held.len(), held[0].amount), (1, 5));
            }
            others.go_on(0);
        }
        seen
    });
    println!("seen at the root and at the children: {seen:?}");
    assert!(seen.iter().all(|seen| *seen > 0));
}

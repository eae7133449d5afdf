//! Batches: what they can do in one commit, and that one item that fails leaves everything as it
//! was.

use provider_tree::{
    Batch, Deadline, Error, Expect, Fault, Inventories, Now, Provider, ProviderTree, Worker,
};

use crate::rig::*;

/// Two full hosts of 8 VCPU, each held by one consumer.
fn full_hosts() -> (ProviderTree, [Provider; 2], Worker) {
    let (tree, hosts, mut worker) = two_hosts(8);
    claim(&mut worker, id(0), &hosts[0], 8);
    claim(&mut worker, id(1), &hosts[1], 8);
    (tree, hosts, worker)
}

#[test]
fn a_move() {
    let (tree, [from, to], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &from, 8);
    let moved = Batch::new().replace(cpus(id(1), &to, 8), Expect::Generation(1));
    assert_eq!(worker.commit(&moved).unwrap()[0].generation, 2);
    assert_eq!((used(&tree, &from), used(&tree, &to)), (0, 8));
}

#[test]
fn a_swap_on_full_providers() {
    let (tree, [left, right], mut worker) = full_hosts();
    let swap = Batch::new()
        .replace(cpus(id(0), &right, 8), Expect::Any)
        .replace(cpus(id(1), &left, 8), Expect::Any);
    assert_eq!(worker.commit(&swap).unwrap().len(), 2);
    assert_eq!(tree.snapshot().holders(&left).unwrap(), [id(1)]);
    assert_eq!(tree.snapshot().holders(&right).unwrap(), [id(0)]);
    check_books(&tree.snapshot().dump().unwrap());
}

#[test]
fn evict_and_place() {
    let (tree, [host, _], mut worker) = full_hosts();
    let place = cpus(id(2), &host, 8);
    assert_eq!(refused(&tree, || worker.claim(&place)), exceeded(&host, 8, 0));
    let batch = Batch::new().claim(place).release(id(0), Expect::Generation(1));
    let receipts = worker.commit(&batch).unwrap();
    let told: Vec<_> = receipts.iter().map(|receipt| receipt.consumer).collect();
    assert_eq!(told, [id(2), id(0)]);
    assert_eq!(tree.snapshot().holders(&host).unwrap(), [id(2)]);
}

#[test]
fn what_is_asked_is_summed_over_the_batch() {
    let (tree, [host, _], mut worker) = full_hosts();
    let batch = Batch::new().release(id(0), Expect::Any).claim(cpus(id(2), &host, 5)).claim(cpus(
        id(3),
        &host,
        4,
    ));
    let error = refused(&tree, || worker.commit(&batch));
    assert_eq!(error, exceeded(&host, 9, 8));
}

#[test]
fn a_replacement_and_a_release_rest_on_generations() {
    let (tree, [host, _], mut worker) = full_hosts();
    let _receipt = worker.replace(&cpus(id(0), &host, 7), Expect::Any).unwrap();
    let conflict = |expected, actual| Error::ConsumerConflict { consumer: id(0), expected, actual };
    let stale = Expect::Generation(1);
    let replace = |expect| Batch::new().replace(cpus(id(0), &host, 1), expect);
    let release = |expect| Batch::new().release(id(0), expect);
    for batch in [replace(stale), release(stale)] {
        assert_eq!(refused(&tree, || worker.commit(&batch)), conflict(1, Some(2)));
    }
    assert_eq!(worker.commit(&replace(Expect::Generation(2))).unwrap()[0].generation, 3);
    assert_eq!(worker.commit(&release(Expect::Generation(3))).unwrap()[0].generation, 3);
    let gone = refused(&tree, || worker.commit(&release(Expect::Generation(3))));
    assert_eq!(gone, conflict(3, None));
    let gone = refused(&tree, || worker.commit(&release(Expect::Any)));
    assert_eq!(gone, Error::ConsumerNotFound { consumer: id(0) });
}

#[test]
fn a_consumer_or_provider_comes_once() {
    let (tree, [host, other], mut worker) = full_hosts();
    let twice = Batch::new()
        .release(id(0), Expect::Any)
        .claim(cpus(id(2), &host, 1))
        .claim(cpus(id(0), &host, 1))
        .configure(&other, of(VCPU, 9), Expect::Any)
        .configure(&other, of(VCPU, 10), Expect::Any);
    let faults = vec![
        Fault::DuplicateConsumer { consumer: id(0) },
        Fault::DuplicateUuid { provider: other.uuid() },
    ];
    assert_eq!(refused(&tree, || worker.commit(&twice)), Error::InvalidEntries { faults });
}

#[test]
fn one_item_that_fails_leaves_everything_as_it_was() {
    let (tree, [host, other], mut worker) = full_hosts();
    let gone = tree.create_root("gone", None).unwrap();
    tree.remove(&gone).unwrap();
    let shut = host_cordoned(&tree);
    let elsewhere = ProviderTree::new().create_root("elsewhere", None).unwrap();
    // Everything in it would do by itself.
    let sound = || {
        Batch::new()
            .release(id(0), Expect::Generation(1))
            .claim(cpus(id(2), &host, 2))
            .replace(cpus(id(1), &host, 3), Expect::Generation(1))
            .configure(&other, of(VCPU, 3), Expect::Any)
    };
    let invalid = provider_tree::Inventory::new(1).with_reserved(2);
    let failing = [
        ("capacity", sound().claim(cpus(id(3), &host, 4))),
        ("inventory", sound().claim(cpus(id(3), &host, 1).take(&host, GPU, 1))),
        ("amount", sound().claim(cpus(id(3), &host, 0))),
        ("removed", sound().claim(cpus(id(3), &gone, 1))),
        ("cordoned", sound().claim(cpus(id(3), &shut, 1))),
        ("foreign", sound().claim(cpus(id(3), &elsewhere, 1))),
        ("empty", sound().claim(provider_tree::Claim::new(id(3)))),
        ("generation", sound().claim(cpus(id(3), &host, 1).require_generation(&host, 77))),
        ("not held", sound().release(id(3), Expect::Any)),
        ("consumer", sound().replace(cpus(id(3), &host, 1), Expect::Generation(1))),
        ("invalid", sound().configure(&host, Inventories::new().with(VCPU, invalid), Expect::Any)),
        ("provider", sound().configure(&host, of(VCPU, 9), Expect::Generation(77))),
        ("no inventory left", sound().configure(&host, Inventories::new(), Expect::Any)),
    ];
    for (what, batch) in failing {
        let error = refused(&tree, || worker.commit(&batch));
        assert_eq!(tree.allocations(id(3)), None, "{what}: {error:?}");
    }
    assert_eq!(worker.commit(&sound()).unwrap().len(), 3);
    check_books(&tree.snapshot().dump().unwrap());
}

fn host_cordoned(tree: &ProviderTree) -> Provider {
    let shut = host(tree, "shut", 8);
    tree.cordon(&shut).unwrap();
    shut
}

#[test]
fn what_exists_is_not_claimed_again() {
    let (tree, [host, other], mut worker) = full_hosts();
    let batch = Batch::new().release(id(1), Expect::Any).claim(cpus(id(0), &other, 1));
    let error = refused(&tree, || worker.commit(&batch));
    assert_eq!(error, Error::ConsumerExists { consumer: id(0), generation: 1 });
    assert_eq!(used(&tree, &host), 8);
}

#[test]
fn receipts_come_in_the_order_of_the_batch() {
    let (_tree, host, mut worker) = one_host(100);
    let numbers = [7, 3, 9, 1];
    for number in [3, 1] {
        claim(&mut worker, id(number), &host, 1);
    }
    let batch = Batch::new()
        .claim(cpus(id(7), &host, 1))
        .replace(cpus(id(3), &host, 2), Expect::Any)
        .replace(cpus(id(9), &host, 1), Expect::Any)
        .release(id(1), Expect::Any);
    let receipts = worker.commit(&batch).unwrap();
    let told: Vec<_> = receipts.iter().map(|receipt| receipt.consumer).collect();
    assert_eq!(told, numbers.map(id));
    let generations: Vec<_> = receipts.iter().map(|receipt| receipt.generation).collect();
    assert_eq!(generations, [1, 2, 1, 1]);
}

#[test]
fn a_move_of_a_lease_keeps_its_deadline() {
    let (tree, [from, to], mut worker) = two_hosts(8);
    let lease = worker.lease(&cpus(id(1), &from, 8), Deadline(100)).unwrap();
    worker.commit(&Batch::new().replace(cpus(id(1), &to, 8), Expect::Generation(1))).unwrap();
    assert_eq!(tree.allocations(id(1)).unwrap().deadline, Some(Deadline(100)));
    assert_eq!(worker.confirm(&lease, Now(99)).unwrap().generation, 3);
}

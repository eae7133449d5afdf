//! A forest that has run out of cells.

use provider_tree::Deadline;
use uuid::Uuid;

use crate::step::{Step, with_steps};
use crate::{
    Batch, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Worker,
};

fn consumer(number: u128) -> Uuid {
    Uuid::from_u128(1 << 100 | number)
}

fn claim(host: &Provider, number: u128, amount: u64) -> Claim {
    Claim::new(consumer(number)).take(host, ResourceClass::VCPU, amount)
}

/// Returns a forest with as many consumers as fit.
fn full() -> (ProviderTree, Provider, Worker, u128) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1 << 40));
    tree.configure(&host, inventories, Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    // The cells of this one are the worker's, to be used again.
    let gone = ProviderSpec::new(Uuid::from_u128(6), "gone");
    let _receipts = worker.commit(&Batch::new().create(gone.clone())).unwrap();
    let gone = tree.find(gone.uuid).unwrap();
    let _receipts = worker.commit(&Batch::new().remove(&gone)).unwrap();
    let consumers = fill(&host, &mut worker, 0);
    (tree, host, worker, consumers)
}

/// Makes claims until there is no room; returns the number of the consumer that found none.
fn fill(host: &Provider, worker: &mut Worker, first: u128) -> u128 {
    let mut next = first;
    loop {
        match worker.claim(&claim(host, next, 1)) {
            Ok(_) => next += 1,
            Err(error) if error.is_full() => return next,
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_claim_that_is_repeated_hears_so_without_a_free_cell() {
    let (tree, host, mut worker, consumers) = full();
    let last = consumers - 1;
    let again = worker.claim(&claim(&host, last, 1));
    assert!(matches!(again, Err(Error::AlreadyHeld { generation: 1, .. })), "{again:?}");
    let other = worker.lease(&claim(&host, last, 2), Deadline(9));
    assert!(matches!(other, Err(Error::ConsumerExists { .. })), "{other:?}");
    assert_eq!(tree.usage(&host, ResourceClass::VCPU).unwrap().used as u128, consumers);
}

#[test]
fn what_is_refused_for_want_of_cells_leaves_no_key_behind() {
    let (tree, host, mut worker, consumers) = full();
    // There is room for one of two consumers.
    let _receipt = worker.release(consumer(0)).unwrap();
    let two = [claim(&host, consumers, 1), claim(&host, consumers + 1, 1)];
    for _ in 0..3 {
        let batch = two.iter().cloned().fold(Batch::new(), Batch::claim);
        assert!(matches!(worker.commit(&batch), Err(Error::TooLarge { .. })));
        assert!(matches!(worker.claim_gang(&two, 1), Err(Error::TooLarge { .. })));
    }
    assert_eq!(tree.snapshot().consumers().unwrap().len() as u128, consumers - 1);
    let _receipt = worker.claim(&two[1]).unwrap();
}

#[test]
fn a_batch_that_is_made_anew_and_finds_no_cell_then_leaves_no_key_behind() {
    let (tree, host, mut worker, consumers) = full();
    for number in 0..2 {
        let _receipt = worker.release(consumer(number)).unwrap();
    }
    drop(worker);
    let mut is_first = true;
    let visit = {
        let tree = tree.clone();
        move |reached| {
            if reached == Step::ConfigurationPublished && std::mem::take(&mut is_first) {
                // Another thread uses the keys of both consumers, so that they are given up, and their cells.
                let mut other = tree.worker().unwrap();
                for number in [consumers, consumers + 1] {
                    let _receipt = other.claim(&claim(&host, number, 1)).unwrap();
                    let _receipt = other.release(consumer(number)).unwrap();
                }
                assert_eq!(fill(&host, &mut other, consumers + 2), consumers + 4);
            }
        }
    };
    let new = ProviderSpec::new(Uuid::from_u128(7), "new").with_parent(host.uuid());
    let batch = Batch::new().create(new).claim(claim(&host, consumers, 1)).claim(claim(
        &host,
        consumers + 1,
        1,
    ));
    let mut worker = tree.worker().unwrap();
    let committed = with_steps(visit, || worker.commit(&batch));
    assert!(matches!(committed, Err(Error::TooLarge { .. })), "{committed:?}");
    assert_eq!(tree.snapshot().consumers().unwrap().len() as u128, consumers);
    drop(worker);
    let memory = tree.memory();
    assert_eq!((memory.uuid_entries, memory.name_entries), (1, 1), "{memory}");
}

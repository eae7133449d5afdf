//! A forest that has run out of cells.

use provider_tree::Deadline;
use uuid::Uuid;

use crate::{
    Batch, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass,
    Worker,
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
    let mut consumers = 0;
    loop {
        match worker.claim(&claim(&host, consumers, 1)) {
            Ok(_) => consumers += 1,
            Err(Error::TooLarge { .. }) => return (tree, host, worker, consumers),
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

//! Overcommitment: an inventory may shrink below what is used. It is reported, and from then on
//! only what does not add to it passes.

use provider_tree::{
    Batch, Error, Expect, Overcommit, Provider, ProviderTree, ResourceClass, Usage, Worker,
};
use uuid::Uuid;

use crate::rig::*;

/// A host of which 8 VCPU are used, by two consumers, and its capacity then shrunk to 4.
fn shrunk() -> (ProviderTree, Provider, Worker) {
    let (tree, host, mut worker) = one_host(8);
    claim(&mut worker, id(1), &host, 5);
    claim(&mut worker, id(2), &host, 3);
    set(&tree, &host, of(VCPU, 4));
    (tree, host, worker)
}

type Over = (Option<Provider>, Uuid, ResourceClass, Usage);

fn over(provider: &Provider, capacity: u64, used: u64) -> Over {
    (Some(*provider), provider.uuid(), VCPU, Usage { capacity, used })
}

fn each(found: &[Overcommit]) -> Vec<Over> {
    found.iter().map(|it| (it.handle(), it.provider, it.class, it.usage)).collect()
}

#[test]
fn it_is_reported_until_it_is_worked_off() {
    let (tree, host, mut worker) = shrunk();
    assert_eq!(each(&tree.snapshot().overcommitted().unwrap()), [over(&host, 4, 8)]);
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds());
    assert_eq!(each(&audit.overcommitted), [over(&host, 4, 8)]);
    let _receipt = worker.replace(&cpus(id(1), &host, 2), Expect::Any).unwrap();
    assert_eq!(each(&tree.snapshot().overcommitted().unwrap()), [over(&host, 4, 5)]);
    let _receipt = worker.release(id(2)).unwrap();
    assert_eq!(tree.snapshot().overcommitted().unwrap(), []);
    claim(&mut worker, id(3), &host, 2);
}

#[test]
fn g01_what_adds_to_it_is_refused() {
    let (tree, host, mut worker) = shrunk();
    assert_eq!(refused(&tree, || worker.claim(&cpus(id(3), &host, 1))), exceeded(&host, 1, 0));
    let grown = cpus(id(2), &host, 4);
    // Beside the 5 of the other there is no room for any.
    assert_eq!(refused(&tree, || worker.replace(&grown, Expect::Any)), exceeded(&host, 4, 0));
    assert_eq!(refused(&tree, || worker.take(&host, &[(VCPU, 1)])), exceeded(&host, 1, 0));
    let grown = Batch::new()
        .replace(cpus(id(1), &host, 7), Expect::Any)
        .replace(cpus(id(2), &host, 2), Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&grown)), exceeded(&host, 9, 4));
}

#[test]
fn g01_what_does_not_add_to_it_passes() {
    let (tree, host, mut worker) = shrunk();
    let _receipt = worker.replace(&cpus(id(1), &host, 5), Expect::Any).unwrap();
    // One more for the one, one less for the other.
    let shifted = Batch::new()
        .replace(cpus(id(1), &host, 6), Expect::Any)
        .replace(cpus(id(2), &host, 2), Expect::Any);
    worker.commit(&shifted).unwrap();
    let handed = Batch::new().release(id(2), Expect::Any).claim(cpus(id(3), &host, 2));
    worker.commit(&handed).unwrap();
    let _receipt = worker.replace(&cpus(id(1), &host, 5), Expect::Any).unwrap();
    assert_eq!(each(&tree.snapshot().overcommitted().unwrap()), [over(&host, 4, 7)]);
    check_books(&tree.snapshot().dump().unwrap());
}

#[test]
fn what_is_in_use_does_not_go() {
    let (tree, host, _worker) = shrunk();
    let error = refused(&tree, || tree.configure(&host, of(MEMORY, 1), Expect::Any));
    assert_eq!(error, Error::InUse { provider: host.uuid(), class: VCPU, used: 8 });
    assert_eq!(refused(&tree, || tree.remove(&host)), error);
}

#[test]
fn a_dump_keeps_it() {
    let (tree, host, _worker) = shrunk();
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    let copied = copy.find(host.uuid()).unwrap();
    assert_eq!(each(&copy.snapshot().overcommitted().unwrap()), [over(&copied, 4, 8)]);
}

#[test]
fn while_an_inventory_shrinks_and_grows_nothing_is_added_beyond_it() {
    let (tree, host, _worker) = one_host(8);
    let work = |worker: &mut Worker, seat: usize, round: u64| {
        let wanted = round % 3 + 1;
        match churn(worker, seat, round, |claim| claim.take(&host, VCPU, wanted)) {
            Ok(()) => {}
            Err(Error::CapacityExceeded { requested, free, .. }) => {
                assert_eq!(requested, wanted);
                assert!(free < requested);
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    meanwhile(&tree, 3, work, |others| {
        for _ in 0..200 {
            set(&tree, &host, of(VCPU, 2));
            let mut before = used(&tree, &host);
            for _ in 0..10 {
                let now = used(&tree, &host);
                assert!(now <= before.max(2), "{before} grew to {now}");
                before = now;
            }
            set(&tree, &host, of(VCPU, 20));
            others.go_on(1);
            assert!(used(&tree, &host) <= 20);
        }
    });
    check_books(&tree.snapshot().dump().unwrap());
}

//! Bounds, one below, at, and one above.

use provider_tree::{
    Batch, Claim, Deadline, Edit, Error, Expect, Inventories, Inventory, InventoryFault, Now,
    Provider, ProviderSpec, ProviderTree, Receipt, ResourceClass, Result, Worker,
};
use uuid::Uuid;

use crate::rig::*;

fn class(number: usize) -> ResourceClass {
    ResourceClass::new(&format!("CUSTOM_BOUND_{number}")).unwrap()
}

/// So many classes, of 8 each.
fn classes(count: usize) -> Inventories {
    (0..count).map(|number| (class(number), Inventory::new(8))).collect()
}

const WIDE: usize = 128;

/// Providers that have more classes together than a consumer can hold.
fn wide() -> (ProviderTree, Vec<Provider>, Worker) {
    let tree = ProviderTree::new();
    let spec = |number: usize| {
        let spec = ProviderSpec::new(id(number as u64), format!("host-{number}"));
        spec.with_inventories(classes(WIDE))
    };
    let hosts = tree.populate(&(0..WIDE).map(spec).collect::<Vec<_>>()).unwrap();
    let worker = tree.worker().unwrap();
    (tree, hosts, worker)
}

/// A claim of so many amounts.
fn amounts(consumer: Uuid, hosts: &[Provider], count: usize) -> Claim {
    let mut claim = Claim::new(consumer);
    (0..count).for_each(|at| claim.extend([(hosts[at % WIDE], class(at / WIDE), 1)]));
    claim
}

#[test]
fn a_consumer_holds_at_most_16379_amounts() {
    type Call = fn(&mut Worker, &Claim) -> Result<Receipt>;
    let calls: [Call; 5] = [
        |worker, claim| worker.claim(claim),
        |worker, claim| worker.replace(claim, Expect::Any),
        |worker, claim| Ok(worker.commit(&Batch::new().claim(claim.clone()))?[0]),
        |worker, claim| Ok(worker.commit(&Batch::new().replace(claim.clone(), Expect::Any))?[0]),
        |worker, claim| worker.claim_gang(std::slice::from_ref(claim), 1)?.remove(0),
    ];
    let (tree, hosts, mut worker) = wide();
    let too_many =
        Error::TooLarge { what: "amounts that one consumer holds", limit: 16_379, full: false };
    let [below, at, above] = [16_378, 16_379, 16_380].map(|count| amounts(id(1), &hosts, count));
    for call in calls {
        assert_eq!(call(&mut worker, &above), Err(too_many.clone()));
        assert_eq!((tree.snapshot().consumers().unwrap(), used_of(&tree, &hosts)), (Vec::new(), 0));
    }
    let _receipt = worker.claim(&below).unwrap();
    for call in calls {
        let _receipt = worker.release(id(1)).unwrap();
        let _receipt = call(&mut worker, &at).unwrap();
        assert_eq!(tree.allocations(id(1)).unwrap().allocations.len(), 16_379);
    }
    let _receipt = worker.release(id(1)).unwrap();
    // A fork knows it, too.
    let mut fork = tree.snapshot().fork();
    assert_eq!(fork.claim(&above), Err(too_many));
    fork.claim(&at).unwrap();
    assert_eq!(worker.commit(&fork.to_batch()).unwrap().len(), 1);
    assert!(tree.snapshot().audit().unwrap().holds());
    // And a forest that is loaded.
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    assert_eq!(copy.snapshot().dump().unwrap(), tree.snapshot().dump().unwrap());
}

#[test]
fn a_lease_has_at_most_16379_amounts() {
    let (tree, hosts, mut worker) = wide();
    let too_many =
        Error::TooLarge { what: "amounts that one consumer holds", limit: 16_379, full: false };
    let [below, at, above] = [16_378, 16_379, 16_380].map(|count| amounts(id(1), &hosts, count));
    assert_eq!(worker.lease(&above, Deadline(50)), Err(too_many.clone()));
    assert_eq!((tree.snapshot().consumers().unwrap(), tree.next_deadline()), (Vec::new(), None));
    let lease = worker.lease(&below, Deadline(50)).unwrap();
    let _receipt = worker.replace(&at, Expect::Any).unwrap();
    let before = tree.allocations(id(1));
    assert_eq!(worker.replace(&above, Expect::Any), Err(too_many.clone()));
    let batch = Batch::new().replace(above.clone(), Expect::Any);
    assert_eq!(worker.commit(&batch), Err(too_many.clone()));
    assert_eq!(tree.snapshot().fork().replace(&above), Err(too_many));
    assert_eq!(tree.allocations(id(1)), before);
    let _receipt = worker.renew(&lease, Deadline(60), Now(0)).unwrap();
    let _receipt = worker.confirm(&lease, Now(0)).unwrap();
    let _receipt = worker.release(id(1)).unwrap();
    assert!(worker.lease(&at, Deadline(50)).is_ok());
    assert!(tree.snapshot().audit().unwrap().holds());
}

fn used_of(tree: &ProviderTree, hosts: &[Provider]) -> u64 {
    let usages = hosts.iter().flat_map(|host| tree.usages(host).unwrap());
    usages.map(|(_, usage)| usage.used).sum()
}

#[test]
fn a_provider_has_at_most_10080_classes() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let too_many = Error::TooLarge { what: "classes of one provider", limit: 10_080, full: false };
    let listed = |count| {
        [ProviderSpec::new(id(9), format!("listed-{count}")).with_inventories(classes(count))]
    };
    for count in [10_079, 10_080] {
        set(&tree, &host, classes(count));
        assert_eq!(tree.usages(&host).unwrap().len(), count);
        let provider = tree.populate(&listed(count)).unwrap()[0];
        assert_eq!(tree.usages(&provider).unwrap().len(), count);
        let batch = Batch::new().configure(&host, classes(count), Expect::Any);
        tree.worker().unwrap().commit(&batch).unwrap();
    }
    let error = refused(&tree, || tree.configure(&host, classes(10_081), Expect::Any));
    assert_eq!(error, too_many);
    assert_eq!(refused(&tree, || tree.populate(&listed(10_081))), too_many);
}

#[test]
fn amounts_go_as_far_as_a_number() {
    let (tree, host, mut worker) = one_host(u64::MAX);
    for amount in [1, u64::MAX - 1, u64::MAX] {
        claim(&mut worker, id(1), &host, amount);
        assert_eq!(used(&tree, &host), amount);
        match u64::MAX - amount {
            0 => {}
            rest => {
                claim(&mut worker, id(2), &host, rest);
                let _receipt = worker.release(id(2)).unwrap();
            }
        }
        if amount > 1 {
            let more = u64::MAX - amount + 1;
            let error = refused(&tree, || worker.claim(&cpus(id(2), &host, more)));
            assert_eq!(error, exceeded(&host, more, more - 1));
        }
        let _receipt = worker.release(id(1)).unwrap();
    }
    worker.take(&host, &[(VCPU, u64::MAX)]).unwrap();
    let error = refused(&tree, || worker.take(&host, &[(VCPU, 1)]));
    assert_eq!(error, exceeded(&host, 1, 0));
    worker.put_back(&host, &[(VCPU, u64::MAX - 1)]).unwrap();
    let not_taken = Error::NotTaken { provider: host.uuid(), class: VCPU, requested: 2, taken: 1 };
    assert_eq!(refused(&tree, || worker.put_back(&host, &[(VCPU, 2)])), not_taken);
    worker.put_back(&host, &[(VCPU, 1)]).unwrap();
}

#[test]
fn what_is_free_can_be_had_and_no_more() {
    for capacity in [1, 2, 8] {
        let (tree, host, mut worker) = one_host(capacity);
        let error = refused(&tree, || worker.claim(&cpus(id(1), &host, capacity + 1)));
        assert_eq!(error, exceeded(&host, capacity + 1, capacity));
        claim(&mut worker, id(1), &host, capacity);
        let error = refused(&tree, || worker.claim(&cpus(id(2), &host, 1)));
        assert_eq!(error, exceeded(&host, 1, 0));
        let error =
            refused(&tree, || worker.replace(&cpus(id(1), &host, capacity + 1), Expect::Any));
        assert_eq!(error, exceeded(&host, capacity + 1, capacity));
    }
}

#[test]
fn units_are_kept_to_the_unit() {
    let (tree, host, mut worker) = one_host(0);
    let inventory = Inventory { min_unit: 6, max_unit: 12, step_size: 3, ..Inventory::new(24) };
    set(&tree, &host, Inventories::new().with(VCPU, inventory));
    for amount in 1..=13 {
        let claim = cpus(id(1), &host, amount);
        let fits = tree.snapshot().fork().fits(&claim);
        match [6, 9, 12].contains(&amount) {
            true => {
                assert_eq!(fits, Ok(()));
                let _receipt = worker.claim(&claim).unwrap();
                let _receipt = worker.release(id(1)).unwrap();
            }
            false => {
                let violation = Error::UnitViolation {
                    provider: host.uuid(),
                    class: VCPU,
                    requested: amount,
                    min_unit: 6,
                    max_unit: 12,
                    step_size: 3,
                };
                assert_eq!(fits, Err(violation.clone()));
                assert_eq!(refused(&tree, || worker.claim(&claim)), violation);
            }
        }
    }
}

#[test]
fn units_go_as_far_as_a_number() {
    let (tree, host, mut worker) = one_host(u64::MAX);
    let all = Inventory::new(u64::MAX);
    let only_all =
        [Inventory { min_unit: u64::MAX, ..all }, Inventory { step_size: u64::MAX, ..all }];
    for inventory in only_all {
        set(&tree, &host, Inventories::new().with(VCPU, inventory));
        let less = cpus(id(1), &host, u64::MAX - 1);
        let error = refused(&tree, || worker.claim(&less));
        assert!(
            matches!(error, Error::UnitViolation { requested, .. } if requested == u64::MAX - 1)
        );
        claim(&mut worker, id(1), &host, u64::MAX);
        let _receipt = worker.release(id(1)).unwrap();
    }
}

#[test]
fn inventories_are_checked_to_the_unit() {
    let fault = |inventory: Inventory| inventory.capacity().err();
    let of = Inventory::new(8);
    assert_eq!(of.with_reserved(7).capacity(), Ok(1));
    assert_eq!(of.with_reserved(8).capacity(), Ok(0));
    let above = InventoryFault::ReservedAboveTotal { reserved: 9, total: 8 };
    assert_eq!(fault(of.with_reserved(9)), Some(above));
    assert_eq!(fault(Inventory { min_unit: 5, max_unit: 5, ..of }), None);
    let above = InventoryFault::MinAboveMax { min_unit: 6, max_unit: 5 };
    assert_eq!(fault(Inventory { min_unit: 6, max_unit: 5, ..of }), Some(above));
    assert_eq!(fault(Inventory { min_unit: 0, ..of }), Some(InventoryFault::ZeroMinUnit));
    assert_eq!(fault(Inventory { step_size: 0, ..of }), Some(InventoryFault::ZeroStep));
    for ratio in [1e-9, 1e6] {
        assert_eq!(fault(of.with_allocation_ratio(ratio)), None);
    }
    for ratio in [0.0, 0.9e-9, 1_000_000.1, -1.0, f64::INFINITY] {
        let out_of_range = InventoryFault::RatioOutOfRange { ratio };
        assert_eq!(fault(of.with_allocation_ratio(ratio)), Some(out_of_range));
    }
    let doubled = |total| Inventory::new(total).with_allocation_ratio(2.0);
    assert_eq!(doubled(u64::MAX / 2).capacity(), Ok(u64::MAX - 1));
    assert_eq!(fault(doubled(u64::MAX / 2 + 1)), Some(InventoryFault::CapacityOverflow));
}

#[test]
fn names_have_so_many_bytes() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    // Bytes, not characters.
    let names = |bytes: usize| ["x".repeat(bytes), "ä".repeat(bytes / 2) + &"x".repeat(bytes % 2)];
    for name in [2, 1_023, 1_024].into_iter().flat_map(names).chain(["x".to_owned()]) {
        let made = tree.create_child(&host, &name, None).unwrap();
        assert_eq!(tree.find(&*name), Some(made));
        tree.rename(&made, "other").unwrap();
        tree.rename(&made, &name).unwrap();
        tree.remove(&made).unwrap();
        tree.populate(&[ProviderSpec::new(id(1), name)]).unwrap();
    }
    for name in [0, 1_025].into_iter().flat_map(names) {
        let is_invalid =
            |error| matches!(error, Error::InvalidName { length, .. } if length == name.len());
        assert!(is_invalid(refused(&tree, || tree.create_child(&host, &name, None))));
        assert!(is_invalid(refused(&tree, || tree.rename(&host, &name))));
        let listed = [ProviderSpec::new(id(1), name.clone())];
        let error = refused(&tree, || tree.populate(&listed));
        assert!(matches!(error, Error::InvalidEntries { .. }));
    }
    for length in [1, 254, 255] {
        assert!(ResourceClass::new(&"B".repeat(length)).is_ok());
    }
    assert!(matches!(
        ResourceClass::new(&"B".repeat(256)),
        Err(Error::InvalidName { length: 256, .. })
    ));
}

#[test]
fn deadlines_go_up_to_one_less_than_the_largest_number() {
    let (tree, host, mut worker) = one_host(8);
    let too_late = Error::TooLarge { what: "deadline", limit: u64::MAX - 1, full: false };
    for (number, deadline) in [(1, u64::MAX - 2), (2, u64::MAX - 1)] {
        let lease = worker.lease(&cpus(id(number), &host, 1), Deadline(deadline)).unwrap();
        let _receipt = worker.renew(&lease, Deadline(deadline), Now(0)).unwrap();
        assert_eq!(tree.allocations(id(number)).unwrap().deadline, Some(Deadline(deadline)));
        assert_eq!(refused(&tree, || worker.renew(&lease, Deadline(u64::MAX), Now(0))), too_late);
    }
    assert_eq!(
        refused(&tree, || worker.lease(&cpus(id(3), &host, 1), Deadline(u64::MAX))),
        too_late
    );
    let mut dump = tree.snapshot().dump().unwrap();
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
    dump.consumers[0].deadline = Some(Deadline(u64::MAX));
    assert!(ProviderTree::load(&dump).is_err());
    // The largest number is a time as any other.
    assert_eq!(worker.expire(Now(u64::MAX - 2)).unwrap().len(), 1);
    assert_eq!(worker.expire(Now(u64::MAX)).unwrap().len(), 1);
}

#[test]
fn generations_are_set_up_to_the_largest() {
    const LARGEST: u64 = i64::MAX as u64;
    let (tree, host, mut worker) = one_host(8);
    let too_large = Error::TooLarge { what: "generation", limit: LARGEST, full: false };
    claim(&mut worker, id(1), &host, 1);
    let mut replace = |generation| {
        let expect = Expect::Mirror(generation);
        worker.replace(&cpus(id(1), &host, 1), expect).map(|receipt| receipt.generation)
    };
    for generation in [LARGEST - 1, LARGEST] {
        assert_eq!(replace(generation), Ok(generation));
        let set = tree.configure(&host, Edit::new(), Expect::Mirror(generation));
        assert_eq!(set.map(|set| set.generation), Ok(generation));
    }
    assert_eq!(replace(LARGEST + 1), Err(too_large.clone()));
    assert_eq!(
        tree.configure(&host, Edit::new().set_traits([]), Expect::Mirror(LARGEST + 1)),
        Err(too_large)
    );
    // From there it grows on.
    let grown = worker.replace(&cpus(id(1), &host, 1), Expect::Any).unwrap();
    assert_eq!(grown.generation, LARGEST + 1);
}

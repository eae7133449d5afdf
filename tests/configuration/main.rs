//! Inventories, traits, aggregates, generations.

use std::collections::BTreeSet;

use provider_tree::{
    Claim, Edit, Error, Expect, Inventories, Inventory, InventoryFault, Provider, ProviderTree,
    ResourceClass, Trait, Usage,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;

fn host() -> (ProviderTree, Provider) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    (tree, host)
}

fn inventories() -> Inventories {
    Inventories::new()
        .with(VCPU, Inventory::new(16).with_allocation_ratio(4.0))
        .with(MEMORY, Inventory::new(1024).with_reserved(24))
}

#[test]
fn a_new_provider_has_nothing() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let data = tree.configuration(&child).unwrap();
    assert_eq!((data.uuid, &*data.name), (child.uuid(), "child"));
    assert_eq!((data.parent, data.generation), (Some(host.uuid()), 0));
    assert!(data.inventories.is_empty() && data.traits.is_empty() && data.aggregates.is_empty());
    assert_eq!(tree.configuration(&host).unwrap().parent, None);
    let none = tree.usage(&host, VCPU);
    assert_eq!(none, Err(Error::NoInventory { provider: host.uuid(), class: VCPU }));
}

#[test]
fn inventories_are_replaced_whole() {
    let (tree, host) = host();
    assert_eq!(tree.configure(&host, inventories(), Expect::Any).map(|set| set.generation), Ok(1));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, inventories());
    assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 64, used: 0 }));
    assert_eq!(tree.usage(&host, MEMORY).unwrap().free(), 1000);
    let other = Inventories::new().with(ResourceClass::DISK_GB, Inventory::new(5));
    assert_eq!(tree.configure(&host, other, Expect::Any).map(|set| set.generation), Ok(2));
    let usage = Usage { capacity: 5, used: 0 };
    assert_eq!(tree.usages(&host), Ok(vec![(ResourceClass::DISK_GB, usage)]));
}

#[test]
fn a_change_can_rest_on_a_generation() {
    let (tree, host) = host();
    assert_eq!(
        tree.configure(&host, inventories(), Expect::Generation(0)).map(|set| set.generation),
        Ok(1)
    );
    let conflict = Error::GenerationConflict { provider: host.uuid(), expected: 0, actual: 1 };
    let stale = Expect::Generation(0);
    assert_eq!(tree.configure(&host, Inventories::new(), stale), Err(conflict.clone()));
    assert_eq!(tree.configure(&host, Edit::new().set_traits([]), stale), Err(conflict.clone()));
    assert_eq!(tree.configure(&host, Edit::new().set_aggregates([]), stale), Err(conflict));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, inventories());
    let avx2 = Trait::new("HW_CPU_X86_AVX2").unwrap();
    let set = tree.configure(&host, Edit::new().set_traits([avx2]), Expect::Generation(1));
    assert_eq!(set.map(|set| set.generation), Ok(2));
}

#[test]
fn traits_and_aggregates_are_sets() {
    let (tree, host) = host();
    let avx2 = Trait::new("HW_CPU_X86_AVX2").unwrap();
    let fast = Trait::new("CUSTOM_FAST").unwrap();
    tree.configure(&host, Edit::new().set_traits([fast, avx2, fast]), Expect::Any).unwrap();
    let rack = Uuid::from_u128(1);
    tree.configure(&host, Edit::new().set_aggregates([rack]), Expect::Any).unwrap();
    let data = tree.configuration(&host).unwrap();
    assert_eq!(*data.traits, BTreeSet::from([avx2, fast]));
    assert_eq!(*data.aggregates, BTreeSet::from([rack]));
    tree.configure(&host, Edit::new().set_traits([avx2]), Expect::Any).unwrap();
    let data = tree.configuration(&host).unwrap();
    assert_eq!(*data.traits, BTreeSet::from([avx2]));
    assert_eq!((data.aggregates.len(), data.generation), (1, 3));
}

#[test]
fn an_inventory_that_contradicts_itself_is_refused() {
    let (tree, host) = host();
    let broken = inventories().with(VCPU, Inventory::new(1).with_reserved(2));
    let fault = InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 };
    let refused = Err(Error::InvalidInventory { class: VCPU, fault });
    assert_eq!(tree.configure(&host, broken, Expect::Any), refused);
    assert_eq!(tree.configuration(&host).unwrap().generation, 0);
}

#[test]
fn a_class_in_use_stays_and_may_shrink() {
    let (tree, host) = host();
    tree.configure(&host, inventories(), Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let consumer = Uuid::from_u128(1);
    let _ = worker.claim(&Claim::new(consumer).take(&host, VCPU, 10)).unwrap();

    let without = Inventories::new().with(MEMORY, Inventory::new(7));
    let in_use = Error::InUse { provider: host.uuid(), class: VCPU, used: 10 };
    assert_eq!(tree.configure(&host, without.clone(), Expect::Any), Err(in_use));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, inventories());

    let smaller = Inventories::new().with(VCPU, Inventory::new(4));
    tree.configure(&host, smaller, Expect::Any).unwrap();
    let usage = tree.usage(&host, VCPU).unwrap();
    assert_eq!((usage, usage.free()), (Usage { capacity: 4, used: 10 }, 0));
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds());
    assert_eq!(audit.overcommitted.len(), 1);

    let _ = worker.release(consumer).unwrap();
    tree.configure(&host, without, Expect::Any).unwrap();
    assert!(tree.snapshot().audit().unwrap().overcommitted.is_empty());
}

#[test]
fn a_version_stands_for_a_state() {
    let (tree, host) = host();
    let before = tree.version(&host).unwrap();
    assert_eq!(tree.version(&host).unwrap(), before);
    tree.configure(&host, inventories(), Expect::Any).unwrap();
    let configured = tree.version(&host).unwrap();
    assert_ne!(configured, before);
    let mut worker = tree.worker().unwrap();
    worker.take(&host, &[(VCPU, 1)]).unwrap();
    let taken = tree.version(&host).unwrap();
    assert_ne!(taken, configured);
    let refused = worker.take(&host, &[(VCPU, 64)]);
    assert!(matches!(refused, Err(Error::CapacityExceeded { .. })));
    assert_eq!(tree.version(&host).unwrap(), taken);
    worker.put_back(&host, &[(VCPU, 1)]).unwrap();
    assert_ne!(tree.version(&host).unwrap(), configured);
}

#[test]
fn many_classes_fit_and_too_many_are_refused() {
    let (tree, host) = host();
    let class = |n: usize| ResourceClass::new(&format!("CUSTOM_MANY_{n}")).unwrap();
    let of = |count: usize| -> Inventories {
        (0..count).map(|n| (class(n), Inventory::new(n as u64))).collect()
    };
    tree.configure(&host, of(10_080), Expect::Any).unwrap();
    assert_eq!(tree.usage(&host, class(10_079)).unwrap().capacity, 10_079);
    let refused = tree.configure(&host, of(10_081), Expect::Any);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    assert_eq!(tree.configuration(&host).unwrap().generation, 1);
}

#[test]
fn an_iterator_that_panics_leaves_no_trace() {
    let (tree, host) = host();
    let before = tree.version(&host).unwrap();
    let change = || {
        tree.configure(
            &host,
            Edit::new().set_traits(std::iter::from_fn(|| panic!("not today"))),
            Expect::Any,
        )
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(change)).is_err());
    let change = || {
        tree.configure(
            &host,
            Edit::new().set_aggregates(std::iter::from_fn(|| panic!("not today"))),
            Expect::Any,
        )
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(change)).is_err());
    assert_eq!(tree.version(&host).unwrap(), before);
    let set = tree.configure(&host, inventories(), Expect::Generation(0));
    assert_eq!(set.map(|set| set.generation), Ok(1));
}

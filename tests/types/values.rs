//! Plain values, as a Rust user expects them: made from arrays, filled, emptied, added up.

use provider_tree::{
    Claim, Deadline, Expect, Inventories, Inventory, Metrics, Now, PartialInventories,
    PartialInventory, ProviderTree, ResourceClass, Resources,
};

const VCPU: ResourceClass = ResourceClass::VCPU;
const DISK: ResourceClass = ResourceClass::DISK_GB;

#[test]
fn inventories_are_made_from_arrays() {
    let all = Inventories::from([(DISK, Inventory::new(9)), (VCPU, Inventory::new(4))]);
    assert_eq!(all, Inventories::new().with(VCPU, Inventory::new(4)).with(DISK, Inventory::new(9)));
    let named = PartialInventories::from([(VCPU, PartialInventory::new(4))]);
    assert_eq!(named, PartialInventories::new().with(VCPU, PartialInventory::new(4)));
}

#[test]
fn a_partial_inventory_names_each_field_by_itself() {
    let named = PartialInventory::default()
        .with_reserved(1)
        .with_min_unit(2)
        .with_max_unit(6)
        .with_step_size(2)
        .with_allocation_ratio(1.5);
    assert_eq!(named.total, None);
    let whole = Inventory::new(9)
        .with_reserved(1)
        .with_min_unit(2)
        .with_max_unit(6)
        .with_step_size(2)
        .with_allocation_ratio(1.5);
    assert_eq!(named.applied_to(&Inventory::new(9)), whole);
    assert_eq!(PartialInventory::new(9).applied_to(&Inventory { total: 3, ..whole }), whole);
}

#[test]
fn what_is_not_named_stays_and_what_is_new_has_the_usual_values() {
    let before = Inventories::from([(VCPU, Inventory::new(4).with_reserved(1))]);
    let named = PartialInventories::from([
        (VCPU, PartialInventory::new(8)),
        (DISK, PartialInventory::default().with_min_unit(2)),
    ]);
    let after = Inventories::from([
        (VCPU, Inventory::new(8).with_reserved(1)),
        (DISK, Inventory::new(0).with_min_unit(2)),
    ]);
    assert_eq!(named.applied_to(&before), after);
}

#[test]
fn resources_are_counted_and_taken_out() {
    let mut resources = Resources::new().with(VCPU, 1_u8).with(DISK, 2_u8);
    let copy = resources.clone();
    assert!(resources.remove(VCPU) && !resources.remove(VCPU));
    assert_eq!((resources.len(), copy.len()), (1, 2));
    assert!(resources.remove(DISK) && resources.is_empty());
    assert_eq!(resources, Resources::new());
}

#[test]
fn a_deadline_is_no_later_than_a_lease_can_have() {
    assert_eq!(Now(u64::MAX).plus(7), Deadline::LATEST);
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let vcpu = Inventories::from([(VCPU, Inventory::new(4))]);
    tree.configure(&host, vcpu, Expect::default()).unwrap();
    let mut worker = tree.worker().unwrap();
    let lease = worker.lease(&Claim::unnamed().take(&host, VCPU, 1), Deadline::LATEST).unwrap();
    assert!(worker.expire(Now(Deadline::LATEST.0 - 1)).unwrap().is_empty());
    assert_eq!(worker.expire(Now(Deadline::LATEST.0)).unwrap()[0].consumer, lease.consumer());
}

#[test]
fn a_claim_shows_what_it_asks_for_and_is_made_of_what_is_held() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let vcpu = Inventories::from([(VCPU, Inventory::new(4))]);
    tree.configure(&host, vcpu, Expect::Any).unwrap();
    let claim = Claim::unnamed().take(&host, VCPU, 3).with_tag(7);
    assert_eq!(claim.amounts().collect::<Vec<_>>(), [(host, VCPU, 3)]);
    assert!(format!("{claim:?}").contains(&format!("{} VCPU 3", host.uuid())), "{claim:?}");
    let mut worker = tree.worker().unwrap();
    let consumer = worker.claim(&claim).unwrap().consumer;
    let held = tree.allocations(consumer).unwrap();
    let again = held.claim().unwrap();
    assert_eq!((again.consumer(), again.tag()), (Some(consumer), Some(7)));
    assert_eq!(again.amounts().collect::<Vec<_>>(), [(host, VCPU, 3)]);
    assert_eq!((&held).into_iter().count(), 1);
    let metrics = worker.metrics() + worker.metrics();
    assert_eq!((metrics.claims, Metrics::default() + metrics), (2, metrics));
}

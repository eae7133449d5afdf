//! Nova's `has_inventory`, `has_inventory_changed` and `update_inventory`.

use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, InventoryFault, PartialInventories,
    PartialInventory, Provider, ProviderTree,
};
use uuid::Uuid;

use crate::{DISK, MEMORY, VCPU, changed, generation, host, of, removed, unchanged};

fn cores() -> Inventory {
    Inventory::new(16).with_reserved(2).with_allocation_ratio(4.0)
}

/// Says something of the cores alone.
fn saying(partial: PartialInventory) -> PartialInventories {
    PartialInventories::new().with(VCPU, partial)
}

fn host_with_cores() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let inventories = Inventories::new().with(VCPU, cores());
    tree.set_inventories(&host, inventories, Expect::Any).unwrap();
    (tree, host)
}

#[test]
fn a_provider_has_inventories_if_it_has_one_of_any_class() {
    let (tree, host) = host();
    assert_eq!(tree.has_inventories(&host), Ok(false));
    tree.set_inventories(&host, of(DISK, 0), Expect::Any).unwrap();
    assert_eq!(tree.has_inventories(&host), Ok(true));
    tree.set_inventories(&host, Inventories::new(), Expect::Any).unwrap();
    assert_eq!(tree.has_inventories(&host), Ok(false));
}

#[test]
fn the_same_inventories_have_not_changed() {
    let (tree, host) = host_with_cores();
    let same = Inventories::new().with(VCPU, cores());
    assert_eq!(tree.have_inventories_changed(&host, same), Ok(false));
}

#[test]
fn no_inventories_have_not_changed_where_there_are_none() {
    let (tree, host) = host();
    assert_eq!(tree.have_inventories_changed(&host, Inventories::new()), Ok(false));
}

#[test]
fn a_field_that_is_not_named_does_not_count() {
    let (tree, host) = host_with_cores();
    let total = PartialInventory::new(16);
    assert_eq!(tree.have_inventories_changed(&host, saying(total)), Ok(false));
    let reserved = PartialInventory { reserved: Some(2), ..total };
    assert_eq!(tree.have_inventories_changed(&host, saying(reserved)), Ok(false));
    let nothing = PartialInventory::default();
    assert_eq!(tree.have_inventories_changed(&host, saying(nothing)), Ok(false));
}

#[test]
fn a_field_with_another_value_has_changed() {
    let (tree, host) = host_with_cores();
    let total = PartialInventory::new(17);
    assert_eq!(tree.have_inventories_changed(&host, saying(total)), Ok(true));
    let ratio = PartialInventory { allocation_ratio: Some(1.0), ..PartialInventory::new(16) };
    assert_eq!(tree.have_inventories_changed(&host, saying(ratio)), Ok(true));
}

#[test]
fn a_field_that_was_never_named_before_has_changed() {
    let (tree, host) = host_with_cores();
    let most = PartialInventory { max_unit: Some(8), ..PartialInventory::new(16) };
    assert_eq!(tree.have_inventories_changed(&host, saying(most)), Ok(true));
}

/// For Nova it has, as what it keeps has only the fields that were named.
#[test]
fn naming_the_usual_value_of_a_field_is_no_change() {
    let (tree, host) = host_with_cores();
    let step = PartialInventory { step_size: Some(1), ..PartialInventory::new(16) };
    assert_eq!(tree.have_inventories_changed(&host, saying(step)), Ok(false));
}

#[test]
fn another_set_of_classes_has_changed() {
    let (tree, host) = host_with_cores();
    let one_more = saying(PartialInventory::new(16)).with(MEMORY, PartialInventory::new(1));
    for other in [one_more, of(MEMORY, 16).into(), PartialInventories::new()] {
        assert_eq!(tree.have_inventories_changed(&host, other), Ok(true));
    }
}

#[test]
fn an_update_says_whether_anything_changed() {
    let (tree, host) = host();
    let update = |total| tree.update_inventories(&host, of(VCPU, total), Expect::Any);
    assert_eq!(update(16), changed(1));
    assert_eq!(update(16), unchanged(1));
    assert_eq!(update(17), changed(2));
}

#[test]
fn an_update_that_agrees_in_what_it_names_changes_nothing() {
    let (tree, host) = host_with_cores();
    let before = tree.snapshot().dump().unwrap();
    let same = saying(PartialInventory::new(16));
    let updated = tree.update_inventories(&host, same, Expect::Any);
    assert_eq!(updated, unchanged(1));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn any_change_replaces_all_inventories() {
    let (tree, host) = host();
    let both = Inventories::new().with(VCPU, cores()).with(MEMORY, Inventory::new(1024));
    tree.set_inventories(&host, both, Expect::Any).unwrap();
    tree.update_inventories(&host, saying(PartialInventory::new(17)), Expect::Any).unwrap();
    // Neither the memory nor what was reserved is left.
    assert_eq!(*tree.data(&host).unwrap().configuration.inventories, of(VCPU, 17));
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 17);
}

/// Nova has no validation.
#[test]
fn an_inventory_that_contradicts_itself_is_refused_before_anything_changes() {
    let (tree, host) = host_with_cores();
    let before = tree.snapshot().dump().unwrap();
    let broken = of(DISK, 5).with(MEMORY, Inventory::new(1).with_reserved(2));
    let fault = InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 };
    let refused = tree.update_inventories(&host, broken, Expect::Mirror(9));
    assert_eq!(refused, Err(Error::InvalidInventory { class: MEMORY, fault }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn a_class_in_use_cannot_go_and_nothing_else_changes_then() {
    let (tree, host) = host_with_cores();
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, VCPU, 3)).unwrap();
    let before = tree.snapshot().dump().unwrap();
    let refused = tree.update_inventories(&host, of(DISK, 5), Expect::Mirror(9));
    assert_eq!(refused, Err(Error::InUse { provider: host.uuid(), class: VCPU, used: 3 }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn inventories_of_the_unknown_are_an_error() {
    let (tree, gone, error) = removed();
    let none = Inventories::new;
    assert_eq!(tree.has_inventories(&gone), Err(error.clone()));
    assert_eq!(tree.have_inventories_changed(&gone, none()), Err(error.clone()));
    assert_eq!(tree.set_inventories(&gone, none(), Expect::Any), Err(error.clone()));
    assert_eq!(tree.update_inventories(&gone, none(), Expect::Any), Err(error));
}

#[test]
fn the_generation_grows_by_one_with_a_change_of_any_number_of_classes() {
    let (tree, host) = host_with_cores();
    let all: Inventories =
        [VCPU, MEMORY, DISK].map(|class| (class, Inventory::new(7))).into_iter().collect();
    tree.update_inventories(&host, all, Expect::Any).unwrap();
    assert_eq!(generation(&tree, &host), 2);
}

#[test]
fn what_has_not_changed_need_not_be_valid_by_itself() {
    let (tree, host) = host_with_cores();
    let reserved = PartialInventory { reserved: Some(2), ..PartialInventory::default() };
    assert_eq!(tree.have_inventories_changed(&host, saying(reserved)), Ok(false));
    let updated = tree.update_inventories(&host, saying(reserved), Expect::Any).unwrap();
    assert!(!updated.changed);
}

//! Nova's `has_inventory`, `has_inventory_changed` and `update_inventory`.

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{
    Claim, Edit, Error, Expect, Inventories, Inventory, InventoryFault, PartialInventories,
    PartialInventory, Provider, ProviderTree,
};
use uuid::Uuid;

use crate::{DISK, MEMORY, VCPU, changed, generation, host, of, removed, unchanged, unknown};

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
    tree.configure(&host, inventories, Expect::Any).unwrap();
    (tree, host)
}

fn host_with_cores_and_memory() -> (ProviderTree, Provider) {
    let (tree, host) = host();
    let both = Inventories::new().with(VCPU, cores()).with(MEMORY, Inventory::new(1024));
    tree.configure(&host, both, Expect::Any).unwrap();
    (tree, host)
}

#[test]
fn a_provider_has_inventories_if_it_has_one_of_any_class() {
    let (tree, _) = host();
    assert_eq!(tree.has_inventory("host"), Ok(false));
    tree.update_inventory("host", of(DISK, 0), None).unwrap();
    assert_eq!(tree.has_inventory("host"), Ok(true));
    tree.update_inventory("host", Inventories::new(), None).unwrap();
    assert_eq!(tree.has_inventory("host"), Ok(false));
}

#[test]
fn the_same_inventories_have_not_changed() {
    let (tree, _) = host_with_cores();
    let same = Inventories::new().with(VCPU, cores());
    assert_eq!(tree.has_inventory_changed("host", same), Ok(false));
}

#[test]
fn no_inventories_have_not_changed_where_there_are_none() {
    let (tree, _) = host();
    assert_eq!(tree.has_inventory_changed("host", Inventories::new()), Ok(false));
}

#[test]
fn a_field_that_is_not_named_does_not_count() {
    let (tree, _) = host_with_cores();
    let total = PartialInventory::new(16);
    assert_eq!(tree.has_inventory_changed("host", saying(total)), Ok(false));
    let reserved = PartialInventory { reserved: Some(2), ..total };
    assert_eq!(tree.has_inventory_changed("host", saying(reserved)), Ok(false));
    let nothing = PartialInventory::default();
    assert_eq!(tree.has_inventory_changed("host", saying(nothing)), Ok(false));
}

#[test]
fn a_field_with_another_value_has_changed() {
    let (tree, _) = host_with_cores();
    let total = PartialInventory::new(17);
    assert_eq!(tree.has_inventory_changed("host", saying(total)), Ok(true));
    let ratio = PartialInventory { allocation_ratio: Some(1.0), ..PartialInventory::new(16) };
    assert_eq!(tree.has_inventory_changed("host", saying(ratio)), Ok(true));
}

#[test]
fn a_field_that_was_never_named_before_has_changed() {
    let (tree, _) = host_with_cores();
    let most = PartialInventory { max_unit: Some(8), ..PartialInventory::new(16) };
    assert_eq!(tree.has_inventory_changed("host", saying(most)), Ok(true));
}

/// For Nova it has, as what it keeps has only the fields that were named.
#[test]
fn naming_the_usual_value_of_a_field_is_no_change() {
    let (tree, _) = host_with_cores();
    let step = PartialInventory { step_size: Some(1), ..PartialInventory::new(16) };
    assert_eq!(tree.has_inventory_changed("host", saying(step)), Ok(false));
}

#[test]
fn another_set_of_classes_has_changed() {
    let (tree, _) = host_with_cores();
    let one_more = saying(PartialInventory::new(16)).with(MEMORY, PartialInventory::new(1));
    for other in [one_more, of(MEMORY, 16).into(), PartialInventories::new()] {
        assert_eq!(tree.has_inventory_changed("host", other), Ok(true));
    }
}

#[test]
fn an_update_says_whether_anything_changed() {
    let (tree, _) = host();
    let update = |total| tree.update_inventory("host", of(VCPU, total), None);
    assert_eq!(update(16), Ok(true));
    assert_eq!(update(16), Ok(false));
    assert_eq!(update(17), Ok(true));
}

#[test]
fn an_edit_moves_the_generation_if_anything_changed() {
    let (tree, host) = host();
    let edit = |total| tree.configure(&host, of(VCPU, total), Expect::Any);
    assert_eq!(edit(16), changed(1));
    assert_eq!(edit(16), unchanged(1));
    assert_eq!(edit(17), changed(2));
}

#[test]
fn an_update_that_agrees_in_what_it_names_changes_nothing() {
    let (tree, host) = host_with_cores();
    let before = tree.snapshot().dump().unwrap();
    let same = saying(PartialInventory::new(16));
    assert_eq!(tree.update_inventory("host", same.clone(), None), Ok(false));
    assert_eq!(tree.configure(&host, same, Expect::Any), unchanged(1));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn any_change_replaces_all_inventories() {
    let (tree, host) = host_with_cores_and_memory();
    let update = tree.update_inventory("host", saying(PartialInventory::new(17)), None);
    assert_eq!(update, Ok(true));
    // Neither the memory nor what was reserved is left.
    assert_eq!(*tree.data("host").unwrap().inventories, of(VCPU, 17));
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 17);
}

/// Where Nova's update replaces all inventories.
#[test]
fn an_edit_in_part_keeps_what_it_does_not_name() {
    let (tree, host) = host_with_cores_and_memory();
    let edit = saying(PartialInventory::new(17));
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(2));
    let now = tree.configuration(&host).unwrap();
    let cores = Inventory { total: 17, ..cores() };
    let both = Inventories::new().with(VCPU, cores).with(MEMORY, Inventory::new(1024));
    assert_eq!(*now.inventories, both);
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 60);
    assert_eq!(tree.usage(&host, MEMORY).unwrap().capacity, 1024);
}

#[test]
fn a_class_that_comes_with_an_edit_in_part_has_the_usual_values() {
    let (tree, host) = host_with_cores();
    let disk = PartialInventory { reserved: Some(1), ..PartialInventory::new(9) };
    let edit = PartialInventories::new().with(DISK, disk);
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(2));
    let both =
        Inventories::new().with(VCPU, cores()).with(DISK, Inventory::new(9).with_reserved(1));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, both);
}

#[test]
fn no_edit_in_part_takes_a_class_away() {
    let (tree, host) = host_with_cores();
    assert_eq!(tree.configure(&host, PartialInventories::new(), Expect::Any), unchanged(1));
    assert_eq!(tree.has_inventory("host"), Ok(true));
    // Nova's update does, as does an edit that says so.
    assert_eq!(tree.update_inventory("host", PartialInventories::new(), None), Ok(true));
    assert_eq!(tree.has_inventory("host"), Ok(false));
    tree.configure(&host, of(DISK, 5).with(VCPU, cores()), Expect::Any).unwrap();
    let edit = Edit::new().remove_inventories([VCPU, MEMORY]);
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(3));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, of(DISK, 5));
}

/// Nova has no validation.
#[test]
fn an_inventory_that_contradicts_itself_is_refused_before_anything_changes() {
    let (tree, _) = host_with_cores();
    let before = tree.snapshot().dump().unwrap();
    let broken = of(DISK, 5).with(MEMORY, Inventory::new(1).with_reserved(2));
    let fault = InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 };
    let refused = tree.update_inventory("host", broken, Some(9));
    assert_eq!(refused, Err(Error::InvalidInventory { class: MEMORY, fault }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn an_edit_in_part_is_valid_if_what_comes_of_it_is() {
    let (tree, host) = host_with_cores();
    let before = tree.snapshot().dump().unwrap();
    let reserved = |reserved| PartialInventory { reserved, ..PartialInventory::default() };
    let edit =
        |reserved_cores| tree.configure(&host, saying(reserved(Some(reserved_cores))), Expect::Any);
    let fault = InventoryFault::ReservedAboveTotal { reserved: 17, total: 16 };
    assert_eq!(edit(17), Err(Error::InvalidInventory { class: VCPU, fault }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
    assert_eq!(edit(16), changed(2));
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 0);
}

#[test]
fn a_class_in_use_cannot_go_and_nothing_else_changes_then() {
    let (tree, host) = host_with_cores();
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, VCPU, 3)).unwrap();
    let before = tree.snapshot().dump().unwrap();
    let in_use = Error::InUse { provider: host.uuid(), class: VCPU, used: 3 };
    assert_eq!(tree.update_inventory("host", of(DISK, 5), Some(9)), Err(in_use.clone()));
    let remove = Edit::new().remove_inventories([VCPU]).update_inventories(of(DISK, 5).into());
    for edit in [of(DISK, 5).into(), remove] {
        assert_eq!(tree.configure(&host, edit, Expect::Mirror(9)), Err(in_use.clone()));
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn inventories_of_the_unknown_are_an_error() {
    let (tree, gone, error) = removed();
    let none = Inventories::new;
    assert_eq!(tree.has_inventory("host"), Err(unknown("host")));
    assert_eq!(tree.has_inventory_changed("host", none()), Err(unknown("host")));
    assert_eq!(tree.update_inventory("host", none(), None), Err(unknown("host")));
    assert_eq!(tree.configure(&gone, none(), Expect::Any), Err(error.clone()));
    assert_eq!(tree.configure(&gone, PartialInventories::new(), Expect::Any), Err(error.clone()));
    let edit = Edit::new().remove_inventories([]);
    assert_eq!(tree.configure(&gone, edit, Expect::Any), Err(error));
}

#[test]
fn the_generation_grows_by_one_with_a_change_of_any_number_of_classes() {
    let (tree, host) = host_with_cores();
    let all: Inventories =
        [VCPU, MEMORY, DISK].map(|class| (class, Inventory::new(7))).into_iter().collect();
    tree.configure(&host, all, Expect::Any).unwrap();
    assert_eq!(generation(&tree, &host), 2);
}

#[test]
fn what_has_not_changed_need_not_be_valid_by_itself() {
    let (tree, host) = host_with_cores();
    let reserved = PartialInventory { reserved: Some(2), ..PartialInventory::default() };
    assert_eq!(tree.has_inventory_changed("host", saying(reserved)), Ok(false));
    assert_eq!(tree.update_inventory("host", saying(reserved), None), Ok(false));
    assert_eq!(tree.configure(&host, saying(reserved), Expect::Any), unchanged(1));
}

#[test]
fn whether_anything_changed_is_decided_at_the_instant_of_the_change() {
    let (tree, host) = host();
    for _ in 0..2_000 {
        tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
        let reserving = Inventories::new().with(VCPU, Inventory::new(16).with_reserved(2));
        let changed = std::thread::scope(|scope| {
            let thread = scope.spawn(|| tree.configure(&host, reserving, Expect::Any).unwrap());
            let named = saying(PartialInventory::new(16));
            let changed = tree.update_inventory(host.uuid(), named, None).unwrap();
            thread.join().unwrap();
            changed
        });
        // Whichever came first: what is reserved is not named, so it does not count as changed.
        let reserved = tree.configuration(&host).unwrap().inventories.get(VCPU).unwrap().reserved;
        assert_eq!(reserved, 2, "{changed}");
    }
}

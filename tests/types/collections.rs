//! Inventories, in whole and in part, are collections like others.

use provider_tree::{Inventories, Inventory, PartialInventories, PartialInventory, ResourceClass};

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
const DISK: ResourceClass = ResourceClass::DISK_GB;

#[test]
fn inventories_are_inserted_found_and_taken_out() {
    let mut all = Inventories::new();
    assert_eq!(all.insert(VCPU, Inventory::new(1)), None);
    assert_eq!(all.insert(VCPU, Inventory::new(2)), Some(Inventory::new(1)));
    all.extend([(DISK, Inventory::new(3)), (MEMORY, Inventory::new(4))]);
    assert_eq!((all.len(), all.get(DISK)), (3, Some(&Inventory::new(3))));
    assert_eq!(all.remove(DISK), Some(Inventory::new(3)));
    assert_eq!((all.remove(DISK), all.get(DISK), all.len()), (None, None, 2));
    let mut seen: Vec<(ResourceClass, u64)> = Vec::new();
    for (class, inventory) in &all {
        seen.push((class, inventory.total));
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(all.clone().into_iter().collect::<Inventories>(), all);
}

#[test]
fn partial_inventories_are_too() {
    let mut all = PartialInventories::new();
    assert!(all.is_empty());
    assert_eq!(all.insert(VCPU, PartialInventory::new(1)), None);
    assert_eq!(all.insert(VCPU, PartialInventory::new(2)), Some(PartialInventory::new(1)));
    all.extend([(DISK, PartialInventory::new(3))]);
    assert_eq!((all.len(), all.get(DISK)), (2, Some(&PartialInventory::new(3))));
    assert_eq!(all.remove(VCPU), Some(PartialInventory::new(2)));
    assert_eq!((all.remove(VCPU), all.get(VCPU), all.len()), (None, None, 1));
    for (class, inventory) in &all {
        assert_eq!((class, inventory.total), (DISK, Some(3)));
    }
    assert_eq!(all.clone().into_iter().collect::<PartialInventories>(), all);
}

//! An update that keeps what it does not name: an agent reports a larger disk and two GPUs, and the ratio of
//! the CPUs and the reserve of the memory stay.

use provider_tree::{
    Error, Expect, Inventories, Inventory, PartialInventories, PartialInventory, ProviderTree,
    ResourceClass,
};

fn main() -> Result<(), Error> {
    let (vcpu, memory) = (ResourceClass::VCPU, ResourceClass::MEMORY_MB);
    let (disk, gpu) = (ResourceClass::DISK_GB, ResourceClass::PGPU);
    let tree = ProviderTree::new();
    let host = tree.create_root("host-1", None)?;
    let inventories = Inventories::from([
        (vcpu, Inventory::new(64).with_allocation_ratio(16.0)),
        (memory, Inventory::new(262_144).with_reserved(4_096)),
        (disk, Inventory::new(900)),
    ]);
    tree.configure(&host, inventories.clone(), Expect::Any)?;

    let seen = Expect::Generation(tree.configuration(&host)?.generation); // The agent looks.
    let report = PartialInventories::from([
        (disk, PartialInventory::new(1_800)),
        (gpu, PartialInventory::new(2)),
    ]);
    assert!(tree.configure(&host, report.clone(), seen)?.changed);
    let expected = inventories.with(disk, Inventory::new(1_800)).with(gpu, Inventory::new(2));
    assert_eq!(*tree.configuration(&host)?.inventories, expected);

    // An agent that looked before that comes too late, and has to look again.
    let late = tree.configure(&host, report, seen);
    assert!(matches!(late, Err(Error::GenerationConflict { expected: 1, actual: 2, .. })));
    Ok(())
}

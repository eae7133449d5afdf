//! A reshape: what a host has becomes that of two children that come with it, and what is held of it goes
//! along. Nobody sees a child without it.

use provider_tree::uuid::Uuid;
use provider_tree::{Batch, Claim, Edit, Error, Expect, Inventories, Inventory};
use provider_tree::{ProviderSpec, ProviderTree, ResourceClass};

fn main() -> Result<(), Error> {
    let (tree, cpus) = (ProviderTree::new(), ResourceClass::VCPU);
    let host = tree.create_root("host-1", None)?;
    let all = Inventories::from([(cpus, Inventory::new(16))]);
    let seen = tree.configure(&host, all, Expect::Any)?.generation;
    let (mut worker, none) = (tree.worker()?, Edit::new().remove_inventories([cpus]));
    let mut reshape = Batch::new().configure(&host, none, Expect::Generation(seen));
    for (name, held) in [("host-1-numa-0", 3), ("host-1-numa-1", 5)] {
        let vm = worker.claim(&Claim::unnamed().take(&host, cpus, held))?;
        let numa = ProviderSpec::new(Uuid::new_v4(), name)
            .with_parent(host.uuid())
            .with_inventories([(cpus, Inventory::new(8))].into());
        let moved = Claim::new(vm.consumer).take(&numa.to_come(), cpus, held);
        reshape = reshape.create(numa).replace(moved, Expect::Generation(vm.generation));
    }

    let mut snapshots = std::iter::repeat_with(|| tree.snapshot());
    let first = std::thread::scope(|scope| {
        let reader = scope.spawn(|| snapshots.find(|now| now.children(&host) != Ok(vec![])));
        worker.commit(&reshape).map(|_| reader.join().unwrap().expect("it looks until there are"))
    })?;
    let used = |numa| first.usage(numa, cpus).map(|usage| usage.used);
    let used: Result<Vec<_>, Error> = first.children(&host)?.iter().map(used).collect();
    assert_eq!(used?, [3, 5]); // The first that any reader sees of them.
    Ok(())
}

//! A drain: a host goes out of service, what is held of it moves to hosts that have room, and it goes.

use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree};
use provider_tree::{Request, ResourceClass};

fn main() -> Result<(), Error> {
    let (tree, cpus) = (ProviderTree::new(), ResourceClass::VCPU);
    let (host, other) = (tree.create_root("host-1", None)?, tree.create_root("host-2", None)?);
    for host in [&host, &other] {
        tree.configure(host, Inventories::from([(cpus, Inventory::new(8))]), Expect::Any)?;
    }
    let (mut worker, vm) = (tree.worker()?, Claim::unnamed().take(&host, cpus, 5));
    worker.claim(&vm.take(&other, cpus, 2))?; // It also holds from a host that stays.

    tree.cordon(&host)?; // Nobody new comes, so the snapshot has all that have to go.
    let (mut view, now, below) = (tree.view(), tree.snapshot(), tree.subtree(&host)?);
    for consumer in now.holders(&host)? {
        let held = now.allocations(consumer)?.expect("it holds something");
        let (mut moves, mut stays) = (Request::new(), Claim::new(consumer));
        for part in &held {
            match part.handle().expect("a snapshot has it") {
                from if below.contains(&from) => moves = moves.take(part.class, part.amount),
                from => stays = stays.take(&from, part.class, part.amount),
            }
        }
        let mut moves = view.prepare(&moves)?; // No search finds a cordoned provider.
        let to = view.candidates(&mut moves)?.next().expect("another host has room");
        worker.replace(&to.claim(stays), Expect::Generation(held.generation))?;
        view.refresh();
    }
    assert_eq!((tree.remove(&host)?, tree.usage(&other, cpus)?.used), (1, 7));
    Ok(())
}

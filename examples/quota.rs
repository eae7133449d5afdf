//! Quotas: what runs counts on its host, its team and the team's organisation, all of them or none.

use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};

fn main() -> Result<(), Error> {
    let tree = ProviderTree::new();
    // The limits are in a class of their own: a search for VCPU must not find a team.
    let (cpus, quota) = (ResourceClass::VCPU, ResourceClass::new("CUSTOM_QUOTA_VCPU")?);
    let host = tree.create_root("host-1", None)?;
    let organisation = tree.create_root("quota: organisation", None)?;
    let red = tree.create_child(&organisation, "quota: red", None)?;
    let blue = tree.create_child(&organisation, "quota: blue", None)?;
    let totals = [(host, cpus, 64), (organisation, quota, 20), (red, quota, 12), (blue, quota, 20)];
    for (provider, class, total) in totals {
        let inventories = Inventories::from([(class, Inventory::new(total))]);
        tree.configure(&provider, inventories, Expect::Any)?;
    }
    let mut worker = tree.worker()?;
    let mut start = |team, amount| {
        let vm = Claim::unnamed().take(&host, cpus, amount);
        worker.claim(&vm.take_with_ancestors(team, quota, amount))
    };
    start(&red, 8)?;
    let used = |provider, class| tree.usage(provider, class).map(|usage| usage.used);
    assert_eq!([used(&host, cpus)?, used(&red, quota)?, used(&organisation, quota)?], [8, 8, 8]);
    // The team would have 16 of its 12, the organisation but 16 of its 20.
    assert_eq!(start(&red, 8).unwrap_err().provider(), Some(red.uuid()));
    start(&blue, 8)?;
    // This team would have 16 of its 20, but the organisation 24.
    assert_eq!(start(&blue, 8).unwrap_err().provider(), Some(organisation.uuid()));
    Ok(())
}

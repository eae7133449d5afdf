//! Leases: what is held until a deadline, unless it is confirmed before.

use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, Now, ProviderTree, ResourceClass,
};

fn main() -> Result<(), Error> {
    let (tree, cpus) = (ProviderTree::new(), ResourceClass::VCPU);
    let host = tree.create_root("host-1", None)?;
    tree.configure(&host, Inventories::from([(cpus, Inventory::new(8))]), Expect::Any)?;
    let (mut worker, three) = (tree.worker()?, Claim::unnamed().take(&host, cpus, 3));
    let deadline = Now(1_000).plus(500); // Milliseconds, by the caller's clock.
    let (kept, lost) = (worker.lease(&three, deadline)?, worker.lease(&three, deadline)?);
    worker.confirm(&kept, Now(1_499))?;

    // From the deadline on it can't be confirmed; what it holds stays held until it expires.
    let ended = || Error::LeaseEnded { consumer: lost.consumer() };
    assert_eq!(worker.confirm(&lost, Now(1_500)), Err(ended()));
    assert_eq!(tree.usage(&host, cpus)?.used, 6);
    assert_eq!(worker.expire(Now(1_500))?.len(), 1);
    assert_eq!(tree.usage(&host, cpus)?.used, 3);

    // Now it is gone, whatever a slower clock says.
    assert_eq!(worker.confirm(&lost, Now(1_499)), Err(ended()));
    assert_eq!(worker.cancel(&lost), Err(ended()));
    // What is confirmed is no lease any more. To confirm it again is no error.
    let confirmed = Error::NotLeased { consumer: kept.consumer() };
    assert_eq!(worker.cancel(&kept), Err(confirmed));
    worker.confirm(&kept, Now(9_999))?;
    Ok(())
}

//! What a replica promises, on a log in memory.

mod memory_log;

use memory_log::MemoryLog;
use provider_tree::{Inventories, Inventory, ProviderSpec, ResourceClass};
use provider_tree_cluster::command::{Claim, Populate, Release};
use provider_tree_cluster::{Error, Options, Replica};
use uuid::Uuid;

fn hosts(count: usize, total: u64) -> Vec<ProviderSpec> {
    let host = |number| {
        let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
        ProviderSpec::new(Uuid::new_v4(), format!("host-{number}")).with_inventories(vcpu)
    };
    (0..count).map(host).collect()
}

#[tokio::test]
async fn two_replicas_come_to_the_same() {
    let log = MemoryLog::new();
    let one = Replica::start(log.clone(), Options::default()).await.unwrap();
    let other = Replica::start(log.clone(), Options::default()).await.unwrap();
    let providers = hosts(2, 8);
    one.ask(Populate { providers: providers.clone() }).await.unwrap();
    let consumer = Uuid::new_v4();
    let claim = claim_of(consumer, &providers[0]);
    let receipt = other.ask(claim).await.unwrap();
    assert_eq!(receipt.consumer, consumer);
    let another = claim_of(Uuid::new_v4(), &providers[0]);
    let refused = one.ask(another).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    one.sync().await.unwrap();
    other.sync().await.unwrap();
    let (a, b) = (one.dump().await.unwrap(), other.dump().await.unwrap());
    assert_eq!(a, b);
    other.ask(Release { consumer }).await.unwrap();
    one.sync().await.unwrap();
    assert!(one.forest().allocations(consumer).is_none());
}

fn claim_of(consumer: Uuid, host: &ProviderSpec) -> Claim {
    Claim::new(consumer).take(host.uuid, ResourceClass::VCPU, 6)
}

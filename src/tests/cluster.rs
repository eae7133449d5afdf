//! A small forest, everything that can be done with it, and what has to be true of it afterwards.
//!
//! The file makes public calls alone, since `tests/stops/` uses it too.

use provider_tree::{Deadline, Edit, Now, coming_from_nova::NovaProviderTree};
use uuid::Uuid;

use crate::{
    Batch, Claim, Expect, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Trait,
};

pub(super) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(super) const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;

/// Names two consumers: one that holds something from the start, and one that may come.
pub(super) const OLD: Uuid = Uuid::from_u128(101);
pub(super) const NEW: Uuid = Uuid::from_u128(102);

/// ```text
/// host (VCPU, MEMORY_MB; OLD holds 1 VCPU)
/// +- leaf
/// other
/// ```
pub(super) struct Cluster {
    pub(super) tree: ProviderTree,
    pub(super) host: Provider,
    pub(super) leaf: Provider,
    pub(super) other: Provider,
}

pub(super) fn inventories(total: u64) -> Inventories {
    // The inventory has units, so that claims look at the configuration.
    let inventory = Inventory::new(total).with_max_unit(total - 1);
    Inventories::new().with(VCPU, inventory).with(MEMORY, Inventory::new(total))
}

impl Cluster {
    pub(super) fn new() -> Self {
        let tree = ProviderTree::new();
        let host = tree.create_root("host", None).unwrap();
        let leaf = tree.create_child(&host, "leaf", None).unwrap();
        let other = tree.create_root("other", None).unwrap();
        for provider in [host, leaf, other] {
            tree.configure(&provider, inventories(1000), Expect::Any).unwrap();
        }
        let claim = Claim::new(OLD).take(&host, VCPU, 1);
        tree.worker().unwrap().claim(&claim).map(drop).unwrap();
        Cluster { tree, host, leaf, other }
    }
}

/// Does everything that other threads do meanwhile, to the same providers and keys. Nothing here
/// may wait. What the calls answer depends on how far the stopped thread came.
pub(super) fn everything_else(cluster: &Cluster) {
    let Cluster { tree, host, leaf, other } = cluster;
    let mut worker = tree.worker().unwrap();
    tree.uncordon(host).map(drop).unwrap();
    for provider in [host, leaf, other] {
        if worker.take(provider, &[(VCPU, 1), (MEMORY, 1)]).is_ok() {
            worker.put_back(provider, &[(VCPU, 1), (MEMORY, 1)]).unwrap();
        }
        let _ = (tree.usage(provider, VCPU), tree.usages(provider), tree.configuration(provider));
        let _ = tree.configure(provider, inventories(3000), Expect::Any);
        let _ = tree.configure(provider, Edit::new().set_traits([]), Expect::Any);
        let _ = tree.configure(
            provider,
            Edit::new().add_traits([Trait::MISC_SHARES_VIA_AGGREGATE]),
            Expect::Any,
        );
        let _ = tree.has_sharing_provider(VCPU);
    }
    let below = |uuid, name| ProviderSpec::new(uuid, name).with_parent(host.uuid());
    let leaf_again = below(leaf.uuid(), "leaf").with_inventories(inventories(1000));
    let _ = tree.populate(&[leaf_again, below(Uuid::from_u128(11), "new")]);
    let _ = tree.populate(&[below(Uuid::from_u128(12), "listed leaf")]);
    let _ = tree.populate(&[below(Uuid::from_u128(13), "renamed")]);
    for consumer in [OLD, NEW] {
        let claim = Claim::new(consumer).take(host, VCPU, 2).take(other, VCPU, 2);
        let _ = tree.allocations(consumer);
        let _ = worker.claim(&claim);
        worker.replace(&claim, Expect::Any).map(drop).unwrap();
        worker.release(consumer).map(drop).unwrap();
    }
    let unnamed = Claim::unnamed().take(host, VCPU, 2).take(other, VCPU, 2);
    let named = worker.claim(&unnamed).unwrap().consumer;
    worker.release(named).map(drop).unwrap();
    let issued = tree.issue().unwrap();
    worker.claim(&Claim::new(issued.consumer()).take(other, VCPU, 1)).map(drop).unwrap();
    worker.release(issued.consumer()).map(drop).unwrap();
    drop(tree.issue().unwrap());
    let now = 30;
    worker.expire(Now(now)).map(drop).unwrap();
    let third = Uuid::from_u128(103);
    let lease = worker.lease(&Claim::new(third).take(other, VCPU, 1), Deadline(now + 1)).unwrap();
    worker.confirm(&lease, Now(now)).map(drop).unwrap();
    worker.commit(&Batch::new().release(third, Expect::Any)).map(drop).unwrap();
    let _ = (
        tree.cordon(host),
        tree.uncordon(host),
        tree.snapshot().holders(host).unwrap(),
        tree.metrics(),
    );
    for (name, uuid) in [("new", 7), ("renamed", 8), ("leaf", 9), ("fresh", 10)] {
        let _ = (tree.find(name), tree.find(Uuid::from_u128(uuid)));
        if let Ok(created) = tree.create_child(other, name, Uuid::from_u128(uuid)) {
            tree.reparent(&created, Some(host)).unwrap();
            tree.remove(&created).unwrap();
        }
    }
    let (before, vcpu) = (tree.snapshot(), tree.usages(host));
    let claim = Claim::new(third).take(other, VCPU, 1);
    let mut fork = before.fork();
    fork.claim(&claim).unwrap();
    worker.commit(&fork.to_batch()).map(drop).unwrap();
    let changes = tree.snapshot().changes_since(&before).unwrap();
    assert!(changes.consumers.iter().any(|change| change.consumer == third));
    worker.release(third).map(drop).unwrap();
    assert_eq!(before.usages(host).ok(), vcpu.ok());
    let _ = (
        tree.providers(),
        tree.roots(),
        tree.snapshot().consumers().unwrap(),
        tree.snapshot().audit().unwrap(),
        tree.snapshot().dump().unwrap(),
    );
}

/// Checks what has to be true when no call is in progress any more.
pub(super) fn assert_sound(cluster: &Cluster, halt: &str) {
    let tree = &cluster.tree;
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds() && audit.overcommitted.is_empty(), "{halt}: {audit:?}");
    let dump = tree.snapshot().dump().unwrap();
    assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump, "{halt}");
    let all = tree.providers();
    for provider in &all {
        assert_eq!(tree.find(provider.uuid()), Some(*provider), "{halt}");
        assert_eq!(
            tree.find(&tree.configuration(provider).map(|now| now.name.clone()).unwrap()),
            Some(*provider),
            "{halt}"
        );
        let siblings = match tree.ancestors(provider).map(|all| all.first().copied()).unwrap() {
            Some(parent) => tree.children(&parent).unwrap(),
            None => tree.roots(),
        };
        assert_eq!(siblings.iter().filter(|it| *it == provider).count(), 1, "{halt}");
    }
    for consumer in tree.snapshot().consumers().unwrap() {
        tree.worker().unwrap().release(consumer).map(drop).unwrap();
    }
    assert!(tree.snapshot().consumers().unwrap().is_empty(), "{halt}");
}

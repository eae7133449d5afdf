//! What the tests share: a small forest with something of everything, and all that can be seen
//! of it.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{
    Allocations, Audit, Claim, Configuration, Deadline, Dump, Edit, Error, Expect, Fork,
    Inventories, Inventory, Lease, Overcommit, Provider, ProviderSpec, ProviderTree, ResourceClass,
    Resources, Result, Snapshot, Trait, Usage, Worker, coming_from_nova::NovaProviderTree,
};
use shared::dumps::{in_order, without_floors};
use uuid::Uuid;

pub(crate) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(crate) const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
pub(crate) const GPU: ResourceClass = ResourceClass::PGPU;
pub(crate) const CLASSES: [ResourceClass; 3] = [VCPU, MEMORY, GPU];

/// The consumer with this number.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(1, number)
}

/// The provider's uuid with this number.
pub(crate) fn pid(number: u64) -> Uuid {
    Uuid::from_u64_pair(2, number)
}

pub(crate) fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

pub(crate) fn set(tree: &ProviderTree, provider: &Provider, inventories: Inventories) {
    tree.configure(provider, inventories, Expect::Any).unwrap();
}

/// A root with so many VCPU.
pub(crate) fn host(tree: &ProviderTree, name: &str, total: u64) -> Provider {
    let host = tree.create_root(name, None).unwrap();
    set(tree, &host, of(VCPU, total));
    host
}

/// A child with so many VCPU.
pub(crate) fn child(tree: &ProviderTree, parent: &Provider, name: &str, total: u64) -> Provider {
    let child = tree.create_child(parent, name, None).unwrap();
    set(tree, &child, of(VCPU, total));
    child
}

/// A forest of two hosts with so many VCPU each, and a worker.
pub(crate) fn two_hosts(total: u64) -> (ProviderTree, [Provider; 2], Worker) {
    let tree = ProviderTree::new();
    let hosts = ["host-0", "host-1"].map(|name| host(&tree, name, total));
    let worker = tree.worker().unwrap();
    (tree, hosts, worker)
}

/// More providers than a worker leaves cells in place.
pub(crate) const MANY: usize = 20_000;

/// A forest of so many roots, with nine VCPU each.
pub(crate) fn many() -> (ProviderTree, Vec<Provider>) {
    let tree = ProviderTree::new();
    let spec = |number| {
        let name = format!("provider-{number}");
        ProviderSpec::new(pid(number as u64), name).with_inventories(of(VCPU, 9))
    };
    let listed: Vec<_> = (0..MANY).map(spec).collect();
    let providers = tree.populate(&listed).unwrap();
    (tree, providers)
}

/// A claim of so many VCPU.
pub(crate) fn cpus(consumer: Uuid, provider: &Provider, amount: u64) -> Claim {
    let claim = Claim::new(consumer).take(provider, VCPU, amount);
    // Some set no tag.
    if amount.is_multiple_of(3) { claim } else { claim.with_tag(amount) }
}

pub(crate) fn claim(worker: &mut Worker, consumer: Uuid, provider: &Provider, amount: u64) {
    let _receipt = worker.claim(&cpus(consumer, provider, amount)).unwrap();
}

pub(crate) fn release(worker: &mut Worker, consumer: Uuid) {
    let _receipt = worker.release(consumer).unwrap();
}

/// The refusal of so many VCPU.
pub(crate) fn exceeded(provider: &Provider, requested: u64, free: u64) -> Error {
    Error::CapacityExceeded { provider: provider.uuid(), class: VCPU, requested, free }
}

pub(crate) fn cordoned(provider: &Provider) -> Error {
    Error::Cordoned { provider: provider.uuid() }
}

pub(crate) fn removed(provider: &Provider) -> Error {
    Error::Removed { provider: provider.uuid() }
}

/// Fails unless `call` is refused and the forest is afterwards what it was before.
pub(crate) fn refused<T: std::fmt::Debug>(
    tree: &ProviderTree,
    call: impl FnOnce() -> Result<T>,
) -> Error {
    let before = tree.snapshot().dump().unwrap();
    let error = call().unwrap_err();
    assert_eq!(tree.snapshot().dump().unwrap(), before, "after {error:?}");
    error
}

/// The dump without what differs between two forests that did the same in other words.
pub(crate) fn timeless(mut dump: Dump) -> Dump {
    dump.providers.iter_mut().for_each(|provider| provider.configuration.generation = 0);
    dump.consumers.iter_mut().for_each(|consumer| consumer.generation = 0);
    without_floors(dump)
}

/// A small forest with something of everything.
pub(crate) struct Estate {
    pub(crate) tree: ProviderTree,
    pub(crate) worker: Worker,
    /// 16 VCPU and 64 MEMORY_MB; has traits, an aggregate, a value of the caller's own, and shares.
    pub(crate) host: Provider,
    /// Below the host, 2 PGPU.
    pub(crate) gpu: Provider,
    /// A cordoned root with 8 VCPU.
    pub(crate) shut: Provider,
    /// Below that.
    pub(crate) inner: Provider,
    /// A root with nothing.
    pub(crate) bare: Provider,
    /// Of consumer 2.
    pub(crate) lease: Lease,
}

impl Estate {
    /// Consumer 1 holds 4 VCPU of the host and a GPU, consumer 2 leases 2 VCPU, and 1 is taken.
    pub(crate) fn new() -> Self {
        let tree = ProviderTree::new();
        let mut worker = tree.worker().unwrap();
        let host = tree.create_root("host", pid(100)).unwrap();
        set(&tree, &host, of(VCPU, 16).with(MEMORY, Inventory::new(64)));
        let traits = [Trait::MISC_SHARES_VIA_AGGREGATE, Trait::new("CUSTOM_FAST").unwrap()];
        tree.configure(&host, Edit::new().set_traits(traits), Expect::Any).unwrap();
        tree.configure(&host, Edit::new().set_aggregates([id(900)]), Expect::Any).unwrap();
        tree.configure(
            &host,
            Edit::new().set_resources(Resources::new().with(VCPU, 7_u32)),
            Expect::Any,
        )
        .unwrap();
        let gpu = tree.create_child(&host, "gpu", pid(101)).unwrap();
        set(&tree, &gpu, of(GPU, 2));
        let shut = tree.create_root("shut", pid(102)).unwrap();
        set(&tree, &shut, of(VCPU, 8));
        let inner = tree.create_child(&shut, "inner", pid(103)).unwrap();
        tree.cordon(&shut).unwrap();
        let bare = tree.create_root("bare", pid(104)).unwrap();
        let _receipt = worker.claim(&cpus(id(1), &host, 4).take(&gpu, GPU, 1)).unwrap();
        let lease = worker.lease(&cpus(id(2), &host, 2), Deadline(50)).unwrap();
        worker.take(&host, &[(VCPU, 1)]).unwrap();
        Estate { tree, worker, host, gpu, shut, inner, bare, lease }
    }

    pub(crate) fn handles(&self) -> Vec<Provider> {
        vec![self.host, self.gpu, self.shut, self.inner, self.bare]
    }
}

/// What is asked: handles, uuids and names of providers, and consumers, that are and are not.
pub(crate) struct Asked {
    pub(crate) handles: Vec<Provider>,
    pub(crate) uuids: Vec<Uuid>,
    pub(crate) names: Vec<String>,
    pub(crate) consumers: Vec<Uuid>,
}

/// What each provider says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    children: Result<Vec<Provider>>,
    parent: Result<Option<Provider>>,
    ancestors: Result<Vec<Provider>>,
    subtree: Result<Vec<Provider>>,
    tree_of: Result<Vec<Provider>>,
    data: Result<Configuration>,
    usages: Result<Vec<(ResourceClass, Usage)>>,
    usage: [Result<Usage>; 3],
    is_cordoned: Result<bool>,
    holders: Result<BTreeSet<Uuid>>,
}

/// All that can be seen of a forest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    dump: Dump,
    roots: Vec<Provider>,
    providers: Vec<Provider>,
    by_uuid: Vec<Option<Provider>>,
    by_name: Vec<Option<Provider>>,
    facts: Vec<Facts>,
    shares: [bool; 3],
    consumers: BTreeSet<Uuid>,
    allocations: Vec<Option<Allocations>>,
    all_allocations: BTreeMap<Uuid, Allocations>,
    overcommitted: Vec<Overcommit>,
    audit: Audit,
}

impl Sight {
    /// As the forest shows itself, one call after the other: nothing may change meanwhile.
    pub(crate) fn of_tree(tree: &ProviderTree, asked: &Asked) -> Self {
        let facts = |provider: &Provider| Facts {
            children: tree.children(provider),
            parent: tree.ancestors(provider).map(|all| all.first().copied()),
            ancestors: tree.ancestors(provider),
            subtree: tree.subtree(provider),
            tree_of: tree.tree_of(provider),
            data: tree.configuration(provider),
            usages: tree.usages(provider),
            usage: CLASSES.map(|class| tree.usage(provider, class)),
            is_cordoned: tree.is_cordoned(provider),
            holders: tree.snapshot().holders(provider).map(|all| all.into_iter().collect()),
        };
        let allocations = |consumer: &Uuid| tree.allocations(*consumer).map(in_order);
        let consumers = tree.snapshot().consumers().unwrap();
        let all = consumers.iter().filter_map(|one| Some((*one, allocations(one)?)));
        Sight {
            dump: without_floors(tree.snapshot().dump().unwrap()),
            roots: tree.roots(),
            providers: tree.providers(),
            by_uuid: asked.uuids.iter().map(|uuid| tree.find(uuid)).collect(),
            by_name: asked.names.iter().map(|name| tree.find(name)).collect(),
            facts: asked.handles.iter().map(facts).collect(),
            shares: CLASSES.map(|class| tree.has_sharing_provider(class)),
            allocations: asked.consumers.iter().map(allocations).collect(),
            all_allocations: all.collect(),
            consumers: consumers.into_iter().collect(),
            overcommitted: tree.snapshot().overcommitted().unwrap(),
            audit: tree.snapshot().audit().unwrap(),
        }
    }

    /// As the snapshot shows it; an error if it is too old for anything.
    pub(crate) fn of_snapshot(snapshot: &Snapshot, asked: &Asked) -> Result<Self> {
        let facts = |provider: &Provider| Facts {
            children: snapshot.children(provider),
            parent: snapshot.parent(provider),
            ancestors: snapshot.ancestors(provider),
            subtree: snapshot.subtree(provider),
            tree_of: snapshot.tree_of(provider),
            data: snapshot.configuration(provider),
            usages: snapshot.usages(provider),
            usage: CLASSES.map(|class| snapshot.usage(provider, class)),
            is_cordoned: snapshot.is_cordoned(provider),
            holders: snapshot.holders(provider).map(|all| all.into_iter().collect()),
        };
        let mut shares = [false; 3];
        for (shares, class) in shares.iter_mut().zip(CLASSES) {
            *shares = snapshot.has_sharing_provider(class)?;
        }
        let allocations = |one: &Uuid| snapshot.allocations(*one).map(|found| found.map(in_order));
        let all = snapshot.all_allocations()?.into_iter();
        Ok(Sight {
            dump: without_floors(snapshot.dump()?),
            roots: snapshot.roots()?,
            providers: snapshot.providers()?,
            by_uuid: asked.uuids.iter().map(|uuid| snapshot.find(uuid)).collect::<Result<_>>()?,
            by_name: asked.names.iter().map(|name| snapshot.find(name)).collect::<Result<_>>()?,
            facts: asked.handles.iter().map(facts).collect(),
            shares,
            consumers: snapshot.consumers()?.into_iter().collect(),
            allocations: asked.consumers.iter().map(allocations).collect::<Result<_>>()?,
            all_allocations: all.map(|held| (held.consumer, in_order(held))).collect(),
            overcommitted: snapshot.overcommitted()?,
            audit: snapshot.audit()?,
        })
    }

    pub(crate) fn dump(&self) -> &Dump {
        &self.dump
    }

    pub(crate) fn holds(&self) -> bool {
        self.audit.holds()
    }
}

/// What a fork says of providers and consumers.
pub(crate) type ForkSight =
    (Vec<(Result<Vec<(ResourceClass, Usage)>>, Result<bool>)>, Vec<Option<Allocations>>);

pub(crate) fn sight_of_fork(fork: &Fork, providers: &[Provider], consumers: &[Uuid]) -> ForkSight {
    let facts = |provider: &Provider| (fork.usages(provider), fork.is_cordoned(provider));
    let held = |consumer: &Uuid| fork.allocations(*consumer).unwrap().map(in_order);
    (providers.iter().map(facts).collect(), consumers.iter().map(held).collect())
}

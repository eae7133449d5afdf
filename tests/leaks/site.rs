//! A small forest with some of everything, which every test leaves as it was.

use provider_tree::{
    Claim, Deadline, Edit, Expect, Inventories, Inventory, Lease, Provider, ProviderTree,
    ResourceClass, Trait, Worker,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;

pub(crate) const VCPU: ResourceClass = ResourceClass::VCPU;
pub(crate) const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
pub(crate) const DISK: ResourceClass = ResourceClass::DISK_GB;

/// ```text
/// rack             a quota of 6 VCPU
/// +- host          8 VCPU, 64 MEMORY_MB in steps of 4
/// +- idle          8 VCPU, cordoned
/// pool             shares 100 DISK_GB
/// ```
pub(crate) struct Site {
    pub(crate) tree: ProviderTree,
    pub(crate) rack: Provider,
    pub(crate) host: Provider,
    pub(crate) idle: Provider,
    pub(crate) pool: Provider,
    /// Removed.
    pub(crate) gone: Provider,
    /// Of another forest.
    pub(crate) foreign: Provider,
    pub(crate) foreign_lease: Lease,
}

/// Holds 2 VCPU of the host and of the rack.
pub(crate) const TENANT: Uuid = Uuid::from_u128(1);
/// Holds 4 MEMORY_MB of the host until 1,000,000.
pub(crate) const GUEST: Uuid = Uuid::from_u128(2);

/// What a test creates: a uuid for each number.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(1 << 64 | number)
}

pub(crate) fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

/// A claim of so many VCPU.
pub(crate) fn cpus(consumer: Uuid, provider: &Provider, amount: u64) -> Claim {
    Claim::new(consumer).take(provider, VCPU, amount)
}

impl Site {
    pub(crate) fn new() -> Self {
        let elsewhere = ProviderTree::new();
        let foreign = elsewhere.create_root("foreign", None).unwrap();
        elsewhere.configure(&foreign, of(VCPU, 8), Expect::Any).unwrap();
        let mut worker = elsewhere.worker().unwrap();
        let foreign_lease = worker.lease(&cpus(GUEST, &foreign, 1), Deadline(1_000_000)).unwrap();

        let tree = ProviderTree::new();
        let rack = tree.create_root("rack", None).unwrap();
        let host = tree.create_child(&rack, "host", None).unwrap();
        let idle = tree.create_child(&rack, "idle", None).unwrap();
        let pool = tree.create_root("pool", None).unwrap();
        let memory = Inventory::new(64).with_min_unit(4).with_step_size(4);
        tree.configure(&rack, of(VCPU, 6), Expect::Any).unwrap();
        tree.configure(&host, of(VCPU, 8).with(MEMORY, memory), Expect::Any).unwrap();
        tree.configure(&idle, of(VCPU, 8), Expect::Any).unwrap();
        tree.configure(&pool, of(DISK, 100), Expect::Any).unwrap();
        tree.configure(
            &pool,
            Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]),
            Expect::Any,
        )
        .unwrap();
        tree.cordon(&idle).unwrap();
        let gone = tree.create_child(&rack, "gone", None).unwrap();
        tree.remove(&gone).unwrap();
        let mut worker = tree.worker().unwrap();
        let _receipt =
            worker.claim(&Claim::new(TENANT).take_with_ancestors(&host, VCPU, 2)).unwrap();
        worker.lease(&Claim::new(GUEST).take(&host, MEMORY, 4), Deadline(1_000_000)).unwrap();
        Site { tree, rack, host, idle, pool, gone, foreign, foreign_lease }
    }

    pub(crate) fn worker(&self) -> Worker {
        self.tree.worker().unwrap()
    }

    /// A name that no provider can have.
    pub(crate) fn long_name(&self) -> String {
        "x".repeat(1_025)
    }
}

/// Fails unless `calls` leaves a forest with what it had before and nothing more.
#[track_caller]
pub(crate) fn check(calls: fn(&Site)) {
    let site = Site::new();
    let before = held(&site);
    calls(&site);
    assert_eq!(held(&site), before);
    assert_no_leaks(&site.tree);
}

/// Names and consumers.
fn held(site: &Site) -> (Vec<String>, Vec<Uuid>) {
    let names = site
        .tree
        .snapshot()
        .dump()
        .unwrap()
        .providers
        .iter()
        .map(|it| it.configuration.name.to_string())
        .collect();
    (names, site.tree.snapshot().consumers().unwrap())
}

/// Fails unless a call is refused for this reason.
macro_rules! refuses {
    ($call:expr, $error:pat) => {{
        let answer = $call;
        assert!(matches!(answer, Err($error)), "{answer:?}");
    }};
}
pub(crate) use refuses;

//! The operations of one thread that nobody disturbs: `benches/operation.rs` times them, `operate`
//! does them for `valgrind` to count.
//!
//! Making a claim is part of a claim.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "no one but the benchmarks sees it")]
#![expect(clippy::disallowed_types, reason = "peers, not the library")]

pub mod random;

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use provider_tree::{
    Claim, Expect, Facts, Inventories, Inventory, Provider, ProviderSpec, ProviderTree,
    ResourceClass, Snapshot, SubtreeUsages, Worker,
};
use uuid::Uuid;

pub const CLASSES: [ResourceClass; 3] =
    [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
pub const PROVIDERS: usize = 1024;

/// What a host has of each class: 96 cores, 768 GiB of memory, two disks of 3.84 TB.
pub const HOST: [u64; 3] = [96, 786_432, 7_680];

/// What a job takes of each class: as much as 96 of them fill a host with.
pub const JOB: [u64; 3] = [1, 8_192, 80];

/// So many calls come one after the other, between what prepares and what undoes them.
pub const AT_ONCE: usize = 256;

/// Where the three providers of a claim are, counted from its first.
pub const APART: [usize; 3] = [0, 101, 51];

/// A call on a forest with this number.
pub type Step = fn(&mut Forest, usize);

/// A call, what has to be so before it, and what undoes it.
pub struct Operation {
    pub name: &'static str,
    pub before: Option<Step>,
    pub run: Step,
    pub after: Option<Step>,
}

pub const OPERATIONS: &[Operation] = &[
    undone("take, 3 classes", Forest::take, Forest::put_back),
    undone("take, 3 classes, first since a snapshot", Forest::take_first, Forest::put_back),
    prepared("put back, 3 classes", Forest::take, Forest::put_back),
    undone("claim, 3 classes of 1 provider", Forest::claim_one, Forest::release),
    prepared("release, 3 classes of 1 provider", Forest::claim_one, Forest::release),
    prepared(
        "release, 3 classes of 1 provider, first since a snapshot",
        Forest::claim_one,
        Forest::release_first,
    ),
    undone("claim again, 3 classes of 1 provider", Forest::claim_again, Forest::release),
    undone(
        "claim, 3 classes of 1 provider, consumer named by the tree",
        Forest::claim_unnamed,
        Forest::release_named,
    ),
    prepared(
        "release, 3 classes of 1 provider, consumer named by the tree",
        Forest::claim_unnamed,
        Forest::release_named,
    ),
    undone("claim, 1 class of 3 providers", Forest::claim_three, Forest::release),
    prepared("release, 1 class of 3 providers", Forest::claim_three, Forest::release),
    repeated("find by uuid", Forest::find),
    repeated("find by name", Forest::find_by_name),
    repeated("find through a worker", Forest::find_again),
    repeated("usage", Forest::usage),
    repeated("usages of 3 classes", Forest::usages_of),
    repeated("usages of a host with 8 children", Forest::subtree_usages),
    repeated("configuration", Forest::configuration),
    repeated("configuration through a worker", Forest::configuration_again),
    repeated("snapshot", Forest::snapshot),
    undone("create a child", Forest::create_child, Forest::remove_child),
    prepared("remove a child", Forest::create_child, Forest::remove_child),
];

/// What one would write instead of a read, and the reads that it stands beside.
pub const PEERS: &[(Operation, &[&str])] = &[
    (
        repeated("peer: DashMap, get and clone of an Arc", Forest::peer_find),
        &["find by uuid", "find through a worker"],
    ),
    (
        repeated("peer: ArcSwap::load_full", Forest::peer_configuration),
        &["configuration", "configuration through a worker"],
    ),
];

const fn undone(name: &'static str, run: Step, after: Step) -> Operation {
    Operation { name, before: None, run, after: Some(after) }
}

const fn prepared(name: &'static str, before: Step, run: Step) -> Operation {
    Operation { name, before: Some(before), run, after: None }
}

const fn repeated(name: &'static str, run: Step) -> Operation {
    Operation { name, before: None, run, after: None }
}

/// The provider of a call: not in order, since nobody's are. The factor is odd, so all come.
pub fn pick(number: usize) -> usize {
    number.wrapping_mul(613) % PROVIDERS
}

/// Uuids spread as random ones do, and the same in every run.
fn spread(space: u64, number: usize) -> Uuid {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ space)
}

pub fn provider_uuid(number: usize) -> Uuid {
    spread(1, number)
}

pub fn consumer(number: usize) -> Uuid {
    spread(2, number)
}

pub fn name(number: usize) -> String {
    format!("host-{number}")
}

pub fn inventories(totals: [u64; 3]) -> Inventories {
    CLASSES.into_iter().zip(totals.map(Inventory::new)).collect()
}

/// So much of each class.
pub fn amounts(amounts: [u64; 3]) -> [(ResourceClass, u64); 3] {
    std::array::from_fn(|class| (CLASSES[class], amounts[class]))
}

/// What a job takes of one provider, in addition to `claim`.
fn claim_of(claim: Claim, provider: &Provider) -> Claim {
    let take = |claim: Claim, (class, amount)| claim.take(provider, class, amount);
    amounts(JOB).into_iter().fold(claim, take)
}

/// A forest, and what one thread needs.
pub struct Forest {
    pub tree: ProviderTree,
    pub providers: Vec<Provider>,
    pub worker: Worker,
    /// What a job takes of each provider, to be claimed again and again.
    claims: Vec<Claim>,
    /// The same for consumers that the tree names.
    unnamed: Vec<Claim>,
    /// The consumers that the tree has named, by the number of the call.
    named: Vec<Uuid>,
    /// A provider with as many children as a host has parts.
    host: Provider,
    usages: SubtreeUsages,
    names: Vec<String>,
    /// The children that came last, by the number of the call.
    children: Vec<Option<Provider>>,
    peers: Peers,
    snapshot: Option<Snapshot>,
}

/// The configurations of the providers as one would hold them without the library.
struct Peers {
    by_uuid: DashMap<Uuid, Arc<Facts>, foldhash::quality::RandomState>,
    by_number: Vec<ArcSwap<Facts>>,
}

/// Counts the children of a host with children.
const PARTS: usize = 8;

impl Default for Forest {
    fn default() -> Self {
        let tree = ProviderTree::new();
        let inventories = inventories(HOST);
        let spec = |number| {
            ProviderSpec::new(provider_uuid(number), name(number))
                .with_inventories(inventories.clone())
        };
        let list: Vec<_> = (0..PROVIDERS).map(spec).collect();
        let providers = tree.populate(&list).expect("a sound list");
        let worker = tree.worker().expect("the first worker");
        let of_each =
            |claim: Claim| providers.iter().map(|it| claim_of(claim.clone(), it)).collect();
        let (claims, unnamed) = (of_each(Claim::new(consumer(0))), of_each(Claim::unnamed()));
        let (named, snapshot) = (Vec::new(), None);
        let host = tree.create_root("host", None).expect("a new name");
        for part in 0..PARTS {
            let part = tree.create_child(&host, &format!("part-{part}"), None);
            tree.configure(&part.expect("a new name"), inventories.clone(), Expect::Any)
                .expect("sound inventories");
        }
        let (usages, names) = (SubtreeUsages::new(), (0..PROVIDERS).map(name).collect());
        let all = || providers.iter().map(|it| tree.configuration(it).expect("it exists").facts);
        let peers = Peers {
            by_uuid: (0..PROVIDERS).map(provider_uuid).zip(all()).collect(),
            by_number: all().map(ArcSwap::new).collect(),
        };
        Forest {
            tree,
            providers,
            worker,
            claims,
            unnamed,
            named,
            host,
            usages,
            names,
            children: Vec::new(),
            peers,
            snapshot,
        }
    }
}

impl Forest {
    pub fn provider(&self, number: usize) -> &Provider {
        &self.providers[pick(number)]
    }

    pub fn take(&mut self, number: usize) {
        let amounts = amounts(JOB);
        self.worker.take(&self.providers[pick(number)], black_box(&amounts)).expect("it fits");
    }

    fn put_back(&mut self, number: usize) {
        let amounts = amounts(JOB);
        let provider = &self.providers[pick(number)];
        self.worker.put_back(provider, black_box(&amounts)).expect("it was taken");
    }

    pub fn claim_one(&mut self, number: usize) {
        let mut claim = Claim::new(consumer(number));
        for (class, amount) in amounts(JOB) {
            claim.extend([(*self.provider(number), class, amount)]);
        }
        self.worker.claim(black_box(&claim)).expect("it fits");
    }

    fn claim_again(&mut self, number: usize) {
        let claim = self.claims[pick(number)].for_consumer(consumer(number));
        self.worker.claim(black_box(claim)).expect("it fits");
    }

    fn claim_unnamed(&mut self, number: usize) {
        let claim = &self.unnamed[pick(number)];
        let receipt = self.worker.claim(black_box(claim)).expect("it fits");
        self.named.resize(self.named.len().max(number + 1), Uuid::nil());
        self.named[number] = receipt.consumer;
    }

    fn release_named(&mut self, number: usize) {
        let named = black_box(self.named[number]);
        self.worker.release(named).expect("it holds something");
    }

    fn claim_three(&mut self, number: usize) {
        let mut claim = Claim::new(consumer(number));
        for offset in APART {
            let at = (pick(number) + offset) % PROVIDERS;
            claim.extend([(self.providers[at], CLASSES[0], JOB[0])]);
        }
        self.worker.claim(black_box(&claim)).expect("it fits");
    }

    pub fn release(&mut self, number: usize) {
        let _receipt =
            self.worker.release(black_box(consumer(number))).expect("it holds something");
    }

    /// Each is the first change of its provider since the last snapshot; of those there is one for
    /// as many calls as come one after the other.
    fn take_first(&mut self, number: usize) {
        self.snapshot_before(number);
        self.take(number);
    }

    fn release_first(&mut self, number: usize) {
        self.snapshot_before(number);
        self.release(number);
    }

    fn snapshot_before(&mut self, number: usize) {
        if number.is_multiple_of(AT_ONCE) {
            self.snapshot = Some(self.tree.snapshot());
        }
    }

    fn find(&mut self, number: usize) {
        black_box(self.tree.find(black_box(provider_uuid(pick(number)))).is_some());
    }

    fn find_by_name(&mut self, number: usize) {
        let name = self.names[pick(number)].as_str();
        black_box(self.tree.find(black_box(name)).is_some());
    }

    fn find_again(&mut self, number: usize) {
        black_box(self.worker.find(black_box(provider_uuid(pick(number)))).is_some());
    }

    fn usage(&mut self, number: usize) {
        let usage = self.tree.usage(self.provider(number), black_box(CLASSES[1]));
        black_box(usage.expect("it has the class"));
    }

    fn usages_of(&mut self, number: usize) {
        let usages = self.tree.usages_of(self.provider(number), black_box(CLASSES));
        black_box(usages.expect("it exists"));
    }

    fn subtree_usages(&mut self, _: usize) {
        self.tree.subtree_usages(&self.host, &mut self.usages).expect("it exists");
        black_box(&self.usages);
    }

    fn configuration(&mut self, number: usize) {
        black_box(self.tree.configuration(self.provider(number)).expect("it exists"));
    }

    fn configuration_again(&mut self, number: usize) {
        black_box(self.worker.configuration(&self.providers[pick(number)]).expect("it exists"));
    }

    fn peer_find(&mut self, number: usize) {
        let found = self.peers.by_uuid.get(&black_box(provider_uuid(pick(number))));
        black_box(found.map(|found| Arc::clone(&found)).is_some());
    }

    fn peer_configuration(&mut self, number: usize) {
        black_box(self.peers.by_number[pick(number)].load_full());
    }

    fn snapshot(&mut self, _: usize) {
        black_box(self.tree.snapshot());
    }

    /// The name is the uuid, written out.
    fn create_child(&mut self, number: usize) {
        let uuid = spread(3, number);
        let mut name = [0; 36];
        let name: &str = uuid.hyphenated().encode_lower(&mut name);
        let child = self.tree.create_child(self.provider(number), black_box(name), uuid);
        self.children.resize(self.children.len().max(number + 1), None);
        self.children[number] = Some(child.expect("both are new"));
    }

    fn remove_child(&mut self, number: usize) {
        let child = self.children[number].take().expect("it was created");
        self.tree.remove_leaf(black_box(&child)).expect("nothing is held from it");
    }
}

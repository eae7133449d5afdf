//! Whole hosts, read while their parts are claimed and moved.

use provider_tree::{
    Claim, Expect, Inventories, Inventory, Provider, ProviderTree, SubtreeUsages, Worker,
};
use uuid::Uuid;

use crate::rig::{Gust, Storm};
use crate::{MEMORY, THREADS, VCPU};

const PARTS: usize = 3;

/// How much memory goes with each core.
const MEGABYTES: u64 = 10;

/// Hosts with parts that all have the same.
fn hosts(tree: &ProviderTree) -> Vec<Vec<Provider>> {
    let inventories = Inventories::new()
        .with(VCPU, Inventory::new(1000))
        .with(MEMORY, Inventory::new(1000 * MEGABYTES));
    let host = |host| {
        let name = format!("host-{host}");
        let root = tree.create_root(&name, None).expect("a new name");
        let part = |part| tree.create_child(&root, &format!("{name}-{part}"), None);
        let parts = (0..PARTS).map(part).map(|part| part.expect("a new name"));
        let all: Vec<_> = [root].into_iter().chain(parts).collect();
        for one in &all {
            tree.configure(one, inventories.clone(), Expect::Any).expect("it exists");
        }
        all
    };
    (0..2).map(host).collect()
}

/// Claims as much of each part of one host, then lets it go.
fn claim_evenly(worker: &mut Worker, hosts: &[Vec<Provider>], gust: &mut Gust<'_>) {
    while gust.blows() {
        let cores = gust.rng.up_to(4);
        let mut claim = Claim::new(Uuid::new_v4());
        for part in gust.rng.pick(hosts) {
            claim.extend([(*part, VCPU, cores)]);
            claim.extend([(*part, MEMORY, cores * MEGABYTES)]);
        }
        let held = worker.claim(&claim).expect("there is enough for all");
        let _receipt = worker.release(held.consumer).expect("nobody else lets it go");
        gust.count("claim");
    }
}

/// Moves a provider to and fro: at an even generation it is below the first host.
fn move_about(tree: &ProviderTree, hosts: &[Vec<Provider>], spare: Provider, gust: &mut Gust<'_>) {
    while gust.blows() {
        for host in [1, 0] {
            tree.reparent(&spare, Some(&hosts[host][0])).expect("both stay");
            gust.count("move");
        }
    }
}

/// Every part of a host has as much used as the others, whether or not the spare one is there.
fn look_at_hosts(
    tree: &ProviderTree,
    hosts: &[Vec<Provider>],
    spare: Provider,
    gust: &mut Gust<'_>,
) {
    let mut usages = SubtreeUsages::new();
    let mut worker = tree.worker().expect("few workers");
    while gust.blows() {
        let host = gust.rng.pick(hosts);
        tree.subtree_usages(&host[0], &mut usages).expect("never removed");
        let parts: Vec<_> = usages.iter().filter(|(part, _)| **part != spare).collect();
        assert!(parts.iter().map(|(part, _)| **part).eq(host.iter().copied()));
        for (_, amounts) in &parts {
            assert_eq!(*amounts, parts[0].1, "{usages:?}");
        }
        let [cores, memory, none] =
            tree.usages_of(&host[1], [VCPU, MEMORY, crate::GPU]).expect("never removed");
        let [cores, memory] = [cores, memory].map(|usage| usage.expect("it has both").used);
        assert_eq!((cores * MEGABYTES, none), (memory, None));

        let data = worker.configuration(&spare).expect("never removed");
        let parent = &hosts[(data.generation % 2) as usize][0];
        assert_eq!(data.parent, Some(parent.uuid()), "{data:?}");
        gust.count("look");
    }
}

#[test]
fn a_whole_host_is_seen_at_one_instant() {
    let tree = ProviderTree::new();
    let hosts = hosts(&tree);
    let spare = tree.create_child(&hosts[0][0], "spare", None).expect("a new name");
    let mut storm = Storm::new("a_whole_host_is_seen_at_one_instant");
    for _ in 3..THREADS {
        let mut worker = tree.worker().expect("few workers");
        let hosts = &hosts;
        storm.thread("claimer", move |gust| claim_evenly(&mut worker, hosts, gust));
    }
    storm.thread("mover", |gust| move_about(&tree, &hosts, spare, gust));
    for _ in 0..2 {
        storm.thread("reader", |gust| look_at_hosts(&tree, &hosts, spare, gust));
    }
    let tally = storm.run();
    assert!(["claim", "move", "look"].iter().all(|what| tally.of(what) > 0));
    assert!(tree.snapshot().audit().unwrap().holds());
}

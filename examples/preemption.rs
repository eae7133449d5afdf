//! Preemption: find the cheapest victims in a view, then evict and place in one commit.
//!
//! `cargo run --release --example preemption [hosts]`. A cluster is full of pods of low priority; a
//! pod of high priority needs four GPUs of one host, with CPU and memory. Each pod's priority is the tag
//! of its consumer, so that nothing is kept beside. A view that follows consumers finds the host whose
//! victims cost least. Victims and claim are committed as one batch,
//! which is refused if a victim has changed since the view has seen it.

use std::error::Error;
use std::time::Instant;

use provider_tree::{
    Claim, Expect, Group, Inventories, Inventory, Prepared, Provider, ProviderTree, Receipt,
    Request, ResourceClass, View, Worker,
};
use uuid::Uuid;

const GPUS: u64 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let hosts = std::env::args().nth(1).map_or(Ok(8), |hosts| hosts.parse())?;
    let gpu = ResourceClass::new("CUSTOM_GPU")?;
    let tree = ProviderTree::new();
    let mut worker = tree.worker()?;
    let hosts = build(&tree, gpu, hosts)?;
    let pods = fill(&mut worker, &hosts, gpu)?;
    println!("{pods} pods on {} hosts; none has 4 GPUs free", hosts.len());

    let mut view = tree.view().with_holders()?;
    let mut wanted = view.prepare(&Request::from(amounts(4, gpu)))?;
    let urgent = Uuid::from_u128(u128::MAX);
    let receipts = preempt(&tree, &mut worker, &mut view, &mut wanted, (urgent, 100))?;
    assert_eq!(receipts.iter().filter(|receipt| receipt.consumer == urgent).count(), 1);
    assert!(tree.snapshot().audit()?.holds());
    Ok(())
}

/// What a pod with this number of GPUs asks for.
fn amounts(gpus: u64, gpu: ResourceClass) -> Group {
    Group::new()
        .take(ResourceClass::VCPU, 4 * gpus)
        .take(ResourceClass::MEMORY_MB, 16_384 * gpus)
        .take(gpu, gpus)
}

/// Hosts with eight GPUs each.
fn build(
    tree: &ProviderTree,
    gpu: ResourceClass,
    hosts: usize,
) -> Result<Vec<Provider>, provider_tree::Error> {
    let inventories = Inventories::new()
        .with(ResourceClass::VCPU, Inventory::new(64))
        .with(ResourceClass::MEMORY_MB, Inventory::new(262_144))
        .with(gpu, Inventory::new(GPUS));
    let host = |number| {
        let host = tree.create_root(&format!("host-{number}"), None)?;
        tree.configure(&host, inventories.clone(), Expect::Any)?;
        Ok(host)
    };
    (0..hosts).map(host).collect()
}

/// Fills every host but for one GPU with pods of one to three, of different priorities; returns how
/// many.
fn fill(
    worker: &mut Worker,
    hosts: &[Provider],
    gpu: ResourceClass,
) -> Result<usize, provider_tree::Error> {
    let mut pods = 0;
    for (number, host) in hosts.iter().enumerate() {
        for (place, gpus) in [3, 2, 1, 1].into_iter().enumerate() {
            let uuid = Uuid::from_u128((number * 10 + place) as u128);
            let priority = 1 + ((number * 7 + place * 5) % 23) as u64;
            let claim = Claim::new(uuid)
                .with_tag(priority)
                .take(host, ResourceClass::VCPU, 4 * gpus)
                .take(host, ResourceClass::MEMORY_MB, 16_384 * gpus)
                .take(host, gpu, gpus);
            worker.claim(&claim)?;
            pods += 1;
        }
    }
    Ok(pods)
}

/// Places the pod of this consumer and priority at the least cost, trying again if what was planned
/// no longer holds.
fn preempt(
    tree: &ProviderTree,
    worker: &mut Worker,
    view: &mut View,
    wanted: &mut Prepared,
    (urgent, priority): (Uuid, u64),
) -> Result<Vec<Receipt>, Box<dyn Error>> {
    loop {
        view.refresh();
        let begun = Instant::now();
        let cost = |_, victim| (victim < priority).then_some(victim);
        let eviction = view.evict(wanted, cost)?;
        let eviction = eviction.ok_or("no host has enough pods of lower priority")?;
        let searched = begun.elapsed();
        match worker.commit(&eviction.batch(Claim::new(urgent).with_tag(priority))) {
            Ok(receipts) => {
                let host =
                    tree.configuration(&eviction.candidate.root()).map(|now| now.name.clone())?;
                let victims = eviction.victims.len();
                println!("placed on {host}: evicted {victims} at cost {}", eviction.cost);
                println!("searched for {searched:?}");
                return Ok(receipts);
            }
            Err(refused) => println!("planned again: {refused}"),
        }
    }
}

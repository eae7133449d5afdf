//! Preemption: find the cheapest victims in a fork, then evict and place in one commit.
//!
//! `cargo run --example preemption`. A cluster is full of pods of low priority; a pod of high
//! priority needs four GPUs of one host, with CPU and memory. For each host a fork of one snapshot
//! shows which pods would have to go, the cheapest first, and which of them may stay after all. The
//! host whose victims cost least wins; the fork's difference is committed as one transaction, which
//! is refused if any of it no longer holds.

use std::error::Error;

use provider_tree::{
    Claim, Fork, Inventories, Inventory, Provider, ProviderTree, Receipt, ResourceClass, Snapshot,
    Worker,
};
use uuid::Uuid;

const HOSTS: usize = 8;
const GPUS: u64 = 8;

/// A pod as a scheduler knows it.
struct Pod {
    uuid: Uuid,
    priority: u64,
    gpus: u64,
}

impl Pod {
    fn claim(&self, host: &Provider, gpu: ResourceClass) -> Claim {
        Claim::new(self.uuid)
            .take(host, ResourceClass::VCPU, 4 * self.gpus)
            .take(host, ResourceClass::MEMORY_MB, 16_384 * self.gpus)
            .take(host, gpu, self.gpus)
    }
}

/// What it would take to place a pod on a host.
struct Plan {
    host: Provider,
    fork: Fork,
    victims: Vec<Uuid>,
    cost: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let gpu = ResourceClass::new("CUSTOM_GPU")?;
    let tree = ProviderTree::new();
    let mut worker = tree.worker()?;
    let hosts = build(&tree, gpu)?;
    let pods = fill(&mut worker, &hosts, gpu)?;
    println!("{} pods on {HOSTS} hosts; none has {} free", pods.len(), 4);

    let urgent = Pod { uuid: Uuid::from_u128(1_000), priority: 100, gpus: 4 };
    let receipts = preempt(&tree, &mut worker, &hosts, &pods, &urgent, gpu)?;
    assert_eq!(receipts.iter().filter(|receipt| receipt.consumer == urgent.uuid).count(), 1);
    assert!(tree.audit().holds());
    Ok(())
}

/// Hosts with eight GPUs each.
fn build(tree: &ProviderTree, gpu: ResourceClass) -> Result<Vec<Provider>, Box<dyn Error>> {
    let inventories = Inventories::new()
        .with(ResourceClass::VCPU, Inventory::new(64))
        .with(ResourceClass::MEMORY_MB, Inventory::new(262_144))
        .with(gpu, Inventory::new(GPUS));
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        let host = tree.create_root(&format!("host-{number}"), None)?;
        tree.set_inventories(&host, inventories.clone(), provider_tree::Expect::Any)?;
        hosts.push(host);
    }
    Ok(hosts)
}

/// Fills every host but for one GPU with pods of one to three, of different priorities.
fn fill(
    worker: &mut Worker,
    hosts: &[Provider],
    gpu: ResourceClass,
) -> Result<Vec<Pod>, Box<dyn Error>> {
    let mut pods = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        for (place, gpus) in [3, 2, 1, 1].into_iter().enumerate() {
            let uuid = Uuid::from_u128((number * 10 + place) as u128);
            let priority = 1 + ((number * 7 + place * 5) % 23) as u64;
            let pod = Pod { uuid, priority, gpus };
            let _receipt = worker.claim(&pod.claim(host, gpu))?;
            pods.push(pod);
        }
    }
    Ok(pods)
}

/// Places `pod` at the least cost, trying again if what was planned no longer holds.
fn preempt(
    tree: &ProviderTree,
    worker: &mut Worker,
    hosts: &[Provider],
    pods: &[Pod],
    pod: &Pod,
    gpu: ResourceClass,
) -> Result<Vec<Receipt>, Box<dyn Error>> {
    loop {
        let snapshot = tree.snapshot();
        let mut plans = Vec::new();
        for host in hosts {
            plans.extend(plan(&snapshot, host, pods, pod, gpu)?);
        }
        let best = plans.into_iter().min_by_key(|plan| plan.cost);
        let best = best.ok_or("no host has enough pods of lower priority")?;
        match worker.commit(&best.fork.difference()) {
            Ok(receipts) => {
                let host = tree.name(&best.host)?;
                println!("placed on {host}: evicted {} at cost {}", best.victims.len(), best.cost);
                return Ok(receipts);
            }
            Err(refused) => println!("planned again: {refused}"),
        }
    }
}

/// Who has to leave `host` for `pod`; none if all who may are not enough.
fn plan(
    snapshot: &Snapshot,
    host: &Provider,
    pods: &[Pod],
    pod: &Pod,
    gpu: ResourceClass,
) -> Result<Option<Plan>, provider_tree::Error> {
    let holders = snapshot.holders(host)?;
    let may_go = |other: &&Pod| other.priority < pod.priority && holders.contains(&other.uuid);
    let mut candidates: Vec<_> = pods.iter().filter(may_go).collect();
    candidates.sort_by_key(|candidate| candidate.priority);

    let mut fork = snapshot.fork();
    let mut victims = Vec::new();
    let claim = pod.claim(host, gpu);
    for candidate in candidates {
        if fork.fits(&claim).is_ok() {
            break;
        }
        fork.release(candidate.uuid)?;
        victims.push(candidate);
    }
    if fork.claim(&claim).is_err() {
        return Ok(None);
    }
    // The dearest first: whoever fits beside the new pod may stay.
    let mut stay = Vec::new();
    for victim in victims.iter().rev() {
        if fork.replace(&victim.claim(host, gpu)).is_ok() {
            stay.push(victim.uuid);
        }
    }
    // A fork without those who stay anyway, so that they are not touched.
    let mut fork = snapshot.fork();
    victims.retain(|victim| !stay.contains(&victim.uuid));
    for victim in &victims {
        fork.release(victim.uuid)?;
    }
    fork.claim(&claim)?;
    let cost = victims.iter().map(|victim| victim.priority * victim.gpus).sum();
    let victims = victims.iter().map(|victim| victim.uuid).collect();
    Ok(Some(Plan { host: *host, fork, victims, cost }))
}

//! Forests of a few hosts, for the models of claims.

use provider_tree::{
    Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Worker,
};
use uuid::Uuid;

use crate::thread;

const VCPU: ResourceClass = ResourceClass::VCPU;

/// A forest with providers of so much VCPU each.
pub fn hosts<const N: usize>(capacities: [u64; N]) -> (ProviderTree, [Provider; N]) {
    let tree = ProviderTree::new();
    let mut number = 0;
    let hosts = capacities.map(|capacity| {
        number += 1;
        let name = format!("host-{number}");
        let host = tree.create_root(&name, Uuid::from_u128(number)).expect("a new provider");
        let inventories = Inventories::new().with(VCPU, Inventory::new(capacity));
        tree.configure(&host, inventories, Expect::Any).expect("a valid inventory");
        host
    });
    (tree, hosts)
}

/// How much VCPU of a host is used.
pub fn used(tree: &ProviderTree, host: &Provider) -> u64 {
    tree.usage(host, VCPU).expect("has an inventory").used
}

/// Runs `theirs` in a thread of its own and `mine` in this one, each with a worker.
pub fn race<A, B: Send + 'static>(
    tree: &ProviderTree,
    mine: impl FnOnce(&mut Worker) -> A,
    theirs: impl FnOnce(&mut Worker) -> B + Send + 'static,
) -> (A, B) {
    let mut other = tree.worker().expect("few workers");
    let thread = thread::spawn(move || theirs(&mut other));
    let mine = mine(&mut tree.worker().expect("few workers"));
    (mine, thread.join().expect("no panic in the thread"))
}

//! What is fixed is found while threads claim and release; what is found then is there.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use provider_tree::{
    Claim, Expect, Group, Inventories, Inventory, Provider, ProviderTree, Request, ResourceClass,
};
use shared::search::reference::{Part, Spec};
use shared::search::world::World;
use uuid::Uuid;

use crate::rig::Expected;

const VCPU: ResourceClass = ResourceClass::VCPU;
const DISK: ResourceClass = ResourceClass::DISK_GB;

const HOSTS: usize = 12;
const THREADS: usize = 3;
const ROUNDS: usize = if cfg!(debug_assertions) { 300 } else { 3_000 };

/// A host with two nodes of four processors each, and a disk of its own.
fn host(tree: &ProviderTree, number: usize) -> Provider {
    let host = tree.create_root(&format!("host-{number}"), None).unwrap();
    let of = |class, total| Inventories::new().with(class, Inventory::new(total));
    let _updated = tree.configure(&host, of(DISK, 8), Expect::Any).unwrap();
    for node in 0..2 {
        let node = tree.create_child(&host, &format!("host-{number}-{node}"), None).unwrap();
        let _updated = tree.configure(&node, of(VCPU, 4), Expect::Any).unwrap();
    }
    host
}

fn spec() -> Spec {
    let of = |class, amount| Part { resources: [(class, amount)].into(), ..Part::default() };
    Spec { unsuffixed: of(DISK, 2), groups: vec![of(VCPU, 2); 2], ..Spec::default() }
}

#[test]
fn what_is_fixed_is_never_missed() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..HOSTS).map(|number| host(&tree, number)).collect();
    // Every third host is kept out of the storm.
    let fixed: BTreeSet<Uuid> = hosts.iter().step_by(3).map(|host| host.uuid()).collect();
    let stormy: Vec<Provider> =
        hosts.iter().filter(|host| !fixed.contains(&host.uuid())).copied().collect();
    let spec = spec();
    let mut view = tree.view();
    let mut prepared = view.prepare(&spec.request()).unwrap();
    let mut one = view.prepare(&Request::from(Group::new().take(VCPU, 1))).unwrap();
    let mut worker = tree.worker().unwrap();
    let (barrier, is_over) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (tree, stormy, barrier, is_over) = (&tree, &stormy, &barrier, &is_over);
            scope.spawn(move || {
                let mut worker = tree.worker().unwrap();
                barrier.wait();
                let mut held: Vec<Claim> = Vec::new();
                let mut state = number as u64 + 1;
                while !is_over.load(Ordering::Relaxed) {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let at = (state >> 33) as usize;
                    let members = tree.subtree(&stormy[at % stormy.len()]).unwrap();
                    let claim = Claim::new(Uuid::new_v4())
                        .take(&members[0], DISK, 1 + at as u64 % 3)
                        .take(&members[1 + at % 2], VCPU, 1 + at as u64 % 4);
                    if worker.claim(&claim).is_ok() {
                        held.push(claim);
                    }
                    if held.len() > 4 || at.is_multiple_of(3) && !held.is_empty() {
                        let claim = held.swap_remove(at % held.len());
                        let _receipt = worker.release(claim.consumer().unwrap()).unwrap();
                    }
                }
            });
        }
        barrier.wait();
        for round in 0..ROUNDS {
            view.refresh();
            let found: BTreeSet<Uuid> =
                view.candidates(&mut prepared).unwrap().map(|one| one.root().uuid()).collect();
            assert!(found.is_superset(&fixed), "round {round}: {found:?} of {fixed:?}");
            // The reader claims too, where the others do.
            let claims: Vec<Claim> = view
                .candidates(&mut one)
                .unwrap()
                .seeded(round as u64)
                .filter(|candidate| !fixed.contains(&candidate.root().uuid()))
                .take(2)
                .map(|candidate| candidate.claim(Uuid::new_v4()))
                .collect();
            for claim in claims {
                if worker.claim(&claim).is_ok() {
                    view.claimed(&claim);
                    let _receipt = worker.release(claim.consumer().unwrap()).unwrap();
                    view.released(&claim);
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    view.refresh();
    let world = World::of(&tree);
    Expected::new(&world, &spec).check(&view, &mut prepared).unwrap();
    for candidate in view.candidates(&mut prepared).unwrap().all() {
        let claim = candidate.claim(Uuid::new_v4());
        let _receipt = worker.claim(&claim).unwrap();
        let _receipt = worker.release(claim.consumer().unwrap()).unwrap();
    }
    assert!(tree.snapshot().audit().unwrap().holds());
}

/// A subtree that is moved is somewhere at every instant, and in every view that was refreshed.
#[test]
fn what_is_moved_to_and_fro_is_never_missed() {
    let tree = ProviderTree::new();
    let [one, other, moved] = [0, 1, 2].map(|number| host(&tree, number));
    let nodes = tree.children(&moved).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for parent in [Some(&one), Some(&other), None].into_iter().cycle() {
                tree.reparent(&moved, parent).unwrap();
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut view = tree.view();
        for round in 0..20 * ROUNDS {
            view.refresh();
            for node in &nodes {
                assert!(view.usage(node, VCPU).is_ok(), "round {round}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

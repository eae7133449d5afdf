//! What is read from a snapshot is as of its instant.

use provider_tree::{
    Batch, Claim, Deadline, Edit, Error, Expect, Inventories, Now, ProviderSpec, ProviderTree,
    Resources, Snapshot, Trait, coming_from_nova::NovaProviderTree,
};
use shared::dumps::without_floors;

use crate::random::Random;
use crate::rig::*;

fn asked(estate: &Estate) -> Asked {
    let names = ["host", "gpu", "shut", "inner", "bare", "other", "never"];
    Asked {
        handles: estate.handles(),
        uuids: (99..110).map(pid).collect(),
        names: names.map(String::from).into(),
        consumers: (0..6).map(id).collect(),
    }
}

/// Fails unless the snapshot before `change` shows in all its methods what the forest showed then,
/// first read before or only after it, and the forest shows something else afterwards.
fn survives(change: impl FnOnce(&mut Estate)) {
    let mut estate = Estate::new();
    let tree = estate.tree.clone();
    let asked = asked(&estate);
    let before = Sight::of_tree(&tree, &asked);
    let (early, late) = (tree.snapshot(), tree.snapshot());
    assert_eq!(Sight::of_snapshot(&early, &asked).unwrap(), before);
    change(&mut estate);
    let after = Sight::of_tree(&tree, &asked);
    assert_ne!(after, before);
    for snapshot in [&early, &late, &early.clone()] {
        assert_eq!(Sight::of_snapshot(snapshot, &asked).unwrap(), before);
    }
    assert_eq!(Sight::of_snapshot(&tree.snapshot(), &asked).unwrap(), after);
    assert!(before.holds() && after.holds());
    assert_eq!(
        without_floors(
            ProviderTree::load(&early.dump().unwrap()).unwrap().snapshot().dump().unwrap()
        ),
        *before.dump()
    );
}

#[test]
fn creations() {
    survives(|it| {
        let root = it.tree.create_root("other", pid(105)).unwrap();
        it.tree.create_child(&root, "never", pid(106)).unwrap();
        it.tree.create_child(&it.host, "gpu-1", pid(107)).unwrap();
    });
}

#[test]
fn removals() {
    survives(|it| {
        assert_eq!(it.tree.remove(&it.shut), Ok(2));
        it.tree.remove_leaf(&it.bare).unwrap();
    });
}

#[test]
fn a_removal_and_a_creation_under_the_same_uuid() {
    survives(|it| {
        it.tree.remove(&it.shut).unwrap();
        let again = it.tree.create_root("other", it.shut.uuid()).unwrap();
        it.tree.create_child(&again, "inner", None).unwrap();
    });
}

#[test]
fn a_removal_and_a_creation_under_the_same_name() {
    survives(|it| {
        it.tree.remove(&it.bare).unwrap();
        it.tree.create_child(&it.host, "bare", pid(108)).unwrap();
    });
}

#[test]
fn a_removal_and_the_same_again() {
    survives(|it| {
        it.tree.remove(&it.bare).unwrap();
        it.tree.create_root("bare", it.bare.uuid()).unwrap();
    });
}

#[test]
fn renames() {
    survives(|it| it.tree.rename(&it.host, "other").unwrap());
}

#[test]
fn names_that_change_hands() {
    survives(|it| {
        it.tree.rename(&it.host, "other").unwrap();
        it.tree.rename(&it.gpu, "host").unwrap();
        it.tree.rename(&it.bare, "gpu").unwrap();
        it.tree.rename(&it.host, "bare").unwrap();
    });
}

#[test]
fn moves() {
    survives(|it| it.tree.reparent(&it.bare, Some(&it.gpu)).unwrap());
    survives(|it| it.tree.reparent(&it.gpu, None).unwrap());
    // Into a cordon and out of it.
    survives(|it| it.tree.reparent(&it.host, Some(&it.inner)).unwrap());
    survives(|it| it.tree.reparent(&it.inner, Some(&it.bare)).unwrap());
}

#[test]
fn populations() {
    survives(|it| {
        let other = ProviderSpec::new(pid(105), "other").with_inventories(of(VCPU, 3));
        let moved = ProviderSpec::new(it.inner.uuid(), "bare").with_parent(pid(105));
        let bare = ProviderSpec::new(it.bare.uuid(), "inner").with_parent(it.inner.uuid());
        it.tree.populate(&[other, moved, bare]).unwrap();
    });
}

#[test]
fn inventories() {
    survives(|it| set(&it.tree, &it.bare, of(VCPU, 1)));
    survives(|it| set(&it.tree, &it.shut, Inventories::new()));
    survives(|it| {
        set(&it.tree, &it.host, of(VCPU, 3).with(GPU, provider_tree::Inventory::new(1)));
        assert_eq!(it.tree.snapshot().overcommitted().unwrap().len(), 1);
    });
}

#[test]
fn traits_aggregates_and_resources() {
    survives(|it| {
        let sharing = [Trait::MISC_SHARES_VIA_AGGREGATE];
        it.tree.configure(&it.host, Edit::new().remove_traits(sharing), Expect::Any).unwrap();
        assert!(!it.tree.has_sharing_provider(VCPU));
    });
    survives(|it| {
        let _ = it.tree.configure(
            &it.gpu,
            Edit::new().set_traits([Trait::new("CUSTOM_FAST").unwrap()]),
            Expect::Any,
        );
    });
    survives(|it| {
        it.tree.configure(&it.host, Edit::new().set_aggregates([id(901)]), Expect::Any).unwrap();
    });
    survives(|it| {
        let resources = Resources::new().with(VCPU, 8_u32);
        it.tree.configure(&it.host, Edit::new().set_resources(resources), Expect::Any).unwrap();
    });
}

#[test]
fn claims() {
    survives(|it| claim(&mut it.worker, id(3), &it.host, 5));
    survives(|it| {
        let wide = Claim::new(id(3)).take(&it.host, VCPU, 1).take(&it.host, MEMORY, 8);
        let _receipt = it.worker.claim(&wide.take(&it.gpu, GPU, 1)).unwrap();
    });
}

#[test]
fn replacements() {
    survives(|it| {
        let _receipt = it.worker.replace(&cpus(id(1), &it.host, 9), Expect::Any).unwrap();
    });
    // Only its generation.
    survives(|it| {
        let _receipt = it.worker.replace(&cpus(id(2), &it.host, 2), Expect::Any).unwrap();
    });
}

#[test]
fn releases() {
    survives(|it| {
        release(&mut it.worker, id(1));
        release(&mut it.worker, id(2));
    });
}

#[test]
fn a_release_and_a_claim_of_the_same_consumer() {
    survives(|it| {
        release(&mut it.worker, id(1));
        claim(&mut it.worker, id(1), &it.host, 3);
    });
    // Others come to its cell, it comes to another.
    survives(|it| {
        release(&mut it.worker, id(1));
        for number in 3..100 {
            let _receipt = it.worker.lease(&cpus(id(number), &it.host, 1), Deadline(number)).ok();
        }
        for number in 3..100 {
            let _ = it.worker.release(id(number));
        }
        claim(&mut it.worker, id(1), &it.host, 4);
    });
}

#[test]
fn leases() {
    survives(|it| {
        let _lease = it.worker.lease(&cpus(id(3), &it.host, 1), Deadline(9)).unwrap();
    });
    survives(|it| {
        let _receipt = it.worker.renew(&it.lease, Deadline(99), Now(0)).unwrap();
    });
    survives(|it| {
        let _receipt = it.worker.confirm(&it.lease, Now(0)).unwrap();
    });
    survives(|it| {
        let _receipt = it.worker.cancel(&it.lease).unwrap();
    });
    survives(|it| assert_eq!(it.worker.expire(Now(50)).unwrap().len(), 1));
}

#[test]
fn cordons() {
    survives(|it| assert_eq!(it.tree.uncordon(&it.shut), Ok(true)));
    survives(|it| assert_eq!(it.tree.cordon(&it.host), Ok(true)));
    // Nothing but the provider's own.
    survives(|it| assert_eq!(it.tree.cordon(&it.inner), Ok(true)));
}

#[test]
fn what_is_taken_and_put_back() {
    survives(|it| it.worker.take(&it.host, &[(VCPU, 2), (MEMORY, 3)]).unwrap());
    survives(|it| it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap());
}

#[test]
fn batches() {
    survives(|it| {
        let batch = Batch::new()
            .release(id(1), Expect::Any)
            .claim(cpus(id(3), &it.shut, 8))
            .uncordon(&it.shut)
            .cordon(&it.host)
            .configure(&it.gpu, of(GPU, 1), Expect::Any);
        assert_eq!(it.worker.commit(&batch).unwrap().len(), 2);
    });
}

#[test]
fn everything_by_chance() {
    for seed in 0..3 {
        let mut random = Random::new(seed);
        let mut held: Vec<(Snapshot, Asked, Sight)> = Vec::new();
        for step in 0..1_000 {
            random.step();
            if step % 10 == 0 {
                let (asked, snapshot) = (random.asked(), random.tree.snapshot());
                let sight = Sight::of_tree(&random.tree, &asked);
                held.push((snapshot, asked, sight));
            }
            // Some have been read before, some not.
            if random.rng.percent(20) && !held.is_empty() {
                let at = random.rng.below(held.len() as u64) as usize;
                let (snapshot, asked, sight) = held.swap_remove(at);
                assert_eq!(Sight::of_snapshot(&snapshot, &asked).unwrap(), sight, "seed {seed}");
                if random.rng.percent(60) {
                    held.push((snapshot, asked, sight));
                }
            }
        }
        for (snapshot, asked, sight) in held {
            assert_eq!(Sight::of_snapshot(&snapshot, &asked).unwrap(), sight, "seed {seed}");
            assert!(sight.holds());
            assert_eq!(
                without_floors(
                    ProviderTree::load(&snapshot.dump().unwrap())
                        .unwrap()
                        .snapshot()
                        .dump()
                        .unwrap()
                ),
                *sight.dump()
            );
        }
        assert_eq!(random.tree.memory().snapshots, 0);
        random.check_done(&["create", "remove", "rename", "reparent", "claim", "commit"]);
    }
}

#[test]
fn providers_created_later_are_removed_in_it() {
    let it = Estate::new();
    it.tree.remove(&it.bare).unwrap();
    let before = it.tree.snapshot();
    // In cells that others had, and in new ones.
    for number in 0..100 {
        let later = it.tree.create_root(&format!("later-{number}"), None).unwrap();
        assert_eq!(before.find(later.uuid()), Ok(None));
        assert_eq!(before.configuration(&later).unwrap_err(), removed(&later));
        assert_eq!(before.usages(&later).unwrap_err(), removed(&later));
        assert_eq!(before.usage(&later, VCPU).unwrap_err(), removed(&later));
        assert_eq!(before.is_cordoned(&later).unwrap_err(), removed(&later));
        assert_eq!(before.children(&later).unwrap_err(), removed(&later));
        assert_eq!(before.parent(&later).unwrap_err(), removed(&later));
        assert_eq!(before.ancestors(&later).unwrap_err(), removed(&later));
        assert_eq!(before.subtree(&later).unwrap_err(), removed(&later));
        assert_eq!(before.tree_of(&later).unwrap_err(), removed(&later));
        assert_eq!(before.holders(&later).unwrap_err(), removed(&later));
    }
    assert_eq!(before.configuration(&it.bare).unwrap_err(), removed(&it.bare));
}

#[test]
fn handles_of_other_forests_are_foreign() {
    let it = Estate::new();
    let other = Estate::new().host;
    let foreign = Error::ForeignProvider { provider: other.uuid() };
    let snapshot = it.tree.snapshot();
    assert_eq!(snapshot.configuration(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.usages(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.usage(&other, VCPU).unwrap_err(), foreign);
    assert_eq!(snapshot.is_cordoned(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.children(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.parent(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.ancestors(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.subtree(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.tree_of(&other).unwrap_err(), foreign);
    assert_eq!(snapshot.holders(&other).unwrap_err(), foreign);
}

#[test]
fn a_class_without_inventory() {
    let it = Estate::new();
    let none = Error::NoInventory { provider: it.gpu.uuid(), class: VCPU };
    let snapshot = it.tree.snapshot();
    set(&it.tree, &it.gpu, of(GPU, 2).with(VCPU, provider_tree::Inventory::new(1)));
    assert_eq!(snapshot.usage(&it.gpu, VCPU), Err(none));
    assert_eq!(snapshot.usage(&it.gpu, GPU).unwrap().used, 1);
}

#[test]
fn clones_are_the_same_snapshot() {
    let it = Estate::new();
    let first = it.tree.snapshot();
    let second = first.clone();
    assert_eq!(it.tree.memory().snapshots, 1);
    assert_eq!(first.number(), second.number());
    let before = it.tree.snapshot().dump().unwrap();
    it.tree.remove(&it.bare).unwrap();
    drop(first);
    assert_eq!(it.tree.memory().snapshots, 1);
    assert_eq!(second.dump().unwrap(), before);
    drop(second);
    assert_eq!(it.tree.memory().snapshots, 0);
}

#[test]
fn threads_share_one_and_read_the_same() {
    let it = Estate::new();
    let asked = asked(&it);
    let before = Sight::of_tree(&it.tree, &asked);
    let snapshot = it.tree.snapshot();
    it.tree.remove(&it.shut).unwrap();
    it.tree.rename(&it.bare, "shut").unwrap();
    // All of them make its indexes at once.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(Sight::of_snapshot(&snapshot, &asked).unwrap(), before));
        }
    });
}

#[test]
fn it_outlives_all_other_handles_of_the_forest() {
    let it = Estate::new();
    let asked = asked(&it);
    let before = Sight::of_tree(&it.tree, &asked);
    let snapshot = it.tree.snapshot();
    it.tree.remove(&it.shut).unwrap();
    drop(it);
    assert_eq!(Sight::of_snapshot(&snapshot, &asked).unwrap(), before);
    let mut fork = snapshot.fork();
    drop(snapshot);
    fork.release(id(1)).unwrap();
}

#[test]
fn versions_grow() {
    let tree = ProviderTree::new();
    let mut last = tree.snapshot();
    for _ in 0..100 {
        let next = tree.snapshot();
        assert!(next.number() > last.number());
        last = next;
    }
}

#[test]
fn it_knows_its_forest() {
    let (tree, other) = (ProviderTree::new(), ProviderTree::new());
    let snapshot = tree.snapshot();
    assert!(snapshot.is_of(&tree) && snapshot.is_of(&tree.clone()) && !snapshot.is_of(&other));
}

#[test]
fn they_are_counted_while_they_are_held() {
    let tree = ProviderTree::new();
    let mut held: Vec<_> = (0..100).map(|_| tree.snapshot()).collect();
    assert_eq!(tree.memory().snapshots, 100);
    held.truncate(30);
    assert_eq!(tree.memory().snapshots, 30);
    let fork = held[0].fork();
    let feed = tree.subscribe(&held[1]);
    drop(held);
    assert_eq!(tree.memory().snapshots, 2);
    let basis = fork.to_batch_if_unchanged();
    drop((fork, feed));
    assert_eq!(tree.memory().snapshots, 1);
    drop(basis);
    assert_eq!(tree.memory().snapshots, 0);
}

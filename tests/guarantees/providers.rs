//! Providers that come, move, change and go in one commit, with what is held of them.

use std::thread;

use provider_tree::{
    Batch, Claim, Edit, Error, Expect, Fault, Inventories, Provider, ProviderSpec, ProviderTree,
    Trait,
};

use crate::rig::*;

fn spec(number: u64, name: &str) -> ProviderSpec {
    ProviderSpec::new(id(number), name)
}

fn parent(tree: &ProviderTree, provider: &Provider) -> Option<uuid::Uuid> {
    tree.configuration(provider).unwrap().parent
}

#[test]
fn a_whole_tree_comes_with_what_it_has() {
    let tree = ProviderTree::new();
    let mut worker = tree.worker().unwrap();
    let root = spec(1, "root").with_generation(7).with_inventories(of(VCPU, 8));
    let child = spec(2, "child").with_parent(id(1)).with_traits([Trait::MISC_SHARES_VIA_AGGREGATE]);
    let below = spec(3, "below").with_parent(id(2)).with_inventories(of(MEMORY, 4));
    // Parents may come after their children.
    let claim = Claim::new(id(9)).take(&root.to_come(), VCPU, 3).take(&below.to_come(), MEMORY, 4);
    let batch = Batch::new().create(below).create(child).create(root).claim(claim);
    assert_eq!(worker.commit(&batch).unwrap().len(), 1);
    let all = ["root", "child", "below"].map(|name| tree.find(name).unwrap());
    assert_eq!(tree.providers(), all);
    assert_eq!(all.map(|it| parent(&tree, &it)), [None, Some(id(1)), Some(id(2))]);
    assert_eq!(tree.configuration(&all[0]).unwrap().generation, 7);
    assert_eq!((used(&tree, &all[0]), tree.usage(&all[2], MEMORY).unwrap().free()), (3, 0));
    assert!(tree.snapshot().audit().unwrap().holds());
    let again = refused(&tree, || worker.commit(&Batch::new().create(spec(4, "root"))));
    assert_eq!(again, Error::NameExists { name: "root".into() });
    let again = refused(&tree, || worker.commit(&Batch::new().create(spec(1, "other"))));
    assert_eq!(again, Error::UuidExists { uuid: id(1) });
}

#[test]
fn everything_that_a_list_refuses_is_refused() {
    let (tree, host, mut worker) = one_host(8);
    let mut faults = |batch: Batch| match refused(&tree, || worker.commit(&batch)) {
        Error::InvalidEntries { faults } => faults,
        error => panic!("{error:?}"),
    };
    let twice = faults(Batch::new().create(spec(1, "a")).create(spec(1, "b")));
    assert_eq!(twice, [Fault::DuplicateUuid { provider: id(1) }]);
    let orphan = faults(Batch::new().create(spec(1, "a").with_parent(id(2))));
    assert_eq!(orphan, [Fault::Orphan { provider: id(1), parent: id(2) }]);
    let circle = faults(
        Batch::new()
            .create(spec(1, "a").with_parent(id(2)))
            .create(spec(2, "b").with_parent(id(1))),
    );
    assert_eq!(circle, [1, 2].map(|number| Fault::Cycle { provider: id(number) }));
    let changed = Batch::new().configure(&host, of(VCPU, 9), Expect::Any);
    let both = faults(changed.clone().configure(&host, of(VCPU, 7), Expect::Any));
    assert_eq!(both, [Fault::DuplicateUuid { provider: host.uuid() }]);
    let new = spec(1, "a");
    let coming = new.to_come();
    let created = [Fault::DuplicateUuid { provider: id(1) }];
    let batch = Batch::new().create(new);
    assert_eq!(faults(batch.clone().configure(&coming, of(VCPU, 1), Expect::Any)), created);
    assert_eq!(faults(batch.reparent(&coming, Some(&host))), created);
    let twice = faults(Batch::new().reparent(&host, None).reparent(&host, None));
    assert_eq!(twice, [Fault::DuplicateUuid { provider: host.uuid() }]);
    let both = faults(changed.remove(&host));
    assert_eq!(both, [Fault::AlsoRemoved { provider: host.uuid() }]);
    let below = spec(1, "a").with_parent(host.uuid());
    let both = faults(Batch::new().create(below).remove(&host));
    assert_eq!(both, [Fault::AlsoRemoved { provider: id(1) }]);
}

#[test]
fn a_handle_of_what_is_to_come_is_good_in_its_batch_alone() {
    let (tree, host, mut worker) = one_host(8);
    let coming = spec(1, "new").to_come();
    let foreign = Error::ForeignProvider { provider: id(1) };
    let claim = Claim::new(id(9)).take(&coming, VCPU, 1);
    let batches = [
        Batch::new().claim(claim.clone()),
        Batch::new().claim(claim.clone()).create(spec(2, "other")),
        Batch::new().configure(&coming, of(VCPU, 1), Expect::Any),
        Batch::new().remove(&coming),
        Batch::new().create(spec(1, "new")).remove(&coming),
        Batch::new().cordon(&coming),
        Batch::new().reparent(&host, Some(&coming)),
    ];
    for batch in batches {
        assert_eq!(refused(&tree, || worker.commit(&batch)), foreign, "{batch:?}");
    }
    assert_eq!(refused(&tree, || worker.claim(&claim)), foreign);
    assert_eq!(refused(&tree, || tree.remove(&coming)), foreign);
    assert_eq!(tree.snapshot().fork().claim(&claim), Err(foreign));
}

#[test]
fn providers_move_and_change_once() {
    let (tree, [one, other], mut worker) = two_hosts(8);
    let low = child(&tree, &one, "low", 4);
    let generation = |provider| tree.configuration(provider).unwrap().generation;
    let before = generation(&low);
    let new = spec(1, "new").with_parent(other.uuid());
    let batch = Batch::new().reparent(&low, Some(&new.to_come())).create(new).configure(
        &low,
        Edit::new().remove_inventories([VCPU]),
        Expect::Generation(before),
    );
    worker.commit(&batch).unwrap();
    let new = tree.find("new").unwrap();
    assert_eq!(tree.subtree(&other), Ok(vec![other, new, low]));
    assert_eq!((parent(&tree, &low), generation(&low)), (Some(id(1)), before + 1));
    assert!(tree.configuration(&low).unwrap().inventories.is_empty());
    // An edit that changes nothing leaves the generation, in a batch too.
    worker.commit(&Batch::new().configure(&low, Inventories::new(), Expect::Any)).unwrap();
    assert_eq!(generation(&low), before + 1);
    worker.commit(&Batch::new().reparent(&low, None)).unwrap();
    assert_eq!((parent(&tree, &low), generation(&low)), (None, before + 2));
}

#[test]
fn moves_of_one_batch_see_one_another() {
    let (tree, [a, b], mut worker) = two_hosts(8);
    let circle = Batch::new().reparent(&a, Some(&b)).reparent(&b, Some(&a));
    let error = refused(&tree, || worker.commit(&circle));
    assert_eq!(error, Error::WouldCycle { provider: b.uuid(), parent: a.uuid() });
    // What is a circle only until the next move is none.
    tree.reparent(&b, Some(&a)).unwrap();
    let turned = Batch::new().reparent(&b, None).reparent(&a, Some(&b));
    worker.commit(&turned).unwrap();
    assert_eq!(tree.providers(), [b, a]);
}

#[test]
fn cordons_of_a_batch_reach_what_it_moves_and_creates() {
    let (tree, [one, other], mut worker) = two_hosts(8);
    let low = child(&tree, &one, "low", 4);
    tree.cordon(&other).unwrap();
    let new = spec(1, "new").with_parent(other.uuid()).with_inventories(of(VCPU, 4));
    let claim = |provider: &Provider| Claim::new(id(9)).take(provider, VCPU, 1);
    let batch = |claimed: &Provider| {
        Batch::new().create(new.clone()).reparent(&low, Some(&other)).claim(claim(claimed))
    };
    for provider in [new.to_come(), low] {
        let error = refused(&tree, || worker.commit(&batch(&provider)));
        assert_eq!(error, Error::Cordoned { provider: provider.uuid() });
    }
    let open = batch(&new.to_come()).uncordon(&other).cordon(&low);
    worker.commit(&open).unwrap();
    let are = [other, tree.find("new").unwrap(), low].map(|it| tree.is_cordoned(&it).unwrap());
    assert_eq!(are, [false, false, true]);
}

#[test]
fn what_a_batch_empties_it_can_remove() {
    let (tree, [one, other], mut worker) = two_hosts(8);
    let low = child(&tree, &one, "low", 4);
    let held = worker.claim(&cpus(id(1), &one, 2).take(&low, VCPU, 3)).unwrap();
    let removal = Batch::new().remove(&one);
    let error = refused(&tree, || worker.commit(&removal));
    assert_eq!(error.provider(), Some(one.uuid()));
    // All that is held goes to the other, and the tree goes.
    let moved = cpus(id(1), &other, 5);
    worker.commit(&removal.replace(moved, Expect::Generation(held.generation))).unwrap();
    assert_eq!((tree.providers(), used(&tree, &other)), (vec![other], 5));
    assert_eq!((tree.find("low"), tree.find(one.uuid())), (None, None));
    // What a claim of the batch takes keeps its provider.
    let taken = Batch::new().claim(cpus(id(2), &other, 1)).remove(&other);
    assert!(matches!(refused(&tree, || worker.commit(&taken)), Error::InUse { used: 6, .. }));
}

/// A host whose CPUs are its own, or those of children that come and go with them.
#[test]
fn nobody_sees_a_child_that_comes_without_what_is_held() {
    let (tree, host, mut worker) = one_host(8);
    let vm = worker.claim(&cpus(id(1), &host, 3)).unwrap().consumer;
    let rounds = 300;
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0; 2];
                    while tree.find("done").is_none() {
                        let snapshot = tree.snapshot();
                        let child = snapshot.find("child").unwrap();
                        let place = child.unwrap_or(host);
                        assert_eq!(snapshot.usage(&place, VCPU).unwrap().used, 3);
                        let held = snapshot.allocations(vm).unwrap().unwrap().allocations;
                        assert_eq!(held[0].handle(), Some(place));
                        seen[usize::from(child.is_some())] += 1;
                    }
                    seen
                })
            })
            .collect();
        for round in 0..rounds {
            let child = spec(100 + round, "child").with_parent(host.uuid());
            let child = child.with_inventories(of(VCPU, 8));
            let down = Batch::new()
                .configure(&host, Edit::new().remove_inventories([VCPU]), Expect::Any)
                .replace(Claim::new(vm).take(&child.to_come(), VCPU, 3), Expect::Any)
                .create(child);
            worker.commit(&down).unwrap();
            let child = tree.find("child").unwrap();
            let up = Batch::new()
                .configure(&host, of(VCPU, 8), Expect::Any)
                .replace(cpus(vm, &host, 3), Expect::Any)
                .remove(&child);
            worker.commit(&up).unwrap();
        }
        tree.create_root("done", None).unwrap();
        for reader in readers {
            println!("without a child, with one: {:?}", reader.join().unwrap());
        }
    });
    assert_eq!(tree.configuration(&host).unwrap().generation, 1 + 2 * rounds);
    assert!(tree.snapshot().audit().unwrap().holds());
}

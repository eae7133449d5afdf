//! What is kept for snapshots.

use std::collections::VecDeque;

use provider_tree::{Error, Expect, Inventories, Inventory, Provider, ProviderTree, Snapshot};
use shared::dumps::in_order;

use crate::random::{Random, Rng};
use crate::rig::*;

fn take(tree: &ProviderTree, providers: &[Provider]) {
    let mut worker = tree.worker().unwrap();
    for provider in providers {
        worker.take(provider, &[(VCPU, 1)]).unwrap();
    }
}

#[test]
fn nothing_is_kept_while_nothing_changes() {
    let (tree, _) = many();
    let snapshot = tree.snapshot();
    snapshot.keep_at_most(0);
    let dump = snapshot.dump().unwrap();
    assert_eq!((dump.providers.len(), snapshot.kept()), (MANY, 0));
    assert!(!snapshot.is_too_old());
}

#[test]
fn of_each_cell_one_version_is_kept() {
    let (tree, providers) = many();
    let snapshot = tree.snapshot();
    let before = snapshot.dump().unwrap();
    for _ in 0..5 {
        take(&tree, &providers);
    }
    assert!((1..=MANY as u64).contains(&snapshot.kept()), "{}", snapshot.kept());
    assert_eq!(snapshot.dump().unwrap(), before);
    assert!(snapshot.audit().unwrap().holds());
}

#[test]
fn beyond_the_bound_it_is_too_old_for_good() {
    let (tree, providers) = many();
    for bound in [0, 1, 10] {
        let snapshot = tree.snapshot();
        snapshot.keep_at_most(bound);
        let reader = snapshot.clone();
        take(&tree, &providers);
        take(&tree, &providers);
        let too_old = Error::SnapshotTooOld { snapshot: snapshot.number() };
        assert!(snapshot.is_too_old() && reader.is_too_old());
        assert_eq!(reader.dump(), Err(too_old.clone()));
        assert_eq!(reader.audit(), Err(too_old.clone()));
        assert_eq!(reader.overcommitted(), Err(too_old));
        snapshot.keep_at_most(u64::MAX);
        assert!(snapshot.is_too_old());
        assert_eq!(tree.memory().snapshots, 1);
        drop((snapshot, reader));
        assert_eq!(tree.memory().snapshots, 0);
        let mut worker = tree.worker().unwrap();
        for provider in &providers {
            worker.put_back(provider, &[(VCPU, 2)]).unwrap();
        }
    }
}

/// Fails unless, of changes that each keep one thing more for a snapshot, sooner or later, the snapshot
/// is bound to `bound` of them exactly. What is kept is counted beside it, without a bound.
fn check_bound(bound: u64, mut changes: impl Iterator<Item = usize>, change: fn(&Twin, usize)) {
    let [free, bounded] = [(); 2].map(|()| Twin::new());
    let snapshots = [&free, &bounded].map(|twin| twin.tree.snapshot());
    snapshots[1].keep_at_most(bound);
    let before = snapshots[0].dump().unwrap();
    let mut exact = false;
    while snapshots[0].kept() <= bound {
        let at = changes.next().expect("enough changes");
        assert!(!snapshots[1].is_too_old(), "{} kept of {bound}", snapshots[0].kept());
        if snapshots[0].kept() == bound && !exact {
            exact = true;
            assert!(snapshots[1].dump().is_ok_and(|dump| dump == before));
        }
        change(&free, at);
        change(&bounded, at);
    }
    assert!(exact);
    assert_eq!(snapshots[0].kept(), bound + 1);
    assert!(snapshots[1].is_too_old());
    // All that it needs may be there still.
    match snapshots[1].dump() {
        Ok(dump) => assert!(dump == before),
        Err(error) => {
            assert_eq!(error, Error::SnapshotTooOld { snapshot: snapshots[1].number() });
        }
    }
    assert!(snapshots[0].dump().is_ok_and(|dump| dump == before));
}

/// One of two forests that do the same.
struct Twin {
    tree: ProviderTree,
    providers: Vec<Provider>,
    worker: std::cell::RefCell<provider_tree::Worker>,
}

impl Twin {
    fn new() -> Self {
        let (tree, providers) = many();
        let worker = tree.worker().unwrap().into();
        Twin { tree, providers, worker }
    }
}

#[test]
fn a_bound_is_met_by_one_version_more() {
    for bound in [0, 1, 10] {
        // More than are left in place.
        check_bound(bound, 0..MANY, |twin, at| {
            twin.worker.borrow_mut().take(&twin.providers[at], &[(VCPU, 1)]).unwrap();
        });
    }
}

#[test]
fn a_bound_is_met_by_one_configuration_more() {
    for bound in [0, 1, 10] {
        check_bound(bound, 0..MANY, |twin, at| set(&twin.tree, &twin.providers[at], of(VCPU, 7)));
    }
}

#[test]
fn reads_are_right_or_too_old() {
    for bound in [0, 1, 3, 100] {
        let mut random = Random::new(bound);
        let mut held = VecDeque::new();
        let (mut right, mut old) = (0, 0);
        for step in 0..1_500 {
            if step % 5 == 0 {
                let (asked, snapshot) = (random.asked(), random.tree.snapshot());
                let sight = Sight::of_tree(&random.tree, &asked);
                snapshot.keep_at_most(bound);
                held.push_back((snapshot, asked, sight));
            }
            random.step();
            for (snapshot, asked, sight) in held.iter().filter(|_| step % 20 == 0) {
                let was_too_old = snapshot.is_too_old();
                match Sight::of_snapshot(snapshot, asked) {
                    // What each provider says may be an error too.
                    Ok(seen) if !was_too_old => {
                        assert_eq!(seen, *sight);
                        right += 1;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error, Error::SnapshotTooOld { snapshot: snapshot.number() });
                        assert!(snapshot.is_too_old());
                        old += 1;
                    }
                }
                check_single_reads(snapshot, asked, sight);
            }
            if held.len() > 10 {
                held.pop_front();
            }
        }
        assert!(right > 0 && (old > 0 || bound == 100), "{right} right, {old} too old");
    }
}

/// Each read by itself is what it was, or the snapshot is too old for it.
fn check_single_reads(snapshot: &Snapshot, asked: &Asked, sight: &Sight) {
    let too_old = Error::SnapshotTooOld { snapshot: snapshot.number() };
    for provider in &asked.handles {
        let known =
            sight.dump().providers.iter().find(|it| it.configuration.uuid == provider.uuid());
        match snapshot.configuration(provider) {
            Ok(data) => assert_eq!(Some(&data), known.map(|known| &known.configuration)),
            Err(Error::Removed { .. }) => {}
            Err(error) => assert_eq!(error, too_old),
        }
    }
    for consumer in &asked.consumers {
        let known = sight.dump().consumers.iter().find(|it| it.consumer == *consumer);
        match snapshot.allocations(*consumer) {
            Ok(found) => assert_eq!(found.map(in_order).as_ref(), known),
            Err(error) => assert_eq!(error, too_old),
        }
    }
    for uuid in &asked.uuids {
        let known = sight.dump().providers.iter().any(|it| it.configuration.uuid == *uuid);
        match snapshot.find(uuid) {
            Ok(found) => assert_eq!(found.is_some(), known),
            Err(error) => assert_eq!(error, too_old),
        }
    }
}

#[test]
fn a_bound_for_one_is_none_for_others() {
    let (tree, providers) = many();
    let oldest = tree.snapshot();
    take(&tree, &providers[..100]);
    let free = tree.snapshot();
    let newest = tree.snapshot();
    oldest.keep_at_most(2);
    newest.keep_at_most(2);
    let before = free.dump().unwrap();
    for _ in 0..3 {
        take(&tree, &providers);
    }
    assert!(oldest.is_too_old());
    assert_eq!(free.dump().unwrap(), before);
    drop(oldest);
    assert_eq!(free.dump().unwrap(), before);
    drop(free);
    // What it shared with the others counts for it alone now.
    assert!(newest.is_too_old() && newest.dump().is_err());
}

#[test]
fn what_is_kept_passes_to_the_next_and_goes_with_the_last() {
    let (tree, providers) = many();
    let snapshots: Vec<_> = (0..4).map(|_| tree.snapshot()).collect();
    let before = snapshots[0].dump().unwrap();
    for _ in 0..3 {
        take(&tree, &providers);
    }
    let kept = snapshots[0].kept();
    assert!(kept > 0 && snapshots[1..].iter().all(|later| later.kept() == 0));
    for later in 1..4 {
        let mut rest = snapshots.clone();
        rest.drain(..later);
        assert_eq!(rest[0].dump().unwrap(), before);
    }
    let mut snapshots = VecDeque::from(snapshots);
    while let Some(first) = snapshots.pop_front() {
        drop(first);
        if let Some(next) = snapshots.front() {
            assert_eq!(next.kept(), kept);
            assert_eq!(next.dump().unwrap(), before);
        }
    }
    let next = tree.snapshot();
    assert_eq!((tree.memory().snapshots, next.kept()), (1, 0));
}

/// Inventories that tell which they are.
fn numbered(number: u64) -> Inventories {
    of(VCPU, 100 + number).with(MEMORY, Inventory::new(1 + number))
}

#[test]
fn configurations_stay_readable_in_any_order_of_dropping() {
    for seed in 0..20 {
        let tree = ProviderTree::new();
        let host = tree.create_root("host", None).unwrap();
        let mut rng = Rng::new(seed);
        let mut held = Vec::new();
        let check = |held: &[(Snapshot, u64)]| {
            for (snapshot, number) in held {
                let data = snapshot.configuration(&host).unwrap();
                assert_eq!(*data.inventories, numbered(*number));
                let usage = snapshot.usage(&host, VCPU).unwrap();
                assert_eq!(usage.capacity, 100 + number);
            }
        };
        for number in 0..150 {
            set(&tree, &host, numbered(number));
            for _ in 0..rng.below(3) {
                held.push((tree.snapshot(), number));
            }
            if rng.percent(40) && !held.is_empty() {
                let at = rng.below(held.len() as u64) as usize;
                held.swap_remove(at);
            }
            if number % 10 == 0 {
                check(&held);
            }
        }
        while !held.is_empty() {
            check(&held);
            held.swap_remove(rng.below(held.len() as u64) as usize);
        }
        assert_eq!(tree.memory().snapshots, 0);
    }
}

#[test]
fn of_each_provider_one_configuration_is_kept() {
    let tree = ProviderTree::new();
    let hosts = ["one", "other"].map(|name| tree.create_root(name, None).unwrap());
    let mut held = VecDeque::new();
    for number in 0..500 {
        // Several for each snapshot, of which at most the last is needed.
        for part in 0..3 {
            set(&tree, &hosts[0], numbered(3 * number + part));
        }
        set(&tree, &hosts[usize::from(number % 7 == 0)], numbered(number));
        held.push_back(tree.snapshot());
        if held.len() > 20 {
            // From either side, and from the middle.
            held.remove([0, held.len() - 1, held.len() / 2][number as usize % 3]);
        }
        // Of each provider a version, and a configuration.
        let kept: u64 = held.iter().map(Snapshot::kept).sum();
        assert!(kept <= 4 * held.len() as u64, "{kept} after {number}");
    }
    let usages = |snapshot: &Snapshot| hosts.map(|host| snapshot.usages(&host).unwrap());
    let capacities: Vec<_> = held.iter().map(usages).collect();
    for (snapshot, usages) in held.iter().zip(capacities) {
        for (host, usages) in hosts.iter().zip(usages) {
            let data = snapshot.configuration(host).unwrap();
            let capacity = data.inventories.get(VCPU).map(|inventory| inventory.total);
            assert_eq!(capacity, usages.first().map(|(_, usage)| usage.capacity));
        }
    }
}

#[test]
fn snapshots_dropped_in_any_order_leave_nothing() {
    for seed in 0..5 {
        let tree = ProviderTree::new();
        let hosts: Vec<_> =
            (0..10).map(|number| tree.create_root(&number.to_string(), None).unwrap()).collect();
        for host in &hosts {
            set(&tree, host, numbered(1_000_000));
        }
        let mut rng = Rng::new(seed);
        let mut held = Vec::new();
        for _ in 0..2_000 {
            let host = &hosts[rng.below(10) as usize];
            match rng.below(4) {
                0 => set(&tree, host, numbered(1_000_000 + rng.below(5))),
                1 => held.push((tree.snapshot(), tree.snapshot().dump().unwrap())),
                2 if !held.is_empty() => {
                    drop(held.swap_remove(rng.below(held.len() as u64) as usize))
                }
                _ => tree.worker().unwrap().take(host, &[(VCPU, 1)]).unwrap(),
            }
        }
        while let Some((snapshot, dump)) = held.pop() {
            assert_eq!(snapshot.dump().unwrap(), dump);
        }
        let last = tree.snapshot();
        assert_eq!((tree.memory().snapshots, last.kept()), (1, 0));
    }
}

#[test]
fn a_configuration_that_failed_is_in_no_snapshot() {
    let it = Estate::new();
    let before = it.tree.snapshot();
    for _ in 0..10 {
        let refused = it.tree.configure(&it.host, Inventories::new(), Expect::Any);
        assert!(matches!(refused, Err(Error::InUse { .. })));
        let between = it.tree.snapshot();
        assert_eq!(between.configuration(&it.host), before.configuration(&it.host));
        assert!(between.changes_since(&before).unwrap().is_empty());
    }
    assert_eq!(before.kept(), 0);
}

//! What may differ between two snapshots, by name alone.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Changes, Error, ProviderTree, Snapshot, Touched, Usage};
use uuid::Uuid;

use crate::random::{EVERYTHING, Random};
use crate::rig::*;

/// Returns what is touched between two snapshots; fails unless that has all that differs, with the
/// handles of those that are there.
pub(crate) fn check_touched(before: &Snapshot, after: &Snapshot, changes: &Changes) -> Touched {
    let touched = after.touched_since(before).unwrap();
    assert_eq!((touched.from, touched.to), (changes.from, changes.to));
    let providers: Vec<_> = touched.providers.iter().map(|touched| touched.provider).collect();
    for uuids in [&providers, &touched.consumers] {
        assert!(uuids.is_sorted_by(|one, next| one < next), "{touched:?}");
    }
    for touched in &touched.providers {
        assert_eq!(touched.handle, after.find(touched.provider).unwrap());
    }
    let changed = changes.providers.iter().map(|change| change.provider);
    assert!(changed.clone().all(|uuid| providers.contains(&uuid)), "{changes:?}, {touched:?}");
    let changed = changes.consumers.iter().map(|change| change.consumer);
    assert!(changed.clone().all(|uuid| touched.consumers.contains(&uuid)), "{changes:?}");
    touched
}

/// The numbers of the providers and consumers that `change` touches.
fn touched_by(change: impl FnOnce(&mut Estate)) -> (Vec<u64>, Vec<u64>) {
    let mut estate = Estate::new();
    let before = estate.tree.snapshot();
    change(&mut estate);
    let after = estate.tree.snapshot();
    let touched = check_touched(&before, &after, &after.changes_since(&before).unwrap());
    assert_eq!(touched.is_empty(), touched.providers.len() + touched.consumers.len() == 0);
    let number = |uuid: Uuid| uuid.as_u64_pair().1;
    let providers = touched.providers.iter().map(|touched| number(touched.provider));
    (providers.collect(), touched.consumers.iter().copied().map(number).collect())
}

#[test]
fn nothing_touches_nothing() {
    assert_eq!(touched_by(|_| ()), (vec![], vec![]));
    // Nor does what is refused.
    let refused = touched_by(|it| {
        it.worker.claim(&cpus(id(3), &it.host, 99)).unwrap_err();
        it.tree.create_root("host", pid(1)).unwrap_err();
    });
    assert_eq!(refused, (vec![], vec![]));
}

#[test]
fn a_claim_touches_what_it_takes_from() {
    let touched = touched_by(|it| claim(&mut it.worker, id(3), &it.host, 1));
    assert_eq!(touched, (vec![100], vec![3]));
    let touched = touched_by(|it| release(&mut it.worker, id(1)));
    assert_eq!(touched, (vec![100, 101], vec![1]));
}

#[test]
fn what_has_changed_back_is_touched() {
    let touched = touched_by(|it| {
        claim(&mut it.worker, id(3), &it.host, 4);
        release(&mut it.worker, id(3));
    });
    // Of the consumer no snapshot knows.
    assert_eq!(touched, (vec![100], vec![]));
}

#[test]
fn who_has_gone_is_touched_without_a_handle() {
    let it = Estate::new();
    let mut feed = it.tree.subscribe(&it.tree.snapshot());
    it.tree.remove(&it.gpu).unwrap_err();
    it.tree.remove(&it.inner).unwrap();
    let handles = |touched: &Touched| -> Vec<_> {
        touched.providers.iter().map(|touched| (touched.provider, touched.handle)).collect()
    };
    let touched = feed.poll_touched().unwrap();
    assert_eq!(handles(&touched), [(pid(102), Some(it.shut)), (pid(103), None)]);
    // And one that comes back is another, wherever it is.
    let other = it.tree.create_root("other", pid(1)).unwrap();
    it.tree.remove(&it.bare).unwrap();
    let bare = it.tree.create_child(&it.host, "bare", it.bare.uuid()).unwrap();
    let touched = feed.poll_touched().unwrap();
    assert!(handles(&touched).contains(&(pid(1), Some(other))));
    assert!(handles(&touched).contains(&(bare.uuid(), Some(bare))));
    assert!(feed.poll_touched().unwrap().is_empty());
}

#[test]
fn both_kinds_of_polls_lead_on() {
    let mut it = Estate::new();
    let mut feed = it.tree.subscribe(&it.tree.snapshot());
    claim(&mut it.worker, id(3), &it.host, 1);
    let touched = feed.poll_touched().unwrap();
    assert_eq!((touched.to, touched.consumers), (feed.position().number(), vec![id(3)]));
    claim(&mut it.worker, id(4), &it.host, 1);
    let changes = feed.poll().unwrap();
    assert_eq!((changes.from, changes.consumers.len()), (touched.to, 1));
    assert!(feed.poll_touched().unwrap().is_empty());
}

#[test]
fn an_index_of_the_callers_own_follows_everything_by_chance() {
    for seed in 10..12 {
        let mut random = Random::new(seed);
        let mut feed = random.tree.subscribe(&random.tree.snapshot());
        let usages = |snapshot: &Snapshot| -> BTreeMap<Uuid, Vec<_>> {
            let providers = snapshot.providers().unwrap().into_iter();
            providers.map(|it| (it.uuid(), snapshot.usages(&it).unwrap())).collect()
        };
        let mut index: BTreeMap<Uuid, Vec<(_, Usage)>> = usages(feed.position());
        let mut consumers: BTreeSet<_> = feed.position().consumers().unwrap().into_iter().collect();
        for _ in 0..4_000 {
            random.step();
            if !random.rng.percent(30) {
                continue;
            }
            let before = feed.position().clone();
            let touched = feed.poll_touched().unwrap();
            let now = feed.position();
            assert_eq!(check_touched(&before, now, &now.changes_since(&before).unwrap()), touched);
            for touched in touched.providers {
                match touched.handle {
                    Some(handle) => index.insert(touched.provider, now.usages(&handle).unwrap()),
                    None => index.remove(&touched.provider),
                };
            }
            for consumer in touched.consumers {
                match now.allocations(consumer).unwrap() {
                    Some(_) => consumers.insert(consumer),
                    None => consumers.remove(&consumer),
                };
            }
            assert_eq!(index, usages(now), "seed {seed}");
            assert!(consumers.iter().copied().eq(BTreeSet::from_iter(now.consumers().unwrap())));
        }
        random.check_done(&EVERYTHING);
    }
}

#[test]
fn claims_alone_leave_no_feed_behind() {
    let (tree, providers) = many();
    let mut worker = tree.worker().unwrap();
    let mut feed = tree.subscribe(&tree.snapshot()).with_bound(3);
    for provider in providers.iter().chain(&providers) {
        worker.take(provider, &[(VCPU, 1)]).unwrap();
    }
    assert!(feed.position().is_too_old());
    assert_eq!(feed.poll_touched().unwrap().providers.len(), providers.len());
    // What has gone has to be known by its uuid.
    for provider in &providers {
        worker.put_back(provider, &[(VCPU, 2)]).unwrap();
        tree.remove(provider).unwrap();
    }
    let behind = Error::FellBehind { snapshot: feed.position().number() };
    assert_eq!(feed.poll_touched().unwrap_err(), behind);
}

#[test]
fn other_forests_are_foreign() {
    let it = Estate::new();
    let elsewhere = ProviderTree::load(&it.tree.snapshot().dump().unwrap()).unwrap().snapshot();
    let foreign = Error::ForeignSnapshot { snapshot: elsewhere.number() };
    assert_eq!(it.tree.snapshot().touched_since(&elsewhere).unwrap_err(), foreign);
    assert_eq!(it.tree.subscribe(&elsewhere).poll_touched().unwrap_err(), foreign);
}

//! What differs between two snapshots, and mirrors and feeds that live on it.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{
    Allocations, Batch, Changes, ConsumerChange, Deadline, Dump, Edit, Error, Expect, Inventories,
    Mirror, Now, ProviderChange, ProviderSpec, ProviderState, ProviderTree, Resources, Trait,
};
use shared::dumps::without_floors;
use uuid::Uuid;

use crate::random::{EVERYTHING, Random};
use crate::rig::*;
use crate::touched::check_touched;

/// The providers of a dump with their places.
fn states(dump: &Dump) -> BTreeMap<Uuid, ProviderState> {
    let mut last = BTreeMap::new();
    let state = |it: &provider_tree::ProviderDump| {
        let previous = last.insert(it.configuration.parent, it.configuration.uuid);
        (it.configuration.uuid, ProviderState::new(it.clone(), previous))
    };
    dump.providers.iter().map(state).collect()
}

fn holdings(dump: &Dump) -> BTreeMap<Uuid, Allocations> {
    dump.consumers.iter().map(|held| (held.consumer, held.clone())).collect()
}

/// What is in one of them and not, or otherwise, in the other: each once, by key.
fn differing<T: Clone + PartialEq>(
    before: &BTreeMap<Uuid, T>,
    after: &BTreeMap<Uuid, T>,
) -> Vec<(Uuid, Option<T>, Option<T>)> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let pair = |key: Uuid| (key, before.get(&key).cloned(), after.get(&key).cloned());
    keys.into_iter().map(pair).filter(|(_, before, after)| before != after).collect()
}

/// What differs between two dumps, found by comparing them whole.
fn expected(before: &Dump, after: &Dump, [from, to]: [u64; 2]) -> Changes {
    let providers = differing(&states(before), &states(after)).into_iter();
    let consumers = differing(&holdings(before), &holdings(after)).into_iter();
    Changes {
        from,
        to,
        providers: providers
            .map(|(provider, before, after)| ProviderChange { provider, before, after })
            .collect(),
        consumers: consumers
            .map(|(consumer, before, after)| ConsumerChange { consumer, before, after })
            .collect(),
    }
}

/// What `change` changes: checked against the whole state before and after, and applied to a
/// mirror.
fn changes_of(change: impl FnOnce(&mut Estate)) -> Changes {
    let mut estate = Estate::new();
    let before = estate.tree.snapshot();
    let mut mirror = Mirror::new(&before).unwrap();
    assert_eq!(mirror.dump(), without_floors(estate.tree.snapshot().dump().unwrap()));
    change(&mut estate);
    let after = estate.tree.snapshot();
    let changes = after.changes_since(&before).unwrap();
    let versions = [before.number(), after.number()];
    let dumps = (before.dump().unwrap(), after.dump().unwrap());
    assert_eq!(changes, expected(&dumps.0, &dumps.1, versions));
    assert_eq!(changes.len(), changes.providers.len() + changes.consumers.len());
    check_touched(&before, &after, &changes);
    mirror.apply(&changes).unwrap();
    assert_eq!(mirror.dump(), without_floors(estate.tree.snapshot().dump().unwrap()));
    assert_eq!(mirror.number(), after.number());
    changes
}

/// The numbers of the providers and consumers in it.
fn who(changes: &Changes) -> (Vec<u64>, Vec<u64>) {
    let number = |uuid: Uuid| uuid.as_u64_pair().1;
    let providers = changes.providers.iter().map(|change| number(change.provider));
    (providers.collect(), changes.consumers.iter().map(|change| number(change.consumer)).collect())
}

const HOST: u64 = 100;
const GPU_0: u64 = 101;
const SHUT: u64 = 102;
const INNER: u64 = 103;
const BARE: u64 = 104;

#[test]
fn between_equal_snapshots_nothing() {
    let it = Estate::new();
    let snapshot = it.tree.snapshot();
    assert!(snapshot.changes_since(&snapshot).unwrap().is_empty());
    let changes = it.tree.snapshot().changes_since(&snapshot).unwrap();
    assert!(changes.is_empty());
    // Nor what came after both.
    let next = it.tree.snapshot();
    it.tree.remove(&it.bare).unwrap();
    assert!(next.changes_since(&snapshot).unwrap().is_empty());
}

#[test]
fn a_creation() {
    let changes = changes_of(|it| drop(it.tree.create_root("other", pid(1))));
    assert_eq!(who(&changes).0, [1]);
    let [change] = &changes.providers[..] else { panic!() };
    assert_eq!(change.before, None);
    assert_eq!(change.after.as_ref().unwrap().previous, Some(pid(BARE)));
    let changes = changes_of(|it| drop(it.tree.create_child(&it.gpu, "other", pid(1))));
    assert_eq!(changes.providers[0].after.as_ref().unwrap().previous, None);
    assert_eq!(
        changes.providers[0].after.as_ref().unwrap().dump.configuration.parent,
        Some(pid(GPU_0))
    );
}

#[test]
fn a_removal() {
    let changes = changes_of(|it| drop(it.tree.remove(&it.shut)));
    // The next sibling has another one before it.
    assert_eq!(who(&changes).0, [SHUT, INNER, BARE]);
    assert!(changes.providers[..2].iter().all(|change| change.after.is_none()));
    let of_bare = &changes.providers[2];
    assert_eq!(of_bare.before.as_ref().unwrap().previous, Some(pid(SHUT)));
    assert_eq!(of_bare.after.as_ref().unwrap().previous, Some(pid(HOST)));
}

#[test]
fn a_removal_and_a_creation_under_the_same_uuid() {
    let changes = changes_of(|it| {
        it.tree.remove(&it.bare).unwrap();
        it.tree.create_child(&it.host, "other", it.bare.uuid()).unwrap();
    });
    let [change] = &changes.providers[..] else { panic!("{changes:?}") };
    let [before, after] = [&change.before, &change.after].map(|it| it.as_ref().unwrap());
    assert_eq!(
        (&*before.dump.configuration.name, &*after.dump.configuration.name),
        ("bare", "other")
    );
    assert_eq!((before.previous, after.previous), (Some(pid(SHUT)), Some(pid(GPU_0))));
}

#[test]
fn a_removal_and_the_same_again_is_nothing() {
    let changes = changes_of(|it| {
        it.tree.remove(&it.bare).unwrap();
        it.tree.create_root("bare", it.bare.uuid()).unwrap();
    });
    assert!(changes.is_empty());
}

#[test]
fn a_rename() {
    let changes = changes_of(|it| it.tree.rename(&it.host, "other").unwrap());
    assert_eq!(who(&changes), (vec![HOST], vec![]));
}

#[test]
fn a_move() {
    let changes = changes_of(|it| it.tree.reparent(&it.shut, Some(&it.host)).unwrap());
    assert_eq!(who(&changes).0, [SHUT, BARE]);
    let changes = changes_of(|it| it.tree.reparent(&it.host, Some(&it.inner)).unwrap());
    assert_eq!(who(&changes).0, [HOST, SHUT]);
}

#[test]
fn the_order_of_siblings() {
    let changes = changes_of(|it| {
        // To the end.
        it.tree.reparent(&it.host, Some(&it.bare)).unwrap();
        it.tree.reparent(&it.host, None).unwrap();
    });
    assert_eq!(who(&changes).0, [HOST, SHUT]);
    let previous = |at: usize| changes.providers[at].after.as_ref().unwrap().previous;
    assert_eq!((previous(0), previous(1)), (Some(pid(BARE)), None));
}

#[test]
fn a_population() {
    let changes = changes_of(|it| {
        let other = ProviderSpec::new(pid(1), "other").with_inventories(of(VCPU, 3));
        let moved = ProviderSpec::new(it.inner.uuid(), "inner").with_parent(pid(1));
        it.tree.populate(&[other, moved]).unwrap();
    });
    assert_eq!(who(&changes).0, [1, INNER]);
}

#[test]
fn a_population_that_removes() {
    let changes = changes_of(|it| {
        it.tree.populate(&[ProviderSpec::new(it.shut.uuid(), "shut")]).unwrap();
    });
    // What is not listed goes; what is listed is the last.
    assert_eq!(who(&changes).0, [SHUT, INNER, BARE]);
    assert_eq!(changes.providers[1].after, None);
}

#[test]
fn configurations() {
    let changes = changes_of(|it| set(&it.tree, &it.shut, of(VCPU, 5)));
    assert_eq!(who(&changes), (vec![SHUT], vec![]));
    let changes = changes_of(|it| set(&it.tree, &it.shut, Inventories::new()));
    assert_eq!(who(&changes), (vec![SHUT], vec![]));
    let changes = changes_of(|it| {
        it.tree
            .configure(
                &it.host,
                Edit::new().set_traits([Trait::new("CUSTOM_FAST").unwrap()]),
                Expect::Any,
            )
            .unwrap();
    });
    assert_eq!(who(&changes), (vec![HOST], vec![]));
    let changes = changes_of(|it| {
        it.tree.configure(&it.gpu, Edit::new().set_aggregates([id(901)]), Expect::Any).unwrap();
    });
    assert_eq!(who(&changes), (vec![GPU_0], vec![]));
    let changes = changes_of(|it| {
        let resources = Resources::new().with(VCPU, 8_u32);
        it.tree.configure(&it.host, Edit::new().set_resources(resources), Expect::Any).unwrap();
    });
    assert_eq!(who(&changes), (vec![HOST], vec![]));
}

#[test]
fn a_claim() {
    let changes = changes_of(|it| {
        let _receipt = it.worker.claim(&cpus(id(3), &it.host, 1).take(&it.gpu, GPU, 1)).unwrap();
    });
    assert_eq!(who(&changes), (vec![HOST, GPU_0], vec![3]));
    assert_eq!(changes.consumers[0].before, None);
    assert_eq!(changes.consumers[0].after.as_ref().unwrap().allocations.len(), 2);
}

#[test]
fn a_replacement() {
    // A GPU less, as much of the host.
    let changes = changes_of(|it| {
        let _receipt = it.worker.replace(&cpus(id(1), &it.host, 4), Expect::Any).unwrap();
    });
    assert_eq!(who(&changes), (vec![GPU_0], vec![1]));
    let [before, after] = [&changes.consumers[0].before, &changes.consumers[0].after];
    assert_eq!(before.as_ref().unwrap().generation, 1);
    assert_eq!(after.as_ref().unwrap().generation, 2);
}

#[test]
fn a_release() {
    let changes = changes_of(|it| drop(it.worker.release(id(1))));
    assert_eq!(who(&changes), (vec![HOST, GPU_0], vec![1]));
    assert_eq!(changes.consumers[0].after, None);
}

#[test]
fn a_lease() {
    let deadline = |changes: &Changes| changes.consumers[0].after.as_ref().unwrap().deadline;
    let changes = changes_of(|it| {
        let _receipt = it.worker.renew(&it.lease, Deadline(70), Now(0)).unwrap();
    });
    assert_eq!((who(&changes), deadline(&changes)), ((vec![], vec![2]), Some(Deadline(70))));
    let changes = changes_of(|it| {
        let _receipt = it.worker.confirm(&it.lease, Now(0)).unwrap();
    });
    assert_eq!((who(&changes), deadline(&changes)), ((vec![], vec![2]), None));
    let changes = changes_of(|it| drop(it.worker.expire(Now(50)).unwrap()));
    assert_eq!(who(&changes), (vec![HOST], vec![2]));
}

#[test]
fn a_cordon() {
    // What is below is not cordoned itself.
    let changes = changes_of(|it| drop(it.tree.cordon(&it.host)));
    assert_eq!(who(&changes), (vec![HOST], vec![]));
    assert!(changes.providers[0].after.as_ref().unwrap().dump.cordoned);
    let changes = changes_of(|it| drop(it.tree.cordon(&it.inner)));
    assert_eq!(who(&changes), (vec![INNER], vec![]));
    let changes = changes_of(|it| drop(it.tree.uncordon(&it.shut)));
    assert_eq!(who(&changes), (vec![SHUT], vec![]));
}

#[test]
fn what_is_taken() {
    let changes = changes_of(|it| it.worker.take(&it.host, &[(MEMORY, 1)]).unwrap());
    assert_eq!(who(&changes), (vec![HOST], vec![]));
    let changes = changes_of(|it| it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap());
    assert_eq!(who(&changes), (vec![HOST], vec![]));
}

#[test]
fn a_batch() {
    let changes = changes_of(|it| {
        let batch = Batch::new()
            .release(id(1), Expect::Any)
            .claim(cpus(id(3), &it.inner, 8))
            .uncordon(&it.shut)
            .configure(&it.bare, of(GPU, 1), Expect::Any);
        set(&it.tree, &it.inner, of(VCPU, 8));
        assert_eq!(it.worker.commit(&batch).unwrap().len(), 2);
    });
    assert_eq!(who(&changes), (vec![HOST, GPU_0, SHUT, INNER, BARE], vec![1, 3]));
}

#[test]
fn what_has_changed_back_is_nothing() {
    let changes = changes_of(|it| {
        claim(&mut it.worker, id(3), &it.host, 4);
        release(&mut it.worker, id(3));
        it.worker.take(&it.host, &[(VCPU, 1)]).unwrap();
        it.worker.put_back(&it.host, &[(VCPU, 1)]).unwrap();
        it.tree.cordon(&it.host).unwrap();
        it.tree.uncordon(&it.host).unwrap();
        let gone = it.tree.create_child(&it.bare, "other", None).unwrap();
        it.tree.remove(&gone).unwrap();
    });
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_consumer_that_has_begun_again_is_another() {
    let changes = changes_of(|it| {
        release(&mut it.worker, id(1));
        let _receipt = it.worker.claim(&cpus(id(1), &it.host, 4).take(&it.gpu, GPU, 1)).unwrap();
    });
    let [ConsumerChange { consumer, before: Some(before), after: Some(after) }] =
        &changes.consumers[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!((*consumer, before.generation, after.generation), (id(1), 1, 2));
    assert_eq!(before.allocations, after.allocations);
    assert!(changes.providers.is_empty(), "{changes:?}");
}

#[test]
fn other_forests_and_later_snapshots_are_foreign() {
    let it = Estate::new();
    let (first, second) = (it.tree.snapshot(), it.tree.snapshot());
    let elsewhere = ProviderTree::load(&it.tree.snapshot().dump().unwrap()).unwrap().snapshot();
    for (newer, older) in [(&first, &second), (&first, &elsewhere), (&elsewhere, &first)] {
        let foreign = Error::ForeignSnapshot { snapshot: older.number() };
        assert_eq!(newer.changes_since(older).unwrap_err(), foreign);
    }
    let mut feed = it.tree.subscribe(&elsewhere);
    let foreign = Error::ForeignSnapshot { snapshot: elsewhere.number() };
    assert_eq!(feed.poll().unwrap_err(), foreign);
}

#[test]
fn a_mirror_follows_everything_by_chance() {
    for seed in 0..3 {
        let mut random = Random::new(seed);
        let mut feed = random.tree.subscribe(&random.tree.snapshot());
        let mut mirror = Mirror::new(feed.position()).unwrap();
        let first = feed.position().clone();
        let mut all = mirror.clone();
        for _ in 0..4_000 {
            random.step();
            if !random.rng.percent(30) {
                continue;
            }
            let from = feed.position().dump().unwrap();
            let changes = feed.poll().unwrap();
            let dump = random.tree.snapshot().dump().unwrap();
            assert_eq!(feed.position().dump().unwrap(), dump);
            assert_eq!(changes, expected(&from, &dump, [changes.from, changes.to]), "{seed}");
            mirror.apply(&changes).unwrap();
            assert_eq!(mirror.dump(), without_floors(dump.clone()), "seed {seed}");
            assert_eq!(mirror, Mirror::of_dump(&dump, feed.position().number()));
        }
        // All of it at once leads to the same.
        all.apply(&feed.position().changes_since(&first).unwrap()).unwrap();
        assert_eq!(all, mirror);
        random.check_done(&EVERYTHING);
    }
}

#[test]
fn a_feed_goes_on_where_another_ended() {
    let it = Estate::new();
    let mut feed = it.tree.subscribe(&it.tree.snapshot());
    let mut mirror = Mirror::new(feed.position()).unwrap();
    it.tree.remove(&it.bare).unwrap();
    mirror.apply(&feed.poll().unwrap()).unwrap();
    let position = feed.position().clone();
    drop(feed);
    it.tree.remove(&it.shut).unwrap();
    let mut feed = it.tree.subscribe(&position);
    drop(position);
    mirror.apply(&feed.poll().unwrap()).unwrap();
    assert_eq!(mirror.dump(), without_floors(it.tree.snapshot().dump().unwrap()));
    assert!(feed.poll().unwrap().is_empty());
}

#[test]
fn feeds_are_independent() {
    let it = Estate::new();
    let mut feed = it.tree.subscribe(&it.tree.snapshot());
    let mut other = feed.clone();
    it.tree.remove(&it.bare).unwrap();
    let first = feed.poll().unwrap();
    assert!(feed.poll().unwrap().is_empty());
    let second = other.poll().unwrap();
    assert_eq!((first.from, &first.providers), (second.from, &second.providers));
}

#[test]
fn a_bounded_feed_that_fell_behind_is_over() {
    let (tree, providers) = many();
    let mut worker = tree.worker().unwrap();
    let mut feed = tree.subscribe(&tree.snapshot()).with_bound(3);
    let mut mirror = Mirror::new(feed.position()).unwrap();
    // As little as is kept in place.
    worker.take(&providers[0], &[(VCPU, 1)]).unwrap();
    mirror.apply(&feed.poll().unwrap()).unwrap();
    assert_eq!(mirror.dump(), without_floors(tree.snapshot().dump().unwrap()));
    for provider in providers.iter().chain(&providers) {
        worker.take(provider, &[(VCPU, 1)]).unwrap();
    }
    let behind = Error::FellBehind { snapshot: feed.position().number() };
    assert_eq!(feed.poll().unwrap_err(), behind);
    assert_eq!(feed.poll().unwrap_err(), behind);
    assert_eq!(mirror.number(), feed.position().number());
    let mut feed = tree.subscribe(&tree.snapshot()).with_bound(3);
    let mut mirror = Mirror::new(feed.position()).unwrap();
    worker.put_back(&providers[7], &[(VCPU, 1)]).unwrap();
    let changes = feed.poll().unwrap();
    assert_eq!(changes.len(), 1);
    mirror.apply(&changes).unwrap();
    assert_eq!(mirror.dump(), without_floors(tree.snapshot().dump().unwrap()));
}

#[test]
fn a_mirror_refuses_a_gap() {
    let it = Estate::new();
    let mut feed = it.tree.subscribe(&it.tree.snapshot());
    let mut mirror = Mirror::new(feed.position()).unwrap();
    it.tree.remove(&it.bare).unwrap();
    let first = feed.poll().unwrap();
    it.tree.remove(&it.shut).unwrap();
    let second = feed.poll().unwrap();
    let before = mirror.clone();
    let gap = Error::ForeignSnapshot { snapshot: second.from };
    assert_eq!(mirror.apply(&second), Err(gap));
    assert_eq!(mirror, before);
    mirror.apply(&first).unwrap();
    let again = Error::ForeignSnapshot { snapshot: first.from };
    assert_eq!(mirror.apply(&first), Err(again));
    mirror.apply(&second).unwrap();
    assert_eq!(mirror.dump(), without_floors(it.tree.snapshot().dump().unwrap()));
}

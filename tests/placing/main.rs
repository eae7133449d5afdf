//! What a scheduler does with a view: place, order, assume, evict, and ask why.

use std::collections::{BTreeSet, HashMap, HashSet};

use provider_tree::{
    Claim, Edit, Error, Expect, Group, Inventories, Inventory, Provider, ProviderTree, Request,
    ResourceClass, Trait, Unplaced, Usage, View,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const DISK: ResourceClass = ResourceClass::DISK_GB;

fn host(tree: &ProviderTree, name: &str, vcpus: u64) -> Provider {
    let host = tree.create_root(name, None).unwrap();
    let vcpu = Inventories::new().with(VCPU, Inventory::new(vcpus));
    tree.configure(&host, vcpu, Expect::Any).unwrap();
    host
}

fn vcpus(amount: u64) -> Request {
    Request::new().take(VCPU, amount)
}

fn roots(view: &View, request: &Request) -> Vec<Provider> {
    let mut prepared = view.prepare(request).unwrap();
    view.candidates(&mut prepared).unwrap().map(|candidate| candidate.root()).collect()
}

#[test]
fn a_conflict_is_made_up_for() {
    let tree = ProviderTree::new();
    let hosts = [host(&tree, "a", 4), host(&tree, "b", 4)];
    let (mut worker, mut other) = (tree.worker().unwrap(), tree.worker().unwrap());
    let mut view = tree.view();
    let mut four = view.prepare(&vcpus(4)).unwrap();
    // Another thread is faster on the first host.
    let _ = other.claim(&Claim::new(Uuid::new_v4()).take(&hosts[0], VCPU, 1)).unwrap();

    let first = |view: &View, four: &mut _| Ok(view.candidates(four)?.next());
    let placed = view.place(&mut worker, &mut four, Uuid::new_v4(), 3, first).unwrap();
    assert_eq!((placed.candidate.root(), placed.refusals), (hosts[1], 1));
    assert_eq!(view.usage(&hosts[0], VCPU).unwrap().used, 1, "what was refused was read again");
    assert_eq!(view.usage(&hosts[1], VCPU).unwrap().used, 4);

    let none = view.place(&mut worker, &mut four, Uuid::new_v4(), 3, first).unwrap_err();
    assert_eq!(none, Unplaced::NothingFits { refusals: 0 });
    // What became free meanwhile is found: the view is brought up to date first.
    let _ = worker.release(placed.receipt.consumer).unwrap();
    let placed = view.place(&mut worker, &mut four, Uuid::new_v4(), 3, first).unwrap();
    assert_eq!(placed.candidate.root(), hosts[1]);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn a_full_quota_is_no_reason_to_look_for_another_host() {
    let tree = ProviderTree::new();
    let hosts = [host(&tree, "a", 4), host(&tree, "b", 4)];
    let quota = ResourceClass::new("CUSTOM_QUOTA_VCPU").unwrap();
    let team = tree.create_root("team", None).unwrap();
    tree.configure(&team, Inventories::from([(quota, Inventory::new(1))]), Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    let mut two = view.prepare(&vcpus(2)).unwrap();
    let mut tries = 0;
    let wanted = Claim::unnamed().take_with_ancestors(&team, quota, 2);
    let refused = view.place(&mut worker, &mut two, wanted, 5, |view, two| {
        tries += 1;
        Ok(view.candidates(two)?.next())
    });
    let full =
        Error::CapacityExceeded { provider: team.uuid(), class: quota, requested: 2, free: 1 };
    assert_eq!((refused.unwrap_err(), tries), (Unplaced::Refused(full), 1));
    assert!(hosts.iter().all(|host| tree.usage(host, VCPU).unwrap().used == 0));
}

#[test]
fn placing_gives_up_and_says_why() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..5).map(|number| host(&tree, &format!("{number}"), 4)).collect();
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    let mut four = view.prepare(&vcpus(4)).unwrap();
    for host in &hosts {
        let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(host, VCPU, 1)).unwrap();
    }
    let first = |view: &View, four: &mut _| Ok(view.candidates(four)?.next());
    let consumer = Uuid::new_v4();
    let error = view.place(&mut worker, &mut four, consumer, 1, first).unwrap_err();
    let Unplaced::GaveUp { refusals: 1, last } = error else { panic!("{error}") };
    let free =
        Error::CapacityExceeded { provider: hosts[0].uuid(), class: VCPU, requested: 4, free: 3 };
    assert_eq!(last, free);
    // After half of the tries everything is read again, and nothing is tried in vain any more.
    let error = view.place(&mut worker, &mut four, consumer, 4, first).unwrap_err();
    assert!(matches!(error, Unplaced::NothingFits { refusals: 2 }), "{error:?}");
    assert_eq!(tree.allocations(consumer), None);

    // A consumer that exists is refused everywhere, so that no other host is tried.
    let mut one = view.prepare(&vcpus(1)).unwrap();
    let known = tree.snapshot().consumers().unwrap()[0];
    let error = view.place(&mut worker, &mut one, known, 9, first).unwrap_err();
    assert!(matches!(error, Unplaced::Refused(Error::AlreadyHeld { .. })), "{error}");
}

#[test]
fn what_is_prepared_serves_one_view() {
    let tree = ProviderTree::new();
    let (view, other) = (tree.view(), tree.view());
    let mut prepared = view.prepare(&vcpus(1)).unwrap();
    assert_eq!(other.candidates(&mut prepared).unwrap_err(), Error::ForeignRequest);
    assert_eq!(other.why(&mut prepared).unwrap_err(), Error::ForeignRequest);
    assert_eq!(other.best(&mut prepared, 1, |_| 0).unwrap_err(), Error::ForeignRequest);
    assert!(view.candidates(&mut prepared).unwrap().next().is_none());
    assert!(matches!(view.prepare(&Request::new()), Err(Error::InvalidRequest { .. })));
}

#[test]
fn what_is_assumed_stays_when_the_provider_is_read() {
    let tree = ProviderTree::new();
    let host = host(&tree, "a", 8);
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    let claim = |amount| Claim::new(Uuid::new_v4()).take(&host, VCPU, amount);
    let used = |view: &View| view.usage(&host, VCPU).unwrap().used;

    let (ours, theirs) = (claim(3), claim(2));
    view.assume(&ours);
    assert_eq!(used(&view), 3);
    let _ = worker.claim(&theirs).unwrap();
    view.refresh();
    assert_eq!(used(&view), 5);
    assert!(roots(&view, &vcpus(4)).is_empty());
    // Granted, and noted.
    let _ = worker.claim(&ours).unwrap();
    view.undo(&ours);
    view.claimed(&ours);
    assert_eq!(used(&view), 5);
    view.refresh();
    assert_eq!(used(&view), 5);
    // Undone twice, nothing more happens.
    view.undo(&ours);
    assert_eq!(used(&view), 5);
    view.reread(&host).unwrap();
    assert_eq!((used(&view), roots(&view, &vcpus(3))), (5, vec![host]));
}

#[test]
fn a_claim_noted_twice_is_counted_once_after_a_refresh() {
    let tree = ProviderTree::new();
    let host = host(&tree, "a", 8);
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    view.refresh();
    let claim = Claim::new(Uuid::new_v4()).take(&host, VCPU, 3);
    let _ = worker.claim(&claim).unwrap();
    view.refresh();
    view.claimed(&claim);
    assert_eq!(view.usage(&host, VCPU).unwrap().used, 6, "the caller was told of this");
    view.refresh();
    assert_eq!(view.usage(&host, VCPU).unwrap().used, 3);
}

#[test]
fn chains_are_counted_at_each_link() {
    let tree = ProviderTree::new();
    let top = host(&tree, "organisation", 10);
    let team = tree.create_child(&top, "team", None).unwrap();
    let vcpu = Inventories::new().with(VCPU, Inventory::new(5));
    tree.configure(&team, vcpu, Expect::Any).unwrap();
    let person = tree.create_child(&team, "person", None).unwrap();
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    let claim = Claim::new(Uuid::new_v4()).take_with_ancestors(&person, VCPU, 2);
    let _ = worker.claim(&claim).unwrap();
    view.claimed(&claim);
    for provider in [&top, &team] {
        assert_eq!(view.usage(provider, VCPU).unwrap(), tree.usage(provider, VCPU).unwrap());
    }
    let _ = worker.release(claim.consumer().unwrap()).unwrap();
    view.released(&claim);
    assert_eq!(view.usage(&top, VCPU).unwrap().used, 0);
}

#[test]
fn roots_come_in_the_order_of_a_key() {
    let tree = ProviderTree::new();
    let sizes: [u64; 9] = [40, 3, 900, 17, 3, 70, 1, 250, 17];
    let hosts: Vec<_> =
        (0..).zip(sizes).map(|(at, size)| host(&tree, &format!("{at}"), size)).collect();
    let mut view = tree.view();
    view.order_by(|root| root.free(VCPU));
    let mut three = view.prepare(&vcpus(3)).unwrap();
    let order = |view: &View, three: &mut _, least| -> Vec<u64> {
        let found = view.candidates(three).unwrap().in_order(least);
        let size = |root| sizes[hosts.iter().position(|host| *host == root).unwrap()];
        found.map(|candidate| size(candidate.root())).collect()
    };
    assert_eq!(order(&view, &mut three, 0), [3, 3, 17, 17, 40, 70, 250, 900]);
    assert_eq!(order(&view, &mut three, 70), [70, 250, 900]);
    // The order follows what is free.
    let claim = Claim::new(Uuid::new_v4()).take(&hosts[2], VCPU, 895);
    view.claimed(&claim);
    assert_eq!(order(&view, &mut three, 0), [3, 3, 900, 17, 17, 40, 70, 250]);
    view.released(&claim);
    tree.remove(&hosts[7]).unwrap();
    view.refresh();
    assert_eq!(order(&view, &mut three, 0), [3, 3, 17, 17, 40, 70, 900]);
}

/// What a request remembers of the order is never why it misses a root.
#[test]
fn a_request_that_is_kept_finds_in_order_what_a_new_one_finds() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..6).map(|number| host(&tree, &format!("{number}"), 60)).collect();
    let mut view = tree.view();
    view.order_by(|root| root.free(VCPU));
    let mut kept = view.prepare(&vcpus(7)).unwrap();
    let roots = |view: &View, prepared: &mut _, least| -> Vec<Provider> {
        let found = view.candidates(prepared).unwrap().in_order(least);
        found.map(|candidate| candidate.root()).collect()
    };
    let mut draw = 1_u64;
    let mut draw = |below: u64| {
        draw = draw * 48_271 % 2_147_483_647;
        draw % below
    };
    let mut held: Vec<Claim> = Vec::new();
    for step in 0..4_000 {
        match draw(8) {
            0 if step % 50 == 0 => view.order_by(|root| root.usage(VCPU).used),
            1 if step % 50 == 0 => view.order_by(|root| root.free(VCPU) / 16),
            kind @ 2..5 if !held.is_empty() => {
                let claim = held.swap_remove(draw(held.len() as u64) as usize);
                view.released(&claim);
                if kind == 2 {
                    // Learns of the growth, apart from the order.
                    view.best(&mut kept, 2, |root| root.free(VCPU)).unwrap();
                }
            }
            _ => {
                let chosen = &hosts[draw(hosts.len() as u64) as usize];
                let free = 60 - view.usage(chosen, VCPU).unwrap().used;
                if free > 0 {
                    let claim = Claim::new(Uuid::new_v4()).take(chosen, VCPU, 1 + draw(free));
                    view.claimed(&claim);
                    held.push(claim);
                }
            }
        }
        let mut new = view.prepare(&vcpus(7)).unwrap();
        let least = draw(3) * 10;
        assert_eq!(roots(&view, &mut kept, least), roots(&view, &mut new, least), "step {step}");
    }
}

#[test]
fn roots_that_serve_are_drawn_with_the_same_chance() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..2_000).map(|at| host(&tree, &format!("{at}"), at % 500)).collect();
    let view = tree.view();
    for (amount, serving) in [(499, 4), (480, 80)] {
        let mut kept = view.prepare(&vcpus(amount)).unwrap();
        let mut counts: HashMap<Provider, u32> = HashMap::new();
        let rounds = 200 * serving as u64;
        for seed in 0..rounds {
            let mut drawn = view.candidates(&mut kept).unwrap().drawn(seed);
            *counts.entry(drawn.next().unwrap().root()).or_default() += 1;
        }
        assert_eq!(counts.len(), serving);
        assert!(counts.values().all(|count| (120..280).contains(count)), "{counts:?}");
        let all = view.candidates(&mut kept).unwrap().drawn(rounds);
        let all: HashSet<_> = all.map(|found| found.root()).collect();
        assert_eq!(all.len(), serving);
        assert!(all.iter().all(|root| hosts.contains(root)));
    }
}

#[test]
fn a_number_names_one_root() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..4).map(|number| host(&tree, &format!("{number}"), number)).collect();
    let view = tree.view();
    let mut two = view.prepare(&vcpus(2)).unwrap();
    let free = view.free(VCPU);
    for root in view.roots() {
        let at = hosts.iter().position(|host| *host == root.provider()).unwrap();
        assert_eq!(free[root.number()], at as u64);
        assert_eq!(root.usage(VCPU), Usage { capacity: at as u64, used: 0 });
        let found: Vec<_> = view.candidates(&mut two).unwrap().at(root.number()).collect();
        assert_eq!(found.len(), usize::from(at >= 2), "host {at}");
    }
    assert!(view.candidates(&mut two).unwrap().at(1_000).next().is_none());
}

/// A host with a disk that takes none of its processors, and its consumers.
fn crowded() -> (ProviderTree, Provider, Provider, Vec<Uuid>) {
    let tree = ProviderTree::new();
    let root = host(&tree, "host", 10);
    let disk = tree.create_child(&root, "disk", None).unwrap();
    let gigabytes = Inventories::new().with(DISK, Inventory::new(100));
    tree.configure(&disk, gigabytes, Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let consumers: Vec<_> = (1..=4).map(Uuid::from_u128).collect();
    for (consumer, (processors, gigabytes)) in
        consumers.iter().zip([(2, 10), (3, 10), (4, 0), (1, 70)])
    {
        let mut claim = Claim::new(*consumer).with_tag(tag_of(*consumer));
        claim.extend([(root, VCPU, processors)]);
        if gigabytes > 0 {
            claim.extend([(disk, DISK, gigabytes)]);
        }
        let _ = worker.claim(&claim).unwrap();
    }
    (tree, root, disk, consumers)
}

/// The tags are what it costs to evict the four consumers; later ones are the cheapest.
fn tag_of(consumer: Uuid) -> u64 {
    [30, 20, 40, 10].get(consumer.as_u128() as usize - 1).copied().unwrap_or(1)
}

#[test]
fn a_view_knows_who_holds_what() {
    let (tree, root, disk, consumers) = crowded();
    let mut view = tree.view().with_holders().unwrap();
    let holders = |view: &View, provider: &Provider| -> BTreeSet<Uuid> {
        let holders = view.holders(provider).unwrap().into_iter();
        holders.inspect(|(it, tag)| assert_eq!(*tag, tag_of(*it))).map(|(it, _)| it).collect()
    };
    let all: BTreeSet<_> = consumers.iter().copied().collect();
    assert_eq!(holders(&view, &root), all);
    assert_eq!(
        holders(&view, &disk),
        all.iter().copied().filter(|it| *it != consumers[2]).collect()
    );

    let before = tree.snapshot();
    let mut worker = tree.worker().unwrap();
    let _ = worker.release(consumers[0]).unwrap();
    let one = Claim::new(consumers[1]).take(&disk, DISK, 1);
    let _ = worker.replace(&one, Expect::Any).unwrap();
    let late = Uuid::from_u128(9);
    let claim = Claim::new(late).with_tag(tag_of(late)).take(&root, VCPU, 1).take(&disk, DISK, 1);
    let _ = worker.claim(&claim).unwrap();
    view.refresh();
    assert_eq!(holders(&view, &root), [consumers[2], consumers[3], late].into());
    assert_eq!(holders(&view, &disk), [consumers[1], consumers[3], late].into());
    assert_eq!(holders(&before.view_with_holders().unwrap(), &root), all);
    assert_eq!(tree.view().holders(&root), Err(Error::NoHolders));
}

#[test]
fn the_cheapest_go_and_nobody_in_vain() {
    let (tree, root, disk, consumers) = crowded();
    let mut view = tree.view().with_holders().unwrap();
    let request = Request::new().take(VCPU, 4).take(DISK, 30);
    let mut prepared = view.prepare(&request).unwrap();
    // By cost: 3 (1 processor, the disk), 1 (3, 10 GB), 0 (2, 10 GB), 2 (4).
    let cost = |_, tag: u64| Some(tag);
    let eviction = view.evict(&mut prepared, cost).unwrap().unwrap();
    assert_eq!(
        eviction.victims.iter().copied().collect::<BTreeSet<_>>(),
        [consumers[1], consumers[3]].into()
    );
    assert_eq!(eviction.cost, 30);
    assert_eq!(view.usage(&root, VCPU).unwrap().used, 10, "the view is as it was");
    assert_eq!(view.usage(&disk, DISK).unwrap().used, 90);

    // Whoever may not go stays, and then others have to go.
    let stays = |consumer, tag| if consumer == consumers[1] { None } else { Some(tag) };
    let other = view.evict(&mut prepared, stays).unwrap().unwrap();
    assert_eq!(other.cost, 50, "{other:?}");
    assert!(view.evict(&mut prepared, |_, _| None).unwrap().is_none());
    assert_eq!(
        tree.view().evict(&mut tree.view().prepare(&request).unwrap(), cost).unwrap_err(),
        Error::ForeignRequest
    );

    let mut worker = tree.worker().unwrap();
    let urgent = Uuid::from_u128(77);
    // A victim that has changed since is not evicted.
    let four = Claim::new(consumers[1]).take(&root, VCPU, 2);
    let _ = worker.replace(&four, Expect::Any).unwrap();
    assert!(matches!(worker.commit(&eviction.batch(urgent)), Err(Error::ConsumerConflict { .. })));
    view.refresh();
    let eviction = view.evict(&mut prepared, cost).unwrap().unwrap();
    let _ = worker.commit(&eviction.batch(urgent)).unwrap();
    assert!(tree.allocations(urgent).is_some() && tree.snapshot().audit().unwrap().holds());
}

#[test]
fn where_it_fits_nobody_goes() {
    let (tree, ..) = crowded();
    let mut view = tree.view().with_holders().unwrap();
    host(&tree, "empty", 4);
    view.refresh();
    let mut four = view.prepare(&vcpus(4)).unwrap();
    let eviction = view.evict(&mut four, |_, _| Some(1)).unwrap().unwrap();
    assert!(eviction.victims.is_empty() && eviction.cost == 0);
}

#[test]
fn each_root_is_counted_under_one_condition() {
    let tree = ProviderTree::new();
    let fast = Trait::new("CUSTOM_FAST").unwrap();
    let hosts: Vec<_> = (0..6).map(|number| host(&tree, &format!("{number}"), 4)).collect();
    for host in &hosts[..4] {
        tree.configure(host, Edit::new().set_traits([fast]), Expect::Any).unwrap();
    }
    tree.create_root("no processors", None).unwrap();
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&hosts[0], VCPU, 3)).unwrap();
    let view = tree.view();
    let request = Request::new()
        .group("one", Group::new().take(VCPU, 2).require(fast))
        .group("other", Group::new().take(VCPU, 2));
    let why = |request: &Request| {
        let mut prepared = view.prepare(request).unwrap();
        view.why(&mut prepared).unwrap()
    };
    let found = why(&request);
    assert_eq!(found.roots, 7);
    assert_eq!(found.groups, [(Some("one".to_owned()), 3)]);
    assert_eq!(found.short, [(VCPU, 1)]);
    assert_eq!((found.root_traits, found.traits, found.together, found.fitting), (0, 0, 0, 3));
    let apart = why(&request.clone().isolate());
    assert_eq!((apart.together, apart.fitting), (3, 0));
    let rooted = why(&vcpus(1).require_root(fast));
    assert_eq!((rooted.root_traits, rooted.fitting), (3, 4));
}

#[test]
fn a_search_without_steps_left_passes_over_what_is_gone() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..4).map(|number| host(&tree, &format!("{number}"), 4)).collect();
    let mut view = tree.view();
    view.order_by(|root| root.free(VCPU));
    let mut one = view.prepare(&vcpus(1)).unwrap();
    assert_eq!(view.candidates(&mut one).unwrap().count(), 4);
    tree.remove(&hosts[2]).unwrap();
    view.refresh();
    for steps in 0..20 {
        for seed in 0..8 {
            let candidates =
                |one: &mut _| view.candidates(one).unwrap().at_most_steps(steps).count();
            assert!(candidates(&mut one) <= 3);
            let drawn = view.candidates(&mut one).unwrap().drawn(seed).at_most_steps(steps);
            assert!(drawn.count() <= 3);
            let in_order = view.candidates(&mut one).unwrap().in_order(0).at_most_steps(steps);
            assert!(in_order.count() <= 3);
        }
    }
    assert_eq!(view.candidates(&mut one).unwrap().drawn(1).count(), 3);
}

#[test]
fn to_look_for_victims_changes_nothing() {
    let tree = ProviderTree::new();
    let root = host(&tree, "host", 16);
    let mut worker = tree.worker().unwrap();
    let [gone, there] = [4, 10].map(|amount| {
        let claim = Claim::new(Uuid::new_v4()).take(&root, VCPU, amount);
        let _ = worker.claim(&claim).unwrap();
        claim
    });
    let mut view = tree.view().with_holders().unwrap();
    // The view knows what is used, but not yet that one of the consumers has gone.
    let _ = worker.release(gone.consumer().unwrap()).unwrap();
    view.reread(&root).unwrap();
    let mut all = view.prepare(&vcpus(16)).unwrap();
    let _ = view.evict(&mut all, |_, _| Some(1)).unwrap();
    assert_eq!(view.usage(&root, VCPU).unwrap().used, 10);
    assert_eq!(roots(&view, &vcpus(6)), [root]);
    let _ = worker.release(there.consumer().unwrap()).unwrap();
    view.refresh();
    assert_eq!(view.usage(&root, VCPU).unwrap().used, 0);
}

#[test]
fn a_key_that_panics_once_is_asked_again() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let tree = ProviderTree::new();
    let _first = host(&tree, "a", 16);
    let mut view = tree.view();
    view.order_by(|root| {
        assert_ne!(root.free(VCPU), 13, "the key panics");
        root.free(VCPU)
    });
    let mut four = view.prepare(&vcpus(4)).unwrap();
    let second = host(&tree, "b", 13);
    assert!(catch_unwind(AssertUnwindSafe(|| view.refresh())).is_err());
    let vcpu = Inventories::new().with(VCPU, Inventory::new(12));
    tree.configure(&second, vcpu, Expect::Any).unwrap();
    let _third = host(&tree, "c", 16);
    view.refresh();
    assert_eq!(view.candidates(&mut four).unwrap().in_order(0).count(), 3);
}

#[test]
fn a_refresh_without_changes_makes_up_for_a_key_that_has_panicked() {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local!(static IS_BAD: Cell<bool> = const { Cell::new(false) });

    let tree = ProviderTree::new();
    let _first = host(&tree, "a", 16);
    let mut view = tree.view();
    view.order_by(|root| {
        assert!(!IS_BAD.get(), "the key panics");
        root.free(VCPU)
    });
    let mut four = view.prepare(&vcpus(4)).unwrap();
    let _second = host(&tree, "b", 13);
    IS_BAD.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| view.refresh())).is_err());
    IS_BAD.set(false);
    view.refresh();
    assert_eq!(view.candidates(&mut four).unwrap().in_order(0).count(), 2);
}

#[test]
fn a_ranking_asks_again_only_for_what_has_changed() {
    use std::cell::Cell;

    thread_local!(static ASKED: Cell<usize> = const { Cell::new(0) });

    for hosts in [10, 100, 1_000] {
        let tree = ProviderTree::new();
        let hosts: Vec<_> = (0..hosts).map(|at| host(&tree, &format!("h{at:04}"), 16)).collect();
        let mut worker = tree.worker().unwrap();
        let mut view = tree.view();
        let key = |root: provider_tree::Root<'_>| {
            ASKED.set(ASKED.get() + 1);
            root.free(VCPU) as u8
        };
        let mut ranking = view.rank(&vcpus(1), key).unwrap();
        let since = || ASKED.replace(0);
        assert!(view.ranked(&mut ranking).unwrap().next().is_some());
        assert!(ranking.bytes() < 3 * hosts.len() + 128, "two bytes for each host");
        assert_eq!(view.ranked(&mut ranking).unwrap().count(), hosts.len());
        assert_eq!(since(), hosts.len(), "each root once");
        for changed in [3, 5] {
            let claim = Claim::new(Uuid::new_v4()).take(&hosts[changed], VCPU, changed as u64);
            let _receipt = worker.claim(&claim).unwrap();
            match changed {
                3 => view.claimed(&claim),
                _ => drop(view.refresh()),
            }
        }
        assert!(ranking.bytes() < 24 * hosts.len() + 512, "it was gone through");
        // The second refresh reads again what `claimed` was told of.
        let best = view.ranked(&mut ranking).unwrap().next().unwrap();
        assert_eq!((best.root(), since()), (hosts[5], 2));
        let all: Vec<_> = view.ranked(&mut ranking).unwrap().map(|it| it.root()).collect();
        assert_eq!(all[..3], [hosts[5], hosts[3], hosts[0]]);
        assert_eq!((all.len(), since()), (hosts.len(), 0), "nothing has changed");
    }
}

#[test]
fn a_ranking_is_its_view_s() {
    let tree = ProviderTree::new();
    let _host = host(&tree, "a", 4);
    let (mut one, other) = (tree.view(), tree.view());
    let mut ranking = one.rank(&vcpus(2), |root| root.free(VCPU)).unwrap();
    assert_eq!(ranking.request(), &vcpus(2));
    assert_eq!(other.ranked(&mut ranking).unwrap_err(), Error::ForeignRequest);
    assert!(one.ranked(&mut ranking).unwrap().next().is_some());
    assert!(matches!(
        one.rank(&Request::new().same_subtree(["nobody"]), |_| 0).unwrap_err(),
        Error::InvalidRequest { .. }
    ));
}

#[test]
fn a_ranking_makes_up_for_a_key_that_has_panicked() {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local!(static IS_BAD: Cell<bool> = const { Cell::new(false) });

    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..40).map(|at| host(&tree, &format!("h{at}"), 16)).collect();
    let mut worker = tree.worker().unwrap();
    let mut view = tree.view();
    let key = |root: provider_tree::Root<'_>| {
        assert!(!IS_BAD.get() || root.free(VCPU) < 10, "the key panics");
        root.free(VCPU)
    };
    let mut ranking = view.rank(&vcpus(2), key).unwrap();
    for is_known in [false, true] {
        for (amount, host) in hosts.iter().enumerate().skip(1).take(8) {
            let _usage = worker.take(host, &[(VCPU, if is_known { 4 } else { amount as u64 })]);
        }
        view.refresh();
        IS_BAD.set(true);
        let ask = AssertUnwindSafe(|| drop(view.ranked(&mut ranking)));
        assert!(catch_unwind(ask).is_err());
        IS_BAD.set(false);
        let found: Vec<_> = view.ranked(&mut ranking).unwrap().map(|it| it.root()).collect();
        let mut expected: Vec<_> = view.roots().filter(|root| root.free(VCPU) >= 2).collect();
        expected.sort_by_key(|root| root.free(VCPU));
        assert_eq!(found, expected.iter().map(|root| root.provider()).collect::<Vec<_>>());
    }
}

/// A search may be kept where a shorter life is asked for.
#[test]
fn candidates_live_as_long_as_is_asked_for() {
    fn shorter<'s, 'l: 's>(
        candidates: provider_tree::Candidates<'l>,
    ) -> provider_tree::Candidates<'s> {
        candidates
    }
    let tree = ProviderTree::new();
    let _host = host(&tree, "a", 4);
    let mut view = tree.view();
    let mut ranking = view.rank(&vcpus(2), |root| root.free(VCPU)).unwrap();
    assert_eq!(shorter(view.ranked(&mut ranking).unwrap()).count(), 1);
}

#[test]
fn a_ranking_makes_up_for_a_comparison_that_has_panicked() {
    use std::cell::Cell;
    use std::cmp::Ordering;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local!(static IS_BAD: Cell<bool> = const { Cell::new(false) });

    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Key(u64);
    impl PartialOrd for Key {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Key {
        fn cmp(&self, other: &Self) -> Ordering {
            assert!(!IS_BAD.get(), "the comparison panics");
            self.0.cmp(&other.0)
        }
    }

    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..40).map(|at| host(&tree, &format!("h{at}"), 4 + at)).collect();
    let mut view = tree.view();
    let mut ranking = view.rank(&vcpus(2), |root| Key(root.free(VCPU))).unwrap();
    for gone_through in [1, 20, 40] {
        let found = view.ranked(&mut ranking).unwrap().take(gone_through).count();
        assert_eq!(found, gone_through);
        IS_BAD.set(true);
        let ask = AssertUnwindSafe(|| drop(view.ranked(&mut ranking)));
        assert!(catch_unwind(ask).is_err());
        IS_BAD.set(false);
        let found: Vec<_> = view.ranked(&mut ranking).unwrap().map(|it| it.root()).collect();
        assert_eq!(found, hosts);
    }
}

/// To find out that a tree does not serve may take long: that is done when a candidate is asked for.
#[test]
fn steps_bound_a_ranking_too() {
    let tree = ProviderTree::new();
    let root = host(&tree, "host", 1_000);
    for number in 0..12_u64 {
        let child = tree.create_child(&root, &format!("child-{number}"), None).unwrap();
        let disk = Inventories::new().with(DISK, Inventory::new(1_000 + number));
        tree.configure(&child, disk, Expect::Any).unwrap();
    }
    let group = |number: u64| (number.to_string(), Group::new().take(DISK, 1 + number));
    let request = (0..13)
        .map(group)
        .fold(Request::new().isolate(), |request, (name, group)| request.group(name, group));
    let mut view = tree.view();
    let mut ranking = view.rank(&request, |root| root.free(VCPU)).unwrap();
    for _ in 0..3 {
        let mut candidates = view.ranked(&mut ranking).unwrap().at_most_steps(100);
        assert!(candidates.next().is_none() && candidates.is_exhausted());
        assert!(candidates.steps() < 200);
    }
}

#[test]
fn a_ranking_follows_hosts_that_come_and_go() {
    let tree = ProviderTree::new();
    let mut view = tree.view();
    let mut ranking = view.rank(&vcpus(2), |root| root.free(VCPU)).unwrap();
    let mut stays = Vec::new();
    for round in 0..120_u64 {
        let hosts: Vec<_> = (0..50)
            .map(|at| host(&tree, &format!("h{round}-{at}"), 1 + (at * 7 + round) % 11))
            .collect();
        // Most go again, so that the view forgets them, and gives trees other numbers.
        let (go, stay) = hosts.split_at(48);
        stays.extend_from_slice(stay);
        for is_gone in [false, true] {
            if is_gone {
                go.iter().for_each(|host| drop(tree.remove(host)));
            }
            view.refresh();
            let found: Vec<_> = view.ranked(&mut ranking).unwrap().map(|it| it.root()).collect();
            let mut expected: Vec<_> = view.roots().filter(|root| root.free(VCPU) >= 2).collect();
            expected.sort_by_key(|root| root.free(VCPU));
            assert_eq!(found, expected.iter().map(|root| root.provider()).collect::<Vec<_>>());
        }
    }
    assert_eq!(view.trees(), stays.len());
}

#[test]
fn the_preferred_providers_of_a_tree_come_first() {
    let tree = ProviderTree::new();
    let root = host(&tree, "host", 16);
    let gpu = ResourceClass::new("CUSTOM_GPU_MILLI").unwrap();
    let fast = Trait::new("CUSTOM_FAST").unwrap();
    let mut worker = tree.worker().unwrap();
    let gpus: Vec<_> = (0..4)
        .map(|number| {
            let child = tree.create_child(&root, &format!("gpu{number}"), None).unwrap();
            let milli = Inventories::new().with(gpu, Inventory::new(1_000));
            let traits = (number == 2).then_some(fast);
            let edit = Edit::new().set_inventories(milli).set_traits(traits);
            tree.configure(&child, edit, Expect::Any).unwrap();
            worker.take(&child, &[(gpu, [100, 300, 50, 200][number])]).unwrap();
            child
        })
        .collect();
    let view = tree.view();
    let group = || Group::new().take(gpu, 600);
    let request = Request::new().take(VCPU, 1).group("one", group());
    let mut one = view.prepare(&request).unwrap();
    let first = |found: provider_tree::Candidates<'_>| -> Vec<usize> {
        let place = |it: provider_tree::Candidate| {
            let provider = it.provider("one").unwrap();
            gpus.iter().position(|gpu| *gpu == provider).unwrap()
        };
        found.map(place).collect()
    };
    let most_free = view.candidates(&mut one).unwrap().preferring(|it| 1_000 - it.free(gpu));
    assert_eq!(first(most_free), [2, 0, 3, 1]);
    let slow = view.candidates(&mut one).unwrap().preferring(|it| u64::from(it.has(fast)));
    assert_eq!(first(slow), [0, 1, 3, 2], "equal ones as they stand");
    assert!(view.roots().all(|root| !root.has(fast)));
    let both = view.candidates(&mut one).unwrap().preferring(|it| it.free(gpu)).tightest();
    assert_eq!(first(both.shuffled(7)), [1, 3, 0, 2], "what is preferred counts");
    let own = view.candidates(&mut one).unwrap().preferring(|it| {
        assert_eq!((it.root().provider(), it.free(DISK)), (root, 0));
        gpus.iter().rev().position(|gpu| *gpu == it.provider()).unwrap() as u64
    });
    assert_eq!(first(own), [3, 2, 1, 0]);
    // Of two groups that are alike, each gets one, and together they get what is preferred.
    let pair = request.group("other", group()).isolate();
    let mut pair = view.prepare(&pair).unwrap();
    let mut found = view.candidates(&mut pair).unwrap().preferring(|it| 1_000 - it.free(gpu));
    let found = found.next().unwrap();
    let served: HashSet<_> = ["one", "other"].map(|name| found.provider(name).unwrap()).into();
    assert_eq!(served, HashSet::from([gpus[2], gpus[0]]));
}

#[test]
fn more_than_a_number_holds_can_be_assumed_and_undone() {
    let tree = ProviderTree::new();
    let root = host(&tree, "host", 16);
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&root, VCPU, 10)).unwrap();
    let mut view = tree.view();
    let much = Claim::new(Uuid::new_v4()).take(&root, VCPU, u64::MAX);
    view.assume(&much);
    view.undo(&much);
    view.refresh();
    assert_eq!(view.usage(&root, VCPU).unwrap().used, 10);
}

#[test]
fn what_comes_later_stands_behind_the_others_in_the_order_in_which_it_came() {
    let tree = ProviderTree::new();
    let mut hosts = vec![host(&tree, "a", 4)];
    let mut view = tree.view();
    hosts.extend(["b", "c", "d"].map(|name| host(&tree, name, 4)));
    view.refresh();
    assert_eq!(view.roots().map(|root| root.provider()).collect::<Vec<_>>(), hosts);
}

//! The promises in order, but for `g14`, which is in `meetings`. Those that have a module of their
//! own are here in short.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use provider_tree::{
    Allocation, Batch, Claim, Deadline, Edit, Error, Expect, Inventories, Inventory, Provider,
    ProviderSpec, ProviderTree, Resources, Trait, Worker,
};
use uuid::Uuid;

use crate::rig::*;

/// Fails unless a claim was made, or refused for want of room.
fn made_or_full(result: provider_tree::Result<()>) {
    match result {
        Ok(()) | Err(Error::CapacityExceeded { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// Claims of one or two hosts of 7 VCPU that often don't fit.
fn crowded(hosts: &[Provider; 2]) -> impl Fn(&mut Worker, usize, u64) + Sync + '_ {
    move |worker, seat, round| {
        let wanted = |claim: Claim| {
            claim.take(&hosts[round as usize % 2], VCPU, 1 + round % 3).take(&hosts[0], VCPU, 1)
        };
        made_or_full(churn(worker, seat, round, wanted));
    }
}

#[test]
fn g01_nothing_is_sold_twice() {
    let (tree, hosts, _worker) = two_hosts(7);
    meanwhile(&tree, 4, crowded(&hosts), |others| {
        for _ in 0..100 {
            for host in &hosts {
                assert!(used(&tree, host) <= 7);
            }
            others.go_on(0);
        }
    });
    let dump = tree.snapshot().dump().unwrap();
    check_books(&dump);
    check_capacities(&dump);
    assert!(tree.metrics().over_capacity > 0, "nothing was scarce");
}

#[test]
fn g02_no_reader_sees_half_a_move() {
    let (tree, hosts, mut worker) = two_hosts(8);
    for number in [0, 1] {
        claim(&mut worker, id(number), &hosts[number as usize], 8);
    }
    let swap = |worker: &mut Worker, _, round: u64| {
        let at = |number: u64| &hosts[(number + round + 1) as usize % 2];
        let swap = Batch::new()
            .replace(cpus(id(0), at(0), 8), Expect::Any)
            .replace(cpus(id(1), at(1), 8), Expect::Any);
        worker.commit(&swap).unwrap();
    };
    let mut seen = [0; 2];
    meanwhile(&tree, 1, swap, |others| {
        for _ in 0..300 {
            let dump = tree.snapshot().dump().unwrap();
            check_books(&dump);
            check_capacities(&dump);
            let places: Vec<_> =
                dump.consumers.iter().map(|held| held.allocations[0].provider).collect();
            assert_ne!(places[0], places[1]);
            seen[usize::from(places[0] == hosts[0].uuid())] += 1;
            assert_eq!(tree.allocations(id(0)).unwrap().allocations.len(), 1);
            assert!(hosts.iter().all(|host| used(&tree, host) == 8));
            others.go_on(0);
        }
    });
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
}

#[test]
fn g03_usage_is_the_sum_of_what_is_held_at_every_instant() {
    let (tree, hosts, mut worker) = two_hosts(7);
    worker.take(&hosts[1], &[(VCPU, 2)]).unwrap();
    meanwhile(&tree, 2, crowded(&hosts), |others| {
        for _ in 0..100 {
            let dump = tree.snapshot().dump().unwrap();
            check_books(&dump);
            check_capacities(&dump);
            others.go_on(0);
        }
    });
}

#[test]
fn g04_of_two_who_create_a_consumer_one_wins() {
    let (tree, host, mut worker) = one_host(8);
    for round in 0..300 {
        // Alike in every other round.
        let amount = |seat: usize| if round % 2 == 0 { 1 } else { 1 + seat as u64 };
        let outcomes =
            together(2, |seat| tree.worker().unwrap().claim(&cpus(id(1), &host, amount(seat))));
        let winner = usize::from(outcomes[1].is_ok());
        let (consumer, generation) = (id(1), round + 1);
        let loser = match round % 2 {
            0 => Error::AlreadyHeld { consumer, generation },
            _ => Error::ConsumerExists { consumer, generation },
        };
        assert_eq!(outcomes[1 - winner], Err(loser));
        assert!(outcomes[winner].is_ok());
        assert_eq!(used(&tree, &host), amount(winner));
        let _receipt = worker.release(id(1)).unwrap();
    }
}

#[test]
fn g05_capacities_are_exact_and_enforced() {
    let (tree, host, mut worker) = one_host(1);
    for (total, reserved) in [(1_u64, 0_u64), (10, 3), (997, 13), (1 << 60, 1)] {
        for tenths in [1_u64, 3, 7, 10, 11, 15] {
            let inventory = Inventory::new(total)
                .with_reserved(reserved)
                .with_allocation_ratio(tenths as f64 / 10.0);
            set(&tree, &host, Inventories::new().with(VCPU, inventory));
            let capacity = u128::from(total - reserved) * u128::from(tenths) / 10;
            let capacity = u64::try_from(capacity).unwrap();
            let error = refused(&tree, || worker.claim(&cpus(id(1), &host, capacity + 1)));
            assert_eq!(error, exceeded(&host, capacity + 1, capacity));
            if capacity > 0 {
                claim(&mut worker, id(1), &host, capacity);
                let _receipt = worker.release(id(1)).unwrap();
            }
        }
    }
}

#[test]
fn g05_nothing_overflows() {
    let (tree, host, mut worker) = one_host(u64::MAX);
    claim(&mut worker, id(1), &host, u64::MAX - 1);
    let error = refused(&tree, || worker.claim(&cpus(id(2), &host, u64::MAX)));
    assert_eq!(error, exceeded(&host, u64::MAX, 1));
    let too_much = Error::SumTooLarge { provider: host.uuid(), class: VCPU, sum: 1 << 64 };
    let sum = cpus(id(2), &host, u64::MAX).take(&host, VCPU, 1);
    assert_eq!(refused(&tree, || worker.claim(&sum)), too_much);
    let batch = Batch::new().replace(cpus(id(1), &host, u64::MAX), Expect::Any).claim(cpus(
        id(2),
        &host,
        1,
    ));
    assert_eq!(refused(&tree, || worker.commit(&batch)), too_much);
    claim(&mut worker, id(2), &host, 1);
    refused(&tree, || worker.take(&host, &[(VCPU, u64::MAX)]));
}

/// A value whose comparison panics on demand.
#[derive(Debug)]
struct Touchy;

static TOUCHED: AtomicBool = AtomicBool::new(false);

impl PartialEq for Touchy {
    fn eq(&self, _: &Self) -> bool {
        assert!(!TOUCHED.load(Ordering::SeqCst), "touched");
        true
    }
}

#[test]
fn g06_a_call_that_panics_leaves_nothing_behind() {
    let (tree, host, mut worker) = one_host(8);
    let touchy = || Resources::new().with(VCPU, Touchy);
    tree.configure(&host, Edit::new().set_resources(touchy()), Expect::Any).unwrap();
    let before = tree.snapshot().dump().unwrap();
    TOUCHED.store(true, Ordering::SeqCst);
    let call = || tree.configure(&host, Edit::new().set_resources(touchy()), Expect::Any);
    let panicked = catch_unwind(AssertUnwindSafe(call));
    TOUCHED.store(false, Ordering::SeqCst);
    assert!(panicked.is_err());
    assert_eq!(tree.snapshot().dump().unwrap(), before);
    // The forest is as good as before.
    assert!(
        !tree.configure(&host, Edit::new().set_resources(touchy()), Expect::Any).unwrap().changed
    );
    claim(&mut worker, id(1), &host, 8);
}

#[test]
fn g06_a_call_that_fails_leaves_nothing_behind() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    let low = child(&tree, &host, "low", 8);
    claim(&mut worker, id(1), &low, 1);
    let lacking = |claim: Claim| claim.take(&low, GPU, 1);
    refused(&tree, || worker.claim(&lacking(cpus(id(2), &host, 1))));
    refused(&tree, || worker.replace(&lacking(cpus(id(1), &host, 1)), Expect::Any));
    refused(&tree, || worker.take(&host, &[(VCPU, 1), (GPU, 1)]));
    refused(&tree, || worker.put_back(&host, &[(VCPU, 1)]));
    refused(&tree, || worker.release(id(2)));
    refused(&tree, || tree.remove(&host));
    refused(&tree, || tree.remove_leaf(&host));
    refused(&tree, || tree.reparent(&host, Some(&low)));
    refused(&tree, || tree.rename(&host, "host-1"));
    refused(&tree, || tree.create_root("host-0", None));
    refused(&tree, || tree.create_child(&host, "new", other.uuid()));
    refused(&tree, || tree.configure(&low, Inventories::new(), Expect::Any));
    let lists = ["host-1", ""].map(|name| ProviderSpec::new(id(7), name));
    refused(&tree, || tree.populate(&lists));
    assert_eq!(tree.find("new"), None);
}

#[test]
fn g07_each_change_of_the_configuration_raises_the_generation_and_no_claim_does() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    let mut last = generation(&tree, &host);
    let mut grown = || {
        let now = generation(&tree, &host);
        now - std::mem::replace(&mut last, now)
    };
    set(&tree, &host, of(VCPU, 9));
    assert_eq!(grown(), 1);
    tree.configure(&host, Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]), Expect::Any)
        .unwrap();
    assert_eq!(grown(), 1);
    tree.configure(&host, Edit::new().set_aggregates([Uuid::from_u128(1)]), Expect::Any).unwrap();
    assert_eq!(grown(), 1);
    tree.rename(&host, "renamed").unwrap();
    assert_eq!(grown(), 1);
    tree.reparent(&host, Some(&other)).unwrap();
    assert_eq!(grown(), 1);
    worker.commit(&Batch::new().configure(&host, of(VCPU, 8), Expect::Any)).unwrap();
    assert_eq!(grown(), 1);
    claim(&mut worker, id(1), &host, 3);
    let _receipt = worker.replace(&cpus(id(1), &host, 4), Expect::Any).unwrap();
    worker.take(&host, &[(VCPU, 1)]).unwrap();
    let _receipt = worker.release(id(1)).unwrap();
    assert_eq!(grown(), 0);
}

#[test]
fn g07_conflicts_say_of_what() {
    let (tree, host, mut worker) = one_host(8);
    claim(&mut worker, id(1), &host, 5);
    let (provider, class, actual) = (host.uuid(), VCPU, generation(&tree, &host));
    let stale = Expect::Generation(77);
    assert_eq!(
        refused(&tree, || worker.replace(&cpus(id(1), &host, 1), stale)),
        Error::ConsumerConflict { consumer: id(1), expected: 77, actual: Some(1) }
    );
    assert_eq!(
        refused(&tree, || tree.configure(&host, of(VCPU, 9), stale)),
        Error::GenerationConflict { provider, expected: 77, actual }
    );
    assert_eq!(refused(&tree, || worker.claim(&cpus(id(2), &host, 4))), exceeded(&host, 4, 3));
    assert_eq!(refused(&tree, || tree.remove(&host)), Error::InUse { provider, class, used: 5 });
}

#[test]
fn g08_many_threads_on_one_provider_don_t_collapse() {
    const CLAIMS: u64 = 2_000;
    let (tree, host, _worker) = one_host(u64::MAX);
    let work = |seat| {
        let mut worker = tree.worker().unwrap();
        for round in 0..CLAIMS {
            churn(&mut worker, seat, round, |claim| claim.take(&host, VCPU, 1)).unwrap();
        }
        worker.metrics().retries
    };
    let timed = |threads| {
        let begin = Instant::now();
        let retries: u64 = together(threads, work).into_iter().sum();
        (begin.elapsed(), retries)
    };
    let ((alone, _), (eight, retries)) = (timed(1), timed(8));
    println!("{CLAIMS} claims: {alone:?} alone; 8 threads with as many each: {eight:?}");
    println!("{retries} retries");
    assert!(eight < alone * 8 * 5, "{alone:?} alone, {eight:?} with 8 threads");
    // Less than ten for each claim and each release.
    assert!(retries < 8 * CLAIMS * 20);
    assert_eq!(tree.metrics().retries, retries);
}

#[test]
fn g09_a_version_tells_whether_something_changed() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    let version = || tree.version(&host).unwrap();
    let first = version();
    claim(&mut worker, id(1), &other, 1);
    assert_eq!(version(), first);
    claim(&mut worker, id(2), &host, 1);
    let second = version();
    assert_ne!(second, first);
    let _receipt = worker.release(id(2)).unwrap();
    assert_ne!(version(), second);
    assert_ne!(version(), first);
}

#[test]
fn g09_walks_and_dumps_are_of_one_instant() {
    let tree = ProviderTree::new();
    let [left, right] = ["left", "right"].map(|name| tree.create_root(name, None).unwrap());
    let branch = tree.create_child(&left, "branch", None).unwrap();
    for number in 0..10 {
        tree.create_child(&branch, &format!("leaf-{number}"), None).unwrap();
    }
    let move_it = |_: &mut Worker, _, round: u64| {
        tree.reparent(&branch, Some(if round.is_multiple_of(2) { &right } else { &left })).unwrap();
    };
    meanwhile(&tree, 1, move_it, |others| {
        for _ in 0..300 {
            assert_eq!(tree.providers().len(), 13);
            for root in [left, right] {
                assert!([1, 12].contains(&tree.subtree(&root).unwrap().len()));
            }
            assert_eq!(tree.tree_of(&branch).unwrap().len(), 12);
            let dump = tree.snapshot().dump().unwrap();
            let place =
                |uuid| dump.providers.iter().position(|entry| entry.configuration.uuid == uuid);
            let in_order = |(at, entry): (usize, &provider_tree::ProviderDump)| {
                entry.configuration.parent.is_none_or(|parent| place(parent).unwrap() < at)
            };
            assert_eq!(dump.providers.len(), 13);
            assert!(dump.providers.iter().enumerate().all(in_order));
            others.go_on(0);
        }
    });
}

#[test]
fn g09_what_is_held_is_exactly_what_was_asked_for() {
    let (tree, [one, two], mut worker) = two_hosts(8);
    let _receipt =
        worker.claim(&cpus(id(1), &one, 2).take(&two, VCPU, 1).take(&one, VCPU, 3)).unwrap();
    let held = |provider: Provider, amount| Allocation::new(provider.uuid(), VCPU, amount);
    assert_eq!(tree.allocations(id(1)).unwrap().allocations, [held(one, 5), held(two, 1)]);
}

/// There is no search in the library; what it walks ends, however much changes meanwhile.
#[test]
fn g10_a_walk_ends_while_the_structure_changes() {
    let tree = ProviderTree::new();
    let top = tree.create_root("top", None).unwrap();
    let mut chain = vec![top];
    for number in 0..2_000 {
        let parent = chain.last().unwrap();
        chain.push(tree.create_child(parent, &number.to_string(), None).unwrap());
    }
    let last = *chain.last().unwrap();
    let storm = |_: &mut Worker, seat: usize, _| {
        let made = tree.create_child(&last, &format!("made-{seat}"), None).unwrap();
        tree.reparent(&made, Some(&top)).unwrap();
        tree.remove(&made).unwrap();
    };
    meanwhile(&tree, 2, storm, |others| {
        for _ in 0..20 {
            let found = tree.subtree(&top).unwrap().len();
            assert!((2_001..=2_003).contains(&found), "{found}");
            assert_eq!(tree.ancestors(&last).unwrap().len(), 2_000);
            others.go_on(0);
        }
    });
}

#[test]
fn g11_a_copy_is_another_forest_and_grants_nothing_here() {
    let (tree, host, mut worker) = one_host(8);
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    let mut copys = copy.worker().unwrap();
    let foreign = Error::ForeignProvider { provider: host.uuid() };
    assert_eq!(refused(&copy, || copys.claim(&cpus(id(1), &host, 1))), foreign);
    let batch = Batch::new().configure(&host, of(VCPU, 9), Expect::Any);
    assert_eq!(refused(&copy, || copys.commit(&batch)), foreign);
    assert_eq!(refused(&copy, || copy.cordon(&host)), foreign);
    let same = copy.find(host.uuid()).unwrap();
    claim(&mut copys, id(1), &same, 8);
    claim(&mut worker, id(2), &host, 8);
    assert_eq!(
        (tree.snapshot().consumers().unwrap(), copy.snapshot().consumers().unwrap()),
        (vec![id(2)], vec![id(1)])
    );
}

#[test]
fn g12_an_audit_under_load_finds_no_difference() {
    let (tree, hosts, mut worker) = two_hosts(7);
    for number in 0..50 {
        let quiet = host(&tree, &number.to_string(), 8);
        claim(&mut worker, id(number), &quiet, 1 + number % 7);
        worker.take(&quiet, &[(VCPU, 1)]).unwrap();
    }
    meanwhile(&tree, 3, crowded(&hosts), |others| {
        for _ in 0..20 {
            let audit = tree.snapshot().audit().unwrap();
            assert_eq!((&audit.differences[..], &audit.overcommitted[..]), (&[][..], &[][..]));
            // Those that nobody touches are always settled.
            assert_eq!(audit.providers, 52);
            assert!(audit.providers >= 50);
            assert!(audit.consumers >= 50);
            others.go_on(0);
        }
    });
    let audit = tree.snapshot().audit().unwrap();
    assert!(audit.holds());
    assert_eq!(audit.providers, 52);
}

#[test]
fn g12_a_dump_under_load_can_be_loaded_and_recomputed() {
    let (tree, hosts, mut worker) = two_hosts(7);
    let _lease = worker.lease(&cpus(id(1), &hosts[1], 1), Deadline(100)).unwrap();
    meanwhile(&tree, 2, crowded(&hosts), |others| {
        for _ in 0..50 {
            let dump = tree.snapshot().dump().unwrap();
            let copy = ProviderTree::load(&dump).unwrap();
            assert_eq!(copy.snapshot().dump().unwrap(), dump);
            let audit = copy.snapshot().audit().unwrap();
            assert!(audit.holds());
            assert_eq!((audit.providers, audit.consumers), (2, dump.consumers.len()));
            others.go_on(0);
        }
    });
}

#[test]
fn g13_what_is_held_stays_through_a_move_of_its_provider() {
    let (tree, [left, right], _worker) = two_hosts(8);
    let low = child(&tree, &left, "low", 7);
    let move_it = |_: &mut Worker, _, round: u64| {
        tree.reparent(&low, Some(if round.is_multiple_of(2) { &right } else { &left })).unwrap();
    };
    let mut worker = tree.worker().unwrap();
    meanwhile(&tree, 1, move_it, |others| {
        for round in 0..200 {
            // No claim is refused for a move.
            churn(&mut worker, 9, round % 2, |claim| claim.take(&low, VCPU, 3)).unwrap();
            let holders = [left, right].map(|host| tree.snapshot().holders(&host).unwrap().len());
            assert!(holders.iter().all(|holders| *holders <= 2));
            others.go_on(0);
        }
    });
    assert_eq!(used(&tree, &low), 6);
    check_books(&tree.snapshot().dump().unwrap());
}

/// How long a thousand look-ups take, each by uuid and by name.
fn look_ups(tree: &ProviderTree, providers: u64) -> Duration {
    let numbers = (0..1_000).map(|number| number * (providers / 1_000));
    let names: Vec<_> = numbers.map(|number| (id(number), number.to_string())).collect();
    let attempts = (0..20).map(|_| {
        let begin = Instant::now();
        for (uuid, name) in &names {
            assert_eq!(tree.find(uuid), tree.find(name.as_str()));
            assert!(tree.find(uuid).is_some());
        }
        begin.elapsed()
    });
    attempts.min().unwrap()
}

#[test]
fn g15_a_look_up_takes_as_long_in_a_large_forest() {
    let [small, large] = [1_000, 100_000].map(|providers| {
        let tree = ProviderTree::new();
        let spec = |number: u64| ProviderSpec::new(id(number), number.to_string());
        tree.populate(&(0..providers).map(spec).collect::<Vec<_>>()).unwrap();
        look_ups(&tree, providers)
    });
    println!("1,000 look-ups: {small:?} among 1,000, {large:?} among 100,000");
    assert!(large < small * 20, "{small:?} among 1,000, {large:?} among 100,000");
}

#[test]
fn g15_nothing_recurses() {
    const DEPTH: u64 = 50_000;
    let deep = || {
        let tree = ProviderTree::new();
        let spec = |number: u64| {
            let spec = ProviderSpec::new(id(number), number.to_string());
            let spec = spec.with_inventories(of(VCPU, 8));
            if number == 0 { spec } else { spec.with_parent(id(number - 1)) }
        };
        tree.populate(&(0..DEPTH).map(spec).collect::<Vec<_>>()).unwrap();
        let [top, low] = [0, DEPTH - 1].map(|number| tree.find(id(number)).unwrap());
        assert_eq!(tree.subtree(&top).unwrap().len() as u64, DEPTH);
        assert_eq!(tree.ancestors(&low).unwrap().len() as u64, DEPTH - 1);
        let mut worker = tree.worker().unwrap();
        // A consumer can't hold so many amounts; the chain is climbed all the same.
        let chain = Claim::new(id(1)).take_with_ancestors(&low, VCPU, 1);
        let too_many =
            Error::TooLarge { what: "amounts that one consumer holds", limit: 16_379, full: false };
        assert_eq!(worker.claim(&chain), Err(too_many));
        claim(&mut worker, id(1), &low, 1);
        assert_eq!(tree.snapshot().holders(&top).unwrap(), [id(1)]);
        let dump = tree.snapshot().dump().unwrap();
        assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
        tree.cordon(&top).unwrap();
        assert!(tree.is_cordoned(&low).unwrap());
        tree.uncordon(&top).unwrap();
        tree.reparent(&low, None).unwrap();
        assert_eq!(tree.remove(&top).unwrap() as u64, DEPTH - 1);
        assert!(tree.snapshot().audit().unwrap().holds());
    };
    // A frame for each level would need more.
    let small = thread::Builder::new().stack_size(256 << 10);
    small.spawn(deep).unwrap().join().unwrap();
}

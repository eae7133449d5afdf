//! Claims: what is granted, what is refused, and that a refusal leaves no trace.

use provider_tree::{
    Allocation, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, Receipt,
    ResourceClass, Usage, Worker,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
const GPU: ResourceClass = ResourceClass::PGPU;

/// A host with 16 VCPU and 1,000 MEMORY_MB, and two GPUs below it.
fn cluster() -> (ProviderTree, Provider, [Provider; 2], Worker) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    let inventories =
        Inventories::new().with(VCPU, Inventory::new(16)).with(MEMORY, Inventory::new(1000));
    tree.configure(&host, inventories, Expect::Any).unwrap();
    let gpus = ["gpu-0", "gpu-1"].map(|name| {
        let gpu = tree.create_child(&host, name, None).unwrap();
        let inventories = Inventories::new().with(GPU, Inventory::new(1));
        tree.configure(&gpu, inventories, Expect::Any).unwrap();
        gpu
    });
    let worker = tree.worker().unwrap();
    (tree, host, gpus, worker)
}

fn consumer(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn used(tree: &ProviderTree, provider: &Provider, class: ResourceClass) -> u64 {
    tree.usage(provider, class).unwrap().used
}

#[test]
fn a_claim_takes_from_several_providers_as_one() {
    let (tree, host, [gpu, _], mut worker) = cluster();
    let claim =
        Claim::new(consumer(1)).take(&gpu, GPU, 1).take(&host, VCPU, 4).take(&host, MEMORY, 500);
    let receipt = worker.claim(&claim).unwrap();
    assert_eq!(receipt, Receipt { consumer: consumer(1), generation: 1 });
    assert_eq!(used(&tree, &host, VCPU), 4);
    assert_eq!(used(&tree, &host, MEMORY), 500);
    assert_eq!(used(&tree, &gpu, GPU), 1);
    let held = tree.allocations(consumer(1)).unwrap();
    assert_eq!((held.consumer, held.generation), (consumer(1), 1));
    assert_eq!(
        held.allocations,
        [
            Allocation::new(host.uuid(), VCPU, 4),
            Allocation::new(host.uuid(), MEMORY, 500),
            Allocation::new(gpu.uuid(), GPU, 1),
        ]
    );
    assert_eq!(tree.snapshot().consumers().unwrap(), [consumer(1)]);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn a_refused_claim_leaves_no_trace() {
    let (tree, host, [gpu, other], mut worker) = cluster();
    let _ = worker.claim(&Claim::new(consumer(1)).take(&gpu, GPU, 1)).unwrap();
    let versions = || [host, gpu, other].map(|provider| tree.version(&provider).unwrap());
    let before = versions();
    let claim = |amount| Claim::new(consumer(2)).take(&host, VCPU, 2).take(&gpu, GPU, amount);
    assert_eq!(
        worker.claim(&claim(1)),
        Err(Error::CapacityExceeded { provider: gpu.uuid(), class: GPU, requested: 1, free: 0 })
    );
    assert_eq!(versions(), before);
    assert_eq!(tree.allocations(consumer(2)), None);
    let missing = claim(1).take(&other, VCPU, 1);
    let _ = worker.release(consumer(1)).unwrap();
    assert_eq!(
        worker.claim(&missing),
        Err(Error::NoInventory { provider: other.uuid(), class: VCPU })
    );
    let _ = worker.claim(&claim(1)).unwrap();
}

#[test]
fn the_last_unit_goes_and_no_more() {
    let (tree, host, _, mut worker) = cluster();
    let _ = worker.claim(&Claim::new(consumer(1)).take(&host, VCPU, 16)).unwrap();
    let refused = worker.claim(&Claim::new(consumer(2)).take(&host, VCPU, 1));
    let (provider, class) = (host.uuid(), VCPU);
    assert_eq!(refused, Err(Error::CapacityExceeded { provider, class, requested: 1, free: 0 }));
    let refused = worker.claim(&Claim::new(consumer(2)).take(&host, VCPU, u64::MAX));
    assert!(matches!(refused, Err(Error::CapacityExceeded { requested: u64::MAX, .. })));
    assert_eq!(used(&tree, &host, VCPU), 16);
}

#[test]
fn asking_twice_asks_for_the_sum() {
    let (tree, host, _, mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 7).take(&host, MEMORY, 1);
    let _ = worker.claim(&claim.clone().take(&host, VCPU, 9)).unwrap();
    assert_eq!(used(&tree, &host, VCPU), 16);
    assert_eq!(tree.allocations(consumer(1)).unwrap().allocations.len(), 2);
    let overflow = Claim::new(consumer(2)).take(&host, VCPU, u64::MAX).take(&host, VCPU, 1);
    let refused = worker.claim(&overflow);
    let (provider, class) = (host.uuid(), VCPU);
    assert_eq!(refused, Err(Error::SumTooLarge { provider, class, sum: 1 << 64 }));
}

#[test]
fn nothing_can_not_be_claimed() {
    let (_tree, host, _, mut worker) = cluster();
    let empty = worker.claim(&Claim::new(consumer(1)));
    assert_eq!(empty, Err(Error::EmptyClaim { consumer: consumer(1) }));
    let zero = worker.claim(&Claim::new(consumer(1)).take(&host, VCPU, 0));
    let (provider, class) = (host.uuid(), VCPU);
    assert_eq!(zero, Err(Error::ZeroAmount { provider, class }));
    let taken = worker.take(&host, &[(VCPU, 0)]);
    assert_eq!(taken, Err(Error::ZeroAmount { provider, class }));
}

#[test]
fn units_are_enforced() {
    let (tree, host, _, mut worker) = cluster();
    let inventory = Inventory::new(64).with_min_unit(4).with_max_unit(16).with_step_size(4);
    let inventories = Inventories::new().with(VCPU, inventory);
    tree.configure(&host, inventories, Expect::Any).unwrap();
    for amount in [1, 2, 3, 5, 6, 7, 18, 20, 32] {
        let violation = Error::UnitViolation {
            provider: host.uuid(),
            class: VCPU,
            requested: amount,
            min_unit: 4,
            max_unit: 16,
            step_size: 4,
        };
        let claim = Claim::new(consumer(1)).take(&host, VCPU, amount);
        assert_eq!(worker.claim(&claim), Err(violation.clone()));
        assert_eq!(worker.take(&host, &[(VCPU, amount)]), Err(violation));
    }
    for (number, amount) in [(1, 4), (2, 8), (3, 12), (4, 16)] {
        let claim = Claim::new(consumer(number)).take(&host, VCPU, amount);
        let _ = worker.claim(&claim).unwrap();
    }
    assert_eq!(used(&tree, &host, VCPU), 40);
}

#[test]
fn reserved_and_ratio_make_the_capacity() {
    let (tree, host, _, mut worker) = cluster();
    let inventory = Inventory::new(10).with_reserved(2).with_allocation_ratio(1.5);
    let inventories = Inventories::new().with(VCPU, inventory);
    tree.configure(&host, inventories, Expect::Any).unwrap();
    let claim = |amount| Claim::new(consumer(1)).take(&host, VCPU, amount);
    let (provider, class) = (host.uuid(), VCPU);
    assert_eq!(
        worker.claim(&claim(13)),
        Err(Error::CapacityExceeded { provider, class, requested: 13, free: 12 })
    );
    let _ = worker.claim(&claim(12)).unwrap();
}

#[test]
fn a_consumer_is_created_once() {
    let (tree, host, _, mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 1);
    let _ = worker.claim(&claim).unwrap();
    let exists = Error::ConsumerExists { consumer: consumer(1), generation: 1 };
    assert_eq!(worker.claim(&claim.clone().take(&host, VCPU, 1)), Err(exists));
    assert_eq!(used(&tree, &host, VCPU), 1);
    let _ = worker.release(consumer(1)).unwrap();
    let _ = worker.claim(&claim).unwrap();
}

#[test]
fn a_release_gives_everything_back() {
    let (tree, host, [gpu, _], mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 5).take(&gpu, GPU, 1);
    let _ = worker.claim(&claim).unwrap();
    assert_eq!(worker.release(consumer(1)).unwrap().generation, 1);
    assert_eq!(used(&tree, &host, VCPU) + used(&tree, &gpu, GPU), 0);
    assert_eq!(tree.allocations(consumer(1)), None);
    assert!(tree.snapshot().consumers().unwrap().is_empty());
    let again = worker.release(consumer(1));
    assert_eq!(again, Err(Error::ConsumerNotFound { consumer: consumer(1) }));
}

#[test]
fn a_replacement_changes_the_whole_set() {
    let (tree, host, [gpu, other], mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 10).take(&gpu, GPU, 1);
    let _ = worker.claim(&claim).unwrap();
    // More than is free beside what the consumer holds itself.
    let moved = Claim::new(consumer(1)).take(&host, VCPU, 16).take(&other, GPU, 1);
    let receipt = worker.replace(&moved, Expect::Generation(1)).unwrap();
    assert_eq!(receipt.generation, 2);
    assert_eq!(used(&tree, &host, VCPU), 16);
    assert_eq!((used(&tree, &gpu, GPU), used(&tree, &other, GPU)), (0, 1));
    let (provider, class) = (host.uuid(), VCPU);
    assert_eq!(
        worker.replace(&Claim::new(consumer(1)).take(&host, VCPU, 17), Expect::Any),
        Err(Error::CapacityExceeded { provider, class, requested: 17, free: 16 })
    );
    assert_eq!(tree.allocations(consumer(1)).unwrap().generation, 2);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn a_replacement_can_rest_on_the_consumers_generation() {
    let (_tree, host, _, mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 1);
    let conflict =
        |expected, actual| Err(Error::ConsumerConflict { consumer: consumer(1), expected, actual });
    assert_eq!(worker.replace(&claim, Expect::Generation(1)), conflict(1, None));
    assert_eq!(worker.replace(&claim, Expect::Any).unwrap().generation, 1);
    assert_eq!(worker.replace(&claim, Expect::Generation(2)), conflict(2, Some(1)));
    assert_eq!(worker.replace(&claim, Expect::Generation(1)).unwrap().generation, 2);
}

#[test]
fn what_does_not_add_to_an_overcommitment_passes() {
    let (tree, host, _, mut worker) = cluster();
    let claim =
        |cpus, memory| Claim::new(consumer(1)).take(&host, VCPU, cpus).take(&host, MEMORY, memory);
    let _ = worker.claim(&claim(10, 100)).unwrap();
    let _ = worker.claim(&Claim::new(consumer(2)).take(&host, VCPU, 3)).unwrap();
    let inventories =
        Inventories::new().with(VCPU, Inventory::new(8)).with(MEMORY, Inventory::new(1000));
    tree.configure(&host, inventories, Expect::Any).unwrap();
    assert_eq!(tree.usage(&host, VCPU), Ok(Usage { capacity: 8, used: 13 }));
    let (provider, class) = (host.uuid(), VCPU);
    let refused = worker.replace(&claim(11, 100), Expect::Any);
    assert_eq!(refused, Err(Error::CapacityExceeded { provider, class, requested: 11, free: 5 }));
    let _ = worker.replace(&claim(10, 200), Expect::Any).unwrap();
    let _ = worker.replace(&claim(9, 200), Expect::Any).unwrap();
    assert_eq!(used(&tree, &host, VCPU), 12);
    let _ = worker.release(consumer(1)).unwrap();
    let _ = worker.replace(&claim(5, 1), Expect::Any).unwrap();
}

#[test]
fn what_is_in_use_is_not_removed_and_what_is_removed_not_used() {
    let (tree, host, [gpu, other], mut worker) = cluster();
    let claim = Claim::new(consumer(1)).take(&gpu, GPU, 1);
    let _ = worker.claim(&claim).unwrap();
    let in_use = Error::InUse { provider: gpu.uuid(), class: GPU, used: 1 };
    assert_eq!(tree.remove(&host), Err(in_use));
    assert_eq!(tree.providers().len(), 3);
    assert_eq!(tree.remove(&other), Ok(1));
    let refused = worker.claim(&Claim::new(consumer(2)).take(&other, GPU, 1));
    assert_eq!(refused, Err(Error::Removed { provider: other.uuid() }));
    assert_eq!(worker.take(&other, &[(GPU, 1)]), Err(Error::Removed { provider: other.uuid() }));
    let _ = worker.release(consumer(1)).unwrap();
    assert_eq!(tree.remove(&host), Ok(2));
    assert_eq!(worker.claim(&claim), Err(Error::Removed { provider: gpu.uuid() }));
}

#[test]
fn what_is_taken_without_a_consumer_counts_and_is_told_apart() {
    let (tree, host, _, mut worker) = cluster();
    worker.take(&host, &[(VCPU, 10), (MEMORY, 7), (VCPU, 2)]).unwrap();
    assert_eq!(used(&tree, &host, VCPU), 12);
    let (provider, class) = (host.uuid(), VCPU);
    let refused = worker.take(&host, &[(MEMORY, 1), (VCPU, 5)]);
    assert_eq!(refused, Err(Error::CapacityExceeded { provider, class, requested: 5, free: 4 }));
    assert_eq!(used(&tree, &host, MEMORY), 7);
    let _ = worker.claim(&Claim::new(consumer(1)).take(&host, VCPU, 4)).unwrap();
    let refused = worker.put_back(&host, &[(VCPU, 13)]);
    assert_eq!(refused, Err(Error::NotTaken { provider, class, requested: 13, taken: 12 }));
    assert!(tree.snapshot().audit().unwrap().holds());
    assert_eq!(tree.remove(&host), Err(Error::InUse { provider, class, used: 16 }));
    worker.put_back(&host, &[(VCPU, 12), (MEMORY, 7)]).unwrap();
    assert_eq!(used(&tree, &host, VCPU), 4);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn handles_of_another_forest_are_refused() {
    let (_tree, host, _, mut worker) = cluster();
    let (_other, theirs, ..) = cluster();
    let foreign = Error::ForeignProvider { provider: theirs.uuid() };
    let claim = Claim::new(consumer(1)).take(&host, VCPU, 1).take(&theirs, VCPU, 1);
    assert_eq!(worker.claim(&claim), Err(foreign.clone()));
    assert_eq!(worker.take(&theirs, &[(VCPU, 1)]), Err(foreign.clone()));
    assert_eq!(worker.put_back(&theirs, &[(VCPU, 1)]), Err(foreign));
}

#[test]
fn a_claim_may_span_a_thousand_providers() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..1000)
        .map(|n| {
            let host = tree.create_root(&format!("host-{n}"), None).unwrap();
            let inventories =
                Inventories::new().with(VCPU, Inventory::new(8)).with(MEMORY, Inventory::new(80));
            tree.configure(&host, inventories, Expect::Any).unwrap();
            host
        })
        .collect();
    let mut worker = tree.worker().unwrap();
    let mut gang = Claim::new(consumer(1));
    for host in &hosts {
        gang.extend([(*host, VCPU, 5)]);
        gang.extend([(*host, MEMORY, 50)]);
    }
    let _ = worker.claim(&gang).unwrap();
    assert!(hosts.iter().all(|host| used(&tree, host, VCPU) == 5));
    assert_eq!(tree.allocations(consumer(1)).unwrap().allocations.len(), 2000);
    let second = Claim::new(consumer(2)).take(&hosts[999], VCPU, 4).take(&hosts[0], VCPU, 1);
    let refused = worker.claim(&second);
    assert!(matches!(refused, Err(Error::CapacityExceeded { free: 3, .. })), "{refused:?}");
    let _ = worker.release(consumer(1)).unwrap();
    assert!(hosts.iter().all(|host| used(&tree, host, MEMORY) == 0));
}

#[test]
fn a_claim_shows_everything_that_it_asks_for() {
    let tree = ProviderTree::new();
    let [a, b] = ["a", "b"].map(|name| tree.create_root(name, None).unwrap());
    let mut claim = Claim::new(Uuid::from_u128(1))
        .take_with_ancestors(&b, VCPU, 2)
        .require_generation(&b, 7)
        .take(&b, VCPU, 3)
        .take_with_ancestors(&a, VCPU, 2)
        .take(&a, VCPU, 1)
        .require_generation(&a, 0);
    let check = |claim: &Claim| {
        assert_eq!(claim.amounts().collect::<Vec<_>>(), [(b, VCPU, 3), (a, VCPU, 1)]);
        assert_eq!(
            claim.amounts_with_ancestors().collect::<Vec<_>>(),
            [(b, VCPU, 2), (a, VCPU, 2)]
        );
        assert_eq!(claim.required_generations().collect::<Vec<_>>(), [(b, 7), (a, 0)]);
    };
    check(&claim);
    check(claim.for_consumer(Uuid::from_u128(2)));
    let none = Claim::unnamed();
    let counts = (none.amounts_with_ancestors().len(), none.required_generations().len());
    assert_eq!(counts, (0, 0));
}

#[test]
fn a_claim_has_at_most_16379_amounts() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..16_380)
        .map(|n| {
            let host = tree.create_root(&format!("host-{n}"), None).unwrap();
            let inventories = Inventories::new().with(VCPU, Inventory::new(1));
            tree.configure(&host, inventories, Expect::Any).unwrap();
            host
        })
        .collect();
    let mut worker = tree.worker().unwrap();
    let mut gang = Claim::new(consumer(1));
    hosts.iter().for_each(|host| gang.extend([(*host, VCPU, 1)]));
    assert!(matches!(worker.claim(&gang), Err(Error::TooLarge { .. })));
    assert!(hosts.iter().all(|host| used(&tree, host, VCPU) == 0));
    assert_eq!(tree.allocations(consumer(1)), None);
    let mut gang = Claim::new(consumer(1));
    hosts[1..].iter().for_each(|host| gang.extend([(*host, VCPU, 1)]));
    let _ = worker.claim(&gang).unwrap();
    assert!(tree.snapshot().audit().unwrap().holds());
}

/// Claims of every size around the borders of what is stored and tried in which way: how many
/// providers, and how many amounts of each. Snapshots before, between and after have each state whole.
#[test]
fn claims_of_every_size_are_whole() {
    let classes: Vec<_> = (0..18).map(|number| format!("CUSTOM_SIZE_{number}")).collect();
    let classes: Vec<_> = classes.iter().map(|name| ResourceClass::new(name).unwrap()).collect();
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..9)
        .map(|number| {
            let host = tree.create_root(&format!("host-{number}"), None).unwrap();
            // The first has few classes, the last ones many.
            let some = classes.iter().take(3 + 2 * number).copied();
            let inventories =
                some.fold(Inventories::new(), |all, class| all.with(class, Inventory::new(5)));
            tree.configure(&host, inventories, Expect::Any).unwrap();
            host
        })
        .collect();
    let mut worker = tree.worker().unwrap();
    let free = tree.snapshot();
    for providers in 1..=hosts.len() {
        for amounts in [1, 2, 3, 4, 5, 16, 17] {
            let of = |host: usize| classes.iter().take(amounts.min(3 + 2 * host));
            let chosen = hosts.iter().enumerate().rev().take(providers);
            let lines: Vec<_> =
                chosen.flat_map(|(at, host)| of(at).map(move |class| (host, *class))).collect();
            let claim = lines
                .iter()
                .fold(Claim::new(consumer(7)), |claim, (host, class)| claim.take(host, *class, 2));
            let what = format!("{amounts} amounts of {providers} providers");
            let begun = worker.claim(&claim).expect(&what);
            let taken = tree.snapshot();
            assert_eq!(tree.allocations(consumer(7)).unwrap().allocations.len(), lines.len());
            for (host, class) in &lines {
                assert_eq!(used(&tree, host, *class), 2, "{what}");
            }
            let ended = worker.release(consumer(7)).expect(&what);
            assert_eq!(begun.generation, ended.generation, "{what}");
            for (host, class) in &lines {
                assert_eq!(used(&tree, host, *class), 0, "{what}");
                assert_eq!(free.usage(host, *class).unwrap().used, 0, "{what}");
                assert_eq!(taken.usage(host, *class).unwrap().used, 2, "{what}");
            }
            assert!(
                taken.audit().unwrap().holds() && tree.snapshot().audit().unwrap().holds(),
                "{what}"
            );
        }
    }
}

/// Amounts in every order, some of them twice, for one consumer after the other.
#[test]
fn a_claim_is_asked_again_for_other_consumers() {
    let tree = ProviderTree::new();
    let hosts: Vec<_> = (0..3)
        .map(|number| {
            let host = tree.create_root(&format!("host-{number}"), None).unwrap();
            let inventories =
                Inventories::new().with(VCPU, Inventory::new(90)).with(MEMORY, Inventory::new(90));
            tree.configure(&host, inventories, Expect::Any).unwrap();
            host
        })
        .collect();
    let mut worker = tree.worker().unwrap();
    let orders: [&[(usize, ResourceClass)]; 4] = [
        &[(0, VCPU), (1, VCPU), (2, VCPU)],
        &[(2, VCPU), (0, MEMORY), (1, VCPU)],
        &[(1, VCPU), (1, VCPU)],
        &[(2, MEMORY), (1, VCPU), (2, MEMORY), (0, MEMORY), (0, VCPU), (1, VCPU)],
    ];
    for order in orders {
        let mut claim = Claim::new(consumer(1));
        order.iter().for_each(|(at, class)| claim.extend([(hosts[*at], *class, 2)]));
        for number in 1..=3 {
            let claim = claim.for_consumer(consumer(number));
            assert_eq!(worker.claim(claim).unwrap().consumer, consumer(number));
            assert!(matches!(worker.claim(claim), Err(Error::AlreadyHeld { .. })));
        }
        // What is added later counts, too.
        claim.extend([(hosts[0], VCPU, 1)]);
        let _ = worker.claim(claim.for_consumer(consumer(4))).unwrap();
        for (at, host) in hosts.iter().enumerate() {
            for class in [VCPU, MEMORY] {
                let times = order.iter().filter(|line| **line == (at, class)).count() as u64;
                let more = u64::from(at == 0 && class == VCPU);
                assert_eq!(used(&tree, host, class), 4 * 2 * times + more, "{order:?}");
            }
        }
        assert!(tree.snapshot().audit().unwrap().holds());
        (1..=4).for_each(|number| drop(worker.release(consumer(number))));
    }
}

#[test]
fn what_is_wrong_with_a_claim_is_told_each_time() {
    let (tree, other) = (ProviderTree::new(), ProviderTree::new());
    let [host, foreign] = [&tree, &other].map(|tree| tree.create_root("host", None).unwrap());
    let inventories = Inventories::new().with(VCPU, Inventory::new(u64::MAX));
    tree.configure(&host, inventories, Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let one = || Claim::new(consumer(1)).take(&host, VCPU, 1);
    let foreigner = Error::ForeignProvider { provider: foreign.uuid() };
    let zero = Error::ZeroAmount { provider: host.uuid(), class: VCPU };
    let sum = 1 + u128::from(u64::MAX);
    let large = Error::SumTooLarge { provider: host.uuid(), class: VCPU, sum };
    let wrong = [
        (one().take(&foreign, VCPU, 1), &foreigner),
        (one().take_with_ancestors(&foreign, VCPU, 1), &foreigner),
        (one().require_generation(&foreign, 0), &foreigner),
        (Claim::new(consumer(1)).take(&foreign, VCPU, 1).take(&host, VCPU, 1), &foreigner),
        (one().take(&host, VCPU, 0), &zero),
        (one().take_with_ancestors(&host, VCPU, 0), &zero),
        (one().take(&host, VCPU, u64::MAX), &large),
        (Claim::new(consumer(2)), &Error::EmptyClaim { consumer: consumer(2) }),
    ];
    for (mut claim, error) in wrong {
        assert_eq!(worker.claim(&claim), Err(error.clone()));
        assert_eq!(worker.claim(claim.for_consumer(consumer(2))), Err(error.clone()));
    }
    assert!(tree.snapshot().consumers().unwrap().is_empty());
}

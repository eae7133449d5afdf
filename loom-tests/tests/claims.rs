//! Claims, releases and replacements against each other and against removal.

#![cfg(provider_tree_loom)]

use loom_tests::hosts::{hosts, race, used};
use loom_tests::{Model, thread};
use provider_tree::{
    Batch, Claim, Error, Expect, Inventories, Inventory, Provider, Receipt, ResourceClass,
    SubtreeUsages,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;

/// Consumers, told from providers by their numbers.
const ONE: Uuid = Uuid::from_u128(101);
const TWO: Uuid = Uuid::from_u128(102);

fn of(consumer: Uuid, host: &Provider, amount: u64) -> Claim {
    Claim::new(consumer).take(host, VCPU, amount)
}

#[test]
fn a_host_is_read_at_one_instant() {
    Model {
        name: "a_host_is_read_at_one_instant",
        property: "who reads a whole host sees a claim from two of its parts on both or on neither",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let part = tree.create_child(&host, "part", Uuid::from_u128(9)).expect("a new provider");
        let inventories = Inventories::new().with(VCPU, Inventory::new(1));
        tree.configure(&part, inventories, Expect::Any).expect("a valid inventory");
        let mut seen = SubtreeUsages::new();
        let ((), claimed) = race(
            &tree,
            |_| tree.subtree_usages(&host, &mut seen).expect("is there"),
            move |worker| {
                worker.claim(&Claim::new(ONE).take(&host, VCPU, 1).take(&part, VCPU, 1)).map(drop)
            },
        );
        assert_eq!(claimed, Ok(()));
        let used: Vec<_> = seen.iter().map(|(_, amounts)| amounts[0].1.used).collect();
        assert!(used == [0, 0] || used == [1, 1], "{used:?}");
    });
}

#[test]
fn the_last_unit_goes_to_one_of_two() {
    Model {
        name: "the_last_unit_goes_to_one_of_two",
        property: "two consumers claim the last unit: one holds it, the other learns that 0 are free",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let (mine, theirs) = race(
            &tree,
            |worker| worker.claim(&of(ONE, &host, 1)).map(drop),
            move |worker| worker.claim(&of(TWO, &host, 1)).map(drop),
        );
        let provider = host.uuid();
        let refused = Error::CapacityExceeded { provider, class: VCPU, requested: 1, free: 0 };
        let winner = match (mine, theirs) {
            (Ok(()), Err(error)) if error == refused => ONE,
            (Err(error), Ok(())) if error == refused => TWO,
            other => panic!("{other:?}"),
        };
        assert_eq!((used(&tree, &host), tree.snapshot().consumers().unwrap()), (1, vec![winner]));
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn the_last_unit_is_taken_once() {
    Model {
        name: "the_last_unit_is_taken_once",
        property: "the same for no consumer, by one exchange",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let (mine, theirs) = race(
            &tree,
            |worker| worker.take(&host, &[(VCPU, 1)]),
            move |worker| worker.take(&host, &[(VCPU, 1)]),
        );
        assert!(mine.is_ok() ^ theirs.is_ok(), "{mine:?} {theirs:?}");
        assert_eq!(used(&tree, &host), 1);
    });
}

#[test]
fn a_claim_gets_what_a_release_gives_back_or_is_refused() {
    Model {
        name: "a_claim_gets_what_a_release_gives_back_or_is_refused",
        property: "a claim against the release of what it needs: after it, or refused",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        let (claimed, released) = race(
            &tree,
            |worker| worker.claim(&of(TWO, &host, 1)).map(drop),
            |worker| worker.release(ONE).map(drop),
        );
        assert_eq!(released, Ok(()));
        let left = match claimed {
            Ok(()) => vec![TWO],
            Err(Error::CapacityExceeded { free: 0, .. }) => vec![],
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (used(&tree, &host), tree.snapshot().consumers().unwrap()),
            (left.len() as u64, left)
        );
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_claim_and_a_release_both_count() {
    Model {
        name: "a_claim_and_a_release_both_count",
        property: "neither of a claim and a release that meet at one provider is lost",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([2]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        drop(worker);
        let (released, claimed) = race(
            &tree,
            |worker| worker.release(ONE).map(drop),
            move |worker| worker.claim(&of(TWO, &host, 1)).map(drop),
        );
        assert_eq!((released, claimed), (Ok(()), Ok(())));
        assert_eq!((used(&tree, &host), tree.snapshot().consumers().unwrap()), (1, vec![TWO]));
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_consumer_is_created_once() {
    Model {
        name: "a_consumer_is_created_once",
        property: "of two claims of one new consumer exactly one succeeds, and it alone counts",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([5]);
        let (mine, theirs) = race(
            &tree,
            |worker| worker.claim(&of(ONE, &host, 1)).map(drop),
            move |worker| worker.claim(&of(ONE, &host, 2)).map(drop),
        );
        let exists = Error::ConsumerExists { consumer: ONE, generation: 1 };
        let amount = match (mine, theirs) {
            (Ok(()), Err(error)) if error == exists => 1,
            (Err(error), Ok(())) if error == exists => 2,
            other => panic!("{other:?}"),
        };
        assert_eq!(used(&tree, &host), amount);
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_replacement_and_a_release_of_one_consumer() {
    Model {
        name: "a_replacement_and_a_release_of_one_consumer",
        property: "a consumer is released before it is created anew, or after it was replaced",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([5]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 4)).map(drop).expect("fits");
        let (replaced, released) = race(
            &tree,
            |worker| worker.replace(&of(ONE, &host, 3), Expect::Any),
            |worker| worker.release(ONE),
        );
        let replaced = replaced.expect("fits in either order").generation;
        let released = released.expect("exists in either order").generation;
        match (replaced, released) {
            (2, 1) => assert_eq!(used(&tree, &host), 3),
            (2, 2) => assert_eq!(used(&tree, &host), 0),
            other => panic!("{other:?}"),
        }
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_consumers_generation_is_expected_once() {
    Model {
        name: "a_consumers_generation_is_expected_once",
        property: "of two replacements that rest on one generation exactly one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([5]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        let (mine, theirs) = race(
            &tree,
            |worker| worker.replace(&of(ONE, &host, 2), Expect::Generation(1)).map(drop),
            move |worker| worker.replace(&of(ONE, &host, 3), Expect::Generation(1)).map(drop),
        );
        let conflict = Error::ConsumerConflict { consumer: ONE, expected: 1, actual: Some(2) };
        let amount = match (mine, theirs) {
            (Ok(()), Err(error)) if error == conflict => 2,
            (Err(error), Ok(())) if error == conflict => 3,
            other => panic!("{other:?}"),
        };
        assert_eq!(used(&tree, &host), amount);
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_life_is_not_taken_for_the_one_before() {
    Model {
        name: "a_life_is_not_taken_for_the_one_before",
        property: "what rests on a generation never acts on a consumer that has begun again",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [a, b]) = hosts([1, 1]);
        let mut worker = tree.worker().expect("few workers");
        let first = worker.claim(&of(ONE, &a, 1)).expect("fits").generation;
        let (again, ended) = race(
            &tree,
            move |worker| {
                let released = worker.release(ONE).map(drop);
                (released, worker.claim(&of(ONE, &b, 1)))
            },
            move |worker| {
                let batch = Batch::new().release(ONE, Expect::Generation(first));
                worker.commit(&batch).map(drop)
            },
        );
        // One of the two has ended the first life, and nobody the second.
        let (released, begun) = again;
        let generation = begun.expect("fits in either order").generation;
        assert!(generation > first);
        let not_found = Err(Error::ConsumerNotFound { consumer: ONE });
        match (released, ended) {
            (Ok(()), Err(Error::ConsumerConflict { actual, .. })) => {
                assert!(actual.is_none_or(|actual| actual == generation));
            }
            (released, Ok(())) => assert_eq!(released, not_found),
            other => panic!("{other:?}"),
        }
        let held = tree.allocations(ONE).expect("nobody has ended the second life");
        assert_eq!((held.generation, held.allocations[0].provider), (generation, b.uuid()));
        assert_eq!((used(&tree, &a), used(&tree, &b)), (0, 1));
    });
}

#[test]
fn a_late_release_ends_no_other_life() {
    Model {
        name: "a_late_release_ends_no_other_life",
        property: "a release never gives back what the next consumer in the same cell holds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        drop(worker);
        let (late, (released, claimed)) = race(
            &tree,
            |worker| worker.release(ONE).is_ok(),
            move |worker| (worker.release(ONE).is_ok(), worker.claim(&of(TWO, &host, 1)).is_ok()),
        );
        assert!(late != released && claimed, "one of two releases, and what it gives back is free");
        assert!(tree.allocations(TWO).is_some() && tree.allocations(ONE).is_none());
        assert_eq!(used(&tree, &host), 1);
    });
}

/// Fails unless a claim that was made beside the release of the first life was refused or begins the
/// second.
fn check_second_life(begun: Result<Receipt, Error>, released: Result<Receipt, Error>) {
    assert_eq!(released, Ok(Receipt { consumer: ONE, generation: 1 }));
    match begun {
        Ok(Receipt { generation, .. }) => assert_eq!(generation, 2),
        Err(error) => assert_eq!(error, Error::ConsumerExists { consumer: ONE, generation: 1 }),
    }
}

// Twice, as the thread that starts the other needs one preemption less.
#[test]
fn a_life_begins_above_the_one_before() {
    Model {
        name: "a_life_begins_above_the_one_before",
        property: "a life that is about to begin begins above one that ends meanwhile",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        // Of another provider: else the release would be in the claim's way there.
        let (tree, [host, other]) = hosts([1, 1]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        let (begun, released) =
            race(&tree, |worker| worker.claim(&of(ONE, &other, 1)), |worker| worker.release(ONE));
        check_second_life(begun, released);
    });
}

#[test]
fn a_life_that_ends_is_below_the_next() {
    Model {
        name: "a_life_that_ends_is_below_the_next",
        property: "a life begins above one whose end is just being seen",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        // Of another provider: else the release would be in the claim's way there.
        let (tree, [host, other]) = hosts([1, 1]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &host, 1)).map(drop).expect("fits");
        let (released, begun) = race(
            &tree,
            |worker| worker.release(ONE),
            move |worker| worker.claim(&of(ONE, &other, 1)),
        );
        check_second_life(begun, released);
    });
}

#[test]
fn consumers_cross_between_two_providers() {
    Model {
        name: "consumers_cross_between_two_providers",
        property: "two moves in opposite directions both succeed where there is room for one each",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [a, b]) = hosts([2, 2]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &a, 1)).map(drop).expect("fits");
        worker.claim(&of(TWO, &b, 1)).map(drop).expect("fits");
        let (mine, theirs) = race(
            &tree,
            |worker| worker.replace(&of(ONE, &b, 1), Expect::Any).map(drop),
            move |worker| worker.replace(&of(TWO, &a, 1), Expect::Any).map(drop),
        );
        assert_eq!((mine, theirs), (Ok(()), Ok(())));
        assert_eq!((used(&tree, &a), used(&tree, &b)), (1, 1));
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_move_is_seen_whole() {
    Model {
        name: "a_move_is_seen_whole",
        property: "a reader of a moving consumer sees it on exactly one provider",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [a, b]) = hosts([1, 1]);
        let mut worker = tree.worker().expect("few workers");
        worker.claim(&of(ONE, &a, 1)).map(drop).expect("fits");
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.replace(&of(ONE, &b, 1), Expect::Any).map(drop));
        let seen = tree.allocations(ONE).expect("holds something");
        assert_eq!(thread.join().expect("no panic in the thread"), Ok(()));
        let provider = if seen.generation == 1 { a.uuid() } else { b.uuid() };
        assert_eq!(seen.allocations.len(), 1);
        assert_eq!((seen.allocations[0].provider, seen.allocations[0].amount), (provider, 1));
    });
}

#[test]
fn a_claim_and_a_removal_have_one_winner() {
    Model {
        name: "a_claim_and_a_removal_have_one_winner",
        property: "a provider is either removed or used",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let other = tree.clone();
        let thread = thread::spawn(move || other.remove(&host));
        let mut worker = tree.worker().expect("few workers");
        let claimed = worker.claim(&of(ONE, &host, 1)).map(drop);
        let removed = thread.join().expect("no panic in the thread");
        match (claimed, removed) {
            (Ok(()), Err(Error::InUse { used: 1, .. })) => {
                assert_eq!(tree.find(host.uuid()), Some(host));
            }
            (Err(Error::Removed { .. }), Ok(1)) => {
                assert_eq!(tree.find(host.uuid()), None);
                assert_eq!(tree.allocations(ONE), None);
            }
            other => panic!("{other:?}"),
        }
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_replacement_is_never_refused_what_its_consumer_holds() {
    Model {
        name: "a_replacement_is_never_refused_what_its_consumer_holds",
        property: "a replacement that fits before and after its consumer was created is granted",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [host]) = hosts([5]);
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.claim(&of(ONE, &host, 5)).map(drop));
        let mut worker = tree.worker().expect("few workers");
        let replaced = worker.replace(&of(ONE, &host, 5), Expect::Any).map(drop);
        let claimed = thread.join().expect("no panic in the thread");
        assert_eq!(replaced, Ok(()));
        assert!(matches!(claimed, Ok(()) | Err(Error::AlreadyHeld { .. })), "{claimed:?}");
    });
}

#[test]
fn a_snapshot_has_the_floor_of_a_life_that_has_ended() {
    Model {
        name: "a_snapshot_has_the_floor_of_a_life_that_has_ended",
        property: "what a snapshot does not show of a consumer's life is in the floors that it reads",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [host]) = hosts([1]);
        let mut worker = tree.worker().expect("few workers");
        let begun = worker.claim(&of(ONE, &host, 1)).expect("fits").generation;
        let other = tree.clone();
        let (released, (held, floors)) = race(
            &tree,
            |worker| worker.release(ONE),
            move |_| {
                let snapshot = other.snapshot();
                let floors = snapshot.floors().to_vec();
                (snapshot.allocations(ONE).expect("it is new"), floors)
            },
        );
        assert_eq!(released, Ok(Receipt { consumer: ONE, generation: begun }));
        // There is no other consumer whose life could have raised one.
        let is_covered = floors.iter().any(|floor| floor.generation >= begun);
        assert!(held.is_some() || is_covered, "{floors:?}");
    });
}

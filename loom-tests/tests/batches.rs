//! Changes of many things at once: cordons, batches, gangs.

#![cfg(provider_tree_loom)]

use loom_tests::hosts::{race, used};
use loom_tests::providers::uuid;
use loom_tests::{Model, thread};
use provider_tree::{
    Batch, Claim, Edit, Error, Expect, Inventories, Inventory, Provider, ProviderSpec,
    ProviderTree, ResourceClass,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const ONE: Uuid = Uuid::from_u128(8);
const TWO: Uuid = Uuid::from_u128(9);

fn vcpu(total: u64) -> Inventories {
    Inventories::new().with(VCPU, Inventory::new(total))
}

fn spec(number: u128, name: &'static str, total: u64) -> ProviderSpec {
    ProviderSpec::new(uuid(number), name).with_inventories(vcpu(total))
}

fn forest(list: &[ProviderSpec]) -> (ProviderTree, Vec<Provider>) {
    let tree = ProviderTree::new();
    let providers = tree.populate(list).expect("a sound list");
    (tree, providers)
}

#[test]
fn nothing_lands_after_a_cordon() {
    Model {
        name: "nothing_lands_after_a_cordon",
        property: "once a cordon has returned, what is used below it does not grow",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 4), spec(2, "b", 4).with_parent(uuid(1))]);
        let below = providers[1];
        let mut other = tree.worker().expect("few workers");
        let thread = thread::spawn(move || other.take(&below, &[(VCPU, 1)]));
        tree.cordon(&providers[0]).expect("is there");
        let after = used(&tree, &below);
        let taken = thread.join().expect("no panic in the thread");
        assert_eq!(used(&tree, &below), after);
        match taken {
            Ok(()) => assert_eq!(after, 1),
            Err(Error::Cordoned { provider }) => assert_eq!((provider, after), (uuid(2), 0)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_comes_below_a_cordon_is_cordoned() {
    Model {
        name: "what_comes_below_a_cordon_is_cordoned",
        property: "a child created beside a cordon of its parent is cordoned with it",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 4)]);
        let (top, other) = (providers[0], tree.clone());
        let thread = thread::spawn(move || other.create_child(&top, "b", uuid(2)));
        tree.cordon(&top).expect("is there");
        let child = thread.join().expect("no panic in the thread").expect("a new name");
        assert_eq!(tree.is_cordoned(&child), Ok(true));
        tree.uncordon(&top).expect("is there");
        assert_eq!(tree.is_cordoned(&child), Ok(false));
    });
}

#[test]
fn what_moves_below_a_cordon_is_cordoned() {
    Model {
        name: "what_moves_below_a_cordon_is_cordoned",
        property: "a subtree moved beside a cordon of its new parent is cordoned with it",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) =
            forest(&[spec(1, "a", 4), spec(2, "b", 4), spec(3, "c", 4).with_parent(uuid(2))]);
        let (a, b, c) = (providers[0], providers[1], providers[2]);
        let other = tree.clone();
        let thread = thread::spawn(move || other.reparent(&b, Some(&a)));
        tree.cordon(&a).expect("is there");
        assert_eq!(thread.join().expect("no panic in the thread"), Ok(()));
        for provider in [a, b, c] {
            assert_eq!(tree.is_cordoned(&provider), Ok(true));
        }
    });
}

#[test]
fn a_reshape_is_seen_whole() {
    Model {
        name: "a_reshape_is_seen_whole",
        property: "inventory and allocation move to a child at one instant; a claim sees one side",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 4), spec(2, "b", 0).with_parent(uuid(1))]);
        let (top, child) = (providers[0], providers[1]);
        let held = |provider: &Provider| Claim::new(ONE).take(provider, VCPU, 3);
        tree.worker().expect("few workers").claim(&held(&top)).map(drop).expect("fits");
        let reshape = Batch::new()
            .replace(held(&child), Expect::Any)
            .configure(&top, vcpu(0), Expect::Any)
            .configure(&child, vcpu(4), Expect::Any);
        let (claimed, reshaped) = race(
            &tree,
            |worker| worker.claim(&Claim::new(TWO).take(&top, VCPU, 1)).map(drop),
            move |worker| worker.commit(&reshape).map(drop),
        );
        assert_eq!(reshaped, Ok(()));
        let left = match claimed {
            // First, and overcommitted since.
            Ok(()) => 1,
            Err(Error::CapacityExceeded { requested: 1, free: 0, .. }) => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!((used(&tree, &top), used(&tree, &child)), (left, 3));
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn two_consumers_swap_on_full_providers() {
    Model {
        name: "two_consumers_swap_on_full_providers",
        property: "a swap beside a claim of what neither of them frees passes, and is whole",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 2), spec(2, "b", 2)]);
        let (a, b) = (providers[0], providers[1]);
        let all = |consumer, provider: &Provider| Claim::new(consumer).take(provider, VCPU, 2);
        let mut worker = tree.worker().expect("few workers");
        let both = Batch::new().claim(all(ONE, &a)).claim(all(TWO, &b));
        worker.commit(&both).map(drop).expect("fits");
        let swap =
            Batch::new().replace(all(ONE, &b), Expect::Any).replace(all(TWO, &a), Expect::Any);
        let (taken, swapped) = race(
            &tree,
            |worker| worker.take(&a, &[(VCPU, 1)]),
            move |worker| worker.commit(&swap).map(drop),
        );
        assert_eq!(swapped, Ok(()));
        assert!(matches!(taken, Err(Error::CapacityExceeded { free: 0, .. })), "{taken:?}");
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn gangs_in_opposite_order_follow_one_another() {
    Model {
        name: "gangs_in_opposite_order_follow_one_another",
        property: "of two gangs over the same two providers one is made whole, the other refused",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 1), spec(2, "b", 1)]);
        let (a, b) = (providers[0], providers[1]);
        let member = |consumer, provider: &Provider| {
            Claim::new(Uuid::from_u128(consumer)).take(provider, VCPU, 1)
        };
        let (mine, theirs) = ([member(11, &a), member(12, &b)], [member(13, &b), member(14, &a)]);
        let (mine, theirs) = race(
            &tree,
            |worker| worker.claim_gang(&mine, 2).map(drop),
            move |worker| worker.claim_gang(&theirs, 2).map(drop),
        );
        match (&mine, &theirs) {
            (Ok(()), Err(Error::TooFewFit { fit: 0, at_least: 2, .. }))
            | (Err(Error::TooFewFit { fit: 0, at_least: 2, .. }), Ok(())) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((used(&tree, &a), used(&tree, &b)), (1, 1));
        assert_eq!(tree.snapshot().consumers().unwrap().len(), 2);
    });
}

#[test]
fn a_refused_gang_leaves_nothing_behind() {
    Model {
        name: "a_refused_gang_leaves_nothing_behind",
        property: "a member's refusal beside a claim is true, and leaves no trace of the others",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 1), spec(2, "b", 1)]);
        let (a, b) = (providers[0], providers[1]);
        let gang = [
            Claim::new(ONE).take(&a, VCPU, 1).take(&b, VCPU, 1),
            Claim::new(TWO).take(&a, VCPU, 1),
        ];
        let (made, taken) = race(
            &tree,
            |worker| worker.claim_gang(&gang, 1),
            move |worker| worker.take(&b, &[(VCPU, 1)]),
        );
        let made = made.expect("one always fits");
        match taken {
            Ok(()) => assert!(made[0].is_err() && made[1].is_ok(), "{made:?}"),
            Err(Error::CapacityExceeded { free: 0, .. }) => {
                assert!(made[0].is_ok() && made[1].is_err(), "{made:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((used(&tree, &a), used(&tree, &b)), (1, 1));
        assert_eq!(tree.snapshot().consumers().unwrap().len(), 1);
        assert!(tree.snapshot().audit().unwrap().holds());
    });
}

#[test]
fn a_condition_holds_at_the_commit() {
    Model {
        name: "a_condition_holds_at_the_commit",
        property: "a claim that rests on a generation is made before it changes, or refused",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = forest(&[spec(1, "a", 4), spec(2, "b", 4)]);
        let (a, b) = (providers[0], providers[1]);
        let claim = Claim::new(ONE).take(&a, VCPU, 1).require_generation(&b, 0);
        let other = tree.clone();
        let thread = thread::spawn(move || {
            other.configure(&b, Edit::new().set_aggregates([ONE]), Expect::Any).expect("is there");
            used(&other, &a)
        });
        let claimed = tree.worker().expect("few workers").claim(&claim).map(drop);
        let seen = thread.join().expect("no panic in the thread");
        match claimed {
            // Whoever has changed the generation sees the claim.
            Ok(()) => assert_eq!(seen, 1),
            Err(Error::GenerationConflict { expected: 0, actual: 1, .. }) => {
                assert_eq!(used(&tree, &a), 0);
            }
            other => panic!("{other:?}"),
        }
    });
}

//! Batches that create, move and remove providers.

#![cfg(provider_tree_loom)]

use loom_tests::Model;
use loom_tests::hosts::{race, used};
use loom_tests::providers::{assert_sound, root, uuid};
use provider_tree::model::interned;
use provider_tree::{
    Batch, Claim, Edit, Error, Expect, Fault, Inventories, Inventory, Provider, ProviderSpec,
    ProviderTree, ResourceClass,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const ONE: Uuid = Uuid::from_u128(8);
const TWO: Uuid = Uuid::from_u128(9);

fn vcpu(total: u64) -> Inventories {
    Inventories::new().with(VCPU, Inventory::new(total))
}

/// A host of 4, of which `ONE` holds 3.
fn host_in_use() -> (ProviderTree, Provider) {
    let tree = ProviderTree::new();
    let host = root(&tree, "a", 1);
    tree.configure(&host, vcpu(4), Expect::Any).expect("is there");
    let held = Claim::new(ONE).take(&host, VCPU, 3);
    tree.worker().expect("few workers").claim(&held).map(drop).expect("fits");
    (tree, host)
}

#[test]
fn a_child_comes_with_what_is_held_of_it() {
    Model {
        name: "a_child_comes_with_what_is_held_of_it",
        property: "who finds a child that a batch creates finds what the batch puts there",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, host) = host_in_use();
        let child = ProviderSpec::new(uuid(2), "b").with_parent(uuid(1)).with_inventories(vcpu(4));
        let reshape = Batch::new()
            .configure(&host, Edit::new().remove_inventories([VCPU]), Expect::Any)
            .replace(Claim::new(ONE).take(&child.to_come(), VCPU, 3), Expect::Any)
            .create(child);
        let other = tree.clone();
        let (reshaped, ()) = race(
            &tree,
            |worker| worker.commit(&reshape).map(drop),
            move |_| match other.find("b") {
                Some(child) => assert_eq!(used(&other, &child), 3),
                // Before, or meanwhile.
                None => assert!(other.children(&host).expect("is there").len() <= 1),
            },
        );
        assert_eq!(reshaped, Ok(()));
        let child = tree.find(uuid(2)).expect("just created");
        assert_eq!((used(&tree, &child), tree.children(&host)), (3, Ok(vec![child])));
        assert!(tree.configuration(&host).expect("is there").inventories.is_empty());
        assert_sound(&tree, 2);
    });
}

#[test]
fn two_batches_create_one_name() {
    Model {
        name: "two_batches_create_one_name",
        property: "of two batches that create one name one succeeds, the other leaves nothing",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let create = |number| Batch::new().create(ProviderSpec::new(uuid(number), "a"));
        let (one, two) = (create(1), create(2));
        let (mine, theirs) = race(
            &tree,
            |worker| worker.commit(&one).map(drop),
            move |worker| worker.commit(&two).map(drop),
        );
        let exists = Err(Error::NameExists { name: "a".into() });
        let won = match (mine, theirs) {
            (Ok(()), refused) if refused == exists => uuid(1),
            (refused, Ok(())) if refused == exists => uuid(2),
            other => panic!("{other:?}"),
        };
        assert_eq!(tree.find("a").map(|provider| provider.uuid()), Some(won));
        assert_eq!(interned(&tree), [1, 1, 0], "interned for nobody");
        assert_sound(&tree, 1);
    });
}

#[test]
fn a_batch_creates_below_a_parent_that_goes() {
    Model {
        name: "a_batch_creates_below_a_parent_that_goes",
        property: "a batch that creates a child and a removal of the parent follow one another",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let parent = root(&tree, "a", 1);
        let create = Batch::new().create(ProviderSpec::new(uuid(2), "b").with_parent(uuid(1)));
        let other = tree.clone();
        let (created, removed) =
            race(&tree, |worker| worker.commit(&create).map(drop), move |_| other.remove(&parent));
        match (created, removed) {
            (Ok(()), Ok(2)) => {}
            (Err(Error::InvalidEntries { faults }), Ok(1)) => {
                let orphan = Fault::Orphan { provider: uuid(2), parent: uuid(1) };
                assert_eq!(faults, [orphan]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(interned(&tree), [0; 3], "interned for nobody");
        assert_sound(&tree, 0);
    });
}

#[test]
fn a_batch_empties_and_removes_beside_a_claim() {
    Model {
        name: "a_batch_empties_and_removes_beside_a_claim",
        property: "of a claim and a batch that empties and removes the provider one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, host) = host_in_use();
        let drain = Batch::new().release(ONE, Expect::Any).remove(&host);
        let (claimed, drained) = race(
            &tree,
            |worker| worker.claim(&Claim::new(TWO).take(&host, VCPU, 1)).map(drop),
            move |worker| worker.commit(&drain).map(drop),
        );
        match (claimed, drained) {
            (Ok(()), Err(Error::InUse { used: 1, .. })) => {
                assert_eq!((used(&tree, &host), tree.allocations(ONE).is_some()), (4, true));
                assert_sound(&tree, 1);
            }
            (Err(Error::Removed { .. }), Ok(())) => {
                assert_eq!(tree.allocations(ONE), None);
                assert_sound(&tree, 0);
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn moves_in_two_batches_make_no_circle() {
    Model {
        name: "moves_in_two_batches_make_no_circle",
        property: "of two batches that would make a circle together one is refused",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (a, b) = (root(&tree, "a", 1), root(&tree, "b", 2));
        let (mine, theirs) =
            (Batch::new().reparent(&a, Some(&b)), Batch::new().reparent(&b, Some(&a)));
        let outcomes = race(
            &tree,
            |worker| worker.commit(&mine).map(drop),
            move |worker| worker.commit(&theirs).map(drop),
        );
        let (below, above) = match outcomes {
            (Ok(()), Err(Error::WouldCycle { .. })) => (a, b),
            (Err(Error::WouldCycle { .. }), Ok(())) => (b, a),
            other => panic!("{other:?}"),
        };
        assert_eq!((tree.roots(), tree.children(&above)), (vec![above], Ok(vec![below])));
        let parent = tree.configuration(&below).expect("is there").parent;
        assert_eq!(parent, Some(above.uuid()));
        assert_sound(&tree, 2);
    });
}

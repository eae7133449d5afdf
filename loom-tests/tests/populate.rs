//! Populations against readers, claims and other changes; the count of sharing providers; dumps.

#![cfg(provider_tree_loom)]

use loom_tests::Model;
use loom_tests::providers::{race, uuid};
use provider_tree::{
    Claim, Edit, Error, Expect, Fault, Inventories, Inventory, Provider, ProviderSpec,
    ProviderTree, ResourceClass, Trait, coming_from_nova::NovaProviderTree,
};

const VCPU: ResourceClass = ResourceClass::VCPU;
const SHARES: Trait = Trait::MISC_SHARES_VIA_AGGREGATE;

fn spec(number: u128, name: &'static str) -> ProviderSpec {
    ProviderSpec::new(uuid(number), name)
}

fn vcpu(total: u64) -> Inventories {
    Inventories::new().with(VCPU, Inventory::new(total))
}

fn populated(list: &[ProviderSpec]) -> (ProviderTree, Vec<Provider>) {
    let tree = ProviderTree::new();
    let providers = tree.populate(list).expect("a sound list");
    (tree, providers)
}

/// Each provider with its name and the uuid of its parent; all found by uuid and by name.
fn shape(tree: &ProviderTree) -> Vec<(u128, String, Option<u128>)> {
    let row = |provider: &Provider| {
        let data = tree.configuration(provider).expect("is there");
        assert_eq!(tree.find(data.uuid), Some(*provider));
        assert_eq!(tree.find(&data.name), Some(*provider));
        (data.uuid.as_u128(), data.name.to_string(), data.parent.map(|parent| parent.as_u128()))
    };
    tree.providers().iter().map(row).collect()
}

#[test]
fn a_population_is_seen_whole() {
    Model {
        name: "a_population_is_seen_whole",
        property: "a walk sees all of a population that creates and moves, or nothing",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let before = [spec(1, "a"), spec(2, "b").with_parent(uuid(1)), spec(4, "d")];
        let (tree, _) = populated(&before);
        let after = [spec(3, "c").with_parent(uuid(1)), spec(2, "b").with_parent(uuid(4))];
        let (seen, done) = race(
            &tree,
            |tree| tree.providers().iter().map(|one| one.uuid().as_u128()).collect::<Vec<_>>(),
            move |tree| tree.populate(&after).map(drop),
        );
        assert_eq!(done, Ok(()));
        assert!(seen == [1, 2, 4] || seen == [1, 3, 4, 2], "{seen:?}");
        assert_eq!(shape(&tree).len(), 4);
    });
}

#[test]
fn swapped_names_are_always_found() {
    Model {
        name: "swapped_names_are_always_found",
        property: "while two providers swap names, each name is found, at one of the two",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, providers) = populated(&[spec(1, "a"), spec(2, "b")]);
        let after = [spec(1, "b"), spec(2, "a")];
        let (found, done) =
            race(&tree, |tree| tree.find("a"), move |tree| tree.populate(&after).map(drop));
        assert_eq!(done, Ok(()));
        assert!(found == Some(providers[0]) || found == Some(providers[1]), "{found:?}");
        assert_eq!(tree.find("a"), Some(providers[1]));
        assert_eq!(tree.find("b"), Some(providers[0]));
    });
}

#[test]
fn a_claim_or_the_end_of_its_inventory() {
    Model {
        name: "a_claim_or_the_end_of_its_inventory",
        property: "of a claim and a population that drops the provider, exactly one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let child = spec(2, "b").with_parent(uuid(1)).with_inventories(vcpu(4));
        let (tree, providers) = populated(&[spec(1, "a"), child]);
        let child = providers[1];
        let (claimed, dropped) = race(
            &tree,
            |tree| tree.worker().expect("few workers").take(&child, &[(VCPU, 1)]),
            |tree| tree.populate(&[spec(1, "a")]).map(drop),
        );
        match (claimed, dropped) {
            (Ok(()), Err(Error::InvalidEntries { faults })) => {
                let fault = Fault::InUse { provider: uuid(2), class: VCPU, used: 1 };
                assert_eq!(faults, [fault]);
                assert_eq!(tree.find("b"), Some(child));
            }
            (Err(Error::Removed { .. }), Ok(())) => assert_eq!(tree.find("b"), None),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_population_and_a_move_make_no_circle() {
    Model {
        name: "a_population_and_a_move_make_no_circle",
        property: "one puts a below b, the other b below a: no circle, and no one is lost",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let (tree, providers) = populated(&[spec(1, "a"), spec(2, "b")]);
        let (a, b) = (providers[0], providers[1]);
        let (moved, listed) = race(
            &tree,
            |tree| tree.reparent(&b, Some(&a)),
            |tree| tree.populate(&[spec(1, "a").with_parent(uuid(2))]).map(drop),
        );
        match (moved, listed) {
            // The move came second, and would have closed the circle.
            (Err(Error::WouldCycle { .. }), Ok(())) => {
                assert_eq!(tree.ancestors(&a), Ok(vec![b]));
                assert_eq!(shape(&tree).len(), 2);
            }
            // The move came first: b is below a, and goes with it.
            (Ok(()), Err(Error::InvalidEntries { faults })) => {
                assert_eq!(faults, [Fault::Orphan { provider: uuid(1), parent: uuid(2) }]);
                assert_eq!(tree.ancestors(&b), Ok(vec![a]));
                assert_eq!(shape(&tree).len(), 2);
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_walk_to_the_root_notices_a_population() {
    Model {
        name: "a_walk_to_the_root_notices_a_population",
        property: "a move that walks over an ancestor which a population moves makes no circle",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        // c is below b. One puts a below c, the other b below a.
        let (tree, providers) =
            populated(&[spec(1, "a"), spec(2, "b"), spec(3, "c").with_parent(uuid(2))]);
        let (a, c) = (providers[0], providers[2]);
        let list = [spec(2, "b").with_parent(uuid(1)), spec(3, "c").with_parent(uuid(2))];
        let (moved, listed) = race(
            &tree,
            |tree| tree.reparent(&a, Some(&c)),
            move |tree| tree.populate(&list).map(drop),
        );
        match (moved, listed) {
            (Err(Error::WouldCycle { .. }), Ok(()))
            | (Ok(()), Err(Error::InvalidEntries { .. })) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(tree.providers().len(), 3);
    });
}

#[test]
fn a_missing_parent_leaves_nothing_behind() {
    Model {
        name: "a_missing_parent_leaves_nothing_behind",
        property: "a child whose parent is being created is refused without trace, or comes",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (listed, created) = race(
            &tree,
            |tree| tree.populate(&[spec(2, "b").with_parent(uuid(1))]).map(drop),
            |tree| tree.create_root("a", uuid(1)).map(drop),
        );
        assert_eq!(created, Ok(()));
        match listed {
            Ok(()) => assert_eq!(shape(&tree).len(), 2),
            Err(Error::InvalidEntries { faults }) => {
                assert_eq!(faults, [Fault::Orphan { provider: uuid(2), parent: uuid(1) }]);
                assert_eq!(shape(&tree).len(), 1);
                assert_eq!((tree.find(uuid(2)), tree.find("b")), (None, None));
            }
            other => panic!("{other:?}"),
        }
        tree.create_root("c", uuid(3)).expect("the forest is sound");
    });
}

#[test]
fn two_populations_are_one_after_the_other() {
    Model {
        name: "two_populations_are_one_after_the_other",
        property: "of two populations with a name and a uuid in common, the second decides",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (mine, theirs) = race(
            &tree,
            |tree| tree.populate(&[spec(1, "a").with_generation(5)]).map(drop),
            |tree| tree.populate(&[spec(1, "b").with_generation(7)]).map(drop),
        );
        assert_eq!((mine, theirs), (Ok(()), Ok(())));
        let data = tree.configuration(&tree.find(uuid(1)).expect("is there")).expect("is there");
        assert!([("a", 5), ("b", 7)].contains(&(&*data.name, data.generation)), "{data:?}");
        assert_eq!(shape(&tree).len(), 1);
        // The name that lost is free.
        let free = if &*data.name == "a" { "b" } else { "a" };
        assert_eq!(tree.find(free), None);
        tree.create_root(free, uuid(2)).expect("nobody has the name");
    });
}

#[test]
fn sharing_providers_are_counted() {
    Model {
        name: "sharing_providers_are_counted",
        property: "two sharing providers stop to share at once, and both count",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let shares =
            |number, name| spec(number, name).with_inventories(vcpu(4)).with_traits([SHARES]);
        let (tree, providers) = populated(&[shares(1, "a"), shares(2, "b")]);
        assert!(tree.has_sharing_provider(VCPU));
        let (a, b) = (providers[0], providers[1]);
        let (mine, theirs) = race(
            &tree,
            |tree| tree.configure(&a, Edit::new().set_traits([]), Expect::Any).map(drop),
            move |tree| tree.remove(&b).map(drop),
        );
        assert_eq!((mine, theirs), (Ok(()), Ok(())));
        assert!(!tree.has_sharing_provider(VCPU));
    });
}

#[test]
fn two_updates_change_once() {
    Model {
        name: "two_updates_change_once",
        property: "of two equal updates one changes something, and both know what is so",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, providers) = populated(&[spec(1, "a")]);
        let a = providers[0];
        let update = move |tree: &ProviderTree| {
            tree.configure(&a, Edit::new().add_traits([SHARES]), Expect::Any).expect("is there")
        };
        let (mine, theirs) = race(&tree, update, update);
        assert!(mine.changed ^ theirs.changed, "{mine:?} {theirs:?}");
        assert_eq!((mine.generation, theirs.generation), (1, 1));
    });
}

#[test]
fn a_dump_adds_up() {
    Model {
        name: "a_dump_adds_up",
        property: "in a dump beside a claim, usage is the sum of what consumers hold",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, providers) = populated(&[spec(1, "a").with_inventories(vcpu(4))]);
        let a = providers[0];
        let (dump, claimed) = race(
            &tree,
            |tree| tree.snapshot().dump().unwrap(),
            move |tree| {
                let claim = Claim::new(uuid(9)).take(&a, VCPU, 3);
                tree.worker().expect("few workers").claim(&claim).map(drop)
            },
        );
        assert_eq!(claimed, Ok(()));
        let used = dump.providers[0].used.get(&VCPU).map_or(0, |amounts| amounts.used);
        let held: u64 =
            dump.consumers.iter().flat_map(|one| &one.allocations).map(|held| held.amount).sum();
        assert_eq!(used, held, "{dump:?}");
        ProviderTree::load(&dump).map(drop).expect("a dump can be loaded");
    });
}

//! Changes of structure against each other, through the public interface.

#![cfg(provider_tree_loom)]

use loom_tests::Model;
use loom_tests::contests::{
    one_creates_a_name_whose_owner_goes, two_create_one_name, two_create_one_uuid,
    two_remove_one_provider,
};
use loom_tests::providers::{assert_sound, child, race, root, uuid};
use provider_tree::model::{cells_of, interned};
use provider_tree::{Configuration, Error, Provider, ProviderTree};

#[test]
fn one_uuid_is_created_once() {
    Model {
        name: "one_uuid_is_created_once",
        property: "of two creations of one uuid one succeeds, and the other leaves no name behind",
        threads: 2,
        bound: Some(1),
    }
    .check(two_create_one_uuid);
}

#[test]
fn one_name_is_created_once() {
    Model {
        name: "one_name_is_created_once",
        property: "of two creations of one name one succeeds, and the other leaves no uuid behind",
        threads: 2,
        bound: Some(1),
    }
    .check(two_create_one_name);
}

#[test]
fn one_provider_is_created_once() {
    Model {
        name: "one_provider_is_created_once",
        property: "of two creations of the same uuid and name exactly one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (mine, theirs) = race(
            &tree,
            |tree| tree.create_root("a", uuid(1)).map(drop),
            |tree| tree.create_root("a", uuid(1)).map(drop),
        );
        assert!(mine.is_ok() ^ theirs.is_ok(), "{mine:?} {theirs:?}");
        assert_eq!(mine.and(theirs), Err(Error::UuidExists { uuid: uuid(1) }));
        assert_sound(&tree, 1);
    });
}

#[test]
fn a_name_is_created_while_its_owner_goes() {
    Model {
        name: "a_name_is_created_while_its_owner_goes",
        property: "a creation with the name of one being removed is refused or comes after it",
        threads: 2,
        bound: Some(1),
    }
    .check(one_creates_a_name_whose_owner_goes);
}

#[test]
fn a_child_is_created_or_its_parent_removed() {
    Model {
        name: "a_child_is_created_or_its_parent_removed",
        property: "no orphan: a child comes in time to be removed with its parent, or not at all",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let parent = root(&tree, "parent", 1);
        let (created, removed) = race(
            &tree,
            |tree| tree.create_child(&parent, "child", uuid(2)).map(drop),
            move |tree| tree.remove(&parent),
        );
        match (created, removed) {
            (Ok(()), Ok(2)) | (Err(Error::Removed { .. }), Ok(1)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((tree.find(uuid(2)), tree.find("child")), (None, None));
        assert_sound(&tree, 0);
    });
}

#[test]
fn a_provider_is_removed_once() {
    Model {
        name: "a_provider_is_removed_once",
        property: "of two removals of one provider exactly one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(two_remove_one_provider);
}

#[test]
fn what_a_worker_has_found_is_gone_for_it_too() {
    Model {
        name: "what_a_worker_has_found_is_gone_for_it_too",
        property: "a worker finds what it has found before until that is renamed and removed, not after",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let host = root(&tree, "host", 1);
        let mut worker = tree.worker().expect("a worker");
        assert_eq!(worker.find(uuid(1)), Some(host));
        let (found, ()) = race(
            &tree,
            |_| [worker.find(uuid(1)), worker.find(uuid(1))],
            move |tree| {
                tree.rename(&host, "other").expect("is there");
                assert_eq!(tree.remove(&host), Ok(1));
            },
        );
        assert!(matches!(found, [Some(_), _] | [None, None]), "{found:?}");
        assert_eq!(worker.find(uuid(1)), None);
    });
}

#[test]
fn a_name_is_found_while_its_cells_come_to_serve_another() {
    Model {
        name: "a_name_is_found_while_its_cells_come_to_serve_another",
        property: "who asks for a name never gets a provider that has had another one all its life",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let old = root(&tree, "a", 1);
        let cells = cells_of(&tree, &old);
        let (found, new) = race(
            &tree,
            |tree| tree.find("a"),
            move |tree| {
                assert_eq!(tree.remove(&old), Ok(1));
                root(tree, "b", 2)
            },
        );
        assert!(found.is_none_or(|found| found == old), "{found:?}");
        assert_eq!(cells_of(&tree, &new), cells, "other cells");
        assert_eq!((tree.find("a"), tree.find("b")), (None, Some(new)));
    });
}

#[test]
fn a_uuid_is_given_up_by_two() {
    Model {
        name: "a_uuid_is_given_up_by_two",
        property: "two refused creations of one uuid give up one cell once, for one to have it next",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let first = root(&tree, "a", 1);
        let create = |tree: &ProviderTree| tree.create_root("a", uuid(2));
        let (mine, theirs) = race(&tree, create, create);
        assert_eq!([mine, theirs], [(); 2].map(|()| Err(Error::NameExists { name: "a".into() })));
        assert_eq!(interned(&tree), [1, 1, 0], "interned for nobody");
        // Takes its cells from where the others have left theirs.
        let (second, third) = (root(&tree, "b", 2), root(&tree, "c", 3));
        let found = [1, 2, 3].map(|number| tree.find(uuid(number)));
        assert_eq!(found, [first, second, third].map(Some));
        assert_sound(&tree, 3);
    });
}

#[test]
fn a_uuid_is_given_up_by_one_and_taken_by_another() {
    Model {
        name: "a_uuid_is_given_up_by_one_and_taken_by_another",
        property: "a refused creation of a uuid gives up what it interned, and nothing of who has it",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let first = root(&tree, "a", 1);
        let (refused, created) = race(
            &tree,
            |tree| tree.create_root("a", uuid(2)),
            |tree| tree.create_root("b", uuid(2)).expect("both are free"),
        );
        let taken = Error::NameExists { name: "a".into() };
        // It may have come when the other was there already.
        assert!(refused == Err(taken) || refused == Err(Error::UuidExists { uuid: uuid(2) }));
        assert_eq!(interned(&tree), [2, 2, 0], "interned for nobody");
        assert_eq!([1, 2].map(|number| tree.find(uuid(number))), [first, created].map(Some));
        assert_sound(&tree, 2);
    });
}

#[test]
fn moves_never_make_a_cycle() {
    Model {
        name: "moves_never_make_a_cycle",
        property: "of two moves, each below the other, one succeeds",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (a, b) = (root(&tree, "a", 1), root(&tree, "b", 2));
        let (mine, theirs) = race(
            &tree,
            |tree| tree.reparent(&a, Some(&b)),
            move |tree| tree.reparent(&b, Some(&a)),
        );
        assert!(mine.is_ok() ^ theirs.is_ok(), "{mine:?} {theirs:?}");
        assert!(matches!(mine.and(theirs), Err(Error::WouldCycle { .. })));
        assert_sound(&tree, 2);
    });
}

#[test]
fn deep_moves_never_make_a_cycle() {
    Model {
        name: "deep_moves_never_make_a_cycle",
        property: "the same for moves below each other's children, that have no other cell in common",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let [p, q] = [root(&tree, "p", 1), root(&tree, "q", 2)];
        let [a, b] = [child(&tree, &p, "a", 3), child(&tree, &q, "b", 4)];
        let [below_a, below_b] = [child(&tree, &a, "c", 5), child(&tree, &b, "d", 6)];
        let (mine, theirs) = race(
            &tree,
            |tree| tree.reparent(&a, Some(&below_b)),
            move |tree| tree.reparent(&b, Some(&below_a)),
        );
        assert!(mine.is_ok() ^ theirs.is_ok(), "{mine:?} {theirs:?}");
        assert!(matches!(mine.and(theirs), Err(Error::WouldCycle { .. })));
        assert_eq!(tree.providers().len(), 6);
    });
}

/// A forest with two roots, the first of which has a child.
fn two_roots_and_a_child() -> (ProviderTree, [Provider; 3]) {
    let tree = ProviderTree::new();
    let (a, b) = (root(&tree, "a", 1), root(&tree, "b", 2));
    let moving = child(&tree, &a, "moving", 3);
    (tree, [a, b, moving])
}

#[test]
fn a_walk_sees_a_move_whole() {
    Model {
        name: "a_walk_sees_a_move_whole",
        property: "a walk of the forest shows a moving provider once, at one of its two places",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [a, b, moving]) = two_roots_and_a_child();
        let (seen, moved) =
            race(&tree, |tree| tree.providers(), move |tree| tree.reparent(&moving, Some(&b)));
        assert_eq!(moved, Ok(()));
        assert!(seen == [a, moving, b] || seen == [a, b, moving], "{seen:?}");
        assert_sound(&tree, 3);
    });
}

#[test]
fn a_move_is_read_whole() {
    Model {
        name: "a_move_is_read_whole",
        property: "who reads a moving provider gets its parent and its generation of one instant",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (tree, [a, b, moving]) = two_roots_and_a_child();
        let mut worker = tree.worker().expect("a worker");
        let states = [(Some(a.uuid()), 0), (Some(b.uuid()), 1)];
        let state = |data: &Configuration| {
            let seen = (data.parent, data.generation);
            states.iter().position(|state| *state == seen).expect("parent and generation agree")
        };
        assert_eq!(worker.configuration(&moving).map(state), Ok(0));
        let (seen, moved) = race(
            &tree,
            |tree| {
                let data = tree.configuration(&moving).expect("is there");
                [state(&data), state(worker.configuration(&moving).expect("is there"))]
            },
            move |tree| tree.reparent(&moving, Some(&b)),
        );
        assert_eq!(moved, Ok(()));
        assert!(seen.is_sorted(), "{seen:?}");
        assert_eq!(worker.configuration(&moving).map(state), Ok(1));
    });
}

#[test]
fn a_renamed_provider_is_found_by_one_name() {
    Model {
        name: "a_renamed_provider_is_found_by_one_name",
        property: "once the new name is found the old one is not, and both name the provider only",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let host = root(&tree, "old", 1);
        let (seen, renamed) = race(
            &tree,
            |tree| (tree.find("new"), tree.find("old")),
            move |tree| tree.rename(&host, "new"),
        );
        assert_eq!(renamed, Ok(()));
        let allowed = [(None, Some(host)), (None, None), (Some(host), None)];
        assert!(allowed.contains(&seen), "{seen:?}");
        assert_eq!(tree.find("old"), None);
        assert_sound(&tree, 1);
    });
}

#[test]
fn a_move_and_a_removal_follow_one_another() {
    Model {
        name: "a_move_and_a_removal_follow_one_another",
        property: "a provider is moved before it is removed, or the move finds it removed",
        threads: 2,
        bound: Some(1),
    }
    .check(|| {
        let tree = ProviderTree::new();
        let (host, other) = (root(&tree, "host", 1), root(&tree, "other", 2));
        let (moved, removed) =
            race(&tree, |tree| tree.reparent(&host, Some(&other)), move |tree| tree.remove(&host));
        assert_eq!(removed, Ok(1));
        assert!(matches!(moved, Ok(()) | Err(Error::Removed { .. })), "{moved:?}");
        assert_sound(&tree, 1);
    });
}

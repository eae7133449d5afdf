//! Creating, finding, walking, moving, renaming and removing providers.

mod reshapes;

use provider_tree::{Edit, Error, Expect, Provider, ProviderTree, Trait};
use uuid::Uuid;

/// ```text
/// a            e
/// +- b         +- f
/// |  +- c
/// +- d
/// ```
fn forest() -> (ProviderTree, [Provider; 6]) {
    let tree = ProviderTree::new();
    let a = tree.create_root("a", None).unwrap();
    let b = tree.create_child(&a, "b", None).unwrap();
    let c = tree.create_child(&b, "c", None).unwrap();
    let d = tree.create_child(&a, "d", None).unwrap();
    let e = tree.create_root("e", None).unwrap();
    let f = tree.create_child(&e, "f", None).unwrap();
    (tree, [a, b, c, d, e, f])
}

#[test]
fn a_provider_is_found_by_uuid_and_by_name() {
    let tree = ProviderTree::new();
    let uuid = Uuid::from_u128(7);
    let host = tree.create_root("host", uuid).unwrap();
    assert_eq!(host.uuid(), uuid);
    assert_eq!(tree.find(uuid), Some(host));
    assert_eq!(tree.find("host"), Some(host));
    assert_eq!(tree.find(Uuid::from_u128(8)), None);
    assert_eq!(tree.find("guest"), None);
    assert_eq!(&*tree.configuration(&host).map(|now| now.name.clone()).unwrap(), "host");
}

#[test]
fn a_missing_uuid_is_made_up() {
    let tree = ProviderTree::new();
    let one = tree.create_root("one", None).unwrap();
    let two = tree.create_root("two", None).unwrap();
    assert_ne!(one.uuid(), two.uuid());
    assert_eq!(tree.find(one.uuid()), Some(one));
}

#[test]
fn uuids_and_names_are_unique_in_the_forest() {
    let (tree, [a, b, ..]) = forest();
    let taken = tree.create_root("new", a.uuid());
    assert_eq!(taken, Err(Error::UuidExists { uuid: a.uuid() }));
    let taken = tree.create_child(&b, "e", None);
    assert_eq!(taken, Err(Error::NameExists { name: "e".into() }));
    assert_eq!(tree.find("new"), None);
    assert_eq!(tree.providers().len(), 6);
    tree.create_root("new", None).unwrap();
}

#[test]
fn names_have_1_to_1024_bytes() {
    let tree = ProviderTree::new();
    let long = "x".repeat(1025);
    for name in ["", &long] {
        let refused = tree.create_root(name, None);
        assert!(matches!(refused, Err(Error::InvalidName { .. })), "{refused:?}");
    }
    tree.create_root(&long[1..], None).unwrap();
}

#[test]
fn walks_go_top_down_in_insertion_order() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.roots(), [a, e]);
    assert_eq!(tree.children(&a), Ok(vec![b, d]));
    assert_eq!(tree.children(&c), Ok(vec![]));
    assert_eq!(tree.providers(), [a, b, c, d, e, f]);
    assert_eq!(tree.subtree(&b), Ok(vec![b, c]));
    assert_eq!(tree.tree_of(&c), Ok(vec![a, b, c, d]));
    assert_eq!(tree.tree_of(&e), Ok(vec![e, f]));
    assert_eq!(tree.ancestors(&c), Ok(vec![b, a]));
    assert_eq!(tree.ancestors(&a), Ok(vec![]));
    assert_eq!(tree.ancestors(&c).map(|all| all.first().copied()), Ok(Some(b)));
    assert_eq!(tree.ancestors(&a).map(|all| all.first().copied()), Ok(None));
}

#[test]
fn removing_takes_the_whole_subtree() {
    let (tree, [a, b, c, d, e, f]) = forest();
    assert_eq!(tree.remove(&b), Ok(2));
    assert_eq!(tree.providers(), [a, d, e, f]);
    for gone in [b, c] {
        assert_eq!(tree.find(gone.uuid()), None);
        assert_eq!(
            tree.configuration(&gone).map(|now| now.name.clone()),
            Err(Error::Removed { provider: gone.uuid() })
        );
        assert_eq!(tree.remove(&gone), Err(Error::Removed { provider: gone.uuid() }));
    }
    assert_eq!(tree.find("c"), None);
    let refused = tree.create_child(&b, "g", None);
    assert_eq!(refused, Err(Error::Removed { provider: b.uuid() }));
    assert_eq!(tree.find("g"), None);
    assert_eq!(tree.remove(&a), Ok(2));
    assert_eq!(tree.remove(&e), Ok(2));
    assert!(tree.providers().is_empty());
}

#[test]
fn a_leaf_can_be_removed_alone() {
    let (tree, [a, b, c, ..]) = forest();
    assert_eq!(tree.remove_leaf(&b), Err(Error::HasChildren { provider: b.uuid() }));
    assert_eq!(tree.remove_leaf(&c), Ok(()));
    assert_eq!(tree.remove_leaf(&b), Ok(()));
    assert_eq!(tree.children(&a).unwrap().len(), 1);
}

#[test]
fn uuid_and_name_of_the_removed_are_free_again() {
    let (tree, [a, b, c, d, ..]) = forest();
    tree.remove(&b).unwrap();
    let again = tree.create_child(&d, "b", b.uuid()).unwrap();
    assert_ne!(again, b);
    assert_eq!(tree.find(b.uuid()), Some(again));
    assert_eq!(tree.find("b"), Some(again));
    assert_eq!(
        tree.configuration(&b).map(|now| now.name.clone()),
        Err(Error::Removed { provider: b.uuid() })
    );
    assert_eq!(tree.subtree(&a), Ok(vec![a, d, again]));
    assert_eq!(tree.find(c.uuid()), None);
}

#[test]
fn siblings_close_ranks() {
    for gone in 0..4 {
        let tree = ProviderTree::new();
        let root = tree.create_root("root", None).unwrap();
        let name = |n: usize| format!("child-{n}");
        let mut children: Vec<_> =
            (0..4).map(|n| tree.create_child(&root, &name(n), None).unwrap()).collect();
        tree.remove(&children.remove(gone)).unwrap();
        assert_eq!(tree.children(&root), Ok(children.clone()));
        children.push(tree.create_child(&root, "last", None).unwrap());
        assert_eq!(tree.children(&root), Ok(children));
    }
}

#[test]
fn a_move_takes_the_descendants_along() {
    let (tree, [a, b, c, d, e, f]) = forest();
    tree.reparent(&b, Some(&f)).unwrap();
    assert_eq!(tree.providers(), [a, d, e, f, b, c]);
    assert_eq!(tree.ancestors(&c), Ok(vec![b, f, e]));
    tree.reparent(&b, None).unwrap();
    assert_eq!(tree.roots(), [a, e, b]);
    assert_eq!(tree.ancestors(&b).map(|all| all.first().copied()), Ok(None));
    assert_eq!(tree.subtree(&b), Ok(vec![b, c]));
}

#[test]
fn a_move_within_the_parent_makes_it_the_last_child() {
    let (tree, [a, b, c, d, ..]) = forest();
    tree.reparent(&b, Some(&a)).unwrap();
    assert_eq!(tree.subtree(&a), Ok(vec![a, d, b, c]));
    tree.reparent(&b, Some(&a)).unwrap();
    assert_eq!(tree.subtree(&a), Ok(vec![a, d, b, c]));
    tree.reparent(&a, None).unwrap();
    assert_eq!(tree.roots()[1], a);
}

#[test]
fn a_move_below_oneself_is_refused() {
    let (tree, [a, b, c, d, ..]) = forest();
    for parent in [a, b, c, d] {
        let refused = tree.reparent(&a, Some(&parent));
        let (provider, parent) = (a.uuid(), parent.uuid());
        assert_eq!(refused, Err(Error::WouldCycle { provider, parent }));
    }
    assert_eq!(tree.subtree(&a), Ok(vec![a, b, c, d]));
}

#[test]
fn a_move_to_or_of_the_removed_is_refused() {
    let (tree, [a, b, .., e, _]) = forest();
    tree.remove(&e).unwrap();
    assert_eq!(tree.reparent(&b, Some(&e)), Err(Error::Removed { provider: e.uuid() }));
    assert_eq!(tree.reparent(&e, Some(&b)), Err(Error::Removed { provider: e.uuid() }));
    assert_eq!(tree.ancestors(&b).map(|all| all.first().copied()), Ok(Some(a)));
}

#[test]
fn a_rename_frees_the_old_name() {
    let (tree, [a, b, ..]) = forest();
    tree.rename(&b, "bee").unwrap();
    assert_eq!(tree.find("b"), None);
    assert_eq!(tree.find("bee"), Some(b));
    assert_eq!(&*tree.configuration(&b).map(|now| now.name.clone()).unwrap(), "bee");
    tree.rename(&a, "b").unwrap();
    assert_eq!(tree.find("b"), Some(a));
    assert_eq!(tree.rename(&a, "bee"), Err(Error::NameExists { name: "bee".into() }));
    assert_eq!(tree.rename(&a, "b"), Ok(()));
    assert!(matches!(tree.rename(&a, ""), Err(Error::InvalidName { .. })));
    tree.remove(&b).unwrap();
    assert_eq!(tree.rename(&b, "x"), Err(Error::Removed { provider: b.uuid() }));
    assert_eq!(tree.find("x"), None);
    tree.rename(&a, "bee").unwrap();
}

#[test]
fn every_change_of_a_provider_moves_its_generation() {
    let (tree, [a, b, ..]) = forest();
    let generation = |provider| tree.configuration(provider).unwrap().generation;
    let avx = Trait::new("HW_CPU_X86_AVX2").unwrap();
    assert_eq!(generation(&b), 0);
    tree.rename(&b, "bee").unwrap();
    assert_eq!(generation(&b), 1);
    tree.reparent(&b, None).unwrap();
    assert_eq!(generation(&b), 2);
    assert_eq!(
        tree.configure(&b, Edit::new().set_traits([avx]), Expect::Any).map(|it| it.generation),
        Ok(3)
    );
    assert_eq!(generation(&a), 0);
}

#[test]
fn handles_of_another_forest_are_refused() {
    let (tree, [a, ..]) = forest();
    let (other, [theirs, ..]) = forest();
    let foreign = || Error::ForeignProvider { provider: theirs.uuid() };
    assert_eq!(tree.configuration(&theirs).map(|now| now.name.clone()), Err(foreign()));
    assert_eq!(tree.children(&theirs), Err(foreign()));
    assert_eq!(tree.remove(&theirs), Err(foreign()));
    assert_eq!(tree.reparent(&a, Some(&theirs)), Err(foreign()));
    assert_eq!(tree.create_child(&theirs, "x", None), Err(foreign()));
    assert!(tree.version(&theirs).is_err());
    assert_eq!(other.find(theirs.uuid()), Some(theirs));
}

#[test]
fn a_clone_is_the_same_forest() {
    let (tree, [a, ..]) = forest();
    let clone = tree.clone();
    let new = clone.create_child(&a, "new", None).unwrap();
    assert_eq!(tree.find("new"), Some(new));
}

#[test]
fn deep_and_wide_trees_need_no_stack() {
    const MANY: usize = 50_000;
    let tree = ProviderTree::new();
    let root = tree.create_root("root", None).unwrap();
    let mut bottom = root;
    for depth in 0..MANY {
        bottom = tree.create_child(&bottom, &format!("deep-{depth}"), None).unwrap();
    }
    for width in 0..MANY {
        tree.create_child(&root, &format!("wide-{width}"), None).unwrap();
    }
    assert_eq!(tree.ancestors(&bottom).unwrap().len(), MANY);
    assert_eq!(tree.subtree(&root).unwrap().len(), 2 * MANY + 1);
    assert!(matches!(tree.reparent(&root, Some(&bottom)), Err(Error::WouldCycle { .. })));
    assert_eq!(tree.remove(&root), Ok(2 * MANY + 1));
    assert!(tree.providers().is_empty());
    assert_eq!(tree.find("deep-7"), None);
}

//! Checks what a list is refused for, and that a refused one changes nothing.

use std::collections::BTreeSet;

use provider_tree::{Error, Fault, Inventory, InventoryFault, ProviderSpec, ProviderTree};
use uuid::Uuid;

use crate::{MEMORY, VCPU, child, drawn, find, forest, hold, id, named, of, root};

/// The faults of a list that is refused, in a fixed order. Such a list changes nothing: neither
/// the forest, nor which uuids and names are free.
fn faults(tree: &ProviderTree, list: &[ProviderSpec]) -> Vec<Fault> {
    let before = tree.snapshot().dump().unwrap();
    let Err(Error::InvalidEntries { faults }) = tree.populate(list) else {
        panic!("not refused: {list:?}");
    };
    assert_eq!(tree.snapshot().dump().unwrap(), before);
    let uuids: BTreeSet<_> = list.iter().flat_map(|one| [Some(one.uuid), one.parent]).collect();
    for uuid in uuids.into_iter().flatten() {
        match before.providers.iter().find(|one| one.configuration.uuid == uuid) {
            Some(kept) => assert_eq!(tree.find(uuid), tree.find(&kept.configuration.name)),
            None => assert_is_free(tree, "a name for a uuid", uuid),
        }
    }
    let names: BTreeSet<_> = list.iter().map(|one| &*one.name).collect();
    for name in names.into_iter().filter(|name| (1..=1024).contains(&name.len())) {
        match before.providers.iter().find(|one| &*one.configuration.name == name) {
            Some(kept) => assert_eq!(tree.find(name), tree.find(kept.configuration.uuid)),
            None => assert_is_free(tree, name, Uuid::new_v4()),
        }
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
    sorted(faults)
}

fn assert_is_free(tree: &ProviderTree, name: &str, uuid: Uuid) {
    assert_eq!((tree.find(name), tree.find(uuid)), (None, None));
    let probe = tree.create_root(name, uuid).unwrap();
    tree.remove_leaf(&probe).unwrap();
}

fn sorted(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_cached_key(|fault| format!("{fault:?}"));
    faults
}

fn duplicate_name(provider: &str, name: &str) -> Fault {
    Fault::DuplicateName { provider: id(provider), name: name.into() }
}

fn orphan(provider: &str, parent: &str) -> Fault {
    Fault::Orphan { provider: id(provider), parent: id(parent) }
}

fn cycle(provider: &str) -> Fault {
    Fault::Cycle { provider: id(provider) }
}

fn in_use(provider: &str, used: u64) -> Fault {
    Fault::InUse { provider: id(provider), class: VCPU, used }
}

#[test]
fn a_uuid_that_is_listed_again_is_refused_once() {
    let tree = forest();
    for name in ["x", "b"] {
        let list = [root(name), root("y"), named(root(name), "n"), named(root(name), "m")];
        assert_eq!(faults(&tree, &list), [Fault::DuplicateUuid { provider: id(name) }]);
    }
}

#[test]
fn each_entry_that_shares_its_name_is_refused() {
    let tree = forest();
    let list = ["x", "y", "b"].map(|name| named(root(name), "same"));
    let expected = ["b", "x", "y"].map(|name| duplicate_name(name, "same"));
    assert_eq!(faults(&tree, &[&list[..], &[root("z")]].concat()), expected);
}

#[test]
fn a_name_of_a_provider_that_stays_is_refused() {
    let tree = forest();
    let exists = |provider| vec![Fault::NameExists { provider: id(provider), name: "d".into() }];
    assert_eq!(faults(&tree, &[root("y"), named(root("x"), "d")]), exists("x"));
    assert_eq!(faults(&tree, &[named(child("b", "a"), "d")]), exists("b"));
}

#[test]
fn a_name_that_no_provider_can_have_is_refused() {
    let tree = forest();
    let long = "x".repeat(1025);
    let list = [named(root("x"), ""), root("y"), named(child("b", "a"), &long)];
    let found = faults(&tree, &list);
    let [
        Fault::InvalidName { provider: one, name: empty, .. },
        Fault::InvalidName { provider: other, name: too_long, .. },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((*one, &**too_long), (id("b"), ""));
    assert_eq!((*other, &**empty), (id("x"), &long[..60]));
}

#[test]
fn a_parent_that_does_not_exist_is_refused() {
    let tree = forest();
    let list = [child("x", "none"), child("y", "x"), child("b", "nowhere"), child("z", "none")];
    let expected = [orphan("b", "nowhere"), orphan("x", "none"), orphan("z", "none")];
    assert_eq!(faults(&tree, &list), expected);
}

#[test]
fn a_parent_that_would_be_dropped_is_refused() {
    let tree = forest();
    let list = [root("a"), child("x", "b"), child("e", "c"), child("d", "a")];
    assert_eq!(faults(&tree, &list), [orphan("e", "c"), orphan("x", "b")]);
}

#[test]
fn everyone_on_a_circle_is_refused_and_nobody_else() {
    let tree = forest();
    let circle = [child("x", "z"), child("y", "x"), child("z", "y")];
    let leads_there = [child("p", "q"), child("q", "x")];
    let fine = [child("r", "a"), child("s", "r")];
    let list = [&leads_there[..1], &circle, &leads_there[1..], &fine].concat();
    assert_eq!(faults(&tree, &list), ["x", "y", "z"].map(cycle));
}

#[test]
fn a_provider_below_itself_is_refused() {
    assert_eq!(faults(&forest(), &[child("x", "x"), child("a", "a")]), ["a", "x"].map(cycle));
}

#[test]
fn a_circle_of_replaced_providers_is_refused() {
    let list = [child("a", "c"), child("b", "a"), child("c", "b")];
    assert_eq!(faults(&forest(), &list), ["a", "b", "c"].map(cycle));
}

#[test]
fn each_inventory_that_contradicts_itself_is_refused() {
    let tree = forest();
    let broken = of(VCPU, 8).with(MEMORY, Inventory::new(1).with_reserved(2));
    let worse = of(VCPU, 8).with(VCPU, Inventory::new(1).with_step_size(0));
    let list = [
        root("x").with_inventories(broken.clone()),
        root("y").with_inventories(of(VCPU, 8)),
        child("b", "a").with_inventories(broken.with(VCPU, *worse.get(VCPU).unwrap())),
    ];
    let invalid = |provider, class, fault| Fault::InvalidInventory { provider, class, fault };
    let reserved = InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 };
    let expected = vec![
        invalid(id("x"), MEMORY, reserved),
        invalid(id("b"), MEMORY, reserved),
        invalid(id("b"), VCPU, InventoryFault::ZeroStep),
    ];
    assert_eq!(faults(&tree, &list), sorted(expected));
}

#[test]
fn a_generation_that_could_not_grow_for_ever_is_refused() {
    const LARGEST: u64 = i64::MAX as u64 + (1 << 62);
    let tree = forest();
    let list = [
        root("x").with_generation(LARGEST),
        root("y").with_generation(LARGEST + 1),
        child("b", "a").with_generation(u64::MAX),
    ];
    let too_large = |owner, generation| Fault::GenerationTooLarge { owner: id(owner), generation };
    assert_eq!(faults(&tree, &list), [too_large("b", u64::MAX), too_large("y", LARGEST + 1)]);
    tree.populate(&list[..1]).unwrap();
    assert_eq!(tree.configuration(&find(&tree, "x")).unwrap().generation, LARGEST);
}

#[test]
fn an_inventory_that_would_go_while_in_use_is_refused() {
    let tree = forest();
    let consumer = hold(&tree, &find(&tree, "b"), 3);
    let list = [root("x"), child("b", "a").with_inventories(of(MEMORY, 8))];
    assert_eq!(faults(&tree, &list), [in_use("b", 3)]);
    let _ = tree.worker().unwrap().release(consumer).unwrap();
    tree.populate(&list).unwrap();
}

#[test]
fn a_provider_that_would_go_while_in_use_is_refused() {
    let tree = forest();
    let consumer = hold(&tree, &find(&tree, "c"), 3);
    tree.worker().unwrap().take(&find(&tree, "c"), &[(VCPU, 2)]).unwrap();
    assert_eq!(faults(&tree, &[root("x"), root("a")]), [in_use("c", 5)]);
    assert_eq!(faults(&tree, &[child("b", "e")]), [in_use("c", 5)]);
    let _ = tree.worker().unwrap().release(consumer).unwrap();
    assert_eq!(faults(&tree, &[root("a")]), [in_use("c", 2)]);
    tree.worker().unwrap().put_back(&find(&tree, "c"), &[(VCPU, 2)]).unwrap();
    tree.populate(&[root("a")]).unwrap();
    assert_eq!(drawn(&tree), "e a");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let tree = forest();
    hold(&tree, &find(&tree, "c"), 1);
    hold(&tree, &find(&tree, "d"), 2);
    let list = [
        child("b", "a"),
        child("d", "a"),
        named(root("p"), "e"),
        named(root("q"), "same"),
        named(root("r"), "same"),
        child("s", "s"),
        child("t", "none"),
        child("u", "c"),
        root("v"),
        named(root("v"), "w"),
        root("y").with_generation(u64::MAX),
        root("z").with_inventories(of(VCPU, 1).with(VCPU, Inventory::new(1).with_step_size(0))),
    ];
    let (class, fault) = (VCPU, InventoryFault::ZeroStep);
    let expected = vec![
        in_use("c", 1),
        in_use("d", 2),
        Fault::NameExists { provider: id("p"), name: "e".into() },
        duplicate_name("q", "same"),
        duplicate_name("r", "same"),
        cycle("s"),
        orphan("t", "none"),
        orphan("u", "c"),
        Fault::DuplicateUuid { provider: id("v") },
        Fault::GenerationTooLarge { owner: id("y"), generation: u64::MAX },
        Fault::InvalidInventory { provider: id("z"), class, fault },
    ];
    assert_eq!(faults(&tree, &list), sorted(expected));
}

#[test]
fn the_text_of_a_refusal_names_the_first_offenders_and_counts_the_others() {
    let list: Vec<_> = (0..20).map(|n| child(&format!("x{n:02}"), "none")).collect();
    let text = forest().populate(&list).unwrap_err().to_string();
    assert!(text.contains(&id("x00").to_string()) && text.contains(&id("x07").to_string()));
    assert!(!text.contains(&id("x08").to_string()) && text.ends_with("and 12 more"), "{text}");
}

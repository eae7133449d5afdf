//! `populate`: a list of providers is made true at one instant, or nothing changes.
//!
//! Forests are drawn as text: `a(b(c) d) e` has the roots `a` and `e`; `b` and `d` are children of
//! `a`, and `c` is one of `b`. A provider's uuid is made from the name that it first has.

use std::collections::BTreeSet;
use std::thread;

use provider_tree::{
    Claim, Dump, Error, Expect, Fault, Inventories, Inventory, InventoryFault, Provider,
    ProviderData, ProviderSpec, ProviderTree, ResourceClass, Resources, Trait, Usage,
};
use uuid::Uuid;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;

fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn root(name: &str) -> ProviderSpec {
    ProviderSpec::new(id(name), name)
}

fn child(name: &str, parent: &str) -> ProviderSpec {
    root(name).with_parent(id(parent))
}

/// The same entry with another name.
fn named(spec: ProviderSpec, name: &str) -> ProviderSpec {
    ProviderSpec { name: name.into(), ..spec }
}

/// The forest `a(b(c) d) e`.
fn forest() -> ProviderTree {
    let tree = ProviderTree::new();
    let list = [root("a"), child("b", "a"), child("c", "b"), child("d", "a"), root("e")];
    tree.populate(&list).unwrap();
    tree
}

fn find(tree: &ProviderTree, name: &str) -> Provider {
    tree.find(name).unwrap()
}

fn drawn(tree: &ProviderTree) -> String {
    draw(tree, &tree.roots())
}

fn draw(tree: &ProviderTree, siblings: &[Provider]) -> String {
    let drawn = siblings.iter().map(|provider| {
        let name = tree.name(provider).unwrap();
        match &tree.children(provider).unwrap()[..] {
            [] => name.to_string(),
            children => format!("{name}({})", draw(tree, children)),
        }
    });
    drawn.collect::<Vec<_>>().join(" ")
}

fn of(class: ResourceClass, total: u64) -> Inventories {
    Inventories::new().with(class, Inventory::new(total))
}

/// Gives the provider an inventory of cores, and has someone hold so many of them.
fn hold(tree: &ProviderTree, provider: &Provider, amount: u64) -> Uuid {
    tree.set_inventories(provider, of(VCPU, 8), Expect::Any).unwrap();
    let consumer = Uuid::new_v4();
    let claim = Claim::new(consumer).take(provider, VCPU, amount);
    let _ = tree.worker().unwrap().claim(&claim).unwrap();
    consumer
}

// What becomes true.

#[test]
fn an_empty_list_changes_nothing() {
    let tree = forest();
    let before = tree.dump();
    assert_eq!(tree.populate(&[]), Ok(vec![]));
    assert_eq!(tree.dump(), before);
}

#[test]
fn everything_that_an_entry_says_becomes_true() {
    let tree = forest();
    let (ssd, rack) = (Trait::new("STORAGE_DISK_SSD").unwrap(), Uuid::from_u128(1));
    let entry = child("x", "d")
        .with_generation(7)
        .with_inventories(of(VCPU, 8))
        .with_traits([ssd])
        .with_aggregates([rack])
        .with_resources(Resources::new().with(VCPU, "cores 0-7"));
    let [x] = tree.populate(std::slice::from_ref(&entry)).unwrap()[..] else { panic!("one") };
    assert_eq!(ProviderSpec::from(tree.data(&x).unwrap()), entry);
    assert_eq!(tree.usage(&x, VCPU), Ok(Usage { capacity: 8, used: 0 }));
    assert_eq!((tree.find("x"), tree.find(id("x"))), (Some(x), Some(x)));
    assert_eq!(drawn(&tree), "a(b(c) d(x)) e");
}

#[test]
fn handles_come_back_in_the_order_of_the_list() {
    let tree = forest();
    let list = [child("x", "y"), root("a"), root("y"), child("b", "a")];
    let handles = tree.populate(&list).unwrap();
    let uuids: Vec<_> = handles.iter().map(Provider::uuid).collect();
    assert_eq!(uuids, ["x", "a", "y", "b"].map(id));
    assert!(handles.iter().all(|handle| tree.find(handle.uuid()) == Some(*handle)));
}

#[test]
fn parents_may_come_before_or_after_their_children() {
    let chain = [root("a"), child("b", "a"), child("c", "b"), child("d", "c")];
    for order in permutations() {
        let tree = ProviderTree::new();
        tree.populate(&order.map(|at| chain[at].clone())).unwrap();
        assert_eq!(drawn(&tree), "a(b(c(d)))", "in the order {order:?}");
    }
}

fn permutations() -> Vec<[usize; 4]> {
    let all = (0..256).map(|code: usize| [0, 2, 4, 6].map(|shift| code >> shift & 3));
    all.filter(|order| BTreeSet::from(*order).len() == 4).collect()
}

#[test]
fn siblings_are_in_the_order_of_the_list() {
    let tree = ProviderTree::new();
    let list = ["q", "c", "x", "a"].map(|name| child(name, "top"));
    tree.populate(&[&list[..], &[root("top")]].concat()).unwrap();
    assert_eq!(drawn(&tree), "top(q c x a)");
}

#[test]
fn siblings_that_stay_come_first() {
    let tree = forest();
    tree.populate(&[child("x", "a"), child("b", "a"), root("a2"), child("y", "a")]).unwrap();
    assert_eq!(drawn(&tree), "a(d x b y) e a2");
}

#[test]
fn new_and_replaced_and_dropped_go_together() {
    let tree = forest();
    tree.populate(&[root("x"), child("c", "x"), root("a"), child("d", "a")]).unwrap();
    assert_eq!(drawn(&tree), "e x(c) a(d)");
    assert_eq!((tree.find("b"), tree.find(id("b"))), (None, None));
}

#[test]
fn what_is_below_a_replaced_provider_and_not_listed_is_dropped() {
    let tree = forest();
    let handles = ["a", "b", "c", "d"].map(|name| find(&tree, name));
    tree.populate(&[root("a")]).unwrap();
    assert_eq!(drawn(&tree), "e a");
    for gone in &handles[1..] {
        assert_eq!(tree.data(gone), Err(Error::Removed { provider: gone.uuid() }));
    }
    // Their uuids and names are free.
    let again = tree.create_root("c", id("b")).unwrap();
    assert_eq!((tree.find("c"), tree.find(id("b"))), (Some(again), Some(again)));
}

#[test]
fn everything_else_stays_as_it_is() {
    let tree = forest();
    let others = ["a", "d", "e"].map(|name| find(&tree, name));
    let state = || others.map(|one| (tree.version(&one), tree.data(&one)));
    let before = state();
    tree.populate(&[child("b", "a"), child("x", "d")]).unwrap();
    assert_eq!(drawn(&tree), "a(d(x) b) e");
    assert_eq!(state(), before);
}

#[test]
fn a_replaced_provider_keeps_its_handle_and_loses_what_is_not_listed() {
    let tree = forest();
    let b = find(&tree, "b");
    tree.set_inventories(&b, of(VCPU, 8), Expect::Any).unwrap();
    tree.set_traits(&b, [Trait::MISC_SHARES_VIA_AGGREGATE], Expect::Any).unwrap();
    tree.set_aggregates(&b, [Uuid::from_u128(1)], Expect::Any).unwrap();
    tree.update_resources(&b, Resources::new().with(VCPU, 1_u8), Expect::Any).unwrap();
    assert_eq!(tree.populate(&[root("b")]), Ok(vec![b]));
    assert_eq!(ProviderSpec::from(tree.data(&b).unwrap()), root("b").with_generation(5));
    assert_eq!(tree.has_inventories(&b), Ok(false));
}

#[test]
fn a_replaced_provider_keeps_what_is_held_from_it() {
    let tree = forest();
    let b = find(&tree, "b");
    let consumer = hold(&tree, &b, 6);
    let held = tree.allocations(consumer);
    let listed = child("b", "e").with_inventories(of(VCPU, 4).with(MEMORY, Inventory::new(9)));
    tree.populate(&[listed]).unwrap();
    assert_eq!(tree.usage(&b, VCPU), Ok(Usage { capacity: 4, used: 6 }));
    assert_eq!(tree.usage(&b, MEMORY), Ok(Usage { capacity: 9, used: 0 }));
    assert_eq!(tree.allocations(consumer), held);
    assert!(tree.audit().holds());
    let _ = tree.worker().unwrap().release(consumer).unwrap();
    assert_eq!(tree.usage(&b, VCPU), Ok(Usage { capacity: 4, used: 0 }));
}

#[test]
fn a_new_provider_is_at_the_generation_given_or_at_0() {
    let tree = ProviderTree::new();
    let handles = tree.populate(&[root("x"), root("y").with_generation(7)]).unwrap();
    let generations = handles.iter().map(|one| tree.data(one).unwrap().generation);
    assert_eq!(generations.collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn a_replaced_provider_is_at_the_generation_given_or_at_the_next() {
    let tree = ProviderTree::new();
    let generation = |entry| {
        let handles = tree.populate(&[entry]).unwrap();
        tree.data(&handles[0]).unwrap().generation
    };
    assert_eq!(generation(root("x").with_generation(7)), 7);
    assert_eq!(generation(root("x")), 8);
    assert_eq!(generation(root("x").with_generation(3)), 3);
    assert_eq!(generation(root("x").with_generation(3)), 3);
}

#[test]
fn a_forest_that_is_listed_as_it_is_stays_the_same() {
    let tree = forest();
    tree.set_inventories(&find(&tree, "c"), of(VCPU, 8), Expect::Any).unwrap();
    let before = tree.dump();
    let list = before.providers.iter().map(|one| one.data.clone().into());
    tree.populate(&list.collect::<Vec<_>>()).unwrap();
    assert_eq!(tree.dump(), before);
}

#[test]
fn a_listed_provider_moves_below_another_listed_one() {
    let tree = forest();
    tree.populate(&[child("b", "a"), child("d", "b"), root("a"), child("c", "e")]).unwrap();
    assert_eq!(drawn(&tree), "e(c) a(b(d))");
}

#[test]
fn a_listed_provider_outlives_the_parent_that_is_dropped() {
    let tree = forest();
    let c = find(&tree, "c");
    tree.populate(&[root("a"), child("c", "a")]).unwrap();
    assert_eq!(drawn(&tree), "e a(c)");
    assert_eq!(tree.find("c"), Some(c));
}

#[test]
fn parent_and_child_change_places() {
    let tree = forest();
    tree.populate(&[root("b"), child("a", "b"), child("c", "a")]).unwrap();
    assert_eq!(drawn(&tree), "e b(a(c))");
}

#[test]
fn a_parent_that_is_not_listed_stays() {
    let tree = forest();
    let c = find(&tree, "c");
    tree.populate(&[child("e", "c"), child("x", "c")]).unwrap();
    assert_eq!(drawn(&tree), "a(b(c(e x)) d)");
    assert_eq!(tree.data(&c).unwrap().generation, 0);
}

#[test]
fn replaced_providers_swap_their_names() {
    let tree = forest();
    let (b, d) = (find(&tree, "b"), find(&tree, "d"));
    tree.populate(&[named(child("b", "a"), "d"), named(child("d", "a"), "b")]).unwrap();
    assert_eq!((tree.find("d"), tree.find("b")), (Some(b), Some(d)));
    assert_eq!((&*tree.name(&b).unwrap(), &*tree.name(&d).unwrap()), ("d", "b"));
}

#[test]
fn a_name_is_taken_over_from_a_dropped_provider() {
    let tree = forest();
    let handles = tree.populate(&[root("a"), named(child("x", "a"), "c")]).unwrap();
    assert_eq!(drawn(&tree), "e a(c)");
    assert_eq!(tree.find("c"), Some(handles[1]));
    assert_eq!(tree.find(id("c")), None);
}

#[test]
fn a_name_that_is_given_up_is_free() {
    let tree = forest();
    let e = find(&tree, "e");
    tree.populate(&[named(root("e"), "f")]).unwrap();
    assert_eq!((tree.find("e"), tree.find("f")), (None, Some(e)));
    assert!(tree.create_root("e", None).is_ok());
}

#[test]
fn names_go_round_among_new_replaced_and_dropped_providers() {
    let tree = forest();
    let list = [named(root("a"), "e"), named(root("e"), "d"), named(child("x", "a"), "a")];
    tree.populate(&list).unwrap();
    assert_eq!(drawn(&tree), "e(a) d");
    let uuids = ["e", "a", "d"].map(|name| find(&tree, name).uuid());
    assert_eq!(uuids, ["a", "x", "e"].map(id));
    assert_eq!((tree.find("b"), tree.find("c")), (None, None));
}

/// Each is below another, in three forests of different depth, the last of which is a chain.
#[test]
fn ten_thousand_providers_are_populated_in_one_call() {
    const MANY: usize = 10_000;
    // Odd, so that all uuids differ; in their order, the numbers are well mixed.
    let uuid =
        |n: usize| Uuid::from_u128((n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 << 64 | 1));
    let shuffled = |arity: usize| {
        let entry = |n: usize| {
            let entry = ProviderSpec::new(uuid(n), format!("provider-{n}"));
            if n == 0 { entry } else { entry.with_parent(uuid((n - 1) / arity)) }
        };
        let mut list: Vec<_> = (0..MANY).map(entry).collect();
        list.sort_unstable_by_key(|entry| entry.uuid);
        list
    };
    let tree = ProviderTree::new();
    let first = tree.populate(&shuffled(10)).unwrap();
    for arity in [10, 3, 1] {
        assert_eq!(tree.populate(&shuffled(arity)), Ok(first.clone()));
        assert_eq!(tree.providers().len(), MANY);
        for n in 1..MANY {
            let provider = tree.find(&format!("provider-{n}")).unwrap();
            let parent = tree.parent(&provider).unwrap().unwrap();
            assert_eq!((provider.uuid(), parent.uuid()), (uuid(n), uuid((n - 1) / arity)));
        }
    }
    let top = tree.populate(&[ProviderSpec::new(uuid(0), "alone")]).unwrap();
    assert_eq!(tree.providers(), top);
    assert_eq!(tree.find("provider-7"), None);
}

// What is refused.

/// The faults of a list that is refused, in a fixed order. Such a list changes nothing: neither
/// the forest, nor which uuids and names are free.
fn faults(tree: &ProviderTree, list: &[ProviderSpec]) -> Vec<Fault> {
    let before = tree.dump();
    let Err(Error::InvalidEntries { faults }) = tree.populate(list) else {
        panic!("not refused: {list:?}");
    };
    assert_eq!(tree.dump(), before);
    let uuids: BTreeSet<_> = list.iter().flat_map(|one| [Some(one.uuid), one.parent]).collect();
    for uuid in uuids.into_iter().flatten() {
        match before.providers.iter().find(|one| one.data.uuid == uuid) {
            Some(kept) => assert_eq!(tree.find(uuid), tree.find(&kept.data.name)),
            None => assert_is_free(tree, "a name for a uuid", uuid),
        }
    }
    let names: BTreeSet<_> = list.iter().map(|one| &*one.name).collect();
    for name in names.into_iter().filter(|name| (1..=1024).contains(&name.len())) {
        match before.providers.iter().find(|one| &*one.data.name == name) {
            Some(kept) => assert_eq!(tree.find(name), tree.find(kept.data.uuid)),
            None => assert_is_free(tree, name, Uuid::new_v4()),
        }
    }
    assert_eq!(tree.dump(), before);
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
    assert_eq!(tree.data(&find(&tree, "x")).unwrap().generation, LARGEST);
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

// What others see.

/// `a(b(c) d) z`, or `a(d(b) e) z` with the names of `b` and `d` swapped.
fn two_lists() -> [Vec<ProviderSpec>; 2] {
    let rack = Uuid::from_u128;
    let mark = |n: u64, list: Vec<ProviderSpec>| {
        let marked = |one: ProviderSpec| one.with_generation(n).with_aggregates([rack(n.into())]);
        list.into_iter().map(marked).collect()
    };
    let one = vec![root("a"), child("b", "a"), child("c", "b"), child("d", "a")];
    let other = [named(child("d", "a"), "b"), named(child("b", "d"), "d"), child("e", "a")];
    [mark(1, one), mark(2, [vec![root("a")], other.to_vec()].concat())]
}

/// The two forests as seen by everyone, each after its list was populated.
struct Shapes {
    dumps: [Dump; 2],
}

impl Shapes {
    fn of(tree: &ProviderTree, lists: &[Vec<ProviderSpec>; 2]) -> Self {
        Shapes {
            dumps: lists.each_ref().map(|list| {
                tree.populate(list).unwrap();
                tree.dump()
            }),
        }
    }

    /// Which of the two it is that a walk has seen of all but the root that stays.
    fn which(&self, walk: &[Provider]) -> usize {
        let seen: Vec<_> = walk.iter().map(Provider::uuid).collect();
        let shape = |dump: &Dump| -> Vec<Uuid> {
            let uuids = dump.providers.iter().map(|one| one.data.uuid);
            uuids.filter(|uuid| *uuid != id("z")).collect()
        };
        let found = self.dumps.iter().position(|dump| shape(dump) == seen);
        found.unwrap_or_else(|| panic!("a walk saw {seen:?}"))
    }

    /// Whether what was read of one provider is the whole truth of either.
    fn have(&self, data: &ProviderData) -> bool {
        self.dumps.iter().flat_map(|dump| &dump.providers).any(|one| one.data == *data)
    }
}

#[test]
fn nobody_sees_a_part_of_a_population() {
    const TIMES: usize = 2_000;
    const MOST_WALKS: usize = 1_000_000;
    let tree = ProviderTree::new();
    tree.populate(&[root("z")]).unwrap();
    let (a, lists) = (tree.create_root("a", id("a")).unwrap(), two_lists());
    let shapes = Shapes::of(&tree, &lists);
    // Until it has seen both often, which it does as long as they take turns.
    let walk = |see: &dyn Fn() -> usize| {
        let mut seen = [0; 2];
        for _ in 0..MOST_WALKS {
            seen[see()] += 1;
            if seen.iter().all(|times| *times >= TIMES) {
                return;
            }
        }
        panic!("one of the two was hardly seen: {seen:?}");
    };
    let subtree = || shapes.which(&tree.subtree(&a).unwrap());
    let providers = || {
        let all = tree.providers();
        assert_eq!(all[0].uuid(), id("z"));
        shapes.which(&all[1..])
    };
    let dump = || {
        let dump = tree.dump();
        let found = shapes.dumps.iter().position(|shape| *shape == dump);
        found.unwrap_or_else(|| panic!("a dump has {dump:?}"))
    };
    let data = || {
        for name in ["a", "b", "c", "d", "e"] {
            let Some(provider) = tree.find(name) else { continue };
            match tree.data(&provider) {
                Ok(data) => assert!(shapes.have(&data), "{data:?}"),
                Err(gone) => assert_eq!(gone, Error::Removed { provider: provider.uuid() }),
            }
        }
        subtree()
    };
    thread::scope(|scope| {
        let readers = [
            scope.spawn(|| walk(&subtree)),
            scope.spawn(|| walk(&providers)),
            scope.spawn(|| walk(&dump)),
            scope.spawn(|| walk(&data)),
        ];
        for list in lists.iter().cycle() {
            if readers.iter().all(|reader| reader.is_finished()) {
                break;
            }
            tree.populate(list).unwrap();
            thread::yield_now();
        }
    });
}

#[test]
fn of_two_populations_at_once_one_comes_after_the_other() {
    const ROUNDS: usize = 200;
    let tree = ProviderTree::new();
    tree.populate(&[root("z")]).unwrap();
    let lists = two_lists();
    let shapes = Shapes::of(&tree, &lists);
    for _ in 0..ROUNDS {
        thread::scope(|scope| {
            for list in &lists {
                scope.spawn(|| tree.populate(list).unwrap());
            }
        });
        let dump = tree.dump();
        assert!(shapes.dumps.contains(&dump), "{dump:?}");
    }
}

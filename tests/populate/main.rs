//! `populate`: a list of providers is made true at one instant, or nothing changes.
//!
//! Forests are drawn as text: `a(b(c) d) e` has the roots `a` and `e`; `b` and `d` are children of
//! `a`, and `c` is one of `b`. A provider's uuid is made from the name that it first has.

mod refused;

use std::collections::BTreeSet;
use std::thread;

use provider_tree::{
    Claim, Configuration, Dump, Edit, Error, Expect, Inventories, Inventory, Provider,
    ProviderSpec, ProviderTree, ResourceClass, Resources, Trait, Usage,
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
        let name = tree.configuration(provider).map(|now| now.name.clone()).unwrap();
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
    tree.configure(provider, of(VCPU, 8), Expect::Any).unwrap();
    let consumer = Uuid::new_v4();
    let claim = Claim::new(consumer).take(provider, VCPU, amount);
    let _ = tree.worker().unwrap().claim(&claim).unwrap();
    consumer
}

// What becomes true.

#[test]
fn an_empty_list_changes_nothing() {
    let tree = forest();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.populate(&[]), Ok(vec![]));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
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
    assert_eq!(ProviderSpec::from(tree.configuration(&x).unwrap()), entry);
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
        assert_eq!(tree.configuration(gone), Err(Error::Removed { provider: gone.uuid() }));
    }
    // Their uuids and names are free.
    let again = tree.create_root("c", id("b")).unwrap();
    assert_eq!((tree.find("c"), tree.find(id("b"))), (Some(again), Some(again)));
}

#[test]
fn everything_else_stays_as_it_is() {
    let tree = forest();
    let others = ["a", "d", "e"].map(|name| find(&tree, name));
    let state = || others.map(|one| (tree.version(&one), tree.configuration(&one)));
    let before = state();
    tree.populate(&[child("b", "a"), child("x", "d")]).unwrap();
    assert_eq!(drawn(&tree), "a(d(x) b) e");
    assert_eq!(state(), before);
}

#[test]
fn a_replaced_provider_keeps_its_handle_and_loses_what_is_not_listed() {
    let tree = forest();
    let b = find(&tree, "b");
    tree.configure(&b, of(VCPU, 8), Expect::Any).unwrap();
    tree.configure(&b, Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]), Expect::Any)
        .unwrap();
    tree.configure(&b, Edit::new().set_aggregates([Uuid::from_u128(1)]), Expect::Any).unwrap();
    tree.configure(&b, Edit::new().set_resources(Resources::new().with(VCPU, 1_u8)), Expect::Any)
        .unwrap();
    assert_eq!(tree.populate(&[root("b")]), Ok(vec![b]));
    assert_eq!(ProviderSpec::from(tree.configuration(&b).unwrap()), root("b").with_generation(5));
    assert_eq!(tree.configuration(&b).map(|now| !now.inventories.is_empty()), Ok(false));
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
    assert!(tree.snapshot().audit().unwrap().holds());
    let _ = tree.worker().unwrap().release(consumer).unwrap();
    assert_eq!(tree.usage(&b, VCPU), Ok(Usage { capacity: 4, used: 0 }));
}

#[test]
fn a_new_provider_is_at_the_generation_given_or_at_0() {
    let tree = ProviderTree::new();
    let handles = tree.populate(&[root("x"), root("y").with_generation(7)]).unwrap();
    let generations = handles.iter().map(|one| tree.configuration(one).unwrap().generation);
    assert_eq!(generations.collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn a_replaced_provider_is_at_the_generation_given_or_at_the_next() {
    let tree = ProviderTree::new();
    let generation = |entry| {
        let handles = tree.populate(&[entry]).unwrap();
        tree.configuration(&handles[0]).unwrap().generation
    };
    assert_eq!(generation(root("x").with_generation(7)), 7);
    assert_eq!(generation(root("x")), 8);
    assert_eq!(generation(root("x").with_generation(3)), 3);
    assert_eq!(generation(root("x").with_generation(3)), 3);
}

#[test]
fn a_forest_that_is_listed_as_it_is_stays_the_same() {
    let tree = forest();
    tree.configure(&find(&tree, "c"), of(VCPU, 8), Expect::Any).unwrap();
    let before = tree.snapshot().dump().unwrap();
    let list = before.providers.iter().map(|one| one.configuration.clone().into());
    tree.populate(&list.collect::<Vec<_>>()).unwrap();
    assert_eq!(tree.snapshot().dump().unwrap(), before);
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
    assert_eq!(tree.configuration(&c).unwrap().generation, 0);
}

#[test]
fn replaced_providers_swap_their_names() {
    let tree = forest();
    let (b, d) = (find(&tree, "b"), find(&tree, "d"));
    tree.populate(&[named(child("b", "a"), "d"), named(child("d", "a"), "b")]).unwrap();
    assert_eq!((tree.find("d"), tree.find("b")), (Some(b), Some(d)));
    assert_eq!(
        (
            &*tree.configuration(&b).map(|now| now.name.clone()).unwrap(),
            &*tree.configuration(&d).map(|now| now.name.clone()).unwrap()
        ),
        ("d", "b")
    );
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
            let parent =
                tree.ancestors(&provider).map(|all| all.first().copied()).unwrap().unwrap();
            assert_eq!((provider.uuid(), parent.uuid()), (uuid(n), uuid((n - 1) / arity)));
        }
    }
    let top = tree.populate(&[ProviderSpec::new(uuid(0), "alone")]).unwrap();
    assert_eq!(tree.providers(), top);
    assert_eq!(tree.find("provider-7"), None);
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
                tree.snapshot().dump().unwrap()
            }),
        }
    }

    /// Which of the two it is that a walk has seen of all but the root that stays.
    fn which(&self, walk: &[Provider]) -> usize {
        let seen: Vec<_> = walk.iter().map(Provider::uuid).collect();
        let shape = |dump: &Dump| -> Vec<Uuid> {
            let uuids = dump.providers.iter().map(|one| one.configuration.uuid);
            uuids.filter(|uuid| *uuid != id("z")).collect()
        };
        let found = self.dumps.iter().position(|dump| shape(dump) == seen);
        found.unwrap_or_else(|| panic!("a walk saw {seen:?}"))
    }

    /// Whether what was read of one provider is the whole truth of either.
    fn have(&self, data: &Configuration) -> bool {
        self.dumps.iter().flat_map(|dump| &dump.providers).any(|one| one.configuration == *data)
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
        let dump = tree.snapshot().dump().unwrap();
        let found = shapes.dumps.iter().position(|shape| *shape == dump);
        found.unwrap_or_else(|| panic!("a dump has {dump:?}"))
    };
    let data = || {
        for name in ["a", "b", "c", "d", "e"] {
            let Some(provider) = tree.find(name) else { continue };
            match tree.configuration(&provider) {
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
        let dump = tree.snapshot().dump().unwrap();
        assert!(shapes.dumps.contains(&dump), "{dump:?}");
    }
}

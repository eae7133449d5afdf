//! Nova's `generation` arguments. Nova never compares them: it sets what it is given, and keeps
//! what is there if it is given none. Here a change can rest on a generation, too.

use provider_tree::coming_from_nova::NovaProviderTree;
use provider_tree::{
    Edit, Error, Expect, Inventories, PartialInventories, PartialInventory, Resources, Trait,
};
use uuid::Uuid;

use crate::{VCPU, changed, generation, host, of, unchanged};

const LARGEST: u64 = i64::MAX as u64;

fn avx() -> Trait {
    Trait::new("HW_CPU_X86_AVX2").unwrap()
}

fn rack() -> Uuid {
    Uuid::from_u128(1)
}

/// The caller's own values.
fn values() -> Resources {
    Resources::new().with(VCPU, 1_u8)
}

#[test]
fn a_new_provider_is_at_generation_0() {
    let (tree, host) = host();
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn an_update_sets_the_generation_that_it_is_given_even_a_lower_one() {
    let (tree, host) = host();
    assert_eq!(tree.update_inventory("host", of(VCPU, 8), Some(42)), Ok(true));
    assert_eq!(generation(&tree, &host), 42);
    assert_eq!(tree.update_traits("host", [avx()], Some(3)), Ok(true));
    assert_eq!(generation(&tree, &host), 3);
    assert_eq!(tree.update_aggregates("host", [rack()], Some(7)), Ok(true));
    assert_eq!(generation(&tree, &host), 7);
    assert_eq!(tree.update_resources("host", values(), Some(0)), Ok(true));
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn an_update_that_changes_nothing_sets_the_generation_too() {
    let (tree, host) = host();
    assert_eq!(tree.update_inventory("host", Inventories::new(), Some(42)), Ok(false));
    assert_eq!(generation(&tree, &host), 42);
    assert_eq!(tree.update_traits("host", [], Some(3)), Ok(false));
    assert_eq!(generation(&tree, &host), 3);
    assert_eq!(tree.update_aggregates("host", [], Some(7)), Ok(false));
    assert_eq!(generation(&tree, &host), 7);
    assert_eq!(tree.update_resources("host", Resources::new(), Some(0)), Ok(false));
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn without_one_an_update_keeps_the_generation() {
    let (tree, host) = host();
    tree.update_inventory("host", of(VCPU, 8), Some(5)).unwrap();
    assert_eq!(tree.update_inventory("host", of(VCPU, 9), None), Ok(true));
    assert_eq!(tree.update_traits("host", [], None), Ok(false));
    assert_eq!(tree.update_traits("host", [avx()], None), Ok(true));
    assert_eq!(tree.update_aggregates("host", [rack()], None), Ok(true));
    assert_eq!(tree.update_resources("host", values(), None), Ok(true));
    assert_eq!(generation(&tree, &host), 5);
}

#[test]
fn adding_and_removing_keep_the_generation() {
    let (tree, host) = host();
    tree.update_traits("host", [], Some(5)).unwrap();
    tree.add_traits("host", [avx()]).unwrap();
    tree.add_aggregates("host", [rack()]).unwrap();
    tree.remove_traits("host", [avx()]).unwrap();
    tree.remove_aggregates("host", [rack()]).unwrap();
    assert_eq!(generation(&tree, &host), 5);
}

#[test]
fn keep_makes_a_change_and_leaves_the_generation() {
    let (tree, host) = host();
    assert_eq!(tree.configure(&host, of(VCPU, 8), Expect::Keep), changed(0));
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 8);
    tree.configure(&host, Edit::new(), Expect::Mirror(5)).unwrap();
    let edit = Edit::new().set_inventories(of(VCPU, 9)).add_traits([avx()]);
    assert_eq!(tree.configure(&host, edit.clone(), Expect::Keep), changed(5));
    assert_eq!(tree.configure(&host, edit, Expect::Keep), unchanged(5));
    let now = tree.configuration(&host).unwrap();
    assert_eq!((now.generation, &*now.inventories), (5, &of(VCPU, 9)));
    assert!(now.has_traits([avx()]));
}

#[test]
fn who_rests_on_the_generation_does_not_notice_what_keeps_it() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Keep).unwrap();
    let edit = Edit::new().add_traits([avx()]);
    assert_eq!(tree.configure(&host, edit, Expect::Generation(0)), changed(1));
}

#[test]
fn with_any_a_change_is_made_whatever_the_generation() {
    let (tree, host) = host();
    for expected in 1..4 {
        assert_eq!(tree.configure(&host, of(VCPU, expected), Expect::Any), changed(expected));
    }
}

#[test]
fn a_change_that_rests_on_the_right_generation_is_made() {
    let (tree, host) = host();
    let edits = [
        of(VCPU, 1).into(),
        Edit::new().set_traits([avx()]),
        Edit::new().set_aggregates([rack()]),
        Edit::new().set_resources(values()),
    ];
    for (at, edit) in (0..).zip(edits) {
        assert_eq!(tree.configure(&host, edit, Expect::Generation(at)), changed(at + 1));
    }
}

#[test]
fn a_change_that_rests_on_another_generation_is_refused_with_the_actual_one() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Mirror(5)).unwrap();
    let before = tree.snapshot().dump().unwrap();
    for expected in [4, 6] {
        let conflict = Error::GenerationConflict { provider: host.uuid(), expected, actual: 5 };
        let edits = [
            of(VCPU, 9).into(),
            PartialInventories::new().with(VCPU, PartialInventory::new(9)).into(),
            Edit::new().remove_inventories([VCPU]),
            Edit::new().set_traits([avx()]),
            Edit::new().add_traits([avx()]),
            Edit::new().set_aggregates([rack()]),
            Edit::new().add_aggregates([rack()]),
            Edit::new().set_resources(values()),
        ];
        for edit in edits {
            let refused = tree.configure(&host, edit, Expect::Generation(expected));
            assert_eq!(refused, Err(conflict.clone()));
        }
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn even_a_change_of_nothing_has_to_rest_on_the_right_generation() {
    let (tree, host) = host();
    let conflict = Error::GenerationConflict { provider: host.uuid(), expected: 7, actual: 0 };
    let edits = [
        Edit::new(),
        Inventories::new().into(),
        PartialInventories::new().into(),
        Edit::new().remove_traits([]),
        Edit::new().remove_aggregates([]),
    ];
    for edit in edits {
        let refused = tree.configure(&host, edit.clone(), Expect::Generation(7));
        assert_eq!(refused, Err(conflict.clone()));
        assert_eq!(tree.configure(&host, edit, Expect::Generation(0)), unchanged(0));
    }
}

#[test]
fn a_mirror_sets_the_generation() {
    let (tree, host) = host();
    assert_eq!(tree.configure(&host, of(VCPU, 8), Expect::Mirror(42)), changed(42));
    assert_eq!(generation(&tree, &host), 42);
}

#[test]
fn a_mirror_sets_the_generation_backwards_too() {
    let (tree, host) = host();
    let traits = Edit::new().set_traits([avx()]);
    assert_eq!(tree.configure(&host, traits, Expect::Mirror(42)), changed(42));
    let aggregates = Edit::new().set_aggregates([rack()]);
    assert_eq!(tree.configure(&host, aggregates, Expect::Mirror(3)), changed(3));
    assert_eq!(tree.configure(&host, Edit::new().set_traits([]), Expect::Any), changed(4));
}

#[test]
fn a_mirror_sets_the_generation_of_what_has_not_changed() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
    let edits = [
        (7, of(VCPU, 8).into()),
        (6, Edit::new().set_traits([])),
        (9, Edit::new().remove_aggregates([])),
        (3, Edit::new()),
        (2, Edit::new().set_resources(Resources::new())),
    ];
    for (set, edit) in edits {
        assert_eq!(tree.configure(&host, edit, Expect::Mirror(set)), unchanged(set));
    }
    assert_eq!(generation(&tree, &host), 2);
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 8);
}

#[test]
fn a_generation_above_2_to_the_63_less_1_is_refused() {
    let (tree, host) = host();
    assert_eq!(tree.configure(&host, Edit::new(), Expect::Mirror(LARGEST)), unchanged(LARGEST));
    let before = tree.snapshot().dump().unwrap();
    let too_large = Error::TooLarge { what: "generation", limit: LARGEST, full: false };
    for generation in [LARGEST + 1, u64::MAX] {
        let edits =
            [of(VCPU, 8).into(), Edit::new().set_traits([]), Edit::new().set_aggregates([])];
        for edit in edits {
            let refused = tree.configure(&host, edit, Expect::Mirror(generation));
            assert_eq!(refused, Err(too_large.clone()));
        }
        let refused = tree.update_inventory("host", of(VCPU, 8), Some(generation));
        assert_eq!(refused, Err(too_large.clone()));
        assert_eq!(tree.update_traits("host", [], Some(generation)), Err(too_large.clone()));
        assert_eq!(tree.update_aggregates("host", [], Some(generation)), Err(too_large.clone()));
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

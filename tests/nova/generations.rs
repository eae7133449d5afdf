//! Nova's `generation` arguments. Nova never compares them: it sets what it is given.

use provider_tree::{Error, Expect, Inventories, Resources, Trait};
use uuid::Uuid;

use crate::{VCPU, generation, host, of, unchanged};

const LARGEST: u64 = i64::MAX as u64;

#[test]
fn a_new_provider_is_at_generation_0() {
    let (tree, host) = host();
    assert_eq!(generation(&tree, &host), 0);
}

#[test]
fn with_any_a_change_is_made_whatever_the_generation() {
    let (tree, host) = host();
    for expected in 1..4 {
        assert_eq!(
            tree.set_inventories(&host, of(VCPU, expected), Expect::Any).map(|set| set.generation),
            Ok(expected)
        );
    }
}

#[test]
fn a_change_that_rests_on_the_right_generation_is_made() {
    let (tree, host) = host();
    assert_eq!(
        tree.set_inventories(&host, of(VCPU, 1), Expect::Generation(0)).map(|set| set.generation),
        Ok(1)
    );
    assert_eq!(tree.set_traits(&host, [], Expect::Generation(1)), Ok(2));
    assert_eq!(tree.set_aggregates(&host, [], Expect::Generation(2)), Ok(3));
}

#[test]
fn a_change_that_rests_on_another_generation_is_refused_with_the_actual_one() {
    let (tree, host) = host();
    tree.set_inventories(&host, of(VCPU, 8), Expect::Mirror(5)).unwrap();
    let before = tree.snapshot().dump().unwrap();
    let (avx, rack) = (Trait::new("HW_CPU_X86_AVX2").unwrap(), Uuid::from_u128(1));
    let resources = Resources::new().with(VCPU, 1_u8);
    for expected in [4, 6] {
        let expect = Expect::Generation(expected);
        let conflict = Error::GenerationConflict { provider: host.uuid(), expected, actual: 5 };
        let updates = [
            tree.update_inventories(&host, of(VCPU, 9), expect),
            tree.update_traits(&host, [avx], expect),
            tree.add_traits(&host, [avx], expect),
            tree.update_aggregates(&host, [rack], expect),
            tree.add_aggregates(&host, [rack], expect),
            tree.update_resources(&host, resources.clone(), expect),
        ];
        for updated in updates {
            assert_eq!(updated, Err(conflict.clone()));
        }
        assert_eq!(tree.set_inventories(&host, of(VCPU, 9), expect), Err(conflict.clone()));
        assert_eq!(tree.set_traits(&host, [avx], expect), Err(conflict.clone()));
        assert_eq!(tree.set_aggregates(&host, [rack], expect), Err(conflict));
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn even_an_update_that_changes_nothing_has_to_rest_on_the_right_generation() {
    let (tree, host) = host();
    let conflict = Error::GenerationConflict { provider: host.uuid(), expected: 7, actual: 0 };
    let expect = Expect::Generation(7);
    assert_eq!(tree.update_inventories(&host, Inventories::new(), expect), Err(conflict.clone()));
    assert_eq!(tree.remove_traits(&host, [], expect), Err(conflict.clone()));
    assert_eq!(tree.remove_aggregates(&host, [], expect), Err(conflict));
}

#[test]
fn a_mirror_sets_the_generation() {
    let (tree, host) = host();
    assert_eq!(
        tree.set_inventories(&host, of(VCPU, 8), Expect::Mirror(42)).map(|set| set.generation),
        Ok(42)
    );
    assert_eq!(generation(&tree, &host), 42);
}

#[test]
fn a_mirror_sets_the_generation_backwards_too() {
    let (tree, host) = host();
    tree.set_traits(&host, [], Expect::Mirror(42)).unwrap();
    assert_eq!(tree.set_aggregates(&host, [], Expect::Mirror(3)), Ok(3));
    assert_eq!(tree.set_traits(&host, [], Expect::Any), Ok(4));
}

#[test]
fn a_mirror_sets_the_generation_of_what_has_not_changed() {
    let (tree, host) = host();
    tree.set_inventories(&host, of(VCPU, 8), Expect::Any).unwrap();
    let updated = tree.update_inventories(&host, of(VCPU, 8), Expect::Mirror(7));
    assert_eq!(updated, unchanged(7));
    assert_eq!(tree.update_traits(&host, [], Expect::Mirror(6)), unchanged(6));
    assert_eq!(tree.remove_aggregates(&host, [], Expect::Mirror(9)), unchanged(9));
    assert_eq!(tree.update_resources(&host, Resources::new(), Expect::Mirror(2)), unchanged(2));
    assert_eq!(generation(&tree, &host), 2);
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 8);
}

#[test]
fn a_mirror_above_2_to_the_63_less_1_is_refused() {
    let (tree, host) = host();
    assert_eq!(tree.set_traits(&host, [], Expect::Mirror(LARGEST)), Ok(LARGEST));
    let before = tree.snapshot().dump().unwrap();
    let too_large = Error::TooLarge { what: "generation", limit: LARGEST };
    for generation in [LARGEST + 1, u64::MAX] {
        let expect = Expect::Mirror(generation);
        let inventories = of(VCPU, 8);
        assert_eq!(tree.set_inventories(&host, inventories, expect), Err(too_large.clone()));
        assert_eq!(tree.update_traits(&host, [], expect), Err(too_large.clone()));
        assert_eq!(tree.set_aggregates(&host, [], expect), Err(too_large.clone()));
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

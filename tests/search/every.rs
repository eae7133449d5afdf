//! Every way to serve a request is found, once, and can be claimed.

use proptest::prelude::*;
use provider_tree::{Edit, Expect, Inventories, Inventory, ProviderTree, ResourceClass, Trait};
use shared::search::reference::{Part, Spec};
use shared::search::world::World;
use uuid::Uuid;

use crate::random::{Forest, cases, plan, spec};
use crate::rig::Expected;

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_way_to_serve_a_request_is_found(
        plan in plan(),
        spec in spec(),
        seed in any::<u64>(),
        part in 0..5usize,
    ) {
        let forest = Forest::new(&plan);
        let world = World::of(&forest.tree);
        let view = forest.tree.view();
        let expected = Expected::new(&world, &spec);
        let prepared = &mut view.prepare(&spec.request()).unwrap();
        expected.check(&view, prepared)?;
        expected.check_set(view.candidates(prepared).unwrap().seeded(seed), false)?;
        expected.check_set(view.candidates(prepared).unwrap().from_part(part, 4), false)?;
        expected.check_set(view.candidates(prepared).unwrap().seeded(seed).all(), true)?;
        expected.check_set(view.candidates(prepared).unwrap().drawn(seed), false)?;
        expected.check_set(view.candidates(prepared).unwrap().tightest(), false)?;
        expected.check_set(view.candidates(prepared).unwrap().tightest().all(), true)?;
        expected.check_set(view.candidates(prepared).unwrap().shuffled(seed), false)?;
        expected.check_set(view.candidates(prepared).unwrap().shuffled(seed).all(), true)?;
    }

    #[test]
    fn every_candidate_can_be_claimed(plan in plan(), spec in spec()) {
        let mut forest = Forest::new(&plan);
        let view = forest.tree.view();
        let prepared = &mut view.prepare(&spec.request()).unwrap();
        for candidate in view.candidates(prepared).unwrap().all().take(50) {
            let claim = candidate.claim(forest.consumer());
            let receipt = forest.worker.claim(&claim);
            prop_assert!(receipt.is_ok(), "{:?} of {:?}", receipt, candidate);
            let _receipt = forest.worker.release(claim.consumer().unwrap()).unwrap();
        }
    }
}

/// One of a single trait is that trait, so that the two groups may change places.
#[test]
fn groups_that_say_the_same_in_two_ways_are_alike() {
    let tree = ProviderTree::new();
    let root = tree.create_root("root", None).unwrap();
    let child = tree.create_child(&root, "child", None).unwrap();
    let quality = Trait::new("CUSTOM_QUALITY").unwrap();
    for provider in [&root, &child] {
        let _updated =
            tree.configure(provider, Edit::new().set_traits([quality]), Expect::Any).unwrap();
    }
    let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1));
    let _updated = tree.configure(&root, vcpu, Expect::Any).unwrap();
    let one = Part { required: [quality].into(), ..Part::default() };
    let other = Part { any_of: vec![[quality].into()], ..Part::default() };
    let resources = [(ResourceClass::VCPU, 1)].into();
    let spec = Spec {
        unsuffixed: Part { resources, ..Part::default() },
        groups: vec![one, other],
        same_subtree: vec![[0, 1].into()],
        ..Spec::default()
    };
    let view = tree.view();
    let mut prepared = view.prepare(&spec.request()).unwrap();
    Expected::new(&World::of(&tree), &spec).check(&view, &mut prepared).unwrap();
    assert_eq!(view.candidates(&mut prepared).unwrap().count(), 3);
}

/// They are alike in the trees that they share with, as they are in their own.
#[test]
fn identical_siblings_that_share_are_alike() {
    let tree = ProviderTree::new();
    let aggregate = Uuid::from_u128(1);
    let rack = tree.create_root("rack", None).unwrap();
    for name in ["disk-1", "disk-2", "disk-3"] {
        let disk = tree.create_child(&rack, name, None).unwrap();
        let room = Inventories::new().with(ResourceClass::DISK_GB, Inventory::new(1));
        let _updated = tree.configure(&disk, room, Expect::Any).unwrap();
        tree.configure(
            &disk,
            Edit::new().set_traits([Trait::MISC_SHARES_VIA_AGGREGATE]),
            Expect::Any,
        )
        .unwrap();
        tree.configure(&disk, Edit::new().set_aggregates([aggregate]), Expect::Any).unwrap();
    }
    for name in ["host-1", "host-2"] {
        let host = tree.create_root(name, None).unwrap();
        let cores = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1));
        let _updated = tree.configure(&host, cores, Expect::Any).unwrap();
        tree.configure(&host, Edit::new().set_aggregates([aggregate]), Expect::Any).unwrap();
    }
    let asks = |class| Part { resources: [(class, 1)].into(), ..Part::default() };
    let disk = asks(ResourceClass::DISK_GB);
    let (view, world) = (tree.view(), World::of(&tree));
    for (unsuffixed, count) in [(Part::default(), 1), (asks(ResourceClass::VCPU), 2)] {
        let groups = vec![disk.clone(), disk.clone()];
        let spec = Spec { unsuffixed, groups, ..Spec::default() };
        let mut prepared = view.prepare(&spec.request()).unwrap();
        Expected::new(&world, &spec).check(&view, &mut prepared).unwrap();
        assert_eq!(view.candidates(&mut prepared).unwrap().count(), count);
        assert_eq!(view.candidates(&mut prepared).unwrap().all().count(), 3 * count);
    }
}

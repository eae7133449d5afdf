//! What this crate has instead of one method for each change: an edit of one provider, whose parts
//! are made in order and come into force at one instant.

use std::collections::BTreeSet;

use provider_tree::{
    Claim, Edit, Error, Expect, Inventories, Inventory, InventoryFault, PartialInventories,
    PartialInventory, Resources, Trait,
};
use uuid::Uuid;

use crate::{DISK, MEMORY, VCPU, changed, generation, host, of, unchanged};

fn traits() -> [Trait; 2] {
    ["HW_CPU_X86_AVX2", "STORAGE_DISK_SSD"].map(|name| Trait::new(name).unwrap())
}

fn aggregates() -> [Uuid; 2] {
    [1, 2].map(Uuid::from_u128)
}

/// Makes it `total` cores, and leaves all else that is known of them.
fn cores(total: u64) -> PartialInventories {
    PartialInventories::new().with(VCPU, PartialInventory::new(total))
}

/// An edit of everything that an edit can change.
fn everything() -> Edit {
    Edit::new()
        .set_traits(traits())
        .set_inventories(of(VCPU, 8))
        .set_aggregates(aggregates())
        .set_resources(Resources::new().with(VCPU, "cores 0-7".to_owned()))
}

#[test]
fn an_edit_without_parts_changes_nothing() {
    let (tree, host) = host();
    let before = tree.snapshot().dump().unwrap();
    assert_eq!(tree.configure(&host, Edit::new(), Expect::Any), unchanged(0));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn an_edit_of_everything_moves_the_generation_once() {
    let (tree, host) = host();
    assert_eq!(tree.configure(&host, everything(), Expect::Any), changed(1));
    let now = tree.configuration(&host).unwrap();
    assert_eq!(now.generation, 1);
    assert_eq!(*now.inventories, of(VCPU, 8));
    assert_eq!(*now.traits, BTreeSet::from(traits()));
    assert_eq!(*now.aggregates, BTreeSet::from(aggregates()));
    assert_eq!(now.resources, Resources::new().with(VCPU, "cores 0-7".to_owned()));
    assert_eq!(tree.usage(&host, VCPU).unwrap().capacity, 8);
    assert_eq!(tree.configure(&host, everything(), Expect::Any), unchanged(1));
}

#[test]
fn an_edit_with_an_invalid_inventory_is_refused_as_a_whole() {
    let (tree, host) = host();
    let before = tree.snapshot().dump().unwrap();
    let broken = PartialInventory { reserved: Some(2), ..PartialInventory::new(1) };
    let edit = everything().update_inventories(PartialInventories::new().with(MEMORY, broken));
    let fault = InventoryFault::ReservedAboveTotal { reserved: 2, total: 1 };
    let refused = tree.configure(&host, edit, Expect::Mirror(9));
    assert_eq!(refused, Err(Error::InvalidInventory { class: MEMORY, fault }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn an_edit_that_takes_what_is_in_use_is_refused_as_a_whole() {
    let (tree, host) = host();
    tree.configure(&host, of(DISK, 5), Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, DISK, 3)).unwrap();
    let before = tree.snapshot().dump().unwrap();
    let refused = tree.configure(&host, everything(), Expect::Any);
    assert_eq!(refused, Err(Error::InUse { provider: host.uuid(), class: DISK, used: 3 }));
    assert_eq!(tree.snapshot().dump().unwrap(), before);
}

#[test]
fn an_edit_says_beforehand_whether_it_changes_anything() {
    let (tree, host) = host();
    let before = tree.configuration(&host).unwrap();
    assert!(everything().would_change(&before) && !Edit::new().would_change(&before));
    tree.configure(&host, everything(), Expect::Any).unwrap();
    let after = tree.configuration(&host).unwrap();
    assert!(!everything().would_change(&after));
    // What was read before stays as it was.
    assert!(everything().would_change(&before));
    let [avx, _] = traits();
    let others = [
        of(VCPU, 9).into(),
        cores(9).into(),
        Edit::new().remove_inventories([VCPU]),
        Edit::new().remove_traits([avx]),
        Edit::new().add_aggregates([Uuid::from_u128(3)]),
        Edit::new().set_resources(Resources::new()),
    ];
    for other in others {
        assert!(other.would_change(&after), "{other:?}");
    }
}

#[test]
fn whole_inventories_replace_all_and_partial_ones_those_that_they_name() {
    assert_eq!(Edit::from(of(VCPU, 8)), Edit::new().set_inventories(of(VCPU, 8)));
    assert_eq!(Edit::from(cores(8)), Edit::new().update_inventories(cores(8)));
    let (tree, host) = host();
    let both = of(VCPU, 8).with(MEMORY, Inventory::new(1024));
    tree.configure(&host, both.clone(), Expect::Any).unwrap();
    tree.configure(&host, cores(9), Expect::Any).unwrap();
    let more = both.with(VCPU, Inventory::new(9));
    assert_eq!(*tree.configuration(&host).unwrap().inventories, more);
    tree.configure(&host, of(VCPU, 9), Expect::Any).unwrap();
    assert_eq!(*tree.configuration(&host).unwrap().inventories, of(VCPU, 9));
}

#[test]
fn traits_change_in_the_order_of_the_parts() {
    let [avx, ssd] = traits();
    let cases = [
        (Edit::new().add_traits([avx]).remove_traits([avx]), vec![]),
        (Edit::new().remove_traits([avx]).add_traits([avx]), vec![avx]),
        (Edit::new().set_traits([avx]).add_traits([ssd]), vec![avx, ssd]),
        (Edit::new().add_traits([ssd]).set_traits([avx]), vec![avx]),
        (Edit::new().set_traits([avx, ssd]).remove_traits([avx]), vec![ssd]),
        (Edit::new().set_traits([avx]).set_traits([ssd]), vec![ssd]),
    ];
    for (edit, traits) in cases {
        let (tree, host) = host();
        tree.configure(&host, edit.clone(), Expect::Any).unwrap();
        let kept = tree.configuration(&host).unwrap().traits.clone();
        assert_eq!(*kept, traits.into_iter().collect(), "{edit:?}");
    }
}

#[test]
fn aggregates_change_in_the_order_of_the_parts() {
    let [rack, power] = aggregates();
    let cases = [
        (Edit::new().add_aggregates([rack]).remove_aggregates([rack]), vec![]),
        (Edit::new().remove_aggregates([rack]).add_aggregates([rack]), vec![rack]),
        (Edit::new().set_aggregates([rack]).add_aggregates([power]), vec![rack, power]),
        (Edit::new().add_aggregates([power]).set_aggregates([rack]), vec![rack]),
        (Edit::new().set_aggregates([rack, power]).remove_aggregates([rack]), vec![power]),
        (Edit::new().set_aggregates([rack]).set_aggregates([power]), vec![power]),
    ];
    for (edit, aggregates) in cases {
        let (tree, host) = host();
        tree.configure(&host, edit.clone(), Expect::Any).unwrap();
        let kept = tree.configuration(&host).unwrap().aggregates.clone();
        assert_eq!(*kept, aggregates.into_iter().collect(), "{edit:?}");
    }
}

#[test]
fn inventories_change_in_the_order_of_the_parts() {
    let twofold = |total| Inventory::new(total).with_allocation_ratio(2.0);
    let whole = |total| Inventories::new().with(VCPU, twofold(total));
    let cases = [
        (Edit::new().set_inventories(whole(8)).update_inventories(cores(9)), whole(9)),
        (Edit::new().update_inventories(cores(9)).set_inventories(whole(8)), whole(8)),
        (Edit::new().update_inventories(cores(9)).update_inventories(cores(7)), whole(7)),
        // What has gone comes back with the usual values.
        (Edit::new().remove_inventories([VCPU]).update_inventories(cores(9)), of(VCPU, 9)),
        (Edit::new().update_inventories(cores(9)).remove_inventories([VCPU]), Inventories::new()),
    ];
    for (edit, inventories) in cases {
        let (tree, host) = host();
        tree.configure(&host, whole(16), Expect::Any).unwrap();
        tree.configure(&host, edit.clone(), Expect::Any).unwrap();
        assert_eq!(*tree.configuration(&host).unwrap().inventories, inventories, "{edit:?}");
    }
}

#[test]
fn of_two_sets_of_resources_the_last_counts() {
    let (tree, host) = host();
    let values = |value: u8| Resources::new().with(VCPU, value);
    let edit = Edit::new().set_resources(values(1)).set_resources(values(2));
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(1));
    assert_eq!(tree.configuration(&host).unwrap().resources, values(2));
}

#[test]
fn parts_that_undo_each_other_change_nothing() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
    let [avx, _] = traits();
    let edit = Edit::new()
        .add_traits([avx])
        .update_inventories(cores(9))
        .update_inventories(cores(8))
        .remove_traits([avx]);
    assert_eq!(tree.configure(&host, edit, Expect::Any), unchanged(1));
    assert_eq!(generation(&tree, &host), 1);
}

#[test]
fn only_what_the_parts_come_to_is_checked() {
    let (tree, host) = host();
    tree.configure(&host, of(VCPU, 8), Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let _ = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, VCPU, 3)).unwrap();
    let broken = of(VCPU, 1).with(VCPU, Inventory::new(1).with_reserved(2));
    let edit =
        Edit::new().set_inventories(broken).remove_inventories([VCPU]).update_inventories(cores(9));
    assert_eq!(tree.configure(&host, edit, Expect::Any), changed(2));
    let usage = tree.usage(&host, VCPU).unwrap();
    assert_eq!((usage.capacity, usage.used), (9, 3));
}

//! Providers that come, go, move, get other names; populations.

use provider_tree::{Error, Expect, Fault, Inventory, ProviderSpec};

use crate::site::{DISK, Site, VCPU, check, id, of, refuses};

#[test]
fn of_creations_nothing_is_left() {
    check(create);
}

#[test]
fn of_names_nothing_is_left() {
    check(rename);
}

#[test]
fn of_moves_and_cordons_nothing_is_left() {
    check(move_and_cordon);
}

#[test]
fn of_removals_nothing_is_left() {
    check(remove);
}

#[test]
fn of_populations_nothing_is_left() {
    check(populate);
}

pub(crate) fn create(site: &Site) {
    let Site { tree, rack, gone, foreign, .. } = site;
    let new = tree.create_child(rack, "new", id(1)).unwrap();
    // Each with keys of its own, that nothing has later.
    refuses!(tree.create_root("free 1", id(1)), Error::UuidExists { .. });
    refuses!(tree.create_root("new", id(11)), Error::NameExists { .. });
    refuses!(tree.create_child(rack, "new", id(1)), Error::UuidExists { .. });
    refuses!(tree.create_root("", id(12)), Error::InvalidName { .. });
    refuses!(tree.create_root(&site.long_name(), id(13)), Error::InvalidName { .. });
    refuses!(tree.create_child(gone, "free 2", id(14)), Error::Removed { .. });
    refuses!(tree.create_child(foreign, "free 3", id(15)), Error::ForeignProvider { .. });
    let below = tree.create_child(&new, "below", id(2)).unwrap();
    tree.create_child(&below, "far below", id(3)).unwrap();
    assert_eq!(tree.remove(&new), Ok(3));
}

pub(crate) fn rename(site: &Site) {
    let Site { tree, host, gone, foreign, .. } = site;
    tree.rename(host, "other").unwrap();
    tree.rename(host, "other").unwrap();
    refuses!(tree.rename(host, "rack"), Error::NameExists { .. });
    refuses!(tree.rename(host, ""), Error::InvalidName { .. });
    refuses!(tree.rename(host, &site.long_name()), Error::InvalidName { .. });
    refuses!(tree.rename(gone, "another"), Error::Removed { .. });
    refuses!(tree.rename(foreign, "another"), Error::ForeignProvider { .. });
    tree.rename(host, "host").unwrap();
}

pub(crate) fn move_and_cordon(site: &Site) {
    let Site { tree, rack, host, idle, gone, foreign, .. } = site;
    refuses!(tree.reparent(rack, Some(host)), Error::WouldCycle { .. });
    refuses!(tree.reparent(rack, Some(rack)), Error::WouldCycle { .. });
    refuses!(tree.reparent(gone, None), Error::Removed { .. });
    refuses!(tree.reparent(host, Some(gone)), Error::Removed { .. });
    refuses!(tree.reparent(host, Some(foreign)), Error::ForeignProvider { .. });
    let below = tree.create_child(host, "below", id(1)).unwrap();
    tree.reparent(&below, Some(idle)).unwrap();
    tree.reparent(&below, None).unwrap();
    tree.reparent(&below, Some(rack)).unwrap();
    tree.cordon(rack).unwrap();
    refuses!(tree.cordon(gone), Error::Removed { .. });
    refuses!(tree.uncordon(foreign), Error::ForeignProvider { .. });
    tree.uncordon(rack).unwrap();
    tree.remove_leaf(&below).unwrap();
}

pub(crate) fn remove(site: &Site) {
    let Site { tree, rack, gone, foreign, host, .. } = site;
    refuses!(tree.remove(rack), Error::InUse { .. });
    refuses!(tree.remove_leaf(rack), Error::HasChildren { .. });
    refuses!(tree.remove_leaf(host), Error::InUse { .. });
    refuses!(tree.remove(gone), Error::Removed { .. });
    refuses!(tree.remove(foreign), Error::ForeignProvider { .. });
    // More than a worker keeps, so that the common stock has its part.
    let top = tree.create_root("top", id(1_000)).unwrap();
    for number in 0..100 {
        tree.create_child(&top, &format!("below {number}"), id(number)).unwrap();
    }
    assert_eq!(tree.remove(&top), Ok(101));
}

pub(crate) fn populate(site: &Site) {
    let Site { tree, rack, host, gone, .. } = site;
    let spec = |number: u128, name: &str| ProviderSpec::new(id(number), name);
    let faulty = |specs: &[ProviderSpec]| match tree.populate(specs) {
        Err(Error::InvalidEntries { faults }) => faults,
        other => panic!("{other:?}"),
    };
    let one = spec(1, "one");
    let is_fault = |specs: &[ProviderSpec], is: fn(&Fault) -> bool| {
        let faults = faulty(specs);
        assert!(faults.iter().any(is), "{faults:?}");
    };
    let with = |spec: ProviderSpec| [one.clone(), spec];
    is_fault(&with(spec(1, "two")), |it| matches!(it, Fault::DuplicateUuid { .. }));
    is_fault(&with(spec(2, "one")), |it| matches!(it, Fault::DuplicateName { .. }));
    is_fault(&with(spec(2, "rack")), |it| matches!(it, Fault::NameExists { .. }));
    is_fault(&with(spec(2, "")), |it| matches!(it, Fault::InvalidName { .. }));
    is_fault(&with(spec(2, &site.long_name())), |it| matches!(it, Fault::InvalidName { .. }));
    let orphan = spec(2, "two").with_parent(gone.uuid());
    is_fault(&with(orphan), |it| matches!(it, Fault::Orphan { .. }));
    is_fault(&with(spec(2, "two").with_parent(id(3))), |it| matches!(it, Fault::Orphan { .. }));
    let circle = [spec(1, "one").with_parent(id(2)), spec(2, "two").with_parent(id(1))];
    is_fault(&circle, |it| matches!(it, Fault::Cycle { .. }));
    let contradiction = Inventory::new(1).with_reserved(2);
    let invalid = spec(2, "two").with_inventories(of(VCPU, 1).with(DISK, contradiction));
    is_fault(&with(invalid), |it| matches!(it, Fault::InvalidInventory { .. }));
    let late = spec(2, "two").with_generation(u64::MAX);
    is_fault(&with(late), |it| matches!(it, Fault::GenerationTooLarge { .. }));
    // The host would go, which is below it.
    let rack_alone = ProviderSpec::new(rack.uuid(), "rack").with_inventories(of(VCPU, 6));
    is_fault(&with(rack_alone), |it| matches!(it, Fault::InUse { .. }));
    let host_bare = ProviderSpec::new(host.uuid(), "host").with_parent(rack.uuid());
    is_fault(&with(host_bare), |it| matches!(it, Fault::InUse { .. }));

    let below = |number, name| spec(number, name).with_parent(id(1));
    let made = tree.populate(&[one.clone(), below(2, "two"), below(3, "three")]).unwrap();
    // One takes the name of another that goes, one keeps its own, one goes with its name.
    tree.populate(&[spec(1, "two"), below(3, "three").with_inventories(of(VCPU, 1))]).unwrap();
    tree.populate(&[spec(1, "three"), below(3, "two").with_parent(rack.uuid())]).unwrap();
    tree.configure(&made[2], of(VCPU, 4), Expect::Any).unwrap();
    assert_eq!(tree.remove(&made[0]), Ok(1));
    assert_eq!(tree.remove(&made[2]), Ok(1));
    assert_eq!(tree.populate(&[]), Ok(vec![]));
}

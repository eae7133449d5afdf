//! Inventories, traits, aggregates, resources.

use provider_tree::{Error, Expect, Inventories, Inventory, Resources, Trait};

use crate::site::{DISK, MEMORY, Site, VCPU, check, id, of, refuses};

#[test]
fn of_configurations_nothing_is_left() {
    check(configure);
}

pub(crate) fn configure(site: &Site) {
    let Site { tree, host, idle, pool, gone, foreign, .. } = site;
    let stale = Expect::Generation(u64::MAX);
    let late = Expect::Mirror(u64::MAX);
    let avx = Trait::new("HW_CPU_X86_AVX2").unwrap();
    let resources = |value: u64| Resources::new().with(VCPU, value).with(DISK, vec![value]);

    let before = tree.data(idle).unwrap();
    for provider in [idle, pool] {
        tree.set_inventories(provider, of(VCPU, 8).with(DISK, Inventory::new(9)), Expect::Any)
            .unwrap();
        tree.update_inventories(provider, of(VCPU, 8), Expect::Any).unwrap();
        tree.update_inventories(provider, of(VCPU, 8), Expect::Any).unwrap();
    }
    // As many classes as need a wider record each time.
    let many = |count| {
        let class =
            |number| provider_tree::ResourceClass::new(&format!("CUSTOM_{number}")).unwrap();
        (0..count)
            .fold(Inventories::new(), |all, number| all.with(class(number), Inventory::new(1)))
    };
    for count in [1, 4, 9, 30, 70, 300, 1, 300] {
        tree.set_inventories(idle, many(count), Expect::Any).unwrap();
    }
    tree.set_traits(idle, [avx], Expect::Any).unwrap();
    tree.update_traits(idle, [avx], Expect::Any).unwrap();
    tree.add_traits(idle, [Trait::MISC_SHARES_VIA_AGGREGATE], Expect::Any).unwrap();
    tree.remove_traits(idle, [avx], Expect::Any).unwrap();
    tree.set_aggregates(idle, [id(1)], Expect::Any).unwrap();
    tree.update_aggregates(idle, [id(2)], Expect::Any).unwrap();
    tree.add_aggregates(idle, [id(1)], Expect::Any).unwrap();
    tree.remove_aggregates(idle, [id(1)], Expect::Any).unwrap();
    tree.update_resources(idle, resources(1), Expect::Any).unwrap();
    tree.update_resources(idle, resources(1), Expect::Any).unwrap();

    refuses!(tree.set_inventories(host, of(DISK, 1), Expect::Any), Error::InUse { .. });
    refuses!(tree.update_inventories(host, of(DISK, 1), Expect::Any), Error::InUse { .. });
    let contradiction = of(VCPU, 8).with(MEMORY, Inventory::new(1).with_reserved(2));
    refuses!(
        tree.set_inventories(host, contradiction, Expect::Any),
        Error::InvalidInventory { .. }
    );
    refuses!(tree.set_inventories(idle, many(10_081), Expect::Any), Error::TooLarge { .. });
    refuses!(tree.set_inventories(host, of(VCPU, 9), stale), Error::GenerationConflict { .. });
    refuses!(tree.set_inventories(host, of(VCPU, 9), late), Error::TooLarge { .. });
    refuses!(tree.set_traits(host, [avx], stale), Error::GenerationConflict { .. });
    refuses!(tree.update_traits(host, [avx], stale), Error::GenerationConflict { .. });
    refuses!(tree.add_traits(host, [avx], late), Error::TooLarge { .. });
    refuses!(tree.set_aggregates(host, [id(1)], stale), Error::GenerationConflict { .. });
    refuses!(tree.remove_aggregates(host, [id(1)], stale), Error::GenerationConflict { .. });
    refuses!(tree.update_resources(host, resources(2), stale), Error::GenerationConflict { .. });
    for provider in [gone, foreign] {
        let is_refused =
            |error| matches!(error, Error::Removed { .. } | Error::ForeignProvider { .. });
        let set = tree.set_inventories(provider, of(VCPU, 1), Expect::Any);
        assert!(set.is_err_and(is_refused));
        assert!(tree.set_traits(provider, [avx], Expect::Any).is_err_and(is_refused));
        assert!(tree.set_aggregates(provider, [id(1)], Expect::Any).is_err_and(is_refused));
        assert!(tree.update_resources(provider, resources(1), Expect::Any).is_err_and(is_refused));
    }

    tree.set_inventories(idle, (*before.configuration.inventories).clone(), Expect::Any).unwrap();
    tree.set_traits(idle, [], Expect::Any).unwrap();
    tree.set_aggregates(idle, [], Expect::Any).unwrap();
    tree.update_resources(idle, Resources::new(), Expect::Any).unwrap();
    tree.set_inventories(pool, of(DISK, 100), Expect::Any).unwrap();
}

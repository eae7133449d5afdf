//! Inventories, traits, aggregates, resources.

use provider_tree::{Edit, Error, Expect, Inventories, Inventory, Resources, Trait};

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

    let before = tree.configuration(idle).unwrap();
    for provider in [idle, pool] {
        tree.configure(provider, of(VCPU, 8).with(DISK, Inventory::new(9)), Expect::Any).unwrap();
        tree.configure(provider, of(VCPU, 8), Expect::Any).unwrap();
        tree.configure(provider, of(VCPU, 8), Expect::Any).unwrap();
    }
    // As many classes as need a wider record each time.
    let many = |count| {
        let class =
            |number| provider_tree::ResourceClass::new(&format!("CUSTOM_{number}")).unwrap();
        (0..count)
            .fold(Inventories::new(), |all, number| all.with(class(number), Inventory::new(1)))
    };
    for count in [1, 4, 9, 30, 70, 300, 1, 300] {
        tree.configure(idle, many(count), Expect::Any).unwrap();
    }
    tree.configure(idle, Edit::new().set_traits([avx]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_traits([avx]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().add_traits([Trait::MISC_SHARES_VIA_AGGREGATE]), Expect::Any)
        .unwrap();
    tree.configure(idle, Edit::new().remove_traits([avx]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_aggregates([id(1)]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_aggregates([id(2)]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().add_aggregates([id(1)]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().remove_aggregates([id(1)]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_resources(resources(1)), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_resources(resources(1)), Expect::Any).unwrap();

    refuses!(tree.configure(host, of(DISK, 1), Expect::Any), Error::InUse { .. });
    refuses!(tree.configure(host, of(DISK, 2), Expect::Any), Error::InUse { .. });
    let contradiction = of(VCPU, 8).with(MEMORY, Inventory::new(1).with_reserved(2));
    refuses!(tree.configure(host, contradiction, Expect::Any), Error::InvalidInventory { .. });
    refuses!(tree.configure(idle, many(10_081), Expect::Any), Error::TooLarge { .. });
    refuses!(tree.configure(host, of(VCPU, 9), stale), Error::GenerationConflict { .. });
    refuses!(tree.configure(host, of(VCPU, 9), late), Error::TooLarge { .. });
    refuses!(
        tree.configure(host, Edit::new().set_traits([avx]), stale),
        Error::GenerationConflict { .. }
    );
    refuses!(
        tree.configure(host, Edit::new().set_traits([avx]), stale),
        Error::GenerationConflict { .. }
    );
    refuses!(tree.configure(host, Edit::new().add_traits([avx]), late), Error::TooLarge { .. });
    refuses!(
        tree.configure(host, Edit::new().set_aggregates([id(1)]), stale),
        Error::GenerationConflict { .. }
    );
    refuses!(
        tree.configure(host, Edit::new().remove_aggregates([id(1)]), stale),
        Error::GenerationConflict { .. }
    );
    refuses!(
        tree.configure(host, Edit::new().set_resources(resources(2)), stale),
        Error::GenerationConflict { .. }
    );
    for provider in [gone, foreign] {
        let is_refused =
            |error| matches!(error, Error::Removed { .. } | Error::ForeignProvider { .. });
        let set = tree.configure(provider, of(VCPU, 1), Expect::Any);
        assert!(set.is_err_and(is_refused));
        assert!(
            tree.configure(provider, Edit::new().set_traits([avx]), Expect::Any)
                .is_err_and(is_refused)
        );
        assert!(
            tree.configure(provider, Edit::new().set_aggregates([id(1)]), Expect::Any)
                .is_err_and(is_refused)
        );
        assert!(
            tree.configure(provider, Edit::new().set_resources(resources(1)), Expect::Any)
                .is_err_and(is_refused)
        );
    }

    tree.configure(idle, (*before.inventories).clone(), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_traits([]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_aggregates([]), Expect::Any).unwrap();
    tree.configure(idle, Edit::new().set_resources(Resources::new()), Expect::Any).unwrap();
    tree.configure(pool, of(DISK, 100), Expect::Any).unwrap();
}

//! Amounts that share words of a provider's usage cell, and where they come to have words of their
//! own: at the border nothing is lost, and nothing else changes.

use provider_tree::{
    Batch, Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass,
    Usage,
};

use crate::rig::*;

/// Some classes, in their order.
const CLASSES: [ResourceClass; 6] = [
    ResourceClass::VCPU,
    ResourceClass::MEMORY_MB,
    ResourceClass::DISK_GB,
    ResourceClass::PCI_DEVICE,
    ResourceClass::SRIOV_NET_VF,
    ResourceClass::NUMA_SOCKET,
];

/// Returns inventories of the first classes, with these totals.
fn totals(totals: &[u64]) -> Inventories {
    let with = |(class, total): (&ResourceClass, &u64)| (*class, Inventory::new(*total));
    CLASSES.iter().zip(totals).map(with).collect()
}

/// Returns whether the amounts of the one provider of a forest are packed, in which so many consumers
/// have held something.
fn is_packed(tree: &ProviderTree, consumers: u64) -> bool {
    let wider: u64 = tree.memory().records.iter().skip(1).map(|record| record.in_force).sum();
    // As the super-root's structure, the provider's, and the consumers'.
    let others = 2 + consumers;
    assert!((others..=others + 1).contains(&wider), "{}", tree.memory());
    wider == others
}

fn with(of: &[u64]) -> (ProviderTree, Provider) {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    set(&tree, &host, totals(of));
    (tree, host)
}

fn usages(tree: &ProviderTree, host: &Provider) -> Vec<(u64, u64)> {
    let usages = tree.usages(host).unwrap();
    assert!(usages.iter().zip(CLASSES).all(|((class, _), expected)| *class == expected));
    for (class, usage) in &usages {
        assert_eq!(tree.usage(host, *class), Ok(*usage));
    }
    let snapshot = tree.snapshot();
    assert_eq!(snapshot.usages(host).unwrap(), usages);
    assert_eq!(snapshot.fork().usages(host).unwrap(), usages);
    usages.iter().map(|(_, Usage { capacity, used })| (*capacity, *used)).collect()
}

#[test]
fn up_to_four_small_classes_are_packed_and_no_more() {
    const MOST: u64 = u64::MAX;
    let all: [(&[u64], bool); 10] = [
        (&[64], true),
        (&[64, 1 << 20, 10_000], true),
        (&[64, 1 << 20, 10_000, 8], true),
        (&[0, 0, 0, 0], true),
        (&[64, 1 << 20, 10_000, 8, 1], false),
        (&[1, 1, 1, 1, 1, 1], false),
        (&[MOST >> 1], true),
        (&[MOST], false),
        (&[MOST >> 33, MOST >> 33], true),
        (&[MOST >> 32, MOST >> 33], false),
    ];
    for (of, packed) in all {
        let (tree, host) = with(of);
        assert_eq!(is_packed(&tree, 0), packed, "{of:?}");
        let mut worker = tree.worker().unwrap();
        let fill = |claim: Claim, (class, total): (&ResourceClass, &u64)| match *total {
            0 => claim,
            total => claim.take(&host, *class, total),
        };
        let everything = CLASSES.iter().zip(of).fold(Claim::new(id(1)), fill);
        let expected = |used: fn(u64) -> u64| -> Vec<_> {
            of.iter().map(|total| (*total, used(*total))).collect()
        };
        if of.iter().any(|total| *total > 0) {
            let _receipt = worker.claim(&everything).unwrap();
            assert_eq!(usages(&tree, &host), expected(|total| total));
        }
        // Neither one more of a class that is full, nor what no lane has room for.
        for (class, total) in CLASSES.iter().zip(of) {
            for amount in [1, *total, total.saturating_add(1), MOST >> 1, MOST] {
                let Some(amount) = Some(amount).filter(|amount| *amount > 0) else { continue };
                let exceeded = Err(Error::CapacityExceeded {
                    provider: host.uuid(),
                    class: *class,
                    requested: amount,
                    free: 0,
                });
                assert_eq!(worker.take(&host, &[(*class, amount)]), exceeded);
                let claim = Claim::new(id(2)).take(&host, *class, amount);
                assert_eq!(worker.claim(&claim).map(drop), exceeded);
            }
        }
        assert_eq!(usages(&tree, &host), expected(|total| total));
        if of.iter().any(|total| *total > 0) {
            let _receipt = worker.release(id(1)).unwrap();
        }
        assert_eq!(usages(&tree, &host), expected(|_| 0));
    }
}

#[test]
fn what_is_taken_and_what_is_held_are_counted_side_by_side() {
    for of in [&[8, 100, 3][..], &[8, 100, 3, 4, 5]] {
        let (tree, host) = with(of);
        let mut worker = tree.worker().unwrap();
        let [cpus, memory, disk, ..] = CLASSES;
        worker.take(&host, &[(cpus, 3), (disk, 1)]).unwrap();
        claim(&mut worker, id(1), &host, 5);
        // In another order than that of the classes, and one class twice.
        worker.take(&host, &[(disk, 1), (memory, 40), (disk, 1)]).unwrap();
        assert_eq!(usages(&tree, &host)[..3], [(8, 8), (100, 40), (3, 3)]);
        let dump = tree.snapshot().dump().unwrap();
        let used = &dump.providers[0].used;
        assert_eq!((used[&cpus].taken, used[&memory].taken, used[&disk].taken), (3, 40, 3));
        let refused = worker.put_back(&host, &[(memory, 1), (cpus, 4)]);
        let provider = host.uuid();
        let not_taken = Error::NotTaken { provider, class: cpus, requested: 4, taken: 3 };
        assert_eq!(refused, Err(not_taken));
        worker.put_back(&host, &[(cpus, 3), (memory, 40)]).unwrap();
        assert_eq!(usages(&tree, &host)[..3], [(8, 5), (100, 0), (3, 3)]);
        assert!(tree.snapshot().audit().unwrap().holds());
        assert_eq!(ProviderTree::load(&dump).unwrap().snapshot().dump().unwrap(), dump);
    }
}

#[test]
fn other_inventories_change_the_form_and_nothing_else() {
    let (tree, host) = with(&[8, 100]);
    let mut worker = tree.worker().unwrap();
    worker.take(&host, &[(VCPU, 2)]).unwrap();
    let _receipt = worker.claim(&cpus(id(1), &host, 5).take(&host, CLASSES[1], 100)).unwrap();
    // More classes, a lane that is outgrown, and back: what is used stays.
    let steps: [(&[u64], bool); 6] = [
        (&[8, 100, 0, 0, 0], false),
        (&[u64::MAX, 100], false),
        (&[9, 200, 1], true),
        // Overcommitted: what is used no longer fits the lanes of the capacities.
        (&[3, 100], false),
        (&[7, 100], true),
        // As much as the lane holds, which is more than the capacity.
        (&[4, 64], true),
    ];
    for (of, packed) in steps {
        set(&tree, &host, totals(of));
        assert_eq!(is_packed(&tree, 1), packed, "{of:?}");
        let used = [7, 100, 0, 0, 0];
        let expected: Vec<_> = of.iter().copied().zip(used).collect();
        assert_eq!(usages(&tree, &host), expected);
        assert!(tree.snapshot().audit().unwrap().holds());
        let is_over = expected.iter().any(|(capacity, used)| used > capacity);
        assert_eq!(!tree.snapshot().overcommitted().unwrap().is_empty(), is_over);
        let _receipt = worker
            .replace(&cpus(id(1), &host, 5).take(&host, CLASSES[1], 100), Expect::Any)
            .unwrap();
    }
    let refused = worker.take(&host, &[(VCPU, 1)]);
    assert!(matches!(refused, Err(Error::CapacityExceeded { free: 0, .. })), "{refused:?}");
    let _receipt = worker.release(id(1)).unwrap();
    worker.put_back(&host, &[(VCPU, 2)]).unwrap();
    assert_eq!(usages(&tree, &host), [(4, 0), (64, 0)]);
}

/// A batch gives back, sets smaller inventories, and takes again: more than the lanes of the new
/// capacities have room for.
#[test]
fn a_batch_takes_again_what_the_new_lanes_do_not_hold() {
    let (tree, host) = with(&[200, 100]);
    let mut worker = tree.worker().unwrap();
    claim(&mut worker, id(1), &host, 200);
    let batch = Batch::new()
        .configure(&host, totals(&[3, 100]), Expect::Any)
        .replace(cpus(id(1), &host, 199), Expect::Any);
    worker.commit(&batch).unwrap();
    assert_eq!(usages(&tree, &host), [(3, 199), (100, 0)]);
    assert!(!is_packed(&tree, 1) && tree.snapshot().audit().unwrap().holds());
    let _receipt = worker.release(id(1)).unwrap();
    assert_eq!(usages(&tree, &host), [(3, 0), (100, 0)]);
}

#[test]
fn cordons_units_and_names_leave_the_amounts_as_they_are() {
    let (tree, host) = with(&[8, 100]);
    let mut worker = tree.worker().unwrap();
    claim(&mut worker, id(1), &host, 5);
    tree.rename(&host, "renamed").unwrap();
    assert!(tree.cordon(&host).unwrap());
    assert_eq!(worker.take(&host, &[(VCPU, 1)]), Err(Error::Cordoned { provider: host.uuid() }));
    let refused = worker.claim(&cpus(id(2), &host, 1)).map(drop);
    assert_eq!(refused, Err(Error::Cordoned { provider: host.uuid() }));
    assert_eq!(usages(&tree, &host), [(8, 5), (100, 0)]);
    assert!(tree.uncordon(&host).unwrap());
    let odd = Inventories::new().with(VCPU, Inventory::new(8).with_max_unit(2));
    set(&tree, &host, odd);
    assert!(is_packed(&tree, 1));
    let refused = worker.take(&host, &[(VCPU, 3)]);
    assert!(matches!(refused, Err(Error::UnitViolation { max_unit: 2, .. })), "{refused:?}");
    worker.take(&host, &[(VCPU, 2)]).unwrap();
    assert_eq!(usages(&tree, &host), [(8, 7)]);
}

//! Nova's `remove`.

use provider_tree::{Claim, Error, Expect, ProviderSpec, ProviderTree};
use uuid::Uuid;

use crate::{VCPU, host, of, removed};

#[test]
fn a_provider_goes_with_all_its_descendants() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let grandchild = tree.create_child(&child, "grandchild", None).unwrap();
    let sibling = tree.create_child(&host, "sibling", None).unwrap();
    assert_eq!(tree.remove(&child), Ok(2));
    assert_eq!(tree.providers(), [host, sibling]);
    assert_eq!(tree.find(grandchild.uuid()), None);
    assert_eq!(tree.find("grandchild"), None);
}

#[test]
fn what_is_unknown_cannot_be_removed() {
    let (tree, gone, error) = removed();
    assert_eq!(tree.remove(&gone), Err(error));
}

#[test]
fn uuids_and_names_of_the_removed_are_free() {
    let (tree, gone, error) = removed();
    let again = tree.create_root("host", gone.uuid()).unwrap();
    assert_eq!(tree.find("host"), Some(again));
    assert_eq!(tree.configuration(&gone), Err(error), "a handle never means another provider");
}

#[test]
fn nothing_goes_while_anything_in_the_subtree_is_in_use() {
    let (tree, host) = host();
    let child = tree.create_child(&host, "child", None).unwrap();
    let grandchild = tree.create_child(&child, "grandchild", None).unwrap();
    tree.configure(&grandchild, of(VCPU, 8), Expect::Any).unwrap();
    let mut worker = tree.worker().unwrap();
    let held = worker.claim(&Claim::new(Uuid::new_v4()).take(&grandchild, VCPU, 3)).unwrap();
    let before = tree.snapshot().dump().unwrap();

    let in_use = Error::InUse { provider: grandchild.uuid(), class: VCPU, used: 3 };
    for top in [host, child, grandchild] {
        assert_eq!(tree.remove(&top), Err(in_use.clone()));
    }
    assert_eq!(tree.snapshot().dump().unwrap(), before);

    let _ = worker.release(held.consumer).unwrap();
    assert_eq!(tree.remove(&host), Ok(3));
}

/// Nova takes children off one by one while others read.
#[test]
fn a_subtree_goes_at_one_instant() {
    const TIMES: usize = 2_000;
    const MOST_WALKS: usize = 1_000_000;
    let [top, middle, bottom] = [1, 2, 3].map(Uuid::from_u128);
    let list = [
        ProviderSpec::new(top, "top"),
        ProviderSpec::new(middle, "middle").with_parent(top),
        ProviderSpec::new(bottom, "bottom").with_parent(middle),
    ];
    let tree = ProviderTree::new();
    std::thread::scope(|scope| {
        // Until it has seen both often, which it does as long as they come and go.
        let reader = scope.spawn(|| {
            let (mut present, mut absent) = (0, 0);
            for _ in 0..MOST_WALKS {
                match tree.providers().len() {
                    3 => present += 1,
                    0 => absent += 1,
                    some => panic!("{some} of 3 providers"),
                }
                if present.min(absent) == TIMES {
                    return;
                }
            }
            panic!("present {present} times, absent {absent} times");
        });
        while !reader.is_finished() {
            let made = tree.populate(&list).unwrap();
            std::thread::yield_now();
            assert_eq!(tree.remove(&made[0]), Ok(3));
            std::thread::yield_now();
        }
    });
}

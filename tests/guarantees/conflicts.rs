//! What a claim rests on (that it fits, or a generation too), by how much of it has to fit (all,
//! each amount by itself, so many members of a gang).

use provider_tree::{Claim, Error, Inventory, Provider, ProviderTree, Receipt, Result, Worker};

use crate::rig::*;

/// The ways to claim an amount of VCPU, each with what it says of that amount.
type Way = fn(&mut Worker, Claim) -> Result<Receipt>;

const WAYS: [(&str, Way); 3] = [
    ("claim", |worker, claim| worker.claim(&claim)),
    ("partly", |worker, claim| match worker.claim_partly(&claim) {
        Ok(partial) => Ok(partial.receipt),
        Err(error) => Err(reason(error)),
    }),
    ("gang", |worker, claim| match worker.claim_gang(&[claim], 1) {
        Ok(mut made) => made.remove(0),
        Err(error) => Err(reason(error)),
    }),
];

/// Why the only part of a request did not fit.
fn reason(error: Error) -> Error {
    match error {
        Error::TooFewFit { fit: 0, at_least: 1, mut refused } if refused.len() == 1 => {
            let (position, reason) = refused.remove(0);
            assert_eq!(position, 0);
            reason
        }
        error => error,
    }
}

/// A host with 8 VCPU that was changed, and its generations before and after.
fn changed_host() -> (ProviderTree, Provider, Worker, [u64; 2]) {
    let (tree, host, worker) = one_host(8);
    let before = generation(&tree, &host);
    tree.rename(&host, "renamed").unwrap();
    let after = generation(&tree, &host);
    (tree, host, worker, [before, after])
}

#[test]
fn a_claim_that_fits_does_not_mind_a_change() {
    for (name, way) in WAYS {
        let (tree, host, mut worker, _) = changed_host();
        assert_eq!(way(&mut worker, cpus(id(1), &host, 8)).unwrap().generation, 1, "{name}");
        assert_eq!(used(&tree, &host), 8);
    }
}

#[test]
fn a_claim_that_rests_on_a_generation_minds_a_change() {
    for (name, way) in WAYS {
        let (tree, host, mut worker, [expected, actual]) = changed_host();
        let provider = host.uuid();
        let stale = cpus(id(1), &host, 8).require_generation(&host, expected);
        let error = refused(&tree, || way(&mut worker, stale));
        assert_eq!(error, Error::GenerationConflict { provider, expected, actual }, "{name}");
        let _receipt =
            way(&mut worker, cpus(id(1), &host, 8).require_generation(&host, actual)).unwrap();
    }
}

#[test]
fn claims_of_others_are_no_change() {
    for (name, way) in WAYS {
        let (tree, host, mut worker, [_, actual]) = changed_host();
        claim(&mut worker, id(1), &host, 3);
        let _receipt =
            way(&mut worker, cpus(id(2), &host, 5).require_generation(&host, actual)).unwrap();
        assert_eq!(generation(&tree, &host), actual, "{name}");
    }
}

#[test]
fn a_claim_can_rest_on_a_provider_that_it_takes_nothing_from() {
    for (name, way) in WAYS {
        let (tree, [host, other], mut worker) = two_hosts(8);
        let expected = generation(&tree, &other);
        let resting = |consumer| cpus(consumer, &host, 1).require_generation(&other, expected);
        let _receipt = way(&mut worker, resting(id(1))).unwrap();
        tree.rename(&other, "renamed").unwrap();
        let error = refused(&tree, || way(&mut worker, resting(id(2))));
        let (provider, actual) = (other.uuid(), expected + 1);
        assert_eq!(error, Error::GenerationConflict { provider, expected, actual }, "{name}");
    }
}

#[test]
fn with_what_a_rejection_says_a_retry_needs_no_read() {
    for (name, way) in WAYS {
        let (tree, host, mut worker) = one_host(8);
        claim(&mut worker, id(1), &host, 5);
        let error = refused(&tree, || way(&mut worker, cpus(id(2), &host, 4)));
        let Error::CapacityExceeded { provider, class, requested: 4, free } = error else {
            panic!("{name}: {error:?}");
        };
        let found = tree.find(provider).unwrap();
        let _receipt = way(&mut worker, Claim::new(id(2)).take(&found, class, free)).unwrap();
        assert_eq!(way(&mut worker, cpus(id(3), &host, 1)), Err(exceeded(&host, 1, 0)));
    }
}

#[test]
fn a_violation_of_units_says_which_amounts_can_be_had() {
    for (name, way) in WAYS {
        let (tree, host, mut worker) = one_host(8);
        let inventory = Inventory::new(64).with_min_unit(4).with_max_unit(16).with_step_size(4);
        set(&tree, &host, provider_tree::Inventories::new().with(VCPU, inventory));
        for wrong in [1, 6, 20] {
            let error = refused(&tree, || way(&mut worker, cpus(id(wrong), &host, wrong)));
            let Error::UnitViolation { requested, min_unit, max_unit, step_size, .. } = error
            else {
                panic!("{name}: {error:?}");
            };
            let right = requested.next_multiple_of(step_size).clamp(min_unit, max_unit);
            let _receipt = way(&mut worker, cpus(id(wrong), &host, right)).unwrap();
        }
    }
}

#[test]
fn partly_takes_what_fits_and_says_why_not_the_rest() {
    let (tree, [full, roomy], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &full, 7);
    let wanted = cpus(id(2), &full, 2).take(&roomy, VCPU, 3).take(&roomy, GPU, 1);
    let partial = worker.claim_partly(&wanted).unwrap();
    let missing = Error::NoInventory { provider: roomy.uuid(), class: GPU };
    assert_eq!(partial.refused, [(0, exceeded(&full, 2, 1)), (2, missing)]);
    assert_eq!((used(&tree, &full), used(&tree, &roomy)), (7, 3));
}

#[test]
fn partly_with_a_stale_generation_takes_nothing() {
    let (tree, host, mut worker, [stale, _]) = changed_host();
    let wanted = cpus(id(1), &host, 1).take(&host, VCPU, 100).require_generation(&host, stale);
    let error = refused(&tree, || worker.claim_partly(&wanted));
    assert!(matches!(error, Error::GenerationConflict { .. }), "{error:?}");
}

#[test]
fn a_gang_is_so_many_members_or_none() {
    let (tree, host, mut worker) = one_host(8);
    let members: Vec<_> = (0..4).map(|number| cpus(id(number), &host, 3)).collect();
    let error = refused(&tree, || worker.claim_gang(&members, 3));
    let reasons = [2, 3].map(|position| (position, exceeded(&host, 3, 2)));
    assert_eq!(error, Error::TooFewFit { fit: 2, at_least: 3, refused: reasons.to_vec() });
    let made = worker.claim_gang(&members, 2).unwrap();
    assert_eq!(made.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(made[3], Err(exceeded(&host, 3, 2)));
    assert_eq!(tree.allocations(id(2)), None);
    assert_eq!(used(&tree, &host), 6);
}

#[test]
fn a_member_of_a_gang_is_whole_and_later_ones_can_fit() {
    let (tree, [full, roomy], mut worker) = two_hosts(8);
    claim(&mut worker, id(9), &full, 8);
    let torn = cpus(id(1), &roomy, 8).take(&full, VCPU, 1);
    let made = worker.claim_gang(&[torn, cpus(id(2), &roomy, 8)], 1).unwrap();
    assert_eq!(made[0], Err(exceeded(&full, 1, 0)));
    assert!(made[1].is_ok());
    assert_eq!(used(&tree, &roomy), 8);
}

#[test]
fn members_that_rest_on_generations_are_refused_one_by_one() {
    let (tree, host, mut worker, [expected, actual]) = changed_host();
    let stale = cpus(id(1), &host, 1).require_generation(&host, expected);
    let fresh = cpus(id(2), &host, 1).require_generation(&host, actual);
    let made = worker.claim_gang(&[stale, fresh], 1).unwrap();
    let provider = host.uuid();
    assert_eq!(made[0], Err(Error::GenerationConflict { provider, expected, actual }));
    assert!(made[1].is_ok());
    assert_eq!(tree.snapshot().consumers().unwrap(), [id(2)]);
}

#[test]
fn amounts_that_add_up_obey_the_units_together() {
    let (tree, host, mut worker) = one_host(100);
    let inventory = provider_tree::Inventory::new(100).with_max_unit(4);
    set(&tree, &host, provider_tree::Inventories::new().with(VCPU, inventory));
    let partial = worker.claim_partly(&cpus(id(1), &host, 4).take(&host, VCPU, 4)).unwrap();
    let refused: Vec<_> = partial.refused.iter().map(|(position, _)| *position).collect();
    assert_eq!((refused, used(&tree, &host)), (vec![1], 4));
}

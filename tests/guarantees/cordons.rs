//! Cordons: after `cordon` has returned, nothing new is taken from the provider and from what is
//! below it; what is held can go.

use std::sync::atomic::{AtomicU64, Ordering};

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Now, Provider, ProviderSpec, ProviderTree, Worker,
};

use crate::rig::*;

/// A host of 8 VCPU with a child and a grandchild of 8 each.
fn line() -> (ProviderTree, [Provider; 3], Worker) {
    let tree = ProviderTree::new();
    let top = host(&tree, "top", 8);
    let middle = child(&tree, &top, "middle", 8);
    let low = child(&tree, &middle, "low", 8);
    let worker = tree.worker().unwrap();
    (tree, [top, middle, low], worker)
}

fn are_cordoned<const N: usize>(tree: &ProviderTree, providers: [Provider; N]) -> [bool; N] {
    providers.map(|provider| tree.is_cordoned(&provider).unwrap())
}

/// Fails unless a claim from each is refused, and only if it is said to be cordoned.
fn check_refusals(tree: &ProviderTree, worker: &mut Worker, providers: &[Provider]) {
    for provider in providers {
        let wanted = cpus(id(777), provider, 1);
        if tree.is_cordoned(provider).unwrap() {
            assert_eq!(refused(tree, || worker.claim(&wanted)), cordoned(provider));
        } else {
            let _receipt = worker.claim(&wanted).unwrap();
            let _receipt = worker.release(id(777)).unwrap();
        }
    }
}

#[test]
fn every_way_to_take_is_refused() {
    let (tree, [top, _, low], mut worker) = line();
    assert_eq!(tree.cordon(&top), Ok(true));
    assert_eq!(tree.cordon(&top), Ok(false));
    let wanted = || cpus(id(1), &low, 1);
    assert_eq!(refused(&tree, || worker.claim(&wanted())), cordoned(&low));
    assert_eq!(refused(&tree, || worker.replace(&wanted(), Expect::Any)), cordoned(&low));
    assert_eq!(refused(&tree, || worker.lease(&wanted(), Deadline(9))), cordoned(&low));
    assert_eq!(refused(&tree, || worker.take(&low, &[(VCPU, 1)])), cordoned(&low));
    let batch = Batch::new().claim(wanted());
    assert_eq!(refused(&tree, || worker.commit(&batch)), cordoned(&low));
    let refused_first = vec![(0, cordoned(&low))];
    let too_few = Error::TooFewFit { fit: 0, at_least: 1, refused: refused_first };
    assert_eq!(refused(&tree, || worker.claim_partly(&wanted())), too_few);
    assert_eq!(refused(&tree, || worker.claim_gang(&[wanted()], 1)), too_few);
    let chain = Claim::new(id(1)).take_with_ancestors(&low, VCPU, 1);
    let error = refused(&tree, || worker.claim(&chain));
    assert!(matches!(error, Error::Cordoned { .. }), "{error:?}");
    assert_eq!(tree.uncordon(&top), Ok(true));
    assert_eq!(tree.uncordon(&top), Ok(false));
    let _receipt = worker.claim(&wanted()).unwrap();
}

#[test]
fn after_a_cordon_returns_no_claim_lands() {
    let tree = ProviderTree::new();
    let top = host(&tree, "top", u64::MAX);
    let low = child(&tree, &top, "low", u64::MAX);
    let fresh = AtomicU64::new(0);
    // Nothing is given back, so that every claim shows.
    let take = |worker: &mut Worker, seat: usize, round: u64| {
        let provider = if round.is_multiple_of(2) { &top } else { &low };
        let taken = match round % 3 {
            0 => worker.take(provider, &[(VCPU, 1)]),
            _ => {
                let consumer = own(seat, fresh.fetch_add(1, Ordering::Relaxed));
                let both = cpus(consumer, provider, 1).take(&low, VCPU, 1);
                worker.claim(&both).map(drop)
            }
        };
        assert!(taken.is_ok() || taken == Err(cordoned(&top)) || taken == Err(cordoned(&low)));
    };
    meanwhile(&tree, 3, take, |others| {
        let now = || [used(&tree, &top), used(&tree, &low)];
        for _ in 0..200 {
            let open = now();
            others.go_on(1);
            tree.cordon(&top).unwrap();
            let shut = now();
            assert!(shut > open, "nothing was taken meanwhile");
            others.go_on(2);
            assert_eq!(now(), shut);
            tree.uncordon(&top).unwrap();
        }
    });
    check_books(&tree.snapshot().dump().unwrap());
}

#[test]
fn what_comes_below_is_cordoned_with_it() {
    let (tree, [top, middle, low], mut worker) = line();
    let outside = host(&tree, "outside", 8);
    let below = child(&tree, &outside, "below", 8);
    tree.cordon(&middle).unwrap();
    assert_eq!(are_cordoned(&tree, [top, middle, low]), [false, true, true]);

    let made = child(&tree, &low, "made", 8);
    let spec = ProviderSpec::new(id(1), "listed").with_parent(middle.uuid());
    let leaf = ProviderSpec::new(id(2), "leaf").with_parent(id(1));
    let specs = [spec, leaf].map(|spec| spec.with_inventories(of(VCPU, 8)));
    let listed = tree.populate(&specs).unwrap();
    tree.reparent(&outside, Some(&low)).unwrap();
    let all = [made, listed[0], listed[1], outside, below];
    assert_eq!(are_cordoned(&tree, all), [true; 5]);
    check_refusals(&tree, &mut worker, &all);

    tree.reparent(&outside, Some(&top)).unwrap();
    assert_eq!(are_cordoned(&tree, [outside, below]), [false, false]);
    check_refusals(&tree, &mut worker, &[outside, below, top]);
    tree.uncordon(&middle).unwrap();
    assert_eq!(are_cordoned(&tree, all), [false; 5]);
    check_refusals(&tree, &mut worker, &all);
}

#[test]
fn cordons_add_up() {
    let (tree, all @ [top, middle, low], mut worker) = line();
    tree.cordon(&top).unwrap();
    tree.cordon(&low).unwrap();
    tree.uncordon(&top).unwrap();
    assert_eq!(are_cordoned(&tree, all), [false, false, true]);
    check_refusals(&tree, &mut worker, &all);
    tree.cordon(&middle).unwrap();
    tree.uncordon(&low).unwrap();
    assert_eq!(are_cordoned(&tree, all), [false, true, true]);
    tree.cordon(&low).unwrap();
    // It takes its own cordon with it, and leaves the inherited one.
    tree.reparent(&low, None).unwrap();
    tree.uncordon(&middle).unwrap();
    assert_eq!(are_cordoned(&tree, all), [false, false, true]);
    check_refusals(&tree, &mut worker, &all);
    tree.uncordon(&low).unwrap();
    assert_eq!(are_cordoned(&tree, all), [false; 3]);
    check_refusals(&tree, &mut worker, &all);
}

#[test]
fn a_cordon_is_no_change_of_the_configuration() {
    let (tree, [top, _, low], _worker) = line();
    let before = [top, low].map(|provider| generation(&tree, &provider));
    tree.cordon(&top).unwrap();
    assert_eq!([top, low].map(|provider| generation(&tree, &provider)), before);
}

#[test]
fn what_is_held_can_go() {
    let (tree, [top, _, low], mut worker) = line();
    let outside = host(&tree, "outside", 8);
    claim(&mut worker, id(1), &low, 2);
    claim(&mut worker, id(2), &low, 2);
    claim(&mut worker, id(3), &top, 2);
    worker.take(&low, &[(VCPU, 1)]).unwrap();
    tree.cordon(&top).unwrap();
    let mut holders = tree.snapshot().holders(&top).unwrap();
    holders.sort_unstable();
    assert_eq!(holders, [1, 2, 3].map(id));
    assert!(tree.snapshot().holders(&outside).unwrap().is_empty());

    let _receipt = worker.release(id(1)).unwrap();
    let _receipt = worker.replace(&cpus(id(2), &outside, 2), Expect::Any).unwrap();
    worker.put_back(&low, &[(VCPU, 1)]).unwrap();
    worker.commit(&Batch::new().replace(cpus(id(3), &outside, 2), Expect::Any)).unwrap();
    assert!(tree.snapshot().holders(&top).unwrap().is_empty());
    assert_eq!((used(&tree, &low), used(&tree, &outside)), (0, 4));
    let back = cpus(id(2), &low, 1);
    assert_eq!(refused(&tree, || worker.replace(&back, Expect::Any)), cordoned(&low));
}

#[test]
fn what_is_held_can_stay_or_shrink_and_never_grow() {
    let (tree, [top, _, low], mut worker) = line();
    claim(&mut worker, id(1), &low, 4);
    let lease = worker.lease(&cpus(id(2), &low, 1), Deadline(100)).unwrap();
    tree.cordon(&top).unwrap();
    let hold = |amount| cpus(id(1), &low, amount);
    let batch = |amount| Batch::new().replace(hold(amount), Expect::Any);
    assert_eq!(refused(&tree, || worker.replace(&hold(5), Expect::Any)), cordoned(&low));
    assert_eq!(refused(&tree, || worker.commit(&batch(5))), cordoned(&low));
    for amount in [4, 3] {
        let _receipt = worker.replace(&hold(amount), Expect::Any).unwrap();
        worker.commit(&batch(amount)).unwrap();
    }
    // Not even what it gave back itself.
    assert_eq!(refused(&tree, || worker.replace(&hold(4), Expect::Any)), cordoned(&low));
    // Nor what another gives back in the same commit.
    let handed = batch(4).release(id(2), Expect::Any);
    assert_eq!(refused(&tree, || worker.commit(&handed)), cordoned(&low));
    let also = hold(3).take(&top, VCPU, 1);
    assert_eq!(refused(&tree, || worker.replace(&also, Expect::Any)), cordoned(&top));
    let _receipt = worker.confirm(&lease, Now(50)).unwrap();
}

#[test]
fn a_population_keeps_cordons() {
    let (tree, [top, middle, low], mut worker) = line();
    tree.cordon(&middle).unwrap();
    let spec = |provider: &Provider, name| {
        ProviderSpec::new(provider.uuid(), name).with_inventories(of(VCPU, 4))
    };
    let listed = [
        spec(&top, "top"),
        spec(&middle, "other name").with_parent(top.uuid()),
        spec(&low, "low").with_parent(middle.uuid()),
    ];
    tree.populate(&listed).unwrap();
    assert_eq!(are_cordoned(&tree, [top, middle, low]), [false, true, true]);
    check_refusals(&tree, &mut worker, &[top, middle, low]);
    // Moved out of it by a list.
    tree.populate(&[spec(&low, "low")]).unwrap();
    assert_eq!(are_cordoned(&tree, [middle, low]), [true, false]);
    check_refusals(&tree, &mut worker, &[middle, low]);
}

#[test]
fn a_dump_keeps_cordons() {
    let (tree, [_, middle, low], mut worker) = line();
    claim(&mut worker, id(1), &low, 1);
    tree.cordon(&middle).unwrap();
    let dump = tree.snapshot().dump().unwrap();
    let cordons: Vec<_> = dump.providers.iter().map(|provider| provider.cordoned).collect();
    assert_eq!(cordons, [false, true, false]);
    let copy = ProviderTree::load(&dump).unwrap();
    assert_eq!(copy.snapshot().dump().unwrap(), dump);
    let [top, middle, low] = ["top", "middle", "low"].map(|name| copy.find(name).unwrap());
    assert_eq!(are_cordoned(&copy, [top, middle, low]), [false, true, true]);
    check_refusals(&copy, &mut copy.worker().unwrap(), &[top, middle, low]);
    copy.uncordon(&middle).unwrap();
    assert_eq!(are_cordoned(&copy, [top, middle, low]), [false; 3]);
}

#[test]
fn under_moves_a_provider_is_cordoned_exactly_below_a_cordon() {
    let (tree, [top, middle, low], _worker) = line();
    let other = host(&tree, "other", 8);
    let move_it = |_: &mut Worker, _, round: u64| {
        tree.reparent(&middle, Some(if round.is_multiple_of(2) { &other } else { &top })).unwrap();
    };
    meanwhile(&tree, 1, move_it, |others| {
        for _ in 0..200 {
            tree.cordon(&top).unwrap();
            others.go_on(0);
            tree.uncordon(&top).unwrap();
            tree.cordon(&other).unwrap();
            others.go_on(0);
            tree.uncordon(&other).unwrap();
            assert_eq!(are_cordoned(&tree, [top, other, middle, low]), [false; 4]);
        }
        tree.cordon(&other).unwrap();
    });
    let is_below_other =
        tree.ancestors(&middle).map(|all| all.first().copied()).unwrap() == Some(other);
    assert_eq!(are_cordoned(&tree, [middle, low]), [is_below_other; 2]);
}

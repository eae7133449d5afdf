//! What a fork has changed is committed as one, or refused as it should be.

use provider_tree::{Batch, Error, Expect, Fork, Now, Provider, ProviderTree, Worker};

use crate::forks::Twins;
use crate::random::Random;
use crate::rig::*;

#[test]
fn the_difference_makes_the_forest_what_the_fork_is() {
    let mut committed = 0;
    for seed in 0..60 {
        let mut random = Random::new(1000 + seed);
        (0..150).for_each(|_| random.step());
        let mut twins = Twins::new(&mut random);
        let rng = &mut random.rng;
        // First: a batch puts inventories in force before it takes anything.
        for _ in 0..rng.below(4) {
            twins.call(&twins.some_inventories(rng));
        }
        for _ in 0..rng.below(40) {
            twins.call(&twins.some_call(rng));
        }
        let batch = match seed % 2 {
            0 => twins.fork.to_batch(),
            _ => twins.fork.to_batch_if_unchanged(),
        };
        let mut worker = twins.tree.worker().unwrap();
        let receipts = worker.commit(&batch).unwrap();
        committed += receipts.len();
        let consumers: Vec<_> = receipts.iter().map(|receipt| receipt.consumer).collect();
        assert!(consumers.is_sorted());
        twins.check_committed();
        assert!(twins.tree.snapshot().audit().unwrap().holds());
    }
    assert!(committed > 60, "{committed} consumers");
}

#[test]
fn preemption() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    for number in 0..4 {
        claim(&mut worker, id(number), &host, 2);
    }
    claim(&mut worker, id(4), &other, 3);
    let wanted = cpus(id(9), &host, 5);
    let mut fork = tree.snapshot().fork();
    let mut victims = fork.snapshot().holders(&host).unwrap();
    victims.sort();
    // As few as it takes; who fits elsewhere moves.
    for victim in victims {
        if fork.fits(&wanted).is_ok() {
            break;
        }
        if fork.replace(&cpus(victim, &other, 2)).is_err() {
            fork.release(victim).unwrap();
        }
    }
    fork.claim(&wanted).unwrap();
    assert_eq!(worker.commit(&fork.to_batch()).unwrap().len(), 4);
    let mut consumers = tree.snapshot().consumers().unwrap();
    consumers.sort();
    assert_eq!(consumers, [0, 1, 3, 4, 9].map(id));
    assert_eq!(tree.usage(&host, VCPU).unwrap().used, 7);
    assert_eq!(tree.usage(&other, VCPU).unwrap().used, 7);
    assert!(tree.snapshot().audit().unwrap().holds());
}

#[test]
fn an_evacuation() {
    let mut it = Estate::new();
    let target = host(&it.tree, "target", 16);
    set(&it.tree, &target, of(VCPU, 16).with(GPU, provider_tree::Inventory::new(1)));
    let mut fork = it.tree.snapshot().fork();
    fork.cordon(&it.host).unwrap();
    fork.replace(&cpus(id(1), &target, 4).take(&target, GPU, 1)).unwrap();
    fork.replace(&cpus(id(2), &target, 2)).unwrap();
    assert_eq!(it.worker.commit(&fork.to_batch_if_unchanged()).unwrap().len(), 2);
    assert_eq!(it.tree.snapshot().holders(&it.host), Ok(Vec::new()));
    assert_eq!(it.tree.is_cordoned(&it.gpu), Ok(true));
    // It is a lease still.
    assert_eq!(it.worker.expire(Now(50)).unwrap().len(), 1);
}

#[test]
fn what_was_let_in_between_two_cordons_is_committed() {
    let mut it = Estate::new();
    let mut fork = it.tree.snapshot().fork();
    assert_eq!(fork.uncordon(&it.shut), Ok(true));
    fork.claim(&cpus(id(3), &it.shut, 1)).unwrap();
    assert_eq!(fork.cordon(&it.shut), Ok(true));
    assert_eq!(it.worker.commit(&fork.to_batch()).unwrap().len(), 1);
    assert_eq!(it.tree.is_cordoned(&it.inner), Ok(true));
    assert_eq!(it.tree.usage(&it.shut, VCPU).unwrap().used, 1);
}

#[test]
fn a_claim_may_rest_on_inventories_of_the_fork() {
    let mut it = Estate::new();
    let generation = it.tree.configuration(&it.bare).unwrap().generation;
    let mut fork = it.tree.snapshot().fork();
    let rests =
        |number, generation| cpus(id(number), &it.host, 1).require_generation(&it.bare, generation);
    fork.claim(&rests(3, generation)).unwrap();
    fork.set_inventories(&it.bare, of(VCPU, 4)).unwrap();
    fork.claim(&rests(4, generation + 1)).unwrap();
    let batch = fork.to_batch();
    assert_eq!(it.worker.commit(&batch).unwrap().len(), 2);
}

#[test]
fn cordons_of_a_batch_frame_what_it_takes() {
    let mut it = Estate::new();
    let batch = Batch::new()
        .cordon(&it.host)
        .uncordon(&it.shut)
        .cordon(&it.inner)
        .claim(cpus(id(3), &it.host, 1).take(&it.shut, VCPU, 1));
    assert_eq!(it.worker.commit(&batch).unwrap().len(), 1);
    let are = |all: [Provider; 4]| all.map(|one| it.tree.is_cordoned(&one).unwrap());
    assert_eq!(are([it.host, it.gpu, it.shut, it.inner]), [true, true, false, true]);
    // What is so already is no reason to refuse.
    let again = Batch::new().cordon(&it.host).uncordon(&it.shut);
    assert_eq!(it.worker.commit(&again), Ok(Vec::new()));
    let gone = it.tree.create_root("gone", None).unwrap();
    it.tree.remove(&gone).unwrap();
    let foreign = Estate::new().host;
    for (provider, error) in
        [(gone, removed(&gone)), (foreign, Error::ForeignProvider { provider: foreign.uuid() })]
    {
        let batch = Batch::new().uncordon(&it.host).cordon(&provider);
        assert_eq!(refused(&it.tree, || it.worker.commit(&batch)), error);
        let batch = Batch::new().uncordon(&it.host).uncordon(&provider);
        assert_eq!(refused(&it.tree, || it.worker.commit(&batch)), error);
    }
}

/// Two hosts of 8 VCPU; consumer 1 holds 4 of the first, and the fork moves it to the second and
/// lets 2 take 8 of the first, which gets other inventories.
fn moved() -> (ProviderTree, [Provider; 2], Worker, Fork) {
    let (tree, [host, other], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 4);
    let mut fork = tree.snapshot().fork();
    fork.set_inventories(&host, of(VCPU, 9)).unwrap();
    fork.replace(&cpus(id(1), &other, 4)).unwrap();
    fork.claim(&cpus(id(2), &host, 9)).unwrap();
    (tree, [host, other], worker, fork)
}

#[test]
fn a_difference_is_refused_when_a_consumer_has_changed() {
    let conflict = |actual| Error::ConsumerConflict { consumer: id(1), expected: 1, actual };
    let (tree, [host, _], mut worker, fork) = moved();
    let _receipt = worker.replace(&cpus(id(1), &host, 4), Expect::Any).unwrap();
    let error = refused(&tree, || worker.commit(&fork.to_batch()));
    assert_eq!(error, conflict(Some(2)));

    let (tree, _, mut worker, fork) = moved();
    release(&mut worker, id(1));
    assert_eq!(refused(&tree, || worker.commit(&fork.to_batch())), conflict(None));

    let (tree, [_, other], mut worker, fork) = moved();
    claim(&mut worker, id(2), &other, 1);
    let exists = Error::ConsumerExists { consumer: id(2), generation: 1 };
    assert_eq!(refused(&tree, || worker.commit(&fork.to_batch())), exists);
}

#[test]
fn a_difference_never_acts_on_another_life() {
    let changes: [fn(&mut Fork, &Provider); 3] = [
        |fork, _| fork.release(id(1)).unwrap(),
        |fork, host| fork.replace(&cpus(id(1), host, 1)).unwrap(),
        |fork, host| {
            fork.release(id(1)).unwrap();
            fork.claim(&cpus(id(1), host, 2)).unwrap();
        },
    ];
    for change in changes {
        let (tree, [host, other], mut worker) = two_hosts(8);
        claim(&mut worker, id(1), &host, 4);
        let mut fork = tree.snapshot().fork();
        change(&mut fork, &host);
        release(&mut worker, id(1));
        claim(&mut worker, id(1), &other, 4);
        let conflict = Error::ConsumerConflict { consumer: id(1), expected: 1, actual: Some(2) };
        assert_eq!(refused(&tree, || worker.commit(&fork.to_batch())), conflict);
        // Even if it is where the first was.
        release(&mut worker, id(1));
        claim(&mut worker, id(1), &host, 4);
        let conflict = Error::ConsumerConflict { consumer: id(1), expected: 1, actual: Some(3) };
        assert_eq!(refused(&tree, || worker.commit(&fork.to_batch())), conflict);
    }
}

#[test]
fn a_consumer_of_a_fork_begins_where_the_forest_says() {
    let (tree, [host, _], mut worker) = two_hosts(8);
    claim(&mut worker, id(1), &host, 4);
    release(&mut worker, id(1));
    let mut fork = tree.snapshot().fork();
    fork.claim(&cpus(id(1), &host, 2)).unwrap();
    assert_eq!(fork.allocations(id(1)).unwrap().unwrap().generation, 1);
    let receipts = worker.commit(&fork.to_batch()).unwrap();
    assert_eq!(receipts[0].generation, 2);
}

#[test]
fn a_difference_is_refused_when_capacity_went() {
    let (tree, [_, other], mut worker, fork) = moved();
    worker.take(&other, &[(VCPU, 5)]).unwrap();
    let error = refused(&tree, || worker.commit(&fork.to_batch()));
    assert_eq!(error, exceeded(&other, 4, 3));
    // As much as is left will do.
    worker.put_back(&other, &[(VCPU, 1)]).unwrap();
    assert_eq!(worker.commit(&fork.to_batch()).unwrap().len(), 2);

    let (tree, [_, other], mut worker, fork) = moved();
    tree.cordon(&other).unwrap();
    let error = refused(&tree, || worker.commit(&fork.to_batch()));
    assert_eq!(error, cordoned(&other));
}

#[test]
fn a_difference_is_refused_when_inventories_it_replaces_have_changed() {
    let (tree, [host, _], mut worker, fork) = moved();
    let expected = tree.configuration(&host).unwrap().generation;
    set(&tree, &host, of(VCPU, 20));
    let error = refused(&tree, || worker.commit(&fork.to_batch()));
    let (provider, actual) = (host.uuid(), expected + 1);
    assert_eq!(error, Error::GenerationConflict { provider, expected, actual });
}

#[test]
fn a_difference_is_committed_once() {
    let (tree, _, mut worker, fork) = moved();
    assert_eq!(worker.commit(&fork.to_batch()).unwrap().len(), 2);
    refused(&tree, || worker.commit(&fork.to_batch()));
    refused(&tree, || worker.commit(&fork.to_batch_if_unchanged()));
}

#[test]
fn a_fork_that_changed_nothing_differs_in_nothing() {
    for batch in [Fork::to_batch, Fork::to_batch_if_unchanged] {
        let mut it = Estate::new();
        let mut fork = it.tree.snapshot().fork();
        fork.claim(&cpus(id(3), &it.host, 1)).unwrap();
        fork.release(id(3)).unwrap();
        for (begin, end) in [(it.shut, it.host), (it.inner, it.bare)] {
            fork.uncordon(&begin).unwrap();
            fork.cordon(&begin).unwrap();
            fork.cordon(&end).unwrap();
            fork.uncordon(&end).unwrap();
        }
        fork.uncordon(&it.inner).unwrap();
        let dump = it.tree.snapshot().dump().unwrap();
        assert_eq!(it.worker.commit(&batch(&fork)), Ok(Vec::new()));
        assert_eq!(it.tree.snapshot().dump().unwrap(), dump);
    }
}

#[test]
fn of_forks_on_many_threads_one_is_committed() {
    for _ in 0..20 {
        let (tree, [host, _], mut worker) = two_hosts(8);
        claim(&mut worker, id(100), &host, 8);
        let snapshot = tree.snapshot();
        let start = std::sync::Barrier::new(6);
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..6)
                    .map(|seat| {
                        let (tree, snapshot, start) = (&tree, &snapshot, &start);
                        scope.spawn(move || {
                            let mut worker = tree.worker().unwrap();
                            let mut fork = snapshot.fork();
                            fork.release(id(100)).unwrap();
                            fork.claim(&cpus(id(seat), &host, 8)).unwrap();
                            let (batch, basis) = match seat % 2 {
                                0 => (fork.to_batch(), false),
                                _ => (fork.to_batch_if_unchanged(), true),
                            };
                            start.wait();
                            match worker.commit(&batch) {
                                Ok(_) => 1,
                                Err(Error::ConsumerConflict { actual: None, .. }) if !basis => 0,
                                Err(
                                    Error::ProviderChanged { .. } | Error::ConsumerChanged { .. },
                                ) if basis => 0,
                                Err(error) => panic!("{error:?}"),
                            }
                        })
                    })
                    .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((won, tree.usage(&host, VCPU).unwrap().used), (1, 8));
        assert_eq!(tree.snapshot().consumers().unwrap().len(), 1);
        assert!(tree.snapshot().audit().unwrap().holds());
    }
}

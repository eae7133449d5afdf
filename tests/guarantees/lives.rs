//! A consumer that has ended and begun again is another: no generation of it comes twice.

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Now, Provider, ProviderTree, Receipt, Result, Worker,
};
use uuid::Uuid;

use crate::rig::*;

type Begin = fn(&mut Worker, Uuid, &Provider) -> Result<Receipt>;
type End = fn(&ProviderTree, &mut Worker, Uuid) -> Result<Receipt>;

/// All ways in which a consumer can begin.
const BEGINNINGS: [(&str, Begin); 8] = [
    ("claim", |worker, it, host| worker.claim(&cpus(it, host, 1))),
    ("lease", |worker, it, host| Ok(worker.lease(&cpus(it, host, 1), Deadline(50))?.receipt())),
    ("replace", |worker, it, host| worker.replace(&cpus(it, host, 1), Expect::Any)),
    ("chain", |worker, it, host| worker.claim(&Claim::new(it).take_with_ancestors(host, VCPU, 1))),
    ("batch, claim", |worker, it, host| commit(worker, &Batch::new().claim(cpus(it, host, 1)))),
    ("batch, replace", |worker, it, host| {
        commit(worker, &Batch::new().replace(cpus(it, host, 1), Expect::Any))
    }),
    ("gang", |worker, it, host| worker.claim_gang(&[cpus(it, host, 1)], 1)?.remove(0)),
    ("partly", |worker, it, host| Ok(worker.claim_partly(&cpus(it, host, 1))?.receipt)),
];

/// All ways in which one can end, leased or not.
const ENDS: [(&str, End); 4] = [
    ("release", |_, worker, it| worker.release(it)),
    ("batch", |_, worker, it| commit(worker, &Batch::new().release(it, Expect::Any))),
    ("expire", |_, worker, it| match worker.expire(Now(50))?.first() {
        Some(ended) => Ok(*ended),
        None => worker.release(it),
    }),
    ("cancel", |tree, worker, it| match tree.lease_of(it) {
        Some(lease) => worker.cancel(&lease),
        None => worker.release(it),
    }),
];

fn commit(worker: &mut Worker, batch: &Batch) -> Result<Receipt> {
    Ok(worker.commit(batch)?[0])
}

/// Fails unless everything that rests on this generation of the consumer is refused.
fn check_is_over(tree: &ProviderTree, worker: &mut Worker, over: Receipt, host: &Provider) {
    let Receipt { consumer, generation: expected } = over;
    let expect = Expect::Generation(expected);
    let actual = tree.allocations(consumer).map(|held| held.generation);
    let conflict = Error::ConsumerConflict { consumer, expected, actual };
    let claim = cpus(consumer, host, 2);
    assert_eq!(refused(tree, || worker.replace(&claim, expect)), conflict);
    let batches =
        [Batch::new().release(consumer, expect), Batch::new().replace(claim.clone(), expect)];
    for batch in batches {
        assert_eq!(refused(tree, || worker.commit(&batch)), conflict);
    }
}

#[test]
fn no_life_is_taken_for_another() {
    for (end_name, end) in ENDS {
        let (tree, host, mut worker) = one_host(8);
        let mut over: Vec<Receipt> = Vec::new();
        for (begin_name, begin) in BEGINNINGS {
            let begun = begin(&mut worker, id(1), &host).unwrap();
            assert_eq!(tree.allocations(id(1)).unwrap().generation, begun.generation);
            for over in &over {
                assert!(over.generation < begun.generation, "{begin_name} after {end_name}");
                check_is_over(&tree, &mut worker, *over, &host);
            }
            let grown = worker.replace(&cpus(id(1), &host, 3), Expect::Any).unwrap();
            let ended = end(&tree, &mut worker, id(1)).unwrap();
            assert_eq!(ended, grown);
            assert_eq!(tree.allocations(id(1)), None);
            over.extend([begun, grown]);
            check_is_over(&tree, &mut worker, grown, &host);
        }
        assert_eq!(used(&tree, &host), 0);
    }
}

#[test]
fn a_batch_that_was_prepared_for_one_life_leaves_the_next_alone() {
    let (tree, [host, other], mut worker) = two_hosts(8);
    let first = worker.claim(&cpus(id(1), &host, 4)).unwrap();
    let batch = Batch::new().release(id(1), Expect::Generation(first.generation)).claim(cpus(
        id(2),
        &host,
        8,
    ));
    // Somebody else, meanwhile.
    let _receipt = worker.release(id(1)).unwrap();
    let second = worker.claim(&cpus(id(1), &other, 4)).unwrap();
    let conflict = Error::ConsumerConflict {
        consumer: id(1),
        expected: first.generation,
        actual: Some(second.generation),
    };
    assert_eq!(refused(&tree, || worker.commit(&batch)), conflict);
    assert_eq!(used(&tree, &other), 4);
}

#[test]
fn a_first_life_begins_at_one() {
    let (tree, host, mut worker) = one_host(1 << 20);
    for number in 0..2_000 {
        assert_eq!(worker.claim(&cpus(id(number), &host, 1)).unwrap().generation, 1);
        let _receipt = worker.replace(&cpus(id(number), &host, 2), Expect::Any).unwrap();
    }
    for number in 0..2_000 {
        let _receipt = worker.release(id(number)).unwrap();
    }
    for number in 0..2_000 {
        assert_eq!(worker.claim(&cpus(id(number), &host, 1)).unwrap().generation, 3);
    }
    // Or above another's that is counted with it.
    let shares = worker.claim(&cpus(id(4_096), &host, 1)).unwrap();
    assert_eq!(shares.generation, 3);
    drop(tree);
}

#[test]
fn what_a_mirror_has_set_counts_too() {
    let (tree, host, mut worker) = one_host(8);
    let mut put = |expect| worker.replace(&cpus(id(1), &host, 1), expect).unwrap().generation;
    assert_eq!([Expect::Mirror(100), Expect::Mirror(7), Expect::Any].map(&mut put), [100, 7, 8]);
    let mut worker = tree.worker().unwrap();
    let _receipt = worker.release(id(1)).unwrap();
    assert_eq!(worker.claim(&cpus(id(1), &host, 1)).unwrap().generation, 101);
    // In a batch, too.
    let batch = |expect| Batch::new().replace(cpus(id(1), &host, 1), expect);
    assert_eq!(commit(&mut worker, &batch(Expect::Mirror(3))).unwrap().generation, 3);
    let _receipt = worker.release(id(1)).unwrap();
    // The authority knows what it does.
    assert_eq!(commit(&mut worker, &batch(Expect::Mirror(5))).unwrap().generation, 5);
    let _receipt = worker.release(id(1)).unwrap();
    assert_eq!(commit(&mut worker, &batch(Expect::Any)).unwrap().generation, 102);
}

#[test]
fn a_life_that_was_loaded_counts_too() {
    let (tree, host, mut worker) = one_host(8);
    let _receipt = worker.claim(&cpus(id(1), &host, 1)).unwrap();
    let last = worker.replace(&cpus(id(1), &host, 1), Expect::Mirror(70)).unwrap();
    let copy = ProviderTree::load(&tree.snapshot().dump().unwrap()).unwrap();
    let host = copy.find("host").unwrap();
    let mut worker = copy.worker().unwrap();
    assert_eq!(worker.release(id(1)), Ok(last));
    assert_eq!(worker.claim(&cpus(id(1), &host, 1)).unwrap().generation, 71);
}

#[test]
fn a_refused_batch_ends_no_life() {
    let (tree, host, mut worker) = one_host(8);
    let _receipt = worker.replace(&cpus(id(1), &host, 1), Expect::Mirror(40)).unwrap();
    let batch = Batch::new().release(id(1), Expect::Any).claim(cpus(id(2), &host, 9));
    assert_eq!(refused(&tree, || worker.commit(&batch)), exceeded(&host, 9, 8));
    // One that would be counted with it begins as if nobody had tried.
    assert_eq!(worker.claim(&cpus(id(1 + 4_096), &host, 1)).unwrap().generation, 1);
}

#[test]
fn many_threads_never_see_a_generation_twice() {
    let (tree, host, _) = one_host(1 << 20);
    let seen = together(4, |_| {
        let mut worker = tree.worker().unwrap();
        let mut begun = Vec::new();
        for _ in 0..2_000 {
            if let Ok(receipt) = worker.claim(&cpus(id(1), &host, 1)) {
                begun.push(receipt.generation);
            }
            let _ = worker.release(id(1));
        }
        assert!(begun.is_sorted(), "{begun:?}");
        begun
    });
    let mut all: Vec<_> = seen.into_iter().flatten().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    // One for each life, as nothing was replaced.
    assert_eq!(all.last().copied(), Some(count as u64));
}

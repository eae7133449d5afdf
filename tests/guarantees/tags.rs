//! Tags: a number of the caller's, which goes with what a consumer holds.

use provider_tree::{
    Batch, Claim, Deadline, Error, Expect, Mirror, Now, ProviderTree, Result, Worker,
};
use shared::dumps::without_floors;
use uuid::Uuid;

use crate::rig::*;

fn tag(tree: &ProviderTree, consumer: Uuid) -> Option<u64> {
    let tag = tree.allocations(consumer).map(|held| held.tag);
    // Whatever shows the consumer shows the same.
    let snapshot = tree.snapshot();
    assert_eq!(snapshot.allocations(consumer).unwrap().map(|held| held.tag), tag);
    let all = snapshot.all_allocations().unwrap();
    let listed = all.iter().find(|held| held.consumer == consumer);
    assert_eq!(listed.map(|held| held.tag), tag);
    let dump = tree.snapshot().dump().unwrap();
    let dumped = dump.consumers.iter().find(|held| held.consumer == consumer);
    assert_eq!(dumped.map(|held| held.tag), tag);
    let loaded = ProviderTree::load(&dump).unwrap();
    assert_eq!(loaded.allocations(consumer).map(|held| held.tag), tag);
    let in_fork = snapshot.fork().allocations(consumer).unwrap();
    assert_eq!(in_fork.map(|held| held.tag), tag);
    let view = tree.view().with_holders().unwrap();
    for provider in tree.providers() {
        for (holder, of_holder) in view.holders(&provider).unwrap() {
            assert!(holder != consumer || Some(of_holder) == tag);
        }
    }
    tag
}

#[test]
fn a_new_consumer_has_the_tag_of_its_claim_however_it_is_made() {
    let (tree, [host, _], mut worker) = two_hosts(64);
    type Make = fn(&mut Worker, Claim) -> Result<()>;
    let ways: [Make; 6] = [
        |worker, claim| worker.claim(&claim).map(|_| ()),
        |worker, claim| worker.replace(&claim, Expect::Any).map(|_| ()),
        |worker, claim| worker.lease(&claim, Deadline(5)).map(|_| ()),
        |worker, claim| worker.claim_partly(&claim).map(|_| ()),
        |worker, claim| worker.claim_gang(&[claim], 1).map(|_| ()),
        |worker, claim| worker.commit(&Batch::new().claim(claim)).map(|_| ()),
    ];
    for make in ways {
        for (sets, has) in [(None, 0), (Some(0), 0), (Some(u64::MAX), u64::MAX)] {
            let claim = cpus(id(1), &host, 1);
            let claim = if let Some(tag) = sets { claim.with_tag(tag) } else { claim };
            assert_eq!(claim.tag(), sets);
            make(&mut worker, claim).unwrap();
            assert_eq!(tag(&tree, id(1)), Some(has));
            let _receipt = worker.release(id(1)).unwrap();
            assert_eq!(tag(&tree, id(1)), None);
        }
    }
}

#[test]
fn a_replacement_keeps_the_tag_or_sets_another() {
    let (tree, [host, other], mut worker) = two_hosts(64);
    let _receipt = worker.claim(&cpus(id(1), &host, 4).with_tag(7)).unwrap();
    let _receipt = worker.replace(&cpus(id(1), &other, 2), Expect::Any).unwrap();
    assert_eq!(tag(&tree, id(1)), Some(7));
    // The tag alone.
    let receipt = worker.replace(&cpus(id(1), &other, 2).with_tag(8), Expect::Any).unwrap();
    assert_eq!((receipt.generation, tag(&tree, id(1))), (3, Some(8)));
    let batch = Batch::new().replace(cpus(id(1), &host, 1), Expect::Any);
    worker.commit(&batch).unwrap();
    assert_eq!(tag(&tree, id(1)), Some(8));
    let batch = Batch::new().replace(cpus(id(1), &host, 1).with_tag(0), Expect::Any);
    worker.commit(&batch).unwrap();
    assert_eq!(tag(&tree, id(1)), Some(0));
}

#[test]
fn a_lease_keeps_its_tag() {
    let (tree, [host, _], mut worker) = two_hosts(64);
    let lease = worker.lease(&cpus(id(1), &host, 1).with_tag(7), Deadline(50)).unwrap();
    let _receipt = worker.renew(&lease, Deadline(60), Now(0)).unwrap();
    assert_eq!(tag(&tree, id(1)), Some(7));
    let _receipt = worker.confirm(&lease, Now(0)).unwrap();
    assert_eq!(tag(&tree, id(1)), Some(7));
}

#[test]
fn a_claim_with_another_tag_is_not_held_already() {
    let (tree, [host, _], mut worker) = two_hosts(64);
    let one = || cpus(id(1), &host, 1);
    let _receipt = worker.claim(&one().with_tag(7)).unwrap();
    let already = Error::AlreadyHeld { consumer: id(1), generation: 1 };
    let exists = Error::ConsumerExists { consumer: id(1), generation: 1 };
    for (claim, error) in
        [(one().with_tag(7), &already), (one(), &already), (one().with_tag(8), &exists)]
    {
        assert_eq!(refused(&tree, || worker.claim(&claim)), *error);
        assert_eq!(tree.snapshot().fork().claim(&claim), Err(error.clone()));
    }
}

#[test]
fn a_fork_has_the_tag_that_its_commit_leads_to() {
    let (tree, [host, other], mut worker) = two_hosts(64);
    let _receipt = worker.claim(&cpus(id(1), &host, 1).with_tag(7)).unwrap();
    let _receipt = worker.claim(&cpus(id(2), &host, 1).with_tag(8)).unwrap();
    let _receipt = worker.claim(&cpus(id(3), &host, 1).with_tag(9)).unwrap();
    let mut fork = tree.snapshot().fork();
    // Kept; set; ended and begun again; new.
    fork.replace(&cpus(id(1), &other, 1)).unwrap();
    fork.replace(&cpus(id(2), &other, 1).with_tag(18)).unwrap();
    fork.release(id(3)).unwrap();
    fork.claim(&cpus(id(3), &other, 1)).unwrap();
    fork.claim(&cpus(id(4), &other, 1).with_tag(14)).unwrap();
    let tags = [1, 2, 3, 4].map(|number| fork.allocations(id(number)).unwrap().unwrap().tag);
    assert_eq!(tags, [7, 18, 0, 14]);
    worker.commit(&fork.to_batch()).unwrap();
    assert_eq!([1, 2, 3, 4].map(|number| tag(&tree, id(number)).unwrap()), tags);
}

#[test]
fn a_change_of_the_tag_alone_is_a_change() {
    let (tree, [host, _], mut worker) = two_hosts(64);
    let _receipt = worker.claim(&cpus(id(1), &host, 1).with_tag(7)).unwrap();
    let mut feed = tree.subscribe(&tree.snapshot());
    let mut mirror = Mirror::new(feed.position()).unwrap();
    let mut view = tree.view().with_holders().unwrap();
    let _receipt = worker.replace(&cpus(id(1), &host, 1).with_tag(8), Expect::Any).unwrap();
    let changes = feed.poll().unwrap();
    let [change] = &changes.consumers[..] else { panic!("one: {changes:?}") };
    let tags = [&change.before, &change.after].map(|held| held.as_ref().unwrap().tag);
    assert_eq!(tags, [7, 8]);
    mirror.apply(&changes).unwrap();
    assert_eq!(mirror.dump(), without_floors(tree.snapshot().dump().unwrap()));
    view.refresh();
    assert_eq!(view.holders(&host), Ok(vec![(id(1), 8)]));
}

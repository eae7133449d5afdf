//! Contests, round after round: all start at once, and what one can have goes to exactly one.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use provider_tree::{
    Claim, Error, Expect, Inventories, Inventory, Provider, ProviderTree, Result, Worker,
};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::rig::{Gust, Storm};
use crate::{THREADS, VCPU};

/// One round: what the thread in each seat tries, and what has to come of it.
struct Contest {
    attempt: Box<Attempt>,
    judge: Box<Judge>,
}

type Attempt = dyn Fn(usize, &mut Worker) -> Result<()> + Send + Sync;
type Judge = dyn FnOnce(&[Result<()>], &mut Worker) + Send + Sync;

impl Contest {
    fn new(
        attempt: impl Fn(usize, &mut Worker) -> Result<()> + Send + Sync + 'static,
        judge: impl FnOnce(&[Result<()>], &mut Worker) + Send + Sync + 'static,
    ) -> Self {
        Contest { attempt: Box::new(attempt), judge: Box::new(judge) }
    }
}

type Prepare = fn(&ProviderTree, &mut Worker, u64) -> Contest;

const CONTESTS: [(&str, Prepare); 18] = [
    ("same uuid", same_uuid),
    ("same name", same_name),
    ("same uuid and name", same_uuid_and_name),
    ("same new name", same_new_name),
    ("same consumer", same_consumer),
    ("same replacement", same_replacement),
    ("any replacement", any_replacement),
    ("any replacement or release", any_replacement_or_release),
    ("same release", same_release),
    ("same removal", same_removal),
    ("same generation", same_generation),
    ("last unit", last_unit),
    ("last unit for no consumer", last_unit_for_no_consumer),
    ("last unit of two", last_unit_of_two),
    ("claim or removal", claim_or_removal),
    ("child or removal", child_or_removal),
    ("changes or removal", changes_or_removal),
    ("opposite moves", opposite_moves),
];

/// The only one that succeeded; all others were refused as `expected`.
fn winner(outcomes: &[Result<()>], expected: impl Fn(&Error) -> bool) -> usize {
    let won = |(seat, outcome): (usize, &Result<()>)| outcome.is_ok().then_some(seat);
    let winners: Vec<usize> = outcomes.iter().enumerate().filter_map(won).collect();
    let explained = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(expected);
    assert!(winners.len() == 1 && explained, "{outcomes:?}");
    winners[0]
}

fn host(tree: &ProviderTree, name: &str, cpus: u64) -> Provider {
    let host = tree.create_root(name, None).expect("a new name");
    let inventories = Inventories::new().with(VCPU, Inventory::new(cpus));
    tree.configure(&host, inventories, Expect::Any).expect("it exists");
    host
}

fn used(tree: &ProviderTree, host: &Provider) -> u64 {
    tree.usage(host, VCPU).expect("it exists").used
}

fn consumer(round: u64, seat: usize) -> Uuid {
    Uuid::from_u64_pair(round, seat as u64)
}

/// One name per seat.
fn own_name(seat: usize) -> String {
    format!("of-{seat}")
}

/// After a round: nothing is left of it.
fn clear(tree: &ProviderTree) {
    for root in tree.roots() {
        tree.remove(&root).expect("nothing is held from it");
    }
    assert!(tree.providers().is_empty() && tree.snapshot().consumers().unwrap().is_empty());
}

fn same_uuid(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let uuid = Uuid::from_u128(round.into());
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, _| theirs.create_root(&own_name(seat), uuid).map(|_| ()),
        move |outcomes, _| {
            let winner = winner(outcomes, |error| *error == Error::UuidExists { uuid });
            let found = tree.find(uuid);
            assert_eq!(tree.providers(), Vec::from_iter(found));
            for seat in 0..THREADS {
                let expected = found.filter(|_| seat == winner);
                assert_eq!(tree.find(&own_name(seat)), expected);
            }
        },
    )
}

fn same_name(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, _| theirs.create_root("the-name", consumer(round, seat)).map(|_| ()),
        move |outcomes, _| {
            let refused = Error::NameExists { name: "the-name".into() };
            let winner = winner(outcomes, |error| *error == refused);
            let found = tree.find("the-name");
            assert_eq!(tree.providers(), Vec::from_iter(found));
            for seat in 0..THREADS {
                let expected = found.filter(|_| seat == winner);
                assert_eq!(tree.find(consumer(round, seat)), expected);
            }
        },
    )
}

fn same_uuid_and_name(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let uuid = Uuid::from_u128(round.into());
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |_, _| theirs.create_root("the-name", uuid).map(|_| ()),
        move |outcomes, _| {
            winner(outcomes, |error| {
                matches!(error, Error::UuidExists { .. } | Error::NameExists { .. })
            });
            assert_eq!(tree.providers(), Vec::from_iter(tree.find(uuid)));
            assert_eq!(tree.providers(), Vec::from_iter(tree.find("the-name")));
        },
    )
}

fn same_new_name(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let create = |seat| tree.create_root(&own_name(seat), None).expect("a new name");
    let providers: Vec<Provider> = (0..THREADS).map(create).collect();
    let (theirs, tree, all) = (tree.clone(), tree.clone(), providers.clone());
    Contest::new(
        move |seat, _| theirs.rename(&providers[seat], "the-name"),
        move |outcomes, _| {
            let refused = Error::NameExists { name: "the-name".into() };
            let winner = winner(outcomes, |error| *error == refused);
            assert_eq!(tree.find("the-name"), Some(all[winner]));
            for (seat, provider) in all.iter().enumerate() {
                let expected = Some(*provider).filter(|_| seat != winner);
                assert_eq!(tree.find(&own_name(seat)), expected);
            }
        },
    )
}

fn same_consumer(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 1000);
    let consumer = consumer(round, 0);
    let tree = tree.clone();
    let amount = |seat: usize| seat as u64 + 1;
    Contest::new(
        move |seat, worker| {
            worker.claim(&Claim::new(consumer).take(&host, VCPU, amount(seat))).map(|_| ())
        },
        move |outcomes, worker| {
            let generation = tree.allocations(consumer).expect("nobody has released it").generation;
            let exists = Error::ConsumerExists { consumer, generation };
            let winner = winner(outcomes, |error| *error == exists);
            assert_eq!(used(&tree, &host), amount(winner));
            assert_eq!(tree.snapshot().consumers().unwrap(), [consumer]);
            assert!(worker.release(consumer).is_ok());
        },
    )
}

/// There is room for any but not for any two: it is the consumer that refuses, not the host.
fn same_replacement(tree: &ProviderTree, worker: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 100 + THREADS as u64);
    let consumer = consumer(round, 0);
    let first = worker.claim(&Claim::new(consumer).take(&host, VCPU, 1));
    let first = first.expect("it fits").generation;
    let tree = tree.clone();
    let amount = |seat: usize| 101 + seat as u64;
    Contest::new(
        move |seat, worker| {
            let claim = Claim::new(consumer).take(&host, VCPU, amount(seat));
            worker.replace(&claim, Expect::Generation(first)).map(|_| ())
        },
        move |outcomes, worker| {
            let (expected, next) = (first, first + 1);
            let conflict = Error::ConsumerConflict { consumer, expected, actual: Some(next) };
            let winner = winner(outcomes, |error| *error == conflict);
            assert_eq!(used(&tree, &host), amount(winner));
            assert!(worker.release(consumer).is_ok_and(|receipt| receipt.generation == next));
        },
    )
}

/// Nobody but one consumer wants anything of the host, so that whatever it held before makes room
/// for whatever it wants instead: all win, one after the other.
fn any_replacement(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 100);
    let consumer = consumer(round, 0);
    let tree = tree.clone();
    Contest::new(
        move |seat, worker| {
            let claim = Claim::new(consumer).take(&host, VCPU, 100 - seat as u64);
            worker.replace(&claim, Expect::Any).map(|_| ())
        },
        move |outcomes, worker| {
            assert!(outcomes.iter().all(|outcome| outcome.is_ok()), "{outcomes:?}");
            let held = tree.allocations(consumer).expect("nobody has released it");
            assert!(held.generation >= THREADS as u64);
            assert_eq!(held.allocations[0].amount, used(&tree, &host));
            assert!(worker.release(consumer).is_ok());
        },
    )
}

/// The same while others release the consumer.
fn any_replacement_or_release(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 100);
    let consumer = consumer(round, 0);
    let tree = tree.clone();
    Contest::new(
        move |seat, worker| match seat % 2 {
            0 => {
                let claim = Claim::new(consumer).take(&host, VCPU, 100 - seat as u64);
                worker.replace(&claim, Expect::Any).map(|_| ())
            }
            _ => worker.release(consumer).map(|_| ()),
        },
        move |outcomes, worker| {
            let (replacements, releases) = by_turns(outcomes);
            assert!(replacements.iter().all(|outcome| outcome.is_ok()), "{outcomes:?}");
            let absent = Error::ConsumerNotFound { consumer };
            let known =
                |release: &Result<()>| release.as_ref().err().is_none_or(|it| *it == absent);
            assert!(releases.iter().all(known), "{outcomes:?}");
            if let Some(held) = tree.allocations(consumer) {
                assert_eq!(held.allocations[0].amount, used(&tree, &host));
                assert!(worker.release(consumer).is_ok());
            }
            assert_eq!(used(&tree, &host), 0);
        },
    )
}

fn same_release(tree: &ProviderTree, worker: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 1000);
    let consumer = consumer(round, 0);
    assert!(worker.claim(&Claim::new(consumer).take(&host, VCPU, 100)).is_ok());
    let tree = tree.clone();
    Contest::new(
        move |_, worker| worker.release(consumer).map(|_| ()),
        move |outcomes, _| {
            winner(outcomes, |error| *error == Error::ConsumerNotFound { consumer });
            assert_eq!(used(&tree, &host), 0);
        },
    )
}

fn same_removal(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let host = host(tree, "host", 1);
    let child = tree.create_child(&host, "child", None).expect("a new name");
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |_, _| theirs.remove(&host).map(|count| assert_eq!(count, 2)),
        move |outcomes, _| {
            winner(outcomes, |error| *error == Error::Removed { provider: host.uuid() });
            assert_eq!((tree.find(host.uuid()), tree.find(child.uuid())), (None, None));
            assert_eq!((tree.find("host"), tree.find("child")), (None, None));
        },
    )
}

fn same_generation(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let host = host(tree, "host", 1000);
    let (theirs, tree) = (tree.clone(), tree.clone());
    let total = |seat: usize| seat as u64 + 1;
    Contest::new(
        move |seat, _| {
            let inventories = Inventories::new().with(VCPU, Inventory::new(total(seat)));
            let changed = theirs.configure(&host, inventories, Expect::Generation(1));
            changed.map(|set| assert_eq!(set.generation, 2))
        },
        move |outcomes, _| {
            let provider = host.uuid();
            let conflict = Error::GenerationConflict { provider, expected: 1, actual: 2 };
            let winner = winner(outcomes, |error| *error == conflict);
            let usage = tree.usage(&host, VCPU).expect("it exists");
            assert_eq!(usage.capacity, total(winner));
            let data = tree.configuration(&host).expect("it exists");
            assert_eq!(data.inventories.get(VCPU).expect("it has some").total, total(winner));
        },
    )
}

fn last_unit(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let host = host(tree, "host", 1);
    let tree = tree.clone();
    Contest::new(
        move |seat, worker| {
            worker.claim(&Claim::new(consumer(round, seat)).take(&host, VCPU, 1)).map(|_| ())
        },
        move |outcomes, worker| {
            let winner = winner(outcomes, |error| *error == exceeded(&host));
            assert_eq!(used(&tree, &host), 1);
            assert_eq!(tree.snapshot().consumers().unwrap(), [consumer(round, winner)]);
            assert!(worker.release(consumer(round, winner)).is_ok());
        },
    )
}

/// The last unit of `host` is gone.
fn exceeded(host: &Provider) -> Error {
    Error::CapacityExceeded { provider: host.uuid(), class: VCPU, requested: 1, free: 0 }
}

fn last_unit_for_no_consumer(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let host = host(tree, "host", 1);
    let tree = tree.clone();
    Contest::new(
        move |_, worker| worker.take(&host, &[(VCPU, 1)]),
        move |outcomes, worker| {
            winner(outcomes, |error| *error == exceeded(&host));
            assert_eq!(used(&tree, &host), 1);
            assert_eq!(worker.put_back(&host, &[(VCPU, 1)]), Ok(()));
        },
    )
}

/// Gangs want the last unit of two hosts, in either order: no two can block each other.
fn last_unit_of_two(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let hosts = ["one", "two"].map(|name| host(tree, name, 1));
    let tree = tree.clone();
    Contest::new(
        move |seat, worker| {
            let (first, second) = (&hosts[seat % 2], &hosts[1 - seat % 2]);
            let gang = Claim::new(consumer(round, seat)).take(first, VCPU, 1);
            worker.claim(&gang.take(second, VCPU, 1)).map(|_| ())
        },
        move |outcomes, worker| {
            let refusals = hosts.each_ref().map(exceeded);
            let winner = winner(outcomes, |error| refusals.contains(error));
            assert_eq!(hosts.each_ref().map(|host| used(&tree, host)), [1, 1]);
            assert!(worker.release(consumer(round, winner)).is_ok());
        },
    )
}

/// Half the threads claim from a child, half remove its parent: either all claims pass and no
/// removal, or one removal and no claim.
fn claim_or_removal(tree: &ProviderTree, _: &mut Worker, round: u64) -> Contest {
    let root = tree.create_root("root", None).expect("a new name");
    let host = host(tree, "host", 1000);
    tree.reparent(&host, Some(&root)).expect("both exist");
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, worker| match seat % 2 {
            0 => worker.claim(&Claim::new(consumer(round, seat)).take(&host, VCPU, 1)).map(|_| ()),
            _ => theirs.remove(&root).map(|count| assert_eq!(count, 2)),
        },
        move |outcomes, worker| {
            let (claims, removals) = by_turns(outcomes);
            if tree.find(root.uuid()).is_some() {
                assert!(claims.iter().all(|claim| claim.is_ok()), "{outcomes:?}");
                let in_use = |removal: &Result<()>| {
                    matches!(removal, Err(Error::InUse { provider, class: VCPU, used: 1.. })
                        if *provider == host.uuid())
                };
                assert!(removals.iter().all(in_use), "{outcomes:?}");
                assert_eq!(used(&tree, &host), claims.len() as u64);
                let seats = (0..THREADS).step_by(2);
                seats.for_each(|seat| assert!(worker.release(consumer(round, seat)).is_ok()));
            } else {
                winner(&removals, |error| *error == Error::Removed { provider: root.uuid() });
                let removed = Err(Error::Removed { provider: host.uuid() });
                assert!(claims.iter().all(|claim| *claim == removed), "{outcomes:?}");
            }
        },
    )
}

/// Half the threads create a child, half remove the parent if it has none.
fn child_or_removal(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let parent = tree.create_root("parent", None).expect("a new name");
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, _| match seat % 2 {
            0 => theirs.create_child(&parent, &own_name(seat), None).map(|_| ()),
            _ => theirs.remove_leaf(&parent),
        },
        move |outcomes, _| {
            let (creations, removals) = by_turns(outcomes);
            let removed = Error::Removed { provider: parent.uuid() };
            if let Ok(children) = tree.children(&parent) {
                let refused = Err(Error::HasChildren { provider: parent.uuid() });
                assert!(creations.iter().all(|creation| creation.is_ok()), "{outcomes:?}");
                assert!(removals.iter().all(|removal| *removal == refused), "{outcomes:?}");
                assert_eq!(children.len(), creations.len());
            } else {
                winner(&removals, |error| *error == removed);
                let refused = Err(removed);
                assert!(creations.iter().all(|creation| *creation == refused), "{outcomes:?}");
                assert!(tree.providers().is_empty());
            }
        },
    )
}

/// Half the threads move, rename and configure a child, half remove it: one removal passes, and
/// changes do as long as it has not.
fn changes_or_removal(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let parent = tree.create_root("parent", None).expect("a new name");
    let child = tree.create_child(&parent, "child", None).expect("a new name");
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, _| match seat {
            0 => theirs.reparent(&child, None),
            2 => theirs.reparent(&child, Some(&parent)),
            4 => theirs.rename(&child, "kid"),
            6 => theirs.configure(&child, Inventories::new(), Expect::Any).map(|_| ()),
            _ => theirs.remove(&child).map(|count| assert_eq!(count, 1)),
        },
        move |outcomes, _| {
            let (changes, removals) = by_turns(outcomes);
            let removed = Error::Removed { provider: child.uuid() };
            winner(&removals, |error| *error == removed);
            let known = |change: &Result<()>| change.as_ref().err().is_none_or(|it| *it == removed);
            assert!(changes.iter().all(known), "{outcomes:?}");
            assert_eq!(tree.providers(), [parent]);
            assert_eq!((tree.find("child"), tree.find("kid")), (None, None));
        },
    )
}

/// Half the threads move one tree below another's leaf, half the other way round.
fn opposite_moves(tree: &ProviderTree, _: &mut Worker, _: u64) -> Contest {
    let pair = |root: &str, leaf: &str| {
        let root = tree.create_root(root, None).expect("a new name");
        (root, tree.create_child(&root, leaf, None).expect("a new name"))
    };
    let pairs = [pair("one", "one's"), pair("two", "two's")];
    let (theirs, tree) = (tree.clone(), tree.clone());
    Contest::new(
        move |seat, _| theirs.reparent(&pairs[seat % 2].0, Some(&pairs[1 - seat % 2].1)),
        move |outcomes, _| {
            let roots = tree.roots();
            let moved = usize::from(roots == [pairs[0].0]);
            let ((top, middle), (moved_root, bottom)) = (pairs[1 - moved], pairs[moved]);
            assert_eq!(tree.subtree(&top), Ok(vec![top, middle, moved_root, bottom]));
            assert_eq!((roots, tree.providers().len()), (vec![top], 4));
            let cycle = Error::WouldCycle { provider: top.uuid(), parent: bottom.uuid() };
            for (seat, outcome) in outcomes.iter().enumerate() {
                let expected = if seat % 2 == moved { Ok(()) } else { Err(cycle.clone()) };
                assert_eq!(*outcome, expected, "{outcomes:?}");
            }
        },
    )
}

/// The outcomes of the even seats, and of the odd ones.
fn by_turns(outcomes: &[Result<()>]) -> (Vec<Result<()>>, Vec<Result<()>>) {
    let from = |first| outcomes.iter().skip(first).step_by(2).cloned().collect();
    (from(0), from(1))
}

/// What the threads of a round share.
struct Ring {
    tree: ProviderTree,
    /// The contest at hand; none when all is over.
    contest: RwLock<Option<Contest>>,
    outcomes: [Mutex<Option<Result<()>>>; THREADS],
}

impl Ring {
    fn new() -> Self {
        Ring {
            tree: ProviderTree::new(),
            contest: RwLock::new(None),
            outcomes: std::array::from_fn(|_| Mutex::new(None)),
        }
    }

    /// Takes part in all rounds. The first seat prepares and judges them too.
    fn compete(&self, gust: &mut Gust<'_>) {
        let mut worker = self.tree.worker().expect("a worker");
        for round in 1.. {
            if gust.seat == 0 {
                *self.contest() = gust.blows().then(|| self.prepare(&mut worker, round));
            }
            if !gust.meet() || !self.attempt(gust, &mut worker) || !gust.meet() {
                return;
            }
            if gust.seat == 0 {
                self.judge(gust, &mut worker, round);
            }
        }
    }

    fn prepare(&self, worker: &mut Worker, round: u64) -> Contest {
        let (_, prepare) = in_turn(round);
        prepare(&self.tree, worker, round)
    }

    /// False if there is no contest any more.
    fn attempt(&self, gust: &mut Gust<'_>, worker: &mut Worker) -> bool {
        let contest = self.contest.read().unwrap_or_else(PoisonError::into_inner);
        let Some(contest) = &*contest else { return false };
        let outcome = (contest.attempt)(gust.seat, worker);
        *self.outcome(gust.seat) = Some(outcome);
        true
    }

    fn judge(&self, gust: &mut Gust<'_>, worker: &mut Worker, round: u64) {
        let outcome = |seat| self.outcome(seat).take().expect("each seat has tried");
        let outcomes: Vec<Result<()>> = (0..THREADS).map(outcome).collect();
        let contest = self.contest().take().expect("a round has a contest");
        (contest.judge)(&outcomes, worker);
        if round.is_multiple_of(64) {
            assert!(self.tree.snapshot().audit().unwrap().holds());
        }
        clear(&self.tree);
        let (name, _) = in_turn(round);
        gust.count(name);
        if outcomes.first().is_some_and(|outcome| outcome.is_err()) {
            gust.count("rounds that the first seat lost");
        }
    }

    fn contest(&self) -> RwLockWriteGuard<'_, Option<Contest>> {
        self.contest.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self, seat: usize) -> MutexGuard<'_, Option<Result<()>>> {
        self.outcomes[seat].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_turn(round: u64) -> &'static (&'static str, Prepare) {
    &CONTESTS[round as usize % CONTESTS.len()]
}

#[test]
fn one_winner_each() {
    let ring = Ring::new();
    let mut storm = Storm::new("one_winner_each");
    for _ in 0..THREADS {
        storm.thread("rival", |gust| {
            ring.compete(gust);
        });
    }
    let tally = storm.run();
    assert!(CONTESTS.iter().all(|(name, _)| tally.of(name) > 0));
    assert!(ring.tree.snapshot().audit().unwrap().holds());
    assert_no_leaks(&ring.tree);
}

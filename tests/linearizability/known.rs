//! Histories written by hand: what the checker has to reject, and what it has to explain.

use linearize::linearize;
use provider_tree::{
    Allocation, Allocations, Error, Expect, Receipt, ResourceClass, Trait, Updated, Usage,
};
use uuid::Uuid;

use crate::history::{Event, History};
use crate::model::Model;
use crate::operation::{Answer, Handle, Op, Outcome, Stock, Stocks};

const VCPU: ResourceClass = ResourceClass::VCPU;

/// The two providers that most histories begin with.
const HOST: Handle = Handle { uuid: Uuid::from_u128(1), life: 0 };
const OTHER: Handle = Handle { uuid: Uuid::from_u128(2), life: 0 };

const ONE: Uuid = Uuid::from_u128(8);
const TWO: Uuid = Uuid::from_u128(9);

type Interval = std::ops::Range<u64>;

/// Calls of one thread, each with when it was invoked and when it responded.
struct Thread<const N: usize>([(Interval, Op<Handle>, Outcome<Handle>); N]);

impl<const N: usize> Thread<N> {
    fn add_to(self, history: &mut History, thread: usize) {
        let event = |(interval, op, outcome): (Interval, _, _)| {
            let Interval { start: invoked, end: responded } = interval;
            Event { thread, invoked, responded, op, outcome }
        };
        history.events.extend(self.0.map(event));
        history.events.sort_by_key(|event| event.invoked);
    }
}

/// What a change answers that leads to this generation.
fn updated(generation: u64) -> Answer<Handle> {
    Answer::Updated(Updated { changed: true, generation, overcommitted: false })
}

/// Two roots of one VCPU each. What follows begins at 10.
fn hosts() -> History {
    let stocks = Stocks::from([(VCPU, Stock::of(1))]);
    let set = |handle| Op::SetInventories(handle, stocks.clone(), Expect::Any);
    let mut history = History { seed: 0, initial: Model::default(), events: Vec::new() };
    let setup = Thread([
        (0..1, Op::CreateRoot(HOST.uuid, "a"), Ok(Answer::Created(HOST))),
        (2..3, set(HOST), Ok(updated(1))),
        (4..5, Op::CreateRoot(OTHER.uuid, "b"), Ok(Answer::Created(OTHER))),
        (6..7, set(OTHER), Ok(updated(1))),
    ]);
    setup.add_to(&mut history, 0);
    history
}

fn history<const A: usize, const B: usize>(first: Thread<A>, second: Thread<B>) -> History {
    let mut history = hosts();
    first.add_to(&mut history, 0);
    second.add_to(&mut history, 1);
    history
}

fn claim(consumer: Uuid) -> Op<Handle> {
    Op::Claim(consumer, vec![(HOST, VCPU, 1)])
}

fn receipt(consumer: Uuid, generation: u64) -> Outcome<Handle> {
    Ok(Answer::Receipt(Receipt { consumer, generation }))
}

fn usage(used: u64) -> Outcome<Handle> {
    Ok(Answer::Usage(Usage { capacity: 1, used }))
}

fn full() -> Outcome<Handle> {
    Err(Error::CapacityExceeded { provider: HOST.uuid, class: VCPU, requested: 1, free: 0 })
}

fn removed() -> Outcome<Handle> {
    Err(Error::Removed { provider: HOST.uuid })
}

fn assert_rejected(history: &History) {
    let order = linearize(history);
    assert!(order.is_err(), "explained by {:?}", order.ok());
}

/// The history has one explanation: the calls in this order, counted by invocation.
fn assert_explained(history: &History, order: &[usize]) {
    let found = linearize(history).unwrap_or_else(|rejected| panic!("{rejected}"));
    assert_eq!(found[hosts().events.len()..], *order);
}

#[test]
fn two_claims_of_the_last_unit_do_not_both_succeed() {
    assert_rejected(&history(
        Thread([(10..13, claim(ONE), receipt(ONE, 1))]),
        Thread([(11..12, claim(TWO), receipt(TWO, 1))]),
    ));
}

#[test]
fn a_claim_shows_in_every_later_read() {
    let read = |interval, used| (interval, Op::Usage(HOST, VCPU), usage(used));
    let claimed = || Thread([(10..12, claim(ONE), receipt(ONE, 1))]);
    assert_rejected(&history(claimed(), Thread([read(13..14, 0)])));
    assert_rejected(&history(claimed(), Thread([read(8..9, 1)])));
    assert_rejected(&history(
        Thread([(10..20, claim(ONE), receipt(ONE, 1))]),
        Thread([read(11..12, 1), read(13..14, 0)]),
    ));
}

#[test]
fn two_creations_of_one_uuid_or_name_do_not_both_succeed() {
    let create = |number, name, life| {
        let uuid = Uuid::from_u128(number);
        (Op::CreateRoot(uuid, name), Ok(Answer::Created(Handle { uuid, life })))
    };
    let both = |(first, one): (_, _), (second, two): (_, _)| {
        history(Thread([(10..13, first, one)]), Thread([(11..12, second, two)]))
    };
    assert_rejected(&both(create(3, "c", 0), create(3, "d", 1)));
    assert_rejected(&both(create(3, "c", 0), create(4, "c", 0)));
    let explained = both(create(3, "c", 0), create(4, "d", 0));
    assert!(linearize(&explained).is_ok());
}

#[test]
fn a_claim_is_not_refused_for_want_of_what_is_free_all_the_time() {
    assert_rejected(&history(Thread([]), Thread([(10..12, claim(ONE), full())])));
    assert_rejected(&history(
        Thread([
            (10..11, claim(ONE), receipt(ONE, 1)),
            (12..13, Op::Release(ONE), receipt(ONE, 1)),
            (30..31, claim(ONE), receipt(ONE, 1)),
        ]),
        Thread([(14..29, claim(TWO), full())]),
    ));
}

#[test]
fn nothing_is_removed_before_its_removal_begins() {
    let remove = || (Op::Remove(HOST), Ok(Answer::Removed(1)));
    let ((op, outcome), name) = (remove(), Op::Name(HOST));
    let after = Thread([(20..21, op, outcome)]);
    assert_rejected(&history(Thread([(10..19, name, removed())]), after));
    let ((op, outcome), name) = (remove(), Op::Name(HOST));
    let meanwhile = Thread([(18..21, op, outcome)]);
    assert_explained(&history(Thread([(10..19, name, removed())]), meanwhile), &[5, 4]);
}

#[test]
fn two_changes_do_not_make_one_generation() {
    let traits = [Trait::MISC_SHARES_VIA_AGGREGATE].into();
    let set = Op::SetTraits(HOST, traits, Expect::Any);
    let unset = Op::SetTraits(HOST, [].into(), Expect::Any);
    assert_rejected(&history(
        Thread([(10..13, set, Ok(updated(2)))]),
        Thread([(11..12, unset, Ok(updated(2)))]),
    ));
}

#[test]
fn a_move_of_a_consumer_is_not_seen_half_done() {
    let moved = Op::Replace(ONE, vec![(OTHER, VCPU, 1)], Expect::Any);
    let mover = || {
        Thread([(10..11, claim(ONE), receipt(ONE, 1)), (12..30, moved.clone(), receipt(ONE, 2))])
    };
    let reads = |here, there| {
        Thread([
            (13..14, Op::Usage(OTHER, VCPU), usage(there)),
            (15..16, Op::Usage(HOST, VCPU), usage(here)),
        ])
    };
    assert_rejected(&history(mover(), reads(1, 1)));
    assert_explained(&history(mover(), reads(0, 0)), &[4, 6, 5, 7]);
    assert_explained(&history(mover(), reads(0, 1)), &[4, 5, 6, 7]);
}

#[test]
fn a_replacement_is_not_refused_for_want_of_what_its_consumer_holds() {
    let replace = || Op::Replace(ONE, vec![(HOST, VCPU, 1)], Expect::Any);
    let first = || Thread([(11..12, replace(), receipt(ONE, 1))]);
    assert_rejected(&history(first(), Thread([(10..13, replace(), full())])));
    let second = Thread([(10..13, replace(), receipt(ONE, 2))]);
    assert_explained(&history(first(), second), &[5, 4]);
}

#[test]
fn allocations_are_all_or_nothing() {
    let both = Op::Claim(ONE, vec![(HOST, VCPU, 1), (OTHER, VCPU, 1)]);
    let half = Allocations {
        consumer: ONE,
        generation: 1,
        deadline: None,
        tag: 0,
        allocations: vec![Allocation::new(HOST.uuid, VCPU, 1)],
    };
    assert_rejected(&history(
        Thread([(10..20, both, receipt(ONE, 1))]),
        Thread([(11..12, Op::Allocations(ONE), Ok(Answer::Allocations(Some(half))))]),
    ));
}

#[test]
fn a_handle_never_comes_to_mean_another_provider() {
    let again = |life| {
        let created = Ok(Answer::Created(Handle { life, ..HOST }));
        history(
            Thread([(10..11, Op::Remove(HOST), Ok(Answer::Removed(1)))]),
            Thread([
                (12..13, Op::CreateRoot(HOST.uuid, "a"), created),
                (14..15, Op::Name(HOST), removed()),
            ]),
        )
    };
    assert_rejected(&again(0));
    assert_explained(&again(1), &[4, 5, 6]);
}

#[test]
fn an_answer_out_of_thin_air_is_rejected() {
    let refused = Err(Error::ConsumerExists { consumer: ONE, generation: 1 });
    assert_rejected(&history(Thread([]), Thread([(10..11, claim(ONE), refused)])));
    let found = Ok(Answer::Found(Some(OTHER)));
    assert_rejected(&history(Thread([]), Thread([(10..11, Op::FindByName("a"), found)])));
    let order = Ok(Answer::Walk(vec![OTHER, HOST]));
    assert_rejected(&history(Thread([]), Thread([(10..11, Op::Providers, order)])));
}

#[test]
fn what_overlaps_may_have_happened_in_another_order_than_it_began_or_ended() {
    // The refusal began first and rests on the claim; the second claim rests on the release.
    let explained = history(
        Thread([
            (11..21, claim(ONE), receipt(ONE, 1)),
            (22..30, Op::Release(ONE), receipt(ONE, 1)),
        ]),
        Thread([(10..20, claim(TWO), full()), (23..24, claim(TWO), receipt(TWO, 1))]),
    );
    assert_explained(&explained, &[5, 4, 6, 7]);
    // The read ended first and shows what began after it.
    let read = Thread([(10..12, Op::Usage(HOST, VCPU), usage(1))]);
    assert_explained(&history(Thread([(11..20, claim(ONE), receipt(ONE, 1))]), read), &[5, 4]);
}

#[test]
fn of_a_child_and_the_removal_of_its_parent_one_succeeds() {
    let child = Handle { uuid: Uuid::from_u128(3), life: 0 };
    let both = |created, count| {
        history(
            Thread([(10..20, Op::CreateChild(HOST, child.uuid, "c"), created)]),
            Thread([(11..12, Op::Remove(HOST), Ok(Answer::Removed(count)))]),
        )
    };
    assert_explained(&both(removed(), 1), &[5, 4]);
    assert_explained(&both(Ok(Answer::Created(child)), 2), &[4, 5]);
    assert_rejected(&both(Ok(Answer::Created(child)), 1));
    assert_rejected(&both(removed(), 2));
}

#[test]
fn a_rejection_shows_the_whole_history() {
    let refused = history(Thread([]), Thread([(10..12, claim(ONE), full())]));
    let text = linearize(&refused).err().map(|rejection| rejection.to_string());
    let text = text.expect("nothing is taken");
    assert!(text.contains("the longest has 4 of 5 calls"), "{text}");
    assert!(text.contains("-    10..12        1  Claim(#8, [(#1.0, VCPU, 1)]) -> Err("), "{text}");
}

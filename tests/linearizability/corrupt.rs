//! Real histories with one outcome changed: most of them must be rejected.
//!
//! Changed is a call that overlapped others, where its outcome has the most explanations.

use linearize::linearize;
use provider_tree::{Allocations, Error, Partial, Receipt, ResourceClass, Updated, Usage};
use uuid::Uuid;

use crate::caller;
use crate::history::History;
use crate::operation::{Answer, Handle, Op, Outcome};
use crate::plan::{self, NAMES, Rng};
use crate::run::Run;

/// How many of a hundred changed histories are rejected at least. The others have an explanation:
/// calls overlapped, and what was changed is what another order would have given.
const LEAST_REJECTED_PERCENT: u64 = 95;

/// How often each history is changed.
const CHANGES: u64 = 10;

#[test]
fn a_changed_outcome_is_noticed() {
    let run = Run::new("changed", plan::everything, caller::call);
    let run = Run { histories: 300, repeats: 1, ..run };
    let mut rng = Rng::new(run.seed);
    let (mut changed, mut rejected) = (0, 0);
    for history in run.record().iter().filter(|history| history.overlaps() > 0) {
        assert!(linearize(history).is_ok(), "seed {}", history.seed);
        for _ in 0..CHANGES {
            changed += 1;
            rejected += u64::from(linearize(&with_change(history, &mut rng)).is_err());
        }
    }
    let percent = rejected * 100 / u64::max(changed, 1);
    eprintln!("changed: {rejected} of {changed} histories rejected, {percent} %");
    let enough = percent >= LEAST_REJECTED_PERCENT;
    assert!(enough || changed < CHANGES, "{percent} % rejected, seed {}", run.seed);
}

fn with_change(history: &History, rng: &mut Rng) -> History {
    let mut history = history.clone();
    let at = rng.pick(&history.overlapping());
    let event = &mut history.events[at];
    let changed = match &event.outcome {
        Ok(answer) if rng.percent(50) => other_answer(answer).map(Ok),
        Ok(_) => refusal(&event.op).map(Err),
        Err(error) if rng.percent(50) => other_error(error).map(Err),
        Err(_) => success(&event.op).map(Ok),
    };
    // Where one kind of change makes no sense another does.
    let changed = changed.unwrap_or_else(|| opposite(&event.op, &event.outcome));
    assert_ne!(changed, event.outcome);
    event.outcome = changed;
    history
}

fn opposite(op: &Op<Handle>, outcome: &Outcome<Handle>) -> Outcome<Handle> {
    match outcome {
        Ok(answer) => match refusal(op) {
            Some(error) => Err(error),
            None => Ok(other_answer(answer).expect("an answer that varies")),
        },
        Err(error) => match success(op) {
            Some(answer) => Ok(answer),
            None => Err(other_error(error).expect("an error that varies")),
        },
    }
}

/// Another answer of the same kind.
fn other_answer(answer: &Answer<Handle>) -> Option<Answer<Handle>> {
    Some(match answer.clone() {
        Answer::Done | Answer::Created(_) => return None,
        Answer::Found(Some(_)) => Answer::Found(None),
        Answer::Found(None) => Answer::Found(Some(some_handle())),
        Answer::Walk(mut handles) => {
            if handles.pop().is_none() {
                handles.push(some_handle());
            }
            Answer::Walk(handles)
        }
        Answer::Removed(count) => Answer::Removed(count + 1),
        Answer::Name(name) => {
            let other = NAMES.into_iter().find(|other| *other != name);
            Answer::Name(other?.to_owned())
        }
        Answer::Data(mut data) => {
            data.generation += 1;
            Answer::Data(data)
        }
        Answer::Usage(usage) => Answer::Usage(Usage { used: usage.used + 1, ..usage }),
        Answer::Usages(mut usages) => {
            match usages.first_mut() {
                Some((_, usage)) => usage.used += 1,
                None => usages.push((ResourceClass::VCPU, Usage { capacity: 1, used: 0 })),
            }
            Answer::Usages(usages)
        }
        Answer::Receipt(receipt) => {
            Answer::Receipt(Receipt { generation: receipt.generation + 1, ..receipt })
        }
        Answer::Allocations(Some(_)) => Answer::Allocations(None),
        Answer::Allocations(None) => {
            let consumer = plan::consumers()[0];
            let held = Allocations {
                consumer,
                generation: 1,
                deadline: None,
                tag: 0,
                allocations: Vec::new(),
            };
            Answer::Allocations(Some(held))
        }
        Answer::Amount(amount) => Answer::Amount(amount + 1),
        Answer::Populated(mut handles) => {
            if handles.pop().is_none() {
                handles.push(some_handle());
            }
            Answer::Populated(handles)
        }
        Answer::Updated(updated) => {
            Answer::Updated(Updated { changed: !updated.changed, ..updated })
        }
        Answer::Is(so) => Answer::Is(!so),
        Answer::Nothing => return None,
        Answer::Receipts(mut receipts) => {
            match receipts.first_mut() {
                Some(receipt) => receipt.generation += 1,
                None => receipts.push(Receipt { consumer: plan::consumers()[0], generation: 9 }),
            }
            Answer::Receipts(receipts)
        }
        Answer::Gang(mut made) => {
            if made.pop().is_none() {
                made.push(Ok(Receipt { consumer: plan::consumers()[0], generation: 9 }));
            }
            Answer::Gang(made)
        }
        Answer::Partly(mut partial) => {
            partial.receipt.generation += 1;
            Answer::Partly(partial)
        }
        Answer::Dump(mut dump) => {
            if dump.providers.pop().is_none() {
                dump.version += 1;
            }
            Answer::Dump(dump)
        }
    })
}

fn some_handle() -> Handle {
    Handle { uuid: plan::providers()[0], life: 0 }
}

/// The same error with another number.
fn other_error(error: &Error) -> Option<Error> {
    let mut other = error.clone();
    match &mut other {
        Error::InUse { used: number, .. }
        | Error::GenerationConflict { actual: number, .. }
        | Error::CapacityExceeded { free: number, .. }
        | Error::NotTaken { taken: number, .. }
        | Error::UnitViolation { max_unit: number, .. }
        | Error::ConsumerExists { generation: number, .. } => *number = number.wrapping_add(1),
        Error::AlreadyHeld { generation: number, .. } => *number = number.wrapping_add(1),
        Error::TooFewFit { at_least: number, .. } => *number += 1,
        Error::InvalidEntries { faults } => faults.clear(),
        Error::ConsumerConflict { actual, .. } => *actual = actual.map_or(Some(5), |_| None),
        _ => return None,
    }
    Some(other)
}

/// How the operation might be refused.
fn refusal(op: &Op<Handle>) -> Option<Error> {
    Some(match op {
        Op::CreateRoot(uuid, _) => Error::UuidExists { uuid: *uuid },
        Op::CreateChild(_, _, name) => Error::NameExists { name: (*name).to_owned() },
        Op::Release(consumer) => Error::ConsumerNotFound { consumer: *consumer },
        Op::Claim(consumer, _) => Error::ConsumerExists { consumer: *consumer, generation: 1 },
        Op::Replace(_, lines, _) => Error::Removed { provider: lines[0].0.uuid },
        _ => Error::Removed { provider: handle_of(op)?.uuid },
    })
}

/// What the operation might answer. A new provider has a handle that no other has.
fn success(op: &Op<Handle>) -> Option<Answer<Handle>> {
    Some(match op {
        Op::CreateRoot(uuid, _) | Op::CreateChild(_, uuid, _) => {
            Answer::Created(Handle { uuid: *uuid, life: u32::MAX })
        }
        Op::Remove(_) => Answer::Removed(1),
        Op::RemoveLeaf(_) | Op::Reparent(..) | Op::Rename(..) => Answer::Done,
        Op::Take(..) | Op::PutBack(..) => Answer::Done,
        Op::Children(_) | Op::Ancestors(_) => Answer::Walk(Vec::new()),
        Op::Subtree(handle) | Op::TreeOf(handle) => Answer::Walk(vec![*handle]),
        Op::Parent(_) => Answer::Found(None),
        Op::Name(_) => Answer::Name(NAMES[0].to_owned()),
        Op::SetInventories(..) | Op::SetTraits(..) | Op::AddTraits(..) => {
            Answer::Updated(Updated { changed: true, generation: 2, overcommitted: false })
        }
        Op::Populate(_) => Answer::Populated(Vec::new()),
        Op::Commit(_) => Answer::Receipts(Vec::new()),
        Op::Gang(..) => {
            Answer::Gang(vec![Ok(Receipt { consumer: some_handle().uuid, generation: 1 })])
        }
        Op::Partly(consumer, _) => {
            let receipt = Receipt { consumer: *consumer, generation: 1 };
            Answer::Partly(Partial { receipt, refused: Vec::new() })
        }
        Op::RestOn(consumer, ..) | Op::Chain(consumer, _) => first_receipt(*consumer),
        Op::Cordon(..) | Op::IsCordoned(_) => Answer::Is(true),
        Op::Usage(..) => Answer::Usage(Usage { capacity: 1, used: 0 }),
        Op::Usages(_) | Op::Data(_) => Answer::Usages(Vec::new()),
        Op::Claim(consumer, _) | Op::Release(consumer) => first_receipt(*consumer),
        Op::Replace(consumer, ..) => first_receipt(*consumer),
        _ => return None,
    })
}

fn first_receipt(consumer: Uuid) -> Answer<Handle> {
    Answer::Receipt(Receipt { consumer, generation: 1 })
}

/// The first handle in the operation.
fn handle_of(op: &Op<Handle>) -> Option<Handle> {
    let mut first = None;
    op.map(|handle| *first.get_or_insert(handle));
    first
}

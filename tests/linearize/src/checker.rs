//! The checker: is there an order of a history's calls that respects time and the specification?
//!
//! Wing and Gong's search with Lowe's memory: take any call that no other one wholly precedes,
//! let the model do it, go on with the rest; and never go on twice from the same set of calls with
//! the same model, as it led nowhere the first time.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::{History, Model};

/// The most calls that a history can have: they are members of sets of this many bits.
pub const MOST_EVENTS: usize = 64;

/// A history that no order explains.
pub struct Rejection<'a, M: Model> {
    history: &'a History<M>,
    /// The longest order found that the specification allows.
    longest: Vec<usize>,
}

impl<M: Model> fmt::Display for Rejection<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rejection { history, longest } = self;
        let (placed, all) = (longest.len(), history.events.len());
        writeln!(f, "no order explains this history; the longest has {placed} of {all} calls:")?;
        history.write(f, longest)
    }
}

/// Finds an order of the history's calls that explains their outcomes.
///
/// # Errors
///
/// [`Rejection`] if there is none.
///
/// # Panics
///
/// If the history has more than [`MOST_EVENTS`] calls.
pub fn linearize<M: Model>(history: &History<M>) -> Result<Vec<usize>, Rejection<'_, M>> {
    assert!(history.events.len() <= MOST_EVENTS, "too many events to check");
    let mut search =
        Search { history, order: Vec::new(), longest: Vec::new(), led_nowhere: HashMap::new() };
    match search.extend(0, history.initial.clone()) {
        true => Ok(search.order),
        false => Err(Rejection { history, longest: search.longest }),
    }
}

/// Tells whether the order in which the calls came back explains them already.
pub fn explained_by_responses<M: Model>(history: &History<M>) -> bool {
    let mut order: Vec<_> = history.events.iter().collect();
    order.sort_by_key(|event| event.responded);
    let mut model = history.initial.clone();
    order.into_iter().all(|event| model.allows(&event.op, &event.outcome))
}

struct Search<'a, M>
where
    M: Model,
{
    history: &'a History<M>,
    order: Vec<usize>,
    longest: Vec<usize>,
    /// By the set of calls made.
    led_nowhere: HashMap<u64, HashSet<M>>,
}

impl<M: Model> Search<'_, M> {
    /// Extends the order, which has led to `model`, by all calls that are not in `done`.
    fn extend(&mut self, done: u64, model: M) -> bool {
        if self.order.len() > self.longest.len() {
            self.longest.clone_from(&self.order);
        }
        if self.order.len() == self.history.events.len() {
            return true;
        }
        if self.led_nowhere.get(&done).is_some_and(|models| models.contains(&model)) {
            return false;
        }
        for at in self.next(done) {
            let event = &self.history.events[at];
            let mut model = model.clone();
            if !model.allows(&event.op, &event.outcome) {
                continue;
            }
            self.order.push(at);
            if self.extend(done | 1 << at, model) {
                return true;
            }
            self.order.pop();
        }
        self.led_nowhere.entry(done).or_default().insert(model);
        false
    }

    /// The calls not in `done` that no other such call precedes.
    fn next(&self, done: u64) -> Vec<usize> {
        let events = &self.history.events;
        let left = || (0..events.len()).filter(move |at| done & 1 << at == 0);
        let first_response = left().map(|at| events[at].responded).min();
        left().filter(|at| Some(events[*at].invoked) < first_response).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    /// A register: `Some` writes, `None` reads.
    #[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
    struct Register(u32);

    impl Model for Register {
        type Op = Option<u32>;
        type Outcome = u32;

        fn allows(&mut self, op: &Option<u32>, outcome: &u32) -> bool {
            self.0 = op.unwrap_or(self.0);
            self.0 == *outcome
        }
    }

    /// Calls of a thread each: when one began and ended, what was written, and what came back.
    fn history(calls: &[(u64, u64, Option<u32>, u32)]) -> History<Register> {
        let event = |(thread, &(invoked, responded, op, outcome))| Event {
            thread,
            invoked,
            responded,
            op,
            outcome,
        };
        History {
            seed: 0,
            initial: Register(0),
            events: calls.iter().enumerate().map(event).collect(),
        }
    }

    #[test]
    fn calls_that_overlap_may_have_any_order() {
        let overlapping = history(&[(0, 5, Some(1), 1), (1, 6, None, 0), (2, 4, None, 1)]);
        assert_eq!(linearize(&overlapping).ok(), Some(vec![1, 0, 2]));
        assert!(!explained_by_responses(&overlapping));
        assert_eq!((overlapping.overlaps(), overlapping.overlapping()), (3, vec![0, 1, 2]));
    }

    #[test]
    fn a_call_that_ended_before_another_began_comes_first() {
        let stale = history(&[(0, 1, Some(1), 1), (2, 3, None, 0)]);
        let text = linearize(&stale).err().map(|rejection| rejection.to_string());
        let expected = "\
no order explains this history; the longest has 1 of 2 calls:
order    interval  thread  call -> outcome
    0     0..1         0  Some(1) -> 1
    -     2..3         1  None -> 0
";
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!((stale.overlaps(), stale.overlapping()), (0, vec![]));
    }

    #[test]
    fn two_readers_agree_on_the_order_of_two_writes() {
        let writes = [(0, 9, Some(1), 1), (0, 9, Some(2), 2)];
        let disagree = [(1, 2, None, 1), (3, 4, None, 2), (1, 2, None, 2), (3, 4, None, 1)];
        assert!(linearize(&history(&[&writes[..], &disagree[..2]].concat())).is_ok());
        assert!(linearize(&history(&[&writes[..], &disagree].concat())).is_err());
    }
}

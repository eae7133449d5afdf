//! The checker: is there an order of a history's calls that respects time and the specification?
//!
//! Wing and Gong's search with Lowe's memory: take any call that no other one wholly precedes,
//! let the model do it, go on with the rest; and never go on twice from the same set of calls with
//! the same model, as it led nowhere the first time.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::history::History;
use crate::model::Model;

/// Calls are members of sets of this many bits.
pub(crate) const MOST_EVENTS: usize = 64;

/// A history that no order explains.
pub(crate) struct Rejection<'a> {
    history: &'a History,
    /// The longest order found that the specification allows.
    longest: Vec<usize>,
}

impl fmt::Display for Rejection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rejection { history, longest } = self;
        let (placed, all) = (longest.len(), history.events.len());
        writeln!(f, "no order explains this history; the longest has {placed} of {all} calls:")?;
        history.write(f, longest)
    }
}

/// An order of the history's calls that explains their outcomes.
pub(crate) fn linearize(history: &History) -> Result<Vec<usize>, Rejection<'_>> {
    assert!(history.events.len() <= MOST_EVENTS, "too many events to check");
    let mut search =
        Search { history, order: Vec::new(), longest: Vec::new(), led_nowhere: HashMap::new() };
    match search.extend(0, Model::new(&history.floors)) {
        true => Ok(search.order),
        false => Err(Rejection { history, longest: search.longest }),
    }
}

/// Whether the order in which the calls came back explains them already.
pub(crate) fn explained_by_responses(history: &History) -> bool {
    let mut order: Vec<_> = history.events.iter().collect();
    order.sort_by_key(|event| event.responded);
    let mut model = Model::new(&history.floors);
    order.into_iter().all(|event| model.allows(&event.op, &event.outcome))
}

struct Search<'a> {
    history: &'a History,
    order: Vec<usize>,
    longest: Vec<usize>,
    /// By the set of calls made.
    led_nowhere: HashMap<u64, HashSet<Model>>,
}

impl Search<'_> {
    /// Extends the order, which has led to `model`, by all calls that are not in `done`.
    fn extend(&mut self, done: u64, model: Model) -> bool {
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

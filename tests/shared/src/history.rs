//! Histories: what was called when, and what came back when.

use std::collections::BTreeMap;
use std::fmt;

use uuid::Uuid;

use crate::operation::{Handle, Op, Outcome};

/// One call that returned. Of two ticks of the clock the lower came first.
#[derive(Clone, Debug)]
pub struct Event {
    pub thread: usize,
    pub invoked: u64,
    pub responded: u64,
    pub op: Op<Handle>,
    pub outcome: Outcome<Handle>,
}

/// The greatest generation that each consumer has ended with.
pub type Floors = BTreeMap<Uuid, u64>;

/// All calls on a forest that is empty, by invocation.
#[derive(Clone, Default, Debug)]
pub struct History {
    pub seed: u64,
    /// As the forest has come to them before.
    pub floors: Floors,
    pub events: Vec<Event>,
}

impl Event {
    /// Whether neither call was over before the other began.
    pub fn overlaps(&self, other: &Event) -> bool {
        self.invoked < other.responded && other.invoked < self.responded
    }
}

impl History {
    /// How many pairs of calls overlapped.
    pub fn overlaps(&self) -> usize {
        let later = |at: usize| self.events[at + 1..].iter();
        let pairs = |at: usize| later(at).filter(|b| self.events[at].overlaps(b)).count();
        (0..self.events.len()).map(pairs).sum()
    }

    /// The calls that overlapped others.
    pub fn overlapping(&self) -> Vec<usize> {
        // Each call overlaps itself.
        let met = |event: &Event| self.events.iter().filter(|other| event.overlaps(other)).count();
        (0..self.events.len()).filter(|at| met(&self.events[*at]) > 1).collect()
    }

    /// Writes the history, each event with its place in an order as far as it has one.
    pub fn write(&self, f: &mut fmt::Formatter<'_>, order: &[usize]) -> fmt::Result {
        writeln!(f, "order    interval  thread  call -> outcome")?;
        for (number, event) in self.events.iter().enumerate() {
            let place = order.iter().position(|at| *at == number);
            let place = place.map_or_else(|| "-".to_owned(), |place| place.to_string());
            let Event { thread, invoked, responded, op, outcome } = event;
            let call = short(&format!("{op:?} -> {outcome:?}"));
            writeln!(f, "{place:>5} {invoked:>5}..{responded:<5} {thread:>5}  {call}")?;
        }
        Ok(())
    }
}

/// `#1` for the uuid with number 1, `max` for the greatest number.
fn short(text: &str) -> String {
    let uuid = Uuid::from_u128(1).to_string();
    text.replace(&uuid[..uuid.len() - 1], "#").replace(&u64::MAX.to_string(), "max")
}

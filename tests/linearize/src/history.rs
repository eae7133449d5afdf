//! Histories: what was called when, and what came back when.

use std::fmt;

use crate::Model;

/// One call that returned. Of two ticks of the clock the lower came first.
#[derive(Clone, Debug)]
pub struct Event<Op, Outcome> {
    /// Who called.
    pub thread: usize,
    /// When the call began.
    pub invoked: u64,
    /// When the call returned.
    pub responded: u64,
    /// What was called.
    pub op: Op,
    /// What the call returned.
    pub outcome: Outcome,
}

/// All calls on one thing.
#[derive(Clone, Debug)]
pub struct History<M: Model> {
    /// Says where the history comes from.
    pub seed: u64,
    /// The state before the first call.
    pub initial: M,
    /// The calls, by when they began.
    pub events: Vec<Event<M::Op, M::Outcome>>,
}

impl<Op, Outcome> Event<Op, Outcome> {
    /// Tells whether neither call was over before the other began.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.invoked < other.responded && other.invoked < self.responded
    }
}

impl<M: Model> History<M> {
    /// Counts the pairs of calls that overlapped.
    pub fn overlaps(&self) -> usize {
        let later = |at: usize| self.events[at + 1..].iter();
        let pairs = |at: usize| later(at).filter(|b| self.events[at].overlaps(b)).count();
        (0..self.events.len()).map(pairs).sum()
    }

    /// Lists the calls that overlapped others.
    pub fn overlapping(&self) -> Vec<usize> {
        // Each call overlaps itself.
        let met = |event: &Event<M::Op, M::Outcome>| {
            self.events.iter().filter(|other| event.overlaps(other)).count()
        };
        (0..self.events.len()).filter(|at| met(&self.events[*at]) > 1).collect()
    }

    /// Writes the history, each event with its place in an order as far as it has one.
    pub fn write(&self, f: &mut fmt::Formatter<'_>, order: &[usize]) -> fmt::Result {
        writeln!(f, "order    interval  thread  call -> outcome")?;
        for (number, event) in self.events.iter().enumerate() {
            let place = order.iter().position(|at| *at == number);
            let place = place.map_or_else(|| "-".to_owned(), |place| place.to_string());
            let Event { thread, invoked, responded, op, outcome } = event;
            let call = M::shown(op, outcome);
            writeln!(f, "{place:>5} {invoked:>5}..{responded:<5} {thread:>5}  {call}")?;
        }
        Ok(())
    }
}

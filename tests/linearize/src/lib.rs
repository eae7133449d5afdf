//! Tells whether a history of overlapping calls is linearizable: whether the calls could have been
//! made one after the other, each at some instant between its begin and its end, with the outcomes
//! that the history notes.
//!
//! A [`Model`] says which outcomes a call may have; a [`History`] has the calls; [`linearize`] looks
//! for the order. Nothing here knows what the calls are of.
#![forbid(unsafe_code)]

mod checker;
mod history;

use std::fmt::Debug;
use std::hash::Hash;

pub use checker::{MOST_EVENTS, Rejection, explained_by_responses, linearize};
pub use history::{Event, History};

/// A sequential specification, in one of its states.
///
/// Two equal states must allow the same outcomes ever after.
pub trait Model: Clone + Eq + Hash {
    /// What is called, with its arguments.
    type Op: Debug;
    /// What a call returns.
    type Outcome: Debug;

    /// Tells whether the call may have this outcome now. If so, the model is in the state after the
    /// call; if not, the model's state means nothing any more.
    fn allows(&mut self, op: &Self::Op, outcome: &Self::Outcome) -> bool;

    /// Shows a call and its outcome on one line of a history.
    fn shown(op: &Self::Op, outcome: &Self::Outcome) -> String {
        format!("{op:?} -> {outcome:?}")
    }
}

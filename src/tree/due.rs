//! [`Term`] and [`Due`]: what is due when, as the keys of the agenda.

use crate::ledger::Cell;
use crate::tree::keys::Interned;

/// Tells until when something is leased. The ticket is that of the one call that has set the
/// deadline. So a deadline that is set anew is another term, even if the time is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Term {
    pub(crate) deadline: u64,
    pub(crate) ticket: u64,
}

/// Names a term of one life of one consumer, and never comes to mean another term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Due {
    pub(crate) term: Term,
    cell: Cell,
    incarnation: u64,
}

impl Due {
    pub(crate) fn new(term: Term, consumer: Interned) -> Self {
        Due { term, cell: consumer.cell, incarnation: consumer.incarnation }
    }

    pub(crate) fn consumer(self) -> Interned {
        Interned { cell: self.cell, incarnation: self.incarnation }
    }
}

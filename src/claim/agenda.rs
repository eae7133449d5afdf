//! [`Leases`]: which lease is due when.

use uuid::Uuid;

use crate::forest::KeyCell;
use crate::layout::Term;
use crate::ledger::Cell;
use crate::sync::{Agenda, AtomicU64, CachePadded, Ordering};

/// Orders the leases of a forest by deadline. The entries of the agenda are hints; the consumers'
/// cells decide.
pub(crate) struct Leases {
    pub(crate) agenda: Agenda<AgendaKey, Uuid>,
    tickets: CachePadded<AtomicU64>,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Leases { agenda: Agenda::new(), tickets: CachePadded::new(AtomicU64::new(0)) }
    }

    /// Returns a term that no other term equals.
    pub(crate) fn new_term(&self, deadline: u64) -> Term {
        // Relaxed: only the uniqueness of the answer matters.
        Term { deadline, ticket: self.tickets.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Names a term of one life of one consumer, and never comes to mean another term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AgendaKey {
    pub(crate) term: Term,
    cell: Cell,
    incarnation: u64,
}

impl AgendaKey {
    pub(crate) fn new(term: Term, consumer: KeyCell) -> Self {
        AgendaKey { term, cell: consumer.cell, incarnation: consumer.incarnation }
    }

    pub(crate) fn consumer(self) -> KeyCell {
        KeyCell { cell: self.cell, incarnation: self.incarnation }
    }
}

//! What is due when: the keys of the agenda.

use crate::ledger::Cell;
use crate::tree::keys::Interned;

/// A lease by its deadline. Names one life of one consumer, so that it never means another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Due {
    pub(crate) deadline: u64,
    cell: Cell,
    incarnation: u64,
}

impl Due {
    pub(crate) fn new(deadline: u64, consumer: Interned) -> Self {
        Due { deadline, cell: consumer.cell, incarnation: consumer.incarnation }
    }

    pub(crate) fn consumer(self) -> Interned {
        Interned { cell: self.cell, incarnation: self.incarnation }
    }
}

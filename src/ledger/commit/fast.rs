//! [`FastTransaction`]: one attempt at a transaction over a few cells.
//!
//! A [`Transaction`](super::transaction::Transaction) copies what its body opens, lets the body
//! change the copies in any order, and makes records of them at the commit; if another change came
//! first, the body runs again. Most transactions need none of this: they change two or three cells
//! that nobody else changes meanwhile. A fast transaction makes each next version right in its
//! record, as it reads the version in force, and is tried once. Its caller turns to a transaction
//! with a body whenever something is not as it is most often: another change came first, a change is
//! refused, a limit is met. So nothing rests on what a fast transaction has seen unless it commits.
//!
//! From the descriptor on, both are the same.

use super::descriptor::{Entry, FIRST, Planned};
use super::kcas::helps;
use super::writer::{Writer, reclaim_new_records};
use crate::ledger::limits::{Limit, Width};
use crate::ledger::read::Observation;
use crate::ledger::store::record::{NextPayload, Record};
use crate::ledger::word::{Cell, GateWord, Kind, RecordNumber, Stamp};

/// Refers to a transaction that changes every cell it reads, at most [`MOST_FAST_CELLS`] of them, each
/// once. Dropped without a commit, it has changed nothing.
pub(crate) struct FastTransaction<'a> {
    writer: &'a mut Writer,
    /// The earliest reading of the clock that a new version was written with.
    written: Stamp,
    helps_before: u64,
    /// Whether the new versions are in nobody's hands but this transaction's.
    is_private: bool,
}

/// Counts the cells that a fast transaction can change: those that a descriptor holds itself.
pub(crate) const MOST_FAST_CELLS: usize = FIRST;

impl Writer {
    /// Begins a fast transaction.
    #[inline]
    pub(crate) fn fast_transaction(&mut self) -> FastTransaction<'_> {
        self.ledger.urgency.give_way();
        self.planned.clear();
        let (written, helps_before) = (Stamp::NEVER, helps());
        FastTransaction { writer: self, written, helps_before, is_private: true }
    }
}

impl FastTransaction<'_> {
    /// Begins the next version of `cell`, with the words of the one in force, for the caller to
    /// change. Returns `None` if only a transaction with a body can do it.
    #[inline(always)]
    pub(crate) fn change(&mut self, cell: Cell) -> Option<NextPayload<'_>> {
        let begin = |next: Record<'_>, stamp: Stamp, version: Record<'_>| {
            let (words, before) = next.begin(stamp, version);
            Some((words.len(), before, ()))
        };
        self.make(cell, |replaced| Ok(replaced.width()), begin).map(|(words, ())| words)
    }

    /// Begins the next version of `cell`, with `length` words, all of which the caller has to set.
    /// Returns them, and what `look` makes of the version in force; returns `None` if `look` does, or
    /// if only a transaction with a body can do it.
    #[inline(always)]
    pub(crate) fn renew<T>(
        &mut self,
        cell: Cell,
        length: usize,
        mut look: impl FnMut(Record<'_>) -> Option<T>,
    ) -> Option<(NextPayload<'_>, T)> {
        let begin = |next: Record<'_>, stamp: Stamp, version: Record<'_>| {
            let before = next.begin_anew(stamp, version);
            Some((length, before, look(version)?))
        };
        self.make(cell, |replaced| replaced.width_of_next(length), begin)
    }

    /// Takes cells that no transaction uses; see [`Writer::take_cells`].
    #[inline]
    pub(crate) fn take_cells(&mut self, kind: Kind, first: &[u64]) -> Result<Cell, Limit> {
        self.writer.take_cells(kind, first)
    }

    /// Gives cells back; see [`Writer::give_cells`].
    pub(crate) fn give_cells(&mut self, kind: Kind, cell: Cell) {
        self.writer.give_cells(kind, cell);
    }

    /// Makes the next version of `cell` in a spare of the width that `width` returns, unless the cell
    /// was made before (I5).
    ///
    /// The spare is this writer's before the gate is looked at for the last time. So it is not the
    /// record of the version in force, and the entry is no touch. The clock is read after the spare
    /// came to this writer: no version that it once held ended later (I16).
    #[inline(always)]
    fn make<T>(
        &mut self,
        cell: Cell,
        width: impl Fn(RecordNumber) -> Result<Width, Limit>,
        mut begin: impl FnMut(Record<'_>, Stamp, Record<'_>) -> Option<(usize, Stamp, T)>,
    ) -> Option<(NextPayload<'_>, T)> {
        let Writer { ledger, stock, planned, .. } = &mut *self.writer;
        let is_made = planned.iter().any(|planned| planned.entry.cell == cell);
        if planned.len() == MOST_FAST_CELLS || is_made {
            return None;
        }
        let (word, stamp, begun) = ledger.read_gate(ledger.gate(cell), |word, version, stamp| {
            if word == GateWord::VACANT {
                return None;
            }
            let width = width(word.record()).ok()?;
            let spare = stock.peek(ledger, width, word.record()).ok()?;
            let written = ledger.clock.now();
            let next = ledger.records.get(spare);
            let (length, before, value) = begin(next, written, version)?;
            let predecessors = version.predecessors_as_of(stamp);
            Some((spare, next, written, length, before, predecessors, value))
        });
        let (spare, next, written, length, before, predecessors, value) = begun?;
        let observed = Observation { word, stamp, before, predecessors };
        let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
        next.set_lineage(predecessors, stamp, length);
        self.written = self.written.min(written);
        stock.take_peeked(spare);
        let entry = Entry { cell, old: word, new: word.next(spare) };
        planned.push(Planned { entry, from: stamp });
        Some((next.next_payload(length), value))
    }

    /// Commits, unless another change came first; returns whether it has. If it has not, gives back
    /// cells that were [taken](Self::take_cells).
    #[inline]
    pub(crate) fn commit_or_give_back(mut self, kind: Kind, cell: Cell) -> bool {
        let committed = self.end();
        if !committed {
            self.give_cells(kind, cell);
        }
        committed
    }

    /// Commits, unless another change came first; returns whether it has.
    #[inline]
    pub(crate) fn commit(mut self) -> bool {
        self.end()
    }

    #[inline]
    fn end(&mut self) -> bool {
        self.is_private = false;
        let changes = self.writer.planned.len() as u64;
        let committed = self.writer.run::<true>(changes, self.written);
        self.writer.retries += u64::from(!committed);
        self.writer.end_call(committed, self.helps_before);
        committed
    }
}

impl Drop for FastTransaction<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_private {
            let Writer { ledger, stock, planned, .. } = &mut *self.writer;
            reclaim_new_records(ledger, stock, planned);
            self.writer.end_call(false, self.helps_before);
        }
    }
}

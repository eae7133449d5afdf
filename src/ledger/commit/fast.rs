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
//! To all other threads both are the same: what they find in gates, descriptors, trails and records, and
//! what they may do with it.

use super::descriptor::{Entry, FIRST, Planned};
use super::kcas::{Stamps, helps};
use super::seat::Seat;
use super::stock::Stock;
use super::writer::{Writer, reclaim_new_records};
use crate::ledger::limits::{Limit, Width};
use crate::ledger::read::Observation;
use crate::ledger::state::Ledger;
use crate::ledger::store::gate::Gate;
use crate::ledger::store::record::{NextPayload, Record};
use crate::ledger::word::{Cell, GateWord, Kind, RecordNumber, Stamp, Ticket};
use crate::step::{Step, reached};

/// Refers to a transaction that changes every cell it reads, at most [`most_fast_cells`] of them, each
/// once. Dropped without a commit, it has changed nothing.
pub(crate) struct FastTransaction<'a> {
    writer: &'a mut Writer,
    stamps: Stamps,
    /// Whether the new versions are in nobody's hands but this transaction's.
    is_private: bool,
}

/// Returns how many cells a fast transaction can change: as many as a descriptor holds itself, unless a
/// model says otherwise.
#[inline(always)]
pub(crate) fn most_fast_cells() -> usize {
    #[cfg(provider_tree_loom)]
    return MOST.get();
    #[cfg(not(provider_tree_loom))]
    FIRST
}

#[cfg(provider_tree_loom)]
thread_local! {
    static MOST: std::cell::Cell<usize> = const { std::cell::Cell::new(FIRST) };
}

/// Runs `body`, which checks a model, with fast transactions that change up to `count` cells. A model
/// without this has so few that changes of three cells are made by transactions with a body.
#[cfg(provider_tree_loom)]
pub(crate) fn with_fast_cells(count: usize, body: impl FnOnce()) {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            MOST.set(FIRST);
        }
    }
    let _reset = Reset;
    MOST.set(count);
    body();
}

impl Writer {
    /// Begins a fast transaction.
    #[inline]
    pub(crate) fn fast_transaction(&mut self) -> FastTransaction<'_> {
        self.ledger.urgency.give_way();
        self.planned.clear();
        let stamps = Stamps { written: Stamp::NEVER, replaced: Stamp::NEVER };
        FastTransaction { writer: self, stamps, is_private: true }
    }
}

impl FastTransaction<'_> {
    /// Begins the next version of `cell`, with the words of the one in force, for the caller to
    /// change. Returns `None` if only a transaction with a body can do it.
    #[inline(always)]
    pub(crate) fn change(&mut self, cell: Cell) -> Option<NextPayload<'_>> {
        let Writer { ledger, stock, planned, .. } = &mut *self.writer;
        let next = Next::of(ledger, stock, planned, cell, |replaced| Ok(replaced.width()))?;
        let (words, before) = next.record.begin(next.written, next.version);
        let is_planned = next.plan(ledger, stock, planned, &mut self.stamps, (words.len(), before));
        is_planned.then_some(words)
    }

    /// Begins the next version of `cell`, with `length` words, all of which the caller has to set.
    /// Returns them, and what `look` makes of the version in force; returns `None` if `look` does, or
    /// if only a transaction with a body can do it.
    #[inline(always)]
    pub(crate) fn renew<T>(
        &mut self,
        cell: Cell,
        length: usize,
        look: impl FnOnce(Record<'_>) -> Option<T>,
    ) -> Option<(NextPayload<'_>, T)> {
        let Writer { ledger, stock, planned, .. } = &mut *self.writer;
        let width = |replaced: RecordNumber| replaced.width_of_next(length);
        let next = Next::of(ledger, stock, planned, cell, width)?;
        let (words, before) = next.record.begin_anew(next.written, next.version, length);
        let Some(value) = look(next.version) else {
            stock.keep(ledger, next.spare);
            return None;
        };
        let is_planned = next.plan(ledger, stock, planned, &mut self.stamps, (length, before));
        is_planned.then_some((words, value))
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

    /// Announces and publishes what is planned, as [`Writer::run`] does, and commits it; returns whether
    /// it has committed.
    #[inline]
    fn end(&mut self) -> bool {
        self.is_private = false;
        let FastTransaction { writer, stamps, .. } = self;
        let (ticket, start, end) = writer.begin(writer.planned.len() as u64);
        let Seat { descriptor, trail } = &*writer.seat;
        descriptor.prepare_first(writer.planned.iter().enumerate().map(|(index, planned)| {
            trail.write(start + index as u64, planned.entry.cell);
            planned.entry
        }));
        // In a model alone there may be more.
        if cfg!(provider_tree_loom) && writer.planned.len() > FIRST {
            descriptor.prepare_later(&writer.planned[FIRST..], || ());
        }
        writer.publish(ticket);
        if !writer.commit_undisturbed(ticket, stamps.replaced) {
            return writer.conclude_disturbed(ticket, *stamps, end);
        }
        let Writer { ledger, seat, stock, planned, .. } = &mut **writer;
        let ledger = &**ledger;
        seat.trail.finish(end);
        planned.iter().for_each(|planned| stock.keep(ledger, planned.entry.old.record()));
        writer.in_flight = false;
        writer.ledger.waiters.tell();
        true
    }
}

impl Writer {
    /// Commits the published transaction by the steps that
    /// [`advance`](crate::ledger::state::Ledger::advance) takes while nobody else comes near the
    /// transaction, and no snapshot was taken since all that it replaces came into force, at `stamp`. As
    /// soon as anything is otherwise, returns false, and `advance` may go on from there: a participant may
    /// begin at any time, whatever the others have done.
    #[inline]
    fn commit_undisturbed(&mut self, ticket: Ticket, stamp: Stamp) -> bool {
        let Writer { ledger, seat, planned, .. } = self;
        let ledger = &**ledger;
        let word = GateWord::of_ticket(ticket);
        for Planned { entry: Entry { cell, old, .. }, .. } in &*planned {
            if ledger.gates.exchange(*cell, *old, word).is_err() {
                return false;
            }
            reached(Step::Installed);
        }
        // No version has a later stamp than the clock. So all that is replaced has this stamp, which is
        // marked (I18), and all that is new was written with it.
        if ledger.clock.now() != stamp {
            return false;
        }
        reached(Step::Timed);
        if !seat.descriptor.commit(ticket, stamp) {
            return false;
        }
        reached(Step::Decided);
        for Planned { entry: Entry { cell, new, .. }, .. } in &*planned {
            // Refused: another participant was first.
            let _ = ledger.gates.exchange(*cell, word, *new);
            reached(Step::Released);
        }
        self.committed_at = stamp;
        true
    }

    /// Takes a published transaction on to its end; returns whether it has committed.
    #[cold]
    #[inline(never)]
    fn conclude_disturbed(&mut self, ticket: Ticket, stamps: Stamps, end: u64) -> bool {
        let helps_before = helps();
        let committed = self.conclude(ticket, stamps, end);
        self.retries += u64::from(!committed);
        self.end_call(committed, helps_before);
        committed
    }
}

/// Describes the next version of a cell while it is made, and the version in force.
struct Next<'a> {
    gate: Gate<'a>,
    /// The word in the gate, which names the version in force.
    old: GateWord,
    version: Record<'a>,
    stamp: Stamp,
    /// The record in which the next version is made.
    spare: RecordNumber,
    record: Record<'a>,
    /// A reading of the clock.
    written: Stamp,
}

impl<'a> Next<'a> {
    /// Describes the next version of `cell`, in a spare of the width that `width` returns. Returns `None`
    /// if the cell was changed before, or if something is not as it is most often.
    ///
    /// The spare is this writer's before the gate is looked at for the last time. So it is not the
    /// record of the version in force, and the entry is no touch. The clock is read after the spare
    /// came to this writer: no version that it once held ended later (I16).
    #[inline(always)]
    fn of(
        ledger: &'a Ledger,
        stock: &mut Stock,
        planned: &[Planned],
        cell: Cell,
        width: impl FnOnce(RecordNumber) -> Result<Width, Limit>,
    ) -> Option<Self> {
        if planned.len() == most_fast_cells() || is_planned(planned, cell) {
            return None;
        }
        let gate = ledger.gate(cell);
        let old = gate.load();
        if old.ticket().is_some() || old == GateWord::VACANT {
            return None;
        }
        let version = ledger.records.get(old.record());
        let stamp = version.stamp();
        let spare = stock.pop(ledger, width(old.record()).ok()?, old.record()).ok()?;
        let written = ledger.clock.now();
        let record = ledger.records.get(spare);
        Some(Next { gate, old, version, stamp, spare, record, written })
    }

    /// Plans to put the next version, whose payload has this `length`, in force; `before` is the stamp of
    /// the version before the one in force. Returns false if that one is no longer in force, or has no
    /// stamp yet, and keeps the spare.
    #[inline(always)]
    fn plan(
        self,
        ledger: &Ledger,
        stock: &mut Stock,
        planned: &mut Vec<Planned>,
        stamps: &mut Stamps,
        (length, before): (usize, Stamp),
    ) -> bool {
        let Next { gate, old, version, stamp, spare, record, written } = self;
        let predecessors = version.predecessors_as_of(stamp);
        if !gate.still_holds(old) || stamp.is_token() {
            stock.keep(ledger, spare);
            return false;
        }
        let cell = gate.cell();
        let observed = Observation { word: old, stamp, before, predecessors };
        let predecessors = ledger.predecessors(cell, observed, &mut stock.pinned);
        record.set_lineage(predecessors, stamp, length);
        stamps.written = stamps.written.min(written);
        stamps.replaced = stamps.replaced.min(stamp);
        // In the order of the cells (I5).
        planned.push(Planned { entry: Entry { cell, old, new: old.next(spare) }, from: stamp });
        let mut at = planned.len() - 1;
        while at > 0 && planned[at - 1].entry.cell > cell {
            planned.swap(at - 1, at);
            at -= 1;
        }
        true
    }
}

/// Returns whether the next version of `cell` is planned already.
#[inline]
fn is_planned(planned: &[Planned], cell: Cell) -> bool {
    // Most often the cells come in their order.
    let is_last = planned.last().is_none_or(|last| last.entry.cell < cell);
    !is_last && planned.iter().any(|planned| planned.entry.cell == cell)
}

impl Drop for FastTransaction<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_private {
            let Writer { ledger, stock, planned, .. } = &mut *self.writer;
            reclaim_new_records(ledger, stock, planned);
        }
    }
}

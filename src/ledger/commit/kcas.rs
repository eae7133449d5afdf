//! Transactions over several cells: install, decide, release; by the owner and its helpers alike.

use std::cell::Cell;

use super::descriptor::{Descriptor, Entry, Outcome};
use super::urgency::QuietRequest;
use crate::ledger::state::Ledger;
use crate::ledger::word::{GateWord, Stamp, Ticket};
use crate::step::{Step, reached};

/// What a participant knows of the transaction.
pub(super) trait Participant {
    fn descriptor(&self) -> &Descriptor;
    fn count(&self) -> u64;
    /// None if the transaction is over, and with it the participant's work.
    fn entry(&self, position: u64) -> Option<Entry>;
    /// None if the transaction is over.
    fn outcome(&self) -> Option<Outcome>;
    /// Whether all new versions are known to be written with this stamp.
    fn has_written(&self, stamp: Stamp) -> bool;
    /// Whether all versions that are replaced have this stamp, the present one. None if the
    /// transaction is over.
    fn replaces_only(&self, ledger: &Ledger, stamp: Stamp) -> Option<bool>;
    /// The descriptor is about to go into one more gate.
    fn note_progress(&self, ledger: &Ledger);
}

/// Has a copy of the entries, which is always good.
pub(super) struct Owner<'a> {
    pub(super) descriptor: &'a Descriptor,
    pub(super) entries: &'a [Entry],
    pub(super) stamps: Stamps,
    pub(super) request: &'a Cell<Option<QuietRequest>>,
}

/// What the owner of a transaction knows of its stamps.
#[derive(Clone, Copy)]
pub(super) struct Stamps {
    /// The one that the new versions are written with.
    pub(super) written: Stamp,
    /// The earliest of the versions that they replace.
    pub(super) replaced: Stamp,
}

impl Participant for Owner<'_> {
    #[inline]
    fn descriptor(&self) -> &Descriptor {
        self.descriptor
    }

    #[inline]
    fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    #[inline]
    fn entry(&self, position: u64) -> Option<Entry> {
        self.entries.get(position as usize).copied()
    }

    #[inline]
    fn outcome(&self) -> Option<Outcome> {
        Some(self.descriptor.own_outcome())
    }

    #[inline]
    fn has_written(&self, stamp: Stamp) -> bool {
        self.stamps.written == stamp
    }

    #[inline]
    fn replaces_only(&self, _: &Ledger, stamp: Stamp) -> Option<bool> {
        // None is later than the present.
        Some(self.stamps.replaced == stamp)
    }

    #[inline]
    fn note_progress(&self, ledger: &Ledger) {
        if let Some(mut request) = self.request.get() {
            ledger.urgency.count_step(&mut request);
            self.request.set(Some(request));
        }
    }
}

/// Reads the descriptor, for as long as it has not moved on.
struct Helper<'a> {
    descriptor: &'a Descriptor,
    ticket: Ticket,
    count: u64,
}

impl Participant for Helper<'_> {
    fn descriptor(&self) -> &Descriptor {
        self.descriptor
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn entry(&self, position: u64) -> Option<Entry> {
        self.descriptor.entry(self.ticket, position)
    }

    fn outcome(&self) -> Option<Outcome> {
        self.descriptor.outcome(self.ticket)
    }

    fn has_written(&self, _: Stamp) -> bool {
        false
    }

    fn replaces_only(&self, ledger: &Ledger, stamp: Stamp) -> Option<bool> {
        for position in 0..self.count {
            let entry = self.entry(position)?;
            let new = ledger.records.get(entry.new.record());
            if entry.is_write() && new.stamp_before() != stamp {
                return Some(false);
            }
        }
        Some(true)
    }

    fn note_progress(&self, _: &Ledger) {}
}

thread_local! {
    /// How often this thread has helped, in any forest.
    static HELPS: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has helped, in any forest.
pub(super) fn helps() -> u64 {
    HELPS.get()
}

/// How far a participant came.
pub(super) enum Progress {
    /// The transaction is decided, and in no gate any more; none if it was over before.
    Done(Option<Outcome>),
    /// Another transaction holds a gate and has to be finished first.
    Blocked(Ticket),
}

enum InstallResult {
    Everywhere,
    /// A gate held a version other than the one the transaction was prepared from.
    Mismatch,
    Blocked(Ticket),
    Over,
}

impl Ledger {
    /// Finishes someone else's transaction, and those in its way. Lock-free, no recursion.
    ///
    /// Transactions install in the order of cells, so one that is blocked waits only for one that
    /// holds a higher cell: following them upward ends.
    #[cold]
    pub(in crate::ledger) fn help(&self, ticket: Ticket) {
        HELPS.set(HELPS.get() + 1);
        let mut current = ticket;
        loop {
            let descriptor = self.descriptor(current.slot());
            let helper = Helper { descriptor, ticket: current, count: descriptor.count() };
            match self.advance(current, &helper) {
                Progress::Blocked(by) => current = by,
                Progress::Done(_) if current == ticket => return,
                Progress::Done(_) => current = ticket,
            }
        }
    }

    /// Takes a published transaction as far as it goes. Owner and helpers may do this at once.
    #[inline]
    pub(super) fn advance(&self, ticket: Ticket, participant: &impl Participant) -> Progress {
        let mut outcome = participant.outcome();
        if outcome == Some(Outcome::Undecided) {
            match self.install(ticket, participant) {
                InstallResult::Everywhere => {
                    // Nobody sees the old versions any more, and nothing can abort this.
                    if let Some(stamp) = self.stamp_all_now(participant) {
                        reached(Step::Timed);
                        participant.descriptor().commit(ticket, stamp);
                    }
                }
                // Only what was seen aborts a transaction, never impatience: the cells behind a
                // mismatch are never reached by anybody, so no late helper can install there.
                InstallResult::Mismatch => participant.descriptor().abort(ticket),
                InstallResult::Blocked(by) if participant.outcome() == Some(Outcome::Undecided) => {
                    return Progress::Blocked(by);
                }
                InstallResult::Blocked(_) | InstallResult::Over => {}
            }
            outcome = participant.outcome();
        }
        reached(Step::Decided);
        match outcome {
            Some(Outcome::Committed(stamp)) => {
                if self.stamp(participant, stamp).is_some() {
                    self.release(ticket, participant, |entry| entry.new);
                }
            }
            Some(Outcome::Aborted) => {
                self.release(ticket, participant, |entry| entry.old.next_same());
            }
            Some(Outcome::Undecided) | None => {}
        }
        Progress::Done(outcome)
    }

    /// Puts the descriptor into every gate, in the order of the cells.
    #[inline]
    fn install(&self, ticket: Ticket, participant: &impl Participant) -> InstallResult {
        let word = GateWord::of_ticket(ticket);
        for position in 0..participant.count() {
            let Some(entry) = participant.entry(position) else { return InstallResult::Over };
            participant.note_progress(self);
            match self.gates.exchange(entry.cell, entry.old, word) {
                Ok(()) => reached(Step::Installed),
                Err(found) if found == word => {}
                Err(found) => match found.ticket() {
                    Some(by) => return InstallResult::Blocked(by),
                    None => return InstallResult::Mismatch,
                },
            }
        }
        InstallResult::Everywhere
    }

    /// Gives all new versions the transaction's stamp, if a snapshot was taken since they were
    /// written. None if the transaction is over.
    #[inline]
    fn stamp(&self, participant: &impl Participant, stamp: Stamp) -> Option<()> {
        if participant.has_written(stamp) {
            return Some(());
        }
        for position in 0..participant.count() {
            let entry = participant.entry(position)?;
            if entry.is_write() {
                self.records.get(entry.new.record()).raise_stamp(stamp);
                reached(Step::Stamped);
            }
        }
        Some(())
    }

    /// A stamp for all new versions; see [`stamp_now`](Self::stamp_now). None if the transaction is
    /// over.
    #[inline]
    fn stamp_all_now(&self, participant: &impl Participant) -> Option<Stamp> {
        let now = self.clock.now();
        if now == Stamp::BEGINNING {
            return Some(now);
        }
        // Those have been marked.
        if participant.replaces_only(self, now)? {
            return Some(now);
        }
        self.stamp_marked(now, |mark| {
            for position in 0..participant.count() {
                let entry = participant.entry(position)?;
                if entry.is_write() {
                    self.marks.mark(entry.cell, mark);
                }
            }
            Some(())
        })
    }

    /// Takes the descriptor out of every gate.
    #[inline]
    fn release(
        &self,
        ticket: Ticket,
        participant: &impl Participant,
        next: impl Fn(Entry) -> GateWord,
    ) {
        let word = GateWord::of_ticket(ticket);
        for position in 0..participant.count() {
            let Some(entry) = participant.entry(position) else { return };
            // Refused: another participant was first, or an abort never got this far.
            let _ = self.gates.exchange(entry.cell, word, next(entry));
            reached(Step::Released);
        }
    }
}

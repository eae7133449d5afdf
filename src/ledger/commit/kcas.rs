//! The protocol of a transaction over several cells: install, decide, stamp, release. The owner and
//! its helpers run the same code.

use std::cell::Cell;

use super::descriptor::{Descriptor, Entry, Outcome, Planned};
use super::urgency::QuietRequest;
use crate::ledger::state::Ledger;
use crate::ledger::word::{GateWord, Stamp, Ticket};
use crate::step::{Step, reached};

/// Tells what a participant, the owner or a helper, knows of the transaction.
pub(super) trait Participant {
    fn descriptor(&self) -> &Descriptor;
    fn count(&self) -> u64;
    /// Returns the `position`th entry, or `None` if the transaction is over, and with it the
    /// participant's work.
    fn entry(&self, position: u64) -> Option<Entry>;
    /// Returns how the transaction stands, or `None` if it is over.
    fn outcome(&self) -> Option<Outcome>;
    /// Returns whether all new versions are known to be written with `stamp`.
    fn has_written(&self, stamp: Stamp) -> bool;
    /// Returns whether all replaced versions have `stamp`, a reading of the clock, or `None` if the
    /// transaction is over.
    fn replaces_only(&self, ledger: &Ledger, stamp: Stamp) -> Option<bool>;
    /// Notes that the descriptor is about to go into one more gate.
    fn note_progress(&self, ledger: &Ledger);
}

/// The owner. What it has planned is always valid.
pub(super) struct Owner<'a> {
    pub(super) descriptor: &'a Descriptor,
    pub(super) planned: &'a [Planned],
    pub(super) stamps: Stamps,
    pub(super) request: &'a Cell<Option<QuietRequest>>,
}

/// Holds what the owner of a transaction knows of stamps.
#[derive(Clone, Copy)]
pub(super) struct Stamps {
    /// The earliest stamp that a new version was written with.
    pub(super) written: Stamp,
    /// The earliest stamp of the versions that the new ones replace.
    pub(super) replaced: Stamp,
}

impl Participant for Owner<'_> {
    #[inline]
    fn descriptor(&self) -> &Descriptor {
        self.descriptor
    }

    #[inline]
    fn count(&self) -> u64 {
        self.planned.len() as u64
    }

    #[inline]
    fn entry(&self, position: u64) -> Option<Entry> {
        self.planned.get(position as usize).map(|planned| planned.entry)
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
        // No replaced version has a later stamp than the clock.
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

/// A helper. It reads the descriptor, for as long as the descriptor serves the transaction.
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
    /// Counts how often this thread has helped, in any forest.
    static HELPS: Cell<u64> = const { Cell::new(0) };
}

/// Returns how often this thread has helped, in any forest.
pub(super) fn helps() -> u64 {
    HELPS.get()
}

/// Tells how far a participant has come.
pub(super) enum Progress {
    /// The transaction is decided, and no gate names its descriptor any more; `None` if it was over
    /// before.
    Done(Option<Outcome>),
    /// The transaction of this ticket holds a gate, and has to be finished first.
    Blocked(Ticket),
}

enum InstallResult {
    Everywhere,
    /// A gate held a version other than the one that the transaction has read.
    Mismatch,
    Blocked(Ticket),
    Over,
}

impl Ledger {
    /// Finishes another thread's transaction, and those in its way. Lock-free, without recursion.
    ///
    /// Transactions install in the order of cells. So a blocked one waits only for one that holds a
    /// higher cell, and following them upward ends.
    #[cold]
    ///
    /// Returns whether a change has come into force: the caller wakes those who wait, when nothing of
    /// its own is under way.
    pub(in crate::ledger) fn help(&self, ticket: Ticket) -> bool {
        HELPS.set(HELPS.get() + 1);
        let mut current = ticket;
        let mut has_committed = false;
        loop {
            let descriptor = self.descriptor(current.slot());
            let helper = Helper { descriptor, ticket: current, count: descriptor.count() };
            match self.advance(current, &helper) {
                Progress::Blocked(by) => current = by,
                Progress::Done(outcome) => {
                    has_committed |= matches!(outcome, Some(Outcome::Committed(_)));
                    if current == ticket {
                        break;
                    }
                    current = ticket;
                }
            }
        }
        has_committed
    }

    /// Takes a published transaction as far as it goes. The owner and any number of helpers may do
    /// so at once.
    #[inline]
    pub(super) fn advance(&self, ticket: Ticket, participant: &impl Participant) -> Progress {
        let mut outcome = participant.outcome();
        if outcome == Some(Outcome::Undecided) {
            match self.install(ticket, participant) {
                InstallResult::Everywhere => {
                    // No thread can see the old versions any more, and nothing can abort the
                    // transaction (I7).
                    if let Some(stamp) = self.stamp_all_now(participant) {
                        reached(Step::Timed);
                        participant.descriptor().commit(ticket, stamp);
                    }
                }
                // Only a version that was found aborts a transaction, never impatience: no
                // participant passes the mismatch, so that no late helper can install behind it
                // (I8).
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

    /// Puts the descriptor into every gate, in the order of the cells (I7).
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
    /// written (I11). Returns `None` if the transaction is over.
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

    /// Returns a stamp for all new versions, as [`stamp_now`](Self::stamp_now) does for one.
    /// Returns `None` if the transaction is over.
    #[inline]
    fn stamp_all_now(&self, participant: &impl Participant) -> Option<Stamp> {
        let now = self.clock.now();
        if now == Stamp::BEGINNING {
            return Some(now);
        }
        // The stamp of the replaced versions is marked already (I18).
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

    /// Takes the descriptor out of every gate, putting the word there that `next` makes of the
    /// entry. Only the owner returns from this knowing that no gate names the descriptor (I9).
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
            // Refused: another participant was first, or an aborted transaction never came to this
            // cell.
            let _ = self.gates.exchange(entry.cell, word, next(entry));
            reached(Step::Released);
        }
    }
}

//! Transactions over several cells: install, decide, stamp, release; by the owner and its helpers
//! alike.

use std::cell::Cell;

use super::Ledger;
use super::clock::Stamp;
use super::descriptor::{Descriptor, Entry, State, Ticket};
use super::gate::GateWord;
use crate::step::{Step, reached};

/// Where a participant finds the entries of the transaction.
pub(super) trait Entries {
    fn count(&self) -> u64;
    /// None if the transaction is over, and with it the participant's work.
    fn entry(&self, position: u64) -> Option<Entry>;
}

/// The owner's own copy: always good.
impl Entries for &[Entry] {
    fn count(&self) -> u64 {
        self.len() as u64
    }

    fn entry(&self, position: u64) -> Option<Entry> {
        self.get(position as usize).copied()
    }
}

/// A helper's view: the descriptor, for as long as it has not moved on.
struct Announced<'a> {
    descriptor: &'a Descriptor,
    ticket: Ticket,
    count: u64,
}

impl Entries for Announced<'_> {
    fn count(&self) -> u64 {
        self.count
    }

    fn entry(&self, position: u64) -> Option<Entry> {
        self.descriptor.entry(self.ticket, position)
    }
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
    /// The transaction is over; committed or aborted, unless it was over before.
    Done(Option<State>),
    /// Another transaction holds a gate and has to be finished first.
    Blocked(Ticket),
}

enum Installed {
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
    pub(super) fn help(&self, ticket: Ticket) {
        HELPS.set(HELPS.get() + 1);
        let mut current = ticket;
        loop {
            let descriptor = self.descriptor(current.slot());
            let announced = Announced { descriptor, ticket: current, count: descriptor.count() };
            match self.advance(current, &announced) {
                Progress::Blocked(by) => current = by,
                Progress::Done(_) if current == ticket => return,
                Progress::Done(_) => current = ticket,
            }
        }
    }

    /// Takes a published transaction as far as it goes. Owner and helpers may do this at once.
    #[inline]
    pub(super) fn advance(&self, ticket: Ticket, entries: &impl Entries) -> Progress {
        let descriptor = self.descriptor(ticket.slot());
        if descriptor.state(ticket) == Some(State::Undecided) {
            match self.install(ticket, entries) {
                Installed::Everywhere => descriptor.decide(ticket, State::Committed),
                // Only what was seen aborts a transaction, never impatience: the cells behind a
                // mismatch are never reached by anybody, so no late helper can install there.
                Installed::Mismatch => descriptor.decide(ticket, State::Aborted),
                Installed::Blocked(by) if descriptor.state(ticket) == Some(State::Undecided) => {
                    return Progress::Blocked(by);
                }
                Installed::Blocked(_) | Installed::Over => {}
            }
        }
        reached(Step::Decided);
        let state = descriptor.state(ticket);
        match state {
            Some(State::Committed) => {
                if self.stamp(descriptor, ticket, entries).is_some() {
                    self.release(ticket, entries, |entry| entry.new);
                }
            }
            Some(State::Aborted) => self.release(ticket, entries, |entry| entry.old.next_same()),
            Some(State::Undecided | State::Preparing) | None => {}
        }
        Progress::Done(state)
    }

    /// Puts the descriptor into every gate, in the order of the cells.
    #[inline]
    fn install(&self, ticket: Ticket, entries: &impl Entries) -> Installed {
        let word = GateWord::of_ticket(ticket);
        for position in 0..entries.count() {
            let Some(entry) = entries.entry(position) else { return Installed::Over };
            match self.gates.exchange(entry.cell, entry.old, word) {
                Ok(()) => reached(Step::Installed),
                Err(found) if found == word => {}
                Err(found) => match found.ticket() {
                    Some(by) => return Installed::Blocked(by),
                    None => return Installed::Mismatch,
                },
            }
        }
        Installed::Everywhere
    }

    /// Gives all new versions one stamp. None if the transaction is over.
    #[inline]
    fn stamp(&self, descriptor: &Descriptor, ticket: Ticket, entries: &impl Entries) -> Option<()> {
        let stamp = descriptor.agree_on_stamp(ticket, self.stamp_all_now(entries)?)?;
        reached(Step::StampAgreed);
        for position in 0..entries.count() {
            let entry = entries.entry(position)?;
            if entry.puts() {
                let token = Stamp::token(entry.cell, entry.new);
                // Refused: it has been stamped, by the same stamp.
                let _ = self.records.get(entry.new.record()).set_stamp(token, stamp);
                reached(Step::Stamped);
            }
        }
        Some(())
    }

    /// A stamp for all new versions; see [`stamp_now`](Self::stamp_now). None if the transaction is
    /// over.
    #[inline]
    fn stamp_all_now(&self, entries: &impl Entries) -> Option<Stamp> {
        let now = self.clock.now();
        if now == Stamp::BEGINNING {
            return Some(now);
        }
        let mut all_marked = true;
        for position in 0..entries.count() {
            let entry = entries.entry(position)?;
            all_marked &= !entry.puts() || self.stamp_before(&entry) == now;
        }
        if all_marked {
            return Some(now);
        }
        self.stamp_marked(now, |mark| {
            for position in 0..entries.count() {
                let entry = entries.entry(position)?;
                if entry.puts() {
                    self.marks.mark(entry.cell, mark);
                }
            }
            Some(())
        })
    }

    fn stamp_before(&self, entry: &Entry) -> Stamp {
        self.records.get(entry.new.record()).stamp_before()
    }

    /// Takes the descriptor out of every gate.
    #[inline]
    fn release(&self, ticket: Ticket, entries: &impl Entries, next: impl Fn(Entry) -> GateWord) {
        let word = GateWord::of_ticket(ticket);
        for position in 0..entries.count() {
            let Some(entry) = entries.entry(position) else { return };
            // Refused: another participant was first, or an abort never got this far.
            let _ = self.gates.exchange(entry.cell, word, next(entry));
            reached(Step::Released);
        }
    }
}

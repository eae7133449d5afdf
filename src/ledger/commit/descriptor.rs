//! Descriptors: what a transaction over several cells is about to do, for everyone to read.

use crate::ledger::store::chunks::Chunks;
use crate::ledger::word::{Cell, GateWord, Stamp, Ticket};
use crate::sync::{AtomicU64, Ordering};

/// What a transaction does to one cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) cell: Cell,
    pub(crate) old: GateWord,
    pub(crate) new: GateWord,
}

impl Entry {
    /// Whether the cell gets a new version, rather than the promise that it has not changed.
    pub(crate) fn is_write(&self) -> bool {
        self.old.record() != self.new.record()
    }
}

/// How a published transaction stands. It is decided once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Undecided,
    /// With the stamp of all its versions.
    Committed(Stamp),
    Aborted,
}

/// Stands for [`Outcome::Aborted`]: no reading of the clock, and no token.
const ABORTED: u64 = 0;

impl Outcome {
    fn from_bits(bits: u64) -> Outcome {
        match Stamp::from_bits(bits) {
            _ if bits == ABORTED => Outcome::Aborted,
            stamp if stamp.is_token() => Outcome::Undecided,
            stamp => Outcome::Committed(stamp),
        }
    }
}

/// Used again and again by one worker at a time; the sequence tells the uses apart.
pub(crate) struct Descriptor {
    /// `sequence | whether published 1`
    status: AtomicU64,
    /// The transaction's token until it is decided; then its stamp, or [`ABORTED`].
    outcome: AtomicU64,
    count: AtomicU64,
    first: [EntryWords; FIRST],
    /// The entries behind these.
    later: Chunks<EntryWords>,
}

/// An entry: cell, old, new.
type EntryWords = [AtomicU64; 3];

/// So many entries are in the descriptor itself.
const FIRST: usize = if cfg!(provider_tree_loom) { 2 } else { 8 };

impl Descriptor {
    pub(crate) fn new() -> Self {
        Descriptor {
            status: AtomicU64::new(0),
            outcome: AtomicU64::new(ABORTED),
            count: AtomicU64::new(0),
            first: std::array::from_fn(|_| vacant()),
            later: Chunks::new(1),
        }
    }

    /// The sequence of the last use.
    pub(crate) fn last_sequence(&self) -> u64 {
        // Relaxed: the free list of slots ordered the previous owner's stores before this.
        self.status.load(Ordering::Relaxed) >> 1
    }

    /// Ends the previous use: from here on its helpers find that it is over. Many entries call `step`
    /// for each of them.
    pub(crate) fn prepare(&self, ticket: Ticket, entries: &[Entry], step: impl FnMut()) {
        // Release: nothing to publish yet; what matters is that it precedes every store below,
        // each of which is a release: who acquires one of those sees that the sequence has moved.
        self.status.store(preparing(ticket), Ordering::Release);
        self.count.store(entries.len() as u64, Ordering::Release);
        self.outcome.store(ticket.token().bits(), Ordering::Release);
        for (words, entry) in self.first.iter().zip(entries) {
            fill(words, entry);
        }
        if entries.len() > FIRST {
            self.prepare_later(&entries[FIRST..], step);
        }
    }

    #[cold]
    fn prepare_later(&self, entries: &[Entry], mut step: impl FnMut()) {
        let make = |length| (0..length).map(|_| vacant()).collect();
        for (position, entry) in (0..).zip(entries) {
            fill(&self.later.get_or_make(position, make)[0], entry);
            step();
        }
    }

    /// Opens the transaction to helpers.
    pub(crate) fn publish(&self, ticket: Ticket) {
        // Release: the entries; pairs with the acquire in `state`.
        self.status.store(published(ticket), Ordering::Release);
    }

    /// Whether the descriptor serves this transaction still.
    #[inline]
    fn serves(&self, ticket: Ticket) -> bool {
        // Acquire: pairs with `publish`; and with `prepare` for who has read a word of the next use.
        self.status.load(Ordering::Acquire) == published(ticket)
    }

    /// How the transaction stands; none if the descriptor has moved on to another.
    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        let outcome = self.own_outcome();
        self.serves(ticket).then_some(outcome)
    }

    /// How the owner's own transaction stands.
    #[inline]
    pub(crate) fn own_outcome(&self) -> Outcome {
        // Acquire: pairs with the exchange in `decide`: the stamp carries its reading of the clock,
        // and with it the registrations of all snapshots before it.
        Outcome::from_bits(self.outcome.load(Ordering::Acquire))
    }

    /// Decides the transaction, unless it is decided.
    #[inline]
    pub(crate) fn commit(&self, ticket: Ticket, stamp: Stamp) {
        self.decide(ticket, stamp.bits());
    }

    /// Decides the transaction, unless it is decided.
    #[cold]
    pub(crate) fn abort(&self, ticket: Ticket) {
        self.decide(ticket, ABORTED);
    }

    #[inline]
    fn decide(&self, ticket: Ticket, outcome: u64) {
        let token = ticket.token().bits();
        // AcqRel: the decision follows the installs that this thread made or saw, and its reading of
        // the clock; pairs with the acquire in `own_outcome`. Failure needs nothing: whoever goes on
        // loads the outcome.
        let _ = self.outcome.compare_exchange(token, outcome, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The number of entries, meaningful while [`outcome`](Self::outcome) still answers.
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with the release in `prepare`, so that a count of the next use comes
        // with the next sequence.
        self.count.load(Ordering::Acquire)
    }

    /// The `position`th entry; none if the descriptor has moved on.
    pub(crate) fn entry(&self, ticket: Ticket, position: u64) -> Option<Entry> {
        let [cell, old, new] = match self.first.get(position as usize) {
            Some(words) => words,
            None => self.later.first(position as u32 - FIRST as u32)?,
        };
        // Acquire: pairs with the release in `fill`, so that a word of the next use comes with the
        // next sequence.
        let entry = Entry {
            cell: Cell::new(cell.load(Ordering::Acquire) as u32),
            old: GateWord::from_bits(old.load(Ordering::Acquire)),
            new: GateWord::from_bits(new.load(Ordering::Acquire)),
        };
        self.serves(ticket).then_some(entry)
    }
}

fn vacant() -> EntryWords {
    std::array::from_fn(|_| AtomicU64::new(0))
}

#[inline]
fn fill([cell, old, new]: &EntryWords, entry: &Entry) {
    // Release: pairs with the acquire in `Descriptor::entry`.
    cell.store(u64::from(entry.cell.number()), Ordering::Release);
    old.store(entry.old.bits(), Ordering::Release);
    new.store(entry.new.bits(), Ordering::Release);
}

fn preparing(ticket: Ticket) -> u64 {
    ticket.sequence() << 1
}

fn published(ticket: Ticket) -> u64 {
    preparing(ticket) | 1
}

//! Descriptors: what a transaction over several cells is about to do, for all threads to read.

use crate::ledger::store::chunks::Chunks;
use crate::ledger::word::{Cell, GateWord, Stamp, Ticket};
use crate::sync::{AtomicU64, Ordering};

/// Describes what a transaction does to one cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) cell: Cell,
    pub(crate) old: GateWord,
    pub(crate) new: GateWord,
}

impl Entry {
    /// Returns whether the cell gets a new version. If not, the entry is a touch: the cell must
    /// merely not change (I12).
    pub(crate) fn is_write(&self) -> bool {
        self.old.record() != self.new.record()
    }
}

/// Describes what the owner of a transaction is about to do to one cell: what its descriptor will
/// publish, and what it has to know itself.
#[derive(Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) entry: Entry,
    /// The stamp of the version that is in force before.
    pub(crate) from: Stamp,
}

/// Tells how a published transaction stands. A transaction is decided once (I6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Undecided,
    /// Committed, with the stamp of all new versions (I11).
    Committed(Stamp),
    Aborted,
}

/// Stands for [`Outcome::Aborted`]: neither a reading of the clock nor a token.
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

/// Holds one transaction after another, of one writer at a time; the sequence tells the uses apart.
pub(crate) struct Descriptor {
    /// `sequence | whether published 1`
    status: AtomicU64,
    /// The transaction's token until it is decided; then its stamp, or [`ABORTED`].
    outcome: AtomicU64,
    count: AtomicU64,
    /// The position of the slot's trail behind the transaction's cells.
    end: AtomicU64,
    first: [EntryWords; FIRST],
    /// Holds the entries behind `first`.
    later: Chunks<EntryWords>,
}

/// Holds an entry: cell, old word, new word.
type EntryWords = [AtomicU64; 3];

/// Counts the entries that the descriptor holds itself.
pub(super) const FIRST: usize = if cfg!(provider_tree_loom) { 2 } else { 8 };

impl Descriptor {
    pub(crate) fn new() -> Self {
        Descriptor {
            status: AtomicU64::new(0),
            outcome: AtomicU64::new(ABORTED),
            count: AtomicU64::new(0),
            end: AtomicU64::new(0),
            first: std::array::from_fn(|_| vacant()),
            later: Chunks::new(1),
        }
    }

    /// Returns the sequence of the last use. The next owner of the slot goes on with it.
    pub(crate) fn last_sequence(&self) -> u64 {
        // Relaxed: the free list of slots ordered the previous owner's stores before this load.
        self.status.load(Ordering::Relaxed) >> 1
    }

    /// Ends the previous use and begins the next: from the first store on, helpers of the previous
    /// use find that it is over (I10). The trail of the slot will announce the transaction up to
    /// position `end`.
    ///
    /// The caller owns the slot, and no gate names the descriptor (I9).
    #[inline]
    pub(crate) fn begin(&self, ticket: Ticket, end: u64) {
        // Release: publishes nothing yet. It precedes every store below and in `prepare`, and each
        // of these is a release: a thread that acquires one of them sees that the sequence has
        // moved.
        self.status.store(preparing(ticket), Ordering::Release);
        self.outcome.store(ticket.token().bits(), Ordering::Release);
        // Release: after the outcome. Pairs with the acquire in `standing`.
        self.end.store(end, Ordering::Release);
    }

    /// Fills in the entries. Calls `step` for each entry behind the first ones.
    pub(crate) fn prepare(&self, planned: &[Planned], step: impl FnMut()) {
        self.prepare_first(planned.iter().map(|planned| planned.entry));
        if planned.len() > FIRST {
            self.prepare_later(&planned[FIRST..], step);
        }
    }

    /// Fills in the number of the entries, and those that the descriptor holds itself.
    #[inline]
    pub(super) fn prepare_first(&self, entries: impl ExactSizeIterator<Item = Entry>) {
        // Release: as in `begin`.
        self.count.store(entries.len() as u64, Ordering::Release);
        for (words, entry) in self.first.iter().zip(entries) {
            fill(words, &entry);
        }
    }

    /// Fills in the entries behind those. Calls `step` for each.
    #[cold]
    pub(super) fn prepare_later(&self, planned: &[Planned], mut step: impl FnMut()) {
        let make = |length| (0..length).map(|_| vacant()).collect();
        for (position, planned) in (0..).zip(planned) {
            fill(&self.later.get_or_make(position, make)[0], &planned.entry);
            step();
        }
    }

    /// Opens the transaction to helpers.
    pub(crate) fn publish(&self, ticket: Ticket) {
        // Release: publishes the entries; pairs with the acquire in `serves`.
        self.status.store(published(ticket), Ordering::Release);
    }

    /// Returns whether the descriptor still serves the transaction of `ticket`.
    #[inline]
    fn serves(&self, ticket: Ticket) -> bool {
        // Acquire: pairs with the release in `publish`; for a thread that has read a word of the
        // next use, also with the release in `begin`.
        self.status.load(Ordering::Acquire) == published(ticket)
    }

    /// Returns how the transaction stands, or `None` if the descriptor serves another by now.
    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Outcome> {
        let outcome = self.own_outcome();
        self.serves(ticket).then_some(outcome)
    }

    /// Returns how the transaction of the calling owner stands.
    #[inline]
    pub(crate) fn own_outcome(&self) -> Outcome {
        // Acquire: pairs with the exchange in `decide`: the stamp brings its reading of the clock,
        // and with it the registrations of all earlier snapshots.
        Outcome::from_bits(self.outcome.load(Ordering::Acquire))
    }

    /// Returns a position of the slot's trail, and how the transaction stands that ends there: the
    /// one begun last.
    ///
    /// If the next begins meanwhile, the outcome may be of that. Then the former is over, and the
    /// trail says so if the caller looks there afterwards; and if the next is decided, the trail is
    /// announced beyond the position.
    pub(crate) fn standing(&self) -> (u64, Outcome) {
        // Acquire: pairs with the release in `begin`, so that the outcome is this transaction's
        // or a later one's. Either brings what the trail had announced before.
        let end = self.end.load(Ordering::Acquire);
        (end, self.own_outcome())
    }

    /// Commits the transaction with `stamp`, unless it is decided already; returns whether it was not.
    #[inline]
    pub(crate) fn commit(&self, ticket: Ticket, stamp: Stamp) -> bool {
        self.decide(ticket, stamp.bits())
    }

    /// Aborts the transaction, unless it is decided already.
    #[cold]
    pub(crate) fn abort(&self, ticket: Ticket) {
        self.decide(ticket, ABORTED);
    }

    #[inline]
    fn decide(&self, ticket: Ticket, outcome: u64) -> bool {
        let token = ticket.token().bits();
        // AcqRel: the decision follows the installs that this thread made or saw, and its reading
        // of the clock; pairs with the acquire in `own_outcome`. A failure needs no more: the
        // participant goes on to load the outcome.
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.outcome.compare_exchange(token, outcome, success, failure).is_ok()
    }

    /// Returns the number of entries. It means something only while [`outcome`](Self::outcome)
    /// still answers.
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with the release in `prepare`, so that a count of the next use brings the
        // next sequence.
        self.count.load(Ordering::Acquire)
    }

    /// Returns the `position`th entry, or `None` if the descriptor serves another transaction by
    /// now.
    pub(crate) fn entry(&self, ticket: Ticket, position: u64) -> Option<Entry> {
        let [cell, old, new] = match self.first.get(position as usize) {
            Some(words) => words,
            None => self.later.first(position as u32 - FIRST as u32)?,
        };
        // Acquire: pairs with the release in `fill`, so that a word of the next use brings the next
        // sequence.
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

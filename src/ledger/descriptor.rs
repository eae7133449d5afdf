//! Descriptors: what a transaction over several cells is about to do, for everyone to read.

use super::chunks::Chunks;
use super::clock::Stamp;
use super::gate::{Cell, GateWord};
use crate::sync::{AtomicU64, Ordering, zeroed_words};

/// One use of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    slot: u32,
    sequence: u64,
}

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

impl Ticket {
    /// How many descriptors there can be.
    pub(crate) const SLOTS: u32 = 1 << 15;

    /// The `sequence` wraps after 2^48 transactions of one worker.
    pub(crate) fn new(slot: u32, sequence: u64) -> Self {
        Ticket { slot, sequence: sequence & SEQUENCE_MASK }
    }

    pub(crate) fn slot(self) -> u32 {
        self.slot
    }

    pub(crate) fn bits(self) -> u64 {
        u64::from(self.slot) << SEQUENCE_BITS | self.sequence
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Ticket { slot: (bits >> SEQUENCE_BITS) as u32, sequence: bits & SEQUENCE_MASK }
    }

    fn token(self) -> Stamp {
        Stamp::transaction_token(self.sequence)
    }
}

/// What a transaction does to one cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) cell: Cell,
    pub(crate) old: GateWord,
    pub(crate) new: GateWord,
}

impl Entry {
    /// Whether the cell gets a new version, rather than the promise that it has not changed.
    pub(crate) fn puts(&self) -> bool {
        self.old.record() != self.new.record()
    }
}

/// How far a transaction has come. It is decided once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Undecided = 0,
    Committed = 1,
    Aborted = 2,
    /// The owner fills the entries; no gate names the descriptor.
    Preparing = 3,
}

impl State {
    fn from_bits(bits: u64) -> State {
        match bits & 3 {
            0 => State::Undecided,
            1 => State::Committed,
            2 => State::Aborted,
            _ => State::Preparing,
        }
    }
}

/// Used again and again by one worker at a time; the sequence tells the uses apart.
pub(crate) struct Descriptor {
    /// `sequence | state 2`
    status: AtomicU64,
    /// When the transaction took effect: its token until someone has read the clock for it.
    stamp: AtomicU64,
    count: AtomicU64,
    /// Three words each: cell, old, new.
    entries: Chunks<AtomicU64>,
}

impl Descriptor {
    pub(crate) fn new() -> Self {
        Descriptor {
            status: AtomicU64::new(State::Preparing as u64),
            stamp: AtomicU64::new(0),
            count: AtomicU64::new(0),
            entries: Chunks::new(3),
        }
    }

    /// The sequence of the last use.
    pub(crate) fn last_sequence(&self) -> u64 {
        // Relaxed: the free list of slots ordered the previous owner's stores before this.
        self.status.load(Ordering::Relaxed) >> 2
    }

    /// Ends the previous use: from here on its helpers find that it is over.
    pub(crate) fn prepare(&self, ticket: Ticket, entries: impl ExactSizeIterator<Item = Entry>) {
        // Release: nothing to publish yet; what matters is that it precedes every store below,
        // each of which is a release: who acquires one of those sees that the sequence has moved.
        self.status.store(status(ticket, State::Preparing), Ordering::Release);
        self.count.store(entries.len() as u64, Ordering::Release);
        self.stamp.store(ticket.token().bits(), Ordering::Release);
        for (position, entry) in entries.enumerate() {
            let words = self.entries.get_or_make(position as u32, zeroed_words);
            // Release: pairs with the acquire in `entry`.
            words[0].store(u64::from(entry.cell.number()), Ordering::Release);
            words[1].store(entry.old.bits(), Ordering::Release);
            words[2].store(entry.new.bits(), Ordering::Release);
        }
    }

    /// Opens the transaction to helpers.
    pub(crate) fn publish(&self, ticket: Ticket) {
        // Release: the entries; pairs with the acquire in `state`.
        self.status.store(status(ticket, State::Undecided), Ordering::Release);
    }

    /// How far the transaction has come; none if the descriptor has moved on to another.
    #[inline]
    pub(crate) fn state(&self, ticket: Ticket) -> Option<State> {
        // Acquire: pairs with `publish` and `decide`.
        let status = self.status.load(Ordering::Acquire);
        (status >> 2 == ticket.sequence).then(|| State::from_bits(status))
    }

    /// Decides the transaction, unless it is decided.
    pub(crate) fn decide(&self, ticket: Ticket, state: State) {
        let undecided = status(ticket, State::Undecided);
        // AcqRel: the decision follows the installs that this thread made or saw; pairs with the
        // acquire in `state`. Failure needs nothing: whoever goes on loads the state.
        let _ = self.status.compare_exchange(
            undecided,
            status(ticket, state),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// The number of entries, meaningful while [`state`](Self::state) still answers.
    pub(crate) fn count(&self) -> u64 {
        // Acquire: pairs with the release in `prepare`, so that a count of the next use comes
        // with the next sequence.
        self.count.load(Ordering::Acquire)
    }

    /// The `position`th entry; none if the descriptor has moved on.
    pub(crate) fn entry(&self, ticket: Ticket, position: u64) -> Option<Entry> {
        let words = self.entries.get(position as u32)?;
        // Acquire: pairs with the release in `prepare`, so that a word of the next use comes
        // with the next sequence.
        let entry = Entry {
            cell: Cell::new(words[0].load(Ordering::Acquire) as u32),
            old: GateWord::from_bits(words[1].load(Ordering::Acquire)),
            new: GateWord::from_bits(words[2].load(Ordering::Acquire)),
        };
        self.state(ticket).map(|_| entry)
    }

    /// Agrees on the transaction's stamp: `now`, unless another thread was first. None if the
    /// descriptor has moved on.
    pub(crate) fn agree_on_stamp(&self, ticket: Ticket, now: Stamp) -> Option<Stamp> {
        let token = ticket.token().bits();
        // AcqRel: the stamp carries its reading of the clock; on failure Acquire for the same.
        let stamp = match self.stamp.compare_exchange(
            token,
            now.bits(),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => now,
            Err(found) => Stamp::from_bits(found),
        };
        self.state(ticket).map(|_| stamp)
    }

    /// The stamp of the owner's last transaction that has committed.
    pub(crate) fn agreed_stamp(&self) -> Stamp {
        // Acquire: the stamp carries its reading of the clock, and with it the registrations of
        // all snapshots before it.
        Stamp::from_bits(self.stamp.load(Ordering::Acquire))
    }
}

fn status(ticket: Ticket, state: State) -> u64 {
    ticket.sequence << 2 | state as u64
}

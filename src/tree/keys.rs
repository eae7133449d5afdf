//! Keys: names and uuids, found through an index that decides nothing.
//!
//! An index entry is a hint: a cell and its incarnation. The cell says whether the key is taken.
//! A key that something is about to have is *interned*: it gets a cell in state absent, shared by
//! all who want the key; creating is a transaction that turns it live, so it has one winner.
//!
//! | from | to | by |
//! |---|---|---|
//! | free | absent | `intern`, before the entry is inserted |
//! | absent | live | the transaction that creates |
//! | absent | free, next incarnation | `retire`, when a call that interned it ends |
//! | live | free, next incarnation | the transaction that removes |
//!
//! For consumers a cell that is free stands for their key as well as one that is absent, as long as
//! its incarnation is that of the entry: what comes and goes so often saves a step each time.
//!
//! Whoever frees a cell removes exactly its entry, then gives the number back. A thread that stops
//! on the way leaks at most the cells it was about to give back.

use std::hash::Hash;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::ledger::{Abort, Cell, Kind, Ledger, Limit, Place, Transaction, Writer};
use crate::step::{Step, reached};
use crate::sync::Index;
use crate::tree::layout::{Life, State, first_words};

/// The cell that stands for a key, as it was when the key was looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interned {
    pub(crate) cell: Cell,
    pub(crate) incarnation: u64,
}

/// The keys of one kind.
pub(crate) struct Keys<K> {
    index: Index<K, Interned>,
    kind: Kind,
    /// The words of a cell that stands for a key which nothing has; none if it may hold what it
    /// held when it was free.
    absent: Option<fn(Life, &K) -> Vec<u64>>,
}

impl<K: Clone + Eq + Hash + Ord> Keys<K> {
    pub(crate) fn new(kind: Kind, absent: Option<fn(Life, &K) -> Vec<u64>>) -> Self {
        Keys { index: Index::new(), kind, absent }
    }

    /// How many keys are in the index, and about what that takes.
    pub(crate) fn index_size(&self) -> (u64, u64) {
        (self.index.len(), self.index.bytes())
    }

    /// The cell that may stand for `key`; if it doesn't any more, nothing had the key at some
    /// instant since the call. Takes a shard's read lock for O(1).
    pub(crate) fn hint<Q>(&self, key: &Q) -> Option<Interned>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + Ord + ?Sized,
    {
        self.index.get(key)
    }

    /// The cell that stands for `key` now, if one does. Takes a shard's lock for O(1).
    pub(crate) fn interned(&self, ledger: &Ledger, key: &K) -> Option<Interned> {
        loop {
            let hint = self.index.get(key)?;
            let life = ledger.peek(hint.cell, Life::of);
            if life.incarnation == hint.incarnation {
                return Some(hint);
            }
            // What the cell stood for is over; its remover may not have come this far.
            self.index.remove_if_exactly(key, hint);
        }
    }

    /// The cell of what has `key`. Takes a shard's read lock for O(1).
    pub(crate) fn live<Q>(&self, ledger: &Ledger, key: &Q) -> Option<Interned>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + Ord + ?Sized,
    {
        let hint = self.index.get(key)?;
        ledger.peek(hint.cell, Life::of).is(State::Live, hint.incarnation).then_some(hint)
    }

    /// The cell that stands for `key`, whether or not something has it. Takes a shard's lock for
    /// O(1).
    pub(crate) fn intern(&self, writer: &mut Writer, key: &K) -> Result<Interned, Limit> {
        loop {
            if let Some(interned) = self.interned(writer.ledger(), key) {
                return Ok(interned);
            }
            if let Some(interned) = self.intern_first(writer, key)? {
                return Ok(interned);
            }
        }
    }

    /// The cell that stands for `key` from now on; none if one does already. Takes a shard's lock for
    /// O(1).
    pub(crate) fn intern_first(
        &self,
        writer: &mut Writer,
        key: &K,
    ) -> Result<Option<Interned>, Limit> {
        let interned = self.occupy(writer, key)?;
        reached(Step::Occupied);
        if self.index.insert_if_absent(key.clone(), interned) {
            reached(Step::Interned);
            return Ok(Some(interned));
        }
        match self.absent {
            Some(_) => self.retire(writer, key, interned),
            None => writer.give_cells(self.kind, interned.cell),
        }
        Ok(None)
    }

    /// The same for a key whose cell need not say what it stands for, in a transaction that is about
    /// to say so: the cell is open there, as it was before anyone could know it.
    pub(crate) fn intern_open(
        &self,
        transaction: &mut Transaction<'_>,
        key: &K,
    ) -> Result<Option<(Interned, Place, Life)>, Limit> {
        let cell = self.vacant(|kind, first| transaction.take_cells(kind, first))?;
        let opened = transaction.open(cell);
        let added = opened.map(|place| {
            let life = Life::of_words(transaction.words(place));
            let interned = Interned { cell, incarnation: life.incarnation };
            reached(Step::Occupied);
            let added = self.index.insert_if_absent(key.clone(), interned);
            added.then_some((interned, place, life))
        });
        match added {
            Ok(Some(_)) => reached(Step::Interned),
            Ok(None) | Err(_) => transaction.give_cells(self.kind, cell),
        }
        added
    }

    /// Takes cells that nobody uses.
    fn vacant(
        &self,
        take: impl FnOnce(Kind, &[u64]) -> Result<Cell, Limit>,
    ) -> Result<Cell, Limit> {
        take(self.kind, first_words(self.kind))
    }

    /// Gives up a key that nothing has; no effect if something has it or another gave it up.
    pub(crate) fn retire(&self, writer: &mut Writer, key: &K, interned: Interned) {
        let freed = writer.transact(|transaction| {
            let place = transaction.open(interned.cell).map_err(NotAbsent::from)?;
            let life = Life::of_words(transaction.words(place));
            if life.state == State::Live || life.incarnation != interned.incarnation {
                return Err(NotAbsent.into());
            }
            transaction.rewrite(place, &[life.ended().word()]);
            Ok(())
        });
        if freed.is_ok() {
            self.release(writer, key, interned);
        }
    }

    /// Runs `attempt` with the interned `keys`, as [`with_both_keys`] does for two kinds.
    pub(crate) fn with_keys<'k, T>(
        &self,
        writer: &mut Writer,
        keys: impl Iterator<Item = &'k K> + Clone,
        attempt: impl FnOnce(&mut Writer, &[Interned]) -> Result<T, Refused>,
    ) -> Result<T, Refused>
    where
        K: 'k,
    {
        let nothing = (self, std::iter::empty());
        with_both_keys(writer, (self, keys), nothing, |writer, keys, _| attempt(writer, keys))
    }

    fn intern_all<'k>(
        &self,
        writer: &mut Writer,
        keys: impl Iterator<Item = &'k K>,
        interned: &mut InternedKeys,
    ) -> Result<(), Limit>
    where
        K: 'k,
    {
        for key in keys {
            interned.push(self.intern(writer, key)?);
        }
        Ok(())
    }

    /// Gives up those of the keys that nothing has. After a success most are had, and `interned` are
    /// all; before that an earlier attempt may have interned keys that the last one has not.
    fn settle<'k>(
        &self,
        writer: &mut Writer,
        keys: impl Iterator<Item = &'k K>,
        interned: &[Interned],
        is_success: bool,
    ) where
        K: 'k,
    {
        if !is_success {
            return keys.for_each(|key| self.give_up(writer, key));
        }
        for (key, interned) in keys.zip(interned) {
            let life = writer.ledger().peek(interned.cell, Life::of);
            if life.incarnation == interned.incarnation && life.state != State::Live {
                self.retire(writer, key, *interned);
            }
        }
    }

    /// Gives up a key, if it is interned and nothing has it.
    fn give_up(&self, writer: &mut Writer, key: &K) {
        if let Some(interned) = self.interned(writer.ledger(), key) {
            self.retire(writer, key, interned);
        }
    }

    /// Forgets a key whose cell this caller has freed.
    pub(crate) fn release<Q>(&self, writer: &mut Writer, key: &Q, freed: Interned)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + Ord + ?Sized,
    {
        reached(Step::Freed);
        self.index.remove_if_exactly(key, freed);
        reached(Step::Forgotten);
        writer.give_cells(self.kind, freed.cell);
    }

    /// Takes a cell into use for `key`, unknown to others yet.
    fn occupy(&self, writer: &mut Writer, key: &K) -> Result<Interned, Limit> {
        let cell = self.vacant(|kind, first| writer.take_cells(kind, first))?;
        let Some(absent) = self.absent else {
            let incarnation = writer.ledger().peek(cell, Life::of).incarnation;
            return Ok(Interned { cell, incarnation });
        };
        let occupied: Result<_, Limit> = writer.transact(|transaction| {
            let place = transaction.open(cell)?;
            let life = Life::of_words(transaction.words(place)).with(State::Absent);
            transaction.rewrite(place, &absent(life, key));
            Ok(Interned { cell, incarnation: life.incarnation })
        });
        if occupied.is_err() {
            writer.give_cells(self.kind, cell);
        }
        occupied
    }
}

/// The cells of the keys of a call: most calls have one or two.
type InternedKeys = SmallVec<[Interned; 2]>;

/// Runs `attempt` with the interned keys of two kinds, in their order. Afterwards no key stays interned
/// that nothing has, unless the attempt is refused as stale: [`while_stale`] repeats it then, and the
/// attempt that ends the call gives up the keys of all attempts. (If each gave up its keys at once, two
/// callers with equal keys could make each other's attempts stale for ever.) So attempts don't nest: an
/// attempt that ends before it comes to the inner keys would leave those.
///
/// O(keys), beside the attempt.
pub(crate) fn with_both_keys<'k, A, B, T>(
    writer: &mut Writer,
    (one, keys_of_one): (&Keys<A>, impl Iterator<Item = &'k A> + Clone),
    (other, keys_of_other): (&Keys<B>, impl Iterator<Item = &'k B> + Clone),
    attempt: impl FnOnce(&mut Writer, &[Interned], &[Interned]) -> Result<T, Refused>,
) -> Result<T, Refused>
where
    A: Clone + Eq + Hash + Ord + 'k,
    B: Clone + Eq + Hash + Ord + 'k,
{
    let mut interned = [InternedKeys::new(), InternedKeys::new()];
    let [ones, others] = &mut interned;
    let done = one.intern_all(writer, keys_of_one.clone(), ones);
    let done = done.and_then(|()| other.intern_all(writer, keys_of_other.clone(), others));
    let outcome = done.map_err(Refused::from).and_then(|()| attempt(writer, ones, others));
    if !matches!(outcome, Err(Refused::Stale)) {
        one.settle(writer, keys_of_one, ones, outcome.is_ok());
        other.settle(writer, keys_of_other, others, outcome.is_ok());
    }
    outcome
}

/// Why a transaction that needs an interned key was refused.
pub(crate) enum Refused {
    /// The key's cell has been given up: intern it again.
    Stale,
    Error(Error),
}

/// Repeats an attempt until it is not refused as stale.
///
/// Lock-free: an attempt is stale because another call has ended that had interned a key of the
/// attempt, or has put another configuration in force.
pub(crate) fn while_stale<T>(mut attempt: impl FnMut() -> Result<T, Refused>) -> Result<T> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Refused::Error(error)) => return Err(error),
            Err(Refused::Stale) => {}
        }
    }
}

impl From<Limit> for Refused {
    fn from(limit: Limit) -> Self {
        Refused::Error(limit.into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Error(error)
    }
}

impl From<Limit> for Abort<Refused> {
    fn from(limit: Limit) -> Self {
        Abort::Reject(limit.into())
    }
}

impl From<Error> for Abort<Refused> {
    fn from(error: Error) -> Self {
        Abort::Reject(error.into())
    }
}

impl From<Limit> for Abort<Error> {
    fn from(limit: Limit) -> Self {
        Abort::Reject(limit.into())
    }
}

/// The key's cell is live, or was given up already.
struct NotAbsent;

impl From<Limit> for NotAbsent {
    /// One word in one cell always finds a record, as long as half of the narrowest are not withheld; see
    /// I19 in `PROTOCOL.md`. If they are, the key stays interned, which harms nobody.
    fn from(_: Limit) -> Self {
        NotAbsent
    }
}

/// A provider's name as the index keeps it.
pub(crate) type Name = std::sync::Arc<str>;

/// Checks a provider's name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let reason = match name.len() {
        0 => "it is empty",
        1..=LONGEST_NAME => return Ok(()),
        _ => "it is longer than 1024 bytes",
    };
    Err(Error::invalid_name(name, reason))
}

const LONGEST_NAME: usize = 1024;

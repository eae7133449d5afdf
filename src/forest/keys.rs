//! Keys: names and uuids, found through an index that decides nothing.
//!
//! An index entry is a hint: a cell and its incarnation. The cell says whether the key is taken. A
//! key that something is about to have is *interned*: the key gets a free cell, shared by all
//! callers who want the key. The cell stands for the key as long as its incarnation is that of the
//! entry. The transaction that creates the thing makes the cell live, so there is one winner.
//!
//! | from | to | by |
//! |---|---|---|
//! | free | live | the transaction that creates |
//! | free | free, next incarnation | `retire`, when a call that interned it ends |
//! | live | free, next incarnation | the transaction that removes |
//! | never used | live | `fill`, in a forest that no other thread knows |
//!
//! The forest itself can *issue* a uuid for a consumer, which says what cell, and what life of that cell,
//! it is the key of; see [`Mark`]. Such a key has no entry: the cell alone decides.
//!
//! | from | to | by |
//! |---|---|---|
//! | free | absent | `issue`, before anybody knows the uuid |
//! | absent | live | the transaction that creates |
//! | free | live | a transaction that issues the uuid and creates as one |
//! | absent | free, next incarnation | `take_back`, when nobody is to have the uuid any more |
//! | live | free, next incarnation | the transaction that removes |
//!
//! A free cell stands for no such key, so a uuid that was made up finds nothing. A life that is over never
//! comes again, so neither does its uuid.
//!
//! A thread that frees a cell removes exactly the entry of that cell, then gives the cell's number
//! back. A thread that stops on the way leaks at most the cells that it was about to give back.

use std::hash::Hash;

use smallvec::SmallVec;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::mark::Mark;
use crate::layout::{CellKind, Life, State, first_words, stands_for};
use crate::ledger::{
    Abort, Cell, FastTransaction, Kind, Ledger, Limit, NextPayload, Place, Record, Transaction,
    Writer,
};
use crate::step::{Step, reached};
use crate::sync::Index;

/// Names the cell that stands for a key, with the incarnation that the cell had when the key was
/// looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KeyCell {
    pub(crate) cell: Cell,
    pub(crate) incarnation: u64,
}

/// Holds the keys of one kind.
pub(crate) struct Keys<K> {
    index: Index<K, KeyCell>,
    kind: Kind,
    /// How the keys are known that the forest issues; `None` if it issues none of this kind.
    own: Option<Own>,
}

/// Tells how the keys are known that a forest issues.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    pub(crate) mark: Mark,
    /// A cell that never serves what has the keys. It stands for all keys whose lives are over.
    pub(crate) nobody: KeyCell,
}

/// Tells what is the matter with a key that the forest may have issued.
enum Standing {
    /// The cell stands for the key: it waits for something to have it, or something has it.
    Stands,
    /// The life that the key names is over, for good.
    Over,
    /// The key was made up: the forest has not issued it.
    NotIssued,
}

/// Marks what can be a key.
pub(crate) trait Key: Hash + Eq + Ord {
    /// Returns the key if it is a uuid.
    #[inline]
    fn uuid(&self) -> Option<Uuid> {
        None
    }
}

impl Key for Uuid {
    #[inline]
    fn uuid(&self) -> Option<Uuid> {
        Some(*self)
    }
}

impl Key for str {}
impl Key for Name {}

/// Tells how many keys are in an index, and about how many bytes the index takes.
pub(crate) struct IndexSize {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

impl<K: Key + Clone> Keys<K> {
    pub(crate) fn new(kind: Kind) -> Self {
        Keys { index: Index::new(), kind, own: None }
    }

    /// Lets the forest issue keys of this kind.
    pub(crate) fn with_own(self, own: Own) -> Self {
        Keys { own: Some(own), ..self }
    }

    /// Returns the cell that the key itself says, if the forest may have issued the key.
    #[inline]
    fn own<Q: Key + ?Sized>(&self, key: &Q) -> Option<KeyCell> {
        let (cell, incarnation) = self.own?.mark.life(key.uuid()?)?;
        Some(KeyCell { cell, incarnation })
    }

    /// Returns whether the forest may have issued the key.
    #[inline]
    pub(crate) fn is_own(&self, key: &K) -> bool {
        self.own(key).is_some()
    }

    /// Finds out what is the matter with a key that says this cell itself.
    fn standing<Q: Key + ?Sized>(ledger: &Ledger, key: &Q, own: KeyCell) -> Standing {
        let uuid = key.uuid().unwrap_or_default();
        let (life, is_meant) =
            ledger.peek(own.cell, |record| (Life::of(record), stands_for(record, uuid)));
        match life.kind() {
            CellKind::Consumer if life.incarnation > own.incarnation => Standing::Over,
            CellKind::Consumer if life.incarnation == own.incarnation && is_meant => {
                Standing::Stands
            }
            _ => Standing::NotIssued,
        }
    }

    /// Returns the cell that stands for a key that says it itself, if it does.
    fn standing_cell<Q: Key + ?Sized>(ledger: &Ledger, key: &Q, own: KeyCell) -> Option<KeyCell> {
        matches!(Self::standing(ledger, key, own), Standing::Stands).then_some(own)
    }

    /// Returns the size of the index.
    pub(crate) fn index_size(&self) -> IndexSize {
        IndexSize { keys: self.index.len(), bytes: self.index.bytes() }
    }

    /// Returns the cell that may stand for `key`. If that cell does not stand for `key` any more,
    /// nothing had the key at some instant since the call. Takes a shard's read lock for O(1), unless
    /// the forest may have issued the key: then the cell is the one that the key says, whatever it serves,
    /// and the caller has to compare not only its life but its key.
    #[inline]
    pub(crate) fn hint<Q>(&self, key: &Q) -> Option<KeyCell>
    where
        K: std::borrow::Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.own(key).or_else(|| self.index.get(key))
    }

    /// Returns what [`hint`](Self::hint) does, but for a key that the forest may have issued only if the
    /// cell stands for it.
    pub(crate) fn checked_hint(&self, ledger: &Ledger, key: &K) -> Option<KeyCell> {
        match self.own(key) {
            Some(own) => Self::standing_cell(ledger, key, own),
            None => self.index.get(key),
        }
    }

    /// Returns the cell that stands for `key` now, if one does. Takes a shard's lock for O(1).
    pub(crate) fn interned(&self, ledger: &Ledger, key: &K) -> Option<KeyCell> {
        if let Some(own) = self.own(key) {
            return Self::standing_cell(ledger, key, own);
        }
        loop {
            let hint = self.index.get(key)?;
            let life = ledger.peek(hint.cell, Life::of);
            if life.incarnation == hint.incarnation {
                return Some(hint);
            }
            // What the cell stood for is over. The thread that ended it may not have removed the
            // entry yet.
            self.index.remove_if_exactly(key, hint);
        }
    }

    /// Returns the cell that stands for `key`, if something has the key. Takes a shard's read lock
    /// for O(1).
    #[inline]
    pub(crate) fn live<Q>(&self, ledger: &Ledger, key: &Q) -> Option<KeyCell>
    where
        K: std::borrow::Borrow<Q>,
        Q: Key + ?Sized,
    {
        let hint = self.index.get(key)?;
        let life = Life::from_word(ledger.peek(hint.cell, |record| record.word(0)));
        life.is(State::Live, hint.incarnation).then_some(hint)
    }

    /// Returns the cell that stands for `key`, whether or not something has the key. Interns the
    /// key if no cell stands for it. Takes a shard's lock for O(1).
    ///
    /// For a key that the forest has issued and whose life is over, returns the cell that stands for
    /// nobody. Refuses a key that was made up.
    pub(crate) fn intern(&self, writer: &mut Writer, key: &K) -> Result<KeyCell> {
        if let (Some(own), Some(Own { nobody, .. })) = (self.own(key), self.own) {
            return match Self::standing(writer.ledger(), key, own) {
                Standing::Stands => Ok(own),
                Standing::Over => Ok(nobody),
                Standing::NotIssued => Err(not_issued(key)),
            };
        }
        loop {
            if let Some(interned) = self.interned(writer.ledger(), key) {
                return Ok(interned);
            }
            if let Some(interned) = self.intern_first(writer, key)? {
                return Ok(interned);
            }
        }
    }

    /// Interns `key`, and returns the cell that stands for it from now on. Returns `None` if a cell
    /// stands for `key` already. Takes a shard's lock for O(1).
    pub(crate) fn intern_first(
        &self,
        writer: &mut Writer,
        key: &K,
    ) -> Result<Option<KeyCell>, Limit> {
        let cell = self.vacant(|kind, first| writer.take_cells(kind, first))?;
        let life = writer.ledger().peek(cell, Life::of);
        let added = self.insert_new(key, cell, life);
        if added.is_none() {
            writer.give_cells(self.kind, cell);
        }
        Ok(added)
    }

    /// Does what [`intern`](Self::intern) does, for a key that most often no cell stands for.
    fn intern_new(&self, writer: &mut Writer, key: &K) -> Result<KeyCell> {
        match self.intern_first(writer, key) {
            Ok(Some(interned)) => Ok(interned),
            // Even if no cell is left, one may stand for the key already.
            Ok(None) | Err(_) => self.intern(writer, key),
        }
    }

    /// Interns `key` in a transaction that is about to make its cell live. Returns the cell, opened
    /// as it was before any other thread could find it; returns `None` if a cell stands for `key`
    /// already.
    pub(crate) fn intern_open(
        &self,
        transaction: &mut Transaction<'_>,
        ledger: &Ledger,
        key: &K,
    ) -> Result<Option<(KeyCell, Place, Life)>> {
        if let Some(own) = self.own(key) {
            return match Self::standing(ledger, key, own) {
                Standing::Stands => Ok(None),
                Standing::Over | Standing::NotIssued => Err(not_issued(key)),
            };
        }
        let cell = self.vacant(|kind, first| transaction.take_cells(kind, first))?;
        let opened = transaction.open(cell);
        let added = opened.map(|place| {
            let life = Life::of_words(transaction.words(place));
            self.insert_new(key, cell, life).map(|interned| (interned, place, life))
        });
        if !matches!(added, Ok(Some(_))) {
            transaction.give_cells(self.kind, cell);
        }
        Ok(added?)
    }

    /// Interns `key` in a fast transaction that is about to make its cell live, and has `length` words
    /// written into the cell's next version by `write`, which gets the cell and its life. Returns
    /// `None` if a cell stands for `key` already, or if only a transaction with a body can do it. A key
    /// that the forest has issued, and that nothing has, is interned already.
    #[inline]
    pub(crate) fn intern_fast(
        &self,
        transaction: &mut FastTransaction<'_>,
        key: &K,
        length: usize,
        write: impl FnOnce(NextPayload<'_>, Life),
    ) -> Option<KeyCell> {
        let own = self.own(key);
        let cell = match own {
            Some(own) => own.cell,
            None => self.vacant(|kind, first| transaction.take_cells(kind, first)).ok()?,
        };
        let opened = transaction.renew(cell, length, |record| {
            let life = Life::of(record);
            let is_issued = |own| life == Life::of_consumer(own).with(State::Absent);
            own.is_none_or(|own| is_issued(own.incarnation)).then_some(life)
        });
        let interned = opened.and_then(|(words, life)| {
            let interned = match own {
                Some(own) => own,
                None => self.insert_new(key, cell, life)?,
            };
            write(words, life);
            Some(interned)
        });
        if let (None, None) = (interned, own) {
            transaction.give_cells(self.kind, cell);
        }
        interned
    }

    /// Enters a cell that nobody knows, and that has this `life`, for `key`; returns `None` if a cell
    /// stands for `key` already.
    #[inline]
    fn insert_new(&self, key: &K, cell: Cell, life: Life) -> Option<KeyCell> {
        let interned = KeyCell { cell, incarnation: life.incarnation };
        reached(Step::Occupied);
        let added = self.index.insert_if_absent(key.clone(), interned);
        if added {
            reached(Step::Interned);
        }
        added.then_some(interned)
    }

    /// Makes room for so many keys, in a forest that no other thread knows and that has none.
    pub(crate) fn make_room(&mut self, keys: usize) {
        self.index = Index::with_room(keys);
    }

    /// Takes a cell that was never used, for a key that [`enter`](Self::enter) enters.
    pub(crate) fn vacant_cell(&mut self, writer: &mut Writer) -> Result<Cell, Limit> {
        writer.take_vacant(self.kind)
    }

    /// Enters the cell of a key that no other cell stands for, in its first life.
    pub(crate) fn enter(&mut self, key: &K, cell: Cell) -> KeyCell {
        let life = Life::from_word(first_words(self.kind)[0]);
        self.insert_new(key, cell, life).expect("no key is there twice")
    }

    /// Takes cells that nothing uses, by a call of `take`.
    fn vacant(
        &self,
        take: impl FnOnce(Kind, &[u64]) -> Result<Cell, Limit>,
    ) -> Result<Cell, Limit> {
        take(self.kind, first_words(self.kind))
    }

    /// Gives up a key that nothing has. Has no effect if something has the key, or if another
    /// thread gave it up. A key that the forest has issued stays with whom it was issued to.
    pub(crate) fn retire(&self, writer: &mut Writer, key: &K, interned: KeyCell) {
        if self.own(key).is_none() {
            self.take_back(writer, key, interned);
        }
    }

    /// Gives up a key that nothing has, as [`retire`](Self::retire) does, whether or not the forest has
    /// issued the key.
    pub(crate) fn take_back(&self, writer: &mut Writer, key: &K, interned: KeyCell) {
        let freed = writer.transact(|transaction| {
            let place = transaction.open(interned.cell)?;
            let life = Life::of_words(transaction.words(place));
            if life.state == State::Live || life.incarnation != interned.incarnation {
                return Err(Abort::Reject(NotAbsent));
            }
            transaction.rewrite(place, &[life.ended().word()]);
            Ok(())
        });
        if freed.is_ok() {
            self.release(writer, key, interned);
        }
    }

    /// Interns `keys` and runs `attempt` with their cells, as [`with_both_keys`] does with keys of
    /// two kinds.
    pub(crate) fn with_keys<'k, T>(
        &self,
        writer: &mut Writer,
        keys: impl Iterator<Item = &'k K> + Clone,
        attempt: impl FnOnce(&mut Writer, &[KeyCell]) -> Result<T, Refusal>,
    ) -> Result<T, Refusal>
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
        interned: &mut KeyCells,
    ) -> Result<()>
    where
        K: 'k,
    {
        for key in keys {
            interned.push(self.intern(writer, key)?);
        }
        Ok(())
    }

    /// Gives up those of the keys that nothing has. If `is_success` is true, something has most of
    /// the keys, and `interned` has the cells of all of them. Otherwise an earlier attempt may have
    /// interned keys that the last attempt has not, and `interned` may lack those.
    fn settle<'k>(
        &self,
        writer: &mut Writer,
        keys: impl Iterator<Item = &'k K>,
        interned: &[KeyCell],
        is_success: bool,
    ) where
        K: 'k,
    {
        if !is_success {
            return self.give_up_all(writer, keys);
        }
        for (key, interned) in keys.zip(interned) {
            let life = writer.ledger().peek(interned.cell, Life::of);
            if life.incarnation == interned.incarnation && life.state != State::Live {
                self.retire(writer, key, *interned);
            }
        }
    }

    /// Gives up those of the keys that are interned and that nothing has.
    pub(crate) fn give_up_all<'k>(&self, writer: &mut Writer, keys: impl Iterator<Item = &'k K>)
    where
        K: 'k,
    {
        keys.for_each(|key| self.give_up(writer, key));
    }

    /// Gives up a key, if the key is interned and nothing has it.
    fn give_up(&self, writer: &mut Writer, key: &K) {
        if let Some(interned) = self.interned(writer.ledger(), key) {
            self.retire(writer, key, interned);
        }
    }

    /// Forgets a key whose cell the caller has freed.
    #[inline]
    pub(crate) fn release<Q>(&self, writer: &mut Writer, key: &Q, freed: KeyCell)
    where
        K: std::borrow::Borrow<Q>,
        Q: Key + ?Sized,
    {
        reached(Step::Freed);
        if self.own(key).is_none() {
            self.index.remove_if_exactly(key, freed);
        }
        reached(Step::Forgotten);
        writer.give_cells(self.kind, freed.cell);
    }
}

/// Issues keys.
impl Keys<Uuid> {
    /// Takes a cell that nothing uses, and returns it with the uuid that the cell's next life has.
    /// Nobody else knows that uuid, and whoever makes it up finds nothing, as long as nothing has it:
    /// the caller gives the uuid to something, or the cell back.
    pub(crate) fn reserve(&self, writer: &mut Writer) -> Result<(Uuid, KeyCell)> {
        let own = self.own.ok_or(Limit::Cells)?;
        loop {
            let cell = self.vacant(|kind, first| writer.take_cells(kind, first))?;
            let incarnation = writer.ledger().peek(cell, Life::of).incarnation;
            let key = KeyCell { cell, incarnation };
            // A cell that is worn out serves nothing any more.
            if let Some(uuid) = own.mark.name((cell, key.incarnation)) {
                return Ok((uuid, key));
            }
        }
    }

    /// Reserves a uuid, and lets a fast transaction give it to something: has `length` words written
    /// into the cell's next version by `write`, which gets the uuid and the cell's life. Returns `None`
    /// if only a transaction with a body can do it.
    #[inline]
    pub(crate) fn reserve_fast(
        &self,
        transaction: &mut FastTransaction<'_>,
        length: usize,
        write: impl FnOnce(NextPayload<'_>, Life, Uuid),
    ) -> Option<(Uuid, KeyCell)> {
        let own = self.own?;
        let cell = self.vacant(|kind, first| transaction.take_cells(kind, first)).ok()?;
        let look = |record: Record<'_>| {
            let life = Life::of(record);
            let key = KeyCell { cell, incarnation: life.incarnation };
            Some((life, own.mark.name((cell, key.incarnation))?, key))
        };
        let Some((words, (life, uuid, key))) = transaction.renew(cell, length, look) else {
            transaction.give_cells(self.kind, cell);
            return None;
        };
        write(words, life, uuid);
        Some((uuid, key))
    }

    /// Commits a transaction that gives a [reserved](Self::reserve_fast) uuid to something; returns
    /// whether it has committed. If it has not, gives the cell back.
    #[inline]
    pub(crate) fn commit_reserved(&self, transaction: FastTransaction<'_>, key: KeyCell) -> bool {
        transaction.commit_or_give_back(self.kind, key.cell)
    }

    /// Gives back a cell that was reserved, whose uuid nothing has and nobody knows.
    pub(crate) fn give_back(&self, writer: &mut Writer, reserved: KeyCell) {
        writer.give_cells(self.kind, reserved.cell);
    }

    /// Returns whether the cell still waits for something that is to have the uuid that it was issued
    /// with.
    pub(crate) fn waits(&self, ledger: &Ledger, issued: KeyCell) -> bool {
        ledger.peek(issued.cell, Life::of).is(State::Absent, issued.incarnation)
    }

    /// Issues a uuid: from now on the cell stands for it, until something that has had it ends or it is
    /// [taken back](Self::take_back).
    pub(crate) fn issue(&self, writer: &mut Writer) -> Result<(Uuid, KeyCell)> {
        let (uuid, key) = self.reserve(writer)?;
        let issued = writer.transact::<_, Error>(|transaction| {
            let place = transaction.open(key.cell)?;
            let life = Life::of_words(transaction.words(place));
            transaction.rewrite(place, &[life.with(State::Absent).word()]);
            Ok(())
        });
        match issued {
            Ok(()) => Ok((uuid, key)),
            Err(full) => {
                self.give_back(writer, key);
                Err(full)
            }
        }
    }
}

/// Refuses a key that has the form of those that the forest issues, and is none that waits for
/// something to have it.
#[cold]
fn not_issued<Q: Key + ?Sized>(key: &Q) -> Error {
    Error::NotIssued { consumer: key.uuid().unwrap_or_default() }
}

/// Holds the cells of the keys of a call. Most calls have one or two keys.
type KeyCells = SmallVec<[KeyCell; 2]>;

/// Interns the keys of two kinds, and runs `attempt` with their cells, in the order of the keys.
/// Afterwards no key stays interned that nothing has, unless the attempt is refused as stale. Then
/// [`while_stale`] repeats the attempt, and the attempt that ends the call gives up the keys of all
/// attempts. (If each attempt gave up its keys at once, two callers with equal keys could make each
/// other's attempts stale for ever.) So calls of this function must not nest: an attempt that ends
/// before it comes to the inner keys would leave the inner keys interned.
///
/// O(keys), in addition to the attempt.
pub(crate) fn with_both_keys<'k, A, B, T>(
    writer: &mut Writer,
    (one, keys_of_one): (&Keys<A>, impl Iterator<Item = &'k A> + Clone),
    (other, keys_of_other): (&Keys<B>, impl Iterator<Item = &'k B> + Clone),
    attempt: impl FnOnce(&mut Writer, &[KeyCell], &[KeyCell]) -> Result<T, Refusal>,
) -> Result<T, Refusal>
where
    A: Key + Clone + 'k,
    B: Key + Clone + 'k,
{
    let mut interned = [KeyCells::new(), KeyCells::new()];
    let [ones, others] = &mut interned;
    let done = one.intern_all(writer, keys_of_one.clone(), ones);
    let done = done.and_then(|()| other.intern_all(writer, keys_of_other.clone(), others));
    let outcome = done.map_err(Refusal::from).and_then(|()| attempt(writer, ones, others));
    if !matches!(outcome, Err(Refusal::Stale)) {
        one.settle(writer, keys_of_one, ones, outcome.is_ok());
        other.settle(writer, keys_of_other, others, outcome.is_ok());
    }
    outcome
}

/// Interns two keys that nothing is known to have, and runs `attempt` with their cells, as
/// [`with_both_keys`] does. An `attempt` that succeeds has given both keys to something.
pub(crate) fn with_new_keys<A: Key + Clone, B: Key + Clone, T>(
    writer: &mut Writer,
    (one, key_of_one): (&Keys<A>, &A),
    (other, key_of_other): (&Keys<B>, &B),
    attempt: impl FnOnce(&mut Writer, KeyCell, KeyCell) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let interned = one.intern_new(writer, key_of_one);
    let interned =
        interned.and_then(|of_one| Ok((of_one, other.intern_new(writer, key_of_other)?)));
    let outcome = interned
        .map_err(Refusal::from)
        .and_then(|(of_one, of_other)| attempt(writer, of_one, of_other));
    if matches!(outcome, Err(Refusal::Error(_))) {
        one.give_up(writer, key_of_one);
        other.give_up(writer, key_of_other);
    }
    outcome
}

/// Opens the cell of a key. Refuses as stale if the key was given up, so that the cell no longer
/// stands for the key.
pub(crate) fn open_key(
    transaction: &mut Transaction<'_>,
    key: KeyCell,
) -> Result<(Place, Life), Abort<Refusal>> {
    let place = transaction.open(key.cell)?;
    let life = Life::from_word(transaction.word(place, 0));
    if life.incarnation != key.incarnation {
        return Err(Abort::Reject(Refusal::Stale));
    }
    Ok((place, life))
}

/// Opens the cell of a key that something is about to have. Refuses as stale if the key was given
/// up, and with `exists` if something has the key already.
pub(crate) fn take_key(
    transaction: &mut Transaction<'_>,
    key: KeyCell,
    exists: impl Fn() -> Error,
) -> Result<(Place, Life), Abort<Refusal>> {
    let (place, life) = open_key(transaction, key)?;
    if life.state == State::Live {
        return Err(exists().into());
    }
    Ok((place, life))
}

/// Tells why a transaction that needs an interned key was refused.
pub(crate) enum Refusal {
    /// The attempt rests on something that has changed: the key's cell has been given up, or
    /// another configuration is in force. The attempt has to be repeated, with the key interned
    /// again.
    Stale,
    Error(Error),
}

/// Repeats `attempt` until it is not refused as stale.
///
/// Lock-free: an attempt is stale only because another call has ended that had interned a key of
/// the attempt, or because another call has put another configuration in force.
pub(crate) fn while_stale<T>(mut attempt: impl FnMut() -> Result<T, Refusal>) -> Result<T> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Stale) => {}
        }
    }
}

impl From<Limit> for Refusal {
    fn from(limit: Limit) -> Self {
        Refusal::Error(limit.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

impl From<Refusal> for Abort<Refusal> {
    fn from(refused: Refusal) -> Self {
        Abort::Reject(refused)
    }
}

impl From<Error> for Abort<Refusal> {
    fn from(error: Error) -> Self {
        Abort::Reject(error.into())
    }
}

impl From<Abort<Error>> for Abort<Refusal> {
    #[inline]
    fn from(abort: Abort<Error>) -> Self {
        abort.map(Refusal::Error)
    }
}

/// Tells that the cell of a key is live, or that the key was given up already.
struct NotAbsent;

impl From<Limit> for NotAbsent {
    /// Leaves the key interned, which harms nobody. That happens only if half of the narrowest
    /// records are withheld: otherwise a change of one word in one cell always finds a record; see
    /// I19 in `PROTOCOL.md`.
    fn from(_: Limit) -> Self {
        NotAbsent
    }
}

/// Holds a provider's name, as the index keeps it.
pub(crate) type Name = std::sync::Arc<str>;

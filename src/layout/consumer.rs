//! The consumer cell: what a consumer holds.
//!
//! ```text
//! life | uuid, two words | generation | deadline | tag
//!      | (usage cell 48, class 16), amount for each amount that is held
//!      | the ticket of the term, if the consumer is leased
//! ```

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::layout::life::{CellKind, Life, State};
use crate::layout::words::{Words, uuid_in};
use crate::ledger::{Cell, Ledger, MOST_WORDS, NextPayload, Place, Record, Transaction};
use crate::values::Deadline;

/// Tells until when something is leased. The ticket is that of the one call that has set the
/// deadline. So a deadline that is set anew is another term, even if the time is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Term {
    pub(crate) deadline: u64,
    pub(crate) ticket: u64,
}

/// Represents an amount in the words of a consumer's cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Holding {
    /// The usage cell of the provider. The provider can't be removed while an amount of it is held.
    pub(crate) usage: Cell,
    pub(crate) class: u16,
    pub(crate) amount: u64,
}

const HEADER: usize = 6;

/// Counts how many amounts a consumer can hold at most, leased or not.
const MOST_AMOUNTS: usize = (MOST_WORDS - HEADER - 1) / 2;

/// Checks that a consumer can hold this number of amounts.
#[inline]
pub(crate) fn check_count(amounts: usize) -> Result<()> {
    match amounts <= MOST_AMOUNTS {
        true => Ok(()),
        false => Err(too_many_amounts()),
    }
}

#[cold]
fn too_many_amounts() -> Error {
    let what = "amounts that one consumer holds";
    Error::TooLarge { what, limit: MOST_AMOUNTS as u64, full: false }
}

/// Holds what a consumer's cell says of the consumer, except what it holds and until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) uuid: Uuid,
    pub(crate) generation: u64,
    /// A number of the caller's.
    pub(crate) tag: u64,
}

/// Stands for no deadline in a consumer's cell.
const NEVER: u64 = u64::MAX;

const _: () = assert!(Deadline::LATEST.0 < NEVER, "a deadline that can be told from none");

/// Gives read access to the words of a consumer's cell.
#[derive(Clone, Copy)]
pub(crate) struct ConsumerWords<'a>(pub(crate) &'a [u64]);

impl<'a> ConsumerWords<'a> {
    fn word(self, index: usize) -> u64 {
        self.0.word(index)
    }

    pub(crate) fn life(self) -> Life {
        Life::of_words(self.0)
    }

    /// Returns whether the cell serves this consumer, in the life of this incarnation.
    pub(crate) fn are_of(self, consumer: Uuid, incarnation: u64) -> bool {
        self.life() == Life::of_consumer(incarnation) && self.uuid() == consumer
    }

    pub(crate) fn uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.word(1), self.word(2))
    }

    pub(crate) fn generation(self) -> u64 {
        self.word(3)
    }

    pub(crate) fn tag(self) -> u64 {
        self.word(5)
    }

    pub(crate) fn identity(self) -> Identity {
        Identity { uuid: self.uuid(), generation: self.generation(), tag: self.tag() }
    }

    /// Returns the deadline, if the consumer is leased.
    pub(crate) fn deadline(self) -> Option<u64> {
        Some(self.word(4)).filter(|deadline| *deadline != NEVER)
    }

    /// Returns the term, which is the deadline with its ticket, if the consumer is leased.
    pub(crate) fn term(self) -> Option<Term> {
        Some(Term { deadline: self.deadline()?, ticket: *self.0.last()? })
    }

    /// Returns what the consumer holds, by usage cell and class. Passes over a ticket at the end of
    /// the words, since a single word is no pair.
    pub(crate) fn held(self) -> impl ExactSizeIterator<Item = Holding> + 'a {
        let entries = self.0.get(HEADER..).unwrap_or_default();
        entries.as_chunks().0.iter().map(|entry| holding(*entry))
    }
}

/// Rewrites the opened cell as the cell of a consumer that holds `held`. Returns an error if these
/// are more amounts than a consumer can hold.
#[inline]
pub(crate) fn rewrite_consumer(
    transaction: &mut Transaction<'_>,
    (place, life): (Place, Life),
    identity: Identity,
    term: Option<Term>,
    held: impl ExactSizeIterator<Item = Holding>,
) -> Result<()> {
    check_count(held.len())?;
    let words = transaction.renew(place, words_of(held.len(), term.is_some()));
    fill_consumer(words, life, identity, term, held);
    Ok(())
}

/// Returns the words of the cell of a consumer that holds `held`. Returns an error if these are more
/// amounts than a consumer can hold.
pub(crate) fn consumer_words(
    life: Life,
    identity: Identity,
    term: Option<Term>,
    held: &[Holding],
) -> Result<Vec<u64>> {
    check_count(held.len())?;
    let mut words = vec![0; words_of(held.len(), term.is_some())];
    fill_consumer(&mut words, life, identity, term, held.iter().copied());
    Ok(words)
}

/// Sets all words of the cell of a consumer; there have to be as many as that [takes](words_of).
#[inline]
fn fill_consumer(
    words: &mut [u64],
    life: Life,
    identity: Identity,
    term: Option<Term>,
    held: impl Iterator<Item = Holding>,
) {
    let (head, words) = words.split_at_mut(HEADER);
    head.copy_from_slice(&header(life, identity, term));
    let (pairs, rest) = words.as_chunks_mut();
    for (words, held) in pairs.iter_mut().zip(held) {
        *words = pair(held);
    }
    if let (Some(last), Some(term)) = (rest.first_mut(), term) {
        *last = term.ticket;
    }
}

/// Counts the words of the cell of a consumer that holds this number of amounts.
#[inline]
pub(crate) fn words_of(amounts: usize, is_leased: bool) -> usize {
    HEADER + 2 * amounts + usize::from(is_leased)
}

/// Writes the cell of a consumer that holds `held`, and is not leased, into its next version, which has
/// as many words as that [takes](words_of).
#[inline(always)] // Called where a claim has its amounts in registers.
pub(crate) fn write_consumer(
    words: NextPayload<'_>,
    life: Life,
    identity: Identity,
    held: impl Iterator<Item = Holding>,
) {
    words.set(0, header(life, identity, None));
    for (index, held) in held.enumerate() {
        words.set(HEADER + 2 * index, pair(held));
    }
}

/// Returns whether the consumer's cell that holds this record stands for `uuid`, which names the life that
/// the cell is in: the cell waits for a consumer that is to have the uuid, or serves the one that has it.
#[inline]
pub(crate) fn stands_for(record: Record<'_>, uuid: Uuid) -> bool {
    match Life::of(record).state {
        State::Free => false,
        State::Absent => true,
        State::Live => uuid_in(record) == uuid,
    }
}

/// Puts what a consumer holds for good into `held`, and returns its generation, as the cell that holds this
/// record says. Returns `None` if the cell does not serve the consumer in that `life` any more, or if the
/// consumer is leased.
#[inline]
pub(crate) fn copy_held(
    record: Record<'_>,
    (uuid, life): (Uuid, Life),
    held: &mut Vec<Holding>,
) -> Option<u64> {
    let amounts = record.len().checked_sub(HEADER)? / 2;
    let is_meant = Life::of(record) == life && uuid_in(record) == uuid;
    if !is_meant || record.word(4) != NEVER {
        return None;
    }
    held.clear();
    held.extend((0..amounts).map(|index| {
        let at = HEADER + 2 * index;
        holding([record.word(at), record.word(at + 1)])
    }));
    Some(record.word(3))
}

#[inline]
fn header(life: Life, identity: Identity, term: Option<Term>) -> [u64; HEADER] {
    let Identity { uuid, generation, tag } = identity;
    let (high, low) = uuid.as_u64_pair();
    let deadline = term.map_or(NEVER, |term| term.deadline);
    [life.with(State::Live).word(), high, low, generation, deadline, tag]
}

#[inline]
fn holding([of, amount]: [u64; 2]) -> Holding {
    Holding { usage: Cell::new((of >> 16) as u32), class: of as u16, amount }
}

#[inline]
fn pair(held: Holding) -> [u64; 2] {
    [u64::from(held.usage.number()) << 16 | u64::from(held.class), held.amount]
}

pub(crate) fn copy_words(record: Record<'_>) -> Vec<u64> {
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    words
}

/// Returns whether a cell with this `life` serves a consumer that holds something.
pub(crate) fn is_live_consumer(life: Life) -> bool {
    life.kind() == CellKind::Consumer && life.state == State::Live
}

/// Returns all cells that serve consumers, or have served some.
pub(crate) fn consumer_cells(ledger: &Ledger) -> impl Iterator<Item = Cell> + '_ {
    let cells = (0..ledger.cell_bound()).map(Cell::new);
    // A cell never changes its kind.
    cells.filter(|cell| ledger.peek(*cell, Life::of).kind() == CellKind::Consumer)
}

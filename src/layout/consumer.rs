//! The consumer cell: what a consumer holds.
//!
//! ```text
//! life | uuid, two words | generation | deadline
//!      | (usage cell 48, class 16), amount for each amount that is held
//!      | the ticket of the term, if the consumer is leased
//! ```

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::layout::life::{CellKind, Life, State};
use crate::layout::words::Words;
use crate::ledger::{Cell, Ledger, MOST_WORDS, Place, Record, Transaction};

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

const HEADER: usize = 5;

/// Returns how many amounts a consumer can hold at most, leased or not.
fn most_amounts(is_leased: bool) -> usize {
    (MOST_WORDS - HEADER - usize::from(is_leased)) / 2
}

/// Checks that a consumer can hold this number of amounts.
#[inline]
pub(crate) fn check_count(amounts: usize, is_leased: bool) -> Result<()> {
    match amounts <= most_amounts(is_leased) {
        true => Ok(()),
        false => Err(too_many_amounts(is_leased)),
    }
}

#[cold]
fn too_many_amounts(is_leased: bool) -> Error {
    let what = match is_leased {
        true => "amounts that one consumer leases",
        false => "amounts that one consumer holds",
    };
    Error::TooLarge { what, limit: most_amounts(is_leased) as u64 }
}

/// Stands for no deadline in a consumer's cell.
const NEVER: u64 = u64::MAX;

/// Bounds the deadlines of leases: no deadline is later.
pub(crate) const LATEST_DEADLINE: u64 = NEVER - 1;

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

    pub(crate) fn uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.word(1), self.word(2))
    }

    pub(crate) fn generation(self) -> u64 {
        self.word(3)
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
        entries.chunks_exact(2).map(|entry| Holding {
            usage: Cell::new((entry[0] >> 16) as u32),
            class: entry[0] as u16,
            amount: entry[1],
        })
    }
}

/// Rewrites the opened cell as the cell of a consumer that holds `held`. Returns an error if these
/// are more amounts than a consumer can hold.
#[inline]
pub(crate) fn rewrite_consumer(
    transaction: &mut Transaction<'_>,
    (place, life): (Place, Life),
    uuid: Uuid,
    generation: u64,
    term: Option<Term>,
    held: impl ExactSizeIterator<Item = Holding>,
) -> Result<()> {
    check_count(held.len(), term.is_some())?;
    let length = HEADER + 2 * held.len() + usize::from(term.is_some());
    let words = transaction.renew(place, length);
    let (header, words) = words.split_at_mut(HEADER);
    let (high, low) = uuid.as_u64_pair();
    let deadline = term.map_or(NEVER, |term| term.deadline);
    header.copy_from_slice(&[life.with(State::Live).word(), high, low, generation, deadline]);
    let (pairs, rest) = words.as_chunks_mut();
    for (pair, held) in pairs.iter_mut().zip(held) {
        *pair = [u64::from(held.usage.number()) << 16 | u64::from(held.class), held.amount];
    }
    if let (Some(last), Some(term)) = (rest.first_mut(), term) {
        *last = term.ticket;
    }
    Ok(())
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

//! Consumers: what they hold, in words and as users see it.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ledger::{Cell, DoubleCollect, Ledger, MOST_WORDS, Place, Record, Transaction, View};
use crate::resource_class::ResourceClass;
use crate::tree::Term;
use crate::tree::core::Core;
use crate::tree::layout::{CellKind, Life, State, Structure, Words, structure_of};

/// What a consumer holds, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Allocations {
    /// The consumer.
    pub consumer: Uuid,
    /// Grows with each change of what the consumer holds. Begins at 1 or above, and above every
    /// generation that the consumer had before it held nothing.
    pub generation: u64,
    /// Until when it is a lease; none if it is held for good. In the caller's own time.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub deadline: Option<u64>,
    /// What it holds. One entry for each class of each provider.
    pub allocations: Vec<Allocation>,
}

/// An amount that a consumer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Allocation {
    /// From this provider.
    pub provider: Uuid,
    /// Of this class.
    pub class: ResourceClass,
    /// So much.
    pub amount: u64,
}

/// An amount as a consumer's cell holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// The provider's usage cell. The provider can't go while something of it is held.
    pub(crate) usage: Cell,
    pub(crate) class: u16,
    pub(crate) amount: u64,
}

const HEADER: usize = 5;

/// How many amounts a consumer can hold, leased or not.
fn most_amounts(is_leased: bool) -> usize {
    (MOST_WORDS - HEADER - usize::from(is_leased)) / 2
}

/// Checks that a consumer can hold so many amounts.
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

/// Stands for no deadline.
const NEVER: u64 = u64::MAX;

/// The latest deadline of a lease.
pub(crate) const LATEST_DEADLINE: u64 = NEVER - 1;

/// The words of a consumer's cell, to look at.
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

    /// Until when it is a lease, if it is one.
    pub(crate) fn deadline(self) -> Option<u64> {
        Some(self.word(4)).filter(|deadline| *deadline != NEVER)
    }

    /// The same with its ticket.
    pub(crate) fn term(self) -> Option<Term> {
        Some(Term { deadline: self.deadline()?, ticket: *self.0.last()? })
    }

    /// What it holds, by usage cell and class. A ticket at the end is no pair, and passed over.
    pub(crate) fn held(self) -> impl ExactSizeIterator<Item = Held> + 'a {
        let entries = self.0.get(HEADER..).unwrap_or_default();
        entries.chunks_exact(2).map(|entry| Held {
            usage: Cell::new((entry[0] >> 16) as u32),
            class: entry[0] as u16,
            amount: entry[1],
        })
    }
}

/// Makes the cell that is open that of a consumer which holds so much, if it can.
#[inline]
pub(crate) fn rewrite_consumer(
    transaction: &mut Transaction<'_>,
    (place, life): (Place, Life),
    uuid: Uuid,
    generation: u64,
    term: Option<Term>,
    held: impl ExactSizeIterator<Item = Held>,
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

pub(super) fn copy(record: Record<'_>) -> Vec<u64> {
    let mut words = Vec::with_capacity(record.len());
    record.copy_to(&mut words);
    words
}

/// Whether a cell of this life is that of a consumer which holds something.
pub(crate) fn is_live_consumer(life: Life) -> bool {
    life.kind() == CellKind::Consumer && life.state == State::Live
}

/// All cells that serve consumers, or did.
pub(crate) fn consumer_cells(ledger: &Ledger) -> impl Iterator<Item = Cell> + '_ {
    let cells = (0..ledger.cell_bound()).map(Cell::new);
    // A cell serves things of one kind for good.
    cells.filter(|cell| ledger.peek(*cell, Life::of).kind() == CellKind::Consumer)
}

impl Core {
    pub(crate) fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        DoubleCollect::consistent(&self.ledger, |collect| {
            let Some(hint) = self.consumers.hint(&consumer) else { return Some(None) };
            self.allocations_at(collect, hint.cell, |words| {
                words.life().is(State::Live, hint.incarnation)
            })
        })
    }

    /// What is held by the consumer in `cell`, if it `is_meant`. None if that can't be read.
    pub(crate) fn allocations_at(
        &self,
        view: &mut impl View,
        cell: Cell,
        is_meant: impl FnOnce(ConsumerWords<'_>) -> bool,
    ) -> Option<Option<Allocations>> {
        let read = view.read(cell, |words| {
            let words = ConsumerWords(words);
            is_meant(words).then(|| {
                let held: SmallVec<[Held; 4]> = words.held().collect();
                (words.uuid(), words.generation(), words.deadline(), held)
            })
        })?;
        let Some((consumer, generation, deadline, held)) = read else { return Some(None) };
        let mut allocations = Vec::with_capacity(held.len());
        for Held { usage, class, amount } in held {
            let provider =
                view.read(structure_of(usage), |words| Structure::of_words(words).uuid)?;
            let class = ResourceClass::from_number(class);
            allocations.push(Allocation { provider, class, amount });
        }
        Some(Some(Allocations { consumer, generation, deadline, allocations }))
    }
}

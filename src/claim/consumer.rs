//! Consumers: what they hold, in the words of their cells and as users see it.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ledger::{Cell, DoubleCollect, Ledger, MOST_WORDS, Place, Record, Transaction, View};
use crate::resource_class::ResourceClass;
use crate::tree::Term;
use crate::tree::core::Core;
use crate::tree::layout::{CellKind, Life, State, Structure, Words, structure_of};

/// Lists everything that a consumer held at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Allocations {
    /// The consumer.
    pub consumer: Uuid,
    /// The consumer's generation, which grows with each change of what the consumer holds. It
    /// begins at 1 or above, and above every generation that the consumer had before it held
    /// nothing. [`Expect::Mirror`](crate::Expect::Mirror) sets the generation instead.
    pub generation: u64,
    /// The deadline of the lease, in the caller's own time; `None` if the allocations are held for
    /// good.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub deadline: Option<u64>,
    /// The amounts that the consumer holds, one entry for each class of each provider.
    pub allocations: Vec<Allocation>,
}

/// Represents an amount that a consumer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Allocation {
    /// The provider that the amount comes from.
    pub provider: Uuid,
    /// The resource class of the amount.
    pub class: ResourceClass,
    /// How much the consumer holds.
    pub amount: u64,
}

/// Represents an amount in the words of a consumer's cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
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
    pub(crate) fn held(self) -> impl ExactSizeIterator<Item = Held> + 'a {
        let entries = self.0.get(HEADER..).unwrap_or_default();
        entries.chunks_exact(2).map(|entry| Held {
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

impl Core {
    pub(crate) fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        DoubleCollect::consistent(&self.ledger, |collect| {
            let Some(hint) = self.consumers.hint(&consumer) else { return Some(None) };
            self.allocations_at(collect, hint.cell, |words| {
                words.life().is(State::Live, hint.incarnation)
            })
        })
    }

    /// Returns what the consumer in `cell` holds. The outer option is `None` if the view can't read
    /// that; the inner option is `None` if `is_meant` rejects the words of the cell.
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

//! [`Holder`]: a consumer's cell in a transaction.

use uuid::Uuid;

use crate::claim::claims::Claims;
use crate::error::{Error, Result};
use crate::forest::{Expect, KeyCell, Refusal};
use crate::layout::{
    CellKind, ConsumerWords, Holding, Identity, Life, State, Term, rewrite_consumer,
};
use crate::ledger::{Abort, Place, Transaction};

/// Describes a consumer as a transaction has found it.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    place: Place,
    life: Life,
    /// The generation of the consumer, if the consumer holds something.
    pub(super) generation: Option<u64>,
    /// The term of the lease, if the consumer is leased.
    pub(super) term: Option<Term>,
    /// The consumer's tag; 0 if the consumer holds nothing.
    pub(super) tag: u64,
}

impl Holder {
    /// Opens the cell of a consumer. Refuses as stale if the cell no longer serves that consumer.
    #[inline(always)]
    pub(super) fn open(
        transaction: &mut Transaction<'_>,
        interned: KeyCell,
    ) -> Result<Self, Abort<Refusal>> {
        let place = transaction.open(interned.cell)?;
        let life = Life::from_word(transaction.word(place, 0));
        if life.incarnation != interned.incarnation {
            return Err(Abort::Reject(Refusal::Stale));
        }
        // A cell of another kind stands for consumers that are gone for good.
        if life.state != State::Live || life.kind() != CellKind::Consumer {
            return Ok(Holder::new(place, life));
        }
        let words = ConsumerWords(transaction.words(place));
        let (generation, term) = (Some(words.generation()), words.term());
        Ok(Holder { place, life, generation, term, tag: words.tag() })
    }

    /// Returns a consumer that holds nothing, with an opened cell.
    #[inline]
    pub(super) fn new(place: Place, life: Life) -> Self {
        Holder { place, life, generation: None, term: None, tag: 0 }
    }

    /// Returns what the consumer holds, unless the transaction has changed that.
    pub(super) fn held<'t>(
        &self,
        transaction: &'t Transaction<'_>,
    ) -> impl Iterator<Item = Holding> + use<'t> {
        let words = match self.generation {
            Some(_) => transaction.words(self.place),
            None => &[],
        };
        ConsumerWords(words).held()
    }

    /// Writes that the consumer holds exactly `held`, and returns the generation that the consumer
    /// comes to. Refuses a consumer that is gone for good.
    #[inline]
    pub(super) fn hold(
        &self,
        transaction: &mut Transaction<'_>,
        claims: &Claims,
        uuid: Uuid,
        expect: Expect,
        (term, tag): (Option<Term>, u64),
        held: impl ExactSizeIterator<Item = Holding>,
    ) -> Result<u64> {
        if self.life.kind() != CellKind::Consumer {
            return Err(Error::NotIssued { consumer: uuid });
        }
        let generation = claims.next_generation(uuid, expect, self.generation);
        let (cell, identity) = ((self.place, self.life), Identity { uuid, generation, tag });
        rewrite_consumer(transaction, cell, identity, term, held)?;
        Ok(generation)
    }

    /// Ends the life of the consumer, whose next one the caller has to let [begin above
    /// ](Claims::end_at) before the commit.
    pub(super) fn free(&self, transaction: &mut Transaction<'_>) {
        transaction.rewrite(self.place, &[self.life.ended().word()]);
    }
}

//! [`Basis`]: what a batch rests on. The basis holds what a fork has answered from its snapshot.
//! All these answers have to be true at the commit too.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::fact::Answers;
use crate::claim::holder::Holder;
use crate::claim::pin::ForestPin;
use crate::error::Error;
use crate::forest::{Forest, KeyCell, Provider, Refusal};
use crate::ledger::{Abort, Cell, Transaction};

/// Holds what a fork has read in a snapshot, and what a batch therefore rests on.
#[derive(Clone, Debug)]
pub(crate) struct Basis {
    pub(crate) pin: Arc<ForestPin>,
    pub(crate) providers: Vec<(Provider, Answers)>,
    /// The consumers that held something in the snapshot, with their cells.
    pub(crate) consumers: Vec<(Cell, Uuid)>,
    /// The consumers that held nothing in the snapshot.
    pub(crate) absent: Vec<Uuid>,
}

impl Basis {
    /// Checks that everything the batch rests on is true in the transaction. `absent` holds the
    /// keys of the consumers that have to be absent.
    pub(super) fn check(
        &self,
        transaction: &mut Transaction<'_>,
        forest: &Forest,
        absent: &[KeyCell],
    ) -> Result<(), Abort<Refusal>> {
        for (provider, facts) in &self.providers {
            if !self.are_still_true(transaction, forest, provider, facts)? {
                return Err(Error::ProviderChanged { provider: provider.uuid }.into());
            }
        }
        for &(cell, consumer) in &self.consumers {
            let place = transaction.open(cell)?;
            // A consumer's cell is one fact as a whole: every change of the cell is a conflict.
            if !self.pin.is_still(transaction, place) {
                return Err(Error::ConsumerChanged { consumer }.into());
            }
        }
        for (&consumer, key) in self.absent.iter().zip(absent) {
            if Holder::open(transaction, *key)?.generation.is_some() {
                return Err(Error::ConsumerChanged { consumer }.into());
            }
        }
        Ok(())
    }

    /// Returns whether `facts`, which are true of `provider` in the snapshot, are true in the
    /// transaction too.
    fn are_still_true(
        &self,
        transaction: &mut Transaction<'_>,
        forest: &Forest,
        provider: &Provider,
        facts: &Answers,
    ) -> Result<bool, Abort<Refusal>> {
        for (question, answer) in facts {
            let place = transaction.open(question.cell(provider))?;
            if self.pin.is_still(transaction, place) {
                continue;
            }
            if question.answer(forest, provider, transaction.words(place))? != *answer {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

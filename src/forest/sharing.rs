//! Sharing providers: how many there are with each class, counted in one cell of the forest.
//!
//! A transaction that changes what is counted also changes the cell that counts. So one read
//! answers whether there is a sharing provider, and the answer is true of one instant.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::forest::configuration::Facts;
use crate::layout::{read_counts, sharing_words};
use crate::ledger::{Abort, Cell, Torn, Transaction};

/// Holds by how much a transaction changes the counts.
#[derive(Default)]
pub(crate) struct SharingChange(BTreeMap<u16, i64>);

impl SharingChange {
    /// Returns the change that follows when `after` replaces `before`.
    pub(crate) fn between(before: &Facts, after: &Facts) -> Self {
        let mut change = SharingChange::default();
        change.goes(before);
        change.comes(after);
        change
    }

    /// Counts a provider with these facts that comes.
    pub(crate) fn comes(&mut self, facts: &Facts) {
        self.count(facts, 1);
    }

    /// Counts a provider with these facts that goes.
    pub(crate) fn goes(&mut self, facts: &Facts) {
        self.count(facts, -1);
    }

    fn count(&mut self, facts: &Facts, by: i64) {
        if !facts.is_sharing() {
            return;
        }
        for (class, _) in facts.inventories.iter() {
            *self.0.entry(class.number()).or_default() += by;
        }
    }

    /// Makes the change of the counts part of a transaction.
    pub(crate) fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        sharing: Cell,
    ) -> Result<(), Abort<Error>> {
        if self.0.values().all(|by| *by == 0) {
            return Ok(());
        }
        let place = transaction.open(sharing)?;
        let words = transaction.words(place);
        let life = words.first().copied().unwrap_or(0);
        let mut counts = read_counts(words);
        for (class, by) in &self.0 {
            let count = counts.entry(*class).or_default();
            // If the count would fall below zero, the facts and the counts were read at
            // different instants.
            *count = count.checked_add_signed(*by).ok_or(Torn)?;
        }
        transaction.rewrite(place, &sharing_words(life, &counts));
        Ok(())
    }
}

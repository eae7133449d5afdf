//! Sharing providers: how many there are with each class, in one cell of the forest.
//!
//! Whoever changes what is counted, changes the cell in the same transaction. So the answer to
//! whether there is one is a single read, true at one instant.

use std::collections::BTreeMap;

use crate::ledger::{Abort, Cell, Limit, Transaction, View};
use crate::resource_class::ResourceClass;
use crate::traits::Trait;
use crate::tree::configuration::Configuration;
use crate::tree::layout::{read_counts, shares, sharing_words};

/// By how much the counts of a transaction change.
#[derive(Default)]
pub(crate) struct SharingChange(BTreeMap<u16, i64>);

impl SharingChange {
    /// What it means to replace one configuration by another.
    pub(crate) fn between(before: &Configuration, after: &Configuration) -> Self {
        let mut change = SharingChange::default();
        change.goes(before);
        change.comes(after);
        change
    }

    /// A provider with this configuration comes.
    pub(crate) fn comes(&mut self, configuration: &Configuration) {
        self.count(configuration, 1);
    }

    /// A provider with this configuration goes.
    pub(crate) fn goes(&mut self, configuration: &Configuration) {
        self.count(configuration, -1);
    }

    fn count(&mut self, configuration: &Configuration, by: i64) {
        if !configuration.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE) {
            return;
        }
        for (class, _) in configuration.inventories.iter() {
            *self.0.entry(class.number()).or_default() += by;
        }
    }

    /// Makes the change part of a transaction.
    pub(crate) fn apply<E>(
        &self,
        transaction: &mut Transaction<'_>,
        sharing: Cell,
    ) -> Result<(), Abort<E>>
    where
        Abort<E>: From<Limit>,
    {
        if self.0.values().all(|by| *by == 0) {
            return Ok(());
        }
        let place = transaction.open(sharing)?;
        let words = transaction.words(place);
        let life = words.first().copied().unwrap_or(0);
        let mut counts = read_counts(words);
        for (class, by) in &self.0 {
            let count = counts.entry(*class).or_default();
            // Below zero: the configuration and the counts were read at different instants.
            *count = count.checked_add_signed(*by).ok_or(Abort::Torn)?;
        }
        transaction.rewrite(place, &sharing_words(life, &counts));
        Ok(())
    }
}

/// Whether a provider has the trait and an inventory of `class`. None if that can't be read.
pub(crate) fn has_sharing_provider(
    view: &mut impl View,
    sharing: Cell,
    class: ResourceClass,
) -> Option<bool> {
    view.read(sharing, |words| shares(words, class.number()))
}

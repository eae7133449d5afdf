//! [`SubtreeUsages`]: what is used of a provider and of everything below it, at one instant.

use std::fmt;

use crate::error::Result;
use crate::forest::core::{Forest, each_usage};
use crate::forest::provider::Provider;
use crate::forest::reader::ForestReader;
use crate::ledger::{CollectRoom, DoubleCollect};
use crate::values::{ResourceClass, Usage};

/// Holds what is used of a provider and of all its descendants, as of one instant; see
/// [`ProviderTree::subtree_usages`](crate::ProviderTree::subtree_usages).
///
/// Keeps its memory from one call to the next. If a call fails, it holds nothing.
#[derive(Default)]
pub struct SubtreeUsages {
    providers: Vec<Provider>,
    /// For each provider, where its amounts end. They begin where those of the one before end.
    ends: Vec<usize>,
    amounts: Vec<(ResourceClass, Usage)>,
    room: CollectRoom,
}

impl SubtreeUsages {
    /// Returns one that holds nothing.
    pub fn new() -> Self {
        SubtreeUsages::default()
    }

    /// Visits the providers, parents before their children and siblings in their order, each with
    /// its capacity and use of every class, ordered by class.
    pub fn iter(&self) -> impl Iterator<Item = (&Provider, &[(ResourceClass, Usage)])> {
        let mut first = 0;
        self.providers.iter().zip(&self.ends).map(move |(provider, &end)| {
            let amounts = &self.amounts[first..end];
            first = end;
            (provider, amounts)
        })
    }

    /// Returns the number of providers.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn clear(&mut self) {
        self.providers.clear();
        self.ends.clear();
        self.amounts.clear();
    }
}

impl fmt::Debug for SubtreeUsages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Puts what is used of `provider` and of all its descendants into `into`, as of one instant.
pub(crate) fn subtree_usages(
    forest: &Forest,
    provider: &Provider,
    into: &mut SubtreeUsages,
) -> Result<()> {
    let SubtreeUsages { providers, ends, amounts, room } = into;
    let read = DoubleCollect::try_consistent_in(room, &forest.ledger, |now| {
        let mut now = ForestReader::new(forest, now);
        now.subtree_into(provider, providers)?;
        ends.clear();
        amounts.clear();
        for provider in &*providers {
            now.usage(provider, |words, layouts| amounts.extend(each_usage(words, layouts)))?;
            ends.push(amounts.len());
        }
        Ok(())
    });
    if read.is_err() {
        into.clear();
    }
    read
}

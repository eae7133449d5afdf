//! [`RecentProviders`]: what a thread remembers of the index, to find providers again without a
//! lock.

use std::collections::HashMap;

use uuid::Uuid;

use crate::forest::core::Forest;
use crate::forest::keys::KeyCell;
use crate::forest::provider::Provider;
use crate::layout::{Life, State};
use crate::ledger::{GateWord, Ledger};

/// Maps uuids to the cells of providers that the worker has found. An entry is a hint, like an
/// entry of the index: the cell decides whether the provider still exists.
#[derive(Default)]
pub(crate) struct RecentProviders(HashMap<u128, Entry, foldhash::fast::RandomState>);

struct Entry {
    key: KeyCell,
    /// A version of the cell in which the provider exists.
    live: GateWord,
}

/// Bounds the number of entries. A full map is cleared before the next entry is added.
const MOST_FOUND: usize = 1 << 16;

impl RecentProviders {
    #[inline]
    fn live(&mut self, ledger: &Ledger, uuid: Uuid) -> Option<KeyCell> {
        let entry = self.0.get_mut(&uuid.as_u128())?;
        let key = entry.key;
        // Most often the cell has not changed, and its version need not be read again.
        if !ledger.is_in_force(key.cell, entry.live) {
            entry.live = live_version(ledger, key)?;
        }
        Some(key)
    }

    /// Returns the provider with this uuid: from memory if the provider still exists, or else through
    /// the index.
    #[inline]
    pub(crate) fn find(&mut self, forest: &Forest, uuid: Uuid) -> Option<Provider> {
        let key = self.live(&forest.ledger, uuid).or_else(|| {
            let key = forest.providers.hint(&uuid)?;
            let live = live_version(&forest.ledger, key)?;
            self.remember(uuid, Entry { key, live });
            Some(key)
        });
        key.map(|key| forest.handle_of(uuid, key))
    }

    fn remember(&mut self, uuid: Uuid, entry: Entry) {
        if self.0.len() == MOST_FOUND {
            self.0.clear();
        }
        self.0.insert(uuid.as_u128(), entry);
    }
}

/// Returns the version in force of the cell of `key`, if the cell is live in that version with
/// the incarnation of `key`.
fn live_version(ledger: &Ledger, key: KeyCell) -> Option<GateWord> {
    let (word, life) = ledger.peek_version(key.cell, Life::of);
    life.is(State::Live, key.incarnation).then_some(word)
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ledger::Cell;

    #[test]
    fn only_so_many_are_remembered() {
        let mut recent = RecentProviders::default();
        for number in 0..=MOST_FOUND as u128 {
            let key = KeyCell { cell: Cell::new(0), incarnation: 1 };
            recent.remember(Uuid::from_u128(number), Entry { key, live: GateWord::VACANT });
            assert!(recent.0.len() <= MOST_FOUND);
        }
        assert_eq!(recent.0.len(), 1);
    }
}

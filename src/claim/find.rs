//! What a worker remembers of the index, to find providers again without a lock.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::worker::Worker;
use crate::forest::KeyCell;
use crate::forest::Provider;
use crate::layout::{Life, State};
use crate::ledger::{GateWord, Ledger};

/// Maps uuids to the cells of providers that the worker has found. An entry is a hint, like an
/// entry of the index: the cell decides whether the provider still exists.
#[derive(Default)]
pub(super) struct Found(HashMap<u128, Entry, foldhash::fast::RandomState>);

struct Entry {
    interned: KeyCell,
    /// A version of the cell in which the provider exists.
    live: GateWord,
}

/// Bounds the number of entries. A full map is cleared before the next entry is added.
const MOST_FOUND: usize = 1 << 16;

impl Found {
    #[inline]
    fn live(&mut self, ledger: &Ledger, uuid: Uuid) -> Option<KeyCell> {
        let entry = self.0.get_mut(&uuid.as_u128())?;
        let interned = entry.interned;
        // Most often the cell has not changed, and its version need not be read again.
        if !ledger.is_in_force(interned.cell, entry.live) {
            entry.live = live_version(ledger, interned)?;
        }
        Some(interned)
    }

    fn remember(&mut self, uuid: Uuid, entry: Entry) {
        if self.0.len() == MOST_FOUND {
            self.0.clear();
        }
        self.0.insert(uuid.as_u128(), entry);
    }
}

/// Returns the version in force of the cell of `interned`, if the cell is live in that version with
/// the incarnation of `interned`.
fn live_version(ledger: &Ledger, interned: KeyCell) -> Option<GateWord> {
    let (word, life) = ledger.peek_version(interned.cell, Life::of);
    life.is(State::Live, interned.incarnation).then_some(word)
}

impl Worker {
    /// Returns the provider with this uuid, as [`ProviderTree::find`](crate::ProviderTree::find)
    /// does, but without a lock if this worker has found the provider before.
    ///
    /// Serves threads that ask for the same providers again and again: a provider that this worker
    /// remembers needs no look at the index that all threads share. The worker remembers up to
    /// 65,536 providers.
    ///
    /// O(1), whether or not there is such a provider. If this worker has not found the provider
    /// before, or the provider has gone, the call takes a shard's read lock for O(1).
    ///
    /// ```
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let mut worker = tree.worker()?;
    /// assert_eq!(worker.find(host.uuid()), Some(host));
    /// tree.remove(&host)?;
    /// assert_eq!(worker.find(host.uuid()), None);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn find(&mut self, uuid: Uuid) -> Option<Provider> {
        let Worker { core, found, .. } = self;
        let interned = found.live(&core.forest.ledger, uuid).or_else(|| {
            let interned = core.forest.providers.hint(&uuid)?;
            let live = live_version(&core.forest.ledger, interned)?;
            found.remember(uuid, Entry { interned, live });
            Some(interned)
        });
        interned.map(|interned| core.forest.handle_of(uuid, interned))
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ledger::Cell;

    #[test]
    fn only_so_many_are_remembered() {
        let mut found = Found::default();
        for number in 0..=MOST_FOUND as u128 {
            let interned = KeyCell { cell: Cell::new(0), incarnation: 1 };
            found.remember(Uuid::from_u128(number), Entry { interned, live: GateWord::VACANT });
            assert!(found.0.len() <= MOST_FOUND);
        }
        assert_eq!(found.0.len(), 1);
    }
}

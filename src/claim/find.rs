//! Finding providers again: what a worker remembers of the index.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::worker::Worker;
use crate::ledger::{GateWord, Ledger};
use crate::tree::Interned;
use crate::tree::Provider;
use crate::tree::layout::{Life, State};

/// The cells of providers that were found, by their uuids. Entries are hints, as those of the index:
/// the cell says whether the provider is there still.
#[derive(Default)]
pub(super) struct Found(HashMap<u128, Entry, foldhash::fast::RandomState>);

struct Entry {
    interned: Interned,
    /// A version of the cell in which the provider is there.
    live: GateWord,
}

/// So many are remembered; beyond that it begins anew.
const MOST_FOUND: usize = 1 << 16;

impl Found {
    #[inline]
    fn live(&mut self, ledger: &Ledger, uuid: Uuid) -> Option<Interned> {
        let entry = self.0.get_mut(&uuid.as_u128())?;
        let interned = entry.interned;
        // Most often nothing has changed there, and the version need not be read again.
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

/// The version in force, if what was interned so is there in it.
fn live_version(ledger: &Ledger, interned: Interned) -> Option<GateWord> {
    let (word, life) = ledger.peek_version(interned.cell, Life::of);
    life.is(State::Live, interned.incarnation).then_some(word)
}

impl Worker {
    /// The provider with this uuid, as [`find`](crate::ProviderTree::find) says it, for a thread that
    /// asks for the same ones again and again: what this worker has found before needs no look at the
    /// index that all threads share, and so no lock.
    ///
    /// O(1), whether or not there is one. Takes a shard's read lock for O(1) for what was not found
    /// before, or has gone. Remembers up to 65,536 providers.
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
        let interned = found.live(&core.ledger, uuid).or_else(|| {
            let interned = core.providers.hint(&uuid)?;
            let live = live_version(&core.ledger, interned)?;
            found.remember(uuid, Entry { interned, live });
            Some(interned)
        });
        interned.map(|interned| core.handle_of(uuid, interned))
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
            let interned = Interned { cell: Cell::new(0), incarnation: 1 };
            found.remember(Uuid::from_u128(number), Entry { interned, live: GateWord::VACANT });
            assert!(found.0.len() <= MOST_FOUND);
        }
        assert_eq!(found.0.len(), 1);
    }
}

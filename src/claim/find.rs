//! Finding providers again: what a worker remembers of the index.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::worker::Worker;
use crate::ledger::Ledger;
use crate::tree::Interned;
use crate::tree::Provider;
use crate::tree::cells::{Life, State};

/// The cells of providers that were found. Entries are hints, as those of the index: the cell says
/// whether the provider is there still.
#[derive(Default)]
pub(super) struct Found(HashMap<Uuid, Interned, foldhash::fast::RandomState>);

/// So many are remembered; beyond that it begins anew.
const MOST_FOUND: usize = 1 << 16;

impl Found {
    fn live(&self, ledger: &Ledger, uuid: &Uuid) -> Option<Interned> {
        let interned = *self.0.get(uuid)?;
        let life = ledger.peek(interned.cell, Life::of);
        life.is(State::Live, interned.incarnation).then_some(interned)
    }

    fn remember(&mut self, uuid: Uuid, interned: Interned) {
        if self.0.len() == MOST_FOUND {
            self.0.clear();
        }
        self.0.insert(uuid, interned);
    }
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
        let core = &*self.core;
        let interned = self.found.live(&core.ledger, &uuid).or_else(|| {
            let interned = core.providers.live(&core.ledger, &uuid)?;
            self.found.remember(uuid, interned);
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
        let interned = Interned { cell: Cell::new(0), incarnation: 1 };
        for number in 0..=MOST_FOUND as u128 {
            found.remember(Uuid::from_u128(number), interned);
            assert!(found.0.len() <= MOST_FOUND);
        }
        assert_eq!(found.0.len(), 1);
    }
}

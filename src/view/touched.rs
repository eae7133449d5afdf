//! [`Touched`]: what may differ between two snapshots, by name alone.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::error::Result;
use crate::forest::Provider;
use crate::layout::{ConsumerWords, Life, Structure, is_live_consumer};
use crate::ledger::{Cell, Reader};
use crate::view::changes::ChangedCells;
use crate::view::snapshot::Snapshot;

/// Names what may differ between two snapshots; see [`Snapshot::touched_since`].
///
/// Names everything that [`Changes`](crate::Changes) of the same snapshots has, each once. May name
/// more: what has changed and changed back, and what has changed after the newer snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Touched {
    /// The number of the older snapshot.
    pub from: u64,
    /// The number of the newer snapshot.
    pub to: u64,
    /// The providers, in the order of their uuids.
    pub providers: Vec<TouchedProvider>,
    /// The consumers, in the order of their uuids, whether or not they hold something still.
    pub consumers: Vec<Uuid>,
}

/// Names a provider that may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TouchedProvider {
    /// The provider.
    pub provider: Uuid,
    /// The provider's handle in the newer snapshot; `None` if the provider does not exist.
    pub handle: Option<Provider>,
}

impl Touched {
    /// Returns whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.consumers.is_empty()
    }

    /// Returns the number of providers and consumers that are named.
    pub fn len(&self) -> usize {
        self.providers.len() + self.consumers.len()
    }
}

impl Snapshot {
    /// Returns which providers and consumers may differ between an older snapshot of the forest and
    /// this one, for a caller that reads what it wants to know of them itself. Costs what
    /// [`changes_since`](Self::changes_since) costs, except that it reads one cell of each provider
    /// and the uuid of each consumer instead of two whole states.
    ///
    /// # Errors
    ///
    /// As [`changes_since`](Self::changes_since).
    ///
    /// ```
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let hosts = [tree.create_root("host-1", None)?, tree.create_root("host-2", None)?];
    ///
    /// let before = tree.snapshot();
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.configure(&hosts[0], vcpu, Expect::Any)?;
    /// let touched = tree.snapshot().touched_since(&before)?;
    ///
    /// let handles: Vec<_> = touched.providers.iter().map(|touched| touched.handle).collect();
    /// assert_eq!(handles, [Some(hosts[0])]);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn touched_since(&self, older: &Snapshot) -> Result<Touched> {
        let forest = &self.pin().core.forest;
        let ChangedCells { structures, consumers } = self.changed_cells(older)?;
        let mut providers = BTreeMap::new();
        for (cell, is_own) in structures {
            // A uuid may have come from one cell to another meanwhile.
            let of = |snapshot: &Snapshot| -> Result<Option<Provider>> {
                let structure = snapshot.read(|past| past.read(cell, Structure::of_words))?;
                Ok(structure.is_live().then(|| forest.handle(cell, &structure)))
            };
            // A provider whose own structure has not changed is the one that it was.
            if is_own && let Some(gone) = of(older)? {
                providers.entry(gone.uuid).or_insert(None);
            }
            if let Some(handle) = of(self)? {
                providers.insert(handle.uuid, Some(handle));
            }
        }
        let mut uuids = BTreeSet::new();
        for cell in consumers {
            uuids.extend(consumer_in(older, cell)?);
            uuids.extend(consumer_in(self, cell)?);
        }
        let provider = |(provider, handle)| TouchedProvider { provider, handle };
        Ok(Touched {
            from: older.number(),
            to: self.number(),
            providers: providers.into_iter().map(provider).collect(),
            consumers: uuids.into_iter().collect(),
        })
    }
}

/// Returns the consumer that held something in this cell at the snapshot.
fn consumer_in(snapshot: &Snapshot, cell: Cell) -> Result<Option<Uuid>> {
    snapshot.read(|past| {
        past.read(cell, |words| {
            let is_live = is_live_consumer(Life::of_words(words));
            is_live.then(|| ConsumerWords(words).uuid())
        })
    })
}

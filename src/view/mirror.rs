//! Mirrors: copies of a forest's state as plain values, which changes keep up to date.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::claim::Allocations;
use crate::error::{Error, Result};
use crate::forest::Configuration;
use crate::view::changes::{Changes, ProviderState};
use crate::view::dump::Dump;
use crate::view::snapshot::Snapshot;

/// Holds the state of a forest at a snapshot as plain values, and follows the forest by applying
/// [`Changes`].
///
/// A mirror needs no forest: another process, to which the changes are sent, may keep it.
///
/// ```
/// use provider_tree::{Mirror, ProviderTree};
///
/// let tree = ProviderTree::new();
/// tree.create_root("host-1", None)?;
/// let mut feed = tree.subscribe(&tree.snapshot());
/// let mut mirror = Mirror::new(feed.position())?;
///
/// tree.create_root("host-2", None)?;
/// mirror.apply(&feed.poll()?)?;
/// assert_eq!(mirror.dump(), tree.snapshot().dump()?);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The number of the snapshot whose state the mirror holds.
    snapshot: u64,
    providers: HashMap<Uuid, ProviderState, foldhash::fast::RandomState>,
    consumers: BTreeMap<Uuid, Allocations>,
}

impl Mirror {
    /// Returns a mirror of the state at `snapshot`.
    ///
    /// # Errors
    ///
    /// Returns [`SnapshotTooOld`](Error::SnapshotTooOld) if the snapshot's bound was met.
    pub fn new(snapshot: &Snapshot) -> Result<Self> {
        Ok(Mirror::of_dump(&snapshot.dump()?, snapshot.number()))
    }

    /// Returns a mirror of the state in `dump`, the dump of the snapshot with this number.
    pub fn of_dump(dump: &Dump, number: u64) -> Self {
        let mut last: HashMap<Option<Uuid>, Uuid, foldhash::fast::RandomState> = HashMap::default();
        let providers = dump.providers.iter().map(|dump| {
            let previous = last.insert(dump.configuration.parent, dump.configuration.uuid);
            (dump.configuration.uuid, ProviderState::new(dump.clone(), previous))
        });
        let consumers = dump.consumers.iter().map(|held| (held.consumer, held.clone()));
        Mirror { snapshot: number, providers: providers.collect(), consumers: consumers.collect() }
    }

    /// Returns the number of the snapshot whose state the mirror holds.
    pub fn number(&self) -> u64 {
        self.snapshot
    }

    /// Returns everything about a provider but its usage, if the provider exists. O(1).
    pub fn configuration(&self, provider: Uuid) -> Option<&Configuration> {
        Some(&self.providers.get(&provider)?.dump.configuration)
    }

    /// Returns what a consumer holds, if it holds anything. O(log n) for n consumers.
    pub fn allocations(&self, consumer: Uuid) -> Option<&Allocations> {
        self.consumers.get(&consumer)
    }

    /// Brings the mirror to the state after `changes`.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignSnapshot`](Error::ForeignSnapshot) unless the changes begin at the snapshot
    /// whose state the mirror holds.
    pub fn apply(&mut self, changes: &Changes) -> Result<()> {
        if changes.from != self.snapshot {
            return Err(Error::ForeignSnapshot { snapshot: changes.from });
        }
        for change in &changes.providers {
            match &change.after {
                Some(state) => drop(self.providers.insert(change.provider, state.clone())),
                None => drop(self.providers.remove(&change.provider)),
            }
        }
        for change in &changes.consumers {
            match &change.after {
                Some(held) => drop(self.consumers.insert(change.consumer, held.clone())),
                None => drop(self.consumers.remove(&change.consumer)),
            }
        }
        self.snapshot = changes.to;
        Ok(())
    }

    /// Returns the state as a dump, which is exactly what [`Snapshot::dump`] returns for the
    /// snapshot whose state the mirror holds, but for the [`floors`](Dump::floors): changes don't tell
    /// them, so there are none. O(n log n).
    pub fn dump(&self) -> Dump {
        // Finds each provider by its parent and previous sibling: a provider comes behind exactly
        // one place.
        let mut next = HashMap::<_, _, foldhash::fast::RandomState>::default();
        for (uuid, state) in &self.providers {
            next.insert((state.dump.configuration.parent, state.previous), *uuid);
        }
        let mut providers = Vec::with_capacity(self.providers.len());
        let mut rest = vec![(None, None)];
        while let Some(place) = rest.pop() {
            let Some(uuid) = next.remove(&place) else { continue };
            let (parent, _) = place;
            providers.extend(self.providers.get(&uuid).map(|state| state.dump.clone()));
            rest.push((parent, Some(uuid)));
            rest.push((Some(uuid), None));
        }
        let consumers = self.consumers.values().cloned().collect();
        Dump { version: Dump::VERSION, providers, consumers, floors: Vec::new() }
    }
}

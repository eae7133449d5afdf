//! A mirror: a copy of a forest's state as plain values, kept up to date by changes.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::claim::Allocations;
use crate::error::{Error, Result};
use crate::view::changes::{Changes, ProviderState};
use crate::view::dump::Dump;
use crate::view::snapshot::Snapshot;

/// The state of a forest at a snapshot, as plain values, which [`Changes`] bring forward.
///
/// It needs no forest: it may be kept by another process, to which changes are sent.
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
/// assert_eq!(mirror.dump(), tree.dump());
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    version: u64,
    providers: HashMap<Uuid, ProviderState, foldhash::fast::RandomState>,
    consumers: BTreeMap<Uuid, Allocations>,
}

impl Mirror {
    /// The state at a snapshot.
    ///
    /// # Errors
    ///
    /// [`SnapshotTooOld`](Error::SnapshotTooOld).
    pub fn new(snapshot: &Snapshot) -> Result<Self> {
        Ok(Mirror::of_dump(&snapshot.dump()?, snapshot.version()))
    }

    /// The state in the dump of the snapshot with this version.
    pub fn of_dump(dump: &Dump, version: u64) -> Self {
        let mut last: HashMap<Option<Uuid>, Uuid, foldhash::fast::RandomState> = HashMap::default();
        let providers = dump.providers.iter().map(|dump| {
            let previous = last.insert(dump.data.parent, dump.data.uuid);
            (dump.data.uuid, ProviderState { dump: dump.clone(), previous })
        });
        let consumers = dump.consumers.iter().map(|held| (held.consumer, held.clone()));
        Mirror { version, providers: providers.collect(), consumers: consumers.collect() }
    }

    /// The version of the snapshot whose state this is.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Goes on to the state after the changes.
    ///
    /// # Errors
    ///
    /// [`ForeignSnapshot`](Error::ForeignSnapshot) unless the changes begin where this is.
    pub fn apply(&mut self, changes: &Changes) -> Result<()> {
        if changes.from != self.version {
            return Err(Error::ForeignSnapshot { version: changes.from });
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
        self.version = changes.to;
        Ok(())
    }

    /// The state as a dump, exactly what [`Snapshot::dump`] of that snapshot is. O(n log n).
    pub fn dump(&self) -> Dump {
        // By parent and previous sibling: each provider comes behind exactly one other.
        let mut next = HashMap::<_, _, foldhash::fast::RandomState>::default();
        for (uuid, state) in &self.providers {
            next.insert((state.dump.data.parent, state.previous), *uuid);
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
        Dump { version: Dump::VERSION, providers, consumers }
    }
}

//! Configurations: what is rich and changes rarely, versioned by the usage cell.
//!
//! A provider's configuration is immutable and shared. The usage cell names the version in force;
//! a slot beside it holds that version and any that an update is about to put in force. An update
//! publishes its version first, commits the usage cell naming it, then takes away exactly the
//! version it replaced, or its own if it failed. So whoever reads a usage cell finds the
//! configuration that was in force with it, or else the cell has changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::inventory::Inventories;
use crate::ledger::{Cell, Chunks};
use crate::resources::Resources;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, CachePadded, Ordering, Slot};
use crate::traits::Trait;
use crate::tree::cells::CONFIGURATION_BITS;

/// Everything about a provider that only configuration changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) name: Arc<str>,
    pub(crate) inventories: Arc<Inventories>,
    pub(crate) traits: Arc<BTreeSet<Trait>>,
    pub(crate) aggregates: Arc<BTreeSet<Uuid>>,
    pub(crate) resources: Resources,
}

/// The versions of one provider: the one in force, and candidates.
type Versions = SmallVec<[(u64, Arc<Configuration>); 1]>;

/// The configurations of all providers.
pub(crate) struct Configurations {
    slots: Chunks<Slot<Versions>>,
    versions: CachePadded<AtomicU64>,
}

impl Configurations {
    pub(crate) fn new() -> Self {
        Configurations { slots: Chunks::new(1), versions: CachePadded::new(AtomicU64::new(1)) }
    }

    /// Publishes a candidate; nothing is in force until a usage cell names it.
    pub(crate) fn publish(&self, usage: Cell, configuration: Arc<Configuration>) -> Candidate<'_> {
        // Relaxed: only the uniqueness of the answer matters.
        let version =
            self.versions.fetch_add(1, Ordering::Relaxed) & ((1 << CONFIGURATION_BITS) - 1);
        self.slot(usage).update(|versions| {
            let mut versions = versions.cloned().unwrap_or_default();
            versions.push((version, Arc::clone(&configuration)));
            Some(Arc::new(versions))
        });
        reached(Step::ConfigurationPublished);
        Candidate { configurations: self, usage, version, in_force: false }
    }

    /// The configuration that `usage` names as `version`; none if it has been replaced.
    pub(crate) fn find(&self, usage: Cell, version: u64) -> Option<Arc<Configuration>> {
        self.with(usage, version, Arc::clone)
    }

    /// Applies `read` to the configuration that `usage` names as `version`.
    pub(crate) fn with<R>(
        &self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Arc<Configuration>) -> R,
    ) -> Option<R> {
        let [slot] = self.slots.get(usage.number())? else { return None };
        slot.with(|versions| {
            let (_, found) = versions?.iter().find(|(candidate, _)| *candidate == version)?;
            Some(read(found))
        })
    }

    /// Takes away exactly the version that a committed change has put out of force.
    pub(crate) fn remove(&self, usage: Cell, version: u64) {
        self.slot(usage).update(|versions| {
            let mut versions = versions?.clone();
            versions.retain(|(candidate, _)| *candidate != version);
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
    }

    fn slot(&self, usage: Cell) -> &Slot<Versions> {
        let make = |length| (0..length).map(|_| Slot::empty()).collect();
        &self.slots.get_or_make(usage.number(), make)[0]
    }
}

/// A published version that goes away unless it is put in force.
pub(crate) struct Candidate<'a> {
    configurations: &'a Configurations,
    usage: Cell,
    pub(crate) version: u64,
    in_force: bool,
}

impl Candidate<'_> {
    /// The usage cell names this version now, instead of `replaced`.
    pub(crate) fn replaces(mut self, replaced: u64) {
        self.in_force = true;
        self.configurations.remove(self.usage, replaced);
    }

    /// The usage cell names this version now, and named none before.
    pub(crate) fn begins(mut self) {
        self.in_force = true;
    }
}

impl Drop for Candidate<'_> {
    fn drop(&mut self) {
        // Unwinding from inside the protocol, nobody knows which version is in force: keep all.
        if !self.in_force && !std::thread::panicking() {
            self.configurations.remove(self.usage, self.version);
        }
    }
}

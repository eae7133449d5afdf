//! Configurations: what is rich and changes rarely, versioned by the usage cell.
//!
//! A provider's configuration is immutable and shared. The usage cell names the version in force;
//! a slot beside it holds that version and any that an update is about to put in force. An update
//! publishes its version first, commits the usage cell naming it, then takes away exactly the
//! version it replaced, or its own if it failed. So whoever reads a usage cell finds the
//! configuration that was in force with it, or else the cell has changed. What a snapshot needs
//! stays until that has ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::inventory::Inventories;
use crate::ledger::{Cell, Chunks, Ledger, Stamp};
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

/// A configuration that is in force, about to be, or was and is kept for snapshots.
#[derive(Clone)]
struct Version {
    number: u64,
    configuration: Arc<Configuration>,
    /// The clock's reading before it was in force.
    since: Stamp,
    /// The clock's reading after another one was in force.
    until: Option<Stamp>,
}

/// The versions of one provider.
type Versions = SmallVec<[Version; 1]>;

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
    pub(crate) fn publish<'a>(
        &'a self,
        ledger: &'a Ledger,
        usage: Cell,
        configuration: Arc<Configuration>,
    ) -> Candidate<'a> {
        // Relaxed: only the uniqueness of the answer matters.
        let version =
            self.versions.fetch_add(1, Ordering::Relaxed) & ((1 << CONFIGURATION_BITS) - 1);
        let since = ledger.now();
        self.slot(usage).update(|versions| {
            let mut versions = versions.map_or_else(Versions::new, |now| (**now).clone());
            let configuration = Arc::clone(&configuration);
            versions.push(Version { number: version, configuration, since, until: None });
            Some(Arc::new(versions))
        });
        reached(Step::ConfigurationPublished);
        Candidate { configurations: self, ledger, usage, version, in_force: false }
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
            let found = versions?.iter().find(|candidate| candidate.number == version)?;
            Some(read(&found.configuration))
        })
    }

    /// Takes away exactly the version that a committed change has put out of force; or keeps it for
    /// the snapshots that need it.
    pub(crate) fn retire(&self, ledger: &Ledger, usage: Cell, version: u64) {
        // After the commit, so no earlier than its stamp.
        let until = ledger.now();
        let mut kept = None;
        self.slot(usage).update(|versions| {
            kept = None;
            let mut versions = (**versions?).clone();
            versions.retain(|candidate| {
                let is_replaced = candidate.number == version;
                if is_replaced {
                    candidate.until = Some(until);
                }
                let is_needed = candidate.is_needed(ledger);
                if is_replaced && is_needed {
                    kept = Some(candidate.since);
                }
                is_needed
            });
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
        if let Some(since) = kept
            && !ledger.keep_beside(usage, since, until)
        {
            self.prune(ledger, usage);
        }
    }

    /// Forgets what is kept beside `usage` for snapshots that have ended.
    pub(crate) fn prune(&self, ledger: &Ledger, usage: Cell) {
        let Some([slot]) = self.slots.get(usage.number()) else { return };
        slot.update(|versions| {
            let current = versions?;
            if current.iter().all(|version| version.is_needed(ledger)) {
                return versions.cloned();
            }
            let mut versions = (**current).clone();
            versions.retain(|version| version.is_needed(ledger));
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
    }

    /// As [`prune`](Self::prune), after the snapshot of this instant, for which something was kept,
    /// has ended; what others need is kept for them.
    pub(crate) fn let_go(&self, ledger: &Ledger, usage: Cell, at: Stamp) {
        self.prune(ledger, usage);
        let Some([slot]) = self.slots.get(usage.number()) else { return };
        let kept = slot.with(|versions| {
            let was_needed = |version: &&Version| {
                version.since <= at && version.until.is_some_and(|until| at < until)
            };
            let others = versions.into_iter().flatten().filter(was_needed);
            others.map(|version| (version.since, version.until)).collect::<Vec<_>>()
        });
        for (since, until) in kept {
            if let Some(until) = until
                && !ledger.keep_beside(usage, since, until)
            {
                self.prune(ledger, usage);
            }
        }
    }

    /// Takes away a version that was never in force.
    fn withdraw(&self, usage: Cell, version: u64) {
        self.slot(usage).update(|versions| {
            let mut versions = (**versions?).clone();
            versions.retain(|candidate| candidate.number != version);
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
    }

    fn slot(&self, usage: Cell) -> &Slot<Versions> {
        let make = |length| (0..length).map(|_| Slot::empty()).collect();
        &self.slots.get_or_make(usage.number(), make)[0]
    }
}

impl Version {
    /// Whether it is, or may come to be, in force, or was when a snapshot was taken.
    fn is_needed(&self, ledger: &Ledger) -> bool {
        self.until.is_none_or(|until| ledger.is_needed(self.since, until))
    }
}

/// A published version that goes away unless it is put in force.
pub(crate) struct Candidate<'a> {
    configurations: &'a Configurations,
    ledger: &'a Ledger,
    usage: Cell,
    pub(crate) version: u64,
    in_force: bool,
}

impl Candidate<'_> {
    /// The usage cell names this version now, instead of `replaced`.
    pub(crate) fn replaces(mut self, replaced: u64) {
        self.in_force = true;
        self.configurations.retire(self.ledger, self.usage, replaced);
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
            self.configurations.withdraw(self.usage, self.version);
        }
    }
}

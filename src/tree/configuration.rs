//! Configurations: what is rich and changes rarely, versioned by the usage cell.
//!
//! A provider's configuration is immutable and shared. The usage cell names the version in force;
//! a slot beside it holds that version and any that an update is about to put in force. An update
//! publishes its version first, commits the usage cell naming it, then takes away exactly the
//! version it replaced, or its own if it failed. So whoever reads a usage cell finds the
//! configuration that was in force with it, or else the cell has changed. What a snapshot needs
//! moves from the slot to the provider's history, until the snapshot has ended.

use std::cell::Cell as Flag;
use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::inventory::Inventories;
use crate::ledger::{
    Abort, Cell, Histories, HistoryKey, Ledger, Limit, Slots, Span, Stamp, Transaction, Writer,
};
use crate::resources::Resources;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, CachePadded, Ordering};
use crate::traits::Trait;
use crate::tree::layout::CONFIGURATION_BITS;

/// Everything about a provider that only configuration changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) name: Arc<str>,
    pub(crate) inventories: Arc<Inventories>,
    pub(crate) traits: Arc<BTreeSet<Trait>>,
    pub(crate) aggregates: Arc<BTreeSet<Uuid>>,
    pub(crate) resources: Resources,
}

/// A configuration that is in force, or about to be.
#[derive(Clone)]
struct Version {
    number: u64,
    configuration: Arc<Configuration>,
    /// When it came into force. Until that is known a reading of the clock before it did: what is kept
    /// too long is kept for nobody, what is not kept long enough is missed.
    from: Stamp,
}

/// The version in force of one provider, and those about to be.
type Versions = SmallVec<[Version; 1]>;

/// A configuration that is in force no more. It holds values of the caller's own types, so whoever has
/// it drops it when there is nothing left to do that a panic in there could skip.
#[must_use = "to be dropped last"]
pub(crate) struct Gone(#[expect(dead_code, reason = "to be dropped")] Option<Arc<Configuration>>);

/// The configurations of all providers.
pub(crate) struct Configurations {
    slots: Slots<Versions>,
    /// Those in force before, by number, that snapshots need.
    histories: Histories<Arc<Configuration>>,
    versions: CachePadded<AtomicU64>,
}

impl Configurations {
    pub(crate) fn new() -> Self {
        Configurations {
            slots: Slots::new(),
            histories: Histories::new(),
            versions: CachePadded::new(AtomicU64::new(1)),
        }
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
        let from = ledger.now();
        self.slots.get_or_make(usage).update(|versions| {
            let mut versions = versions.map_or_else(Versions::new, |now| (**now).clone());
            let configuration = Arc::clone(&configuration);
            versions.push(Version { number: version, configuration, from });
            Some(Arc::new(versions))
        });
        reached(Step::ConfigurationPublished);
        let state = Flag::new(State::Candidate);
        Candidate { configurations: self, ledger, usage, version, from, state }
    }

    /// The configuration that `usage` names as `version`; none if it has been replaced, and no snapshot
    /// needs it.
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
        let mut read = Some(read);
        let found = self.slots.get(usage)?.with(|versions| {
            let found = versions?.iter().find(|candidate| candidate.number == version)?;
            read.take().map(|read| read(&found.configuration))
        });
        // Whoever takes it out of the slot has put it into the history before.
        found.or_else(|| {
            let read = read?;
            self.histories.with(usage, |history| Some(read(&history.get(version)?.value)))
        })
    }

    /// Takes away exactly the version that a change has put out of force at `until`, or keeps it for
    /// the snapshots that need it.
    pub(crate) fn retire(&self, ledger: &Ledger, usage: Cell, version: u64, until: Stamp) -> Gone {
        self.replace(ledger, usage, version, until, None)
    }

    /// The same; from then on the version with the number `by` is in force.
    fn replace(
        &self,
        ledger: &Ledger,
        usage: Cell,
        version: u64,
        until: Stamp,
        by: Option<u64>,
    ) -> Gone {
        let Some(slot) = self.slots.get(usage) else { return Gone(None) };
        let gone = slot.with(|versions| versions?.iter().find(|it| it.number == version).cloned());
        if let Some(Version { configuration, from, .. }) = &gone {
            let span = Span { from: *from, until };
            ledger.keep(&self.histories, HistoryKey::Beside(usage, version), span, configuration);
        }
        slot.update(|versions| {
            let mut versions = (**versions?).clone();
            versions.retain(|candidate| candidate.number != version);
            if let Some(next) = versions.iter_mut().find(|next| Some(next.number) == by) {
                next.from = until;
            }
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
        Gone(gone.map(|gone| gone.configuration))
    }

    /// How many there are, in force or about to be, and how many are kept for snapshots. O(cells).
    pub(crate) fn count(&self) -> (u64, u64) {
        let length = |versions: Option<&Versions>| versions.map_or(0, |it| it.len()) as u64;
        let published = self.slots.iter().map(|slot| slot.with(length)).sum();
        (published, self.histories.count())
    }

    /// What the slots take, without what is in them.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.bytes() + self.histories.bytes()
    }

    /// Takes away what no snapshot needs any more of what was kept beside `usage`.
    pub(crate) fn let_go(&self, usage: Cell, version: u64) -> Gone {
        Gone(self.histories.remove(usage, version))
    }
}

/// A published version that goes away unless it is put in force.
pub(crate) struct Candidate<'a> {
    configurations: &'a Configurations,
    ledger: &'a Ledger,
    usage: Cell,
    pub(crate) version: u64,
    /// A reading of the clock before it was published.
    from: Stamp,
    state: Flag<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No usage cell names it.
    Candidate,
    /// A change is under way that may put it in force.
    Undecided,
    InForce,
}

impl Candidate<'_> {
    /// Makes the transaction that puts all of the candidates in force or none; says since when. If it
    /// unwinds nobody knows which, and they stay.
    pub(crate) fn decide<'c, T, E: From<Limit>>(
        candidates: impl Iterator<Item = &'c Self> + Clone,
        writer: &mut Writer,
        body: impl FnMut(&mut Transaction<'_>) -> Result<T, Abort<E>>,
    ) -> Result<(T, Stamp), E>
    where
        Self: 'c,
    {
        candidates.clone().for_each(|candidate| candidate.state.set(State::Undecided));
        let decided = writer.transact_stamped(body);
        candidates.for_each(|candidate| candidate.state.set(State::Candidate));
        decided
    }

    /// The usage cell names this version now, since `at`, instead of `replaced`.
    pub(crate) fn replaces(self, replaced: u64, at: Stamp) -> Gone {
        self.state.set(State::InForce);
        let Candidate { configurations, ledger, usage, version, .. } = self;
        configurations.replace(ledger, usage, replaced, at, Some(version))
    }

    /// The usage cell names this version now, since `at`, and named none before.
    pub(crate) fn begins(self, at: Stamp) {
        self.state.set(State::InForce);
        // Most often no snapshot was taken meanwhile.
        if at != self.from {
            self.change(|versions| {
                if let Some(this) = versions.iter_mut().find(|it| it.number == self.version) {
                    this.from = at;
                }
            });
        }
    }

    fn change(&self, change: impl Fn(&mut Versions)) {
        self.configurations.slots.get_or_make(self.usage).update(|versions| {
            let mut versions = (**versions?).clone();
            change(&mut versions);
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
    }
}

impl Drop for Candidate<'_> {
    /// Takes a version away that was never in force.
    fn drop(&mut self) {
        if self.state.get() == State::Candidate {
            self.change(|versions| versions.retain(|it| it.number != self.version));
        }
    }
}

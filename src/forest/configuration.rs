//! Configurations: the facts of a provider that are large and change rarely. The usage cell of the
//! provider names the version in force.
//!
//! The facts of a provider are immutable and shared. The usage cell names the version in force. A
//! slot beside the usage cell holds that version, and any version that a change is about to put in
//! force. A change first publishes its version in the slot, then commits the usage cell that names
//! the version. Then the change takes exactly the version that it replaced out of the slot, or its
//! own version if the commit failed. So a thread that reads a usage cell finds the configuration
//! that was in force with it, or else the cell has changed. A version that a snapshot needs moves
//! from the slot to the provider's history, until the snapshot has ended.

use std::cell::Cell as Flag;
use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::layout::{CONFIGURATION_BITS, Layout};
use crate::ledger::{
    Abort, Cell, Histories, HistoryKey, Ledger, Limit, Slots, Span, Stamp, Transaction, Writer,
};
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, CachePadded, Ordering};
use crate::values::{Inventories, Resources, Trait};

/// Holds what a provider is and has, apart from its usage: the facts that claims never change. Part of a
/// [`Configuration`](crate::Configuration), which dereferences to it.
///
/// Facts never change. A change puts others in their place, which share with them all that the change
/// leaves alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The name.
    pub name: Arc<str>,
    /// The uuid of the parent; `None` for a root.
    pub parent: Option<Uuid>,
    /// The inventories.
    pub inventories: Arc<Inventories>,
    /// The traits.
    pub traits: Arc<BTreeSet<Trait>>,
    /// The aggregates that the provider is a member of.
    pub aggregates: Arc<BTreeSet<Uuid>>,
    /// The caller's own values, which `serde` leaves out.
    pub resources: Resources,
}

impl Facts {
    /// Returns the facts of a new provider, which has nothing but a name and a place. (The default has the
    /// empty name, which all threads of the process share, and would count its uses all the time.)
    pub(crate) fn bare(name: Arc<str>, parent: Option<Uuid>) -> Self {
        let Nothing { inventories, traits, aggregates } = Nothing::of_this_thread();
        Facts { name, parent, inventories, traits, aggregates, resources: Resources::default() }
    }

    /// Returns whether the provider has all of `traits`; true if `traits` is empty.
    pub fn has_traits(&self, traits: impl IntoIterator<Item = Trait>) -> bool {
        traits.into_iter().all(|one| self.traits.contains(&one))
    }

    /// Returns whether the provider is a member of all of `aggregates`; true if `aggregates` is empty.
    pub fn in_aggregates(&self, aggregates: impl IntoIterator<Item = Uuid>) -> bool {
        aggregates.into_iter().all(|one| self.aggregates.contains(&one))
    }

    /// Returns whether other providers can use what this one has, those in the same aggregates: whether it
    /// has the trait [`MISC_SHARES_VIA_AGGREGATE`](Trait::MISC_SHARES_VIA_AGGREGATE).
    pub fn is_sharing(&self) -> bool {
        self.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE)
    }
}

/// Holds the parts of a configuration that are empty in a new provider. All providers that a thread creates
/// share them: so they allocate nothing for them, and threads that create providers do not count the uses
/// in one place.
#[derive(Clone, Default)]
pub(super) struct Nothing {
    pub(super) inventories: Arc<Inventories>,
    pub(super) traits: Arc<BTreeSet<Trait>>,
    pub(super) aggregates: Arc<BTreeSet<Uuid>>,
}

impl Nothing {
    pub(super) fn of_this_thread() -> Self {
        thread_local! {
            static NOTHING: Nothing = Nothing::default();
        }
        // A thread that is about to end may have dropped its own.
        NOTHING.try_with(Nothing::clone).unwrap_or_default()
    }
}

/// Holds a configuration, with what else a usage cell that names it needs.
#[derive(Clone)]
struct Published {
    configuration: Arc<Facts>,
    /// Where the usage cell has its amounts, if they may be packed.
    layout: Option<Layout>,
}

/// Holds a configuration that is in force, or about to be.
#[derive(Clone)]
struct Version {
    number: u64,
    published: Published,
    /// When the configuration came into force; until that is known, an earlier reading of the
    /// clock. A reading that is too early keeps the configuration for nobody; a reading that is too
    /// late would lose a configuration that a snapshot needs.
    from: Stamp,
}

/// Holds the version in force of one provider, and the versions about to be in force.
type Versions = SmallVec<[Version; 1]>;

/// Holds a configuration that is no longer in force, until its owner has nothing left to do. The
/// configuration contains values of the caller's own types, and a panic in the drop of such a value
/// would skip whatever came after the drop.
#[must_use = "to be dropped last"]
pub(crate) struct OldConfiguration(Option<Published>);

impl OldConfiguration {
    /// Returns the name that the provider had, unless another thread has taken the configuration
    /// away.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.0.as_ref().map(|published| &published.configuration.name)
    }
}

/// Holds the configurations of all providers.
pub(crate) struct Configurations {
    slots: Slots<Versions>,
    /// The configurations that were in force before and that snapshots need, by version.
    histories: Histories<Published>,
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

    /// Publishes `configuration` as a candidate, which is not in force until a usage cell names it. A
    /// usage cell that comes to do so has its amounts by `layout`, if it packs them.
    pub(crate) fn publish<'a>(
        &'a self,
        ledger: &'a Ledger,
        usage: Cell,
        configuration: Facts,
        layout: Option<Layout>,
    ) -> Candidate<'a> {
        let published = Published { configuration: Arc::new(configuration), layout };
        let version = self.new_version();
        let from = ledger.now();
        self.slots.get_or_make(usage).update(|versions| {
            let mut versions = versions.map_or_else(Versions::new, |now| (**now).clone());
            versions.push(Version { number: version, published: published.clone(), from });
            Some(Arc::new(versions))
        });
        reached(Step::ConfigurationPublished);
        let state = Flag::new(State::Candidate);
        Candidate { configurations: self, ledger, usage, version, published, from, state }
    }

    fn new_version(&self) -> u64 {
        // Relaxed: only the uniqueness of the answer matters.
        self.versions.fetch_add(1, Ordering::Relaxed) & ((1 << CONFIGURATION_BITS) - 1)
    }

    /// Returns the first configuration of a provider in a forest that no other thread knows.
    pub(crate) fn first(&self, facts: Arc<Facts>, layout: Option<Layout>) -> FirstConfiguration {
        let published = Published { configuration: facts, layout };
        FirstConfiguration(Version {
            number: self.new_version(),
            published,
            from: Stamp::BEGINNING,
        })
    }

    /// Puts these configurations into the slots of these usage cells, which come in rising order and are
    /// the first to have any. Nobody else looks for them meanwhile.
    pub(crate) fn fill(&mut self, all: impl Iterator<Item = (Cell, FirstConfiguration)>) {
        let versions = |FirstConfiguration(version)| Arc::new(Versions::from_buf([version]));
        self.slots.fill(all.map(|(usage, first)| (usage, versions(first))));
    }

    /// Returns the configuration that `usage` names as `version`. Returns `None` if the
    /// configuration has been replaced and no snapshot needs it.
    #[inline]
    pub(crate) fn find(&self, usage: Cell, version: u64) -> Option<Arc<Facts>> {
        self.with(usage, version, Arc::clone)
    }

    /// Applies `read` to the configuration that `usage` names as `version`. Returns `None` if the
    /// configuration has been replaced and no snapshot needs it.
    pub(crate) fn with<R>(
        &self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Arc<Facts>) -> R,
    ) -> Option<R> {
        self.with_published(usage, version, |found| read(&found.configuration))
    }

    /// Does what [`with`](Self::with) does, with what was published beside the configuration too.
    fn with_published<R>(
        &self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Published) -> R,
    ) -> Option<R> {
        let mut read = Some(read);
        let found = self.slots.get(usage)?.with(|versions| {
            let found = versions?.iter().find(|candidate| candidate.number == version)?;
            read.take().map(|read| read(&found.published))
        });
        // A thread that takes a version out of the slot has put it into the history before, if a
        // snapshot needs it.
        found.or_else(|| {
            let read = read?;
            self.histories.with(usage, |history| Some(read(&history.get(version)?.value)))
        })
    }

    /// Returns the layout of the configuration that `usage` names as `version`. The usage cell keeps it
    /// if a change leaves the inventories as they are. If the configuration has been replaced, that
    /// change fails.
    pub(crate) fn layout(&self, usage: Cell, version: u64) -> Option<Layout> {
        self.with_published(usage, version, |found| found.layout.clone())?
    }

    /// Takes exactly `version`, which a change has replaced at `until`, out of the slot of `usage`.
    /// If a snapshot needs the version, the history of `usage` gets the version first.
    pub(crate) fn retire(
        &self,
        ledger: &Ledger,
        usage: Cell,
        version: u64,
        until: Stamp,
    ) -> OldConfiguration {
        self.replace(ledger, usage, version, until, None)
    }

    /// Does what [`retire`](Self::retire) does; from `until` on the version with the number `by` is
    /// in force.
    fn replace(
        &self,
        ledger: &Ledger,
        usage: Cell,
        version: u64,
        until: Stamp,
        by: Option<u64>,
    ) -> OldConfiguration {
        let Some(slot) = self.slots.get(usage) else { return OldConfiguration(None) };
        let mut gone = None;
        slot.update(|versions| {
            let versions = versions?;
            // No other thread takes this version away, so it is there the first time.
            if gone.is_none()
                && let Some(Version { published, from, .. }) =
                    versions.iter().find(|it| it.number == version)
            {
                let span = Span { from: *from, until };
                ledger.keep(&self.histories, HistoryKey::Beside(usage, version), span, published);
                gone = Some(published.clone());
            }
            let others = versions.iter().filter(|candidate| candidate.number != version);
            let mut versions: Versions = others.cloned().collect();
            if let Some(next) = versions.iter_mut().find(|next| Some(next.number) == by) {
                next.from = until;
            }
            (!versions.is_empty()).then(|| Arc::new(versions))
        });
        OldConfiguration(gone)
    }

    /// Returns how many configurations are in force or about to be, and how many are kept for
    /// snapshots. O(cells).
    pub(crate) fn count(&self) -> (u64, u64) {
        let length = |versions: Option<&Versions>| versions.map_or(0, |it| it.len()) as u64;
        let published = self.slots.iter().map(|slot| slot.with(length)).sum();
        (published, self.histories.count())
    }

    /// Returns the bytes that the slots take, without what is in them.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.bytes() + self.histories.bytes()
    }

    /// Takes the configuration `version` out of the history of `usage`, when no snapshot needs it
    /// any more.
    pub(crate) fn let_go(&self, usage: Cell, version: u64) -> OldConfiguration {
        OldConfiguration(self.histories.remove(usage, version))
    }
}

/// Holds the first configuration of a provider, in a forest that no other thread knows.
pub(crate) struct FirstConfiguration(Version);

impl FirstConfiguration {
    pub(crate) fn version(&self) -> u64 {
        self.0.number
    }

    /// Returns where the usage cell that names the version has its amounts, if they may be packed.
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.0.published.layout.as_ref()
    }
}

/// Holds a published version, which goes away unless it is put in force.
pub(crate) struct Candidate<'a> {
    configurations: &'a Configurations,
    ledger: &'a Ledger,
    usage: Cell,
    pub(crate) version: u64,
    published: Published,
    /// A reading of the clock before the version was published.
    from: Stamp,
    state: Flag<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No usage cell names the version.
    Candidate,
    /// A change that may put the version in force is under way.
    Undecided,
    InForce,
}

impl Candidate<'_> {
    /// Returns the usage cell that may come to name the version.
    pub(crate) fn usage(&self) -> Cell {
        self.usage
    }

    /// Returns the facts that come into force with the version.
    pub(crate) fn facts(&self) -> &Facts {
        &self.published.configuration
    }

    /// Returns where a usage cell that comes to name the version has its amounts, if they may be
    /// packed.
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.published.layout.as_ref()
    }

    /// Makes the transaction that puts all candidates in force or none; returns what `body`
    /// returned, and since when the candidates are in force. If the transaction unwinds, no thread
    /// knows whether the candidates are in force, and all of them stay published.
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
        // Here for all of them: what comes next, one by one, may drop values of the caller's types, and
        // so unwind.
        let state = if decided.is_ok() { State::InForce } else { State::Candidate };
        candidates.for_each(|candidate| candidate.state.set(state));
        decided
    }

    /// Makes an attempt to put the version in force, which gets its number, and returns `None` if it has
    /// not. Does what [`decide`](Self::decide) does if the attempt unwinds.
    pub(crate) fn decide_fast<T>(&self, attempt: impl FnOnce(u64) -> Option<T>) -> Option<T> {
        self.state.set(State::Undecided);
        let decided = attempt(self.version);
        let state = if decided.is_some() { State::InForce } else { State::Candidate };
        self.state.set(state);
        decided
    }

    /// Notes that the usage cell has named this version since `at`, and that it named `replaced`
    /// before. Takes `replaced` out of the slot.
    pub(crate) fn replaces(self, replaced: u64, at: Stamp) -> OldConfiguration {
        let Candidate { configurations, ledger, usage, version, .. } = self;
        configurations.replace(ledger, usage, replaced, at, Some(version))
    }

    /// Notes that the usage cell has named this version since `at`, and that it named none before.
    pub(crate) fn begins(self, at: Stamp) {
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
    /// Takes the version out of the slot if it was never in force.
    fn drop(&mut self) {
        if self.state.get() == State::Candidate {
            self.change(|versions| versions.retain(|it| it.number != self.version));
        }
    }
}

//! A ring of hundreds of snapshots, held beside everything else.

use std::collections::VecDeque;

use provider_tree::{
    CellCounts, Configuration, Dump, Error, Provider, ProviderTree, ResourceClass, Result,
    Snapshot, Usage,
};

use crate::rig::{Gust, Rng};
use crate::snapshots::check_snapshot;

/// Snapshots held at once.
const LENGTH: usize = 300;

/// A bound that some snapshots meet while they are held, and some do not.
const BOUND: u64 = 16;

/// What a ring's thread is counted as doing.
pub(crate) const DONE: [&str; 5] =
    ["snapshot", "snapshot read", "snapshot checked", "snapshot too old", "kept counted"];

/// Snapshots, the oldest first, with what each said when it was taken.
pub(crate) struct Ring<'a> {
    tree: &'a ProviderTree,
    held: VecDeque<Held>,
}

struct Held {
    snapshot: Snapshot,
    /// The most that may be kept for it, if that is bounded.
    bound: Option<u64>,
    facts: Vec<(Provider, Facts)>,
    dump: Option<Dump>,
}

/// Everything that a snapshot says of one provider.
type Facts = (Result<Configuration>, Result<Vec<(ResourceClass, Usage)>>, Result<bool>);

fn facts(snapshot: &Snapshot, provider: &Provider) -> Facts {
    (snapshot.configuration(provider), snapshot.usages(provider), snapshot.is_cordoned(provider))
}

impl<'a> Ring<'a> {
    pub(crate) fn new(tree: &'a ProviderTree) -> Self {
        Ring { tree, held: VecDeque::new() }
    }

    /// Takes a snapshot, drops one if the ring is full, and reads some that are held.
    pub(crate) fn act(&mut self, gust: &mut Gust<'_>, providers: impl Fn(&mut Rng) -> Provider) {
        let snapshot = self.tree.snapshot();
        // Meanwhile more may have been kept: that stays, and nothing comes to it.
        let bound = gust.rng.percent(20).then(|| {
            snapshot.keep_at_most(BOUND);
            snapshot.kept().max(BOUND)
        });
        let some: Vec<Provider> = (0..3).map(|_| providers(&mut gust.rng)).collect();
        let told = |provider| (provider, facts(&snapshot, &provider));
        let facts = some.into_iter().map(told).collect();
        self.held.push_back(Held { snapshot, bound, facts, dump: None });
        gust.count("snapshot");
        let at = gust.rng.index(self.held.len());
        self.held[at].read(gust);
        if gust.rng.percent(2) {
            self.held[at].check(gust);
        }
        if gust.rng.percent(2) {
            self.count(gust);
        }
        if self.held.len() > LENGTH {
            let at = if gust.rng.percent(80) { 0 } else { gust.rng.index(LENGTH) };
            let mut dropped = self.held.remove(at).expect("the ring is full");
            dropped.read(gust);
        }
    }

    /// Of each cell at most one version, and one configuration, is kept for each snapshot.
    fn count(&self, gust: &mut Gust<'_>) {
        let memory = self.tree.memory();
        let cells = |it: &CellCounts| it.live + it.absent + it.free;
        let configurations = cells(&memory.providers);
        let all = configurations + cells(&memory.names) + cells(&memory.consumers);
        let snapshots = self.held.len() as u64;
        assert!(memory.kept_configurations <= snapshots * configurations, "{memory}");
        assert!(memory.kept_versions <= snapshots * all, "{memory}");
        gust.count("kept counted");
    }
}

impl Held {
    /// What it said before, it says again; unless it has met its bound.
    fn read(&mut self, gust: &mut Gust<'_>) {
        let Held { snapshot, bound, facts: told, .. } = self;
        let is_too_old = snapshot.is_too_old();
        assert!(bound.is_some() || !is_too_old, "without a bound");
        if let Some(bound) = bound {
            let kept = snapshot.kept();
            assert!(kept <= *bound, "{kept} kept, at most {bound}");
        }
        let too_old = Error::SnapshotTooOld { snapshot: snapshot.number() };
        for (provider, before) in told {
            let after = facts(snapshot, provider);
            let agrees = *before == after;
            let (data, usages, cordoned) = &after;
            let errors = [data.as_ref().err(), usages.as_ref().err(), cordoned.as_ref().err()];
            let is_refused = errors.contains(&Some(&too_old));
            assert!(agrees || bound.is_some() && is_refused, "{before:?}, then {after:?}");
        }
        gust.count(if is_too_old { "snapshot too old" } else { "snapshot read" });
    }

    /// All that it says agrees, and is what it said the last time.
    fn check(&mut self, gust: &mut Gust<'_>) {
        if self.bound.is_some() {
            return;
        }
        let again = check_snapshot(&self.snapshot);
        assert_eq!(*self.dump.get_or_insert_with(|| again.clone()), again);
        gust.count("snapshot checked");
    }
}

//! Compares what a view finds with what brute force finds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use provider_tree::{Candidate, Candidates, Prepared, Provider, Ranking, Root, View};
use shared::search::canonical::Canonical;
use shared::search::reference::{Assignment, Spec, Ways, ways};
use shared::search::world::World;
use uuid::Uuid;

use crate::random::CLASSES;

pub(crate) type Tested = Result<(), TestCaseError>;

/// Holds a request and everything that serves it.
pub(crate) struct Expected<'a> {
    world: &'a World,
    spec: &'a Spec,
    pub(crate) ways: Ways,
    canonical: Canonical,
    of_groups: Canonical,
}

impl<'a> Expected<'a> {
    pub(crate) fn new(world: &'a World, spec: &'a Spec) -> Self {
        Expected {
            world,
            spec,
            ways: ways(world, spec),
            canonical: Canonical::new(world, spec),
            of_groups: Canonical::of_groups(spec),
        }
    }

    /// Checks everything that a view finds.
    pub(crate) fn check(&self, view: &View, prepared: &mut Prepared) -> Tested {
        self.check_set(view.candidates(prepared).unwrap(), false)?;
        self.check_set(view.candidates(prepared).unwrap().all(), true)
    }

    /// Checks that `candidates` has everything, and nothing twice.
    pub(crate) fn check_set(&self, candidates: Candidates<'_>, is_all: bool) -> Tested {
        let canonical = if is_all { &self.of_groups } else { &self.canonical };
        let wanted = canonical.forms(self.ways.values().flatten());
        let mut found = BTreeMap::new();
        for candidate in candidates {
            let assigned = self.check_one(&candidate)?;
            *found.entry(canonical.form(&assigned)).or_insert(0) += 1;
        }
        let forms: BTreeSet<_> = found.keys().cloned().collect();
        prop_assert!(
            forms == wanted,
            "all: {}, missing {:?}, wrong {:?} in {}",
            is_all,
            wanted.difference(&forms).collect::<Vec<_>>(),
            forms.difference(&wanted).collect::<Vec<_>>(),
            self.told(),
        );
        for (form, count) in found {
            prop_assert!(count == 1, "{} times {:?} in {}", count, form, self.told());
        }
        Ok(())
    }

    /// Checks one candidate by itself. Returns the assignment that it is.
    pub(crate) fn check_one(&self, candidate: &Candidate) -> Result<Assignment, TestCaseError> {
        let assigned = self.spec.assignment(candidate);
        let of_root = self.ways.get(&candidate.root().uuid());
        let is_known = of_root.is_some_and(|ways| ways.contains(&assigned));
        let root = candidate.root().uuid();
        prop_assert!(is_known, "{:?} of {} does not serve in {}", assigned, root, self.told());
        let line = |(provider, class, amount): (Provider, _, _)| (provider.uuid(), class, amount);
        let mut lines: Vec<_> = candidate.lines().map(line).collect();
        lines.sort();
        prop_assert_eq!(lines, self.spec.lines(&assigned));
        let providers: Vec<Uuid> = candidate.providers().map(|one| one.uuid()).collect();
        let distinct: BTreeSet<_> = providers.iter().copied().collect();
        prop_assert_eq!(providers.len(), distinct.len());
        prop_assert_eq!(distinct, assigned.iter().copied().collect());
        Ok(assigned)
    }

    /// Checks what a view finds in the order of a ranking.
    fn check_ranked(&self, view: &View, ranking: &mut Ranking<u64>) -> Tested {
        self.check_set(view.ranked(ranking).unwrap(), false)?;
        self.check_set(view.ranked(ranking).unwrap().all(), true)?;
        let key = |root: Root<'_>| (root.provider().uuid(), (key(root), root.number()));
        let keys: BTreeMap<Uuid, (u64, usize)> = view.roots().map(key).collect();
        let mut met = BTreeSet::new();
        let found = view.ranked(ranking).unwrap().map(|candidate| candidate.root().uuid());
        let once: Vec<_> = found.take_while(|root| met.insert(*root)).map(|it| keys[&it]).collect();
        prop_assert!(once.is_sorted(), "{:?} in {}", once, self.told());
        let least = self.ways.keys().map(|root| keys[root]).min();
        prop_assert_eq!(once.first().copied(), least, "{}", self.told());
        Ok(())
    }

    /// Tells briefly what is searched, and for what.
    fn told(&self) -> String {
        let providers: Vec<_> = self.world.providers.iter().map(|one| format!("{one:?}")).collect();
        format!("\n{}\n{:?}", providers.join("\n"), self.spec)
    }
}

/// Checks a view against a world by several requests.
pub(crate) fn check_all(
    world: &World,
    view: &View,
    specs: &[Spec],
    prepared: &mut [Prepared],
) -> Tested {
    for (spec, prepared) in specs.iter().zip(prepared) {
        Expected::new(world, spec).check(view, prepared)?;
    }
    Ok(())
}

pub(crate) fn prepare(view: &View, specs: &[Spec]) -> Vec<Prepared> {
    specs.iter().map(|spec| view.prepare(&spec.request()).unwrap()).collect()
}

/// Checks a view against a world by several rankings.
pub(crate) fn check_all_ranked(
    world: &World,
    view: &View,
    specs: &[Spec],
    rankings: &mut [Ranking<u64>],
) -> Tested {
    for (spec, ranking) in specs.iter().zip(rankings) {
        Expected::new(world, spec).check_ranked(view, ranking)?;
    }
    Ok(())
}

pub(crate) fn rank(view: &mut View, specs: &[Spec]) -> Vec<Ranking<u64>> {
    specs.iter().map(|spec| view.rank(&spec.request(), key).unwrap()).collect()
}

/// A key that changes with everything that is free, and that many roots have in common.
fn key(root: Root<'_>) -> u64 {
    let free = CLASSES.iter().flat_map(|class| root.each_free(*class));
    free.fold(0, |sum, free| sum * 3 + free) % 4
}

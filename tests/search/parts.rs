//! Limits, bounds, the best roots, and why the others don't serve.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use provider_tree::{
    Candidate, Expect, Group, Inventories, Inventory, Prepared, Provider, ProviderTree, Request,
    ResourceClass, View, Why,
};
use shared::search::reference::{Assignment, Spec};
use shared::search::world::{Known, World};
use uuid::Uuid;

use crate::random::{CLASSES, Forest, cases, plan, spec};
use crate::rig::Expected;

fn assigned(spec: &Spec, candidate: &Candidate) -> (Provider, Assignment) {
    (candidate.root(), spec.assignment(candidate))
}

fn found(view: &View, spec: &Spec, prepared: &mut Prepared) -> Vec<(Provider, Assignment)> {
    view.candidates(prepared).unwrap().map(|candidate| assigned(spec, &candidate)).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_limit_cuts_off_the_end(plan in plan(), spec in spec(), limit in 1..6usize) {
        let forest = Forest::new(&plan);
        let view = forest.tree.view();
        let all = found(&view, &spec, &mut view.prepare(&spec.request()).unwrap());
        let limited = &mut view.prepare(&spec.request().limit(limit)).unwrap();
        for _ in 0..2 {
            let first = found(&view, &spec, limited);
            prop_assert_eq!(&first, &all[..limit.min(all.len())]);
        }
    }

    #[test]
    fn every_root_comes_once_before_any_comes_twice(plan in plan(), spec in spec()) {
        let forest = Forest::new(&plan);
        let world = World::of(&forest.tree);
        let view = forest.tree.view();
        let expected = Expected::new(&world, &spec);
        let all = found(&view, &spec, &mut view.prepare(&spec.request()).unwrap());
        let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (root, _) in &all {
            *counts.entry(root.uuid()).or_default() += 1;
        }
        let sharing: Vec<usize> = world.roots().flat_map(|root| world.sharing(root)).collect();
        if sharing.is_empty() {
            prop_assert_eq!(counts.len(), expected.ways.len());
            let mut rounds = Vec::new();
            let mut met: BTreeMap<Uuid, usize> = BTreeMap::new();
            for (root, _) in &all {
                let round = met.entry(root.uuid()).or_default();
                rounds.push(*round);
                *round += 1;
            }
            prop_assert!(rounds.is_sorted(), "{:?}", rounds);
        }
    }

    #[test]
    fn a_bound_of_steps_ends_the_search_early(
        plan in plan(),
        spec in spec(),
        steps in 0..40u64,
        seed in any::<u64>(),
        is_all in any::<bool>(),
    ) {
        let forest = Forest::new(&plan);
        let view = forest.tree.view();
        let prepared = &mut view.prepare(&spec.request()).unwrap();
        let list = |prepared: &mut Prepared, steps: u64| {
            let candidates = view.candidates(prepared).unwrap().seeded(seed).at_most_steps(steps);
            let mut candidates = if is_all { candidates.all() } else { candidates };
            let list: Vec<_> = (&mut candidates).map(|one| assigned(&spec, &one)).collect();
            (list, candidates.steps(), candidates.is_exhausted())
        };
        let (bounded, made, is_exhausted) = list(prepared, steps);
        let (all, made_in_all, never) = list(&mut view.prepare(&spec.request()).unwrap(), u64::MAX);
        prop_assert!(!never);
        prop_assert_eq!(&bounded[..], &all[..bounded.len()]);
        prop_assert_eq!(is_exhausted, made >= steps);
        prop_assert!(is_exhausted || bounded.len() == all.len());
        // A step ends with the slot that is being filled.
        prop_assert!(made <= steps + 64, "{} of {}", made, steps);
        prop_assert!(made <= made_in_all);
        // What a search that ended early remembers is right.
        prop_assert_eq!(&list(prepared, u64::MAX).0, &all);
    }

    #[test]
    fn the_best_roots_have_the_least_keys(
        plan in plan(),
        spec in spec(),
        k in 0..5usize,
        limit in prop_oneof![3 => Just(None), 1 => (1..4usize).prop_map(Some)],
        salt in any::<u64>(),
        is_asked_before in any::<bool>(),
    ) {
        let forest = Forest::new(&plan);
        let world = World::of(&forest.tree);
        let view = forest.tree.view();
        let expected = Expected::new(&world, &spec);
        let key = |root: Uuid| (root.as_u128() as u64).wrapping_mul(salt | 1) >> 56;
        let mut keys: Vec<u64> = expected.ways.keys().map(|root| key(*root)).collect();
        keys.sort_unstable();
        keys.truncate(k.min(limit.unwrap_or(usize::MAX)));
        let request = match limit {
            Some(limit) => spec.request().limit(limit),
            None => spec.request(),
        };
        let prepared = &mut view.prepare(&request).unwrap();
        if is_asked_before {
            let _count = view.candidates(prepared).unwrap().count();
        }
        for _ in 0..2 {
            let best = view.best(prepared, k, |root| key(root.provider().uuid())).unwrap();
            let roots: BTreeSet<Uuid> = best.iter().map(|one| one.root().uuid()).collect();
            prop_assert_eq!(roots.len(), best.len());
            for candidate in &best {
                expected.check_one(candidate)?;
            }
            let found: Vec<u64> = best.iter().map(|one| key(one.root().uuid())).collect();
            prop_assert_eq!(&found, &keys);
        }
    }

    #[test]
    fn why_counts_every_root_once(plan in plan(), spec in spec(), is_asked_before: bool) {
        let forest = Forest::new(&plan);
        let world = World::of(&forest.tree);
        let view = forest.tree.view();
        let expected = Expected::new(&world, &spec);
        let prepared = &mut view.prepare(&spec.request()).unwrap();
        if is_asked_before {
            let _count = view.candidates(prepared).unwrap().count();
        }
        let why = view.why(prepared).unwrap();
        prop_assert_eq!(why.roots, world.roots().count());
        prop_assert_eq!(why.fitting, expected.ways.len());
        let Why { roots, root_traits, groups, traits, short, together, fitting, .. } = why;
        let groups: usize = groups.iter().map(|(_, count)| count).sum();
        let short: usize = short.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(root_traits + groups + traits + short + together + fitting, roots);
        let lacks = |root: &usize| {
            let has = &world.providers[*root].traits;
            !spec.root_required.is_subset(has) || !spec.root_forbidden.is_disjoint(has)
        };
        prop_assert_eq!(root_traits, world.roots().filter(lacks).count());
    }

    #[test]
    fn a_root_has_what_its_providers_have(plan in plan()) {
        let forest = Forest::new(&plan);
        let world = World::of(&forest.tree);
        let view = forest.tree.view();
        prop_assert_eq!(view.trees(), world.roots().count());
        prop_assert_eq!(view.providers(), world.providers.len());
        let roots: BTreeSet<Uuid> = view.roots().map(|root| root.provider().uuid()).collect();
        prop_assert_eq!(roots.len(), view.trees());
        for root in view.roots() {
            let place = world.place(root.provider().uuid()).unwrap();
            prop_assert_eq!(world.providers[place].parent, None);
            for class in CLASSES {
                let members = world.providers.iter().filter(|one| one.root == place);
                let stock = |one: &'_ Known| Some((one.is_cordoned, *one.stocks.get(&class)?));
                let stocks = members.filter_map(stock);
                let free: Vec<u64> = stocks
                    .map(|(is_cordoned, stock)| match is_cordoned {
                        true => 0,
                        false => stock.capacity.saturating_sub(stock.used),
                    })
                    .collect();
                prop_assert_eq!(root.free(class), free.iter().sum::<u64>());
                prop_assert_eq!(root.most_free(class), free.iter().copied().max().unwrap_or(0));
            }
        }
    }
}

/// Twenty groups that want a GPU each for themselves, and nineteen GPUs, no two of them alike: whoever tries all
/// ways never ends.
#[test]
fn a_search_ends_within_a_tree_when_it_is_over() {
    let tree = ProviderTree::new();
    let host = tree.create_root("host", None).unwrap();
    for number in 0..19 {
        let gpu = tree.create_child(&host, &format!("gpu-{number}"), None).unwrap();
        let vgpu = Inventories::new().with(ResourceClass::VGPU, Inventory::new(100 + number));
        tree.configure(&gpu, vgpu, Expect::Any).unwrap();
    }
    let mut request = Request::new().isolate();
    for number in 0..20 {
        let group = Group::new().take(ResourceClass::VGPU, 1 + number);
        request = request.group(format!("group-{number}"), group);
    }
    let view = tree.view();
    let mut prepared = view.prepare(&request).unwrap();
    let mut asked = 0;
    let is_over = || {
        asked += 1;
        asked == 1_000
    };
    let mut candidates = view.candidates(&mut prepared).unwrap().until(is_over);
    assert!(candidates.next().is_none() && candidates.is_exhausted());
    // Asked once in 64 steps, and a step more or less.
    let steps = candidates.steps();
    assert!((60_000..100_000).contains(&steps), "{steps}");
    drop(candidates);
    assert_eq!(asked, 1_000);
}

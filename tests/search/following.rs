//! A view that follows a forest, and requests that were prepared once for all.

use proptest::collection::vec;
use proptest::prelude::*;
use provider_tree::{Claim, Edit, Expect, Prepared, ResourceClass, View};
use shared::search::reference::{Part, Spec};
use shared::search::topologies::Topology;
use shared::search::world::World;
use uuid::Uuid;

use crate::random::{CLASSES, Change, Forest, cases, change, plan, spec};
use crate::rig::{check_all, check_all_ranked, prepare, rank};

/// Describes what a scheduler does with its view.
#[derive(Clone, Debug)]
enum Act {
    /// Others change the forest.
    Change(Vec<Change>),
    /// The view is brought up to date before it is looked at.
    Refresh,
    /// One of the candidates of a request is claimed.
    Place(usize, usize),
    /// The view learns of a claim only after it was brought up to date, which may count it twice.
    PlaceLate(usize, usize),
    /// One of the own claims is released.
    Release(usize),
    /// A claim is assumed and the view brought up to date before it is undone.
    Assume(Vec<(usize, usize, u64)>),
    /// Asks so many steps of a request, which then remembers what it has seen.
    Ask(usize, u64),
}

fn act() -> impl Strategy<Value = Act> {
    let line = || (0..64usize, 0..3usize, 1u64..=2);
    prop_oneof![
        4 => vec(change(), 1..=4).prop_map(Act::Change),
        2 => Just(Act::Refresh),
        4 => (0..3usize, 0..8usize).prop_map(|(request, skip)| Act::Place(request, skip)),
        1 => (0..3usize, 0..8usize).prop_map(|(request, skip)| Act::PlaceLate(request, skip)),
        2 => (0..64usize).prop_map(Act::Release),
        1 => vec(line(), 1..=2).prop_map(Act::Assume),
        2 => (0..3usize, 0..20u64).prop_map(|(request, steps)| Act::Ask(request, steps)),
    ]
}

/// Adds what a claim takes to a world, in which the claim may not exist.
fn with(world: &World, view: &View, forest: &Forest, lines: &[(usize, usize, u64)]) -> World {
    let mut world = world.clone();
    let providers = forest.tree.providers();
    for (provider, class, amount) in lines {
        let provider = providers[provider % providers.len()];
        let class = CLASSES[*class];
        if view.usage(&provider, class).is_ok() {
            world.add(provider.uuid(), class, *amount);
        }
    }
    world
}

/// What a provider shares that is free again may be what any other tree lacked.
#[test]
fn what_is_shared_is_found_again_when_it_is_free_again() {
    let topology = Topology {
        name: "a disk that two hosts share",
        forest: "
host1 VCPU:4 @A
host2 VCPU:4
  node2 @A
disk DISK_GB:4 +MISC_SHARES_VIA_AGGREGATE @A
",
        cases: &[],
    };
    let built = topology.build();
    let tree = &built.tree;
    let part = |class, amount| Part { resources: [(class, amount)].into(), ..Part::default() };
    let groups = vec![part(CLASSES[0], 1), part(ResourceClass::DISK_GB, 3)];
    let specs = [Spec { groups, ..Spec::default() }];
    let mut view = tree.view();
    let mut prepared = prepare(&view, &specs);
    let mut worker = tree.worker().unwrap();
    let disk = tree.find("disk").unwrap();
    let mut rankings = rank(&mut view, &specs);
    let mut check = |view: &View, count| {
        check_all(&World::of(tree), view, &specs, &mut prepared).unwrap();
        check_all_ranked(&World::of(tree), view, &specs, &mut rankings).unwrap();
        assert_eq!(view.candidates(&mut prepared[0]).unwrap().count(), count);
    };
    check(&view, 2);
    let claim = Claim::new(Uuid::new_v4()).take(&disk, ResourceClass::DISK_GB, 2);
    for is_told in [true, false] {
        let _receipt = worker.claim(&claim).unwrap();
        if is_told {
            view.claimed(&claim);
        } else {
            view.refresh();
        }
        check(&view, 0);
        // A ranking that begins when nothing serves learns of what is free again.
        let mut late = rank(&mut view, &specs);
        check_all_ranked(&World::of(tree), &view, &specs, &mut late).unwrap();
        let _receipt = worker.release(claim.consumer().unwrap()).unwrap();
        if is_told {
            view.released(&claim);
        } else {
            view.refresh();
        }
        check(&view, 2);
        check_all_ranked(&World::of(tree), &view, &specs, &mut late).unwrap();
    }
    let _new = tree.cordon(&disk).unwrap();
    view.refresh();
    check(&view, 0);
    let _ended = tree.uncordon(&disk).unwrap();
    view.refresh();
    check(&view, 2);
    tree.configure(&disk, Edit::new().set_aggregates([]), Expect::Any).unwrap();
    view.refresh();
    check(&view, 0);
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_view_that_follows_finds_what_is_there(
        plan in plan(),
        specs in vec(spec(), 3),
        acts in vec(act(), 1..12),
    ) {
        let mut forest = Forest::new(&plan);
        let mut view = forest.tree.view();
        let mut prepared = prepare(&view, &specs);
        let mut rankings = rank(&mut view, &specs);
        let mut own: Vec<Claim> = Vec::new();
        let mut check = |world: &World, view: &View, prepared: &mut [Prepared]| {
            check_all(world, view, &specs, prepared)?;
            check_all_ranked(world, view, &specs, &mut rankings)
        };
        check(&World::of(&forest.tree), &view, &mut prepared)?;
        for act in &acts {
            match act {
                Act::Change(changes) => {
                    for change in changes {
                        forest.change(change);
                    }
                    view.refresh();
                }
                Act::Refresh => {
                    view.refresh();
                }
                Act::Place(request, skip) | Act::PlaceLate(request, skip) => {
                    let found = view.candidates(&mut prepared[*request]).unwrap().nth(*skip);
                    let Some(candidate) = found else { continue };
                    let claim = candidate.claim(forest.consumer());
                    let receipt = forest.worker.claim(&claim);
                    prop_assert!(receipt.is_ok(), "{:?}", receipt);
                    let is_late = matches!(act, Act::PlaceLate(..));
                    if is_late {
                        view.refresh();
                    }
                    view.claimed(&claim);
                    if is_late {
                        view.refresh();
                    }
                    own.push(claim);
                }
                Act::Release(at) => {
                    if own.is_empty() {
                        continue;
                    }
                    let claim = own.swap_remove(at % own.len());
                    let _receipt = forest.worker.release(claim.consumer().unwrap()).unwrap();
                    view.released(&claim);
                }
                Act::Assume(lines) => {
                    if forest.tree.providers().is_empty() {
                        continue;
                    }
                    let claim = forest.claim_of(lines);
                    view.assume(&claim);
                    let world = with(&World::of(&forest.tree), &view, &forest, lines);
                    check(&world, &view, &mut prepared)?;
                    view.refresh();
                    check(&world, &view, &mut prepared)?;
                    view.undo(&claim);
                }
                Act::Ask(request, steps) => {
                    let candidates = view.candidates(&mut prepared[*request]).unwrap();
                    let _count = candidates.at_most_steps(*steps).count();
                }
            }
            check(&World::of(&forest.tree), &view, &mut prepared)?;
        }
        view.refresh();
        check(&World::of(&forest.tree), &view, &mut prepared)?;
        let new = &mut prepare(&view, &specs);
        check_all(&World::of(&forest.tree), &view, &specs, new)?;
        prop_assert!(forest.tree.snapshot().audit().unwrap().holds());
    }
}

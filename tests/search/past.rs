//! Views of snapshots and of forks.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use provider_tree::{Claim, Fork, Inventories};
use shared::search::world::World;
use uuid::Uuid;

use crate::random::{CLASSES, Forest, ForkEdit, cases, change, fork_edit, plan, spec};
use crate::rig::{check_all, prepare};

/// Makes an edit of a fork, which may be refused.
fn make(
    fork: &mut Fork,
    forest: &mut Forest,
    edit: &ForkEdit,
    inventories: &mut HashMap<Uuid, Inventories>,
    held: &mut Vec<Uuid>,
) {
    let providers = fork.snapshot().providers().unwrap();
    if providers.is_empty() {
        return;
    }
    let pick = |number: usize| providers[number % providers.len()];
    match edit {
        ForkEdit::Inventories(at, content) => {
            let provider = pick(*at);
            if fork.set_inventories(&provider, content.inventories()).is_ok() {
                inventories.insert(provider.uuid(), content.inventories());
            }
        }
        ForkEdit::Cordon(at) => {
            let _new = fork.cordon(&pick(*at)).unwrap();
        }
        ForkEdit::Uncordon(at) => {
            let _new = fork.uncordon(&pick(*at)).unwrap();
        }
        ForkEdit::Claim(lines) => {
            let consumer = forest.consumer();
            let claim = lines.iter().fold(Claim::new(consumer), |claim, (at, class, amount)| {
                claim.take(&pick(*at), CLASSES[*class], *amount)
            });
            if fork.claim(&claim).is_ok() {
                held.push(consumer);
            }
        }
        ForkEdit::Release(at) => {
            if !held.is_empty() {
                fork.release(held.swap_remove(at % held.len())).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_view_of_a_snapshot_finds_what_was_there(
        plan in plan(),
        specs in vec(spec(), 2),
        before in vec(change(), 0..6),
        after in vec(change(), 0..12),
    ) {
        let mut forest = Forest::new(&plan);
        before.iter().for_each(|change| forest.change(change));
        let world = World::of(&forest.tree);
        let snapshot = forest.tree.snapshot();
        let early = snapshot.view().unwrap();
        after.iter().for_each(|change| forest.change(change));
        prop_assert_eq!(&World::of_snapshot(&snapshot), &world);
        let mut late = snapshot.view().unwrap();
        prop_assert_eq!(late.refresh(), 0);
        for view in [early, late] {
            let mut prepared = prepare(&view, &specs);
            check_all(&world, &view, &specs, &mut prepared)?;
        }
    }

    #[test]
    fn a_view_of_a_fork_finds_what_is_in_the_fork(
        plan in plan(),
        specs in vec(spec(), 2),
        edits in vec(fork_edit(), 0..12),
        after in vec(change(), 0..6),
    ) {
        let mut forest = Forest::new(&plan);
        let mut fork = forest.tree.snapshot().fork();
        let mut held: Vec<_> = forest.held.iter().filter_map(Claim::consumer).collect();
        let mut inventories = HashMap::new();
        after.iter().for_each(|change| forest.change(change));
        for edits in edits.chunks(4) {
            for edit in edits {
                make(&mut fork, &mut forest, edit, &mut inventories, &mut held);
            }
            let world = World::of_fork(&fork, &inventories);
            let view = fork.view().unwrap();
            let mut prepared = prepare(&view, &specs);
            check_all(&world, &view, &specs, &mut prepared)?;
            for candidate in view.candidates(&mut prepared[0]).unwrap().all().take(20) {
                let claim = candidate.claim(forest.consumer());
                let granted = fork.claim(&claim);
                prop_assert!(granted.is_ok(), "{:?}", granted);
                fork.release(claim.consumer().unwrap()).unwrap();
            }
        }
    }
}

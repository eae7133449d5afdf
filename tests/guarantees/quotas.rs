//! Quotas: a chain debits every ancestor that has an inventory, as they are at that instant.

use provider_tree::{Batch, Claim, Error, Expect, Inventories, Provider, ProviderTree, Worker};
use uuid::Uuid;

use crate::rig::*;

/// `top` (100) over `middle` (none) over `team` (10) over `user` (5).
struct Quotas {
    tree: ProviderTree,
    worker: Worker,
    top: Provider,
    middle: Provider,
    team: Provider,
    user: Provider,
}

fn quotas() -> Quotas {
    let tree = ProviderTree::new();
    let top = host(&tree, "top", 100);
    let middle = tree.create_child(&top, "middle", None).unwrap();
    let team = child(&tree, &middle, "team", 10);
    let user = child(&tree, &team, "user", 5);
    let worker = tree.worker().unwrap();
    Quotas { tree, worker, top, middle, team, user }
}

fn chain(consumer: Uuid, from: &Provider, amount: u64) -> Claim {
    Claim::new(consumer).take_with_ancestors(from, VCPU, amount)
}

impl Quotas {
    fn used(&self) -> [u64; 3] {
        [self.top, self.team, self.user].map(|provider| used(&self.tree, &provider))
    }
}

#[test]
fn every_ancestor_with_an_inventory_is_debited() {
    let mut quotas = quotas();
    let _receipt = quotas.worker.claim(&chain(id(1), &quotas.user, 4)).unwrap();
    let _receipt = quotas.worker.claim(&chain(id(2), &quotas.middle, 3)).unwrap();
    assert_eq!(quotas.used(), [7, 4, 4]);
    assert_eq!(quotas.tree.allocations(id(1)).unwrap().allocations.len(), 3);
    let _receipt = quotas.worker.release(id(1)).unwrap();
    assert_eq!(quotas.used(), [3, 0, 0]);
}

#[test]
fn refused_at_any_level_nothing_is_debited() {
    let Quotas { tree, mut worker, top, team, user, .. } = quotas();
    // How much is taken from each beside the chain, such that this one has too little.
    for (short, free) in [(user, 3), (team, 3), (top, 3)] {
        let total = tree.usage(&short, VCPU).unwrap().free();
        claim(&mut worker, id(1), &short, total - free);
        let error = refused(&tree, || worker.claim(&chain(id(2), &user, 4)));
        assert_eq!(error, exceeded(&short, 4, free));
        let error = refused(&tree, || worker.commit(&Batch::new().claim(chain(id(2), &user, 4))));
        assert_eq!(error, exceeded(&short, 4, free));
        let error = refused(&tree, || worker.claim_partly(&chain(id(2), &user, 4)));
        assert_eq!(error, exceeded(&short, 4, free));
        let _receipt = worker.release(id(1)).unwrap();
    }
    let _receipt = worker.claim(&chain(id(2), &user, 4)).unwrap();
}

#[test]
fn a_chain_without_any_inventory_is_refused() {
    let Quotas { tree, mut worker, user, .. } = quotas();
    let error =
        refused(&tree, || worker.claim(&Claim::new(id(1)).take_with_ancestors(&user, GPU, 1)));
    assert_eq!(error, Error::NoInventory { provider: user.uuid(), class: GPU });
}

#[test]
fn the_chain_is_that_of_the_instant() {
    let mut quotas = quotas();
    let other = host(&quotas.tree, "other", 50);
    let _receipt = quotas.worker.claim(&chain(id(1), &quotas.user, 2)).unwrap();
    quotas.tree.reparent(&quotas.team, Some(&other)).unwrap();
    let wanted = chain(id(2), &quotas.user, 3);
    let _receipt = quotas.worker.claim(&wanted).unwrap();
    assert_eq!((quotas.used(), used(&quotas.tree, &other)), ([2, 5, 5], 3));
    // What was debited is given back, wherever the team is by now.
    let _receipt = quotas.worker.release(id(1)).unwrap();
    assert_eq!((quotas.used(), used(&quotas.tree, &other)), ([0, 3, 3], 3));
    // A replacement follows the team.
    let _receipt = quotas.worker.claim(&chain(id(3), &quotas.user, 1)).unwrap();
    quotas.tree.reparent(&quotas.team, Some(&quotas.top)).unwrap();
    let again = chain(id(3), &quotas.user, 1);
    let _receipt = quotas.worker.replace(&again, Expect::Any).unwrap();
    assert_eq!((quotas.used(), used(&quotas.tree, &other)), ([1, 4, 4], 3));
}

#[test]
fn a_chain_adds_to_what_is_taken_there_anyway() {
    let mut quotas = quotas();
    let both = chain(id(1), &quotas.user, 2).take(&quotas.team, VCPU, 8);
    let _receipt = quotas.worker.claim(&both).unwrap();
    assert_eq!(quotas.used(), [2, 10, 2]);
}

#[test]
fn members_of_a_gang_share_a_quota() {
    let Quotas { mut worker, user, team, tree, .. } = quotas();
    let members: Vec<_> = (0..4).map(|number| chain(id(number), &user, 2)).collect();
    let made = worker.claim_gang(&members, 2).unwrap();
    assert_eq!(made.iter().filter(|member| member.is_ok()).count(), 2);
    assert_eq!(made[2], Err(exceeded(&user, 2, 1)));
    assert_eq!((used(&tree, &user), used(&tree, &team)), (4, 4));
}

#[test]
fn under_moves_a_chain_is_one_of_those_that_were() {
    let Quotas { tree, mut worker, top, team, user, .. } = quotas();
    let other = host(&tree, "other", 100);
    let moves = |_: &mut Worker, _, round: u64| {
        tree.reparent(&team, Some(if round.is_multiple_of(2) { &other } else { &top })).unwrap();
    };
    meanwhile(&tree, 1, moves, |_| {
        for number in 0..2000 {
            let _receipt = worker.claim(&chain(id(number), &user, 1)).unwrap();
            let held = tree.allocations(id(number)).unwrap().allocations;
            let roots =
                held.iter().filter(|held| [top.uuid(), other.uuid()].contains(&held.provider));
            assert_eq!((roots.count(), held.len()), (1, 3));
            let _receipt = worker.release(id(number)).unwrap();
        }
    });
    check_books(&tree.snapshot().dump().unwrap());
}

#[test]
fn a_chain_of_a_batch_follows_its_inventories() {
    let Quotas { tree, mut worker, middle, team, .. } = quotas();
    let limited = |amount| {
        Batch::new().claim(chain(id(1), &team, amount)).configure(&middle, of(VCPU, 1), Expect::Any)
    };
    assert_eq!(refused(&tree, || worker.commit(&limited(2))), exceeded(&middle, 2, 1));
    worker.commit(&limited(1)).unwrap();
    assert_eq!(used(&tree, &middle), 1);
    let unlimited = Batch::new().replace(chain(id(1), &team, 4), Expect::Any).configure(
        &middle,
        Inventories::new(),
        Expect::Any,
    );
    worker.commit(&unlimited).unwrap();
    assert_eq!((used(&tree, &team), tree.snapshot().audit().unwrap().holds()), (4, true));
}

//! A view that follows a forest shows what a new one shows.

use provider_tree::Edit;
use std::collections::BTreeMap;

use uuid::Uuid;

use crate::search::picture::{Picture, Seat};
use crate::search::view::View;
use crate::{
    Claim, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Trait, Worker,
};

/// Describes a tree of a picture: each provider with its parent, and everything that decides.
type Shown = Vec<(Provider, u32, Vec<(u16, u64, u64)>, Vec<Trait>, Vec<Uuid>, bool)>;

/// Returns what a picture shows of each tree, by the uuid of the root.
fn shown(picture: &Picture) -> BTreeMap<Uuid, Shown> {
    let tree = |tree| {
        let make = picture.make(tree);
        let provider = |position: u32| {
            let seat = Seat { tree, position };
            let kind = picture.kind(make, position);
            let usages = picture.usages(seat);
            (
                picture.provider(seat),
                make.members[position as usize].parent,
                usages.map(|(class, usage)| (class, usage.capacity, usage.used)).collect(),
                kind.traits.iter().copied().collect(),
                kind.aggregates.iter().copied().collect(),
                picture.is_cordoned(Seat { tree, position }),
            )
        };
        let providers = (0..make.members.len() as u32).map(provider).collect();
        (picture.root(tree).uuid(), providers)
    };
    picture.live_trees().map(tree).collect()
}

/// Checks everything that a picture has derived from what it shows.
fn check(picture: &Picture) {
    let mut sharing = 0;
    for tree in picture.live_trees() {
        let make = picture.make(tree);
        for (position, member) in (0..).zip(&make.members) {
            let seat = Seat { tree, position };
            assert_eq!(picture.seat(&picture.provider(seat)), Some(seat));
            assert!(member.parent <= position && member.end > position);
            sharing += usize::from(picture.sharing.contains(&seat));
        }
        for members in &make.classes {
            let exact = picture.add_up(tree, members.class);
            assert_eq!(picture.free(tree, members.class), exact);
            let run = picture.column(members.class).unwrap().run(tree as usize / 64);
            assert!(run >= exact.most);
        }
    }
    assert_eq!(sharing, picture.sharing.len());
    assert_eq!(picture.live_trees().count(), picture.len());
}

/// Makes random changes of all kinds to a forest.
struct Gardener {
    tree: ProviderTree,
    worker: Worker,
    claims: Vec<Uuid>,
    state: u64,
    names: u64,
}

impl Gardener {
    fn new(tree: &ProviderTree, seed: u64) -> Self {
        let worker = tree.worker().unwrap();
        let state = seed * 2 + 1;
        Gardener { tree: tree.clone(), worker, claims: Vec::new(), state, names: seed << 32 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) as usize % bound.max(1)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("provider-{}", self.names)
    }

    /// Makes one change, which may be refused.
    fn change(&mut self) {
        let all = self.tree.providers();
        let choice = self.below(all.len());
        let Some(&provider) = all.get(choice) else {
            let name = self.name();
            let _ = self.tree.create_root(&name, None);
            return;
        };
        let other = all[self.below(all.len())];
        let name = self.name();
        let classes = [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
        let class = classes[self.below(3)];
        match self.below(12) {
            0 if all.len() < 60 => drop(self.tree.create_root(&name, None)),
            1 | 2 if all.len() < 60 => drop(self.tree.create_child(&provider, &name, None)),
            3 => drop(self.tree.remove(&provider)),
            4 => {
                let to = if self.below(3) == 0 { None } else { Some(&other) };
                let _ = self.tree.reparent(&provider, to);
            }
            5 => drop(self.tree.rename(&provider, &name)),
            6 => {
                let mut inventories = Inventories::new();
                for class in &classes[self.below(3)..] {
                    inventories.insert(*class, Inventory::new(1 + self.below(20) as u64));
                }
                let _ = self.tree.configure(&provider, inventories, Expect::Any);
            }
            7 => {
                let traits = [Trait::new("CUSTOM_A").unwrap(), Trait::MISC_SHARES_VIA_AGGREGATE];
                let count = self.below(3);
                let _ = self.tree.configure(
                    &provider,
                    Edit::new().set_traits(traits[..count].to_vec()),
                    Expect::Any,
                );
            }
            8 => {
                let aggregates = [Uuid::from_u128(self.below(3) as u128)];
                let count = self.below(2);
                let _ = self.tree.configure(
                    &provider,
                    Edit::new().set_aggregates(aggregates[..count].to_vec()),
                    Expect::Any,
                );
            }
            9 if self.below(3) == 0 => drop(self.tree.cordon(&provider)),
            9 => drop(self.tree.uncordon(&provider)),
            10 if !self.claims.is_empty() => {
                let at = self.below(self.claims.len());
                drop(self.worker.release(self.claims.swap_remove(at)));
            }
            _ => {
                let consumer = Uuid::new_v4();
                let claim = Claim::new(consumer).take(&provider, class, 1 + self.below(3) as u64);
                if self.worker.claim(&claim).is_ok() {
                    self.claims.push(consumer);
                }
            }
        }
    }
}

/// Returns a view whose trees are ordered by what is free.
fn ordered(tree: &ProviderTree) -> View {
    let mut view = tree.view();
    view.order_by(|root| root.free(ResourceClass::VCPU) * 100 + root.free(ResourceClass::DISK_GB));
    view
}

fn assert_follows(view: &View, tree: &ProviderTree, seed: u64) {
    let fresh = tree.view();
    check(view.picture());
    view.check_order();
    assert_eq!(shown(view.picture()), shown(fresh.picture()), "seed {seed}");
}

#[test]
fn a_view_follows_every_change() {
    for seed in 0..60 {
        let tree = ProviderTree::new();
        let mut gardener = Gardener::new(&tree, seed);
        let mut view = ordered(&tree);
        for _ in 0..40 {
            for _ in 0..=gardener.below(12) {
                gardener.change();
            }
            view.refresh();
            assert_follows(&view, &tree, seed);
            assert_eq!(view.refresh(), 0, "nothing has changed");
        }
    }
}

#[test]
fn a_view_follows_many_threads() {
    let tree = ProviderTree::new();
    for seed in 0..4 {
        let mut view = ordered(&tree);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let tree = &tree;
                scope.spawn(move || {
                    let mut gardener = Gardener::new(tree, seed * 3 + thread + 100);
                    (0..2_000).for_each(|_| gardener.change());
                });
            }
            for _ in 0..300 {
                view.refresh();
                check(view.picture());
                view.check_order();
            }
        });
        view.refresh();
        assert_follows(&view, &tree, seed);
    }
}

#[test]
fn an_overrun_is_made_up_for() {
    let tree = ProviderTree::new();
    let mut gardener = Gardener::new(&tree, 7);
    (0..200).for_each(|_| gardener.change());
    let host = tree.create_root("host", None).unwrap();
    let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    tree.configure(&host, vcpu, Expect::Any).unwrap();
    let mut view = ordered(&tree);
    for _ in 0..3 {
        for _ in 0..40_000 {
            gardener.worker.take(&host, &[(ResourceClass::VCPU, 1)]).unwrap();
            gardener.worker.put_back(&host, &[(ResourceClass::VCPU, 1)]).unwrap();
        }
        (0..50).for_each(|_| gardener.change());
        view.refresh();
        assert_follows(&view, &tree, 7);
    }
}

#[test]
fn a_view_of_an_instant_stays_so() {
    let tree = ProviderTree::new();
    let mut gardener = Gardener::new(&tree, 11);
    for _ in 0..20 {
        (0..30).for_each(|_| gardener.change());
        let snapshot = tree.snapshot();
        let mut before = tree.view();
        before.refresh();
        (0..30).for_each(|_| gardener.change());
        let mut still = snapshot.view().unwrap();
        assert_eq!(still.refresh(), 0);
        assert_eq!(shown(still.picture()), shown(before.picture()));
        let of_fork = snapshot.fork().view().unwrap();
        assert_eq!(shown(of_fork.picture()), shown(before.picture()));
    }
}

#[test]
fn what_is_gone_is_forgotten() {
    let tree = ProviderTree::new();
    let mut view = ordered(&tree);
    let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    for round in 0..200 {
        let hosts: Vec<_> = (0..50)
            .map(|host| {
                let host = tree.create_root(&format!("host-{round}-{host}"), None).unwrap();
                tree.configure(&host, vcpu.clone(), Expect::Any).unwrap();
                tree.configure(
                    &host,
                    Edit::new().set_aggregates([Uuid::from_u128(round)]),
                    Expect::Any,
                )
                .unwrap();
                host
            })
            .collect();
        view.refresh();
        assert_follows(&view, &tree, round as u64);
        hosts.iter().for_each(|host| drop(tree.remove(host)));
        view.refresh();
    }
    assert_eq!((view.trees(), view.providers()), (0, 0));
    let entries = view.picture().entries();
    assert!(entries < 3_000, "{entries}");
    assert!(view.picture().trees.len() < 3_000);
    assert!(view.picture().makes.len() < 200, "{}", view.picture().makes.len());
}

#[test]
fn what_moves_while_trees_are_read_is_looked_for() {
    let tree = ProviderTree::new();
    let [one, other] = ["one", "other"].map(|name| tree.create_root(name, None).unwrap());
    let moved = tree.create_child(&one, "moved", None).unwrap();
    let below = tree.create_child(&moved, "below", None).unwrap();
    let vcpu = || Inventories::new().with(ResourceClass::VCPU, Inventory::new(1));
    for provider in [&moved, &below] {
        tree.configure(provider, vcpu(), Expect::Any).unwrap();
    }
    let mut view = tree.view();
    // The view has been told of the first change only, when the others have happened already.
    let child = tree.create_child(&one, "child", None).unwrap();
    tree.reparent(&moved, Some(&other)).unwrap();
    tree.reparent(&below, None).unwrap();
    view.learn_of([child.cell]);
    for provider in [&moved, &below] {
        assert!(view.usage(provider, ResourceClass::VCPU).is_ok());
    }
    assert_eq!((view.trees(), view.providers()), (3, 5));
}

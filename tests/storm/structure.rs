//! Changes of structure with few uuids and names, so that all collide all the time.

use std::collections::HashSet;

use provider_tree::{Error, Expect, Inventories, Inventory, Provider, ProviderTree};
use uuid::Uuid;

use crate::books::assert_no_leaks;
use crate::forest::{check_amid_changes, check_forest, check_walk, data};
use crate::rig::{Gust, Rng, Storm, Tally};
use crate::tenant::{Tenant, check_books};
use crate::{THREADS, VCPU};

/// The uuids and names that there are.
const UUIDS: u64 = 24;
const NAMES: u64 = 32;

fn uuid(number: u64) -> Uuid {
    Uuid::from_u64_pair(u64::MAX, number)
}

fn name(number: u64) -> String {
    format!("name-{number}")
}

/// A thread that changes the structure, and remembers providers long after others removed them.
struct Builder<'a> {
    tree: &'a ProviderTree,
    remembered: Vec<Provider>,
}

const MEMORIES: usize = 16;

impl Builder<'_> {
    fn act(&mut self, gust: &mut Gust<'_>) {
        match gust.rng.below(12) {
            0 => self.create(gust, false),
            1..=4 => self.create(gust, true),
            5 => self.remove(gust),
            6 => self.remove_leaf(gust),
            7..=9 => self.reparent(gust),
            _ => self.rename(gust),
        }
    }

    fn create(&mut self, gust: &mut Gust<'_>, below_another: bool) {
        let parent = if below_another { self.someone(&mut gust.rng) } else { None };
        let uuid = gust.rng.percent(80).then(|| uuid(gust.rng.below(UUIDS)));
        let name = name(gust.rng.below(NAMES));
        let created = match &parent {
            Some(parent) => self.tree.create_child(parent, &name, uuid),
            None => self.tree.create_root(&name, uuid),
        };
        let created = gust.expect("create", created, |error| match error {
            Error::UuidExists { uuid: taken } => Some(*taken) == uuid,
            Error::NameExists { name: taken } => *taken == name,
            Error::Removed { provider } => Some(*provider) == parent.map(|parent| parent.uuid()),
            _ => false,
        });
        if let Some(created) = created {
            assert!(uuid.is_none_or(|uuid| created.uuid() == uuid));
            check_that_it_is_found(self.tree, &created, &name);
            self.remember(created, &mut gust.rng);
        }
    }

    fn remove(&self, gust: &mut Gust<'_>) {
        let Some(provider) = self.someone(&mut gust.rng) else { return };
        // Large trees are spared now and then, so that there are some.
        let size = self.tree.subtree(&provider).map_or(0, |subtree| subtree.len());
        if gust.rng.below(size as u64 + 1) > 3 {
            return;
        }
        let removed = gust.expect("remove", self.tree.remove(&provider), |error| match error {
            Error::Removed { provider: gone } => *gone == provider.uuid(),
            Error::InUse { used, .. } => *used > 0,
            _ => false,
        });
        if let Some(count) = removed {
            assert!(count > 0);
            self.check_that_it_is_gone(&provider);
            gust.add("providers removed", count as u64);
        }
    }

    fn remove_leaf(&self, gust: &mut Gust<'_>) {
        let Some(provider) = self.someone(&mut gust.rng) else { return };
        let removed = self.tree.remove_leaf(&provider);
        let removed = gust.expect("remove leaf", removed, |error| match error {
            Error::Removed { provider: named } | Error::HasChildren { provider: named } => {
                *named == provider.uuid()
            }
            Error::InUse { provider: named, used, .. } => *named == provider.uuid() && *used > 0,
            _ => false,
        });
        if removed.is_some() {
            self.check_that_it_is_gone(&provider);
            gust.count("providers removed");
        }
    }

    fn reparent(&self, gust: &mut Gust<'_>) {
        let Some(provider) = self.someone(&mut gust.rng) else { return };
        let parent = if gust.rng.percent(80) { self.someone(&mut gust.rng) } else { None };
        let uuid_of_parent = parent.map(|parent| parent.uuid());
        let moved = self.tree.reparent(&provider, parent.as_ref());
        gust.expect("move", moved, |error| match error {
            Error::Removed { provider: gone } => {
                *gone == provider.uuid() || Some(*gone) == uuid_of_parent
            }
            Error::WouldCycle { provider: moved, parent } => {
                *moved == provider.uuid() && Some(*parent) == uuid_of_parent
            }
            _ => false,
        });
    }

    fn rename(&self, gust: &mut Gust<'_>) {
        let Some(provider) = self.someone(&mut gust.rng) else { return };
        let name = name(gust.rng.below(NAMES));
        gust.expect("rename", self.tree.rename(&provider, &name), |error| match error {
            Error::Removed { provider: gone } => *gone == provider.uuid(),
            Error::NameExists { name: taken } => *taken == name,
            _ => false,
        });
    }

    /// Someone remembered, or else found.
    fn someone(&self, rng: &mut Rng) -> Option<Provider> {
        match rng.percent(20) && !self.remembered.is_empty() {
            true => Some(*rng.pick(&self.remembered)),
            false => find_someone(self.tree, rng),
        }
    }

    fn remember(&mut self, provider: Provider, rng: &mut Rng) {
        match self.remembered.len() < MEMORIES {
            true => self.remembered.push(provider),
            false => self.remembered[rng.index(MEMORIES)] = provider,
        }
    }

    fn check_that_it_is_gone(&self, provider: &Provider) {
        let gone = Error::Removed { provider: provider.uuid() };
        assert_eq!(self.tree.configuration(provider), Err(gone.clone()));
        assert_eq!(
            self.tree.ancestors(provider).map(|all| all.first().copied()),
            Err(gone.clone())
        );
        assert_eq!(self.tree.subtree(provider), Err(gone.clone()));
        assert_eq!(self.tree.usages(provider), Err(gone));
        assert_ne!(self.tree.find(provider.uuid()), Some(*provider));
    }
}

/// A provider just created is found, unless it has been removed or renamed since.
fn check_that_it_is_found(tree: &ProviderTree, created: &Provider, name: &str) {
    let found = tree.find(created.uuid());
    let found_by_name = tree.find(name);
    if let Some(data) = data(tree, created) {
        assert_eq!(found, Some(*created));
        // Only a generation other than the first can have another name.
        if data.generation == 0 {
            assert_eq!(&*data.name, name);
            assert_eq!(found_by_name, Some(*created));
        }
    }
}

/// Whoever has a random uuid or a random name.
fn find_someone(tree: &ProviderTree, rng: &mut Rng) -> Option<Provider> {
    match rng.percent(50) {
        true => {
            let uuid = uuid(rng.below(UUIDS));
            let found = tree.find(uuid)?;
            assert_eq!(found.uuid(), uuid);
            Some(found)
        }
        false => tree.find(&name(rng.below(NAMES))),
    }
}

/// Claims a little of whomever it finds, so that some can't be removed.
fn settle(tree: &ProviderTree, tenant: &mut Tenant, gust: &mut Gust<'_>) {
    let someone = (0..2).filter_map(|_| find_someone(tree, &mut gust.rng));
    let lines: Vec<_> =
        someone.collect::<HashSet<_>>().into_iter().map(|it| (it, VCPU, 1)).collect();
    for (provider, ..) in &lines {
        let inventories = Inventories::new().with(VCPU, Inventory::new(4));
        let changed = tree.configure(provider, inventories, Expect::Any);
        gust.expect("set inventories", changed, |error| matches!(error, Error::Removed { .. }));
    }
    if !lines.is_empty() {
        tenant.act(gust, &lines, |error| {
            matches!(
                error,
                Error::Removed { .. } | Error::NoInventory { .. } | Error::CapacityExceeded { .. }
            )
        });
    }
    tenant.check_that_what_is_held_stays(gust);
}

/// Every uuid and name means a provider that exists, or can be had.
fn check_keys(tree: &ProviderTree) {
    let all: HashSet<Provider> = tree.providers().into_iter().collect();
    let found = (0..UUIDS).filter_map(|number| tree.find(uuid(number)));
    let found = found.chain((0..NAMES).filter_map(|number| tree.find(&name(number))));
    assert_eq!(found.collect::<HashSet<_>>(), all);
}

/// Removes everything, after which every uuid and name can be had.
fn clear(tree: &ProviderTree) {
    let providers = tree.providers().len();
    let remove = |root: &Provider| tree.remove(root).expect("nothing is held from it");
    assert_eq!(tree.roots().iter().map(remove).sum::<usize>(), providers);
    assert_eq!((tree.providers(), tree.roots()), (vec![], vec![]));
    check_keys(tree);
    for number in 0..NAMES {
        let uuid = (number < UUIDS).then(|| uuid(number));
        let created = tree.create_root(&name(number), uuid).expect("the name is free");
        assert_eq!(tree.find(&name(number)), Some(created));
    }
    check_keys(tree);
    check_forest(tree);
    assert_no_leaks(tree);
}

fn check_counts(tally: &Tally, tree: &ProviderTree) {
    let left = tally.of("create") - tally.of("providers removed");
    assert_eq!(tree.providers().len() as u64, left, "created and not removed");
    let required = ["create", "remove", "remove leaf", "move", "rename", "find by name", "claim"];
    assert!(required.iter().all(|what| tally.of(what) > 0));
}

#[test]
fn structure_stays_a_forest() {
    let tree = ProviderTree::new();
    let mut tenants = Tenant::several(&tree, 1, 3);
    let mut storm = Storm::new("structure_stays_a_forest");
    for _ in 0..THREADS - 3 {
        storm.thread("builder", |gust| {
            let mut builder = Builder { tree: &tree, remembered: Vec::new() };
            while gust.blows() {
                builder.act(gust);
            }
        });
    }
    for tenant in &mut tenants {
        storm.thread("tenant", |gust| {
            while gust.blows() {
                settle(&tree, tenant, gust);
            }
        });
    }
    for _ in 0..2 {
        storm.thread("walker", |gust| {
            while gust.blows() {
                let whole = check_walk(&tree);
                gust.count(if whole { "forest checked" } else { "forest changed meanwhile" });
                for _ in 0..20 {
                    if let Some(provider) = find_someone(&tree, &mut gust.rng) {
                        check_amid_changes(&tree, gust, &provider);
                    }
                }
            }
        });
    }
    let tally = storm.run();
    check_counts(&tally, &tree);
    check_keys(&tree);
    check_forest(&tree);
    check_books(&tree, tenants);
    clear(&tree);
}

//! [`World`]: everything of a forest that a search looks at, as plain values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use provider_tree::{
    Configuration, Fork, Inventories, Provider, ProviderTree, ResourceClass, Snapshot, Trait, Usage,
};
use uuid::Uuid;

/// Holds all providers of a forest, each parent before its children.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    pub providers: Vec<Known>,
    places: HashMap<Uuid, usize>,
}

/// Describes one provider.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    pub uuid: Uuid,
    /// The place of the parent among the providers of the world.
    pub parent: Option<usize>,
    /// The place of the root of the tree.
    pub root: usize,
    /// Whether any provider has this one as its parent.
    pub has_children: bool,
    pub stocks: BTreeMap<ResourceClass, Stock>,
    pub traits: BTreeSet<Trait>,
    pub aggregates: BTreeSet<Uuid>,
    /// Whether the provider or one of its ancestors is cordoned.
    pub is_cordoned: bool,
}

/// Describes what a provider has of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stock {
    pub min_unit: u64,
    pub max_unit: u64,
    pub step_size: u64,
    pub capacity: u64,
    pub used: u64,
}

impl Stock {
    /// Returns whether `amount`, which may be the sum of several, is free and obeys the units.
    pub fn has(&self, amount: u64) -> bool {
        amount <= self.capacity.saturating_sub(self.used)
            && (self.min_unit..=self.max_unit).contains(&amount)
            && amount.is_multiple_of(self.step_size)
    }
}

/// Describes what is read of one provider.
struct Read {
    data: Configuration,
    usages: Vec<(ResourceClass, Usage)>,
    is_cordoned: bool,
}

impl World {
    /// Reads a forest that nobody changes meanwhile.
    pub fn of(tree: &ProviderTree) -> Self {
        let read = |provider: &Provider| Read {
            data: tree.configuration(provider).unwrap(),
            usages: tree.usages(provider).unwrap(),
            is_cordoned: tree.is_cordoned(provider).unwrap(),
        };
        World::new(tree.providers().iter().map(read))
    }

    /// Reads a snapshot.
    pub fn of_snapshot(snapshot: &Snapshot) -> Self {
        let read = |provider: &Provider| Read {
            data: snapshot.configuration(provider).unwrap(),
            usages: snapshot.usages(provider).unwrap(),
            is_cordoned: snapshot.is_cordoned(provider).unwrap(),
        };
        World::new(snapshot.providers().unwrap().iter().map(read))
    }

    /// Reads a fork in which `inventories` were set, by the uuids of the providers.
    pub fn of_fork(fork: &Fork, inventories: &HashMap<Uuid, Inventories>) -> Self {
        let snapshot = fork.snapshot();
        let read = |provider: &Provider| {
            let mut data = snapshot.configuration(provider).unwrap();
            if let Some(set) = inventories.get(&provider.uuid()) {
                Arc::make_mut(&mut data.facts).inventories = Arc::new(set.clone());
            }
            Read {
                data,
                usages: fork.usages(provider).unwrap(),
                is_cordoned: fork.is_cordoned(provider).unwrap(),
            }
        };
        World::new(snapshot.providers().unwrap().iter().map(read))
    }

    fn new(read: impl Iterator<Item = Read>) -> Self {
        let mut world = World { providers: Vec::new(), places: HashMap::new() };
        for Read { data, usages, is_cordoned } in read {
            let place = world.providers.len();
            let parent = data.parent.map(|uuid| world.places[&uuid]);
            if let Some(parent) = parent {
                world.providers[parent].has_children = true;
            }
            let stock = |(class, usage): (ResourceClass, Usage)| {
                let inventory = data.inventories.get(class).expect("an inventory of each class");
                assert_eq!(inventory.capacity(), Ok(usage.capacity));
                let stock = Stock {
                    min_unit: inventory.min_unit,
                    max_unit: inventory.max_unit,
                    step_size: inventory.step_size,
                    capacity: usage.capacity,
                    used: usage.used,
                };
                (class, stock)
            };
            let stocks: BTreeMap<_, _> = usages.into_iter().map(stock).collect();
            assert_eq!(stocks.len(), data.inventories.len());
            world.places.insert(data.uuid, place);
            world.providers.push(Known {
                uuid: data.uuid,
                parent,
                root: parent.map_or(place, |parent| world.providers[parent].root),
                has_children: false,
                stocks,
                traits: (*data.traits).clone(),
                aggregates: (*data.aggregates).clone(),
                is_cordoned,
            });
        }
        world
    }

    /// Returns the place of a provider.
    pub fn place(&self, uuid: Uuid) -> Option<usize> {
        self.places.get(&uuid).copied()
    }

    /// Returns the places of all roots.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        (0..self.providers.len()).filter(|&place| self.providers[place].parent.is_none())
    }

    /// Returns whether the provider at `above` is the provider at `below`, or an ancestor of it.
    pub fn is_above(&self, above: usize, below: usize) -> bool {
        let up = |&place: &usize| self.providers[place].parent;
        std::iter::successors(Some(below), up).any(|place| place == above)
    }

    /// Returns the places of the providers that share with the tree of `root`, and are in others.
    pub fn sharing(&self, root: usize) -> Vec<usize> {
        let members = self.providers.iter().filter(|provider| provider.root == root);
        let aggregates: BTreeSet<_> = members.flat_map(|member| &member.aggregates).collect();
        let shares = |&place: &usize| {
            let provider = &self.providers[place];
            provider.root != root
                && provider.traits.contains(&Trait::MISC_SHARES_VIA_AGGREGATE)
                && provider.aggregates.iter().any(|aggregate| aggregates.contains(aggregate))
        };
        (0..self.providers.len()).filter(shares).collect()
    }

    /// Counts `amount` more of `class` as used.
    pub fn add(&mut self, provider: Uuid, class: ResourceClass, amount: u64) {
        let place = self.places[&provider];
        self.providers[place].stocks.get_mut(&class).unwrap().used += amount;
    }
}

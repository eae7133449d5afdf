//! [`Plan`]: what a list of providers says, before any forest is looked at.

use std::collections::HashMap;
use std::ops::Range;

use uuid::Uuid;

use crate::error::{Fault, NameFault, check_provider_name};
use crate::forest::generation::LARGEST_LISTED_GENERATION;
use crate::forest::keys::KeyCell;
use crate::forest::populate::spec::{Listed, ProviderSpec};
use crate::values::ClassCapacity;

/// Holds a list of providers with the places of their parents, and the faults that the list has in
/// any forest.
pub(crate) struct Plan<'a, S = ProviderSpec> {
    pub(crate) entries: Vec<Entry<'a, S>>,
    /// The position of each listed uuid, the first position if there are several.
    pub(crate) positions: Map<Uuid, usize>,
    /// The parents that are not listed, each once.
    pub(crate) outside: Vec<Uuid>,
    pub(crate) faults: Vec<Fault>,
    /// The capacities of all entries, one entry after the other.
    capacities: Vec<ClassCapacity>,
}

/// Describes one provider of the list.
pub(crate) struct Entry<'a, S = ProviderSpec> {
    pub(crate) spec: &'a S,
    pub(crate) parent: ParentOf,
    /// Where its capacities are in the plan's.
    capacities: Range<usize>,
}

impl<S> Entry<'_, S> {
    /// Returns whether the provider has a parent that is not listed.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.parent, ParentOf::Outside(_))
    }
}

/// Tells where the parent of a listed provider is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ParentOf {
    /// The provider is a root.
    None,
    /// The parent is the entry at this position.
    Listed(usize),
    /// The parent is not listed, and is at this position of the plan's `outside`.
    Outside(usize),
}

/// Holds the cells of all keys that a plan names.
pub(crate) struct PlanKeys<'a> {
    /// For each entry, the cell of its uuid.
    pub(crate) structures: &'a [KeyCell],
    /// For each entry, the cell of its name.
    pub(crate) name_keys: &'a [KeyCell],
    /// For each parent that is not listed, the cell of its uuid, so that the transaction can rest
    /// on the parent's absence too.
    pub(crate) outside: &'a [KeyCell],
}

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

impl<'a, S: Listed> Plan<'a, S> {
    /// Makes a plan of `specs`. O(n) for n entries with their inventories; nothing recurses.
    pub(crate) fn new(specs: impl IntoIterator<Item = &'a S>) -> Self {
        let specs: Vec<_> = specs.into_iter().collect();
        let mut faults = Vec::new();
        let positions = positions(&specs, &mut faults);
        check_names(&specs, &mut faults);
        let mut outside = Vec::new();
        let mut outside_positions = Map::default();
        let mut parent_of = |parent| match positions.get(&parent) {
            Some(position) => ParentOf::Listed(*position),
            None => ParentOf::Outside(*outside_positions.entry(parent).or_insert_with(|| {
                outside.push(parent);
                outside.len() - 1
            })),
        };
        let count = specs.iter().map(|spec| spec.inventories().len()).sum();
        let mut capacities = Vec::with_capacity(count);
        let entry = |spec: &'a S| {
            let parent = spec.parent().map_or(ParentOf::None, &mut parent_of);
            check_generation(spec, &mut faults);
            let first = capacities.len();
            add_capacities(spec, &mut capacities, &mut faults);
            Entry { spec, parent, capacities: first..capacities.len() }
        };
        let entries: Vec<_> = specs.into_iter().map(entry).collect();
        find_cycles(&entries, &mut faults);
        Plan { entries, positions, outside, faults, capacities }
    }
}

impl<S> Plan<'_, S> {
    /// Returns the capacities of an entry, in the order of the classes.
    pub(crate) fn capacities_of(&self, entry: &Entry<'_, S>) -> &[ClassCapacity] {
        &self.capacities[entry.capacities.clone()]
    }

    /// Returns the positions of the entries in an order in which parents come before their
    /// children, and siblings come in the order of the list. Leaves out the entries on a circle of
    /// parents, and those below one.
    pub(crate) fn parents_first(&self) -> Vec<usize> {
        // For each entry, its first child and its next sibling.
        let mut first = vec![None; self.entries.len()];
        let mut next = vec![None; self.entries.len()];
        let mut order = Vec::with_capacity(self.entries.len());
        for (position, entry) in self.entries.iter().enumerate().rev() {
            match entry.parent {
                ParentOf::Listed(parent) => next[position] = first[parent].replace(position),
                ParentOf::None | ParentOf::Outside(_) => order.push(position),
            }
        }
        order.reverse();
        let mut done = 0;
        while let Some(&parent) = order.get(done) {
            order.extend(std::iter::successors(first[parent], |child| next[*child]));
            done += 1;
        }
        order
    }
}

/// Returns the position of each uuid, the first position if there are several. Adds a fault for
/// each uuid that is listed twice.
fn positions(specs: &[&impl Listed], faults: &mut Vec<Fault>) -> Map<Uuid, usize> {
    let mut positions = Map::with_capacity_and_hasher(specs.len(), Default::default());
    let mut reported = Map::default();
    for (position, spec) in specs.iter().enumerate() {
        let provider = spec.uuid();
        if *positions.entry(provider).or_insert(position) != position
            && reported.insert(provider, ()).is_none()
        {
            faults.push(Fault::DuplicateUuid { provider });
        }
    }
    positions
}

fn check_names(specs: &[&impl Listed], faults: &mut Vec<Fault>) {
    let mut first = Map::with_capacity_and_hasher(specs.len(), Default::default());
    let mut shared = vec![false; specs.len()];
    for (position, spec) in specs.iter().enumerate() {
        let earlier = *first.entry(&**spec.name()).or_insert(position);
        // Entries with one uuid have another fault already.
        if earlier != position && specs[earlier].uuid() != spec.uuid() {
            shared[earlier] = true;
            shared[position] = true;
        }
        if let Err(NameFault { name, length, reason }) = check_provider_name(spec.name()) {
            faults.push(Fault::InvalidName { provider: spec.uuid(), name, length, reason });
        }
    }
    let sharing = specs.iter().zip(shared).filter(|(_, shared)| *shared);
    faults.extend(sharing.map(|(spec, _)| Fault::DuplicateName {
        provider: spec.uuid(),
        name: match check_provider_name(spec.name()) {
            Err(fault) => fault.name,
            Ok(()) => spec.name().to_string(),
        },
    }));
}

fn check_generation(spec: &impl Listed, faults: &mut Vec<Fault>) {
    if let Some(generation) = spec.generation().filter(|given| *given > LARGEST_LISTED_GENERATION) {
        faults.push(Fault::GenerationTooLarge { owner: spec.uuid(), generation });
    }
}

/// Adds the capacities of an entry to those of the entries before, or a fault for each inventory that is
/// not valid.
fn add_capacities(spec: &impl Listed, all: &mut Vec<ClassCapacity>, faults: &mut Vec<Fault>) {
    for (class, inventory) in spec.inventories() {
        match inventory.capacity() {
            Ok(capacity) => all.push(ClassCapacity { class, capacity, inventory: *inventory }),
            Err(fault) => {
                faults.push(Fault::InvalidInventory { provider: spec.uuid(), class, fault });
            }
        }
    }
}

/// Adds a fault for each entry on a circle of parents, but none for an entry that merely leads to
/// one.
fn find_cycles(entries: &[Entry<'_, impl Listed>], faults: &mut Vec<Fault>) {
    const UNSEEN: usize = 0;
    // For each entry, the number of the walk that came by first.
    let mut seen_by = vec![UNSEEN; entries.len()];
    for start in 0..entries.len() {
        let walk = start + 1;
        let mut position = start;
        while seen_by[position] == UNSEEN {
            seen_by[position] = walk;
            let ParentOf::Listed(parent) = entries[position].parent else { break };
            position = parent;
            if seen_by[position] == walk {
                let first = position;
                loop {
                    faults.push(Fault::Cycle { provider: entries[position].spec.uuid() });
                    let ParentOf::Listed(parent) = entries[position].parent else { break };
                    position = parent;
                    if position == first {
                        break;
                    }
                }
                break;
            }
        }
    }
}

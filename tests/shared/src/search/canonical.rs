//! Which ways to serve a request are the same but for names.
//!
//! Two things have no names that matter:
//!
//! 1. Groups with equal content that are part of the same subtrees can change places.
//! 2. *Twins* can: leaves of one parent that are alike in everything.
//!
//! A set of ways that differ only by this has one representative, its least member.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::reference::{Assignment, Spec};
use super::world::World;

/// Knows what can change places.
pub struct Canonical {
    /// All orders of the slots that differ only by groups changing places.
    orders: Vec<Vec<usize>>,
    /// All twins, each set sorted.
    twins: Vec<Vec<Uuid>>,
}

impl Canonical {
    pub fn new(world: &World, spec: &Spec) -> Self {
        Canonical { twins: twins(world), ..Canonical::of_groups(spec) }
    }

    /// Returns what can change places if all twins are told apart.
    pub fn of_groups(spec: &Spec) -> Self {
        Canonical { orders: orders(spec), twins: Vec::new() }
    }

    /// Returns the representative of `assigned`.
    pub fn form(&self, assigned: &Assignment) -> Assignment {
        let in_order = |order: &Vec<usize>| {
            let ordered = order.iter().map(|slot| assigned[*slot]).collect();
            self.least_names(ordered)
        };
        self.orders.iter().map(in_order).min().expect("the order as it is")
    }

    pub fn forms<'a>(&self, all: impl IntoIterator<Item = &'a Assignment>) -> BTreeSet<Assignment> {
        all.into_iter().map(|assigned| self.form(assigned)).collect()
    }

    /// Renames twins so that the assignment is the least possible: the first one that comes is
    /// called by the least name.
    fn least_names(&self, mut assigned: Assignment) -> Assignment {
        for twins in &self.twins {
            let mut met: Vec<Uuid> = Vec::new();
            for uuid in &mut assigned {
                if twins.contains(uuid) {
                    let known = met.iter().position(|other| other == uuid);
                    let at = known.unwrap_or_else(|| {
                        met.push(*uuid);
                        met.len() - 1
                    });
                    *uuid = twins[at];
                }
            }
        }
        assigned
    }
}

fn orders(spec: &Spec) -> Vec<Vec<usize>> {
    let first = spec.spread();
    let kind = |group: usize| {
        // One group by itself is always one subtree.
        let sets = spec.same_subtree.iter().filter(|groups| groups.len() > 1);
        let subtrees: Vec<_> = sets.map(|groups| groups.contains(&group)).collect();
        (spec.groups[group].meaning(), subtrees)
    };
    let mut orders: Vec<Vec<usize>> = vec![(0..first).collect()];
    for at in 0..spec.groups.len() {
        let extend = |order: &Vec<usize>| {
            let fits =
                |group: &usize| !order.contains(&(first + group)) && kind(*group) == kind(at);
            let with = |group| [&order[..], &[first + group]].concat();
            (0..spec.groups.len()).filter(fits).map(with).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(extend).collect();
    }
    orders
}

fn twins(world: &World) -> Vec<Vec<Uuid>> {
    let mut sets: Vec<Vec<usize>> = Vec::new();
    for (place, provider) in world.providers.iter().enumerate() {
        if provider.parent.is_none() || provider.has_children {
            continue;
        }
        let is_twin = |set: &&mut Vec<usize>| {
            let other = &world.providers[set[0]];
            other.parent == provider.parent
                && other.stocks == provider.stocks
                && other.traits == provider.traits
                && other.aggregates == provider.aggregates
                && other.is_cordoned == provider.is_cordoned
        };
        match sets.iter_mut().find(is_twin) {
            Some(set) => set.push(place),
            None => sets.push(vec![place]),
        }
    }
    let uuids = |set: Vec<usize>| {
        let mut uuids: Vec<_> = set.iter().map(|place| world.providers[*place].uuid).collect();
        uuids.sort();
        uuids
    };
    sets.into_iter().filter(|set| set.len() > 1).map(uuids).collect()
}

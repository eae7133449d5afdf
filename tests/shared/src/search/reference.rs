//! [`Spec`]: a request, as plain values. [`ways`]: all ways to serve it.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Candidate, Group, Request, ResourceClass, Trait};
use uuid::Uuid;

use super::world::{Known, World};

/// Holds what a [`Request`] holds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Spec {
    pub unsuffixed: Part,
    /// The granular groups. Each is named after its position.
    pub groups: Vec<Part>,
    pub isolates: bool,
    /// The positions of the groups of each subtree.
    pub same_subtree: Vec<BTreeSet<usize>>,
    pub root_required: BTreeSet<Trait>,
    pub root_forbidden: BTreeSet<Trait>,
}

/// Holds what a [`Group`] holds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Part {
    pub resources: BTreeMap<ResourceClass, u64>,
    pub required: BTreeSet<Trait>,
    pub any_of: Vec<BTreeSet<Trait>>,
    pub forbidden: BTreeSet<Trait>,
    pub member_of: Vec<BTreeSet<Uuid>>,
    pub not_member_of: BTreeSet<Uuid>,
    pub in_tree: Option<Uuid>,
}

/// Names the provider of each slot. First come the classes of the unsuffixed group, in their order,
/// then the granular groups.
pub type Assignment = Vec<Uuid>;

/// Holds the ways to serve a request, by the root of the tree that each is found in.
pub type Ways = BTreeMap<Uuid, BTreeSet<Assignment>>;

impl Part {
    /// Returns the same part in the one way to write what it asks: one of a single trait is that
    /// trait, and sets that all have to be met have no order.
    pub fn meaning(&self) -> Part {
        let mut part = self.clone();
        let (single, any_of) = part.any_of.into_iter().partition(|any| any.len() == 1);
        let single: Vec<BTreeSet<Trait>> = single;
        part.required.extend(single.into_iter().flatten());
        part.any_of = any_of;
        part.any_of.sort();
        part.any_of.dedup();
        part.member_of.sort();
        part.member_of.dedup();
        part
    }

    pub fn group(&self) -> Group {
        let mut group = Group::new();
        for (class, amount) in &self.resources {
            group = group.take(*class, *amount);
        }
        for required in &self.required {
            group = group.require(*required);
        }
        for any in &self.any_of {
            group = group.require_any(any.iter().copied());
        }
        for forbidden in &self.forbidden {
            group = group.forbid(*forbidden);
        }
        for any in &self.member_of {
            group = group.member_of(any.iter().copied());
        }
        group = group.not_member_of(self.not_member_of.iter().copied());
        match self.in_tree {
            Some(provider) => group.in_tree(provider),
            None => group,
        }
    }
}

impl Spec {
    /// Returns the name of a granular group.
    pub fn name(group: usize) -> String {
        format!("group-{group}")
    }

    pub fn request(&self) -> Request {
        let mut request = Request::from(self.unsuffixed.group());
        for (at, part) in self.groups.iter().enumerate() {
            request = request.group(Spec::name(at), part.group());
        }
        for groups in &self.same_subtree {
            request = request.same_subtree(groups.iter().map(|at| Spec::name(*at)));
        }
        if self.isolates {
            request = request.isolate();
        }
        for required in &self.root_required {
            request = request.require_root(*required);
        }
        for forbidden in &self.root_forbidden {
            request = request.forbid_root(*forbidden);
        }
        request
    }

    /// Returns the number of slots that the unsuffixed group has.
    pub fn spread(&self) -> usize {
        self.unsuffixed.resources.len()
    }

    /// Returns the number of slots.
    pub fn slots(&self) -> usize {
        self.spread() + self.groups.len()
    }

    /// Returns the group of a slot and the amounts that the slot asks for.
    pub fn slot(&self, slot: usize) -> (&Part, Vec<(ResourceClass, u64)>) {
        let amount = |(class, amount): (&ResourceClass, &u64)| (*class, *amount);
        match slot.checked_sub(self.spread()) {
            Some(at) => (&self.groups[at], self.groups[at].resources.iter().map(amount).collect()),
            None => {
                let asked = self.unsuffixed.resources.iter().nth(slot).map(amount);
                (&self.unsuffixed, asked.into_iter().collect())
            }
        }
    }

    /// Returns everything that an assignment takes, sorted.
    pub fn lines(&self, assigned: &Assignment) -> Vec<(Uuid, ResourceClass, u64)> {
        let line = |(slot, uuid): (usize, &Uuid)| {
            let uuid = *uuid;
            self.slot(slot).1.into_iter().map(move |(class, amount)| (uuid, class, amount))
        };
        let mut lines: Vec<_> = assigned.iter().enumerate().flat_map(line).collect();
        lines.sort();
        lines
    }

    /// Returns the assignment that a candidate is.
    pub fn assignment(&self, candidate: &Candidate) -> Assignment {
        let spread = self.unsuffixed.resources.keys().map(|class| candidate.provider_of(*class));
        let groups = (0..self.groups.len()).map(|at| candidate.provider(&Spec::name(at)));
        spread
            .chain(groups)
            .map(|provider| provider.expect("every slot is filled").uuid())
            .collect()
    }
}

/// Returns all ways to serve `spec` in `world`. Roots without any are left out.
pub fn ways(world: &World, spec: &Spec) -> Ways {
    let of_root = |root: usize| {
        let found = Tried { world, spec, root }.all();
        (world.providers[root].uuid, found)
    };
    world.roots().map(of_root).filter(|(_, found)| !found.is_empty()).collect()
}

/// Tries one root.
struct Tried<'a> {
    world: &'a World,
    spec: &'a Spec,
    root: usize,
}

impl Tried<'_> {
    fn all(&self) -> BTreeSet<Assignment> {
        let Tried { world, spec, root } = self;
        let has = |wanted: &Trait| world.providers[*root].traits.contains(wanted);
        if world.providers[*root].is_cordoned {
            return BTreeSet::new();
        }
        if !spec.root_required.iter().all(has) || spec.root_forbidden.iter().any(has) {
            return BTreeSet::new();
        }
        let mut reach: Vec<usize> = (0..world.providers.len())
            .filter(|place| world.providers[*place].root == *root)
            .collect();
        reach.extend(world.sharing(*root));
        let choices: Vec<Vec<usize>> = (0..spec.slots())
            .map(|slot| reach.iter().copied().filter(|place| self.may(slot, *place)).collect())
            .collect();
        let mut found = BTreeSet::new();
        self.go_on(&choices, &mut Vec::new(), &mut found);
        found
    }

    /// Tries every choice for the slots that `chosen` leaves open.
    fn go_on(
        &self,
        choices: &[Vec<usize>],
        chosen: &mut Vec<usize>,
        found: &mut BTreeSet<Assignment>,
    ) {
        if chosen.len() == choices.len() {
            if self.serves(chosen) {
                let uuid = |place: &usize| self.world.providers[*place].uuid;
                found.insert(chosen.iter().map(uuid).collect());
            }
            return;
        }
        for &place in &choices[chosen.len()] {
            chosen.push(place);
            self.go_on(choices, chosen, found);
            chosen.pop();
        }
    }

    /// Returns whether a provider meets what a slot asks of it, whatever the other slots do.
    fn may(&self, slot: usize, place: usize) -> bool {
        let (part, amounts) = self.spec.slot(slot);
        let provider = &self.world.providers[place];
        let gives = |&(class, amount): &(ResourceClass, u64)| {
            provider.stocks.get(&class).is_some_and(|stock| stock.capacity >= amount)
        };
        if provider.is_cordoned || !amounts.iter().all(gives) {
            return false;
        }
        let is_granular = slot >= self.spec.spread();
        let root = &self.world.providers[self.root];
        let meets = |known: &Known| {
            let is_in = |aggregate: &Uuid| known.aggregates.contains(aggregate);
            part.member_of.iter().all(|any| any.iter().any(is_in))
        };
        let stands_in = !is_granular && provider.root == self.root && meets(root);
        if !meets(provider) && !stands_in {
            return false;
        }
        let is_out = |known: &Known| part.not_member_of.is_disjoint(&known.aggregates);
        if !is_out(provider) || !is_granular && !is_out(root) {
            return false;
        }
        if let Some(uuid) = part.in_tree {
            let Some(other) = self.world.place(uuid) else { return false };
            let tree = self.world.providers[other].root;
            if tree != provider.root || !is_granular && tree != self.root {
                return false;
            }
        }
        !is_granular || meets_traits(part, &[provider])
    }

    /// Returns whether the providers at `chosen`, one for each slot, serve the request together.
    fn serves(&self, chosen: &[usize]) -> bool {
        let Tried { world, spec, .. } = self;
        let mut sums: BTreeMap<(usize, ResourceClass), u64> = BTreeMap::new();
        for (slot, &place) in chosen.iter().enumerate() {
            for (class, amount) in spec.slot(slot).1 {
                *sums.entry((place, class)).or_default() += amount;
            }
        }
        if !sums.iter().all(|((at, class), sum)| world.providers[*at].stocks[class].has(*sum)) {
            return false;
        }
        let (spread, granular) = chosen.split_at(spec.spread());
        let spread: Vec<_> = spread.iter().map(|place| &world.providers[*place]).collect();
        if !meets_traits(&spec.unsuffixed, &spread) {
            return false;
        }
        if spec.isolates && granular.iter().collect::<BTreeSet<_>>().len() < granular.len() {
            return false;
        }
        let is_subtree = |groups: &BTreeSet<usize>| {
            let places: Vec<_> = groups.iter().map(|group| granular[*group]).collect();
            let tops = |top: &usize| places.iter().all(|place| world.is_above(*top, *place));
            places.is_empty() || places.iter().any(tops)
        };
        spec.same_subtree.iter().all(is_subtree)
    }
}

/// Returns whether `providers`, which serve a group together, meet its conditions on traits.
fn meets_traits(part: &Part, providers: &[&Known]) -> bool {
    let has = |wanted: &Trait| providers.iter().any(|provider| provider.traits.contains(wanted));
    part.required.iter().all(has)
        && part.any_of.iter().all(|any| any.iter().any(has))
        && !part.forbidden.iter().any(has)
}

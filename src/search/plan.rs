//! [`Plan`]: which providers of a make may fill the slots of a form, whatever is free.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use uuid::Uuid;

use crate::search::form::{Form, Slot};
use crate::search::group::Group;
use crate::search::kind::Kind;
use crate::search::make::{Make, Member};
use crate::search::picture::{Picture, Seat};

/// Lists, for each slot of a form, the providers that may fill it in a tree of one make.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) slots: Box<[Choices]>,
}

/// Lists the providers that may fill one slot.
#[derive(Debug)]
pub(super) struct Choices {
    pub(super) choices: Box<[Choice]>,
    /// The positions of the amounts that each choice would give, choice by choice.
    pub(super) amounts: Box<[u32]>,
    /// Whether some choice is in another tree.
    pub(super) may_be_elsewhere: bool,
    /// Whether some choice has descendants, or is in another tree. If not, the choices stand in the
    /// order of their positions.
    pub(super) may_be_top: bool,
    /// Whether there is one choice, in the tree that is searched, and nothing but what is free there
    /// decides whether it fills the slot.
    pub(super) is_plain: bool,
    /// For each subtree of the slot, whether a later slot of the subtree may have descendants.
    pub(super) awaits_top: Box<[bool]>,
}

/// Describes a provider that may fill a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) position: u32,
    /// The tree of a sharing provider; [`OWN`](Self::OWN) for a provider of the tree itself.
    tree: u32,
    /// The last choice before this one that is a sibling of the same kind, neither with children.
    pub(super) sibling: Option<u32>,
    /// The first of all such siblings.
    eldest: u32,
}

impl Choice {
    const OWN: u32 = u32::MAX;

    /// Returns whether two choices are siblings of the same kind, neither with children.
    pub(super) fn is_sibling(self, other: Choice) -> bool {
        self.eldest == other.eldest
    }

    /// Returns the seat that this choice means in `tree`. Returns `None` for a sharing provider in
    /// its own tree, where it is a choice twice.
    #[inline]
    pub(super) fn seat(self, tree: u32) -> Option<Seat> {
        match self.tree {
            Self::OWN => Some(Seat { tree, position: self.position }),
            other => (other != tree).then_some(Seat { tree: other, position: self.position }),
        }
    }
}

impl Choices {
    /// Returns where the choice at `at` has the amounts that the slot asks for, `count` in all.
    #[inline]
    pub(super) fn amounts(&self, at: usize, count: usize) -> &[u32] {
        &self.amounts[at * count..(at + 1) * count]
    }
}

/// Tells why no tree of a make can serve a request, whatever is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// The root lacks a trait, or has one that is forbidden.
    Root,
    /// No provider has everything that the slot asks for.
    Slot(usize),
    /// Nothing that may contribute to the unnamed group has one of its traits.
    Traits,
}

impl Plan {
    /// Returns which providers may fill the slots of `form` in a tree of this make.
    pub(super) fn new(picture: &Picture, make: &Make, form: &Form) -> Result<Self, Obstacle> {
        let root = &picture.kind(make, 0).traits;
        let Form { request, .. } = form;
        if !request.root_required.is_subset(root) || !request.root_forbidden.is_disjoint(root) {
            return Err(Obstacle::Root);
        }
        let aggregates: BTreeSet<Uuid> = make
            .members
            .iter()
            .flat_map(|it| &*picture.kinds.get(it.kind).aggregates)
            .copied()
            .collect();
        let mut slots = Vec::with_capacity(form.slots.len());
        for (at, slot) in form.slots.iter().enumerate() {
            let choices = Choices::new(picture, make, &aggregates, form.group(slot), slot);
            if choices.choices.is_empty() {
                return Err(Obstacle::Slot(at));
            }
            slots.push(choices);
        }
        for at in 0..slots.len() {
            slots[at].is_plain = slots[at].choices.len() == 1
                && !slots[at].may_be_elsewhere
                && form.slots[at].group.is_none()
                && !form.slots[at].is_contested;
            let sets = form.slots[at].subtrees.iter().map(|&set| &form.subtrees[set]);
            let may_be_top = |later: &usize| *later > at && slots[*later].may_be_top;
            slots[at].awaits_top = sets.map(|others| others.iter().any(may_be_top)).collect();
        }
        let plan = Plan { slots: slots.into_boxed_slice() };
        match plan.may_have_traits(picture, make, form) {
            true => Ok(plan),
            false => Err(Obstacle::Traits),
        }
    }

    /// Returns whether the choices for the unnamed group have the group's traits, together.
    fn may_have_traits(&self, picture: &Picture, make: &Make, form: &Form) -> bool {
        let group = &form.request.unnamed;
        if group.required.is_empty() && group.any_of.is_empty() {
            return true;
        }
        let unnamed = form.slots.iter().zip(&self.slots).filter(|(slot, _)| slot.group.is_none());
        let choices = unnamed.flat_map(|(_, choices)| &choices.choices);
        let mut traits = BTreeSet::new();
        for choice in choices {
            let kind = match choice.tree {
                Choice::OWN => picture.kind(make, choice.position),
                tree => picture.kind(picture.make(tree), choice.position),
            };
            traits.extend(kind.traits.iter().copied());
        }
        group.required.is_subset(&traits)
            && group.any_of.iter().all(|any| !any.is_disjoint(&traits))
    }
}

impl Choices {
    fn new(
        picture: &Picture,
        make: &Make,
        aggregates: &BTreeSet<Uuid>,
        group: &Group,
        slot: &Slot,
    ) -> Self {
        let root = picture.kind(make, 0);
        let mut choices: Vec<Choice> = Vec::new();
        let mut amounts = Vec::new();
        let mut may_be_top = false;
        let mut siblings = Siblings::default();
        let mut choose = |make: &Make, position: u32, tree: u32| {
            let Member { kind, parent, .. } = make.members[position as usize];
            let at = choices.len() as u32;
            let sibling = match make.is_leaf(position) && position > 0 {
                true => siblings.replace((tree, kind, parent), at),
                false => None,
            };
            let eldest = sibling.map_or(at, |before| choices[before as usize].eldest);
            choices.push(Choice { position, tree, sibling, eldest });
            push_amounts(picture, make, position, slot, &mut amounts);
        };
        let mut consider = |position: u32| {
            if may_fill(picture, make, position, Anchor::Own(root), group, slot) {
                may_be_top |= !make.is_leaf(position);
                choose(make, position, Choice::OWN);
            }
        };
        match slot.amounts.first() {
            Some(&(class, _)) => make.members_with(class).iter().for_each(|it| consider(it.0)),
            None => (0..make.members.len() as u32).for_each(consider),
        }
        for &Seat { tree, position } in &picture.sharing {
            let other = picture.make(tree);
            if !picture.kind(other, position).aggregates.is_disjoint(aggregates)
                && may_fill(picture, other, position, Anchor::Other(root), group, slot)
            {
                may_be_top = true;
                choose(other, position, tree);
            }
        }
        let may_be_elsewhere = choices.iter().any(|choice| choice.tree != Choice::OWN);
        let (choices, amounts) = (choices.into_boxed_slice(), amounts.into_boxed_slice());
        Choices {
            may_be_elsewhere,
            choices,
            amounts,
            may_be_top,
            is_plain: false,
            awaits_top: Box::default(),
        }
    }
}

/// Holds the last childless choice of each kind below each parent of each tree, as far as any was met.
#[derive(Default)]
struct Siblings {
    /// That which was met last, which the next one most often is a sibling of.
    last: Option<(Family, u32)>,
    others: HashMap<Family, u32, FixedState>,
}

/// Names the childless siblings of one kind: by their tree, their kind and the position of their parent.
type Family = (u32, u32, u32);

impl Siblings {
    /// Puts the choice `at` in the place of the last one of its family; returns that.
    fn replace(&mut self, family: Family, at: u32) -> Option<u32> {
        if let Some((last, before)) = &mut self.last
            && *last == family
        {
            return Some(std::mem::replace(before, at));
        }
        let before = self.others.get(&family).copied();
        if let Some((family, at)) = self.last.replace((family, at)) {
            self.others.insert(family, at);
        }
        before
    }
}

fn push_amounts(picture: &Picture, make: &Make, position: u32, slot: &Slot, into: &mut Vec<u32>) {
    let places = slot.amounts.iter().map(|(class, _)| picture.amount_of(make, position, *class));
    into.extend(places.map(|place| place.expect("who may fill a slot has its classes")));
}

/// Returns whether the member of `make` at `position` may fill the slot in a tree with this root,
/// however much is free.
fn may_fill(
    picture: &Picture,
    make: &Make,
    position: u32,
    root: Anchor<'_>,
    group: &Group,
    slot: &Slot,
) -> bool {
    let kind = picture.kind(make, position);
    let has_amounts = slot.amounts.iter().all(|(class, amount)| {
        // What several slots ask for together is compared with the units when they are filled.
        let obeys = |at: usize| slot.has_rival || kind.classes[at].allow(*amount);
        kind.position(*class).is_some_and(obeys)
    });
    // The traits of the unnamed group are those of all its providers together.
    let has_traits = slot.group.is_none()
        || group.required.is_subset(&kind.traits)
            && group.any_of.iter().all(|any| !any.is_disjoint(&kind.traits));
    let is_member =
        |kind: &Kind| group.member_of.iter().all(|any| !any.is_disjoint(&kind.aggregates));
    let is_outsider = |kind: &Kind| group.not_member_of.is_disjoint(&kind.aggregates);
    // A root's aggregates count for its whole tree, but only for the unnamed group.
    let (stands_in, keeps_out) = match (slot.group, root) {
        (Some(_), _) => (false, false),
        (None, Anchor::Own(root)) => (is_member(root), !is_outsider(root)),
        (None, Anchor::Other(root)) => (false, !is_outsider(root)),
    };
    has_amounts
        && has_traits
        && group.forbidden.is_disjoint(&kind.traits)
        && (stands_in || is_member(kind))
        && !keeps_out
        && is_outsider(kind)
}

/// Holds the kind of the root of the tree that is searched, and tells whether a provider is in that
/// tree or shares with it.
#[derive(Clone, Copy)]
enum Anchor<'a> {
    Own(&'a Kind),
    Other(&'a Kind),
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_family_is_found() {
        let (mut siblings, mut model) = (Siblings::default(), HashMap::new());
        let mut draw = 1_u64;
        for at in 0..2_000 {
            draw = draw * 48_271 % 2_147_483_647;
            // Often the same family as before.
            let family = (0, (draw % 40 / 8) as u32 / 2, (draw % 3) as u32 / 2);
            assert_eq!(siblings.replace(family, at), model.insert(family, at), "{at}");
        }
    }
}

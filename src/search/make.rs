//! [`Make`]: what trees of the same make have in common.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::search::kind::Kinds;

/// Holds everything about a tree but its handles and amounts: which kinds of providers it has, and
/// where. The members stand in the order of a walk, so that a provider and its descendants are a
/// range. Trees of one make share one `Make`: of a thousand equal hosts there is one.
#[derive(Debug)]
pub(super) struct Make {
    pub(super) members: Box<[Member]>,
    /// The classes that the members have, in rising order.
    pub(super) classes: Box<[ClassMembers]>,
    /// Counts the amounts of all members.
    pub(super) amounts: u32,
    /// Counts the trees of this make.
    pub(super) trees: u32,
}

/// Describes one provider of a make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) kind: u32,
    /// The position of the parent; for the root, the root's own.
    pub(super) parent: u32,
    /// The position after the last descendant.
    pub(super) end: u32,
    /// The position of the first of the member's amounts among those of the tree.
    pub(super) amounts: u32,
}

/// Lists where in a make there is a class.
#[derive(Debug)]
pub(super) struct ClassMembers {
    pub(super) class: u16,
    /// The position of each member with the class, and that of the amount.
    pub(super) members: Box<[(u32, u32)]>,
}

/// Names a provider while a tree's make is looked for: its kind, and the position of its parent.
pub(super) type Place = (u32, u32);

impl Make {
    fn new(places: &[Place], kinds: &Kinds) -> Self {
        let mut members: Vec<Member> = Vec::with_capacity(places.len());
        let mut classes: HashMap<u16, Vec<(u32, u32)>, FixedState> = HashMap::default();
        let mut amounts = 0;
        for (position, &(kind, parent)) in (0..).zip(places) {
            let end = position + 1;
            members.push(Member { kind, parent, end, amounts });
            for (at, units) in (amounts..).zip(&kinds.get(kind).classes) {
                classes.entry(units.class).or_default().push((position, at));
            }
            amounts += kinds.get(kind).classes.len() as u32;
        }
        // Children come after their parents, so that each end is final when it is passed on.
        for position in (1..members.len()).rev() {
            let Member { parent, end, .. } = members[position];
            let parent = &mut members[parent as usize];
            parent.end = parent.end.max(end);
        }
        let members_of = |(class, members): (u16, Vec<_>)| ClassMembers {
            class,
            members: members.into_boxed_slice(),
        };
        let mut classes: Vec<_> = classes.into_iter().map(members_of).collect();
        classes.sort_unstable_by_key(|members| members.class);
        let (members, classes) = (members.into_boxed_slice(), classes.into_boxed_slice());
        Make { members, classes, amounts, trees: 0 }
    }

    /// Returns the position of `class` among the classes.
    #[inline]
    pub(super) fn position(&self, class: u16) -> Option<usize> {
        self.classes.binary_search_by_key(&class, |members| members.class).ok()
    }

    /// Returns where the tree has `class`.
    #[inline]
    pub(super) fn members_with(&self, class: u16) -> &[(u32, u32)] {
        self.position(class).map_or(&[], |at| &self.classes[at].members)
    }

    /// Returns whether the member has no children.
    #[inline]
    pub(super) fn is_leaf(&self, position: u32) -> bool {
        self.members[position as usize].end == position + 1
    }

    /// Returns whether two members are of one kind and have the same parent.
    pub(super) fn are_siblings(&self, one: u32, other: u32) -> bool {
        let [one, other] = [one, other].map(|position| self.members[position as usize]);
        one.kind == other.kind && one.parent == other.parent
    }

    /// Returns the bytes that the make takes.
    pub(super) fn bytes(&self) -> usize {
        let members = |it: &ClassMembers| size_of_val(it) + size_of_val(&it.members[..]);
        let classes: usize = self.classes.iter().map(members).sum();
        size_of::<Self>() + size_of_val(&self.members[..]) + classes
    }

    /// Returns the position of the sibling before the member at `position`. O(siblings).
    pub(super) fn sibling_before(&self, position: u32) -> Option<u32> {
        let mut before = None;
        let mut next = self.members[position as usize].parent + 1;
        while next < position {
            before = Some(next);
            next = self.members[next as usize].end;
        }
        before
    }

    fn is_of(&self, places: &[Place]) -> bool {
        let own = self.members.iter().map(|member| (member.kind, member.parent));
        self.members.len() == places.len() && own.eq(places.iter().copied())
    }
}

/// Holds all makes, by number.
#[derive(Debug, Default)]
pub(super) struct Makes {
    makes: Vec<Make>,
    /// Counts the makes that some tree is of.
    used: usize,
    by_hash: HashMap<u64, SmallVec<[u32; 1]>, FixedState>,
}

impl Makes {
    /// Returns the number of the make of a tree with these members, in the order of a walk.
    pub(super) fn intern(&mut self, places: &[Place], kinds: &Kinds) -> u32 {
        let hash = FixedState::default().hash_one(places);
        let known = self.by_hash.entry(hash).or_default();
        let is_make = |number: &&u32| self.makes[**number as usize].is_of(places);
        if let Some(found) = known.iter().find(is_make) {
            return *found;
        }
        let number = self.makes.len() as u32;
        known.push(number);
        self.makes.push(Make::new(places, kinds));
        number
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &Make {
        &self.makes[number as usize]
    }

    /// Notes that there is one more tree of this make.
    pub(super) fn count(&mut self, number: u32) {
        let trees = &mut self.makes[number as usize].trees;
        self.used += usize::from(*trees == 0);
        *trees += 1;
    }

    /// Notes that there is one tree of this make less.
    pub(super) fn discount(&mut self, number: u32) {
        let trees = &mut self.makes[number as usize].trees;
        *trees -= 1;
        self.used -= usize::from(*trees == 0);
    }

    pub(super) fn len(&self) -> usize {
        self.makes.len()
    }

    /// Returns how many makes no tree is of any more.
    pub(super) fn unused(&self) -> usize {
        self.makes.len() - self.used
    }
}

//! [`Member`]: one provider of a tree of a view, for callers to score.

use std::fmt;

use crate::forest::Provider;
use crate::search::picture::{Picture, Seat};
use crate::search::root::Root;
use crate::values::{ResourceClass, Trait};

/// Represents one provider of a tree of a [`View`](crate::View), and what it has.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub(super) picture: &'a Picture,
    pub(super) seat: Seat,
}

impl<'a> Member<'a> {
    /// Returns the root of the provider's tree.
    pub fn root(self) -> Root<'a> {
        Root { picture: self.picture, tree: self.seat.tree }
    }

    /// Returns the provider.
    pub fn provider(self) -> Provider {
        self.picture.provider(self.seat)
    }

    /// Returns what the provider has free of `class`; nothing if it is cordoned or does not have the
    /// class. O(log classes).
    pub fn free(self, class: ResourceClass) -> u64 {
        let make = self.picture.make(self.seat.tree);
        let at = self.picture.amount_of(make, self.seat.position, class.number());
        let tree = self.picture.trees[self.seat.tree as usize];
        at.map_or(0, |at| self.picture.free_at(tree, self.seat.position, at))
    }

    /// Returns whether the provider has a trait. O(log traits).
    pub fn has(self, quality: Trait) -> bool {
        let make = self.picture.make(self.seat.tree);
        self.picture.kind(make, self.seat.position).traits.contains(&quality)
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.provider()).finish()
    }
}

//! [`Root`]: one tree of a view, for callers to score.

use std::fmt;

use crate::forest::Provider;
use crate::search::picture::Picture;
use crate::values::{ResourceClass, Trait, Usage};

/// Represents the root of one tree of a [`View`](crate::View), and what the tree has.
#[derive(Clone, Copy)]
pub struct Root<'a> {
    pub(super) picture: &'a Picture,
    pub(super) tree: u32,
}

impl<'a> Root<'a> {
    /// Returns the number of the tree, by which [`View::free`](crate::View::free) is ordered. A
    /// [`refresh`](crate::View::refresh) or a [`reread`](crate::View::reread) may give trees other numbers,
    /// but only if providers were created, moved, removed or configured.
    pub fn number(self) -> usize {
        self.tree as usize
    }

    /// Returns the provider.
    pub fn provider(self) -> Provider {
        self.picture.root(self.tree)
    }

    /// Returns whether the root has a trait itself. O(log traits).
    pub fn has(self, quality: Trait) -> bool {
        let root = self.picture.make(self.tree).members[0];
        self.picture.kinds.get(root.kind).traits.contains(&quality)
    }

    /// Returns what all providers of the tree together have free of `class`; a cordoned provider has
    /// nothing. O(1), or O(providers with the class) if there are more than 64.
    pub fn free(self, class: ResourceClass) -> u64 {
        self.picture.free(self.tree, class.number()).sum
    }

    /// Returns the most that one provider of the tree has free of `class`. Costs what
    /// [`free`](Self::free) costs.
    pub fn most_free(self, class: ResourceClass) -> u64 {
        self.picture.free(self.tree, class.number()).most
    }

    /// Returns what each provider of the tree with `class` has free of it, in the order of a walk; a
    /// cordoned one has nothing. O(answer).
    pub fn each_free(self, class: ResourceClass) -> impl Iterator<Item = u64> + 'a {
        let tree = self.picture.trees[self.tree as usize];
        let members = self.picture.make(self.tree).members_with(class.number());
        members.iter().map(move |&(position, at)| self.picture.free_at(tree, position, at))
    }

    /// Returns what all providers of the tree together have and use of `class`, the cordoned ones
    /// too. O(providers with the class).
    pub fn usage(self, class: ResourceClass) -> Usage {
        self.picture.usage(self.tree, class.number())
    }
}

impl fmt::Debug for Root<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Root").field(&self.provider()).finish()
    }
}

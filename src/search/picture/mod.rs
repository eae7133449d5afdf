//! [`Picture`]: what is free in a forest, in arrays.

mod change;
mod follow;
mod install;

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use uuid::Uuid;

use crate::forest::{Forest, Provider};
use crate::ledger::{Cell, GateWord};
use crate::search::bits::Bits;
use crate::search::column::{Column, Free};
use crate::search::form::Need;
use crate::search::kind::{Kind, Kinds};
use crate::search::make::{Make, Makes};
use crate::search::recency::Recency;
use crate::values::Usage;

/// Holds a forest in arrays, for one thread to search in.
///
/// Trees have numbers in the order of the roots. The providers of a tree stand side by side in the
/// order of a walk, and so do their amounts. What trees have in common, which is everything but
/// handles and amounts, is in their [`Make`].
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) kinds: Kinds,
    pub(super) makes: Makes,
    pub(super) trees: Vec<Tree>,
    /// Counts the trees that there are.
    live: usize,
    /// Counts the trees that were there when the picture was built.
    expected: usize,
    /// The providers of all trees, and what is left of trees that were replaced.
    entries: Vec<Entry>,
    pub(super) amounts: Vec<Usage>,
    cordoned: Bits,
    /// Whether any provider is cordoned, or was since the picture was compacted.
    any_cordoned: bool,
    /// By the numbers of cells: which provider has the cell.
    owners: Vec<Owner>,
    columns: Vec<Column>,
    /// The sharing providers.
    pub(super) sharing: Vec<Seat>,
    /// Counts the providers and amounts that no tree has any more.
    dead: usize,
    /// The trees by when more has come to be free there, or they have come.
    pub(super) grown: Recency,
    /// Changes whenever what was prepared for the picture has to be prepared again.
    pub(super) epoch: u64,
    /// Changes whenever more is free of a sharing provider, so that any tree may have grown.
    pub(super) shared_growth: u64,
    /// What an order of the trees has to learn, if there is one.
    changed: Option<ChangedTrees>,
    /// The trees by when they have changed, if there are rankings.
    recent: Option<Recency>,
    /// Changes whenever a tree with a sharing provider does, so that any tree may serve or not.
    pub(super) shared_changes: u64,
    /// What is counted as used before it is.
    assumed: HashMap<Assumption, u64, FixedState>,
}

/// Describes a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    /// The tree's make; [`GONE`](Self::GONE) if the tree is no more.
    pub(super) make: u32,
    /// The number of the root; those of the descendants follow.
    pub(super) first: u32,
    /// The position of the first amount.
    pub(super) amounts: u32,
}

impl Tree {
    const GONE: u32 = u32::MAX;

    #[inline]
    pub(super) fn is_live(self) -> bool {
        self.make != Self::GONE
    }
}

/// Names a provider by its tree and its position in the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Seat {
    pub(super) tree: u32,
    pub(super) position: u32,
}

/// Holds what the picture knows of one provider, apart from amounts; in one line of the cache, since
/// who looks at one part most often looks at the others too.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Entry {
    provider: Provider,
    /// Which versions of its usage and configuration the picture shows.
    usage: GateWord,
    configuration: u64,
    tree: u32,
}

/// Tells what a cell belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Owner(u32);

impl Owner {
    /// Nobody has looked yet, or it was a provider that is gone.
    const UNKNOWN: Owner = Owner(u32::MAX);
    /// The cell is of a kind that is not in the picture, for good.
    const OTHER: Owner = Owner(u32::MAX - 1);
    /// The cell is a consumer's, for good.
    const CONSUMER: Owner = Owner(u32::MAX - 2);

    fn of(provider: u32) -> Self {
        Owner(provider)
    }

    fn provider(self) -> Option<u32> {
        (self.0 < Self::CONSUMER.0).then_some(self.0)
    }
}

/// Names a provider and a class, by the structure cell and its incarnation.
type Assumption = (Cell, u64, u16);

/// Lists trees that have changed.
#[derive(Default, Debug)]
pub(super) struct ChangedTrees {
    /// May list a tree twice.
    pub(super) trees: Vec<u32>,
    /// Whether all trees are listed, and may have other numbers than before.
    pub(super) is_anew: bool,
}

impl Picture {
    /// Returns the number of trees.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub(super) fn make(&self, tree: u32) -> &Make {
        self.makes.get(self.trees[tree as usize].make)
    }

    #[inline]
    pub(super) fn kind(&self, make: &Make, position: u32) -> &Kind {
        self.kinds.get(make.members[position as usize].kind)
    }

    /// Returns the handle of the root of `tree`.
    pub(super) fn root(&self, tree: u32) -> Provider {
        self.entries[self.trees[tree as usize].first as usize].provider
    }

    /// Returns the handle of the provider in `seat`.
    #[inline]
    pub(super) fn provider(&self, seat: Seat) -> Provider {
        self.entries[self.number(seat)].provider
    }

    /// Returns how much a claim can take of the amount at position `at` of a tree, which the member
    /// at `position` has.
    #[inline]
    pub(super) fn free_at(&self, tree: Tree, position: u32, at: u32) -> u64 {
        if self.any_cordoned && self.cordoned.has((tree.first + position) as usize) {
            return 0;
        }
        let Usage { capacity, used } = self.amounts[(tree.amounts + at) as usize];
        capacity.saturating_sub(used)
    }

    /// Returns whether nothing may be taken from the provider in `seat`.
    #[inline]
    pub(super) fn is_cordoned(&self, seat: Seat) -> bool {
        self.any_cordoned && self.cordoned.has(self.number(seat))
    }

    /// Returns the number of the provider in `seat`.
    #[inline]
    fn number(&self, seat: Seat) -> usize {
        (self.trees[seat.tree as usize].first + seat.position) as usize
    }

    /// Returns whether two providers of one kind have the same free and used amounts.
    pub(super) fn are_equal(&self, one: Seat, other: Seat) -> bool {
        let amounts = |seat: Seat| {
            let (make, tree) = (self.make(seat.tree), self.trees[seat.tree as usize]);
            let member = make.members[seat.position as usize];
            let first = (tree.amounts + member.amounts) as usize;
            &self.amounts[first..first + self.kinds.get(member.kind).classes.len()]
        };
        amounts(one) == amounts(other) && self.is_cordoned(one) == self.is_cordoned(other)
    }

    /// Returns the column of `class`, if any provider has ever had the class.
    #[inline]
    pub(super) fn column(&self, class: u16) -> Option<&Column> {
        self.columns.get(class as usize)
    }

    /// Returns what the column of `class` says of `tree`.
    #[inline]
    pub(super) fn free_of(&self, class: u16, tree: usize) -> Free {
        self.column(class).map_or(Free::default(), |column| column.get(tree))
    }

    /// Returns whether `tree` has as much free as is needed, as far as its column tells.
    #[inline]
    pub(super) fn has_enough(&self, tree: usize, need: &Need) -> bool {
        self.column(need.class).is_some_and(|column| column.has_enough(tree, need))
    }

    /// Returns the seat of `provider`, if the picture has it.
    pub(super) fn seat(&self, provider: &Provider) -> Option<Seat> {
        let number = self.owner(provider.cell).provider()?;
        let entry = &self.entries[number as usize];
        (entry.provider == *provider).then(|| self.seat_of(number))
    }

    /// Returns the tree of the provider with this uuid. O(1) for a provider that still has its uuid.
    pub(super) fn tree_of_uuid(&self, forest: &Forest, uuid: Uuid) -> Option<u32> {
        let hint = forest.providers.hint(&uuid).and_then(|key| self.owner(key.cell).provider());
        let number = match hint {
            Some(number) if self.entries[number as usize].provider.uuid == uuid => number,
            _ => self
                .numbers()
                .find(|&number| self.entries[number as usize].provider.uuid == uuid)?,
        };
        Some(self.entries[number as usize].tree)
    }

    /// Returns the numbers of all providers.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let trees = self.trees.iter().filter(|tree| tree.is_live());
        trees.flat_map(|tree| {
            let members = self.makes.get(tree.make).members.len() as u32;
            tree.first..tree.first + members
        })
    }

    /// Returns the provider in `seat` and its ancestors, as far as they have `class`.
    pub(super) fn chain(&self, seat: Seat, class: u16) -> impl Iterator<Item = Seat> {
        let make = self.make(seat.tree);
        let parent = |position: &u32| {
            let parent = make.members[*position as usize].parent;
            (parent != *position).then_some(parent)
        };
        let positions = std::iter::successors(Some(seat.position), parent);
        let has_class = move |position: &u32| self.kind(make, *position).position(class).is_some();
        positions.filter(has_class).map(move |position| Seat { position, ..seat })
    }

    /// Returns the numbers of all trees.
    pub(super) fn live_trees(&self) -> impl Iterator<Item = u32> {
        (0..self.trees.len() as u32).filter(|&tree| self.trees[tree as usize].is_live())
    }

    /// Returns the number of providers.
    pub(super) fn count(&self) -> usize {
        self.entries.len() - self.dead
    }

    /// Returns what is free of `class` in `tree`.
    pub(super) fn free(&self, tree: u32, class: u16) -> Free {
        match self.free_of(class, tree as usize) {
            Free { most: u64::MAX, .. } => self.add_up(tree, class),
            free => free,
        }
    }

    /// Adds up what is free of `class` in `tree`, from each provider.
    pub(super) fn add_up(&self, tree: u32, class: u16) -> Free {
        let place = self.trees[tree as usize];
        self.sum_of(place, self.makes.get(place.make).members_with(class))
    }

    /// Returns what these members of a tree have free.
    #[inline]
    fn sum_of(&self, tree: Tree, members: &[(u32, u32)]) -> Free {
        members.iter().fold(Free::default(), |free, &(position, at)| {
            let one = self.free_at(tree, position, at);
            Free { most: free.most.max(one), sum: free.sum.saturating_add(one) }
        })
    }

    /// Returns what is free of `class` in each tree together, by the number of the tree.
    pub(super) fn free_by_tree(&self, class: u16) -> Cow<'_, [u64]> {
        match self.column(class).and_then(Column::sums) {
            Some(sums) if sums.len() == self.trees.len() => sums.into(),
            _ => (0..self.trees.len() as u32).map(|tree| self.free(tree, class).sum).collect(),
        }
    }

    /// Returns what the providers of `tree` together have and use of `class`.
    pub(super) fn usage(&self, tree: u32, class: u16) -> Usage {
        let place = self.trees[tree as usize];
        let members = self.makes.get(place.make).members_with(class);
        members.iter().fold(Usage { capacity: 0, used: 0 }, |sum, &(_, at)| {
            let Usage { capacity, used } = self.amounts[(place.amounts + at) as usize];
            let (capacity, used) =
                (sum.capacity.saturating_add(capacity), sum.used.saturating_add(used));
            Usage { capacity, used }
        })
    }

    /// Returns the position of `class` among the amounts of the member at `position`.
    pub(super) fn amount_of(&self, make: &Make, position: u32, class: u16) -> Option<u32> {
        let at = self.kind(make, position).position(class)?;
        Some(make.members[position as usize].amounts + at as u32)
    }

    /// Returns what is used of each class of the provider in `seat`.
    pub(super) fn usages(&self, seat: Seat) -> impl Iterator<Item = (u16, Usage)> {
        let (make, tree) = (self.make(seat.tree), self.trees[seat.tree as usize]);
        let first = tree.amounts + make.members[seat.position as usize].amounts;
        let classes = self.kind(make, seat.position).classes.iter().map(|units| units.class);
        classes.zip(self.amounts[first as usize..].iter().copied())
    }

    /// Returns the number of entries, of providers that are gone too.
    #[cfg(all(test, not(provider_tree_loom)))]
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Returns the bytes that the picture takes.
    pub(super) fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|it| it.bytes() + size_of::<Column>()).sum();
        let makes: usize = (0..self.makes.len() as u32).map(|it| self.makes.get(it).bytes()).sum();
        self.trees.capacity() * size_of::<Tree>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.amounts.capacity() * size_of::<Usage>()
            + self.owners.capacity() * size_of::<Owner>()
            + self.grown.bytes()
            + self.recent.as_ref().map_or(0, Recency::bytes)
            + self.cordoned.bytes()
            + columns
            + makes
    }

    /// Returns the seat of the provider with this usage cell.
    pub(super) fn seat_of_cell(&self, usage: Cell) -> Option<Seat> {
        Some(self.seat_of(self.owner(usage).provider()?))
    }

    /// Returns what the cell belongs to.
    #[inline]
    fn owner(&self, cell: Cell) -> Owner {
        self.owners.get(cell.number() as usize).copied().unwrap_or(Owner::UNKNOWN)
    }

    /// Returns the seat of the provider with this number.
    #[inline]
    fn seat_of(&self, number: u32) -> Seat {
        let tree = self.entries[number as usize].tree;
        Seat { tree, position: number - self.trees[tree as usize].first }
    }
}

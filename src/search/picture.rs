//! [`Picture`]: what is free in a forest, in arrays.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;
use uuid::Uuid;

use crate::forest::{Forest, Node, Provider};
use crate::layout::{CellKind, Life, State, Structure, UsageWords, usage_of};
use crate::ledger::{Cell, GateWord, Torn};
use crate::search::bits::Bits;
use crate::search::column::{Column, Free};
use crate::search::holders::Holders;
use crate::search::kind::{Kind, Kinds};
use crate::search::make::{Make, Makes, Place};
use crate::search::source::{Present, Source, root_now};
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
    /// The handles of the providers of all trees, and of what is left of trees that were replaced.
    pub(super) providers: Vec<Provider>,
    /// The tree of each provider.
    tree_of: Vec<u32>,
    seen: Vec<Seen>,
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
    /// Trees of which more is free than before, or that are new, since `grown_before` others were.
    grown: Vec<u32>,
    grown_before: u64,
    /// Changes whenever what was prepared for the picture has to be prepared again.
    pub(super) epoch: u64,
    /// Changes whenever more is free of a sharing provider, so that any tree may have grown.
    pub(super) shared_growth: u64,
    /// What an order of the trees has to learn, if there is one.
    changed: Option<ChangedTrees>,
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

/// Holds which versions of a provider's usage and configuration the picture shows.
#[derive(Clone, Copy, Debug)]
struct Seen {
    usage: GateWord,
    configuration: u64,
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

/// Names a tree that has to be read again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stale {
    /// The structure cell of the root.
    root: Cell,
    /// The tree that had this root, if the picture has such a tree.
    tree: Option<u32>,
}

impl Stale {
    fn of_root(root: Cell) -> Self {
        Stale { root, tree: None }
    }
}

/// Holds a tree as it was read.
#[derive(Default)]
pub(super) struct Reading {
    nodes: Vec<Node>,
    providers: Vec<(Provider, Seen, bool)>,
    places: Vec<Place>,
    amounts: Vec<Usage>,
}

/// Reads the picture.
impl Picture {
    /// Returns a picture of the trees with these roots, as they are in `source`, which reads one
    /// instant.
    pub(super) fn of(source: &mut impl Source, roots: Vec<Cell>) -> Result<Self, Torn> {
        let mut picture = Picture { expected: roots.len(), ..Picture::default() };
        let mut reading = Reading::default();
        for root in roots {
            if picture.read_tree(source, root, &mut reading)? {
                let tree = picture.add_tree();
                picture.install(tree, &reading, &mut Vec::new());
            }
        }
        Ok(picture)
    }

    /// Returns a picture of the trees with these roots, each as it is when it is read. The caller
    /// [updates](Self::update) it by what has changed meanwhile.
    pub(super) fn of_present(forest: &Forest, roots: Vec<Cell>) -> Self {
        let mut picture = Picture { expected: roots.len(), ..Picture::default() };
        let mut stale: Vec<_> = roots.into_iter().map(Stale::of_root).collect();
        stale.reverse();
        picture.read_trees(forest, stale);
        picture
    }

    /// Reads the tree whose root has this structure cell. Returns whether there is such a tree.
    fn read_tree(
        &mut self,
        source: &mut impl Source,
        root: Cell,
        reading: &mut Reading,
    ) -> Result<bool, Torn> {
        let mut nodes = std::mem::take(&mut reading.nodes);
        let read = source.tree(root, &mut nodes).and_then(|is_there| {
            self.read_nodes(source, &nodes, reading)?;
            Ok(is_there)
        });
        reading.nodes = nodes;
        read
    }

    /// Reads what the providers of a tree have.
    fn read_nodes(
        &mut self,
        source: &mut impl Source,
        nodes: &[Node],
        reading: &mut Reading,
    ) -> Result<(), Torn> {
        reading.providers.clear();
        reading.amounts.clear();
        reading.places.truncate(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            let usage = usage_of(node.cell);
            let (word, words) = source.usage(usage)?;
            let words = UsageWords(&words[..]);
            if !words.life().is(State::Live, node.structure.life.incarnation) {
                return Err(Torn);
            }
            let version = words.configuration();
            let kinds = &mut self.kinds;
            // Siblings are most often alike, and so are trees that are read one after the other.
            let sibling = position.checked_sub(1).and_then(|before| reading.places.get(before));
            let sibling = sibling.filter(|(_, parent)| *parent == node.parent && position > 1);
            let likely = sibling.or(reading.places.get(position)).map(|(kind, _)| *kind);
            let intern = |found: &_| kinds.intern(found, likely);
            let kind = source.configuration(usage, version, intern)?;
            let seen = Seen { usage: word, configuration: words.configuration() };
            let provider = source.forest().handle(node.cell, &node.structure);
            reading.providers.push((provider, seen, words.is_cordoned()));
            match reading.places.get_mut(position) {
                Some(place) => *place = (kind, node.parent),
                None => reading.places.push((kind, node.parent)),
            }
            for (class, amounts) in words.all() {
                let assumed = self.assumed(&provider, class);
                let Usage { capacity, used } = amounts.usage();
                reading.amounts.push(Usage { capacity, used: used.saturating_add(assumed) });
            }
        }
        Ok(())
    }

    /// Returns the number of a tree that has nothing yet, behind all others.
    fn add_tree(&mut self) -> u32 {
        if self.trees.len() == SAMPLE {
            self.make_room();
        }
        self.trees.push(Tree { make: Tree::GONE, first: 0, amounts: 0 });
        (self.trees.len() - 1) as u32
    }

    /// Makes room for all trees that are expected, by what the first of them take.
    fn make_room(&mut self) {
        let rest = |len: usize| len * self.expected.saturating_sub(SAMPLE) / SAMPLE;
        let (providers, amounts) = (rest(self.providers.len()), rest(self.amounts.len()));
        self.trees.reserve_exact(rest(SAMPLE));
        self.providers.reserve_exact(providers);
        self.seen.reserve_exact(providers);
        self.tree_of.reserve_exact(providers);
        self.amounts.reserve_exact(amounts);
    }

    /// Puts what was read in the place of `tree`. Adds to `stale` the roots of other trees that had
    /// a provider of this one.
    fn install(&mut self, tree: u32, reading: &Reading, stale: &mut Vec<Stale>) {
        let Tree { make: old_make, first: old_first, amounts: old_amounts } =
            self.trees[tree as usize];
        self.withdraw(tree);
        let make = self.makes.intern(&reading.places, &self.kinds);
        self.makes.count(make);
        let fits = old_make != Tree::GONE && {
            let old = self.makes.get(old_make);
            old.members.len() == reading.places.len()
                && old.amounts as usize == reading.amounts.len()
        };
        let (first, amounts) = if fits {
            self.dead -= reading.places.len();
            (old_first, old_amounts)
        } else {
            (self.providers.len() as u32, self.amounts.len() as u32)
        };
        self.trees[tree as usize] = Tree { make, first, amounts };
        self.live += 1;
        put(&mut self.amounts, amounts, reading.amounts.iter().copied());
        put(&mut self.providers, first, reading.providers.iter().map(|it| it.0));
        put(&mut self.seen, first, reading.providers.iter().map(|it| it.1));
        put(&mut self.tree_of, first, reading.providers.iter().map(|_| tree));
        for (number, (provider, _, cordoned)) in (first..).zip(&reading.providers) {
            if *cordoned || self.any_cordoned {
                self.any_cordoned = true;
                self.cordoned.set(number as usize, *cordoned);
            }
            if let Some(other) = self.own(provider.cell, number) {
                let other = self.tree_of[other as usize];
                if other != tree && self.trees[other as usize].is_live() {
                    stale.push(self.stale(other));
                }
            }
        }
        for at in 0..self.makes.get(make).classes.len() {
            self.summarize(tree, at);
        }
        self.note_sharing(tree);
        self.note_growth(tree);
        self.note_change(tree);
    }

    /// Lists the trees that change from now on, and for a start all trees.
    pub(super) fn list_changes(&mut self) {
        let trees = (0..self.trees.len() as u32).collect();
        self.changed = Some(ChangedTrees { trees, is_anew: true });
    }

    /// Returns the trees that have changed since the last call, if they are listed.
    pub(super) fn changed_trees(&mut self) -> Option<ChangedTrees> {
        self.changed.as_mut().map(std::mem::take)
    }

    /// Lists a tree that has changed.
    #[inline]
    fn note_change(&mut self, tree: u32) {
        if let Some(changed) = &mut self.changed
            && changed.trees.last() != Some(&tree)
        {
            changed.trees.push(tree);
        }
    }

    /// Notes that the provider with this number has the structure cell and the usage cell beside
    /// it. Returns the provider that had it.
    fn own(&mut self, structure: Cell, number: u32) -> Option<u32> {
        let (at, beside) = (structure.number() as usize, usage_of(structure).number() as usize);
        let end = at.max(beside) + 1;
        if end > self.owners.len() {
            self.owners.resize(end.max(self.owners.len() * 5 / 4), Owner::UNKNOWN);
        }
        self.owners[beside] = Owner::of(number);
        std::mem::replace(&mut self.owners[at], Owner::of(number)).provider()
    }

    /// Takes everything of `tree` out of the picture.
    fn withdraw(&mut self, tree: u32) {
        let Tree { make, first, .. } = self.trees[tree as usize];
        if make == Tree::GONE {
            return;
        }
        let trees = self.trees.len();
        let members = self.makes.get(make).members.len();
        self.trees[tree as usize].make = Tree::GONE;
        self.live -= 1;
        self.dead += members;
        self.makes.discount(make);
        for number in first..first + members as u32 {
            let structure = self.providers[number as usize].cell;
            for cell in [structure, usage_of(structure)] {
                let owner = &mut self.owners[cell.number() as usize];
                if *owner == Owner::of(number) {
                    *owner = Owner::UNKNOWN;
                }
            }
        }
        for members in &self.makes.get(make).classes {
            self.columns[members.class as usize].set(tree as usize, None, trees);
        }
        let before = self.sharing.len();
        self.sharing.retain(|seat| seat.tree != tree);
        if self.sharing.len() != before {
            self.epoch += 1;
        }
        self.note_change(tree);
    }

    /// Enters the sharing providers of `tree`.
    fn note_sharing(&mut self, tree: u32) {
        let make = self.makes.get(self.trees[tree as usize].make);
        let before = self.sharing.len();
        for (position, member) in (0..).zip(&make.members) {
            if self.kinds.get(member.kind).is_sharing() {
                self.sharing.push(Seat { tree, position });
            }
        }
        if self.sharing.len() != before {
            self.sharing.sort_unstable();
            self.epoch += 1;
        }
    }

    /// Computes what is free in `tree` of the class at this position of the make.
    fn summarize(&mut self, tree: u32, class: usize) {
        let place = self.trees[tree as usize];
        let members = &self.makes.get(place.make).classes[class];
        let free = match members.members.len() > MOST_SUMMED {
            true => Free { most: u64::MAX, sum: u64::MAX },
            false => self.sum_of(place, &members.members),
        };
        let class = members.class as usize;
        if class >= self.columns.len() {
            self.columns.resize_with(class + 1, Column::default);
        }
        let trees = self.trees.len().max(self.expected);
        self.columns[class].set(tree as usize, Some(free), trees);
    }
}

/// Puts `items` at `first` and the places behind, which are there or are the next ones.
#[inline]
fn put<T>(into: &mut Vec<T>, first: u32, items: impl ExactSizeIterator<Item = T>) {
    let first = first as usize;
    match into.get_mut(first..first + items.len()) {
        Some(places) => places.iter_mut().zip(items).for_each(|(place, item)| *place = item),
        None => into.extend(items),
    }
}

/// Counts the trees that tell how much room the others take.
const SAMPLE: usize = 64;

/// A tree with more providers of one class than this is not summed up at each change, but searched.
const MOST_SUMMED: usize = 64;

/// Answers.
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
        self.providers[self.trees[tree as usize].first as usize]
    }

    /// Returns the handle of the provider in `seat`.
    #[inline]
    pub(super) fn provider(&self, seat: Seat) -> Provider {
        self.providers[self.number(seat)]
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

    /// Returns the seat of `provider`, if the picture has it.
    pub(super) fn seat(&self, provider: &Provider) -> Option<Seat> {
        let owner = self.owners.get(provider.cell.number() as usize)?;
        let number = owner.provider()?;
        let tree = self.tree_of[number as usize];
        let is_same = self.providers[number as usize] == *provider;
        is_same.then(|| Seat { tree, position: number - self.trees[tree as usize].first })
    }

    /// Returns the tree of the provider with this uuid. O(1) for a provider that still has its uuid.
    pub(super) fn tree_of_uuid(&self, forest: &Forest, uuid: Uuid) -> Option<u32> {
        let hint = forest
            .providers
            .hint(&uuid)
            .and_then(|key| self.owners.get(key.cell.number() as usize));
        let number = match hint.and_then(|owner| owner.provider()) {
            Some(number) if self.providers[number as usize].uuid == uuid => number,
            _ => self.numbers().find(|&number| self.providers[number as usize].uuid == uuid)?,
        };
        Some(self.tree_of[number as usize])
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
        self.providers.len() - self.dead
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
            Some(sums) if !sums.contains(&u64::MAX) && sums.len() == self.trees.len() => {
                sums.into()
            }
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

    /// Returns the trees that have grown since the caller had seen `seen` such events, or `None` if
    /// they are not known any more.
    #[inline]
    pub(super) fn grown_since(&self, seen: u64) -> Option<&[u32]> {
        let from = seen.checked_sub(self.grown_before)?;
        self.grown.get(from as usize..)
    }

    /// Returns how many trees have grown so far.
    #[inline]
    pub(super) fn grown(&self) -> u64 {
        self.grown_before + self.grown.len() as u64
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

    /// Returns the bytes that the picture takes.
    pub(super) fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|it| it.bytes() + size_of::<Column>()).sum();
        let makes: usize = (0..self.makes.len() as u32).map(|it| self.makes.get(it).bytes()).sum();
        self.trees.capacity() * size_of::<Tree>()
            + self.providers.capacity() * size_of::<Provider>()
            + self.tree_of.capacity() * size_of::<u32>()
            + self.seen.capacity() * size_of::<Seen>()
            + self.amounts.capacity() * size_of::<Usage>()
            + self.owners.capacity() * size_of::<Owner>()
            + self.grown.capacity() * size_of::<u32>()
            + self.cordoned.bytes()
            + columns
            + makes
    }
}

/// Follows a forest.
impl Picture {
    /// Takes in what has changed in `cells`, and returns how many providers were read again.
    ///
    /// The cells were touched before the call, so that what is read now is what they hold since, or
    /// something later.
    pub(super) fn update(
        &mut self,
        forest: &Forest,
        holders: &mut Option<Holders>,
        cells: impl IntoIterator<Item = Cell>,
    ) -> usize {
        let mut stale = Vec::new();
        let mut read = 0;
        for cell in cells {
            read += usize::from(self.examine(forest, cell, &mut stale));
            if let Some(holders) = holders
                && self.owners.get(cell.number() as usize) == Some(&Owner::CONSUMER)
            {
                holders.read(&forest.ledger, cell);
            }
        }
        stale.sort_unstable();
        stale.dedup();
        self.read_trees(forest, stale);
        read
    }

    /// Reads one provider again, and its tree if that has changed.
    pub(super) fn reread_one(&mut self, forest: &Forest, seat: Seat) {
        let mut stale = Vec::new();
        self.reread(forest, self.number(seat) as u32, &mut stale);
        self.read_trees(forest, stale);
    }

    /// Compares everything with the forest, and returns how many providers were read again.
    pub(super) fn update_all(&mut self, forest: &Forest, holders: &mut Option<Holders>) -> usize {
        self.update(forest, holders, (0..forest.ledger.cell_bound()).map(Cell::new))
    }

    /// Reads `cell` again if it has changed. Adds to `stale` the roots of trees whose structure may
    /// have. Returns whether the cell was read.
    fn examine(&mut self, forest: &Forest, cell: Cell, stale: &mut Vec<Stale>) -> bool {
        let at = cell.number() as usize;
        let owner = self.owners.get(at).copied().unwrap_or(Owner::UNKNOWN);
        if owner == Owner::OTHER || owner == Owner::CONSUMER {
            return false;
        }
        let Some(number) = owner.provider() else {
            self.meet(forest, cell, stale);
            return false;
        };
        let provider = self.providers[number as usize];
        if cell != provider.cell {
            let is_seen = forest.ledger.is_in_force(cell, self.seen[number as usize].usage);
            return !is_seen && self.reread(forest, number, stale);
        }
        let structure = forest.ledger.peek(cell, Structure::of);
        let tree = self.tree_of[number as usize];
        let Tree { first, make, .. } = self.trees[tree as usize];
        let make = self.makes.get(make);
        let position = number - first;
        let cell_at = |position: u32| self.providers[(first + position) as usize].cell;
        let is_here = structure.life.is(State::Live, provider.incarnation)
            && match position {
                0 => structure.parent == Some(forest.super_root),
                _ => {
                    let parent = make.members[position as usize].parent;
                    structure.parent == Some(cell_at(parent))
                        && structure.previous == make.sibling_before(position).map(cell_at)
                }
            };
        if !is_here {
            stale.push(self.stale(tree));
            stale.extend(root_now(forest, cell).map(Stale::of_root));
        }
        false
    }

    /// Looks at a cell that belongs to no provider of the picture.
    fn meet(&mut self, forest: &Forest, cell: Cell, stale: &mut Vec<Stale>) {
        let life = forest.ledger.peek(cell, Life::of);
        match life.kind() {
            CellKind::Structure if life.is(State::Live, life.incarnation) => {
                if cell != forest.super_root {
                    stale.extend(root_now(forest, cell).map(Stale::of_root));
                }
            }
            // A usage cell comes with its structure cell.
            CellKind::Structure | CellKind::Usage => {}
            CellKind::Name | CellKind::Consumer | CellKind::Sharing => {
                let at = cell.number() as usize;
                if at >= self.owners.len() {
                    self.owners.resize(at + 1, Owner::UNKNOWN);
                }
                self.owners[at] = match life.kind() {
                    CellKind::Consumer => Owner::CONSUMER,
                    _ => Owner::OTHER,
                };
            }
        }
    }

    /// Reads the usage of a provider again. Adds the root of the provider's tree to `stale` if the
    /// tree has to be read again. Returns whether the amounts were taken in.
    fn reread(&mut self, forest: &Forest, number: u32, stale: &mut Vec<Stale>) -> bool {
        let provider = self.providers[number as usize];
        let usage = usage_of(provider.cell);
        let tree = self.tree_of[number as usize];
        let Tree { first, make, amounts } = self.trees[tree as usize];
        let position = number - first;
        let mut source = Present(forest);
        loop {
            let Ok((word, words)) = source.usage(usage) else { continue };
            let words = UsageWords(&words[..]);
            let member = self.makes.get(make).members[position as usize];
            if !words.life().is(State::Live, provider.incarnation) {
                stale.push(self.stale(tree));
                return false;
            }
            if words.configuration() != self.seen[number as usize].configuration {
                // If the version is gone, the cell has changed again.
                let is_kind = source.configuration(usage, words.configuration(), |found| {
                    self.kinds.is(member.kind, found)
                });
                let Ok(is_kind) = is_kind else { continue };
                if !is_kind {
                    stale.push(self.stale(tree));
                    return false;
                }
            }
            let configuration = words.configuration();
            self.seen[number as usize] = Seen { usage: word, configuration };
            self.take_in(tree, position, (amounts + member.amounts) as usize, words);
            return true;
        }
    }

    /// Puts the amounts in `words` in the place of those of the member at `position`.
    fn take_in(&mut self, tree: u32, position: u32, first: usize, words: UsageWords<&[u64]>) {
        let number = (self.trees[tree as usize].first + position) as usize;
        let was_cordoned = self.any_cordoned && self.cordoned.has(number);
        let is_cordoned = words.is_cordoned();
        if is_cordoned != was_cordoned {
            self.any_cordoned |= is_cordoned;
            self.cordoned.set(number, is_cordoned);
        }
        let free = |is_cordoned: bool, usage: Usage| if is_cordoned { 0 } else { usage.free() };
        let mut grew = false;
        for (at, (class, amounts)) in (first..).zip(words.all()) {
            let Usage { capacity, used } = amounts.usage();
            let assumed = self.assumed(&self.providers[number], class);
            let now = Usage { capacity, used: used.saturating_add(assumed) };
            let before = std::mem::replace(&mut self.amounts[at], now);
            let (before, after) = (free(was_cordoned, before), free(is_cordoned, now));
            self.adjust(tree, class, before, after);
            grew |= after > before;
        }
        // A group without resources may have come to have a place.
        if grew || was_cordoned && !is_cordoned {
            self.note_growth(tree);
        }
        self.note_change(tree);
    }

    /// Notes that more is free in `tree` than before.
    fn note_growth(&mut self, tree: u32) {
        if self.sharing.binary_search_by_key(&tree, |seat| seat.tree).is_ok() {
            // What is shared may be what any other tree lacked.
            self.shared_growth += 1;
        }
        if self.grown.len() > 2 * self.trees.len() + 1_024 {
            self.grown_before += self.grown.len() as u64;
            self.grown.clear();
        }
        self.grown.push(tree);
    }

    /// Reads trees again, the last one first.
    fn read_trees(&mut self, forest: &Forest, mut stale: Vec<Stale>) {
        let mut reading = Reading::default();
        let mut source = Present(forest);
        while let Some(Stale { root, tree }) = stale.pop() {
            let is_there = loop {
                // Torn: the tree has changed while it was read.
                if let Ok(is_there) = self.read_tree(&mut source, root, &mut reading) {
                    break is_there;
                }
            };
            let tree = tree.filter(|&tree| self.trees[tree as usize].is_live());
            let owner = self.owners.get(root.number() as usize).and_then(|owner| owner.provider());
            let known = owner.map(|number| (number, self.tree_of[number as usize]));
            // What was a root when the picture was made may be below another one now.
            let is_root = |&(number, tree): &(u32, u32)| self.trees[tree as usize].first == number;
            let known = known.filter(is_root).map(|(_, tree)| tree);
            let place = is_there.then(|| known.or(tree).unwrap_or_else(|| self.add_tree()));
            if let Some(place) = place {
                self.install(place, &reading, &mut stale);
            }
            // Whatever else had this root has it no longer.
            let others = [tree, known].into_iter().flatten();
            others.filter(|&other| Some(other) != place).for_each(|other| self.withdraw(other));
        }
        self.tidy();
    }

    fn stale(&self, tree: u32) -> Stale {
        Stale { root: self.root(tree).cell, tree: Some(tree) }
    }

    /// Forgets what nothing needs any more, if that is much.
    fn tidy(&mut self) {
        let live = self.providers.len() - self.dead;
        let holes = self.trees.len() - self.live;
        if self.dead > live + 1_024
            || holes > self.live + 1_024
            || self.makes.len() > 64 && self.makes.unused() > self.makes.len() / 2
        {
            self.compact();
        }
    }

    /// Builds the picture again from what it shows, without what is gone.
    fn compact(&mut self) {
        let old = std::mem::take(self);
        let mut stale = Vec::new();
        let mut reading = Reading::default();
        self.assumed = old.assumed;
        self.changed = old.changed.map(|_| ChangedTrees { trees: Vec::new(), is_anew: true });
        self.expected = old.live;
        for tree in old.trees.iter().filter(|tree| tree.is_live()) {
            let make = old.makes.get(tree.make);
            reading.providers.clear();
            reading.places.clear();
            for (number, member) in (tree.first as usize..).zip(&make.members) {
                let cordoned = old.any_cordoned && old.cordoned.has(number);
                reading.providers.push((old.providers[number], old.seen[number], cordoned));
                let kind = self.kinds.take_over(old.kinds.get(member.kind));
                reading.places.push((kind, member.parent));
            }
            let first = tree.amounts as usize;
            reading.amounts.clear();
            reading.amounts.extend_from_slice(&old.amounts[first..first + make.amounts as usize]);
            let tree = self.add_tree();
            self.install(tree, &reading, &mut stale);
        }
        for (cell, owner) in old.owners.iter().enumerate() {
            if matches!(*owner, Owner::OTHER | Owner::CONSUMER) {
                if cell >= self.owners.len() {
                    self.owners.resize(old.owners.len(), Owner::UNKNOWN);
                }
                self.owners[cell] = *owner;
            }
        }
        self.epoch = old.epoch + 1;
        self.shared_growth = old.shared_growth;
        self.grown_before = old.grown_before + old.grown.len() as u64;
        self.grown.clear();
    }
}

/// Assumes.
impl Picture {
    #[inline]
    fn assumed(&self, provider: &Provider, class: u16) -> u64 {
        match self.assumed.is_empty() {
            true => 0,
            false => {
                let key = (provider.cell, provider.incarnation, class);
                self.assumed.get(&key).copied().unwrap_or(0)
            }
        }
    }

    /// Lets the provider in `seat` be read again when its usage cell is looked at. Returns the cell,
    /// unless that is so already.
    #[inline]
    pub(super) fn doubt(&mut self, seat: Seat) -> Option<Cell> {
        let number = self.number(seat);
        let seen = &mut self.seen[number].usage;
        let is_doubted = std::mem::replace(seen, GateWord::VACANT) == GateWord::VACANT;
        (!is_doubted).then(|| usage_of(self.providers[number].cell))
    }

    /// Returns the seat of the provider with this usage cell.
    pub(super) fn seat_of_cell(&self, usage: Cell) -> Option<Seat> {
        let number = self.owners.get(usage.number() as usize)?.provider()?;
        let tree = self.tree_of[number as usize];
        Some(Seat { tree, position: number - self.trees[tree as usize].first })
    }

    /// Counts `amount` as used in addition to whatever is read of the provider.
    pub(super) fn assume(&mut self, provider: &Provider, class: u16, amount: u64) {
        let key = (provider.cell, provider.incarnation, class);
        let assumed = self.assumed.entry(key).or_insert(0);
        *assumed = assumed.saturating_add(amount);
    }

    /// Counts at most `amount` as used no longer in addition to what is read of the provider.
    /// Returns how much was.
    pub(super) fn undo(&mut self, provider: &Provider, class: u16, amount: u64) -> u64 {
        let key = (provider.cell, provider.incarnation, class);
        let Entry::Occupied(mut assumed) = self.assumed.entry(key) else { return 0 };
        let undone = amount.min(*assumed.get());
        *assumed.get_mut() -= undone;
        if *assumed.get() == 0 {
            assumed.remove();
        }
        undone
    }

    /// Changes what is used of `class` in `seat`, without summing up. Returns what was free before,
    /// and what is now.
    #[inline]
    pub(super) fn change_used(
        &mut self,
        seat: Seat,
        class: u16,
        change: impl FnOnce(u64) -> u64,
    ) -> Option<(u64, u64)> {
        let tree = self.trees[seat.tree as usize];
        let at = self.amount_of(self.makes.get(tree.make), seat.position, class)?;
        let usage = &mut self.amounts[(tree.amounts + at) as usize];
        let before = usage.free();
        usage.used = change(usage.used);
        Some((before, usage.free()))
    }

    /// Changes what is used of `class` in `seat`. Notes that the tree has changed, and that it has
    /// grown unless it is the last one that `grown` tells of.
    #[inline]
    pub(super) fn change(
        &mut self,
        seat: Seat,
        class: u16,
        change: impl FnOnce(u64) -> u64,
        grown: &mut Option<u32>,
    ) {
        let Some((before, after)) = self.change_used(seat, class, change) else { return };
        if !self.is_cordoned(seat) {
            self.adjust(seat.tree, class, before, after);
            if after > before && grown.replace(seat.tree) != Some(seat.tree) {
                self.note_growth(seat.tree);
            }
        }
        self.note_change(seat.tree);
    }

    /// Brings the sums of `class` in `tree` up to date, after one provider has come to have `after`
    /// free instead of `before`.
    #[inline]
    fn adjust(&mut self, tree: u32, class: u16, before: u64, after: u64) {
        if before == after {
            return;
        }
        let Free { most, sum } = self.free_of(class, tree as usize);
        let rest = sum - before;
        let free = match (sum, rest.checked_add(after)) {
            // The sum is too great to be known, or was not computed.
            (u64::MAX, _) | (_, None) => None,
            (_, Some(sum)) if rest == 0 => Some(Free { most: after, sum }),
            (_, Some(sum)) => {
                let is_less = before == most && after < before;
                let stays = !is_less || self.has_free(tree, class, most);
                stays.then(|| Free { most: most.max(after), sum })
            }
        };
        match free {
            Some(free) => {
                self.columns[class as usize].set(tree as usize, Some(free), self.trees.len());
            }
            None => {
                let class = self.make(tree).position(class);
                self.summarize(tree, class.expect("a make lists the classes of its members"));
            }
        }
    }

    /// Returns whether a provider of `tree` has just so much free of `class`.
    #[inline]
    fn has_free(&self, tree: u32, class: u16, amount: u64) -> bool {
        let place = self.trees[tree as usize];
        let members = self.makes.get(place.make).members_with(class);
        members.iter().any(|&(position, at)| self.free_at(place, position, at) == amount)
    }
}

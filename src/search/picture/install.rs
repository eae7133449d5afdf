//! How a [`Picture`] takes whole trees in, and out again.

use crate::forest::Node;
use crate::layout::{State, UsageWords, usage_of};
use crate::ledger::{Cell, Torn};
use crate::search::make::Place;
use crate::search::picture::{ChangedTrees, Entry, Owner, Picture, Seat, Tree};
use crate::search::recency::Recency;
use crate::search::source::Source;
use crate::values::Usage;

/// Holds a tree as it was read.
#[derive(Default)]
pub(super) struct Reading {
    nodes: Vec<Node>,
    /// The providers, as of no tree yet, and whether they are cordoned.
    providers: Vec<(Entry, bool)>,
    places: Vec<Place>,
    amounts: Vec<Usage>,
}

/// Names a tree that has to be read again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stale {
    /// The structure cell of the root.
    pub(super) root: Cell,
    /// The tree that had this root, if the picture has such a tree.
    pub(super) tree: Option<u32>,
}

impl Stale {
    pub(super) fn of_root(root: Cell) -> Self {
        Stale { root, tree: None }
    }
}

/// Counts the trees that tell how much room the others take.
const SAMPLE: usize = 64;

impl Picture {
    /// Returns a picture of the trees with these roots, as they are in `source`, which reads one
    /// instant.
    pub(in crate::search) fn of(source: &mut impl Source, roots: Vec<Cell>) -> Result<Self, Torn> {
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

    /// Reads the tree whose root has this structure cell. Returns whether there is such a tree.
    pub(super) fn read_tree(
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
            let provider = source.forest().handle(node.cell, &node.structure);
            let configuration = words.configuration();
            let entry = Entry { provider, usage: word, configuration, tree: 0 };
            reading.providers.push((entry, words.is_cordoned()));
            match reading.places.get_mut(position) {
                Some(place) => *place = (kind, node.parent),
                None => reading.places.push((kind, node.parent)),
            }
            for (class, amounts) in words.all(&source.forest().layouts) {
                let assumed = self.assumed(&provider, class);
                let Usage { capacity, used } = amounts.usage();
                reading.amounts.push(Usage { capacity, used: used.saturating_add(assumed) });
            }
        }
        Ok(())
    }

    /// Returns the number of a tree that has nothing yet, behind all others.
    pub(super) fn add_tree(&mut self) -> u32 {
        if self.trees.len() == SAMPLE {
            self.make_room();
        }
        self.trees.push(Tree { make: Tree::GONE, first: 0, amounts: 0 });
        (self.trees.len() - 1) as u32
    }

    /// Makes room for all trees that are expected, by what the first of them take.
    fn make_room(&mut self) {
        let rest = |len: usize| len * self.expected.saturating_sub(SAMPLE) / SAMPLE;
        let (providers, amounts) = (rest(self.entries.len()), rest(self.amounts.len()));
        self.trees.reserve_exact(rest(SAMPLE));
        self.entries.reserve_exact(providers);
        self.amounts.reserve_exact(amounts);
    }

    /// Puts what was read in the place of `tree`. Adds to `stale` the roots of other trees that had
    /// a provider of this one.
    pub(super) fn install(&mut self, tree: u32, reading: &Reading, stale: &mut Vec<Stale>) {
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
            (self.entries.len() as u32, self.amounts.len() as u32)
        };
        self.trees[tree as usize] = Tree { make, first, amounts };
        self.live += 1;
        put(&mut self.amounts, amounts, reading.amounts.iter().copied());
        let entries = reading.providers.iter().map(|(entry, _)| Entry { tree, ..*entry });
        put(&mut self.entries, first, entries);
        for (number, (entry, cordoned)) in (first..).zip(&reading.providers) {
            if *cordoned || self.any_cordoned {
                self.any_cordoned = true;
                self.cordoned.set(number as usize, *cordoned);
            }
            if let Some(other) = self.own(entry.provider.cell, number) {
                let other = self.entries[other as usize].tree;
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
    pub(super) fn withdraw(&mut self, tree: u32) {
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
            let structure = self.entries[number as usize].provider.cell;
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

    /// Forgets what nothing needs any more, if that is much.
    pub(super) fn tidy(&mut self) {
        let live = self.entries.len() - self.dead;
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
                reading.providers.push((old.entries[number], cordoned));
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
        self.grown = Recency::after(&old.grown);
        self.recent = old.recent.as_ref().map(Recency::after);
        self.shared_changes = old.shared_changes;
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

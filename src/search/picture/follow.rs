//! How a [`Picture`] follows a forest: which trees and providers are read again.

use smallvec::SmallVec;

use crate::forest::Forest;
use crate::layout::{CellKind, Layouts, Life, State, Structure, UsageWords, WideUsage, usage_of};
use crate::ledger::{Cell, GateWord, Torn};
use crate::search::holders::Holders;
use crate::search::picture::install::{Reading, Stale};
use crate::search::picture::{Entry, Owner, Picture, Seat, Tree};
use crate::search::source::{Present, Source, root_now};
use crate::values::Usage;

/// Counts the providers that are read before what was read is taken in.
const AT_ONCE: usize = 16;

impl Picture {
    /// Returns a picture of the trees with these roots, each as it is when it is read. The caller
    /// [updates](Self::update) it by what has changed meanwhile.
    pub(in crate::search) fn of_present(forest: &Forest, roots: Vec<Cell>) -> Self {
        let mut picture = Picture { expected: roots.len(), ..Picture::default() };
        let mut stale: Vec<_> = roots.into_iter().map(Stale::of_root).collect();
        stale.reverse();
        picture.read_trees(forest, stale);
        picture
    }

    /// Takes in what has changed in `cells`, and returns how many providers were read again.
    ///
    /// The cells were touched before the call, so that what is read now is what they hold since, or
    /// something later.
    pub(in crate::search) fn update(
        &mut self,
        forest: &Forest,
        holders: &mut Option<Holders>,
        cells: impl IntoIterator<Item = Cell>,
    ) -> usize {
        let mut stale = Vec::new();
        let mut changed = Vec::new();
        let mut read = 0;
        for cell in cells {
            changed.extend(self.examine(forest, cell, &mut stale));
            if let Some(holders) = holders
                && self.owner(cell) == Owner::CONSUMER
            {
                holders.read(&forest.ledger, cell);
            }
            if changed.len() == AT_ONCE {
                read += self.reread_all(forest, &mut changed, &mut stale);
            }
        }
        read += self.reread_all(forest, &mut changed, &mut stale);
        self.read_trees(forest, arranged(stale));
        read
    }

    /// Reads one provider again, and its tree if that has changed.
    pub(in crate::search) fn reread_one(&mut self, forest: &Forest, seat: Seat) {
        let mut stale = Vec::new();
        self.reread(forest, self.number(seat) as u32, &mut stale);
        self.read_trees(forest, stale);
    }

    /// Compares everything with the forest, and returns how many providers were read again.
    pub(in crate::search) fn update_all(
        &mut self,
        forest: &Forest,
        holders: &mut Option<Holders>,
    ) -> usize {
        self.update(forest, holders, (0..forest.ledger.cell_bound()).map(Cell::new))
    }

    /// Looks at a cell that may have changed. Adds to `stale` the roots of trees whose structure may
    /// have. Returns the provider whose usage has.
    #[inline]
    fn examine(&mut self, forest: &Forest, cell: Cell, stale: &mut Vec<Stale>) -> Option<u32> {
        let owner = self.owner(cell);
        if owner == Owner::OTHER || owner == Owner::CONSUMER {
            return None;
        }
        let Some(number) = owner.provider() else {
            self.meet(forest, cell, stale);
            return None;
        };
        let entry = &mut self.entries[number as usize];
        if cell != entry.provider.cell {
            let word = forest.ledger.gate_word(cell);
            // The caller reads it after this, so that it need not be read for the same change again.
            return (std::mem::replace(&mut entry.usage, word) != word).then_some(number);
        }
        self.compare_structure(forest, number, stale);
        None
    }

    /// Adds the root of a provider's tree to `stale` if the provider is not where the picture has it.
    fn compare_structure(&self, forest: &Forest, number: u32, stale: &mut Vec<Stale>) {
        let Entry { provider, tree, .. } = self.entries[number as usize];
        let cell = provider.cell;
        let structure = forest.ledger.peek(cell, Structure::of);
        let Tree { first, make, .. } = self.trees[tree as usize];
        let make = self.makes.get(make);
        let position = number - first;
        let cell_at = |position: u32| self.entries[(first + position) as usize].provider.cell;
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

    /// Reads the usage of these providers again. Adds to `stale` the roots of trees that have to be
    /// read again. Returns of how many providers the amounts were taken in.
    fn reread_all(
        &mut self,
        forest: &Forest,
        changed: &mut Vec<u32>,
        stale: &mut Vec<Stale>,
    ) -> usize {
        // All are read before any is taken in: so the processor waits for several at once, where they
        // are not in its cache.
        let mut source = Present(forest);
        let read: SmallVec<[_; AT_ONCE]> = changed
            .iter()
            .map(|number| source.usage(usage_of(self.entries[*number as usize].provider.cell)))
            .collect();
        let taken_in = |(number, usage)| match usage {
            Ok((word, words)) => self
                .apply(&mut source, number, word, &words, stale)
                .unwrap_or_else(|Torn| self.reread(forest, number, stale)),
            Err(Torn) => self.reread(forest, number, stale),
        };
        changed.drain(..).zip(read).map(taken_in).filter(|is_taken_in| *is_taken_in).count()
    }

    /// Reads the usage of a provider again. Adds the root of the provider's tree to `stale` if the
    /// tree has to be read again. Returns whether the amounts were taken in.
    fn reread(&mut self, forest: &Forest, number: u32, stale: &mut Vec<Stale>) -> bool {
        let usage = usage_of(self.entries[number as usize].provider.cell);
        let mut source = Present(forest);
        loop {
            let Ok((word, words)) = source.usage(usage) else { continue };
            if let Ok(is_taken_in) = self.apply(&mut source, number, word, &words, stale) {
                return is_taken_in;
            }
        }
    }

    /// Takes the usage of a provider in, as it was read; or adds the root of the provider's tree to
    /// `stale`, and returns false, if the tree has to be read again.
    fn apply(
        &mut self,
        source: &mut Present<'_>,
        number: u32,
        word: GateWord,
        words: &WideUsage,
        stale: &mut Vec<Stale>,
    ) -> Result<bool, Torn> {
        let Entry { provider, tree, configuration, .. } = self.entries[number as usize];
        let Tree { first, make, amounts } = self.trees[tree as usize];
        let position = number - first;
        let words = UsageWords(&words[..]);
        let member = self.makes.get(make).members[position as usize];
        if !words.life().is(State::Live, provider.incarnation) {
            stale.push(self.stale(tree));
            return Ok(false);
        }
        if words.configuration() != configuration {
            // If the version is gone, the cell has changed again.
            let usage = usage_of(provider.cell);
            let is_kind = source.configuration(usage, words.configuration(), |found| {
                self.kinds.is(member.kind, found)
            })?;
            if !is_kind {
                stale.push(self.stale(tree));
                return Ok(false);
            }
        }
        let entry = &mut self.entries[number as usize];
        (entry.usage, entry.configuration) = (word, words.configuration());
        let first = (amounts + member.amounts) as usize;
        self.take_in(tree, position, first, words, &source.forest().layouts);
        Ok(true)
    }

    /// Puts the amounts in `words` in the place of those of the member at `position`.
    fn take_in(
        &mut self,
        tree: u32,
        position: u32,
        first: usize,
        words: UsageWords<&[u64]>,
        layouts: &Layouts,
    ) {
        let number = (self.trees[tree as usize].first + position) as usize;
        let was_cordoned = self.any_cordoned && self.cordoned.has(number);
        let is_cordoned = words.is_cordoned();
        if is_cordoned != was_cordoned {
            self.any_cordoned |= is_cordoned;
            self.cordoned.set(number, is_cordoned);
        }
        let free = |is_cordoned: bool, usage: Usage| if is_cordoned { 0 } else { usage.free() };
        let mut grew = false;
        for (at, (class, amounts)) in (first..).zip(words.all(layouts)) {
            let Usage { capacity, used } = amounts.usage();
            let assumed = self.assumed(&self.entries[number].provider, class);
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

    /// Reads trees again, the last one first, and what has left them.
    fn read_trees(&mut self, forest: &Forest, mut stale: Vec<Stale>) {
        let mut left = Vec::new();
        while !stale.is_empty() {
            self.read_trees_once(forest, &mut stale, &mut left);
            // What has left its tree, and was not met in another, may have moved to where nobody has
            // looked since: the move may have been announced after the caller had asked.
            left.retain(|cell| self.owner(*cell) == Owner::UNKNOWN);
            stale
                .extend(left.iter().filter_map(|cell| root_now(forest, *cell)).map(Stale::of_root));
            stale = arranged(stale);
        }
        self.tidy();
    }

    /// Reads trees again, the last one first. Adds to `left` what was in one of them and is no more.
    fn read_trees_once(&mut self, forest: &Forest, stale: &mut Vec<Stale>, left: &mut Vec<Cell>) {
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
            let owner = self.owner(root).provider();
            let known = owner.map(|number| (number, self.entries[number as usize].tree));
            // What was a root when the picture was made may be below another one now.
            let is_root = |&(number, tree): &(u32, u32)| self.trees[tree as usize].first == number;
            let known = known.filter(is_root).map(|(_, tree)| tree);
            let place = is_there.then(|| known.or(tree).unwrap_or_else(|| self.add_tree()));
            // Whatever else had this root has it no longer.
            let others = [tree, known].into_iter().flatten().filter(|&other| Some(other) != place);
            for before in others.clone().chain(place) {
                left.extend(self.cells(before));
            }
            if let Some(place) = place {
                self.install(place, &reading, stale);
            }
            others.for_each(|other| self.withdraw(other));
        }
    }

    /// Returns the structure cells of the providers of `tree`.
    fn cells(&self, tree: u32) -> impl Iterator<Item = Cell> {
        let place = self.trees[tree as usize];
        let count = if place.is_live() { self.makes.get(place.make).members.len() } else { 0 };
        self.entries[place.first as usize..][..count].iter().map(|entry| entry.provider.cell)
    }

    pub(super) fn stale(&self, tree: u32) -> Stale {
        Stale { root: self.root(tree).cell, tree: Some(tree) }
    }
}

/// Returns the trees, each once, for the last one to be read first: so roots that are new are met in
/// the order of their cells.
fn arranged(mut stale: Vec<Stale>) -> Vec<Stale> {
    stale.sort_unstable_by(|one, other| other.cmp(one));
    stale.dedup();
    stale
}

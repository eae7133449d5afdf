//! [`ForestReader`]: walks, and what a provider has and is, each as of one instant: now, or that of
//! a snapshot.

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::forest::core::Forest;
use crate::forest::provider::{Configuration, Provider};
use crate::layout::{Layouts, State, Structure, UsageWords, read_wide, shares, usage_of};
use crate::ledger::{Abort, Cell, Reader, Torn};
use crate::values::ResourceClass;

/// Reads the cells of a forest through a [`Reader`], which says of which instant.
///
/// A method that takes a provider refuses a handle of another forest, and a provider that does not
/// exist at that instant.
pub(crate) struct ForestReader<'a, R> {
    forest: &'a Forest,
    reader: &'a mut R,
}

impl<'a, R: Reader> ForestReader<'a, R> {
    #[inline]
    pub(crate) fn new(forest: &'a Forest, reader: &'a mut R) -> Self {
        ForestReader { forest, reader }
    }

    /// Reads the structure in `cell`.
    #[inline]
    pub(crate) fn structure_in(&mut self, cell: Cell) -> Result<Structure, Torn> {
        self.reader.read(cell, Structure::of_words)
    }

    /// Returns a handle of the provider with this structure.
    pub(crate) fn handle(&self, cell: Cell, structure: &Structure) -> Provider {
        self.forest.handle(cell, structure)
    }

    /// Reads the structure of `provider`.
    #[inline]
    fn structure(&mut self, provider: &Provider) -> Result<Structure, Abort<Error>> {
        let cell = self.forest.structure_cell(provider)?;
        let structure = self.structure_in(cell)?;
        provider.check_life(structure.life)?;
        Ok(structure)
    }
}

/// Describes a provider of a tree, as a walk from the root meets it.
pub(crate) struct Node {
    pub(crate) cell: Cell,
    pub(crate) structure: Structure,
    /// The position of the parent in the walk; for the root, the root's own.
    pub(crate) parent: u32,
}

/// Walks. Parents come before their children, except in [`ancestors`](ForestReader::ancestors).
impl<R: Reader> ForestReader<'_, R> {
    pub(crate) fn roots(&mut self) -> Result<Vec<Provider>, Torn> {
        let root = self.forest.super_root;
        let first = self.structure_in(root)?.first_child;
        self.siblings(root, first)
    }

    /// Returns all providers of the forest.
    pub(crate) fn all(&mut self) -> Result<Vec<Provider>, Torn> {
        let root = self.forest.super_root;
        let first = self.structure_in(root)?.first_child;
        let mut found = Vec::new();
        self.descend(root, first, &mut found)?;
        Ok(found)
    }

    pub(crate) fn children(&mut self, provider: &Provider) -> Result<Vec<Provider>, Abort<Error>> {
        let first = self.structure(provider)?.first_child;
        Ok(self.siblings(provider.cell, first)?)
    }

    /// Returns the parent of `provider`, or `None` for a root.
    pub(crate) fn parent(&mut self, provider: &Provider) -> Result<Option<Provider>, Abort<Error>> {
        let parent = self.structure(provider)?.parent.ok_or(Torn)?;
        if parent == self.forest.super_root {
            return Ok(None);
        }
        let structure = self.structure_in(parent)?;
        match structure.is_live() {
            true => Ok(Some(self.forest.handle(parent, &structure))),
            false => Err(Abort::Torn),
        }
    }

    /// Returns the ancestors of `provider`, its parent first.
    pub(crate) fn ancestors(&mut self, provider: &Provider) -> Result<Vec<Provider>, Abort<Error>> {
        let structure = self.structure(provider)?;
        Ok(self.climb(structure)?)
    }

    /// Returns `provider` and all its descendants.
    pub(crate) fn subtree(&mut self, provider: &Provider) -> Result<Vec<Provider>, Abort<Error>> {
        let mut found = Vec::new();
        self.subtree_into(provider, &mut found)?;
        Ok(found)
    }

    /// Puts `provider` and all its descendants into `found`, in the place of what is there.
    pub(crate) fn subtree_into(
        &mut self,
        provider: &Provider,
        found: &mut Vec<Provider>,
    ) -> Result<(), Abort<Error>> {
        found.clear();
        let first = self.structure(provider)?.first_child;
        found.push(*provider);
        Ok(self.descend(provider.cell, first, found)?)
    }

    /// Returns the whole tree that contains `provider`, its root first.
    pub(crate) fn tree_of(&mut self, provider: &Provider) -> Result<Vec<Provider>, Abort<Error>> {
        let structure = self.structure(provider)?;
        let ancestors = self.climb(structure)?;
        let root = *ancestors.last().unwrap_or(provider);
        let first = self.structure_in(root.cell)?.first_child;
        let mut found = vec![root];
        self.descend(root.cell, first, &mut found)?;
        Ok(found)
    }

    /// Puts the root in the structure cell `root` and all its descendants into `found`, each with its
    /// place. Returns false if the cell holds no root.
    pub(crate) fn nodes(&mut self, root: Cell, found: &mut Vec<Node>) -> Result<bool, Torn> {
        found.clear();
        let structure = self.structure_in(root)?;
        if !structure.is_live() || structure.parent != Some(self.forest.super_root) {
            return Ok(false);
        }
        found.push(Node { cell: root, structure, parent: 0 });
        let mut rest = SmallVec::<[_; 8]>::new();
        rest.push((0, root, structure.first_child));
        let mut patience = Patience::new();
        while let Some((parent, parent_cell, next)) = rest.pop() {
            let Some(cell) = next else { continue };
            let structure = self.child(cell, parent_cell, &mut patience)?;
            rest.push((parent, parent_cell, structure.next));
            rest.push((found.len() as u32, cell, structure.first_child));
            found.push(Node { cell, structure, parent });
        }
        Ok(true)
    }

    /// Returns the structure cell of the root of the tree that the provider in the structure cell
    /// `cell` is in. Returns `None` if the cell holds no provider.
    pub(crate) fn root_above(&mut self, cell: Cell) -> Result<Option<Cell>, Torn> {
        let structure = self.structure_in(cell)?;
        if !structure.is_live() {
            return Ok(None);
        }
        Ok(Some(self.climb(structure)?.last().map_or(cell, |root| root.cell)))
    }

    /// Returns the children of `parent` from `first` on.
    fn siblings(&mut self, parent: Cell, first: Option<Cell>) -> Result<Vec<Provider>, Torn> {
        let mut found = Vec::new();
        let mut next = first;
        let mut patience = Patience::new();
        while let Some(cell) = next {
            let structure = self.child(cell, parent, &mut patience)?;
            found.push(self.forest.handle(cell, &structure));
            next = structure.next;
        }
        Ok(found)
    }

    /// Returns the ancestors of the provider with this structure, its parent first.
    fn climb(&mut self, structure: Structure) -> Result<Vec<Provider>, Torn> {
        let mut found = Vec::new();
        let mut parent = structure.parent.ok_or(Torn)?;
        let mut patience = Patience::new();
        while parent != self.forest.super_root {
            patience.spend(self.reader)?;
            let structure = self.structure_in(parent)?;
            if !structure.is_live() {
                return Err(Torn);
            }
            found.push(self.forest.handle(parent, &structure));
            parent = structure.parent.ok_or(Torn)?;
        }
        Ok(found)
    }

    /// Adds every provider below `top`, whose first child is `first`, to `found`: depth first,
    /// without recursion.
    fn descend(
        &mut self,
        top: Cell,
        first: Option<Cell>,
        found: &mut Vec<Provider>,
    ) -> Result<(), Torn> {
        let mut rest = SmallVec::<[_; 8]>::new();
        rest.push((top, first));
        let mut patience = Patience::new();
        while let Some((parent, next)) = rest.pop() {
            let Some(cell) = next else { continue };
            let structure = self.child(cell, parent, &mut patience)?;
            found.push(self.forest.handle(cell, &structure));
            rest.push((parent, structure.next));
            rest.push((cell, structure.first_child));
        }
        Ok(())
    }

    /// Reads the structure of a provider that has to be a child of `parent`. If the provider is no
    /// such child, what was read before has changed.
    fn child(
        &mut self,
        cell: Cell,
        parent: Cell,
        patience: &mut Patience,
    ) -> Result<Structure, Torn> {
        patience.spend(self.reader)?;
        let structure = self.structure_in(cell)?;
        match structure.is_live() && structure.parent == Some(parent) {
            true => Ok(structure),
            false => Err(Torn),
        }
    }
}

/// Reads what a provider has and is.
impl<R: Reader> ForestReader<'_, R> {
    /// Returns everything about `provider` but its usage.
    pub(crate) fn configuration(
        &mut self,
        provider: &Provider,
    ) -> Result<Configuration, Abort<Error>> {
        let (version, generation) =
            self.usage(provider, |usage, _| (usage.configuration(), usage.generation()))?;
        let facts = self.forest.configurations.find(usage_of(provider.cell), version);
        Ok(Configuration { uuid: provider.uuid, generation, facts: facts.ok_or(Torn)? })
    }

    /// Returns everything but the usage about the provider with this structure, and what `extract`
    /// makes of the usage.
    pub(crate) fn configuration_of<T>(
        &mut self,
        cell: Cell,
        structure: &Structure,
        extract: impl FnOnce(UsageWords<&[u64]>, &Layouts) -> T,
    ) -> Result<(Configuration, T), Torn> {
        let layouts = &*self.forest.layouts;
        let read = read_wide(self.reader, layouts, usage_of(cell), |words| {
            let usage = UsageWords(words);
            (usage.life(), usage.generation(), usage.configuration(), extract(usage, layouts))
        })?;
        let (life, generation, version, extract) = read;
        if !life.is(State::Live, structure.life.incarnation) {
            return Err(Torn);
        }
        let facts = self.forest.configurations.find(usage_of(cell), version).ok_or(Torn)?;
        Ok((Configuration { uuid: structure.uuid, generation, facts }, extract))
    }

    /// Returns what `extract` makes of the usage of `provider`.
    pub(crate) fn usage<T>(
        &mut self,
        provider: &Provider,
        extract: impl FnOnce(UsageWords<&[u64]>, &Layouts) -> T,
    ) -> Result<T, Abort<Error>> {
        let cell = self.forest.usage_cell(provider)?;
        let layouts = &*self.forest.layouts;
        let extract = read_wide(self.reader, layouts, cell, |words| {
            let usage = UsageWords(words);
            provider.check_life(usage.life())?;
            Ok::<_, Error>(extract(usage, layouts))
        })?;
        Ok(extract?)
    }

    /// Returns whether any sharing provider has an inventory of `class`.
    pub(crate) fn has_sharing_provider(&mut self, class: ResourceClass) -> Result<bool, Torn> {
        self.reader.read(self.forest.sharing, |words| shares(words, class.number()))
    }
}

/// Bounds a walk through a structure that changes meanwhile, which could lead in circles.
///
/// After 1,024 steps, 2,048, 4,096 and so on, everything that the walk has read has to be
/// unchanged. If it is unchanged, there is no circle in it. All these checks together cost no more
/// than the walk.
struct Patience {
    steps: u64,
    next_check: u64,
}

impl Patience {
    fn new() -> Self {
        Patience { steps: 0, next_check: 1024 }
    }

    /// Counts a step of a walk through `reader`. Fails if what the walk has read is due to be
    /// checked, and has changed.
    fn spend(&mut self, reader: &impl Reader) -> Result<(), Torn> {
        self.steps += 1;
        if self.steps == self.next_check {
            self.next_check *= 2;
            if !reader.holds() {
                return Err(Torn);
            }
        }
        Ok(())
    }
}

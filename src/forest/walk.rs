//! Walks through the structure, each consistent as of one instant: now, or that of a snapshot.
//!
//! A method returns `None` if what the method has read contradicts itself, or can't be read any
//! more.

use crate::error::Result;
use crate::forest::core::Forest;
use crate::forest::provider::Provider;
use crate::layout::Structure;
use crate::ledger::{Cell, View};

impl Forest {
    pub(crate) fn roots(&self, view: &mut impl View) -> Option<Vec<Provider>> {
        let first = view.read(self.super_root, Structure::of_words)?.first_child;
        self.siblings(view, self.super_root, first)
    }

    pub(crate) fn all(&self, view: &mut impl View) -> Option<Vec<Provider>> {
        let first = view.read(self.super_root, Structure::of_words)?.first_child;
        let mut found = Vec::new();
        self.descend(view, self.super_root, first, &mut found)?;
        Some(found)
    }

    pub(crate) fn children(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Vec<Provider>>> {
        self.from(view, provider, |view, structure| {
            self.siblings(view, provider.cell, structure.first_child)
        })
    }

    pub(crate) fn parent(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Option<Provider>>> {
        self.from(view, provider, |view, structure| {
            let parent = structure.parent?;
            if parent == self.super_root {
                return Some(None);
            }
            let structure = view.read(parent, Structure::of_words)?;
            structure.is_live().then(|| Some(self.handle(parent, &structure)))
        })
    }

    pub(crate) fn ancestors(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Vec<Provider>>> {
        self.from(view, provider, |view, structure| self.climb(view, structure))
    }

    pub(crate) fn subtree(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Vec<Provider>>> {
        self.from(view, provider, |view, structure| {
            let mut found = vec![*provider];
            self.descend(view, provider.cell, structure.first_child, &mut found)?;
            Some(found)
        })
    }

    pub(crate) fn tree_of(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Vec<Provider>>> {
        self.from(view, provider, |view, structure| {
            let ancestors = self.climb(view, structure)?;
            let root = *ancestors.last().unwrap_or(provider);
            let first_child = view.read(root.cell, Structure::of_words)?.first_child;
            let mut found = vec![root];
            self.descend(view, root.cell, first_child, &mut found)?;
            Some(found)
        })
    }

    /// Runs `body` with the structure of `provider`. Fails if `provider` doesn't exist.
    fn from<V: View, T>(
        &self,
        view: &mut V,
        provider: &Provider,
        body: impl FnOnce(&mut V, Structure) -> Option<T>,
    ) -> Option<Result<T>> {
        let cell = match self.structure_cell(provider) {
            Ok(cell) => cell,
            Err(foreign) => return Some(Err(foreign)),
        };
        let structure = view.read(cell, Structure::of_words)?;
        match provider.check_life(structure.life) {
            Err(removed) => Some(Err(removed)),
            Ok(()) => body(view, structure).map(Ok),
        }
    }

    /// Returns the children of `parent` from `first` on.
    fn siblings(
        &self,
        view: &mut impl View,
        parent: Cell,
        first: Option<Cell>,
    ) -> Option<Vec<Provider>> {
        let mut found = Vec::new();
        let mut next = first;
        let mut patience = Patience::new();
        while let Some(cell) = next {
            let structure = read_child(view, cell, parent, &mut patience)?;
            found.push(self.handle(cell, &structure));
            next = structure.next;
        }
        Some(found)
    }

    /// Returns the ancestors of the provider with this structure, its parent first.
    fn climb(&self, view: &mut impl View, structure: Structure) -> Option<Vec<Provider>> {
        let mut found = Vec::new();
        let mut parent = structure.parent?;
        let mut patience = Patience::new();
        while parent != self.super_root {
            patience.spend(view)?;
            let structure = view.read(parent, Structure::of_words)?;
            if !structure.is_live() {
                return None;
            }
            found.push(self.handle(parent, &structure));
            parent = structure.parent?;
        }
        Some(found)
    }

    /// Adds every provider below `top`, whose first child is `first`, to `found`: depth first,
    /// without recursion.
    fn descend(
        &self,
        view: &mut impl View,
        top: Cell,
        first: Option<Cell>,
        found: &mut Vec<Provider>,
    ) -> Option<()> {
        let mut rest = vec![(top, first)];
        let mut patience = Patience::new();
        while let Some((parent, next)) = rest.pop() {
            let Some(cell) = next else { continue };
            let structure = read_child(view, cell, parent, &mut patience)?;
            found.push(self.handle(cell, &structure));
            rest.push((parent, structure.next));
            rest.push((cell, structure.first_child));
        }
        Some(())
    }
}

/// Reads a provider that has to be a child of `parent`. Returns `None` if the provider is no such
/// child: then what was read before has changed.
fn read_child(
    view: &mut impl View,
    cell: Cell,
    parent: Cell,
    patience: &mut Patience,
) -> Option<Structure> {
    patience.spend(view)?;
    let structure = view.read(cell, Structure::of_words)?;
    (structure.is_live() && structure.parent == Some(parent)).then_some(structure)
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

    fn spend(&mut self, view: &impl View) -> Option<()> {
        self.steps += 1;
        if self.steps == self.next_check {
            self.next_check *= 2;
            if !view.holds() {
                return None;
            }
        }
        Some(())
    }
}

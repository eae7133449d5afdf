//! Walks through the structure, each consistent as of one instant.

use crate::error::Result;
use crate::ledger::{Cell, Collect};
use crate::tree::cells::Structure;
use crate::tree::core::Core;
use crate::tree::provider::Provider;

impl Core {
    pub(crate) fn roots(&self) -> Vec<Provider> {
        Collect::consistent(&self.ledger, |collect| {
            let first = collect.read(self.super_root, Structure::of).first_child;
            self.siblings(collect, self.super_root, first)
        })
    }

    pub(crate) fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.walk(provider, |collect, cell, structure| {
            self.siblings(collect, cell, structure.first_child)
        })
    }

    pub(crate) fn parent(&self, provider: &Provider) -> Result<Option<Provider>> {
        self.walk(provider, |collect, _, structure| {
            let parent = structure.parent?;
            if parent == self.super_root {
                return Some(None);
            }
            let structure = collect.read(parent, Structure::of);
            structure.is_live().then(|| Some(self.handle(parent, &structure)))
        })
    }

    pub(crate) fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.walk(provider, |collect, _, structure| self.climb(collect, structure))
    }

    pub(crate) fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.walk(provider, |collect, cell, structure| {
            let mut found = vec![*provider];
            self.descend(collect, cell, structure.first_child, &mut found)?;
            Some(found)
        })
    }

    pub(crate) fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.walk(provider, |collect, _, structure| {
            let ancestors = self.climb(collect, structure)?;
            let root = *ancestors.last().unwrap_or(provider);
            let first_child = collect.read(root.cell, Structure::of).first_child;
            let mut found = vec![root];
            self.descend(collect, root.cell, first_child, &mut found)?;
            Some(found)
        })
    }

    pub(crate) fn forest(&self) -> Vec<Provider> {
        Collect::consistent(&self.ledger, |collect| {
            let first = collect.read(self.super_root, Structure::of).first_child;
            let mut found = Vec::new();
            self.descend(collect, self.super_root, first, &mut found)?;
            Some(found)
        })
    }

    /// Runs `body` from the structure of `provider` until its answer holds at one instant.
    fn walk<'a, T>(
        &'a self,
        provider: &Provider,
        mut body: impl FnMut(&mut Collect<'a>, Cell, Structure) -> Option<T>,
    ) -> Result<T> {
        let cell = self.structure_cell(provider)?;
        Collect::consistent(&self.ledger, |collect| {
            let structure = collect.read(cell, Structure::of);
            match Core::check(provider, structure.life) {
                Err(removed) => Some(Err(removed)),
                Ok(()) => body(collect, cell, structure).map(Ok),
            }
        })
    }

    /// The children of `parent` from `first` on.
    fn siblings(
        &self,
        collect: &mut Collect<'_>,
        parent: Cell,
        first: Option<Cell>,
    ) -> Option<Vec<Provider>> {
        let mut found = Vec::new();
        let mut next = first;
        let mut patience = Patience::new();
        while let Some(cell) = next {
            let structure = read_child(collect, cell, parent, &mut patience)?;
            found.push(self.handle(cell, &structure));
            next = structure.next;
        }
        Some(found)
    }

    /// The ancestors of the provider with this structure.
    fn climb(&self, collect: &mut Collect<'_>, structure: Structure) -> Option<Vec<Provider>> {
        let mut found = Vec::new();
        let mut parent = structure.parent?;
        let mut patience = Patience::new();
        while parent != self.super_root {
            patience.spend(collect)?;
            let structure = collect.read(parent, Structure::of);
            if !structure.is_live() {
                return None;
            }
            found.push(self.handle(parent, &structure));
            parent = structure.parent?;
        }
        Some(found)
    }

    /// Adds everything below `top`, whose first child is `first`: depth first, without recursion.
    fn descend(
        &self,
        collect: &mut Collect<'_>,
        top: Cell,
        first: Option<Cell>,
        found: &mut Vec<Provider>,
    ) -> Option<()> {
        let mut rest = vec![(top, first)];
        let mut patience = Patience::new();
        while let Some((parent, next)) = rest.pop() {
            let Some(cell) = next else { continue };
            let structure = read_child(collect, cell, parent, &mut patience)?;
            found.push(self.handle(cell, &structure));
            rest.push((parent, structure.next));
            rest.push((cell, structure.first_child));
        }
        Some(())
    }
}

/// Reads a provider that has to be a child of `parent`; none if it isn't, as then what was read
/// before has changed.
fn read_child(
    collect: &mut Collect<'_>,
    cell: Cell,
    parent: Cell,
    patience: &mut Patience,
) -> Option<Structure> {
    patience.spend(collect)?;
    let structure = collect.read(cell, Structure::of);
    (structure.is_live() && structure.parent == Some(parent)).then_some(structure)
}

/// Bounds a walk through a structure that changes meanwhile, which could lead in circles.
///
/// After 1,024 steps, 2,048, 4,096 and so on, what was read has to hold still. While it holds
/// there is no circle in it, and all these checks together cost no more than the walk.
pub(crate) struct Patience {
    steps: u64,
    next_check: u64,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience { steps: 0, next_check: 1024 }
    }

    pub(crate) fn spend(&mut self, collect: &Collect<'_>) -> Option<()> {
        self.steps += 1;
        if self.steps == self.next_check {
            self.next_check *= 2;
            if !collect.holds() {
                return None;
            }
        }
        Some(())
    }
}

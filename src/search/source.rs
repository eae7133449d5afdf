//! [`Source`]: what a picture is read from: a forest as it goes on, or one of its instants.

use std::sync::Arc;

use crate::forest::{Facts, Forest, ForestReader, Node};
use crate::layout::{UsageWords, WideUsage, copy_usage, read_wide};
use crate::ledger::{Cell, DoubleCollect, GateWord, Reader, Torn};
use crate::view::Fork;

/// Reads whole trees, and the usage and configuration of single providers.
pub(super) trait Source {
    /// Returns the forest whose cells are read.
    fn forest(&self) -> &Forest;

    /// Puts the tree whose root has this structure cell into `nodes`, in the order of a walk. Returns
    /// false if there is no such root.
    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn>;

    /// Returns the words of a usage cell, and the word that names the version, if the version can
    /// be compared with the one in force later.
    fn usage(&mut self, usage: Cell) -> Result<(GateWord, WideUsage), Torn>;

    /// Applies `read` to the configuration that a usage cell names as `version`.
    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Torn>;
}

/// Reads a forest as it is now: each tree's structure at one instant, each usage at its own.
pub(super) struct Present<'a>(pub(super) &'a Forest);

impl Source for Present<'_> {
    fn forest(&self) -> &Forest {
        self.0
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        let read = |now: &mut _| ForestReader::new(self.0, now).nodes(root, nodes);
        Ok(DoubleCollect::consistent(&self.0.ledger, read))
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, WideUsage), Torn> {
        let Forest { ledger, layouts, .. } = self.0;
        Ok(ledger.peek_version(usage, |record| copy_usage(record, layouts)))
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Torn> {
        self.0.with_configuration(usage, version, read)
    }
}

/// Reads a forest as it was at one instant.
pub(super) struct Still<'a, R> {
    pub(super) forest: &'a Forest,
    pub(super) reader: R,
}

impl<R: Reader> Still<'_, R> {
    /// Returns the structure cells of all roots.
    pub(super) fn roots(&mut self) -> Result<Vec<Cell>, Torn> {
        let roots = ForestReader::new(self.forest, &mut self.reader).roots()?;
        Ok(roots.iter().map(|root| root.cell).collect())
    }
}

impl<R: Reader> Source for Still<'_, R> {
    fn forest(&self) -> &Forest {
        self.forest
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        ForestReader::new(self.forest, &mut self.reader).nodes(root, nodes)
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, WideUsage), Torn> {
        let layouts = &self.forest.layouts;
        let words = read_wide(&mut self.reader, layouts, usage, WideUsage::from_slice)?;
        Ok((GateWord::VACANT, words))
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Torn> {
        self.forest.with_configuration(usage, version, read)
    }
}

/// Reads a forest as it is in a fork.
pub(super) struct InFork<'a> {
    fork: &'a Fork,
    pub(super) cells: Still<'a, &'a Fork>,
}

impl<'a> InFork<'a> {
    pub(super) fn new(fork: &'a Fork) -> Self {
        InFork { fork, cells: Still { forest: &fork.core_handle().forest, reader: fork } }
    }
}

impl Source for InFork<'_> {
    fn forest(&self) -> &Forest {
        self.cells.forest()
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        self.cells.tree(root, nodes)
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, WideUsage), Torn> {
        self.cells.usage(usage)
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Torn> {
        let Some(inventories) = self.fork.new_inventories(usage) else {
            return self.cells.configuration(usage, version, read);
        };
        // The fork's words name no configuration. All but the inventories is as in the snapshot.
        let mut past = self.fork.snapshot().pin().view();
        let version = past.read(usage, |words| UsageWords(words).configuration())?;
        self.forest().with_configuration(usage, version, |found| {
            read(&Facts { inventories: Arc::new(inventories.clone()), ..found.clone() })
        })
    }
}

/// Returns the structure cell of the root of the tree that the provider with this structure cell is
/// in now. Returns `None` if there is no such provider.
pub(super) fn root_now(forest: &Forest, structure: Cell) -> Option<Cell> {
    DoubleCollect::consistent(&forest.ledger, |now| {
        ForestReader::new(forest, now).root_above(structure)
    })
}

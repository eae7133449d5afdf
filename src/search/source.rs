//! [`Source`]: what a picture is read from: a forest as it goes on, or one of its instants.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::forest::{Configuration, Forest, ForestReader, Node};
use crate::layout::UsageWords;
use crate::ledger::{Cell, DoubleCollect, GateWord, Reader, Torn};
use crate::view::Fork;

/// Reads whole trees, and the usage and configuration of single providers.
pub(super) trait Source {
    /// Returns the forest whose cells are read.
    fn forest(&self) -> &Forest;

    /// Returns the structure cells of all roots.
    fn roots(&mut self) -> Result<Vec<Cell>, Torn>;

    /// Puts the tree whose root has this structure cell into `nodes`, in the order of a walk. Returns
    /// false if there is no such root.
    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn>;

    /// Returns the words of a usage cell, and the word that names the version, if the version can
    /// be compared with the one in force later.
    fn usage(&mut self, usage: Cell) -> Result<(GateWord, UsageCopy), Torn>;

    /// Applies `read` to the configuration that a usage cell names as `version`.
    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Configuration) -> T,
    ) -> Result<T, Torn>;
}

/// Holds the words of a usage cell.
pub(super) type UsageCopy = SmallVec<[u64; 16]>;

/// Reads a forest as it is now: each tree's structure at one instant, each usage at its own.
pub(super) struct Present<'a>(pub(super) &'a Forest);

impl Source for Present<'_> {
    fn forest(&self) -> &Forest {
        self.0
    }

    fn roots(&mut self) -> Result<Vec<Cell>, Torn> {
        let roots = |now: &mut _| ForestReader::new(self.0, now).roots();
        let roots = DoubleCollect::consistent(&self.0.ledger, roots);
        Ok(roots.iter().map(|root| root.cell).collect())
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        let read = |now: &mut _| ForestReader::new(self.0, now).nodes(root, nodes);
        Ok(DoubleCollect::consistent(&self.0.ledger, read))
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, UsageCopy), Torn> {
        Ok(self.0.ledger.peek_version(usage, |record| {
            (0..record.len()).map(|index| record.word(index)).collect()
        }))
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Configuration) -> T,
    ) -> Result<T, Torn> {
        self.0.with_configuration(usage, version, read)
    }
}

/// Reads a forest as it was at one instant.
pub(super) struct Still<'a, R> {
    pub(super) forest: &'a Forest,
    pub(super) reader: R,
}

impl<R: Reader> Source for Still<'_, R> {
    fn forest(&self) -> &Forest {
        self.forest
    }

    fn roots(&mut self) -> Result<Vec<Cell>, Torn> {
        let roots = ForestReader::new(self.forest, &mut self.reader).roots()?;
        Ok(roots.iter().map(|root| root.cell).collect())
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        ForestReader::new(self.forest, &mut self.reader).nodes(root, nodes)
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, UsageCopy), Torn> {
        let words = self.reader.read(usage, UsageCopy::from_slice)?;
        Ok((GateWord::VACANT, words))
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Configuration) -> T,
    ) -> Result<T, Torn> {
        self.forest.with_configuration(usage, version, read)
    }
}

/// Reads a forest as it is in a fork.
pub(super) struct InFork<'a>(pub(super) &'a Fork);

impl Source for InFork<'_> {
    fn forest(&self) -> &Forest {
        &self.0.core_handle().forest
    }

    fn roots(&mut self) -> Result<Vec<Cell>, Torn> {
        let forest = &self.0.core_handle().forest;
        let roots = ForestReader::new(forest, &mut self.0).roots()?;
        Ok(roots.iter().map(|root| root.cell).collect())
    }

    fn tree(&mut self, root: Cell, nodes: &mut Vec<Node>) -> Result<bool, Torn> {
        ForestReader::new(&self.0.core_handle().forest, &mut self.0).nodes(root, nodes)
    }

    fn usage(&mut self, usage: Cell) -> Result<(GateWord, UsageCopy), Torn> {
        let words = self.0.read(usage, UsageCopy::from_slice)?;
        Ok((GateWord::VACANT, words))
    }

    fn configuration<T>(
        &mut self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Configuration) -> T,
    ) -> Result<T, Torn> {
        let Some(inventories) = self.0.new_inventories(usage) else {
            return self.forest().with_configuration(usage, version, read);
        };
        // The fork's words name no configuration. All but the inventories is as in the snapshot.
        let mut past = self.0.snapshot().pin().view();
        let version = past.read(usage, |words| UsageWords(words).configuration())?;
        self.forest().with_configuration(usage, version, |found| {
            read(&Configuration { inventories: Arc::new(inventories.clone()), ..found.clone() })
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

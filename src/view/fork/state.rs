//! [`Fork`]: what a fork holds beside its snapshot.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::{Answers, Claim, Core};
use crate::error::{Error, Result};
use crate::forest::Provider;
use crate::layout::{ConsumerWords, Holding, Structure, read_wide, structure_of};
use crate::ledger::{Abort, Cell, Reader, Torn};
use crate::values::{Deadline, Inventories};
use crate::view::snapshot::Snapshot;

/// Answers what if: a private copy of a [`Snapshot`] in which a caller releases, claims, cordons
/// and sets inventories. Nobody else sees these changes, and each is checked as the forest would
/// check it.
///
/// A fork costs what it touches. Any number of threads can make any number of forks of one
/// snapshot, and a clone is a fork of a fork. When a fork shows what its caller looked for, its
/// [`to_batch`](Self::to_batch) can be [committed](crate::Worker::commit) as one transaction,
/// which succeeds if the difference still fits.
///
/// ```
/// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.configure(&host, vcpu, Expect::Any)?;
/// let all = |consumer| Claim::new(consumer).take(&host, ResourceClass::VCPU, 8);
/// let mut worker = tree.worker()?;
/// let (low, high) = (Uuid::new_v4(), Uuid::new_v4());
/// worker.claim(&all(low))?;
///
/// // Would the one fit if the other had to go?
/// let mut fork = tree.snapshot().fork();
/// assert!(fork.fits(&all(high)).is_err());
/// fork.release(low)?;
/// fork.claim(&all(high))?;
/// assert_eq!(tree.snapshot().consumers()?, [low]); // Nobody has seen it.
///
/// worker.commit(&fork.to_batch())?;
/// assert_eq!(tree.snapshot().consumers()?, [high]);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fork {
    pub(super) base: Snapshot,
    /// The words of the cells that differ from the snapshot.
    pub(super) cells: Cells,
    pub(super) inventories: BTreeMap<Cell, NewInventories>,
    pub(super) consumers: BTreeMap<Uuid, Tenancy>,
    /// The cordons that the fork has set or ended, by structure cell.
    pub(super) cordons: BTreeMap<Cell, CordonChange>,
    /// What the fork was asked about, as it is in the snapshot.
    pub(super) reads: RefCell<Reads>,
}

/// Holds inventories that a fork has set.
#[derive(Clone, Debug)]
pub(super) struct NewInventories {
    pub(super) provider: Provider,
    pub(super) inventories: Inventories,
    /// The provider's generation in the snapshot.
    pub(super) before: u64,
}

/// Holds the state of a consumer in a fork.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenancy {
    /// The consumer's generation in the snapshot, if it held something.
    pub(super) before: Option<u64>,
    pub(super) deadline: Option<Deadline>,
    pub(super) tag: u64,
    pub(super) held: Vec<Holding>,
    /// What the consumer has claimed in the fork.
    pub(super) claim: Option<Claim>,
    pub(super) is_changed: bool,
    /// Whether the fork has released what the consumer held in the snapshot.
    pub(super) is_ended: bool,
}

/// Holds a provider's own cordon in the snapshot and in a fork.
#[derive(Clone, Copy, Debug)]
pub(super) struct CordonChange {
    pub(super) provider: Provider,
    pub(super) before: bool,
    pub(super) now: bool,
}

/// Holds what a fork was asked about, as it is in the snapshot.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    pub(super) providers: HashMap<Provider, Answers, foldhash::fast::FixedState>,
    /// The consumers that held something, by their cells.
    pub(super) consumers: HashMap<Cell, Uuid, foldhash::fast::FixedState>,
    pub(super) absent: BTreeSet<Uuid>,
}

/// Holds the words of cells that differ from a fork's snapshot.
pub(super) type Cells = BTreeMap<Cell, Vec<u64>>;

impl Snapshot {
    /// Begins a private what-if on this snapshot. O(1).
    pub fn fork(&self) -> Fork {
        Fork {
            base: self.clone(),
            cells: Cells::default(),
            inventories: BTreeMap::new(),
            consumers: BTreeMap::new(),
            cordons: BTreeMap::new(),
            reads: RefCell::default(),
        }
    }
}

/// Reads the cells as they are in the fork. Nothing that is read so is noted as something that the
/// fork's difference rests on.
impl Reader for &Fork {
    fn read_translated<W: AsRef<[u64]>, T>(
        &mut self,
        cell: Cell,
        translate: impl Fn(&[u64]) -> Option<W>,
        extract: impl FnOnce(&[u64]) -> T,
    ) -> Result<T, Torn> {
        match self.cells.get(&cell) {
            Some(words) => Ok(extract(words)),
            None => self.base.pin().view().read_translated(cell, translate, extract),
        }
    }

    fn holds(&self) -> bool {
        true
    }
}

impl Tenancy {
    pub(super) fn is_live(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns the generation that the consumer's changes in the fork would lead to.
    pub(super) fn generation(&self) -> u64 {
        match (self.before, self.is_changed) {
            (None, _) => 1,
            (Some(before), false) => before,
            (Some(before), true) => before + 1,
        }
    }
}

impl Fork {
    pub(super) fn core(&self) -> &Core {
        &self.base.pin().core
    }

    /// Returns the forest that the fork's snapshot is of.
    pub(crate) fn core_handle(&self) -> &Arc<Core> {
        &self.base.pin().core
    }

    /// Returns the inventories that the fork has set for the provider with this usage cell.
    pub(crate) fn new_inventories(&self, usage: Cell) -> Option<&Inventories> {
        Some(&self.inventories.get(&usage)?.inventories)
    }

    /// Returns the provider with this usage cell, from which something is held.
    pub(super) fn provider_of(&self, usage: Cell) -> Result<Provider> {
        let cell = structure_of(usage);
        let structure = self.base.read(|past| past.read(cell, Structure::of_words))?;
        Ok(self.core().forest.handle(cell, &structure))
    }

    /// Returns the words that the cell has in the fork: those of a usage cell in the wide form.
    pub(super) fn words(&self, cell: Cell) -> Result<Vec<u64>> {
        match self.cells.get(&cell) {
            Some(words) => Ok(words.clone()),
            None => {
                let layouts = &self.core().forest.layouts;
                self.base.read(|past| read_wide(past, layouts, cell, <[u64]>::to_vec))
            }
        }
    }

    /// Returns the state of the consumer in the fork.
    pub(super) fn tenancy(&self, consumer: Uuid) -> Result<Tenancy> {
        if let Some(tenancy) = self.consumers.get(&consumer) {
            return Ok(tenancy.clone());
        }
        let Some(cell) = self.base.consumer_cell(consumer)? else {
            self.reads.borrow_mut().absent.insert(consumer);
            return Ok(Tenancy::default());
        };
        self.reads.borrow_mut().consumers.insert(cell, consumer);
        self.base.read(|past| {
            past.read(cell, |words| {
                let words = ConsumerWords(words);
                Tenancy {
                    before: Some(words.generation()),
                    deadline: words.deadline().map(Deadline),
                    tag: words.tag(),
                    held: words.held().collect(),
                    ..Tenancy::default()
                }
            })
        })
    }

    /// Returns the error for a change that was given up. Everything in a snapshot is of one
    /// instant, so a contradiction means that the snapshot can't be read any more.
    pub(crate) fn error(&self, abort: Abort<Error>) -> Error {
        match abort {
            Abort::Reject(error) => error,
            Abort::Torn => Error::SnapshotTooOld { snapshot: self.base.number() },
        }
    }
}

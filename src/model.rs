//! The ledger and its primitives as `loom-tests` reaches them. Only with `provider_tree_loom`.

#![allow(missing_docs, reason = "no part of the public interface")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::ledger::{Abort, DoubleCollect, FreeList, Kind, Limit, Pin, View, Writer};
use crate::tree::layout::Structure;
use crate::tree::{Provider, ProviderTree};

pub use crate::step::Step;
pub use crate::sync::{AtomicU64, threads};

/// Cells that stand alone.
const ALONE: Kind = Kind(1);

/// A cell of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cell(crate::ledger::Cell);

impl Cell {
    pub fn numbered(number: u32) -> Self {
        Cell(crate::ledger::Cell::new(number))
    }
}

/// The ledger, without anything above it.
#[derive(Clone)]
pub struct Ledger(Arc<crate::ledger::Ledger>);

impl Default for Ledger {
    fn default() -> Self {
        Ledger(Arc::new(crate::ledger::Ledger::new([1, 1, 1])))
    }
}

impl Ledger {
    /// A ledger with one cell for each of `contents`.
    pub fn with_cells<const N: usize>(contents: [&[u64]; N]) -> (Self, [Cell; N]) {
        let ledger = Self::default();
        let mut hand = ledger.hand();
        let cells = contents.map(|words| hand.new_cell(words));
        (ledger, cells)
    }

    pub fn hand(&self) -> Hand {
        Hand(self.0.writer().expect("a model has few workers"))
    }

    pub fn read(&self, cell: Cell) -> Vec<u64> {
        self.0.peek(cell.0, |record| (0..record.len()).map(|index| record.word(index)).collect())
    }

    /// The first words of several cells at one instant.
    pub fn read_all<const N: usize>(&self, cells: [Cell; N]) -> [u64; N] {
        DoubleCollect::consistent(&self.0, |collect| {
            Some(cells.map(|cell| collect.read(cell.0, |words| words[0]).expect("it is now")))
        })
    }

    /// Ends the present, so that it can be read from now on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { ledger: self.clone(), pin: self.0.pin() }
    }

    /// How many snapshots have not ended.
    pub fn snapshots(&self) -> usize {
        self.0.pins()
    }

    /// How many older versions of the cell are in its history.
    pub fn preserved(&self, cell: Cell) -> usize {
        self.0.preserved(cell.0)
    }

    /// The number of the record in force.
    pub fn record_of(&self, cell: Cell) -> u32 {
        self.0.version(cell.0).record().bits()
    }
}

/// An instant of the ledger. It has to be ended.
pub struct Snapshot {
    ledger: Ledger,
    pin: Pin,
}

impl Snapshot {
    /// The words in force then; none if the cell was not in use. None if too much would have to be
    /// kept.
    pub fn try_read(&self, cell: Cell) -> Option<Vec<u64>> {
        let mut words = Vec::new();
        self.ledger.0.read_at(&self.pin, cell.0, &mut words).ok()?;
        Some(words)
    }

    pub fn read(&self, cell: Cell) -> Vec<u64> {
        self.try_read(cell).expect("nothing was revoked")
    }

    /// Which of the cells may have changed since.
    pub fn changed<const N: usize>(&self, cells: [Cell; N]) -> [bool; N] {
        let mut changed = [false; N];
        self.ledger.0.changed_since(&self.pin, |cell| {
            for (changed, known) in changed.iter_mut().zip(cells) {
                *changed |= known.0 == cell;
            }
        });
        changed
    }

    /// Bounds how much is kept for it.
    pub fn keep_at_most(&self, limit: u64) {
        self.ledger.0.limit_kept(&self.pin, limit);
    }

    /// How much has been kept for it.
    pub fn kept(&self) -> u64 {
        self.ledger.0.kept(&self.pin)
    }

    pub fn end(self) {
        self.ledger.0.unpin(&self.pin, |_, _| {});
    }
}

/// The ledger's half of a worker.
pub struct Hand(Writer);

impl Hand {
    pub fn new_cell(&mut self, words: &[u64]) -> Cell {
        let cell = self.0.take_cells(ALONE, &[0]).expect("a model has few cells");
        let written: Result<(), Limit> = self.0.transact(|transaction| {
            let place = transaction.open(cell)?;
            transaction.rewrite(place, words);
            Ok(())
        });
        written.expect("a model has few records");
        Cell(cell)
    }

    pub fn give_cell(&mut self, cell: Cell) {
        self.0.give_cells(ALONE, cell.0);
    }

    /// Changes each word of a cell.
    pub fn update(&mut self, cell: Cell, mut change: impl FnMut(u64) -> u64) {
        let changed: Result<(), Limit> = self.0.update(cell.0, |words| {
            (0..words.len()).for_each(|index| words.set(index, [change(words.word(index))]));
            Ok(())
        });
        changed.expect("a model has few records");
    }

    /// Gives a cell other words, be they more or fewer.
    pub fn rewrite(&mut self, cell: Cell, words: &[u64]) {
        let written: Result<(), Limit> = self.0.transact(|transaction| {
            let place = transaction.open(cell.0)?;
            transaction.rewrite(place, words);
            Ok(())
        });
        written.expect("a model has few records");
    }

    /// The words of a cell as a transaction reads them.
    pub fn read(&mut self, cell: Cell) -> Vec<u64> {
        let words: Result<_, Limit> = self.0.transact(|transaction| {
            let place = transaction.open(cell.0)?;
            Ok(transaction.words(place).to_vec())
        });
        words.expect("a model has few cells")
    }

    /// Runs `body` with this hand; when it has reached `step` for the first time, `meanwhile` runs
    /// before it goes on. It may start threads: nobody is visited any more by then.
    pub fn interrupted(
        &mut self,
        step: Step,
        meanwhile: impl FnOnce() + 'static,
        body: impl FnOnce(&mut Hand),
    ) {
        let mut meanwhile = Some(meanwhile);
        let visit = move |reached| {
            if let Some(meanwhile) = meanwhile.take_if(|_| reached == step) {
                meanwhile();
            }
        };
        crate::step::with_steps(visit, || body(self));
    }

    /// Changes several cells as one: `change` gets the words of each; None leaves a cell as a
    /// mere condition. False if `accept` refuses what all cells held.
    pub fn transact<const N: usize>(
        &mut self,
        cells: [Cell; N],
        mut accept: impl FnMut([u64; N]) -> bool,
        mut change: impl FnMut(usize, u64) -> Option<u64>,
    ) -> bool {
        #[derive(Debug)]
        struct Refused;
        impl From<Limit> for Refused {
            fn from(_: Limit) -> Self {
                panic!("a model has few records")
            }
        }
        let result: Result<(), Refused> = self.0.transact(|transaction| {
            let places = cells.map(|cell| transaction.open(cell.0).expect("few cells"));
            if !accept(places.map(|place| transaction.word(place, 0))) {
                return Err(Abort::Reject(Refused));
            }
            for (index, place) in places.into_iter().enumerate() {
                if let Some(word) = change(index, transaction.word(place, 0)) {
                    transaction.words_mut(place).fill(word);
                }
            }
            Ok(())
        });
        result.is_ok()
    }

    /// Runs `body` with this hand until it has reached `step` for the `count`th time, and stops it
    /// there for ever: what it holds is never given back. False if it never came so far.
    ///
    /// A transaction gives its versions another stamp only if a snapshot is taken meanwhile: if it is
    /// to stop there, one is.
    pub fn stop_at(mut self, step: Step, count: usize, body: impl FnOnce(&mut Hand)) -> bool {
        struct Stopped;
        let ledger = Ledger(Arc::clone(self.0.ledger()));
        let mut left = count;
        let visit = move |reached| {
            if (step, reached) == (Step::Stamped, Step::Prepared) {
                ledger.snapshot().end();
            }
            left -= usize::from(reached == step);
            if left == 0 {
                // Unlike a panic this reports nothing.
                resume_unwind(Box::new(Stopped));
            }
        };
        let run = AssertUnwindSafe(|| crate::step::with_steps(visit, || body(&mut self)));
        let stopped = match catch_unwind(run) {
            Ok(()) => false,
            Err(panic) if panic.is::<Stopped>() => true,
            Err(panic) => resume_unwind(panic),
        };
        std::mem::forget(self);
        stopped
    }

    /// The numbers of the spare records at hand.
    pub fn spares(&self) -> Vec<u32> {
        self.0.spare_numbers()
    }
}

/// The numbers of the cells of a provider that is there: its structure and its name.
pub fn cells_of(tree: &ProviderTree, provider: &Provider) -> [u32; 2] {
    let structure = tree.core.ledger.peek(provider.cell, Structure::of);
    [provider.cell.number(), structure.name.expect("it is there").number()]
}

/// How many uuids, names and consumers have a cell, whether or not anything has them.
pub fn interned(tree: &ProviderTree) -> [u64; 3] {
    let core = &tree.core;
    [core.providers.index_size(), core.names.index_size(), core.consumers.index_size()]
        .map(|(entries, _)| entries)
}

/// Whether there is an entry for a lease, be it in force or not.
pub fn is_anything_due(tree: &ProviderTree) -> bool {
    tree.core.agenda.first().is_some()
}

/// A free list alone.
#[derive(Clone)]
pub struct FreeNumbers(Arc<FreeList>);

impl FreeNumbers {
    /// A list of chains of one number each; the last comes first.
    pub fn new(numbers: impl IntoIterator<Item = u32>) -> Self {
        let list = FreeNumbers(Arc::new(FreeList::new()));
        numbers.into_iter().for_each(|number| list.push(number));
        list
    }

    pub fn push(&self, number: u32) {
        self.0.push(std::iter::once(number));
    }

    pub fn pop(&self) -> Option<u32> {
        let mut popped = None;
        self.0.pop(|number| popped = Some(number));
        popped
    }
}

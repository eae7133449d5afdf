//! The ledger and its primitives as `loom-tests` reaches them; compiled only with
//! `provider_tree_loom`.

#![allow(missing_docs, reason = "no part of the public interface")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::api::ProviderTree;
use crate::forest::Provider;
use crate::layout::{CellKind, ClassWords, Life, Structure, UsageWords, write_usage};
use crate::ledger::{
    Abort, DoubleCollect, FreeList, Kind, Limit, Pin, Reach, Reader, Writer, with_fast_cells,
};
use crate::values::{ClassCapacity, Inventory, ResourceClass};

pub use crate::step::Step;
pub use crate::sync::{AtomicU64, threads};

/// Marks cells that stand alone.
const ALONE: Kind = Kind(1);

/// Runs `body`, which checks a model, with fast transactions that change up to eight cells, as they do
/// outside of models.
pub fn with_wide_fast_transactions(body: impl FnOnce()) {
    with_fast_cells(8, body);
}

/// Names a cell of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cell(crate::ledger::Cell);

impl Cell {
    pub fn numbered(number: u32) -> Self {
        Cell(crate::ledger::Cell::new(number))
    }
}

/// Represents the ledger, without anything above it.
#[derive(Clone)]
pub struct Ledger(Arc<crate::ledger::Ledger>);

impl Default for Ledger {
    fn default() -> Self {
        Ledger(Arc::new(crate::ledger::Ledger::new(&[1, 1])))
    }
}

impl Ledger {
    /// Returns a ledger with one cell for each of `contents`.
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

    /// Returns the first words of several cells, read at one instant.
    pub fn read_all<const N: usize>(&self, cells: [Cell; N]) -> [u64; N] {
        DoubleCollect::consistent(&self.0, |collect| {
            Ok(cells.map(|cell| collect.read(cell.0, |words| words[0]).expect("it is now")))
        })
    }

    /// Takes a snapshot: what is in force now can be read until the snapshot is ended.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { ledger: self.clone(), pin: self.0.pin() }
    }

    /// Returns a reader that follows the trails from now on.
    pub fn follow(&self) -> Follower {
        Follower { ledger: self.clone(), follower: self.0.follow() }
    }

    /// Says, before the model starts a thread, that something waits in it.
    pub fn expect_waiters(&self) {
        self.0.waiters.expect();
    }

    /// Returns the number of snapshots that have not ended.
    pub fn snapshots(&self) -> usize {
        self.0.pins()
    }

    /// Returns the number of older versions of `cell` that are in its history.
    pub fn preserved(&self, cell: Cell) -> usize {
        self.0.preserved(cell.0)
    }

    /// Returns the number of the record that holds the version of `cell` in force.
    pub fn record_of(&self, cell: Cell) -> u32 {
        self.0.version(cell.0).record().bits()
    }
}

/// Represents the ledger at one instant. A snapshot has to be [ended](Self::end).
pub struct Snapshot {
    ledger: Ledger,
    pin: Pin,
}

impl Snapshot {
    /// Returns the words of `cell` that were in force at the snapshot, or no words if the cell was
    /// not in use. Returns `None` if the snapshot's bound was met and the words are no longer kept.
    pub fn try_read(&self, cell: Cell) -> Option<Vec<u64>> {
        let mut words = Vec::new();
        self.ledger.0.read_at(&self.pin, cell.0, &mut words).ok()?;
        Some(words)
    }

    pub fn read(&self, cell: Cell) -> Vec<u64> {
        self.try_read(cell).expect("nothing was revoked")
    }

    /// Returns which of the cells may have changed since the snapshot.
    pub fn changed<const N: usize>(&self, cells: [Cell; N]) -> [bool; N] {
        let mut changed = [false; N];
        self.ledger.0.changed_since(&self.pin, |cell| {
            for (changed, known) in changed.iter_mut().zip(cells) {
                *changed |= known.0 == cell;
            }
        });
        changed
    }

    /// Enters a waiter for the next change; returns `None` if a cell has changed since the snapshot.
    pub fn wait(&self, waker: &Waker) -> Option<Waiter> {
        let waiter = self.ledger.0.wait_since(&self.pin, waker)?;
        Some(Waiter { ledger: self.ledger.clone(), waiter })
    }

    /// Returns whether a cell has changed since the snapshot.
    pub fn has_changed(&self) -> bool {
        self.ledger.0.has_changed_since(&self.pin)
    }

    /// Bounds how many older versions are kept for the snapshot.
    pub fn keep_at_most(&self, limit: u64) {
        self.ledger.0.limit_kept(&self.pin, limit);
    }

    /// Returns how many older versions have been kept for the snapshot.
    pub fn kept(&self) -> u64 {
        self.ledger.0.kept(&self.pin)
    }

    pub fn end(self) {
        self.ledger.0.unpin(&self.pin, |_, _| {});
    }
}

/// Represents someone who waits for a change.
pub struct Waiter {
    ledger: Ledger,
    waiter: Arc<crate::ledger::Waiter>,
}

impl Waiter {
    /// Waits no longer.
    pub fn leave(self) {
        self.ledger.0.waiters.leave(&self.waiter);
    }
}

/// Represents a reader that follows the trails.
pub struct Follower {
    ledger: Ledger,
    follower: crate::ledger::Follower,
}

impl Follower {
    /// Returns the cells that have changed since the last call, or `None` if there may be others.
    pub fn touched(&mut self) -> Option<Vec<Cell>> {
        let mut cells = Vec::new();
        let reach = self.ledger.0.touched(&mut self.follower, |cell| cells.push(Cell(cell)));
        (reach == Reach::All).then_some(cells)
    }
}

/// Represents the ledger's half of a worker.
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

    /// Replaces the words of a cell by others, of any number.
    pub fn rewrite(&mut self, cell: Cell, words: &[u64]) {
        let written: Result<(), Limit> = self.0.transact(|transaction| {
            let place = transaction.open(cell.0)?;
            transaction.rewrite(place, words);
            Ok(())
        });
        written.expect("a model has few records");
    }

    /// Returns the words of a cell as a transaction reads them.
    pub fn read(&mut self, cell: Cell) -> Vec<u64> {
        let words: Result<_, Limit> = self.0.transact(|transaction| {
            let place = transaction.open(cell.0)?;
            Ok(transaction.words(place).to_vec())
        });
        words.expect("a model has few cells")
    }

    /// Runs `body` with this hand. When `body` reaches `step` for the first time, `meanwhile` runs
    /// before `body` goes on. `meanwhile` may start threads: no step is reported while it runs.
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

    /// Changes several cells as one. `change` gets the index and the first word of each cell, and
    /// returns the word that is to fill the cell, or `None` to leave the cell as a mere condition.
    /// Returns false if `accept` refuses the first words of the cells.
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

    /// Tries once to give several cells, as one, the words that `change` makes of their first words.
    /// Returns false if another change came first, or is under way.
    pub fn transact_fast<const N: usize>(
        &mut self,
        cells: [Cell; N],
        change: impl Fn(u64) -> u64,
    ) -> bool {
        let mut transaction = self.0.fast_transaction();
        for cell in cells {
            let Some(words) = transaction.change(cell.0) else { return false };
            let word = change(words.word(0));
            (0..words.len()).for_each(|index| words.set(index, [word]));
        }
        transaction.commit()
    }

    /// Runs `body` with this hand until it has reached `step` for the `count`th time, and stops it
    /// there for ever: what the hand holds is never given back. Returns false if `body` never came
    /// to that step so often.
    ///
    /// A transaction gives its new versions another stamp only if a snapshot is taken after they
    /// were written. So if `body` has to stop at that step, a snapshot is taken.
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
                // Unlike a panic, this reports nothing.
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

    /// Returns the numbers of the hand's spare records.
    pub fn spares(&self) -> Vec<u32> {
        self.0.spare_numbers()
    }
}

/// Returns the numbers of the cells of a provider that exists: its structure cell and its name
/// cell.
pub fn cells_of(tree: &ProviderTree, provider: &Provider) -> [u32; 2] {
    let structure = tree.core.forest.ledger.peek(provider.cell, Structure::of);
    [provider.cell.number(), structure.name.expect("it is there").number()]
}

/// Returns how many uuids, names and consumers have a cell, whether or not the key belongs to
/// anything.
pub fn interned(tree: &ProviderTree) -> [u64; 3] {
    let core = &tree.core;
    [
        core.forest.providers.index_size(),
        core.forest.names.index_size(),
        core.claims.consumers.index_size(),
    ]
    .map(|size| size.keys)
}

/// Returns whether the agenda has an entry for a lease, whether or not the lease is in force.
pub fn is_anything_due(tree: &ProviderTree) -> bool {
    tree.core.claims.leases.agenda.first().is_some()
}

/// Represents a free list by itself.
#[derive(Clone)]
pub struct FreeNumbers(Arc<FreeList>);

impl FreeNumbers {
    /// Returns a list of chains of one number each; the last number pushed comes off first.
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

/// Represents the layouts of packed amounts by themselves.
#[derive(Clone)]
pub struct Layouts(Arc<crate::layout::Layouts>);

impl Default for Layouts {
    fn default() -> Self {
        Layouts(Arc::new(crate::layout::Layouts::new()))
    }
}

impl Layouts {
    /// Returns a use of the layout for one class with this capacity.
    pub fn layout(&self, capacity: u64) -> Layout {
        let (class, inventory) = (ResourceClass::VCPU, Inventory::new(capacity));
        let layout = self.0.layout(&[ClassCapacity { class, capacity, inventory }]);
        Layout(layout.expect("one class fits, and few layouts are in use"))
    }

    /// Returns the capacity that a usage cell with this layout is read to have, which is `expected`. Returns
    /// 0 if the layout is not for that.
    pub fn capacity(&self, layout: &Layout, expected: u64) -> u64 {
        let class = ResourceClass::VCPU.number();
        let mut words = Vec::new();
        let used = ClassWords { class, capacity: expected, used: 0, taken: 0, has_units: false };
        let life = Life::first(CellKind::Usage);
        write_usage(&mut words, life, 0, 0, false, &[used], Some(&layout.0));
        let found = UsageWords(&words[..]).find(&self.0, class);
        found.filter(|_| words.len() == 5).map_or(0, |found| found.capacity)
    }

    /// Returns the number of layouts in use.
    pub fn count(&self) -> u64 {
        self.0.count()
    }
}

/// Represents one use of a layout.
pub struct Layout(crate::layout::Layout);

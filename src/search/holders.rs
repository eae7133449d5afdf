//! [`Holders`]: which consumers hold what of which provider.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::layout::{ConsumerWords, Holding, Identity, copy_words, is_live_consumer};
use crate::ledger::{Cell, Ledger};

/// Holds what each consumer holds, and for each provider the consumers that hold something of it.
#[derive(Default)]
pub(super) struct Holders {
    consumers: HashMap<Cell, Held, FixedState>,
    /// The cells of the consumers, by usage cell.
    by_usage: HashMap<Cell, SmallVec<[Cell; 4]>, FixedState>,
}

/// Holds what one consumer holds.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) consumer: Uuid,
    pub(super) generation: u64,
    pub(super) tag: u64,
    pub(super) holdings: SmallVec<[Holding; 4]>,
}

impl Holders {
    /// Reads a consumer's cell again, as it is now.
    pub(super) fn read(&mut self, ledger: &Ledger, cell: Cell) {
        self.note(cell, ConsumerWords(&ledger.peek(cell, copy_words)));
    }

    /// Takes in the words of a consumer's cell.
    pub(super) fn note(&mut self, cell: Cell, words: ConsumerWords<'_>) {
        self.forget(cell);
        if !is_live_consumer(words.life()) {
            return;
        }
        let holdings: SmallVec<[Holding; 4]> = words.held().collect();
        for holding in &holdings {
            let consumers = self.by_usage.entry(holding.usage).or_default();
            // A consumer's amounts of one provider stand side by side.
            if consumers.last() != Some(&cell) {
                consumers.push(cell);
            }
        }
        let Identity { uuid: consumer, generation, tag } = words.identity();
        let held = Held { consumer, generation, tag, holdings };
        self.consumers.insert(cell, held);
    }

    fn forget(&mut self, cell: Cell) {
        let Some(held) = self.consumers.remove(&cell) else { return };
        for holding in held.holdings {
            if let Some(consumers) = self.by_usage.get_mut(&holding.usage) {
                consumers.retain(|other| *other != cell);
                if consumers.is_empty() {
                    self.by_usage.remove(&holding.usage);
                }
            }
        }
    }

    /// Returns the consumers that hold something of the provider with this usage cell, and their
    /// cells.
    pub(super) fn of(&self, usage: Cell) -> impl Iterator<Item = (Cell, &Held)> {
        let cells = self.by_usage.get(&usage).into_iter().flatten();
        cells.map(|cell| (*cell, &self.consumers[cell]))
    }

    /// Returns the bytes that all of this takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.consumers.capacity() * size_of::<(Cell, Held)>()
            + self.by_usage.capacity() * size_of::<(Cell, SmallVec<[Cell; 4]>)>()
    }
}

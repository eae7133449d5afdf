//! [`Histories`]: older values beside each cell, for the snapshots that need them.

use std::sync::Arc;

use super::ordered_map::OrderedMap;
use crate::ledger::store::slots::Slots;
use crate::ledger::word::{Cell, Stamp};

/// Holds the histories of all cells. A history has its values by number.
pub(crate) struct Histories<V>(Slots<History<V>>);

/// Holds what is kept beside one cell. A change copies what it changes, and shares the rest.
pub(crate) type History<V> = OrderedMap<HistoryEntry<V>>;

/// Holds a value that was in force, and when it ceased to be.
#[derive(Clone)]
pub(crate) struct HistoryEntry<V> {
    pub(crate) until: Stamp,
    pub(crate) value: V,
}

/// Tells when something was in force: from one reading of the clock until before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Stamp,
    pub(crate) until: Stamp,
}

impl<V: Clone> Histories<V> {
    pub(crate) fn new() -> Self {
        Histories(Slots::new())
    }

    /// Applies `read` to the history of `cell`, if it has one.
    pub(crate) fn with<T>(
        &self,
        cell: Cell,
        read: impl FnOnce(&History<V>) -> Option<T>,
    ) -> Option<T> {
        self.0.get(cell)?.with(|history| read(history?))
    }

    /// Returns the number of values that are kept. O(cells).
    pub(crate) fn count(&self) -> u64 {
        let length = |history: Option<&History<V>>| history.map_or(0, History::len) as u64;
        self.0.iter().map(|slot| slot.with(length)).sum()
    }

    /// Returns the bytes that the slots take, without what they hold.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Adds `entry` under `number`, unless the number has a value or `first_needing` returns
    /// `None`. Returns what `first_needing` returned, if the value was added.
    pub(super) fn add<N>(
        &self,
        cell: Cell,
        number: u64,
        first_needing: impl Fn() -> Option<N>,
        entry: impl Fn() -> HistoryEntry<V>,
    ) -> Option<N> {
        let mut found = None;
        self.0.get_or_make(cell).update(|history| {
            let is_there = history.is_some_and(|history| history.get(number).is_some());
            found = if is_there { None } else { first_needing() };
            if found.is_none() {
                return history.cloned();
            }
            let mut next = history.map_or_else(History::new, |history| (**history).clone());
            next.insert(number, entry());
            Some(Arc::new(next))
        });
        found
    }

    /// Removes a value that no snapshot needs any more. Returns it, so that the caller decides when
    /// to drop it.
    pub(crate) fn remove(&self, cell: Cell, number: u64) -> Option<V> {
        let mut removed = None;
        self.0.get(cell)?.update(|history| {
            removed = None;
            let mut next = (**history?).clone();
            removed = next.remove(number);
            if removed.is_none() {
                return history.cloned();
            }
            (!next.is_empty()).then(|| Arc::new(next))
        });
        removed.map(|entry| entry.value)
    }
}

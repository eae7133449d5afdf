//! A slot for each cell, in pages that are made when needed.

use std::sync::Arc;

use super::chunks::Chunks;
use crate::ledger::word::Cell;
use crate::sync::{OnceBox, Slot};

/// Holds slots by cell, in pages of a fixed size. Of several threads that make one page at once
/// each wastes at most that page, however many cells there are.
pub(crate) struct Slots<T>(Chunks<OnceBox<Page<T>>>);

type Page<T> = [Slot<T>; PAGE];

/// Counts the slots in a page.
const PAGE: usize = if cfg!(provider_tree_loom) { 2 } else { 1024 };

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Slots(Chunks::new(1))
    }

    /// Returns the slot of `cell`, if its page exists.
    #[inline]
    pub(crate) fn get(&self, cell: Cell) -> Option<&Slot<T>> {
        let (page, offset) = locate(cell);
        Some(&self.0.first(page)?.get()?[offset])
    }

    /// Visits the slots of all pages that exist.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        self.0.iter().filter_map(OnceBox::get).flatten()
    }

    /// Returns the bytes that the slots take, without what they hold.
    pub(crate) fn bytes(&self) -> u64 {
        let pages = self.0.iter().filter_map(OnceBox::get).count();
        (pages * size_of::<Page<T>>()) as u64 + self.0.bytes()
    }

    /// Puts each value into the slot of its cell. The cells come in rising order, and none of their pages
    /// exists: so each page is made with what is to be in it.
    pub(crate) fn fill(&mut self, values: impl Iterator<Item = (Cell, Arc<T>)>) {
        let mut values = values.peekable();
        while let Some((first, _)) = values.peek() {
            let (number, _) = locate(*first);
            let page = Box::new(std::array::from_fn(|offset| {
                let here = values.next_if(|(cell, _)| locate(*cell) == (number, offset));
                here.map_or_else(Slot::empty, |(_, value)| Slot::new(value))
            }));
            let filled = self.page(number).set(page);
            assert!(filled.is_ok(), "no page is filled twice");
        }
    }

    /// Returns the place of a page. Lock-free.
    fn page(&self, number: u32) -> &OnceBox<Page<T>> {
        let new = |length| (0..length).map(|_| OnceBox::new()).collect();
        &self.0.get_or_make(number, new)[0]
    }

    /// Returns the slot of `cell`; makes its page if it is missing. Lock-free.
    pub(crate) fn get_or_make(&self, cell: Cell) -> &Slot<T> {
        let (page, offset) = locate(cell);
        let page = self.page(page);
        if page.get().is_none() {
            // A loser's page is dropped: the winner's page serves both.
            drop(page.set(Box::new(std::array::from_fn(|_| Slot::empty()))));
        }
        &page.get().expect("set above, by this thread or the one that beat it")[offset]
    }
}

fn locate(cell: Cell) -> (u32, usize) {
    let number = cell.number() as usize;
    ((number / PAGE) as u32, number % PAGE)
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn cells_have_slots_of_their_own() {
        let slots = Slots::new();
        let cells = || (0..3).chain(PAGE as u32 - 2..PAGE as u32 + 2).map(Cell::new);
        for cell in cells() {
            slots.get_or_make(cell).update(|_| Some(Arc::new(cell)));
        }
        for cell in cells() {
            assert_eq!(slots.get(cell).unwrap().with(|found| found.copied()), Some(cell));
        }
        assert!(slots.get(Cell::new(2 * PAGE as u32)).is_none());
    }

    #[test]
    fn slots_are_filled_in_pages() {
        let mut slots = Slots::new();
        let of_page = |page: usize| {
            let first = (page * PAGE) as u32;
            [first + 1, first + 2, first + PAGE as u32 - 1].map(Cell::new)
        };
        let cells = || [0, 1, 5].into_iter().flat_map(of_page);
        slots.fill(cells().map(|cell| (cell, Arc::new(cell))));
        for cell in cells() {
            assert_eq!(slots.get(cell).unwrap().with(|found| found.copied()), Some(cell));
        }
        let is_full = |slot: &&Slot<_>| slot.with(|found| found.is_some());
        assert_eq!(slots.iter().filter(is_full).count(), cells().count());
        assert!(slots.get(Cell::new(2 * PAGE as u32)).is_none());
    }
}

//! An array of short runs of words, for the hottest look-ups.

use super::chunks::Chunks;
use crate::sync::{AtomicU64, OnceBox, PAGE_BITS, PAGES, zeroed_words};

/// Holds a run of words at each position: the first positions in pages, the others in [`Chunks`].
///
/// A look-up in a page takes one load and no further check: less than half of the instructions of
/// one in chunks, whose lengths differ. Each page is allocated when first needed.
pub(crate) struct Pages<R> {
    pages: [OnceBox<[R; PAGE]>; PAGES],
    /// Holds the runs behind the pages, by position.
    later: Chunks<AtomicU64>,
}

/// Counts the runs in a page.
const PAGE: usize = 1 << PAGE_BITS;

/// Names the type of the words at one position.
pub(crate) trait Run: Default {
    /// Counts the words of a run.
    const LENGTH: usize;

    fn words(&self) -> &[AtomicU64];
}

/// Holds one word.
#[derive(Default)]
pub(crate) struct Single([AtomicU64; 1]);

impl Run for Single {
    const LENGTH: usize = 1;

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// Holds `LENGTH` words that begin a cache line.
#[repr(align(64))]
pub(crate) struct Aligned<const LENGTH: usize>([AtomicU64; LENGTH]);

impl<const LENGTH: usize> Default for Aligned<LENGTH> {
    fn default() -> Self {
        Aligned(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const LENGTH: usize> Run for Aligned<LENGTH> {
    const LENGTH: usize = LENGTH;

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

impl<R: Run> Pages<R> {
    pub(crate) fn new() -> Self {
        let pages = std::array::from_fn(|_| OnceBox::new());
        Pages { pages, later: Chunks::new(R::LENGTH) }
    }

    /// Returns the words at `position`, if there is room for them.
    #[inline]
    pub(crate) fn get(&self, position: u32) -> Option<&[AtomicU64]> {
        match self.get_in_page(position) {
            Some(words) => Some(words),
            None => self.get_later(position),
        }
    }

    /// Returns the words at `position`, if they are in a page that exists.
    #[inline]
    pub(crate) fn get_in_page(&self, position: u32) -> Option<&[AtomicU64]> {
        let page = self.pages.get(position as usize / PAGE)?.get()?;
        Some(page[position as usize % PAGE].words())
    }

    #[inline(never)]
    fn get_later(&self, position: u32) -> Option<&[AtomicU64]> {
        let is_later = position as usize / PAGE >= PAGES;
        if is_later { self.later.get(position) } else { None }
    }

    /// Returns the bytes that all runs take.
    pub(crate) fn bytes(&self) -> u64 {
        let pages = self.pages.iter().filter_map(OnceBox::get).count();
        (pages * size_of::<[R; PAGE]>()) as u64 + self.later.bytes()
    }

    /// Makes room for the words at `position`, all zero. Lock-free: of several threads that make
    /// one page, the first to publish wins, and the others use the winner's.
    pub(crate) fn make(&self, position: u32) {
        match self.pages.get(position as usize / PAGE) {
            None => drop(self.later.get_or_make(position, zeroed_words)),
            Some(page) if page.get().is_some() => {}
            Some(page) => {
                // Collected, not boxed: a page is too large for a small stack.
                let runs: Box<[R]> = (0..PAGE).map(|_| R::default()).collect();
                let Ok(runs) = runs.try_into() else { unreachable!("they are a page") };
                // A loser's page is dropped: the winner's page serves both.
                drop(page.set(runs));
            }
        }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::sync::Ordering;

    #[test]
    fn positions_have_words_of_their_own() {
        fn check<R: Run>() {
            let pages = Pages::<R>::new();
            let end = (PAGE * PAGES) as u32;
            let positions = || (0..600).chain(end - 300..end + 300);
            for position in positions() {
                pages.make(position);
                let words = pages.get(position).unwrap();
                assert_eq!(words.len(), R::LENGTH);
                for word in words {
                    assert_eq!(word.load(Ordering::Relaxed), 0);
                    word.store(u64::from(position) + 1, Ordering::Relaxed);
                }
            }
            for position in positions() {
                let words = pages.get(position).unwrap();
                let is_own =
                    |word: &AtomicU64| word.load(Ordering::Relaxed) == u64::from(position) + 1;
                assert!(words.iter().all(is_own), "position {position}");
            }
        }
        check::<Single>();
        check::<Aligned<8>>();
        check::<Aligned<16>>();
    }

    #[test]
    fn what_was_never_made_is_absent() {
        let pages = Pages::<Single>::new();
        assert!(pages.get(0).is_none());
        pages.make(PAGE as u32);
        assert!(pages.get(0).is_none() && pages.get(PAGE as u32 + 1).is_some());
    }

    #[test]
    fn aligned_runs_begin_with_a_cache_line() {
        let pages = Pages::<Aligned<16>>::new();
        for position in [0, 7, PAGE as u32, (PAGE * PAGES) as u32] {
            pages.make(position);
            assert_eq!(pages.get(position).unwrap().as_ptr().addr() % 64, 0);
        }
    }
}

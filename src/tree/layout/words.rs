//! Words of a cell, wherever they are: in a draft, or in a record that is being made.

use crate::ledger::NextPayload;

/// Words of a cell, to look at.
pub(crate) trait Words: Copy {
    /// The `index`th; 0 beyond their end.
    fn word(self, index: usize) -> u64;

    /// So many from the `first`, if there are.
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]>;
}

impl Words for &[u64] {
    #[inline]
    fn word(self, index: usize) -> u64 {
        self.get(index).copied().unwrap_or(0)
    }

    #[inline]
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        self.get(first..first + N)?.first_chunk().copied()
    }
}

impl Words for NextPayload<'_> {
    #[inline]
    fn word(self, index: usize) -> u64 {
        NextPayload::word(self, index)
    }

    #[inline]
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        NextPayload::words(self, first)
    }
}

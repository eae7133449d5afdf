//! [`Words`]: the words of a cell, whether they are in a draft or in a record that is being made.

use uuid::Uuid;

use crate::ledger::{NextPayload, Record};

/// Reads the words of a cell.
pub(crate) trait Words: Copy {
    /// Returns the `index`th word; 0 beyond the end.
    fn word(self, index: usize) -> u64;

    /// Returns `N` words from the `first` on, or `None` if there are fewer.
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

/// What is read counts only if the version is in force afterwards.
impl Words for Record<'_> {
    #[inline]
    fn word(self, index: usize) -> u64 {
        Record::word(self, index)
    }

    #[inline]
    fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        (first + N <= self.len()).then(|| std::array::from_fn(|at| Record::word(self, first + at)))
    }
}

/// Reads the uuid that the structure cell or the consumer's cell stands for which holds this record.
#[inline]
pub(crate) fn uuid_in(record: Record<'_>) -> Uuid {
    Uuid::from_u64_pair(record.word(1), record.word(2))
}

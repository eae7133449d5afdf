//! The limits of the ledger: the widths of records, the size of a transaction, and [`Limit`], the
//! error that names the limit that an operation met.

/// Names the limit that an operation met. The operation has changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// Every cell is in use.
    Cells,
    /// No record of this width is available: half are in force and the change would make a cell
    /// grow into the width, or changes in progress withhold nearly all of the other half.
    Records(Width),
    /// Every slot has a worker.
    Workers,
    /// A cell would need more words than the widest record has.
    Words,
    /// A transaction would open more than [`MOST_CELLS`] cells.
    Entries,
}

/// Counts the header words of a record, which precede its payload.
///
/// ```text
/// S    the stamp, or the token that stands for it
/// P    record of an earlier version 28 | record of the version directly before 28
/// Q    length of the payload 16 | stamp of the version directly before 48
/// ```
pub(in crate::ledger) const HEADER: usize = 3;

/// Counts the bits of a record's number.
pub(in crate::ledger) const RECORD_BITS: u32 = 28;

/// Bounds how many cells one transaction may open.
pub(crate) const MOST_CELLS: usize = 1 << 22;

/// Lists the widths of records, in words. The number of a record names its width. Nearly everything
/// fits the narrowest: a provider's structure, its usage with up to three classes, a consumer with
/// up to three amounts.
#[cfg(not(provider_tree_loom))]
pub(crate) const WIDTHS: [usize; 8] = [16, 32, 64, 128, 256, 1024, 4096, 32768];
/// Lists fewer and narrower widths for the models: each width and each word costs every execution
/// of a model an object.
#[cfg(provider_tree_loom)]
pub(crate) const WIDTHS: [usize; 4] = [8, 16, 32, 64];

const MOST_BITS: usize = WIDTHS[WIDTHS.len() - 1].ilog2() as usize;

/// Maps a number of bits to the narrowest width that 2 to that power words fit.
const BY_BITS: [Width; MOST_BITS + 1] = {
    let mut widths = [Width::Narrowest; MOST_BITS + 1];
    let (mut bits, mut index) = (0, 0);
    while bits < widths.len() {
        while WIDTHS[index] < 1 << bits {
            index += 1;
        }
        widths[bits] = Width::ALL[index];
        bits += 1;
    }
    widths
};

/// Counts the spare records of each width that move between a writer and the free list at once.
#[cfg(not(provider_tree_loom))]
const BATCHES: [usize; WIDTHS.len()] = [32, 16, 8, 4, 2, 1, 1, 1];
#[cfg(provider_tree_loom)]
const BATCHES: [usize; WIDTHS.len()] = [2; WIDTHS.len()];

/// Counts the words of payload in the widest record.
pub(crate) const MOST_WORDS: usize = WIDTHS[WIDTHS.len() - 1] - HEADER;

/// Names one of [`WIDTHS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)] // As wide as a record's number; see `Limit`.
pub(crate) enum Width {
    /// The narrowest width, which every free cell fits.
    Narrowest,
    W1,
    W2,
    W3,
    #[cfg(not(provider_tree_loom))]
    W4,
    #[cfg(not(provider_tree_loom))]
    W5,
    #[cfg(not(provider_tree_loom))]
    W6,
    #[cfg(not(provider_tree_loom))]
    W7,
}

impl Width {
    pub(crate) const COUNT: usize = WIDTHS.len();

    #[cfg(not(provider_tree_loom))]
    pub(crate) const ALL: [Width; Self::COUNT] = {
        use Width::*;
        [Narrowest, W1, W2, W3, W4, W5, W6, W7]
    };
    #[cfg(provider_tree_loom)]
    pub(crate) const ALL: [Width; Self::COUNT] =
        [Width::Narrowest, Width::W1, Width::W2, Width::W3];

    /// Returns the narrowest width whose payload holds `words` words.
    #[inline]
    pub(crate) fn holding(words: usize) -> Result<Width, Limit> {
        let bits = usize::BITS - (words + HEADER - 1).leading_zeros();
        match BY_BITS.get(bits as usize) {
            Some(width) => Ok(*width),
            None => Err(Limit::Words),
        }
    }

    #[inline]
    pub(crate) const fn is_narrowest(self) -> bool {
        matches!(self, Width::Narrowest)
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Returns the number of words of a record, header and payload together.
    #[inline]
    pub(crate) const fn words(self) -> usize {
        WIDTHS[self.index()]
    }

    /// Returns how many spare records move between a writer and the free list at once.
    #[inline]
    pub(crate) const fn batch(self) -> usize {
        BATCHES[self.index()]
    }

    /// Returns half of the number of records of this width. At most so many are in force (I19); the
    /// other half is left to spares, to records that wait for snapshots, and to transactions in
    /// progress.
    pub(crate) const fn half(self) -> u32 {
        let half = 1 << (self.position_bits() - 1);
        if cfg!(test) { half >> FEWER_IN_TESTS } else { half }
    }

    /// Returns the number of the record at position 0.
    #[inline]
    pub(in crate::ledger) const fn first_number(self) -> u32 {
        (1 << RECORD_BITS) - (1 << RECORD_BITS >> self.index())
    }

    #[inline]
    pub(in crate::ledger) const fn position_bits(self) -> u32 {
        // The two widest widths have numbers of equal length, which differ in the last bit.
        let zero = if self.index() < Self::COUNT - 1 { 1 } else { 0 };
        RECORD_BITS - self as u32 - zero
    }
}

/// Divides the number of records in the crate's own tests, by a power of two, so that tests can use
/// up all records.
pub(in crate::ledger) const FEWER_IN_TESTS: u32 = 14;

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_width_holds_what_it_says() {
        for (words, width) in [(0, 0), (13, 0), (14, 1), (29, 1), (30, 2), (MOST_WORDS, 7)] {
            assert_eq!(Width::holding(words), Ok(Width::ALL[width]), "{words} words");
        }
        assert_eq!(Width::holding(MOST_WORDS + 1), Err(Limit::Words));
    }
}

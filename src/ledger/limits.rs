//! Limits: the widths of records, the size of a transaction, and the error that names a limit.

/// A bound of the ledger that was met. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// Cells.
    Cells,
    /// Records of one width: half is in use, and the change would make a cell grow into it; or very
    /// many are withheld by changes in progress.
    Records(Width),
    /// Workers at the same time.
    Workers,
    /// Words in one cell.
    Words,
    /// Cells in one transaction.
    Entries,
}

/// Words before the payload.
///
/// ```text
/// S    the stamp, or the token that stands for it
/// P    record of an earlier version 28 | record of the version before this one 28
/// Q    length of the payload 16 | stamp of the version before this one 48
/// ```
pub(in crate::ledger) const HEADER: usize = 3;

/// How many bits a record's number has.
pub(in crate::ledger) const RECORD_BITS: u32 = 28;

/// The most cells that one transaction may open.
pub(crate) const MOST_CELLS: usize = 1 << 22;

/// The widths of records, in words. A record's number names its width. The narrowest holds nearly
/// everything: a provider's place, its usage with up to three classes, a consumer of up to four amounts.
#[cfg(not(provider_tree_loom))]
pub(crate) const WIDTHS: [usize; 8] = [16, 32, 64, 128, 256, 1024, 4096, 32768];
/// Less of both: each width and each word costs every execution of a model its objects.
#[cfg(provider_tree_loom)]
pub(crate) const WIDTHS: [usize; 4] = [8, 16, 32, 64];

const MOST_BITS: usize = WIDTHS[WIDTHS.len() - 1].ilog2() as usize;

/// For each number of bits the narrowest width that so many positions fit.
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

/// How many spare records of each width move between a worker and the common stock at once.
#[cfg(not(provider_tree_loom))]
const BATCHES: [usize; WIDTHS.len()] = [32, 16, 8, 4, 2, 1, 1, 1];
#[cfg(provider_tree_loom)]
const BATCHES: [usize; WIDTHS.len()] = [2; WIDTHS.len()];

/// Words of payload in the widest record.
pub(crate) const MOST_WORDS: usize = WIDTHS[WIDTHS.len() - 1] - HEADER;

/// One of [`WIDTHS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)] // As wide as a record's number; see `Limit`.
pub(crate) enum Width {
    /// Every cell that has been given back fits it.
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

    /// The narrowest width whose payload holds `words`.
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

    /// Header and payload.
    #[inline]
    pub(crate) const fn words(self) -> usize {
        WIDTHS[self.index()]
    }

    /// How many spare records move between a worker and the common stock at once.
    #[inline]
    pub(crate) const fn batch(self) -> usize {
        BATCHES[self.index()]
    }

    /// Half of the records there can be: so many cells are in force, and what else is out is in the other
    /// half.
    pub(crate) const fn half(self) -> u32 {
        let half = 1 << (self.position_bits() - 1);
        if cfg!(test) { half >> FEWER_IN_TESTS } else { half }
    }

    /// The number of the record at position 0.
    #[inline]
    pub(in crate::ledger) const fn first_number(self) -> u32 {
        (1 << RECORD_BITS) - (1 << RECORD_BITS >> self.index())
    }

    #[inline]
    pub(in crate::ledger) const fn position_bits(self) -> u32 {
        // The last two differ in one bit.
        let zero = if self.index() < Self::COUNT - 1 { 1 } else { 0 };
        RECORD_BITS - self as u32 - zero
    }
}

/// The crate's own tests come to the end of all records.
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

//! Records: the versions of cells, by width.

use super::chunks::Chunks;
use super::clock::{STAMP_BITS, Stamp};
use super::exhausted::Exhausted;
use super::free_list::FreeList;
use super::pages::{Aligned, Pages};
use crate::sync::{AtomicU64, CachePadded, Ordering, zeroed_words};

/// Words before the payload.
///
/// ```text
/// S    the stamp, or the token that stands for it
/// P    record of an earlier version 28 | record of the version before this one 28
/// Q    length of the payload 16 | stamp of the version before this one 48
/// ```
const HEADER: usize = 3;

/// Words of payload in a record of the commonest width. Copied as a whole they take half the
/// instructions, be they fewer.
const COMMON: usize = 16 - HEADER;

const RECORD_BITS: u32 = 28;
const RECORD_MASK: u64 = (1 << RECORD_BITS) - 1;

/// The widths of records, in words. A record's number names its width. The narrowest holds nearly
/// everything: a provider's place, its usage with up to three classes, a consumer of up to four amounts.
#[cfg(not(provider_tree_loom))]
pub(crate) const WIDTHS: [usize; 8] = [16, 32, 64, 128, 256, 1024, 4096, 32768];
/// Less of both: each width and each word costs every execution of a model its objects.
#[cfg(provider_tree_loom)]
pub(crate) const WIDTHS: [usize; 4] = [8, 16, 32, 64];

const MOST_BITS: usize = WIDTHS[WIDTHS.len() - 1].ilog2() as usize;

/// For each number of bits the narrowest width that so many positions fit.
const BY_BITS: [u8; MOST_BITS + 1] = {
    let mut indexes = [0; MOST_BITS + 1];
    let mut bits = 0;
    while bits < indexes.len() {
        indexes[bits] = if bits == 0 { 0 } else { indexes[bits - 1] };
        while WIDTHS[indexes[bits] as usize] < 1 << bits {
            indexes[bits] += 1;
        }
        bits += 1;
    }
    indexes
};

/// How many spare records of each width move between a worker and the common stock at once.
#[cfg(not(provider_tree_loom))]
const BATCHES: [usize; WIDTHS.len()] = [32, 16, 8, 4, 2, 1, 1, 1];
#[cfg(provider_tree_loom)]
const BATCHES: [usize; WIDTHS.len()] = [2; WIDTHS.len()];

/// Words of payload in the widest record.
pub(crate) const MOST_WORDS: usize = WIDTHS[WIDTHS.len() - 1] - HEADER;

/// Names a record: width in the upper 3 bits, position in the lower 25.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordNumber(u32);

const POSITION_BITS: u32 = 25;
const POSITIONS: u32 = 1 << POSITION_BITS;

impl RecordNumber {
    /// Names a record that nobody ever writes to: without payload.
    pub(crate) const NONE: RecordNumber = RecordNumber(0);

    #[inline]
    fn new(width: Width, position: u32) -> Self {
        RecordNumber((width.0 as u32) << POSITION_BITS | position)
    }

    #[inline]
    pub(crate) fn width(self) -> Width {
        Width((self.0 >> POSITION_BITS) as usize & (WIDTHS.len() - 1))
    }

    #[inline]
    fn position(self) -> u32 {
        self.0 & (POSITIONS - 1)
    }

    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        RecordNumber(bits)
    }
}

/// The versions before one, as far as they are left in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Replaced {
    /// The version directly before.
    pub(crate) last: RecordNumber,
    /// The newest one with another stamp than both, or than the one if they have the same stamp;
    /// [`NONE`](RecordNumber::NONE) if nobody could need it.
    pub(crate) earlier: RecordNumber,
}

impl Replaced {
    /// For the first version of a cell.
    pub(crate) const NOTHING: Replaced =
        Replaced { last: RecordNumber::NONE, earlier: RecordNumber::NONE };
}

/// One of [`WIDTHS`], by its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Width(usize);

impl Width {
    pub(crate) const COUNT: usize = WIDTHS.len();

    /// The narrowest width whose payload holds `words`.
    #[inline]
    pub(crate) fn holding(words: usize) -> Result<Width, Exhausted> {
        let bits = usize::BITS - (words + HEADER - 1).leading_zeros();
        match BY_BITS.get(bits as usize) {
            Some(index) => Ok(Width(usize::from(*index))),
            None => Err(Exhausted::Words),
        }
    }

    pub(crate) fn all() -> impl Iterator<Item = Width> {
        (0..Self::COUNT).map(Width)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0
    }

    /// Header and payload.
    #[inline]
    pub(crate) fn words(self) -> usize {
        WIDTHS[self.0]
    }

    /// How many spare records move between a worker and the common stock at once.
    #[inline]
    pub(crate) fn batch(self) -> usize {
        BATCHES[self.0]
    }
}

/// One version of one cell, as its words are now.
///
/// Whoever holds a number from a gate may read here at any time; what it read is one version's
/// only if the gate still holds the same word afterwards.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Record<'a> {
    /// When this version came into force, or the token that says nobody has noted it yet.
    #[inline]
    pub(crate) fn stamp(self) -> Stamp {
        // Acquire: pairs with the release of the same word, and with the exchange in `set_stamp`.
        Stamp::from_bits(self.words[0].load(Ordering::Acquire))
    }

    /// Notes when this version came into force, if the record still carries its token.
    #[inline]
    pub(crate) fn set_stamp(self, token: Stamp, stamp: Stamp) -> Result<(), Stamp> {
        // AcqRel: a stamp read here carries with it the clock reading it was made from; pairs
        // with `stamp` in the reader of a snapshot. On failure Acquire, for the same reason.
        self.words[0]
            .compare_exchange(token.bits(), stamp.bits(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(Stamp::from_bits)
    }

    /// The length of the payload, and the stamp of the version before this one.
    #[inline]
    fn lineage(self) -> (usize, Stamp) {
        // Acquire: pairs with the release of the same word.
        let word = self.words.get(2).map_or(0, |word| word.load(Ordering::Acquire));
        // A torn read may pair a length with another version's record.
        let length = ((word >> STAMP_BITS) as usize).min(self.words.len().saturating_sub(HEADER));
        (length, Stamp::from_bits(word & ((1 << STAMP_BITS) - 1)))
    }

    /// When the version before this one came into force.
    #[inline]
    pub(crate) fn stamp_before(self) -> Stamp {
        self.lineage().1
    }

    /// The records of the versions before this one.
    #[inline]
    pub(crate) fn replaced(self) -> Replaced {
        // Acquire: pairs with the release of the same word.
        let word = self.words.get(1).map_or(0, |word| word.load(Ordering::Acquire));
        Replaced {
            last: RecordNumber((word & RECORD_MASK) as u32),
            earlier: RecordNumber((word >> RECORD_BITS & RECORD_MASK) as u32),
        }
    }

    /// The same for a version with this stamp, or token. Before the first snapshot nobody could need
    /// them.
    #[inline]
    pub(crate) fn replaced_by_then(self, stamp: Stamp) -> Replaced {
        if stamp == Stamp::BEGINNING { Replaced::NOTHING } else { self.replaced() }
    }

    /// How many words of payload this version has.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.lineage().0
    }

    /// The `index`th word of the payload; 0 beyond the record's width.
    #[inline]
    pub(crate) fn word(self, index: usize) -> u64 {
        // Acquire: pairs with the release of the same word, so that whoever sees a word of a later
        // version also sees that the gate has moved.
        self.words.get(HEADER + index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Gives a version that nobody has seen yet a later stamp than it was written with.
    ///
    /// Without effect on another use of the record: any later one has a token, or a stamp that is
    /// no earlier than this.
    pub(crate) fn raise_stamp(self, stamp: Stamp) {
        let written = self.stamp();
        if written < stamp {
            // Refused: another participant was first.
            let _ = self.set_stamp(written, stamp);
        }
    }

    /// Appends the payload to `into`; returns the stamp of the version before this one.
    pub(crate) fn copy_to(self, into: &mut impl Extend<u64>) -> Stamp {
        let (length, before) = self.lineage();
        let payload = self.words.get(HEADER..HEADER + length).unwrap_or_default();
        // Acquire: as in `word`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        into.extend(payload.iter().map(load));
        before
    }

    /// Copies the payload into `into` from the `first` word; returns its length, and the stamp of the
    /// version before this one. What is behind it there means nothing.
    #[inline(always)]
    pub(crate) fn copy_into(self, into: &mut Vec<u64>, first: usize) -> (usize, Stamp) {
        let (length, before) = self.lineage();
        let payload = &self.words[HEADER..];
        let end = first + length.max(COMMON);
        if into.len() < end {
            into.resize(end, 0);
        }
        let into = &mut into[first..];
        // Acquire: as in `word`.
        let copy = |(word, from): (&mut u64, &AtomicU64)| *word = from.load(Ordering::Acquire);
        match (<&[_; COMMON]>::try_from(payload), into.first_chunk_mut::<COMMON>()) {
            (Ok(payload), Some(into)) => into.iter_mut().zip(payload).for_each(copy),
            _ => into.iter_mut().zip(&payload[..length]).for_each(copy),
        }
        (length, before)
    }

    /// Fills a spare record. The caller owns it: no gate names it.
    ///
    /// Others may still read it as the version it once was. The stamp comes first, or the token: from
    /// then on whoever validates by it knows that the words are no longer that version's. A stamp was
    /// read from the clock when the record was the caller's. The payload is the first of `words`; what
    /// is behind it means nothing.
    #[inline]
    pub(crate) fn write(
        self,
        stamp: Stamp,
        replaced: Replaced,
        before: Stamp,
        words: &[u64],
        length: usize,
    ) {
        // Release: as in `Making::set`.
        self.words[0].store(stamp.bits(), Ordering::Release);
        self.set_lineage(replaced, before, length);
        self.fill(words, length, |value| *value);
    }

    /// Begins the next version of a cell in a spare record of the same width, as [`write`](Self::write)
    /// does, with the words of a version, to be changed. What comes before the next version is yet to
    /// be [set](Self::set_lineage). Returns the stamp of the version before, too.
    #[inline(always)]
    pub(crate) fn begin(self, token: Stamp, version: Record<'_>) -> (Making<'a>, Stamp) {
        // Release: as in `Making::set`.
        self.words[0].store(token.bits(), Ordering::Release);
        let (length, before) = version.lineage();
        // Acquire: as in `word`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        self.fill(version.words.get(HEADER..).unwrap_or_default(), length, load);
        (Making(Record { words: &self.words[..HEADER + length] }), before)
    }

    /// Sets the records of the versions before this one, which the caller makes, the stamp of the one
    /// directly before, and the length of the payload.
    #[inline]
    pub(crate) fn set_lineage(self, replaced: Replaced, before: Stamp, length: usize) {
        let Replaced { last, earlier } = replaced;
        let replaced = u64::from(last.bits()) | u64::from(earlier.bits()) << RECORD_BITS;
        let lineage = before.bits() | (length as u64) << STAMP_BITS;
        // Release, both: as in `Making::set`.
        self.words[1].store(replaced, Ordering::Release);
        self.words[2].store(lineage, Ordering::Release);
    }

    /// Sets the first words of the payload, so many, from the first of others.
    #[inline]
    fn fill<T>(self, from: &[T], length: usize, value: impl Fn(&T) -> u64) {
        // Release: as in `Making::set`.
        let store = |(word, from): (&AtomicU64, &T)| word.store(value(from), Ordering::Release);
        let words = &self.words[HEADER..];
        match (<&[_; COMMON]>::try_from(words), from.first_chunk::<COMMON>()) {
            (Ok(words), Some(from)) => words.iter().zip(from).for_each(store),
            _ => words.iter().zip(&from[..length]).for_each(store),
        }
    }
}

/// The payload of a version that the caller makes, in a spare record.
#[derive(Clone, Copy)]
pub(crate) struct Making<'a>(Record<'a>);

impl Making<'_> {
    /// How many words there are.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.0.words.len() - HEADER
    }

    /// The `index`th word; 0 beyond their end.
    #[inline]
    pub(crate) fn word(self, index: usize) -> u64 {
        self.0.word(index)
    }

    /// So many words from the `first`, if there are.
    #[inline]
    pub(crate) fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        let words = self.0.words.get(HEADER + first..HEADER + first + N)?.first_chunk::<N>()?;
        // Acquire: as in `word`.
        Some(std::array::from_fn(|index| words[index].load(Ordering::Acquire)))
    }

    /// Sets so many words from the `first`, which are there.
    #[inline]
    pub(crate) fn set<const N: usize>(self, first: usize, values: [u64; N]) {
        let words = &self.0.words[HEADER + first..HEADER + first + N];
        for (word, value) in words.iter().zip(values) {
            // Release: pairs with the acquire of the same word, so that a reader who sees this also
            // sees every gate exchange that made the record spare.
            word.store(value, Ordering::Release);
        }
    }
}

/// All records, by width and position.
pub(crate) struct Records {
    /// Those of the narrowest width.
    narrow: Pages<Aligned<{ WIDTHS[0] }>>,
    wide: [Chunks<AtomicU64>; WIDTHS.len() - 1],
    supplies: [Supply; WIDTHS.len()],
}

/// The records of one width that nobody has.
struct Supply {
    handed_out: CachePadded<AtomicU64>,
    spare: FreeList,
}

impl Records {
    pub(crate) fn new() -> Self {
        let records = Records {
            narrow: Pages::new(),
            wide: std::array::from_fn(|index| Chunks::new(WIDTHS[index + 1])),
            supplies: WIDTHS.map(|_| Supply {
                // Position 0 stays unused, so that no version word is 0.
                handed_out: CachePadded::new(AtomicU64::new(1)),
                spare: FreeList::new(),
            }),
        };
        records.make(RecordNumber::NONE);
        records
    }

    #[inline]
    pub(crate) fn get(&self, number: RecordNumber) -> Record<'_> {
        // The number of a record of the narrowest width is its position.
        match self.narrow.get_in_page(number.bits()) {
            Some(words) => Record { words },
            None => self.get_elsewhere(number),
        }
    }

    #[inline(never)]
    fn get_elsewhere(&self, number: RecordNumber) -> Record<'_> {
        let position = number.position();
        let words = match number.width() {
            Width(0) => self.narrow.get(position),
            Width(index) => self.wide[index - 1].get(position),
        };
        Record { words: words.expect("a number is handed out after there is room for its words") }
    }

    fn make(&self, number: RecordNumber) {
        let position = number.position();
        match number.width() {
            Width(0) => self.narrow.make(position),
            Width(index) => drop(self.wide[index - 1].get_or_make(position, zeroed_words)),
        }
    }

    /// Adds spare records to `stock`: from those given back, else new ones.
    pub(crate) fn take(
        &self,
        width: Width,
        stock: &mut Vec<RecordNumber>,
    ) -> Result<(), Exhausted> {
        let supply = &self.supplies[width.0];
        if supply.spare.pop(|position| stock.push(RecordNumber::new(width, position))) {
            return Ok(());
        }
        let count = width.batch() as u64;
        // Relaxed: only the uniqueness of the answer matters; the room publishes itself.
        let first = supply.handed_out.fetch_add(count, Ordering::Relaxed);
        if first + count > u64::from(POSITIONS) {
            return Err(Exhausted::Records);
        }
        for position in first..first + count {
            let number = RecordNumber::new(width, position as u32);
            self.make(number);
            stock.push(number);
        }
        Ok(())
    }

    /// Gives spare records of one width back for others to take.
    pub(crate) fn give(&self, width: Width, spares: impl Iterator<Item = RecordNumber>) {
        self.supplies[width.0].spare.push(spares.map(RecordNumber::position));
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_width_holds_what_it_says() {
        for (words, width) in [(0, 0), (13, 0), (14, 1), (29, 1), (30, 2), (MOST_WORDS, 7)] {
            assert_eq!(Width::holding(words), Ok(Width(width)), "{words} words");
        }
        assert_eq!(Width::holding(MOST_WORDS + 1), Err(Exhausted::Words));
    }

    #[test]
    fn records_given_back_are_taken_again() {
        let records = Records::new();
        let width = Width(0);
        let mut stock = Vec::new();
        records.take(width, &mut stock).unwrap();
        let given = stock.clone();
        records.give(width, stock.drain(..));
        records.take(width, &mut stock).unwrap();
        stock.sort_by_key(|number| number.bits());
        assert_eq!(stock, given);
    }
}

//! Records: the versions of cells, by width.
//!
//! Every change needs a spare for the next version and gives back the record of the one before. So
//! that who gives something back always finds a spare, cells in force have only half of each width:
//! there are as many [cells](super::Cell::LIMIT), which all fit the narrowest width, as half of its
//! records, and no cell [grows](Records::have_room) into a wider one of which half is out. `PROTOCOL.md`
//! says what may be out of the other half.

use std::ops::Range;

use super::chunks::Chunks;
use super::clock::{STAMP_BITS, Stamp};
use super::exhausted::Exhausted;
use super::free_list::FreeList;
use super::gate::Cell;
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

/// Names a record: a width, as so many ones, and a position among those of that width. Most are of the
/// narrowest, whose numbers are their positions.
///
/// ```text
/// 0 | position 27         the narrowest width
/// 10 | position 26        the next
///  ...
/// 1111110 | position 21   the widest but one
/// 1111111 | position 21   the widest
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordNumber(u32);

impl RecordNumber {
    /// Names a record that nobody ever writes to: without payload.
    pub(crate) const NONE: RecordNumber = RecordNumber(0);

    #[inline]
    fn new(width: Width, position: u32) -> Self {
        RecordNumber(width.first_number() | position)
    }

    #[inline]
    pub(crate) fn width(self) -> Width {
        match self.0 < 1 << Width::Narrowest.position_bits() {
            true => Width::Narrowest,
            false => self.wide(),
        }
    }

    /// The width, if it is not the narrowest.
    fn wide(self) -> Width {
        let ones = (!self.0 << (u32::BITS - RECORD_BITS)).leading_zeros();
        Width::ALL[(ones as usize).min(Width::COUNT - 1)]
    }

    #[inline]
    fn position(self) -> u32 {
        self.0 - self.width().first_number()
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

/// One of [`WIDTHS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)] // As wide as a record's number; see `Exhausted`.
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
    pub(crate) fn holding(words: usize) -> Result<Width, Exhausted> {
        let bits = usize::BITS - (words + HEADER - 1).leading_zeros();
        match BY_BITS.get(bits as usize) {
            Some(width) => Ok(*width),
            None => Err(Exhausted::Words),
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
    const fn first_number(self) -> u32 {
        (1 << RECORD_BITS) - (1 << RECORD_BITS >> self.index())
    }

    #[inline]
    const fn position_bits(self) -> u32 {
        // The last two differ in one bit.
        let zero = if self.index() < Self::COUNT - 1 { 1 } else { 0 };
        RECORD_BITS - self as u32 - zero
    }
}

/// The crate's own tests come to the end of all records.
const FEWER_IN_TESTS: u32 = 14;

/// All cells have room in the narrowest width, and leave as much to the changes in progress.
const _: () = assert!(Width::Narrowest.half() == Cell::LIMIT);

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
    /// Applies `look` to a copy of some words, in no record.
    pub(crate) fn of_copy<T>(words: &[u64], look: impl FnOnce(Making<'_>) -> T) -> T {
        let all = [0; HEADER].iter().chain(words);
        let words: Box<[AtomicU64]> = all.map(|word| AtomicU64::new(*word)).collect();
        look(Making(Record { words: &words }))
    }

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
    /// How many spares each of the wide widths has in its list, or a few more.
    listed: [CachePadded<AtomicU64>; WIDTHS.len() - 1],
}

/// The records of one width that nobody has.
struct Supply {
    /// The first position that was never handed out.
    handed_out: CachePadded<AtomicU64>,
    spare: FreeList,
}

impl Supply {
    /// Up to so many positions, each below a limit and never handed out before. Lock-free.
    fn hand_out(&self, count: u64, limit: u64) -> Option<Range<u64>> {
        // Relaxed, here and below: only the uniqueness of the answer matters; the room publishes itself.
        let mut first = self.handed_out.load(Ordering::Relaxed);
        loop {
            if first >= limit {
                return None;
            }
            let end = limit.min(first + count);
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.handed_out.compare_exchange(first, end, success, failure) {
                Ok(_) => return Some(first..end),
                Err(found) => first = found,
            }
        }
    }
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
            listed: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))),
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
            Width::Narrowest => self.narrow.get(position),
            wide => self.wide[wide.index() - 1].get(position),
        };
        Record { words: words.expect("a number is handed out after there is room for its words") }
    }

    fn make(&self, number: RecordNumber) {
        let position = number.position();
        match number.width() {
            Width::Narrowest => self.narrow.make(position),
            wide => drop(self.wide[wide.index() - 1].get_or_make(position, zeroed_words)),
        }
    }

    /// Adds spare records to `stock`: from those given back, else new ones.
    pub(crate) fn take(
        &self,
        width: Width,
        stock: &mut Vec<RecordNumber>,
    ) -> Result<(), Exhausted> {
        let supply = &self.supplies[width.index()];
        let before = stock.len();
        if supply.spare.pop(|position| stock.push(RecordNumber::new(width, position))) {
            let popped = stock.len() - before;
            self.count_listed(width, (popped as u64).wrapping_neg());
            return Ok(());
        }
        let limit = 2 * u64::from(width.half());
        let new = supply.hand_out(width.batch() as u64, limit).ok_or(Exhausted::Records(width))?;
        for position in new {
            let number = RecordNumber::new(width, position as u32);
            self.make(number);
            stock.push(number);
        }
        Ok(())
    }

    /// How many records of one width there are.
    pub(crate) fn made(&self, width: Width) -> u64 {
        // Relaxed: a figure for someone to look at. Position 0 is no record.
        self.supplies[width.index()].handed_out.load(Ordering::Relaxed) - 1
    }

    /// How many spare ones of one width were given back; see [`FreeList::count`].
    pub(crate) fn spare(&self, width: Width) -> u64 {
        self.supplies[width.index()].spare.count(self.made(width))
    }

    /// What all records take.
    pub(crate) fn bytes(&self) -> u64 {
        self.narrow.bytes() + self.wide.iter().map(Chunks::bytes).sum::<u64>()
    }

    /// What the lists of spare records take.
    pub(crate) fn list_bytes(&self) -> u64 {
        self.supplies.iter().map(|supply| supply.spare.bytes()).sum()
    }

    /// Gives spare records of one width back for others to take.
    pub(crate) fn give(&self, width: Width, spares: impl ExactSizeIterator<Item = RecordNumber>) {
        // Before they are there: the count is never below zero.
        self.count_listed(width, spares.len() as u64);
        self.supplies[width.index()].spare.push(spares.map(RecordNumber::position));
    }

    fn count_listed(&self, width: Width, by: u64) {
        // Nobody asks of the narrowest width: no more cells can be in force than are half of it.
        if let Some(wide) = width.index().checked_sub(1) {
            // Relaxed: a count orders nothing.
            self.listed[wide].fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Whether cells may grow into a width, other than the narrowest: if less than half of its records
    /// are out, not counting so many that the caller has.
    pub(crate) fn have_room(&self, width: Width, own: usize) -> bool {
        // Relaxed, both: who looks too early lets one more cell in; so can each writer once.
        let listed = self.listed[width.index() - 1].load(Ordering::Relaxed);
        let handed_out = self.supplies[width.index()].handed_out.load(Ordering::Relaxed);
        handed_out.saturating_sub(listed + own as u64) < u64::from(width.half())
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_width_holds_what_it_says() {
        for (words, width) in [(0, 0), (13, 0), (14, 1), (29, 1), (30, 2), (MOST_WORDS, 7)] {
            assert_eq!(Width::holding(words), Ok(Width::ALL[width]), "{words} words");
        }
        assert_eq!(Width::holding(MOST_WORDS + 1), Err(Exhausted::Words));
    }

    #[test]
    fn records_given_back_are_taken_again() {
        let records = Records::new();
        let width = Width::Narrowest;
        let mut stock = Vec::new();
        records.take(width, &mut stock).unwrap();
        let given = stock.clone();
        records.give(width, stock.drain(..));
        records.take(width, &mut stock).unwrap();
        stock.sort_by_key(|number| number.bits());
        assert_eq!(stock, given);
    }

    #[test]
    fn numbers_name_their_width_and_position() {
        let mut next = 0;
        for (index, width) in Width::ALL.into_iter().enumerate() {
            let bits = [27, 26, 25, 24, 23, 22, 21, 21][index];
            let last = (1_u32 << bits) - 1;
            assert_eq!(width.half() << FEWER_IN_TESTS, last / 2 + 1, "{width:?}");
            for position in [0, 1, last / 2, last / 2 + 1, last - 1, last] {
                let number = RecordNumber::new(width, position);
                assert_eq!(number.bits(), next + position, "{width:?} {position}");
                assert_eq!((number.width(), number.position()), (width, position));
                assert_eq!(RecordNumber::from_bits(number.bits()), number);
            }
            next += last + 1;
        }
        assert_eq!(next, 1 << RECORD_BITS);
        // Found by its number alone.
        assert_eq!(RecordNumber::new(Width::Narrowest, 77).bits(), 77);
        assert_eq!(RecordNumber::NONE, RecordNumber::new(Width::Narrowest, 0));
    }

    /// Takes all there are of a width.
    fn take_all(records: &Records, width: Width) -> Vec<RecordNumber> {
        let mut all = Vec::new();
        while records.take(width, &mut all).is_ok() {}
        all
    }

    #[test]
    fn each_record_but_the_first_is_handed_out_once() {
        for width in Width::ALL {
            let records = Records::new();
            let mut all = take_all(&records, width);
            assert_eq!(all.len() as u32, 2 * width.half() - 1, "{width:?}");
            assert_eq!(records.take(width, &mut all), Err(Exhausted::Records(width)));
            all.sort_by_key(|number| number.bits());
            all.dedup();
            assert_eq!(all.len() as u32, 2 * width.half() - 1, "{width:?}");
            assert!(all.iter().all(|number| number.width() == width && number.position() > 0));
            let (few, many) = all.split_at(3);
            records.give(width, few.iter().copied());
            records.give(width, many.iter().copied());
            assert_eq!(take_all(&records, width).len(), all.len());
        }
    }

    #[test]
    fn there_is_room_to_grow_up_to_half() {
        let records = Records::new();
        let width = Width::W2;
        let half = width.half() as usize;
        let mut stock = Vec::new();
        while records.have_room(width, 0) {
            records.take(width, &mut stock).unwrap();
        }
        assert!((half - width.batch()..half + width.batch()).contains(&stock.len()));
        // What the caller has and does not use counts for nothing.
        assert!(records.have_room(width, width.batch()));
        stock.append(&mut take_all(&records, width));
        assert!(!records.have_room(width, half - 1) && records.have_room(width, half + 1));
        records.give(width, stock.drain(half - 2..));
        assert!(records.have_room(width, 0));
        records.take(width, &mut stock).unwrap();
        assert!(!records.have_room(width, 0));
    }
}

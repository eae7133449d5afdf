//! Records: the versions of cells, by width.
//!
//! Every change needs a spare for the next version and gives back the record of the one before. So
//! that who gives something back always finds a spare, cells in force have only half of each width:
//! there are as many [cells](super::Cell::LIMIT), which all fit the narrowest width, as half of its
//! records, and no cell [grows](Records::have_room) into a wider one of which half is out. `PROTOCOL.md`
//! says what may be out of the other half.

use crate::ledger::limits::{HEADER, RECORD_BITS};
use crate::ledger::word::{RecordNumber, STAMP_BITS, Stamp};
use crate::sync::{AtomicU64, Ordering};

/// Words of payload in a record of the commonest width. Copied as a whole they take half the
/// instructions, be they fewer.
const COMMON: usize = 16 - HEADER;

const RECORD_MASK: u64 = (1 << RECORD_BITS) - 1;

/// The versions before one, as far as they are left in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Predecessors {
    /// The version directly before.
    pub(crate) last: RecordNumber,
    /// The newest one with another stamp than both, or than the one if they have the same stamp;
    /// [`NONE`](RecordNumber::NONE) if nobody could need it.
    pub(crate) earlier: RecordNumber,
}

impl Predecessors {
    /// For the first version of a cell.
    pub(crate) const NOTHING: Predecessors =
        Predecessors { last: RecordNumber::NONE, earlier: RecordNumber::NONE };
}

/// One version of one cell, as its words are now.
///
/// Whoever holds a number from a gate may read here at any time; what it read is one version's
/// only if the gate still holds the same word afterwards.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(super) words: &'a [AtomicU64],
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
    pub(crate) fn predecessors(self) -> Predecessors {
        // Acquire: pairs with the release of the same word.
        let word = self.words.get(1).map_or(0, |word| word.load(Ordering::Acquire));
        Predecessors {
            last: RecordNumber::from_bits((word & RECORD_MASK) as u32),
            earlier: RecordNumber::from_bits((word >> RECORD_BITS & RECORD_MASK) as u32),
        }
    }

    /// The same for a version with this stamp, or token. Before the first snapshot nobody could need
    /// them.
    #[inline]
    pub(crate) fn predecessors_as_of(self, stamp: Stamp) -> Predecessors {
        if stamp == Stamp::BEGINNING { Predecessors::NOTHING } else { self.predecessors() }
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
        predecessors: Predecessors,
        before: Stamp,
        words: &[u64],
        length: usize,
    ) {
        // Release: as in `NextPayload::set`.
        self.words[0].store(stamp.bits(), Ordering::Release);
        self.set_lineage(predecessors, before, length);
        self.fill(words, length, |value| *value);
    }

    /// Begins the next version of a cell in a spare record of the same width, as [`write`](Self::write)
    /// does, with the words of a version, to be changed. What comes before the next version is yet to
    /// be [set](Self::set_lineage). Returns the stamp of the version before, too.
    #[inline(always)]
    pub(crate) fn begin(self, token: Stamp, version: Record<'_>) -> (NextPayload<'a>, Stamp) {
        // Release: as in `NextPayload::set`.
        self.words[0].store(token.bits(), Ordering::Release);
        let (length, before) = version.lineage();
        // Acquire: as in `word`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        self.fill(version.words.get(HEADER..).unwrap_or_default(), length, load);
        (NextPayload(Record { words: &self.words[..HEADER + length] }), before)
    }

    /// Sets the records of the versions before this one, which the caller makes, the stamp of the one
    /// directly before, and the length of the payload.
    #[inline]
    pub(crate) fn set_lineage(self, predecessors: Predecessors, before: Stamp, length: usize) {
        let Predecessors { last, earlier } = predecessors;
        let predecessors = u64::from(last.bits()) | u64::from(earlier.bits()) << RECORD_BITS;
        let lineage = before.bits() | (length as u64) << STAMP_BITS;
        // Release, both: as in `NextPayload::set`.
        self.words[1].store(predecessors, Ordering::Release);
        self.words[2].store(lineage, Ordering::Release);
    }

    /// Sets the first words of the payload, so many, from the first of others.
    #[inline]
    fn fill<T>(self, from: &[T], length: usize, value: impl Fn(&T) -> u64) {
        // Release: as in `NextPayload::set`.
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
pub(crate) struct NextPayload<'a>(Record<'a>);

impl NextPayload<'_> {
    /// Applies `look` to a copy of some words, in no record.
    pub(crate) fn with_copy<T>(words: &[u64], look: impl FnOnce(NextPayload<'_>) -> T) -> T {
        let all = [0; HEADER].iter().chain(words);
        let words: Box<[AtomicU64]> = all.map(|word| AtomicU64::new(*word)).collect();
        look(NextPayload(Record { words: &words }))
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

//! One record: the words of one version of one cell.

use crate::ledger::limits::{HEADER, RECORD_BITS, WIDTHS};
use crate::ledger::word::{RecordNumber, STAMP_BITS, Stamp};
use crate::sync::{AtomicU64, Ordering};

/// Count the words of payload in records of the common widths. Copying all of them takes half the
/// instructions of copying a variable number, even if fewer are in use.
const NARROW: usize = WIDTHS[0] - HEADER;
const COMMON: usize = WIDTHS[1] - HEADER;

const RECORD_MASK: u64 = (1 << RECORD_BITS) - 1;

/// Names the records of older versions that a version keeps reachable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Predecessors {
    /// The version directly before.
    pub(crate) last: RecordNumber,
    /// The newest version before `last` that has another stamp than `last`, provided that a
    /// snapshot may need it; else [`NONE`](RecordNumber::NONE). The versions between share the
    /// stamp of `last`, so that no snapshot needs them.
    pub(crate) earlier: RecordNumber,
}

impl Predecessors {
    /// Names no version: for the first version of a cell.
    pub(crate) const NOTHING: Predecessors =
        Predecessors { last: RecordNumber::NONE, earlier: RecordNumber::NONE };
}

/// Refers to one record, and so to one version of one cell as its words are now.
///
/// A thread that has loaded a record's number from a gate may read the record at any time. What it
/// reads belongs to one version only if the gate still holds the word afterwards (I4).
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(super) words: &'a [AtomicU64],
}

impl<'a> Record<'a> {
    /// Loads the stamp of the version, or its token if no thread has stamped it yet.
    #[inline]
    pub(crate) fn stamp(self) -> Stamp {
        // Acquire: pairs with the release of this word in `write` and `begin`, and with the
        // exchange in `set_stamp`.
        Stamp::from_bits(self.words[0].load(Ordering::Acquire))
    }

    /// Replaces `token` by `stamp`, or returns the stamp or token that it found instead (I3).
    #[inline]
    pub(crate) fn set_stamp(self, token: Stamp, stamp: Stamp) -> Result<(), Stamp> {
        // AcqRel: a thread that reads the stamp acquires the reading of the clock that it was made
        // from; pairs with `stamp` in the reader of a snapshot. Acquire on failure, for that reason
        // too.
        self.words[0]
            .compare_exchange(token.bits(), stamp.bits(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(Stamp::from_bits)
    }

    /// Loads the length of the payload, and the stamp of the version directly before.
    #[inline]
    fn lineage(self) -> (usize, Stamp) {
        // Acquire: pairs with the release of this word in `set_lineage`.
        let word = self.words.get(2).map_or(0, |word| word.load(Ordering::Acquire));
        // A torn read may pair a length with another version's record.
        let length = ((word >> STAMP_BITS) as usize).min(self.words.len().saturating_sub(HEADER));
        (length, Stamp::from_bits(word & ((1 << STAMP_BITS) - 1)))
    }

    /// Loads the stamp of the version directly before.
    #[inline]
    pub(crate) fn stamp_before(self) -> Stamp {
        self.lineage().1
    }

    /// Loads the records of the versions before this one.
    #[inline]
    pub(crate) fn predecessors(self) -> Predecessors {
        // Acquire: pairs with the release of this word in `set_lineage`.
        let word = self.words.get(1).map_or(0, |word| word.load(Ordering::Acquire));
        Predecessors {
            last: RecordNumber::from_bits((word & RECORD_MASK) as u32),
            earlier: RecordNumber::from_bits((word >> RECORD_BITS & RECORD_MASK) as u32),
        }
    }

    /// Returns the records of the versions before this one, whose stamp or token is `stamp`. Before
    /// the first snapshot no thread can need them, so that they are not loaded.
    #[inline]
    pub(crate) fn predecessors_as_of(self, stamp: Stamp) -> Predecessors {
        if stamp == Stamp::BEGINNING { Predecessors::NOTHING } else { self.predecessors() }
    }

    /// Returns the number of words of payload.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.lineage().0
    }

    /// Loads the `index`th word of the payload; 0 beyond the record's width.
    #[inline]
    pub(crate) fn word(self, index: usize) -> u64 {
        // Acquire: pairs with the release of this word, so that a thread which sees a word of a
        // later version also sees that the gate has moved (I4).
        self.words.get(HEADER + index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Raises the stamp of a version that no gate names yet.
    ///
    /// Another use of the record is unaffected (I10): it has a token, or a stamp that is no earlier
    /// than `stamp`.
    pub(crate) fn raise_stamp(self, stamp: Stamp) {
        let written = self.stamp();
        if written < stamp {
            // Refused: another participant was first.
            let _ = self.set_stamp(written, stamp);
        }
    }

    /// Appends the payload to `into`; returns the stamp of the version directly before.
    pub(crate) fn copy_to(self, into: &mut impl Extend<u64>) -> Stamp {
        let (length, before) = self.lineage();
        let payload = self.words.get(HEADER..HEADER + length).unwrap_or_default();
        // Acquire: as in `word`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        into.extend(payload.iter().map(load));
        before
    }

    /// Copies the payload into `into`, from index `first` on; returns the payload's length, and the
    /// stamp of the version directly before. The words of `into` beyond that length mean nothing.
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
        if let Ok(payload) = <&[_; NARROW]>::try_from(payload)
            && let Some(into) = into.first_chunk_mut::<NARROW>()
        {
            into.iter_mut().zip(payload).for_each(copy);
        } else if let Ok(payload) = <&[_; COMMON]>::try_from(payload)
            && let Some(into) = into.first_chunk_mut::<COMMON>()
        {
            into.iter_mut().zip(payload).for_each(copy);
        } else {
            into.iter_mut().zip(&payload[..length]).for_each(copy);
        }
        (length, before)
    }

    /// Writes a version into this spare record, which the caller owns: no gate names it (I2).
    ///
    /// Other threads may still read the record as the version that it once was. So the stamp or
    /// token is stored first: from then on a reader that validates by the stamp knows that the
    /// words are no longer that version's (I16). A stamp is a reading of the clock from after the
    /// caller came to own the record. The payload is the first `length` words of `words`; the
    /// others mean nothing.
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

    /// Begins the next version of a cell in this spare record, with the words of `version`, which
    /// has the record's width. Stores `token` first, which may be a stamp, as [`write`](Self::write)
    /// does. Returns the payload for the caller to change, and the stamp of the version directly before
    /// `version`.
    ///
    /// The caller still has to [set the lineage](Self::set_lineage).
    #[inline(always)]
    pub(crate) fn begin(self, token: Stamp, version: Record<'_>) -> (NextPayload<'a>, Stamp) {
        // Release: as in `NextPayload::set`.
        self.words[0].store(token.bits(), Ordering::Release);
        // Most often both are of the narrowest width.
        if let Ok(words) = <&[_; WIDTHS[0]]>::try_from(self.words)
            && let Ok(from) = <&[_; WIDTHS[0]]>::try_from(version.words)
        {
            let (length, before) = Record { words: from }.lineage();
            for (word, from) in words[HEADER..].iter().zip(&from[HEADER..]) {
                // As in `fill` and `word`.
                word.store(from.load(Ordering::Acquire), Ordering::Release);
            }
            return (NextPayload(Record { words: &words[..HEADER + length] }), before);
        }
        let (length, before) = version.lineage();
        // Acquire: as in `word`.
        let load = |word: &AtomicU64| word.load(Ordering::Acquire);
        self.fill(version.words.get(HEADER..).unwrap_or_default(), length, load);
        (self.next_payload(length), before)
    }

    /// Begins the next version of a cell in this spare record, with `length` words, all of which the
    /// caller has to set. Stores `stamp` first, as [`write`](Self::write) does. Returns the payload, and the
    /// stamp of the version directly before `version`.
    ///
    /// The caller still has to [set the lineage](Self::set_lineage).
    #[inline(always)]
    pub(crate) fn begin_anew(
        self,
        stamp: Stamp,
        version: Record<'_>,
        length: usize,
    ) -> (NextPayload<'a>, Stamp) {
        // Release: as in `NextPayload::set`.
        self.words[0].store(stamp.bits(), Ordering::Release);
        (self.next_payload(length), version.stamp_before())
    }

    /// Returns the payload of a version with `length` words that is being made in this record.
    #[inline]
    fn next_payload(self, length: usize) -> NextPayload<'a> {
        NextPayload(Record { words: &self.words[..HEADER + length] })
    }

    /// Stores the records of the versions before this one, the stamp of the one directly before,
    /// and the length of the payload. The caller owns the record.
    #[inline]
    pub(crate) fn set_lineage(self, predecessors: Predecessors, before: Stamp, length: usize) {
        let Predecessors { last, earlier } = predecessors;
        let predecessors = u64::from(last.bits()) | u64::from(earlier.bits()) << RECORD_BITS;
        let lineage = before.bits() | (length as u64) << STAMP_BITS;
        // Release, both: as in `NextPayload::set`.
        self.words[1].store(predecessors, Ordering::Release);
        self.words[2].store(lineage, Ordering::Release);
    }

    /// Stores the first `length` words of the payload, each the `value` of its element of `from`.
    #[inline]
    fn fill<T>(self, from: &[T], length: usize, value: impl Fn(&T) -> u64) {
        // Release: as in `NextPayload::set`.
        let store = |(word, from): (&AtomicU64, &T)| word.store(value(from), Ordering::Release);
        let words = &self.words[HEADER..];
        if let Ok(words) = <&[_; NARROW]>::try_from(words)
            && let Some(from) = from.first_chunk::<NARROW>()
        {
            words.iter().zip(from).for_each(store);
        } else if let Ok(words) = <&[_; COMMON]>::try_from(words)
            && let Some(from) = from.first_chunk::<COMMON>()
        {
            words.iter().zip(from).for_each(store);
        } else {
            words.iter().zip(&from[..length]).for_each(store);
        }
    }
}

/// Refers to the payload of a cell's next version, in a spare record, for the caller to change.
#[derive(Clone, Copy)]
pub(crate) struct NextPayload<'a>(Record<'a>);

impl NextPayload<'_> {
    /// Applies `look` to a copy of `words` that is in no record.
    pub(crate) fn with_copy<T>(words: &[u64], look: impl FnOnce(NextPayload<'_>) -> T) -> T {
        let all = [0; HEADER].iter().chain(words);
        let words: Box<[AtomicU64]> = all.map(|word| AtomicU64::new(*word)).collect();
        look(NextPayload(Record { words: &words }))
    }

    /// Returns the number of words.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.0.words.len() - HEADER
    }

    /// Loads the `index`th word; 0 beyond the end.
    #[inline]
    pub(crate) fn word(self, index: usize) -> u64 {
        self.0.word(index)
    }

    /// Loads `N` words from index `first` on, or returns `None` if there are fewer.
    #[inline]
    pub(crate) fn words<const N: usize>(self, first: usize) -> Option<[u64; N]> {
        let words = self.0.words.get(HEADER + first..HEADER + first + N)?.first_chunk::<N>()?;
        // Acquire: as in `word`.
        Some(std::array::from_fn(|index| words[index].load(Ordering::Acquire)))
    }

    /// Stores `values` from index `first` on. There have to be as many words.
    #[inline]
    pub(crate) fn set<const N: usize>(self, first: usize, values: [u64; N]) {
        let words = &self.0.words[HEADER + first..HEADER + first + N];
        for (word, value) in words.iter().zip(values) {
            // Release: pairs with the acquire of this word, so that a reader which sees `value`
            // also sees every gate exchange that made the record a spare.
            word.store(value, Ordering::Release);
        }
    }
}

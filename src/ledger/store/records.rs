//! [`Records`]: all records, by width and position, and the lists of spare ones.
//!
//! A change takes a spare for the next version before it gets the replaced record back. So that a
//! change which gives something back always finds a spare, at most half of the records of each
//! width are in force (I19). In a common width, which all [cells](crate::ledger::Cell::LIMIT)
//! fit, there are at most half as many cells as records. Into a wider width no cell
//! [grows](Records::have_room) while half of it are out. `PROTOCOL.md` lists what may use the other
//! half.

use std::ops::Range;

use super::chunks::Chunks;
use super::free_list::FreeList;
use super::pages::{Aligned, Pages};
use super::record::Record;
use crate::ledger::limits::{COMMON_WIDTHS, Limit, WIDTHS, Width};
use crate::ledger::word::RecordNumber;
use crate::sync::{AtomicU64, CachePadded, Ordering, zeroed_words};

/// Holds all records, by width and position.
pub(crate) struct Records {
    /// Holds the records of the narrowest width.
    narrow: Pages<Aligned<{ WIDTHS[0] }>>,
    /// Holds the records of the next width. Boxed: a ledger has to fit a small stack while it is made.
    common: Box<Pages<Aligned<{ WIDTHS[1] }>>>,
    wide: [Chunks<AtomicU64>; WIDE],
    supplies: [Supply; WIDTHS.len()],
    /// Counts the spares in the free list of each wider width. A count may be too high by the
    /// batches that threads are about to push or have just popped, never too low.
    listed: [CachePadded<AtomicU64>; WIDE],
}

/// Counts the widths that are not common.
const WIDE: usize = WIDTHS.len() - COMMON_WIDTHS;

/// Hands out the records of one width.
struct Supply {
    /// The first position that was never handed out.
    handed_out: CachePadded<AtomicU64>,
    spare: FreeList,
}

impl Supply {
    /// Takes up to `count` positions below `limit` that were never handed out. Lock-free.
    fn hand_out(&self, count: u64, limit: u64) -> Option<Range<u64>> {
        // Relaxed, here and below: only the uniqueness of the answer matters; the room publishes
        // itself.
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
            common: Box::new(Pages::new()),
            wide: std::array::from_fn(|index| Chunks::new(WIDTHS[COMMON_WIDTHS + index])),
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
        // The number of a record of the narrowest width is its position. Any other number is beyond all
        // pages.
        let position_in_common = number.bits().wrapping_sub(Width::W1.first_number());
        if let Some(words) = self.narrow.get_in_page(number.bits()) {
            Record { words }
        } else if let Some(words) = self.common.get_in_page(position_in_common) {
            Record { words }
        } else {
            self.get_elsewhere(number)
        }
    }

    #[inline(never)]
    fn get_elsewhere(&self, number: RecordNumber) -> Record<'_> {
        let position = number.position();
        let words = match number.width() {
            Width::Narrowest => self.narrow.get(position),
            Width::W1 => self.common.get(position),
            wide => self.wide[wide.index() - COMMON_WIDTHS].get(position),
        };
        Record { words: words.expect("a number is handed out after there is room for its words") }
    }

    fn make(&self, number: RecordNumber) {
        let position = number.position();
        match number.width() {
            Width::Narrowest => self.narrow.make(position),
            Width::W1 => self.common.make(position),
            wide => {
                self.wide[wide.index() - COMMON_WIDTHS].get_or_make(position, zeroed_words);
            }
        }
    }

    /// Adds spare records of `width` to `stock`: a batch from the free list, else new ones.
    pub(crate) fn take(&self, width: Width, stock: &mut Vec<RecordNumber>) -> Result<(), Limit> {
        let supply = &self.supplies[width.index()];
        let before = stock.len();
        if supply.spare.pop(|position| stock.push(RecordNumber::new(width, position))) {
            let popped = stock.len() - before;
            self.count_listed(width, (popped as u64).wrapping_neg());
            return Ok(());
        }
        let limit = 2 * u64::from(width.half());
        let new = supply.hand_out(width.batch() as u64, limit).ok_or(Limit::Records(width))?;
        for position in new {
            let number = RecordNumber::new(width, position as u32);
            self.make(number);
            stock.push(number);
        }
        Ok(())
    }

    /// Returns how many records of `width` there are.
    pub(crate) fn made(&self, width: Width) -> u64 {
        // Relaxed: only a figure for statistics. Position 0 is no record.
        self.supplies[width.index()].handed_out.load(Ordering::Relaxed) - 1
    }

    /// Returns how many spare records the free list of `width` holds; see [`FreeList::count`].
    pub(crate) fn spare(&self, width: Width) -> u64 {
        self.supplies[width.index()].spare.count(self.made(width))
    }

    /// Returns the bytes that all records take.
    pub(crate) fn bytes(&self) -> u64 {
        self.narrow.bytes() + self.common.bytes() + self.wide.iter().map(Chunks::bytes).sum::<u64>()
    }

    /// Returns the bytes that the lists of spare records take.
    pub(crate) fn list_bytes(&self) -> u64 {
        self.supplies.iter().map(|supply| supply.spare.bytes()).sum()
    }

    /// Gives spare records of `width` back, for other writers to take.
    pub(crate) fn give(&self, width: Width, spares: impl ExactSizeIterator<Item = RecordNumber>) {
        // Counted before the push, so that the count never drops below zero.
        self.count_listed(width, spares.len() as u64);
        self.supplies[width.index()].spare.push(spares.map(RecordNumber::position));
    }

    fn count_listed(&self, width: Width, by: u64) {
        // A common width is not counted: there are at most half as many cells as records of that
        // width.
        if let Some(wide) = width.index().checked_sub(COMMON_WIDTHS) {
            // Relaxed: a count orders nothing.
            self.listed[wide].fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Returns whether cells may grow into `width`, which is not a common one: whether less than
    /// half of its records are out, apart from `own` spares that the caller has (I19).
    pub(crate) fn have_room(&self, width: Width, own: usize) -> bool {
        // Relaxed, both: a writer that looks too early puts one record more in force; each writer
        // can do so once.
        let listed = self.listed[width.index() - COMMON_WIDTHS].load(Ordering::Relaxed);
        let handed_out = self.supplies[width.index()].handed_out.load(Ordering::Relaxed);
        handed_out.saturating_sub(listed + own as u64) < u64::from(width.half())
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ledger::limits::{FEWER_IN_TESTS, RECORD_BITS};

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
            let bits = [28, 27, 26, 25, 24, 23, 22, 21, 21][index];
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
        // The number alone names the record.
        assert_eq!(RecordNumber::new(Width::Narrowest, 77).bits(), 77);
        assert_eq!(RecordNumber::NONE, RecordNumber::new(Width::Narrowest, 0));
    }

    /// Takes all records of a width.
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
            assert_eq!(records.take(width, &mut all), Err(Limit::Records(width)));
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
        // Spares that the caller has count for nothing.
        assert!(records.have_room(width, width.batch()));
        stock.append(&mut take_all(&records, width));
        assert!(!records.have_room(width, half - 1) && records.have_room(width, half + 1));
        records.give(width, stock.drain(half - 2..));
        assert!(records.have_room(width, 0));
        records.take(width, &mut stock).unwrap();
        assert!(!records.have_room(width, 0));
    }
}

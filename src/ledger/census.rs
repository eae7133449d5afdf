//! Counts cells, records and bytes: how many there are, and where.
//!
//! Each figure is read on its own, so that the figures fit together only while no thread changes
//! anything.

use super::commit::seat::Seat;
use super::limits::{WIDTHS, Width};
use super::state::Ledger;
use super::word::{GateWord, KINDS};
use crate::sync::OnceBox;

/// Counts the cells and records that no transaction uses.
#[derive(Default)]
pub(crate) struct Spares {
    /// Counts runs of spare cells, by kind.
    pub(crate) runs: [u64; KINDS],
    /// Counts spare records, by width.
    pub(crate) records: [u64; Width::COUNT],
}

/// Holds the memory that the ledger's arrays take, in bytes.
pub(crate) struct Bytes {
    /// Counts gates, marks and history slots: one word or slot for each cell.
    pub(crate) cells: u64,
    pub(crate) records: u64,
    /// Counts seats and free lists.
    pub(crate) rest: u64,
}

impl GateWord {
    /// Returns the index of the width of the version in force, or `None` for a cell that was never
    /// used.
    pub(crate) fn width(self) -> Option<usize> {
        (self != GateWord::VACANT).then(|| self.record().width().index())
    }
}

impl Ledger {
    /// Lists the widths of records, in words.
    pub(crate) const WIDTHS: [usize; Width::COUNT] = WIDTHS;

    /// Adds the spare cells and records in the common free lists to `spares`. O(spares).
    pub(crate) fn count_spares(&self, spares: &mut Spares) {
        for (count, (_, free)) in spares.runs.iter_mut().zip(&self.kinds) {
            *count += free.count(self.cell_bound().into());
        }
        for (count, width) in spares.records.iter_mut().zip(Width::ALL) {
            *count += self.records.spare(width);
        }
    }

    /// Returns how many records of each width were ever made.
    pub(crate) fn records_made(&self) -> [u64; Width::COUNT] {
        Width::ALL.map(|width| self.records.made(width))
    }

    /// Returns how many older versions the histories hold. O(cells).
    pub(crate) fn versions_kept(&self) -> u64 {
        self.histories.count()
    }

    fn seat_bytes(&self) -> u64 {
        let seats = self.seats.iter().filter_map(OnceBox::get).count() as u64;
        self.seats.bytes() + seats * Seat::bytes()
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let lists = self.kinds.iter().map(|(_, free)| free.bytes()).sum::<u64>();
        let lists = lists + self.slots_free.bytes() + self.records.list_bytes();
        Bytes {
            cells: self.gates.bytes() + self.marks.bytes() + self.histories.bytes(),
            records: self.records.bytes(),
            rest: lists + self.seat_bytes(),
        }
    }
}

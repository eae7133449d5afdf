//! A census: how many cells and records there are, where they are, and what they take.
//!
//! Each figure is read by itself, so all together are exact only while nobody changes anything.

use super::limits::{WIDTHS, Width};
use super::state::Ledger;
use super::word::{GateWord, KINDS};

/// How many cells and records nobody uses.
#[derive(Default)]
pub(crate) struct Spares {
    /// Runs of cells, by kind.
    pub(crate) runs: [u64; KINDS],
    /// Records, by width.
    pub(crate) records: [u64; Width::COUNT],
}

/// What the arrays of the ledger take.
pub(crate) struct Bytes {
    /// One word or slot for each cell.
    pub(crate) cells: u64,
    pub(crate) records: u64,
    /// What workers announce changes in, and the lists of what is spare.
    pub(crate) rest: u64,
}

impl GateWord {
    /// The width of the version in force, by its index; none for a cell that was never used.
    pub(crate) fn width(self) -> Option<usize> {
        (self != GateWord::VACANT).then(|| self.record().width().index())
    }
}

impl Ledger {
    /// The widths of records, in words.
    pub(crate) const WIDTHS: [usize; Width::COUNT] = WIDTHS;

    /// Adds what is in the common stock. O(what is there).
    pub(crate) fn count_spares(&self, spares: &mut Spares) {
        for (count, (_, free)) in spares.runs.iter_mut().zip(&self.kinds) {
            *count += free.count(self.cell_bound().into());
        }
        for (count, width) in spares.records.iter_mut().zip(Width::ALL) {
            *count += self.records.spare(width);
        }
    }

    /// How many records of each width were ever made.
    pub(crate) fn records_made(&self) -> [u64; Width::COUNT] {
        Width::ALL.map(|width| self.records.made(width))
    }

    /// How many older versions are in histories. O(cells).
    pub(crate) fn versions_kept(&self) -> u64 {
        self.histories.count()
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let lists = self.kinds.iter().map(|(_, free)| free.bytes()).sum::<u64>();
        let lists = lists + self.descriptors_free.bytes() + self.records.list_bytes();
        Bytes {
            cells: self.gates.bytes() + self.marks.bytes() + self.histories.bytes(),
            records: self.records.bytes(),
            rest: lists + self.descriptors.bytes(),
        }
    }
}

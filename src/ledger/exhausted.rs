//! What the ledger can run out of.

use super::record::{RecordNumber, Width};

/// A bound of the ledger that was met. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exhausted {
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

/// As wide as a cell or a record's number: a result of either stays in registers.
const _: () = assert!(size_of::<Exhausted>() == size_of::<RecordNumber>());

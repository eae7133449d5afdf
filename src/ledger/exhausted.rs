//! What the ledger can run out of.

/// A bound of the ledger that was met. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)] // As wide as a cell or a record's number: a result of either stays in registers.
pub(crate) enum Exhausted {
    /// Cells.
    Cells,
    /// Records of one width.
    Records,
    /// Workers at the same time.
    Workers,
    /// Words in one cell.
    Words,
    /// Cells in one transaction.
    Entries,
}

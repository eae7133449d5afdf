//! What the models of records share.

use provider_tree::model::{Cell, Hand, Ledger};

/// Checks that no record serves two cells, or a cell and a worker's stock.
///
/// # Panics
///
/// If one does.
pub fn assert_distinct(ledger: &Ledger, cells: &[Cell], hands: &[&Hand]) {
    let in_force = cells.iter().map(|cell| ledger.record_of(*cell));
    let mut records: Vec<_> = in_force.chain(hands.iter().flat_map(|hand| hand.spares())).collect();
    let count = records.len();
    records.sort_unstable();
    records.dedup();
    assert_eq!(records.len(), count, "a record has two uses");
}

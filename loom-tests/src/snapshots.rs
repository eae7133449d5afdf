//! What the models of snapshots share.

use provider_tree::model::{Cell, Hand, Ledger, Snapshot};

/// Adds 1 to each word of the cell.
pub fn increment(hand: &mut Hand, cell: Cell) {
    hand.update(cell, |word| word + 1);
}

/// Puts the value into each word of the cell.
pub fn set(hand: &mut Hand, cell: Cell, value: u64) {
    hand.update(cell, |_| value);
}

/// Ends them all: then nothing is kept for anyone.
///
/// # Panics
///
/// If something is kept of one of the cells.
pub fn end(ledger: &Ledger, snapshots: impl IntoIterator<Item = Snapshot>, cells: &[Cell]) {
    snapshots.into_iter().for_each(Snapshot::end);
    for cell in cells {
        assert_eq!(ledger.preserved(*cell), 0, "kept for nobody");
    }
}

/// Calls `change` with one of two hands in turn, each call between two of three snapshots. Either
/// hand leaves one record in place, so that nothing is preserved so far; the next change leaves
/// the first version out.
pub fn two_changes(ledger: &Ledger, change: fn(&mut Hand)) -> ([Hand; 2], [Snapshot; 3]) {
    let mut hands = [ledger.hand(), ledger.hand()];
    let first = ledger.snapshot();
    change(&mut hands[0]);
    let second = ledger.snapshot();
    change(&mut hands[1]);
    (hands, [first, second, ledger.snapshot()])
}

/// The first cell of a ledger.
pub fn only() -> Cell {
    Cell::numbered(0)
}

/// Adds 1 to each of the first two cells, in one transaction.
///
/// # Panics
///
/// If the transaction is not committed.
pub fn increment_both(hand: &mut Hand) {
    let cells = [Cell::numbered(0), Cell::numbered(1)];
    assert!(hand.transact(cells, |_| true, |_, word| Some(word + 1)));
}

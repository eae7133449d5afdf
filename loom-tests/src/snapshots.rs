//! What the models of snapshots share.

use provider_tree::model::{Cell, Hand, Ledger, Snapshot};

use crate::thread;

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

/// Checks that a snapshot beside `change`, which raises two cells to 1 as one, has both or none, and what
/// was seen before it.
///
/// # Panics
///
/// If it has not.
pub fn both_or_none(change: fn(&mut Hand, [Cell; 2]) -> bool) {
    let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
    let mut hand = ledger.hand();
    let thread = thread::spawn(move || assert!(change(&mut hand, [a, b])));
    let seen = ledger.read(b)[0];
    let snapshot = ledger.snapshot();
    let first = snapshot.read(a)[0];
    let second = snapshot.read(b)[0];
    assert_eq!(first, second, "half a transaction");
    assert!(first >= seen, "a change seen before is missing");
    thread.join().expect("no panic in the thread");
    assert_eq!([snapshot.read(a)[0], snapshot.read(b)[0]], [first, second]);
    snapshot.end();
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

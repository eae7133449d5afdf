//! Spare records: none is lost, whatever record a transaction finds in its stock.

use std::sync::Arc;

use crate::ledger::{Cell, Kind, Ledger, Limit, Spares, Transaction, Writer};

const ALONE: Kind = Kind(1);

/// Counts the cells: more than the records that move from the common stock at once.
const CELLS: usize = 70;

fn increment(transaction: &mut Transaction<'_>, cell: Cell) -> Result<(), Limit> {
    let place = transaction.open(cell)?;
    transaction.words_mut(place).iter_mut().for_each(|word| *word += 1);
    Ok(())
}

fn increment_one(writer: &mut Writer, cell: Cell) {
    let changed: Result<(), Limit> =
        writer.transact(|transaction| Ok(increment(transaction, cell)?));
    changed.unwrap();
}

/// Between reading the cells and taking spares for their next versions, a transaction sees one cell
/// changed by another writer, which then gives all its spares back. So in the common stock the
/// transaction may find, for a cell, the very record that was in force when the transaction read
/// the cell.
#[test]
fn a_record_that_was_read_and_comes_back_as_a_spare_is_not_lost() {
    let ledger = Arc::new(Ledger::new(&[1, 1]));
    let cells: Vec<_> = {
        let mut writer = ledger.writer().unwrap();
        (0..CELLS).map(|_| writer.take_cells(ALONE, &[0]).unwrap()).collect()
    };
    for (round, changed) in (1..).zip(&cells) {
        let mut attempts = 0;
        let mut writer = ledger.writer().unwrap();
        let result: Result<(), Limit> = writer.transact(|transaction| {
            attempts += 1;
            cells.iter().try_for_each(|cell| increment(transaction, *cell))?;
            if attempts == 1 {
                increment_one(&mut ledger.writer().unwrap(), *changed);
            }
            Ok(())
        });
        result.unwrap();
        drop(writer);
        assert_eq!(attempts, 2);
        assert_eq!(ledger.peek(*changed, |record| record.word(0)), round + 1);
        // Every record that is not in force is in the common stock.
        let mut spares = Spares::default();
        ledger.count_spares(&mut spares);
        let made: u64 = ledger.records_made().iter().sum();
        assert_eq!(made - spares.records.iter().sum::<u64>(), CELLS as u64, "round {round}");
    }
}

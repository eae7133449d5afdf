//! The ledger in a few steps of two real threads, for Miri. Miri shows each thread, at random, old
//! values that the orderings allow the thread to see, which an x86 processor never does.
//!
//! Miri runs each test with many seeds; `.github/workflows` says how many. Without Miri, the tests
//! pass at once, and show little.

use std::sync::Arc;
use std::thread;

use crate::ledger::{Cell, DoubleCollect, Kind, Ledger, Limit, Reader, Torn, Writer};

const ALONE: Kind = Kind(1);

/// Returns a ledger with `N` cells, each of which holds a word twice.
fn ledger<const N: usize>() -> (Arc<Ledger>, [Cell; N]) {
    let ledger = Arc::new(Ledger::new(&[1, 1]));
    let mut writer = ledger.writer().unwrap();
    let cells = std::array::from_fn(|_| {
        let cell = writer.take_cells(ALONE, &[0]).unwrap();
        let written: Result<(), Limit> = writer.transact(|transaction| {
            let place = transaction.open(cell)?;
            transaction.rewrite(place, &[0, 0]);
            Ok(())
        });
        written.unwrap();
        cell
    });
    (ledger, cells)
}

/// Adds 1 to both words of one cell.
fn increment(writer: &mut Writer, cell: Cell) {
    let changed: Result<(), Limit> = writer.update(cell, |words| {
        let [one, other] = words.words(0).ok_or(Torn)?;
        words.set(0, [one + 1, other + 1]);
        Ok(())
    });
    changed.unwrap();
}

/// Adds 1 to all words of both cells, as one change.
fn increment_both(writer: &mut Writer, cells: [Cell; 2]) {
    let changed: Result<(), Limit> = writer.transact(|transaction| {
        for cell in cells {
            let place = transaction.open(cell)?;
            transaction.words_mut(place).iter_mut().for_each(|word| *word += 1);
        }
        Ok(())
    });
    changed.unwrap();
}

fn words_of(ledger: &Ledger, cell: Cell) -> [u64; 2] {
    ledger.peek(cell, |record| [record.word(0), record.word(1)])
}

#[test]
fn a_reader_meets_records_that_are_used_again() {
    let (ledger, [a, b]) = ledger();
    let mut writer = ledger.writer().unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..4 {
            increment(&mut writer, a);
            increment(&mut writer, b);
        }
    });
    let mut last = 0;
    for _ in 0..6 {
        let [one, other] = words_of(&ledger, a);
        assert_eq!(one, other, "a mix of two versions");
        assert!(one >= last, "an older version after a newer one");
        last = one;
    }
    thread.join().unwrap();
    assert_eq!([a, b].map(|cell| words_of(&ledger, cell)), [[4, 4]; 2]);
}

#[test]
fn two_writers_and_a_reader_of_two_cells() {
    let (ledger, cells) = ledger();
    let threads = [(); 2].map(|()| {
        let mut writer = ledger.writer().unwrap();
        thread::spawn(move || (0..3).for_each(|_| increment_both(&mut writer, cells)))
    });
    for _ in 0..4 {
        let read = |collect: &mut DoubleCollect<'_>| {
            let [first, second] = cells.map(|cell| collect.read(cell, <[u64]>::to_vec));
            Ok([first?, second?])
        };
        let [first, second] = DoubleCollect::consistent(&ledger, read);
        assert_eq!(first, second, "half a transaction");
        assert_eq!(first[0], first[1], "a mix of two versions");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(cells.map(|cell| words_of(&ledger, cell)), [[6, 6]; 2]);
}

#[test]
fn a_snapshot_beside_a_writer() {
    let (ledger, cells @ [a, b]) = ledger();
    let mut writer = ledger.writer().unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..3 {
            increment(&mut writer, a);
            increment(&mut writer, b);
        }
    });
    let seen = words_of(&ledger, b)[0];
    let pin = ledger.pin();
    let read = || {
        cells.map(|cell| {
            let mut words = Vec::new();
            ledger.read_at(&pin, cell, &mut words).unwrap();
            assert_eq!(words[0], words[1], "a mix of two versions");
            words[0]
        })
    };
    let [first, second] = read();
    assert!(second >= seen, "a change seen before is missing");
    assert!(first == second || first == second + 1, "the later change without the earlier one");
    thread.join().unwrap();
    assert_eq!(read(), [first, second]);
    ledger.unpin(&pin, |_, _| {});
}

#[test]
fn a_writer_comes_as_another_goes() {
    let (ledger, cells) = ledger();
    let threads = [(); 2].map(|()| {
        let ledger = Arc::clone(&ledger);
        thread::spawn(move || {
            for _ in 0..3 {
                increment_both(&mut ledger.writer().unwrap(), cells);
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(cells.map(|cell| words_of(&ledger, cell)), [[6, 6]; 2]);
}

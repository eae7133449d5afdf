//! Stamps: late writers, helpers and readers agree on when a version came into force.

#![cfg(provider_tree_loom)]

use std::cell::RefCell;
use std::rc::Rc;

use loom_tests::snapshots::{end, increment, set};
use loom_tests::{Model, thread};
use provider_tree::model::{Ledger, Step};

#[test]
fn two_writers_of_one_cell_and_a_snapshot() {
    Model {
        name: "two_writers_of_one_cell_and_a_snapshot",
        property: "whoever replaces a version whose writer has not come so far preserves it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut other, cell);
            increment(&mut other, cell);
        });
        let snapshot = ledger.snapshot();
        let words = snapshot.read(cell);
        let mut hand = ledger.hand();
        increment(&mut hand, cell);
        assert_eq!(snapshot.read(cell), words);
        thread.join().expect("no panic in the thread");
        assert_eq!(snapshot.read(cell), words);
        assert_eq!(ledger.read(cell), [3]);
        snapshot.end();
    });
}

#[test]
fn a_writer_stops_before_it_has_stamped() {
    Model {
        name: "a_writer_stops_before_it_has_stamped",
        property: "two snapshots around a writer stopped after its exchange read their own instants",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let before = ledger.snapshot();
        assert!(ledger.hand().stop_at(Step::Exchanged, 1, |hand| increment(hand, cell)));
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            increment(&mut hand, cell);
        });
        assert_eq!(before.read(cell), [0]);
        let after = ledger.snapshot();
        let words = after.read(cell);
        assert!(words[0] >= 1, "a change from before the snapshot is missing");
        thread.join().expect("no panic in the thread");
        assert_eq!(before.read(cell), [0]);
        assert_eq!(after.read(cell), words);
        before.end();
        after.end();
    });
}

#[test]
fn a_late_stamp_meets_the_next_version() {
    Model {
        name: "a_late_stamp_meets_the_next_version",
        property: "a writer that comes late to stamp its version takes no other's stamp for it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || other.update(cell, |word| word + 10));
        let mut hand = ledger.hand();
        increment(&mut hand, cell);
        let snapshot = ledger.snapshot();
        increment(&mut hand, cell);
        increment(&mut hand, cell);
        let words = snapshot.read(cell);
        assert!(words == [1] || words == [11], "{words:?}");
        thread.join().expect("no panic in the thread");
        assert_eq!(snapshot.read(cell), words);
        snapshot.end();
    });
}

#[test]
fn helpers_agree_on_a_stamp() {
    Model {
        name: "helpers_agree_on_a_stamp",
        property: "an owner stopped before its decision, helpers and a snapshot: one stamp for both",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        assert!(ledger.hand().stop_at(Step::Timed, 1, |hand| {
            hand.transact([a, b], |_| true, |_, _| Some(1));
        }));
        let helper = ledger.clone();
        let thread = thread::spawn(move || {
            let seen = helper.read(b)[0];
            let snapshot = helper.snapshot();
            assert_eq!([seen, snapshot.read(b)[0], snapshot.read(a)[0]], [1; 3]);
            snapshot.end();
        });
        // Not seen by anyone: it may count as later than the snapshot.
        let snapshot = ledger.snapshot();
        let first = snapshot.read(b)[0];
        assert_eq!(snapshot.read(a)[0], first, "half a transaction");
        thread.join().expect("no panic in the thread");
        assert_eq!([snapshot.read(a)[0], snapshot.read(b)[0]], [first; 2]);
        snapshot.end();
    });
}

#[test]
fn a_late_helper_stamps_no_other_version() {
    Model {
        name: "a_late_helper_stamps_no_other_version",
        property: "who is about to stamp a version finds its record used by another, and leaves that",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c, d]) = Ledger::with_cells([&[0], &[0], &[0], &[0]]);
        let mut hand = ledger.hand();
        // Decided after a snapshot: the version of `b` is still to be given its stamp.
        assert!(ledger.hand().stop_at(Step::Stamped, 1, |hand| {
            hand.transact([a, b], |_| true, |_, _| Some(1));
        }));
        let helper = ledger.clone();
        let thread = thread::spawn(move || helper.read(b)[0]);
        set(&mut hand, b, 2);
        let snapshot = ledger.snapshot();
        // Into the record that `b` had.
        assert!(hand.transact([c, d], |_| true, |_, _| Some(1)));
        assert!((1..=2).contains(&thread.join().expect("no panic in the thread")));
        assert_eq!([a, b, c, d].map(|cell| snapshot.read(cell)[0]), [1, 2, 0, 0]);
        snapshot.end();
    });
}

#[test]
fn a_spare_that_was_the_next_version() {
    Model {
        name: "a_spare_that_was_the_next_version",
        property: "a spare that was the version of the same number is no longer taken for it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let ledger = Ledger::default();
        let mut first = ledger.hand();
        let cell = first.new_cell(&[0]);
        // Has spares of its own.
        let mut late = ledger.hand();
        set(&mut late, cell, 0);
        // One spare for whoever asks for one.
        drop(first);
        let thread = thread::spawn(move || {
            set(&mut late, cell, 5);
            std::mem::forget(late);
        });
        let taken = Rc::new(RefCell::new(None));
        let meanwhile = {
            let (ledger, taken) = (ledger.clone(), Rc::clone(&taken));
            move || {
                // Stamps what it finds.
                ledger.read(cell);
                let snapshot = ledger.snapshot();
                let seen = snapshot.read(cell);
                // The version goes to the history, its record to whoever asks for one.
                set(&mut ledger.hand(), cell, 9);
                *taken.borrow_mut() = Some((snapshot, seen));
            }
        };
        // Its stock is empty: it takes a spare after it has read the cell.
        ledger.hand().interrupted(Step::HeadRead, meanwhile, |hand| {
            // Gives up when it runs again.
            let mut first = true;
            hand.transact([cell], |_| std::mem::take(&mut first), |_, word| Some(word + 2));
        });
        thread.join().expect("no panic in the thread");
        let (snapshot, seen) = taken.take().expect("there was a spare");
        assert_eq!(snapshot.read(cell), seen);
        snapshot.end();
    });
}

#[test]
fn a_late_writer_preserves_no_version_of_the_same_epoch() {
    Model {
        name: "a_late_writer_preserves_no_version_of_the_same_epoch",
        property: "a writer overtaken in its stamping preserves no version that was in no snapshot",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        let first = ledger.snapshot();
        increment(&mut hand, cell);
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        let seen = ledger.read(cell);
        let second = ledger.snapshot();
        increment(&mut other, cell);
        let words = second.read(cell);
        assert!(words >= seen, "a change seen before is missing");
        let mut hand = thread.join().expect("no panic in the thread");
        // What the late writer has retired is taken back, then the next left out.
        let third = ledger.snapshot();
        increment(&mut hand, cell);
        let fourth = ledger.snapshot();
        increment(&mut hand, cell);
        assert_eq!([first.read(cell), second.read(cell)], [[0].to_vec(), words]);
        assert_eq!([third.read(cell), fourth.read(cell)], [[3], [4]]);
        end(&ledger, [first, second, third, fourth], &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn a_late_writer_meets_reuse() {
    Model {
        name: "a_late_writer_meets_reuse",
        property: "a writer whose version's record is another's by now takes no stamp from it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        let first = ledger.snapshot();
        let thread = thread::spawn(move || {
            // The second into the record that the first replaced, if that was the other writer's.
            (0..2).for_each(|_| increment(&mut other, cell));
            other
        });
        increment(&mut hand, cell);
        let other = thread.join().expect("no panic in the thread");
        // What the late writer has retired is taken back, then what it replaces now, and used.
        let second = ledger.snapshot();
        increment(&mut hand, cell);
        let third = ledger.snapshot();
        (0..2).for_each(|_| increment(&mut hand, cell));
        assert_eq!([first.read(cell), second.read(cell), third.read(cell)], [[0], [3], [4]]);
        end(&ledger, [first, second, third], &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn a_late_writer_meets_a_touch() {
    Model {
        name: "a_late_writer_meets_a_touch",
        property: "a writer whose version was touched before it was stamped loses nothing",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell, beside]) = Ledger::with_cells([&[0], &[0]]);
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        let first = ledger.snapshot();
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        let touch = |index, word| (index == 1).then_some(word + 1);
        assert!(other.transact([cell, beside], |_| true, touch));
        let mut hand = thread.join().expect("no panic in the thread");
        increment(&mut hand, cell);
        assert_eq!([first.read(cell), first.read(beside)], [[0], [0]]);
        end(&ledger, [first], &[cell, beside]);
        drop([hand, other]);
    });
}

#[test]
fn a_stamp_noted_by_a_reader_meets_a_snapshot() {
    Model {
        name: "a_stamp_noted_by_a_reader_meets_a_snapshot",
        property: "a version whose writer has stopped is in a snapshot taken after it was seen",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let before = ledger.snapshot();
        assert!(ledger.hand().stop_at(Step::Exchanged, 1, |hand| increment(hand, cell)));
        let shared = ledger.clone();
        let thread = thread::spawn(move || {
            assert_eq!(shared.read(cell), [1]);
            let snapshot = shared.snapshot();
            assert_eq!(snapshot.read(cell), [1]);
            snapshot
        });
        let snapshot = ledger.snapshot();
        let words = snapshot.read(cell);
        let after = thread.join().expect("no panic in the thread");
        assert_eq!(before.changed([cell]), [true]);
        assert_eq!(snapshot.read(cell), words);
        assert_eq!([before.read(cell), after.read(cell)], [[0], [1]]);
        end(&ledger, [before, snapshot, after], &[cell]);
    });
}

#[test]
fn a_spare_whose_version_ended_later_than_the_transaction_began() {
    Model {
        name: "a_spare_whose_version_ended_later_than_the_transaction_began",
        property: "a spare is filled with a stamp that no reader takes for the version that it held",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell, a, b]) = Ledger::with_cells([&[0], &[7], &[8]]);
        let met = Rc::new(RefCell::new(None));
        let meanwhile = {
            let (ledger, met) = (ledger.clone(), Rc::clone(&met));
            move || {
                let first = ledger.snapshot();
                let mut hand = ledger.hand();
                set(&mut hand, cell, 1);
                let record = ledger.record_of(cell);
                let second = ledger.snapshot();
                (2..=3).for_each(|value| set(&mut hand, cell, value));
                // Named still as the earlier one, and needed no more.
                second.end();
                drop(hand);
                let reader = thread::spawn(move || {
                    assert_eq!(first.read(cell), [0]);
                    first
                });
                *met.borrow_mut() = Some((record, reader));
            }
        };
        // Its stock is empty: it takes a spare after it has read the cells.
        ledger.hand().interrupted(Step::HeadRead, meanwhile, |hand| {
            assert!(hand.transact([a, b], |_| true, |_, word| Some(word + 2)));
        });
        let (record, reader) = met.take().expect("there was a spare");
        let first = reader.join().expect("no panic in the thread");
        assert!([a, b].map(|cell| ledger.record_of(cell)).contains(&record), "another record");
        assert_eq!([cell, a, b].map(|cell| first.read(cell)[0]), [0, 7, 8]);
        end(&ledger, [first], &[cell, a, b]);
    });
}

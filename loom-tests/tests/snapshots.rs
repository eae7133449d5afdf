//! Snapshots: what was in force at an instant, read while writers go on, and what changed
//! since.

#![cfg(provider_tree_loom)]

use loom_tests::snapshots::{both_or_none, end, increment, increment_both, only, set};
use loom_tests::{Model, thread};
use provider_tree::model::Ledger;

#[test]
fn a_snapshot_keeps_the_order_of_two_changes() {
    Model {
        name: "a_snapshot_keeps_the_order_of_two_changes",
        property: "a snapshot with a later change has the earlier one, and what was seen before it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            set(&mut hand, a, 1);
            set(&mut hand, b, 1);
        });
        let seen = ledger.read(b)[0];
        let snapshot = ledger.snapshot();
        let later = snapshot.read(b)[0];
        let earlier = snapshot.read(a)[0];
        assert!(earlier >= later, "the later change without the earlier one");
        assert!(later >= seen, "a change seen before is missing");
        thread.join().expect("no panic in the thread");
        assert_eq!([snapshot.read(a)[0], snapshot.read(b)[0]], [earlier, later]);
        snapshot.end();
    });
}

#[test]
fn a_snapshot_has_a_transaction_whole() {
    Model {
        name: "a_snapshot_has_a_transaction_whole",
        property: "a snapshot has both cells of a transaction or none, and what was seen before it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| both_or_none(|hand, cells| hand.transact(cells, |_| true, |_, _| Some(1))));
}

#[test]
fn a_reader_of_the_past_meets_reuse() {
    Model {
        name: "a_reader_of_the_past_meets_reuse",
        property: "what a snapshot reads while its record is used again is one version, the same",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || (1..=3).for_each(|value| set(&mut hand, cell, value)));
        let seen = ledger.read(cell)[0];
        let snapshot = ledger.snapshot();
        let words = snapshot.read(cell);
        assert_eq!(words[0], words[1], "torn");
        assert!(words[0] >= seen, "a change seen before is missing");
        thread.join().expect("no panic in the thread");
        assert_eq!(snapshot.read(cell), words);
        snapshot.end();
    });
}

#[test]
fn two_snapshots_overlap() {
    Model {
        name: "two_snapshots_overlap",
        property: "each of two snapshots that come and go beside a writer reads its own instant",
        threads: 3,
        bound: Some(1),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let writer = thread::spawn(move || {
            increment(&mut hand, cell);
            increment(&mut hand, cell);
        });
        let shared = ledger.clone();
        let other = thread::spawn(move || {
            let snapshot = shared.snapshot();
            let words = snapshot.read(cell);
            assert_eq!(snapshot.read(cell), words);
            (snapshot, words)
        });
        let snapshot = ledger.snapshot();
        let words = snapshot.read(cell);
        assert_eq!(snapshot.read(cell), words);
        snapshot.end();
        let (snapshot, words) = other.join().expect("no panic in the thread");
        writer.join().expect("no panic in the thread");
        assert_eq!(snapshot.read(cell), words);
        snapshot.end();
    });
}

#[test]
fn a_snapshot_begins_while_a_writer_looks_for_others() {
    Model {
        name: "a_snapshot_begins_while_a_writer_looks_for_others",
        property: "a writer that looks who is registered keeps what a snapshot needs that begins just then",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut hand = ledger.hand();
        // So that the first change looks at the registry.
        let first = ledger.snapshot();
        let thread = thread::spawn(move || (1..=3).for_each(|value| set(&mut hand, cell, value)));
        let second = ledger.snapshot();
        thread.join().expect("no panic in the thread");
        let seen = second.read(cell);
        assert_eq!(seen[0], seen[1], "a mix of two versions");
        assert_eq!(first.read(cell), [0, 0]);
        end(&ledger, [first, second], &[cell]);
    });
}

#[test]
fn two_snapshots_are_taken_at_once() {
    Model {
        name: "two_snapshots_are_taken_at_once",
        property: "each of two snapshots taken at once has an instant of its own, and ends for good",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let shared = ledger.clone();
        let thread = thread::spawn(move || shared.snapshot().end());
        ledger.snapshot().end();
        let last = ledger.snapshot();
        thread.join().expect("no panic in the thread");
        assert_eq!(ledger.snapshots(), 1, "registered for nobody");
        increment(&mut hand, cell);
        assert_eq!(last.read(cell), [0]);
        end(&ledger, [last], &[cell]);
        assert_eq!(ledger.snapshots(), 0);
        drop(hand);
    });
}

#[test]
fn a_change_is_marked_before_it_is_missed() {
    Model {
        name: "a_change_is_marked_before_it_is_missed",
        property: "what differs between two snapshots is among what is said to have changed",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let before = ledger.snapshot();
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || increment(&mut hand, cell));
        let after = ledger.snapshot();
        let [changed] = before.changed([cell]);
        assert!(changed || after.read(cell) == [0], "a change was missed");
        thread.join().expect("no panic in the thread");
        assert_eq!(before.changed([cell]), [true]);
        assert_eq!(after.changed([cell]), [after.read(cell) == [0]]);
        assert_eq!(before.read(cell), [0]);
        end(&ledger, [before, after], &[cell]);
    });
}

#[test]
fn a_transaction_is_marked_before_it_is_missed() {
    Model {
        name: "a_transaction_is_marked_before_it_is_missed",
        property: "what a transaction changed between two snapshots is said to have changed",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, cells) = Ledger::with_cells([&[0], &[0]]);
        let before = ledger.snapshot();
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || increment_both(&mut hand));
        let after = ledger.snapshot();
        let changed = before.changed(cells);
        for (cell, changed) in cells.into_iter().zip(changed) {
            assert!(changed || after.read(cell) == [0], "a change was missed");
        }
        thread.join().expect("no panic in the thread");
        assert_eq!(before.changed(cells), [true; 2]);
        end(&ledger, [before, after], &cells);
    });
}

#[test]
fn a_cell_comes_into_use_beside_a_snapshot() {
    Model {
        name: "a_cell_comes_into_use_beside_a_snapshot",
        property: "what a snapshot reads in a cell that comes into use stays the same, and is told",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let ledger = Ledger::default();
        let before = ledger.snapshot();
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || hand.new_cell(&[7]));
        let shown = only();
        let snapshot = ledger.snapshot();
        let [changed] = before.changed([shown]);
        let words = snapshot.read(shown);
        assert!(changed || words.is_empty(), "a first version was missed");
        assert_eq!(before.read(shown), []);
        let cell = thread.join().expect("no panic in the thread");
        assert_eq!(cell, shown);
        assert_eq!(before.read(shown), []);
        assert_eq!(before.changed([shown]), [true]);
        assert_eq!(snapshot.read(shown), words);
        end(&ledger, [snapshot, before], &[cell]);
    });
}

#[test]
fn a_reader_of_the_past_meets_reuse_of_what_is_in_force() {
    Model {
        name: "a_reader_of_the_past_meets_reuse_of_what_is_in_force",
        property: "who reads an instant takes no lineage from a record that is another cell's by now",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[1], &[7]]);
        let mut hand = ledger.hand();
        let first = ledger.snapshot();
        set(&mut hand, a, 2);
        let in_force = ledger.record_of(a);
        let thread = thread::spawn(move || {
            // The first makes a spare of the record in force, the second names in it what `b` held.
            set(&mut hand, a, 3);
            set(&mut hand, b, 8);
            hand
        });
        assert_eq!(first.read(a), [1]);
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.record_of(b), in_force, "another record");
        assert_eq!([first.read(a), first.read(b)], [[1], [7]]);
        end(&ledger, [first], &[a, b]);
        drop(hand);
    });
}

#[test]
fn two_mark_one_block() {
    Model {
        name: "two_mark_one_block",
        property: "who finds the mark of another's change in its block is found by it itself",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        let before = ledger.snapshot();
        let thread = thread::spawn(move || increment(&mut other, a));
        increment(&mut hand, b);
        let after = ledger.snapshot();
        let [_, changed] = before.changed([a, b]);
        assert!(changed && after.read(b) == [1], "a change was missed");
        thread.join().expect("no panic in the thread");
        assert_eq!(before.changed([a, b]), [true; 2]);
        end(&ledger, [before, after], &[a, b]);
    });
}

//! Snapshots: what was in force at an instant, read while writers go on.

#![cfg(provider_tree_loom)]

use std::cell::RefCell;
use std::rc::Rc;

use loom_tests::{Model, thread};
use provider_tree::model::{Cell, Hand, Ledger, Snapshot, Step};

fn increment(hand: &mut Hand, cell: Cell) {
    hand.update(cell, |word| word + 1);
}

fn set(hand: &mut Hand, cell: Cell, value: u64) {
    hand.update(cell, |_| value);
}

/// Ends them all: then nothing is kept for anyone.
fn end(ledger: &Ledger, snapshots: impl IntoIterator<Item = Snapshot>, cells: &[Cell]) {
    snapshots.into_iter().for_each(Snapshot::end);
    for cell in cells {
        assert_eq!(ledger.preserved(*cell), 0, "kept for nobody");
    }
}

/// Calls `change` with one of two hands in turn, each call between two of three snapshots. Either
/// hand leaves one record in place, so that nothing is preserved so far; the next change leaves
/// the first version out.
fn two_changes(ledger: &Ledger, change: fn(&mut Hand)) -> ([Hand; 2], [Snapshot; 3]) {
    let mut hands = [ledger.hand(), ledger.hand()];
    let first = ledger.snapshot();
    change(&mut hands[0]);
    let second = ledger.snapshot();
    change(&mut hands[1]);
    (hands, [first, second, ledger.snapshot()])
}

/// The first cell of a ledger.
fn only() -> Cell {
    Cell::numbered(0)
}

/// Adds 1 to each of the first two cells, in one transaction.
fn increment_both(hand: &mut Hand) {
    let cells = [Cell::numbered(0), Cell::numbered(1)];
    assert!(hand.transact(cells, |_| true, |_, word| Some(word + 1)));
}

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
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut hand = ledger.hand();
        let thread =
            thread::spawn(move || assert!(hand.transact([a, b], |_| true, |_, _| Some(1))));
        let seen = ledger.read(b)[0];
        let snapshot = ledger.snapshot();
        let first = snapshot.read(a)[0];
        let second = snapshot.read(b)[0];
        assert_eq!(first, second, "half a transaction");
        assert!(first >= seen, "a change seen before is missing");
        thread.join().expect("no panic in the thread");
        assert_eq!([snapshot.read(a)[0], snapshot.read(b)[0]], [first, second]);
        snapshot.end();
    });
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
fn what_is_left_out_is_found() {
    Model {
        name: "what_is_left_out_is_found",
        property: "a version that is named no more is in the history before, for whoever needs it",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let ([mut hand, other], snapshots) = two_changes(&ledger, |hand| increment(hand, only()));
        assert_eq!(ledger.preserved(cell), 0);
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        assert_eq!(snapshots[0].read(cell), [0, 0]);
        assert_eq!(snapshots[1].read(cell), [1, 1]);
        let hands = [thread.join().expect("no panic in the thread"), other];
        for (snapshot, value) in snapshots.iter().zip(0..) {
            assert_eq!(snapshot.read(cell), [value; 2]);
        }
        assert_eq!(ledger.preserved(cell), 1);
        end(&ledger, snapshots, &[cell]);
        drop(hands);
    });
}

#[test]
fn two_leave_out_the_same_version() {
    Model {
        name: "two_leave_out_the_same_version",
        property: "of two that leave out a version one preserves it, and nothing else is lost",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let ([mut hand, mut other], snapshots) =
            two_changes(&ledger, |hand| increment(hand, only()));
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        increment(&mut other, cell);
        for (snapshot, value) in snapshots.iter().zip(0..) {
            assert_eq!(snapshot.read(cell), [value]);
        }
        let hand = thread.join().expect("no panic in the thread");
        for (snapshot, value) in snapshots.iter().zip(0..) {
            assert_eq!(snapshot.read(cell), [value]);
        }
        assert_eq!(ledger.read(cell), [4]);
        assert_eq!(snapshots[0].kept(), 1, "kept twice");
        assert!(snapshots[1..].iter().all(|snapshot| snapshot.kept() <= 1), "kept twice");
        end(&ledger, snapshots, &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn a_bound_holds_from_when_it_is_set() {
    Model {
        name: "a_bound_holds_from_when_it_is_set",
        property: "nothing is kept beyond a bound, also by a thread that was about to keep it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let ([mut hand, other], snapshots) = two_changes(&ledger, |hand| increment(hand, only()));
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        snapshots[0].keep_at_most(0);
        let kept = snapshots[0].kept();
        let hand = thread.join().expect("no panic in the thread");
        assert!(snapshots[0].kept() <= kept, "kept in spite of the bound");
        assert_eq!(snapshots[0].try_read(cell).is_some(), kept > 0);
        end(&ledger, snapshots, &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn two_leave_out_in_two_epochs() {
    Model {
        name: "two_leave_out_in_two_epochs",
        property: "a snapshot between two that leave versions out has what was in force, as the others",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let ([mut hand, mut other], snapshots) =
            two_changes(&ledger, |hand| increment(hand, only()));
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        let fourth = ledger.snapshot();
        increment(&mut other, cell);
        let hand = thread.join().expect("no panic in the thread");
        for (snapshot, value) in snapshots.iter().zip(0..) {
            assert_eq!(snapshot.read(cell), [value]);
        }
        let words = fourth.read(cell);
        assert!(words == [2] || words == [3], "{words:?}");
        assert!(ledger.preserved(cell) >= 1);
        end(&ledger, snapshots.into_iter().chain([fourth]), &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn a_transaction_leaves_versions_out() {
    Model {
        name: "a_transaction_leaves_versions_out",
        property: "what a transaction leaves out in its cells is in their histories before",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, cells) = Ledger::with_cells([&[0], &[0]]);
        let ([mut hand, other], snapshots) = two_changes(&ledger, increment_both);
        // Either hand had to take back one of two.
        let before = cells.map(|cell| ledger.preserved(cell));
        let thread = thread::spawn(move || {
            increment_both(&mut hand);
            hand
        });
        for cell in cells {
            assert_eq!(snapshots[0].read(cell), [0]);
        }
        let hands = [thread.join().expect("no panic in the thread"), other];
        for (snapshot, value) in snapshots.iter().zip(0..) {
            assert_eq!(cells.map(|cell| snapshot.read(cell)[0]), [value; 2]);
        }
        assert!(cells.map(|cell| ledger.preserved(cell)) > before);
        end(&ledger, snapshots, &cells);
        drop(hands);
    });
}

#[test]
fn a_record_is_taken_back_and_used() {
    taken_back_and_used("a_record_is_taken_back_and_used", set);
}

#[test]
fn a_record_is_taken_back_and_used_by_a_transaction() {
    let name = "a_record_is_taken_back_and_used_by_a_transaction";
    taken_back_and_used(name, |hand, cell, value| {
        hand.transact([cell], |_| true, |_, _| Some(value));
    });
}

fn taken_back_and_used(name: &'static str, set_other: fn(&mut Hand, Cell, u64)) {
    Model {
        name,
        property: "what was in a record that its writer takes back and fills is in the history before",
        threads: 2,
        bound: Some(2),
    }
    .check(move || {
        let (ledger, [cell, other]) = Ledger::with_cells([&[0, 0], &[7, 7]]);
        let mut hand = ledger.hand();
        let replaced = ledger.record_of(cell);
        let first = ledger.snapshot();
        set(&mut hand, cell, 1);
        let second = ledger.snapshot();
        assert_eq!(ledger.preserved(cell), 0);
        let thread = thread::spawn(move || {
            set(&mut hand, cell, 2);
            // Into the record of the first version, which is named still.
            set_other(&mut hand, other, 3);
            hand
        });
        assert_eq!(first.read(cell), [0, 0]);
        let hand = thread.join().expect("no panic in the thread");
        assert!(ledger.record_of(other) == replaced, "another record");
        assert_eq!(first.read(cell), [0, 0]);
        assert_eq!(second.read(cell), [1, 1]);
        assert_eq!(ledger.preserved(cell), 2);
        end(&ledger, [first, second], &[cell]);
        drop(hand);
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
fn a_stopped_writers_version_is_left_out() {
    Model {
        name: "a_stopped_writers_version_is_left_out",
        property: "what a writer replaced that stopped before it could retire it can be read still",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let first = ledger.snapshot();
        assert!(ledger.hand().stop_at(Step::Exchanged, 1, |hand| increment(hand, cell)));
        let second = ledger.snapshot();
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        increment(&mut hand, cell);
        let third = ledger.snapshot();
        increment(&mut other, cell);
        let fourth = ledger.snapshot();
        assert_eq!(ledger.preserved(cell), 0);
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        assert_eq!(first.read(cell), [0]);
        // Nobody had seen the change, so it may count as a later one.
        assert_eq!(second.read(cell), [0]);
        let hand = thread.join().expect("no panic in the thread");
        let snapshots = [first, second, third, fourth];
        assert_eq!(snapshots.each_ref().map(|snapshot| snapshot.read(cell)[0]), [0, 0, 2, 3]);
        assert_eq!(ledger.preserved(cell), 1);
        end(&ledger, snapshots, &[cell]);
        drop([hand, other]);
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
fn a_version_of_the_same_epoch_is_passed_over() {
    Model {
        name: "a_version_of_the_same_epoch_is_passed_over",
        property: "two changes between two snapshots hide nothing from the first of them",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let [mut hand, mut other] = [ledger.hand(), ledger.hand()];
        let first = ledger.snapshot();
        increment(&mut hand, cell);
        increment(&mut hand, cell);
        let second = ledger.snapshot();
        let thread = thread::spawn(move || {
            increment(&mut other, cell);
            other
        });
        assert_eq!(first.read(cell), [0]);
        assert_eq!(second.read(cell), [2]);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.preserved(cell), 0, "the first version is named still");
        assert_eq!([first.read(cell), second.read(cell)], [[0], [2]]);
        end(&ledger, [first, second], &[cell]);
        drop([hand, other]);
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
fn a_snapshot_ends_while_its_version_is_preserved() {
    Model {
        name: "a_snapshot_ends_while_its_version_is_preserved",
        property: "what is preserved for a snapshot that ends meanwhile is kept for the next",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let (first, second) = (ledger.snapshot(), ledger.snapshot());
        increment(&mut hand, cell);
        let third = ledger.snapshot();
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            increment(&mut hand, cell);
            hand
        });
        first.end();
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!([second.read(cell), third.read(cell)], [[0], [1]]);
        assert_eq!(ledger.preserved(cell), 1);
        end(&ledger, [third, second], &[cell]);
        drop(hand);
    });
}

#[test]
fn a_snapshot_ends_while_its_version_is_left_out() {
    Model {
        name: "a_snapshot_ends_while_its_version_is_left_out",
        property: "what is left out while the snapshot ends that needs it is kept for nobody",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let ([mut hand, other], [first, second, third]) =
            two_changes(&ledger, |hand| increment(hand, only()));
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        first.end();
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.preserved(cell), 0, "kept for nobody");
        assert_eq!([second.read(cell), third.read(cell)], [[1], [2]]);
        end(&ledger, [second, third], &[cell]);
        drop([hand, other]);
    });
}

#[test]
fn two_snapshots_end_at_once() {
    Model {
        name: "two_snapshots_end_at_once",
        property: "what two snapshots that end at once leave to a third is let go with that",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let [first, second, third] = [(); 3].map(|()| ledger.snapshot());
        let mut hand = ledger.hand();
        increment(&mut hand, cell);
        let last = ledger.snapshot();
        (0..2).for_each(|_| increment(&mut hand, cell));
        assert_eq!(ledger.preserved(cell), 1);
        let thread = thread::spawn(move || first.end());
        second.end();
        thread.join().expect("no panic in the thread");
        assert_eq!([third.read(cell), last.read(cell)], [[0], [1]]);
        end(&ledger, [third], &[cell]);
        last.end();
    });
}

#[test]
fn the_last_two_snapshots_end_at_once() {
    Model {
        name: "the_last_two_snapshots_end_at_once",
        property: "what two snapshots need that end at once is kept for nobody then",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let [first, second] = [(); 2].map(|()| ledger.snapshot());
        let mut hand = ledger.hand();
        increment(&mut hand, cell);
        let last = ledger.snapshot();
        increment(&mut hand, cell);
        assert_eq!(ledger.preserved(cell), 1);
        let thread = thread::spawn(move || first.end());
        second.end();
        thread.join().expect("no panic in the thread");
        assert_eq!(ledger.preserved(cell), 0, "kept for nobody");
        assert_eq!(last.read(cell), [1]);
        last.end();
    });
}

#[test]
fn a_snapshot_ends_while_the_next_is_provided_for() {
    Model {
        name: "a_snapshot_ends_while_the_next_is_provided_for",
        property: "who lets go what an old snapshot needed leaves what is preserved meanwhile",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let old = ledger.snapshot();
        increment(&mut hand, cell);
        let first = ledger.snapshot();
        increment(&mut hand, cell);
        assert_eq!(ledger.preserved(cell), 1);
        let thread = thread::spawn(move || old.end());
        let second = ledger.snapshot();
        // Preserves what the first needs, into the record of which goes the next.
        (0..2).for_each(|_| increment(&mut hand, cell));
        assert_eq!([first.read(cell), second.read(cell)], [[1], [2]]);
        let third = ledger.snapshot();
        (0..2).for_each(|_| increment(&mut hand, cell));
        thread.join().expect("no panic in the thread");
        let snapshots = [first, second, third];
        assert_eq!(snapshots.each_ref().map(|snapshot| snapshot.read(cell)[0]), [1, 2, 4]);
        end(&ledger, snapshots, &[cell]);
        drop(hand);
    });
}

#[test]
fn a_snapshot_is_registered_twice() {
    Model {
        name: "a_snapshot_is_registered_twice",
        property: "what is preserved while another snapshot loses its instant is let go in the end",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let shared = ledger.clone();
        let thread = thread::spawn(move || shared.snapshot());
        let first = ledger.snapshot();
        increment(&mut hand, cell);
        let second = ledger.snapshot();
        (0..2).for_each(|_| increment(&mut hand, cell));
        assert!(ledger.preserved(cell) >= 1);
        let other = thread.join().expect("no panic in the thread");
        let words = other.read(cell);
        assert_eq!(other.read(cell), words);
        other.end();
        assert_eq!([first.read(cell), second.read(cell)], [[0], [1]]);
        end(&ledger, [second, first], &[cell]);
        drop(hand);
    });
}

#[test]
fn a_snapshot_ends_while_it_is_revoked() {
    Model {
        name: "a_snapshot_ends_while_it_is_revoked",
        property: "a snapshot counts until it ends, revoked or not, and once",
        threads: 3,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [one, other]) = Ledger::with_cells([&[0], &[0]]);
        let mut hands = [ledger.hand(), ledger.hand()];
        let first = ledger.snapshot();
        first.keep_at_most(0);
        increment(&mut hands[0], one);
        increment(&mut hands[1], other);
        let second = ledger.snapshot();
        assert!(first.try_read(one).is_some(), "not revoked yet");
        let threads = [one, other].into_iter().zip(hands).map(|(cell, mut hand)| {
            thread::spawn(move || {
                increment(&mut hand, cell);
                hand
            })
        });
        let threads: Vec<_> = threads.collect();
        first.end();
        let hands =
            threads.into_iter().map(|thread| thread.join().expect("no panic in the thread"));
        let hands: Vec<_> = hands.collect();
        assert_eq!(ledger.snapshots(), 1);
        assert_eq!([second.read(one), second.read(other)], [[1], [1]]);
        end(&ledger, [second], &[one, other]);
        assert_eq!(ledger.snapshots(), 0);
        drop(hands);
    });
}

#[test]
fn a_revoked_snapshot_says_so() {
    Model {
        name: "a_revoked_snapshot_says_so",
        property: "a snapshot for which nothing may be kept reads its own instant or nothing",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut hand = ledger.hand();
        let first = ledger.snapshot();
        first.keep_at_most(0);
        set(&mut hand, cell, 1);
        let second = ledger.snapshot();
        let thread = thread::spawn(move || {
            (2..=3).for_each(|value| set(&mut hand, cell, value));
            hand
        });
        if let Some(words) = first.try_read(cell) {
            assert_eq!(words, [0, 0]);
        }
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(first.try_read(cell), None);
        assert_eq!(second.read(cell), [1, 1]);
        assert_eq!(ledger.preserved(cell), 0, "kept for nobody");
        end(&ledger, [first, second], &[cell]);
        drop(hand);
    });
}

#[test]
fn a_revoked_snapshot_reads_nothing_of_an_earlier_one() {
    Model {
        name: "a_revoked_snapshot_reads_nothing_of_an_earlier_one",
        property: "what is kept for an earlier snapshot is not taken for a revoked one's",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut hand = ledger.hand();
        let before = ledger.snapshot();
        set(&mut hand, cell, 1);
        let revoked = ledger.snapshot();
        revoked.keep_at_most(0);
        set(&mut hand, cell, 2);
        let after = ledger.snapshot();
        let thread = thread::spawn(move || {
            (3..=4).for_each(|value| set(&mut hand, cell, value));
            hand
        });
        if let Some(words) = revoked.try_read(cell) {
            assert_eq!(words, [1, 1]);
        }
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(revoked.try_read(cell), None);
        assert_eq!([before.read(cell), after.read(cell)], [[0, 0], [2, 2]]);
        end(&ledger, [revoked, before, after], &[cell]);
        drop(hand);
    });
}

#[test]
fn versions_of_several_cells_are_kept_apart() {
    Model {
        name: "versions_of_several_cells_are_kept_apart",
        property: "what is preserved of one cell is found there, and not beside another",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, cells) = Ledger::with_cells([&[10], &[20], &[30]]);
        let mut hand = ledger.hand();
        let snapshot = ledger.snapshot();
        let thread = thread::spawn(move || {
            // The second time in records that were the first versions'.
            cells.iter().chain(&cells).for_each(|cell| increment(&mut hand, *cell));
            hand
        });
        assert_eq!(cells.map(|cell| snapshot.read(cell)[0]), [10, 20, 30]);
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(cells.map(|cell| ledger.preserved(cell)), [1, 1, 0]);
        assert_eq!(cells.map(|cell| snapshot.read(cell)[0]), [10, 20, 30]);
        end(&ledger, [snapshot], &cells);
        drop(hand);
    });
}

#[test]
fn what_a_revoked_snapshot_needed_is_kept_for_the_next() {
    Model {
        name: "what_a_revoked_snapshot_needed_is_kept_for_the_next",
        property: "a version whose first snapshot is revoked over it is kept for another",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut hand = ledger.hand();
        let (first, second) = (ledger.snapshot(), ledger.snapshot());
        first.keep_at_most(0);
        set(&mut hand, cell, 1);
        let third = ledger.snapshot();
        let thread = thread::spawn(move || {
            (2..=3).for_each(|value| set(&mut hand, cell, value));
            hand
        });
        assert_eq!(second.read(cell), [0, 0]);
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(second.read(cell), [0, 0]);
        assert_eq!(ledger.preserved(cell), 1);
        end(&ledger, [second], &[cell]);
        assert_eq!(first.try_read(cell), None);
        end(&ledger, [first, third], &[cell]);
        drop(hand);
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

#[test]
fn a_revoked_snapshot_needed_what_came_after_a_kept_version() {
    Model {
        name: "a_revoked_snapshot_needed_what_came_after_a_kept_version",
        property: "who looks for a version that is not kept takes none before it from the history",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut hand = ledger.hand();
        let first = ledger.snapshot();
        set(&mut hand, cell, 1);
        let second = ledger.snapshot();
        second.keep_at_most(0);
        set(&mut hand, cell, 2);
        let third = ledger.snapshot();
        let thread = thread::spawn(move || {
            (3..=5).for_each(|value| set(&mut hand, cell, value));
            hand
        });
        let seen = second.try_read(cell);
        assert!(seen.is_none_or(|words| words == [1]), "another version");
        let hand = thread.join().expect("no panic in the thread");
        assert_eq!(second.try_read(cell), None);
        assert_eq!([first.read(cell), third.read(cell)], [[0], [2]]);
        end(&ledger, [first, second, third], &[cell]);
        drop(hand);
    });
}

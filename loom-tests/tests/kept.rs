//! What is kept for snapshots: versions that are preserved or left out, and how much a bound
//! allows.

#![cfg(provider_tree_loom)]

use loom_tests::snapshots::{end, increment, increment_both, only, set, two_changes};
use loom_tests::{Model, thread};
use provider_tree::model::{Cell, Hand, Ledger, Step};

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

//! Snapshots that end while others begin, end, are revoked, or have something preserved.

#![cfg(provider_tree_loom)]

use loom_tests::snapshots::{end, increment, only, two_changes};
use loom_tests::{Model, thread};
use provider_tree::model::Ledger;

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

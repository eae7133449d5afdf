//! Fast transactions: tried once, and to everyone else the same as any other.

#![cfg(provider_tree_loom)]

use loom_tests::records::assert_distinct;
use loom_tests::snapshots::both_or_none;
use loom_tests::{Model, thread};
use provider_tree::model::{Cell, Hand, Ledger};

/// Raises both by 1, unless another change comes first; returns whether it has.
fn try_both(hand: &mut Hand, cells: [Cell; 2]) -> bool {
    hand.transact_fast(cells, |word| word + 1)
}

#[test]
fn two_fast_transactions_overlap() {
    Model {
        name: "two_fast_transactions_overlap",
        property: "of two in opposite order one commits at least, none by half, and no record is lost",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || (try_both(&mut other, [b, a]), other));
        let mut hand = ledger.hand();
        let mine = try_both(&mut hand, [a, b]);
        let (theirs, other) = thread.join().expect("no panic in the thread");
        assert!(mine || theirs, "each was in the other's way");
        assert!(try_both(&mut hand, [a, b]), "what is over is in the way");
        assert_eq!(ledger.read_all([a, b]), [1 + u64::from(mine) + u64::from(theirs); 2]);
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

#[test]
fn a_fast_transaction_beside_a_change_of_one_cell() {
    Model {
        name: "a_fast_transaction_beside_a_change_of_one_cell",
        property: "a change between the reads of a fast transaction and its commit is not lost",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            other.update(b, |word| word + 10);
            other
        });
        let mut hand = ledger.hand();
        let committed = u64::from(try_both(&mut hand, [a, b]));
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read_all([a, b]), [committed, 10 + committed]);
        assert_eq!(ledger.read(b).len(), 1, "a cell keeps its length");
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

#[test]
fn a_snapshot_has_a_fast_transaction_whole() {
    Model {
        name: "a_snapshot_has_a_fast_transaction_whole",
        property: "a snapshot has both cells of a fast transaction or none, and what was seen before",
        threads: 2,
        bound: Some(2),
    }
    .check(|| both_or_none(try_both));
}

#[test]
fn a_fast_transaction_keeps_what_a_snapshot_needs() {
    Model {
        name: "a_fast_transaction_keeps_what_a_snapshot_needs",
        property: "cells that were changed before and after a snapshot are there as they were",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut hand = ledger.hand();
        // The two cells' versions are of different epochs.
        hand.update(a, |_| 5);
        let first = ledger.snapshot();
        hand.update(b, |_| 7);
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                assert!(try_both(&mut hand, [a, b]));
            }
        });
        let second = ledger.snapshot();
        let words = [second.read(a)[0], second.read(b)[0]];
        assert!([[5, 7], [6, 8], [7, 9], [8, 10]].contains(&words), "{words:?}");
        thread.join().expect("no panic in the thread");
        assert_eq!([first.read(a)[0], first.read(b)[0]], [5, 0]);
        assert_eq!([second.read(a)[0], second.read(b)[0]], words);
        first.end();
        second.end();
    });
}

#[test]
fn a_fast_transaction_is_told() {
    Model {
        name: "a_fast_transaction_is_told",
        property: "a reader that follows the trails misses no cell of a fast transaction",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut follower = ledger.follow();
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || assert!(try_both(&mut hand, [a, b])));
        let seen = ledger.read(a)[0] + ledger.read(b)[0];
        let mut told = follower.touched().expect("a ring holds two");
        assert!(seen == 0 || told.contains(&a) && told.contains(&b), "seen, and not told");
        thread.join().expect("no panic in the thread");
        told.extend(follower.touched().expect("a ring holds two"));
        assert!(told.contains(&a) && told.contains(&b), "never told");
    });
}

//! Cells and transactions, without anything above them.

#![cfg(provider_tree_loom)]

use loom_tests::records::assert_distinct;
use loom_tests::{Model, thread};
use provider_tree::model::{Cell, FreeNumbers, Hand, Ledger, Step};

fn increment(hand: &mut Hand, cell: Cell) {
    hand.update(cell, |word| word + 1);
}

fn increment_both(hand: &mut Hand, cells: [Cell; 2]) {
    assert!(hand.transact(cells, |_| true, |_, word| Some(word + 1)));
}

#[test]
fn one_cell_against_one_cell_loses_nothing() {
    Model {
        name: "one_cell_against_one_cell_loses_nothing",
        property: "two workers' increments of one cell both count",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut other, cell);
            other
        });
        let mut hand = ledger.hand();
        increment(&mut hand, cell);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read(cell), [2, 2]);
        assert_distinct(&ledger, &[cell], &[&hand, &other]);
    });
}

#[test]
fn a_reader_sees_one_version() {
    Model {
        name: "a_reader_sees_one_version",
        property: "a read under two one-cell writes is never torn and never goes back",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0, 0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut other, cell);
            increment(&mut other, cell);
        });
        let first = ledger.read(cell);
        let second = ledger.read(cell);
        assert_eq!(first[0], first[1], "torn");
        assert_eq!(second[0], second[1], "torn");
        assert!(first[0] <= second[0], "went back");
        thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read(cell), [2, 2]);
    });
}

#[test]
fn overlapping_pairs_in_opposite_order_both_commit() {
    Model {
        name: "overlapping_pairs_in_opposite_order_both_commit",
        property: "two two-cell transactions that name their cells in opposite order both count",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment_both(&mut other, [b, a]);
            other
        });
        let mut hand = ledger.hand();
        increment_both(&mut hand, [a, b]);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read_all([a, b]), [2, 2]);
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

#[test]
fn a_reader_of_a_pair_sees_all_or_nothing() {
    Model {
        name: "a_reader_of_a_pair_sees_all_or_nothing",
        property: "reads of two cells in reverse order never see half a transaction",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || increment_both(&mut other, [a, b]));
        let later = ledger.read(b)[0];
        let earlier = ledger.read(a)[0];
        assert!(later <= earlier, "the first cell lags behind the second");
        let [a_now, b_now] = ledger.read_all([a, b]);
        assert_eq!(a_now, b_now, "half a transaction");
        thread.join().expect("no panic in the thread");
    });
}

#[test]
fn a_pair_against_one_cell_and_a_reader() {
    Model {
        name: "a_pair_against_one_cell_and_a_reader",
        property: "a two-cell and a one-cell writer lose nothing; a reader sees the pair whole",
        threads: 3,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut pair = ledger.hand();
        let mut single = ledger.hand();
        let threads = [
            thread::spawn(move || increment_both(&mut pair, [a, b])),
            thread::spawn(move || increment(&mut single, b)),
        ];
        let [first, second] = ledger.read_all([a, b]);
        assert!(second == first || second == first + 1, "half a transaction");
        for thread in threads {
            thread.join().expect("no panic in the thread");
        }
        assert_eq!(ledger.read_all([a, b]), [1, 2]);
    });
}

#[test]
fn a_condition_is_kept() {
    Model {
        name: "a_condition_is_kept",
        property: "of two that each write if the other's cell is still 0, exactly one commits",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let claim = |hand: &mut Hand, cells: [Cell; 2]| {
            hand.transact(cells, |[_, other]| other == 0, |index, _| (index == 0).then_some(1))
        };
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            let won = claim(&mut other, [b, a]);
            (won, other)
        });
        let mut hand = ledger.hand();
        let first = claim(&mut hand, [a, b]);
        let (second, other) = thread.join().expect("no panic in the thread");
        assert!(first ^ second, "{first} {second}");
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

#[test]
fn three_workers_in_a_ring_all_commit() {
    Model {
        name: "three_workers_in_a_ring_all_commit",
        property: "three overlapping pairs in a ring help one another to the end",
        threads: 3,
        bound: Some(1),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let threads = [[b, c], [c, a]].map(|pair| {
            let mut hand = ledger.hand();
            thread::spawn(move || increment_both(&mut hand, pair))
        });
        increment_both(&mut ledger.hand(), [a, b]);
        for thread in threads {
            thread.join().expect("no panic in the thread");
        }
        assert_eq!(ledger.read_all([a, b, c]), [2, 2, 2]);
    });
}

#[test]
fn a_descriptor_is_reused_under_a_helper() {
    Model {
        name: "a_descriptor_is_reused_under_a_helper",
        property: "a late helper of one transaction does not disturb the next of the same worker",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment_both(&mut other, [a, b]);
            increment_both(&mut other, [b, c]);
            other
        });
        let mut hand = ledger.hand();
        increment(&mut hand, a);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read_all([a, b, c]), [2, 2, 1]);
        assert_distinct(&ledger, &[a, b, c], &[&hand, &other]);
    });
}

#[test]
fn spares_and_cells_change_hands() {
    Model {
        name: "spares_and_cells_change_hands",
        property: "workers that come and go, and growth meanwhile, never share a record or a cell",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let other = ledger.clone();
        let thread = thread::spawn(move || {
            let mut hand = other.hand();
            let mine = hand.new_cell(&[7]);
            increment(&mut hand, cell);
            mine
        });
        let mine = {
            let mut hand = ledger.hand();
            let mine = hand.new_cell(&[8]);
            increment(&mut hand, cell);
            mine
        };
        let theirs = thread.join().expect("no panic in the thread");
        assert_ne!(mine, theirs);
        assert_eq!(ledger.read_all([cell, mine, theirs]), [2, 8, 7]);
        assert_distinct(&ledger, &[cell, mine, theirs], &[]);
    });
}

/// An owner of a two-cell transaction stops for ever; two others need its cells.
fn others_pass_an_owner_stopped_at(name: &'static str, step: Step, count: usize) {
    Model {
        name,
        property: "an owner stopped for ever there is helped: its change counts whole or not at all",
        threads: 2,
        bound: Some(2),
    }
    .check(move || {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let stopped = ledger.hand().stop_at(step, count, |hand| {
            assert!(hand.transact([a, b], |_| true, |_, word| Some(word + 10)));
        });
        assert!(stopped, "the owner never came to {step:?}");
        let other = ledger.clone();
        let thread = thread::spawn(move || {
            let mut hand = other.hand();
            increment(&mut hand, b);
            hand
        });
        let mut hand = ledger.hand();
        increment_both(&mut hand, [a, b]);
        let other = thread.join().expect("no panic in the thread");
        let whole = ledger.read_all([a, b]);
        assert!(whole == [1, 2] || whole == [11, 12], "{whole:?}");
        if step >= Step::Decided {
            assert_eq!(whole, [11, 12], "decided and lost");
        }
        if step == Step::Prepared {
            assert_eq!(whole, [1, 2], "not announced and done");
        }
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

macro_rules! stopped_owner {
    ($($name:ident: $step:ident, $count:expr;)*) => {$(
        #[test]
        fn $name() {
            others_pass_an_owner_stopped_at(stringify!($name), Step::$step, $count);
        }
    )*};
}

stopped_owner! {
    an_owner_stops_before_publishing: Prepared, 1;
    an_owner_stops_after_publishing: Published, 1;
    an_owner_stops_after_one_install: Installed, 1;
    an_owner_stops_after_all_installs: Installed, 2;
    an_owner_stops_after_reading_the_clock: Timed, 1;
    an_owner_stops_after_deciding: Decided, 1;
    an_owner_stops_after_one_stamp: Stamped, 1;
    an_owner_stops_after_all_stamps: Stamped, 2;
    an_owner_stops_after_one_release: Released, 1;
}

#[test]
fn a_late_helper_of_an_abort_installs_nothing() {
    Model {
        name: "a_late_helper_of_an_abort_installs_nothing",
        property: "a helper of a transaction that aborts meanwhile leaves no dead descriptor behind",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            // Makes the pair abort, then meets it at its first cell.
            increment(&mut other, b);
            increment(&mut other, a);
            other
        });
        let mut hand = ledger.hand();
        increment_both(&mut hand, [a, b]);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read_all([a, b]), [2, 2]);
        assert_distinct(&ledger, &[a, b], &[&hand, &other]);
    });
}

#[test]
fn a_late_helper_meets_the_owners_next_entries() {
    Model {
        name: "a_late_helper_meets_the_owners_next_entries",
        property: "a helper that reads what its owner prepares next does nothing with it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || increment(&mut other, a));
        let stopped = ledger.hand().stop_at(Step::Prepared, 2, |hand| {
            increment_both(hand, [a, b]);
            increment_both(hand, [b, c]);
        });
        assert!(stopped, "two transactions are prepared");
        thread.join().expect("no panic in the thread");
        let [a, b, c] = ledger.read_all([a, b, c]);
        // An attempt that the other made start over counts as prepared too.
        assert!((a, c) == (2, 0) && b == 1 || (a, b, c) == (1, 0, 0), "{a} {b} {c}");
    });
}

#[test]
fn a_slot_is_reused_by_the_next_worker() {
    Model {
        name: "a_slot_is_reused_by_the_next_worker",
        property: "a late helper of a worker that is gone does not disturb the next on its slot",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let other = ledger.clone();
        let thread = thread::spawn(move || {
            increment_both(&mut other.hand(), [a, b]);
            increment_both(&mut other.hand(), [b, c]);
        });
        let mut hand = ledger.hand();
        increment(&mut hand, b);
        thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read_all([a, b, c]), [1, 3, 1]);
        assert_distinct(&ledger, &[a, b, c], &[&hand]);
    });
}

#[test]
fn two_readers_agree_on_the_order_of_two_writes() {
    Model {
        name: "two_readers_agree_on_the_order_of_two_writes",
        property: "of two independent writes no two readers see the one without the other, crosswise",
        threads: 4,
        bound: Some(1),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let writers = [a, b].map(|cell| {
            let mut hand = ledger.hand();
            thread::spawn(move || increment(&mut hand, cell))
        });
        let other = ledger.clone();
        let reader = thread::spawn(move || (other.read(a)[0], other.read(b)[0]));
        let mine = (ledger.read(b)[0], ledger.read(a)[0]);
        let theirs = reader.join().expect("no panic in the thread");
        for writer in writers {
            writer.join().expect("no panic in the thread");
        }
        assert!(!(mine == (1, 0) && theirs == (1, 0)), "the readers disagree");
    });
}

#[test]
fn a_rejection_rests_on_one_instant() {
    Model {
        name: "a_rejection_rests_on_one_instant",
        property: "a condition over two cells that always holds together is never found broken",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[1], &[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            assert!(other.transact([a, b], |_| true, |index, _| Some(index as u64)));
        });
        let mut hand = ledger.hand();
        assert!(hand.transact([a, b], |[a, b]| a + b == 1, |_, _| None), "rejected");
        thread.join().expect("no panic in the thread");
    });
}

#[test]
fn a_cell_opened_twice_is_one() {
    Model {
        name: "a_cell_opened_twice_is_one",
        property: "a transaction that names a cell twice changes it once, and keeps its records",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a]) = Ledger::with_cells([&[0]]);
        let mut other = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut other, a);
            other
        });
        let mut hand = ledger.hand();
        increment_both(&mut hand, [a, a]);
        let other = thread.join().expect("no panic in the thread");
        assert_eq!(ledger.read(a), [3]);
        assert_distinct(&ledger, &[a], &[&hand, &other]);
    });
}

#[test]
fn a_version_grows_under_a_reader() {
    Model {
        name: "a_version_grows_under_a_reader",
        property: "of versions that differ in length a reader, a draft and a snapshot have one whole",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[1]]);
        let mut other = ledger.hand();
        // The last is in a wider record, the others take turns in those of the first.
        let versions: [&[u64]; 3] = [&[1], &[2; 4], &[3; 6]];
        let thread = thread::spawn(move || {
            other.rewrite(cell, &[2; 4]);
            other.rewrite(cell, &[1]);
            other.rewrite(cell, &[3; 6]);
        });
        let snapshot = ledger.snapshot();
        let then = snapshot.read(cell);
        let read = ledger.read(cell);
        let drafted = ledger.hand().read(cell);
        for words in [&then, &read, &drafted] {
            assert!(versions.contains(&&words[..]), "a mix of two versions: {words:?}");
        }
        thread.join().expect("no panic in the thread");
        assert_eq!(snapshot.read(cell), then);
        snapshot.end();
        let mut hand = ledger.hand();
        for words in [versions[0], versions[2]].repeat(3) {
            hand.rewrite(cell, words);
            assert_eq!(ledger.read(cell), words);
        }
    });
}

#[test]
fn a_free_number_goes_to_one() {
    Model {
        name: "a_free_number_goes_to_one",
        property: "a number popped and pushed again does not confuse another's pop",
        threads: 2,
        bound: Some(4),
    }
    .check(|| {
        let list = FreeNumbers::new([0, 1, 2]);
        let other = list.clone();
        let thread = thread::spawn(move || other.pop());
        let first = list.pop().expect("three numbers, two threads");
        let second = list.pop();
        list.push(first);
        let mut numbers = vec![second, thread.join().expect("no panic in the thread")];
        numbers.extend([list.pop(), list.pop(), list.pop()]);
        let mut numbers: Vec<_> = numbers.into_iter().flatten().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    });
}

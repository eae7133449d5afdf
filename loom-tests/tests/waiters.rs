//! Waiters: whoever waits for a change is woken when it is in force, or has seen it.

#![cfg(provider_tree_loom)]
#![expect(clippy::disallowed_types, reason = "the bell belongs to the test, and is no step")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use loom_tests::{Model, thread};
use provider_tree::model::{Cell, Hand, Ledger, Snapshot, Step, Waiter};

fn increment(hand: &mut Hand, cell: Cell) {
    hand.update(cell, |word| word + 1);
}

fn increment_both(hand: &mut Hand, cells: [Cell; 2]) {
    assert!(hand.transact(cells, |_| true, |_, word| Some(word + 1)));
}

/// Counts how often it was woken. No step of the model: each wait has one, and looks at the end.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One wait for a change since a snapshot of its own.
struct Wait {
    since: Snapshot,
    bell: Arc<Bell>,
    /// `None` if it has found a change at once.
    waiter: Option<Waiter>,
}

impl Wait {
    fn since(since: Snapshot) -> Self {
        let bell = Arc::new(Bell::default());
        let waiter = since.wait(&Waker::from(Arc::clone(&bell)));
        Wait { since, bell, waiter }
    }

    fn from_now(ledger: &Ledger) -> Self {
        Wait::since(ledger.snapshot())
    }

    fn is_woken(&self) -> bool {
        self.waiter.is_none() || self.bell.0.load(Ordering::SeqCst) > 0
    }

    /// Ends the wait when no other thread runs any more, or when another has seen a change.
    fn end(self) {
        assert!(self.is_woken() || !self.since.has_changed(), "a wake-up is lost");
        self.leave();
    }

    fn leave(self) {
        if let Some(waiter) = self.waiter {
            waiter.leave();
        }
        self.since.end();
    }
}

fn ledger_with_cells<const N: usize>() -> (Ledger, [Cell; N]) {
    let made = Ledger::with_cells([&[0][..]; N]);
    made.0.expect_waiters();
    made
}

#[test]
fn a_change_of_one_cell_wakes() {
    Model {
        name: "a_change_of_one_cell_wakes",
        property: "who waits is woken by a change of one cell, or has seen it",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = ledger_with_cells();
        let mut hand = ledger.hand();
        let since = ledger.snapshot();
        let thread = thread::spawn(move || increment(&mut hand, cell));
        let wait = Wait::since(since);
        thread.join().expect("no panic in the thread");
        assert!(wait.is_woken(), "a wake-up is lost");
        wait.end();
    });
}

#[test]
fn a_transaction_wakes() {
    Model {
        name: "a_transaction_wakes",
        property: "who waits is woken by a transaction over two cells, or has seen it",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, cells) = ledger_with_cells();
        let mut hand = ledger.hand();
        let since = ledger.snapshot();
        let thread = thread::spawn(move || increment_both(&mut hand, cells));
        let wait = Wait::since(since);
        thread.join().expect("no panic in the thread");
        assert!(wait.is_woken(), "a wake-up is lost");
        wait.end();
    });
}

#[test]
fn a_fast_transaction_wakes_after_one_that_stopped() {
    Model {
        name: "a_fast_transaction_wakes_after_one_that_stopped",
        property: "who waits for cells whose changer stopped before it woke anyone is woken by the next",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, cells) = ledger_with_cells();
        let wait = Wait::from_now(&ledger);
        assert!(ledger.hand().stop_at(Step::Released, 2, |hand| increment_both(hand, cells)));
        assert!(!wait.is_woken(), "nobody has woken anyone");
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            assert!(hand.transact_fast(cells, |word| word + 1));
        });
        assert!(ledger.read(cells[0])[0] > 0);
        thread.join().expect("no panic in the thread");
        assert!(wait.is_woken(), "a wake-up is lost");
        wait.end();
    });
}

#[test]
fn each_change_after_a_snapshot_wakes() {
    Model {
        name: "each_change_after_a_snapshot_wakes",
        property: "who waits since any instant between changes of one cell is woken by the next",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = ledger_with_cells();
        ledger.snapshot().end();
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || Wait::from_now(&ledger));
        increment(&mut hand, cell);
        increment(&mut hand, cell);
        thread.join().expect("no panic in the thread").end();
    });
}

/// An owner of a two-cell transaction stops for ever before it is decided; another thread finishes
/// the transaction, as it reads.
fn who_finishes_a_transaction_wakes(name: &'static str, step: Step, count: usize) {
    Model {
        name,
        property: "who finishes the transaction of an owner that has stopped wakes who waits for it",
        threads: 2,
        bound: Some(2),
    }
    .check(move || {
        let (ledger, [a, b]) = ledger_with_cells();
        let since = ledger.snapshot();
        let stopped = ledger.hand().stop_at(step, count, |hand| increment_both(hand, [a, b]));
        assert!(stopped, "the owner never came to {step:?}");
        let other = ledger.clone();
        let thread = thread::spawn(move || assert_eq!(other.read(a), [1]));
        let wait = Wait::since(since);
        thread.join().expect("no panic in the thread");
        assert!(wait.is_woken(), "a wake-up is lost");
        wait.end();
    });
}

macro_rules! stopped_owner {
    ($($name:ident: $step:ident, $count:expr;)*) => {$(
        #[test]
        fn $name() {
            who_finishes_a_transaction_wakes(stringify!($name), Step::$step, $count);
        }
    )*};
}

stopped_owner! {
    who_finishes_a_transaction_in_one_gate_wakes: Installed, 1;
    who_finishes_a_transaction_in_all_gates_wakes: Installed, 2;
    who_finishes_a_transaction_that_has_read_the_clock_wakes: Timed, 1;
}

#[test]
fn two_that_wait_are_woken() {
    Model {
        name: "two_that_wait_are_woken",
        property: "two that begin to wait at once are both woken",
        threads: 3,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = ledger_with_cells();
        let mut hand = ledger.hand();
        let snapshots = [ledger.snapshot(), ledger.snapshot()];
        let changer = thread::spawn(move || increment(&mut hand, cell));
        let [here, there] = snapshots;
        let waiting = thread::spawn(move || Wait::since(there));
        let here = Wait::since(here);
        let there = waiting.join().expect("no panic in the thread");
        changer.join().expect("no panic in the thread");
        for wait in [here, there] {
            assert!(wait.is_woken(), "a wake-up is lost");
            wait.end();
        }
    });
}

#[test]
fn who_waits_again_is_woken_again() {
    Model {
        name: "who_waits_again_is_woken_again",
        property: "who begins to wait while others are woken is woken by the next change",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = ledger_with_cells();
        let mut hand = ledger.hand();
        let first = Wait::from_now(&ledger);
        let thread = thread::spawn(move || {
            increment(&mut hand, a);
            increment(&mut hand, b);
        });
        let second = Wait::from_now(&ledger);
        thread.join().expect("no panic in the thread");
        assert!(first.is_woken(), "a wake-up is lost");
        first.end();
        second.end();
    });
}

#[test]
fn two_that_change_wake_one_that_waits_again() {
    Model {
        name: "two_that_change_wake_one_that_waits_again",
        property: "of two that wake at once none takes away who has not been woken",
        threads: 3,
        bound: Some(1),
    }
    .check(|| {
        let (ledger, [a, b]) = ledger_with_cells();
        let first = Wait::from_now(&ledger);
        let threads = [a, b].map(|cell| {
            let mut hand = ledger.hand();
            thread::spawn(move || increment(&mut hand, cell))
        });
        let second = Wait::from_now(&ledger);
        for thread in threads {
            thread.join().expect("no panic in the thread");
        }
        assert!(first.is_woken(), "a wake-up is lost");
        first.end();
        second.end();
    });
}

#[test]
fn who_leaves_takes_nobody_along() {
    Model {
        name: "who_leaves_takes_nobody_along",
        property: "who ends its wait while it is woken leaves the others in the list",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [cell]) = ledger_with_cells();
        let mut hand = ledger.hand();
        let stays = Wait::from_now(&ledger);
        let leaves = Wait::from_now(&ledger);
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            hand
        });
        leaves.leave();
        let later = Wait::from_now(&ledger);
        let mut hand = thread.join().expect("no panic in the thread");
        assert!(stays.is_woken(), "a wake-up is lost");
        stays.end();
        increment(&mut hand, cell);
        assert!(later.is_woken(), "a wake-up is lost");
        later.end();
    });
}

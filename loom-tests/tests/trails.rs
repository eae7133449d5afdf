//! Trails: what tells a reader which cells have changed since it last looked.

#![cfg(provider_tree_loom)]

use loom_tests::{Model, thread};
use provider_tree::model::{Cell, Follower, Hand, Ledger, Step};

fn increment(hand: &mut Hand, cell: Cell) {
    hand.update(cell, |word| word + 1);
}

fn increment_both(hand: &mut Hand, cells: [Cell; 2]) {
    assert!(hand.transact(cells, |_| true, |_, word| Some(word + 1)));
}

/// A reader that keeps the words of some cells, and looks again only at those that have changed.
struct Mirror<const N: usize> {
    ledger: Ledger,
    follower: Follower,
    cells: [Cell; N],
    words: [u64; N],
}

impl<const N: usize> Mirror<N> {
    fn of(ledger: &Ledger, cells: [Cell; N]) -> Self {
        let follower = ledger.follow();
        let words = cells.map(|cell| ledger.read(cell)[0]);
        Mirror { ledger: ledger.clone(), follower, cells, words }
    }

    /// Looks at what has changed; returns the cells that it was told of, or `None` after an overrun.
    fn look(&mut self) -> Option<Vec<Cell>> {
        let touched = self.follower.touched();
        for (cell, word) in self.cells.iter().zip(&mut self.words) {
            if touched.as_ref().is_none_or(|touched| touched.contains(cell)) {
                *word = self.ledger.read(*cell)[0];
            }
        }
        touched
    }

    /// Looks at what has changed, after it has seen the `index`th cell by itself.
    fn look_after_seeing(&mut self, index: usize) {
        let seen = self.ledger.read(self.cells[index])[0];
        self.look();
        assert!(self.words[index] >= seen, "it was not told of what it had seen");
    }

    /// Looks for the last time, when no other thread runs any more.
    fn finish(&mut self) {
        self.look();
        assert_eq!(self.words, self.ledger.read_all(self.cells), "it was not told of a change");
    }
}

#[test]
fn a_change_of_one_cell_is_told() {
    Model {
        name: "a_change_of_one_cell_is_told",
        property: "a reader that follows the trails misses no change of one cell",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut mirror = Mirror::of(&ledger, [cell]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut hand, cell);
            increment(&mut hand, cell);
        });
        mirror.look_after_seeing(0);
        mirror.look();
        thread.join().expect("no panic in the thread");
        mirror.finish();
        assert_eq!(mirror.look(), Some(vec![]), "all is done");
    });
}

#[test]
fn two_that_change_one_cell_are_told() {
    Model {
        name: "two_that_change_one_cell_are_told",
        property: "a change that has to be tried again is announced when it is in force",
        threads: 3,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [cell]) = Ledger::with_cells([&[0]]);
        let mut mirror = Mirror::of(&ledger, [cell]);
        let [first, second] = [ledger.hand(), ledger.hand()]
            .map(|mut hand| thread::spawn(move || increment(&mut hand, cell)));
        first.join().expect("no panic in the thread");
        // Between the second's two attempts, if it needs two.
        mirror.look_after_seeing(0);
        second.join().expect("no panic in the thread");
        mirror.finish();
        assert_eq!(mirror.look(), Some(vec![]), "all is done");
    });
}

#[test]
fn a_transaction_is_told() {
    Model {
        name: "a_transaction_is_told",
        property: "a reader misses no change by transactions that follow one another",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b, c]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            increment_both(&mut hand, [a, b]);
            increment_both(&mut hand, [b, c]);
        });
        mirror.look_after_seeing(1);
        mirror.look();
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn changes_of_two_cells_are_told() {
    Model {
        name: "changes_of_two_cells_are_told",
        property: "a reader that looks between two changes is told of the second",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            mirror.look();
            mirror
        });
        increment(&mut hand, a);
        increment(&mut hand, b);
        let mut mirror = thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_transaction_behind_a_change_is_told() {
    Model {
        name: "a_transaction_behind_a_change_is_told",
        property: "a transaction that is not decided hides no change that came before it",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b, c]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            mirror.look_after_seeing(0);
            mirror
        });
        increment(&mut hand, a);
        increment_both(&mut hand, [b, c]);
        let mut mirror = thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_change_behind_a_transaction_is_told() {
    Model {
        name: "a_change_behind_a_transaction_is_told",
        property: "a transaction that is decided hides no change that comes after it",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b, c]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            increment_both(&mut hand, [a, b]);
            increment(&mut hand, c);
        });
        mirror.look_after_seeing(1);
        mirror.look_after_seeing(2);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_transaction_that_aborts_is_over() {
    Model {
        name: "a_transaction_that_aborts_is_over",
        property: "a transaction that another has aborted is told when it is tried again",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        let [mut mine, mut other] = [ledger.hand(), ledger.hand()];
        let thread = thread::spawn(move || increment_both(&mut other, [a, b]));
        increment(&mut mine, b);
        // If the other has come as far as `a`, its transaction can't commit any more.
        increment_both(&mut mine, [a, b]);
        mirror.look_after_seeing(1);
        thread.join().expect("no panic in the thread");
        mirror.finish();
        assert_eq!(mirror.look(), Some(vec![]), "all is done");
    });
}

/// An owner of a two-cell transaction stops for ever; another thread finishes the transaction.
fn what_an_owner_stopped_at_is_told(name: &'static str, step: Step, count: usize) {
    Model {
        name,
        property: "a reader is told of a transaction whose owner has stopped for ever, once",
        threads: 2,
        bound: Some(2),
    }
    .check(move || {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        let stopped = ledger.hand().stop_at(step, count, |hand| {
            increment_both(hand, [a, b]);
        });
        assert!(stopped, "the owner never came to {step:?}");
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || increment(&mut hand, b));
        mirror.look();
        mirror.look_after_seeing(0);
        thread.join().expect("no panic in the thread");
        mirror.finish();
        assert_eq!(mirror.look(), Some(vec![]), "it is told again and again");
    });
}

macro_rules! stopped_owner {
    ($($name:ident: $step:ident, $count:expr;)*) => {$(
        #[test]
        fn $name() {
            what_an_owner_stopped_at_is_told(stringify!($name), Step::$step, $count);
        }
    )*};
}

stopped_owner! {
    an_owner_that_stopped_before_publishing_is_told: Prepared, 1;
    an_owner_that_stopped_after_publishing_is_told: Published, 1;
    an_owner_that_stopped_after_one_install_is_told: Installed, 1;
    an_owner_that_stopped_after_deciding_is_told: Decided, 1;
    an_owner_that_stopped_after_one_release_is_told: Released, 1;
}

#[test]
fn a_change_whose_owner_has_stopped_is_told() {
    Model {
        name: "a_change_whose_owner_has_stopped_is_told",
        property: "a change of one cell is told if its owner stopped for ever behind the exchange",
        threads: 2,
        bound: Some(3),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        assert!(ledger.hand().stop_at(Step::Exchanged, 1, |hand| increment(hand, a)));
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || increment(&mut hand, b));
        mirror.look_after_seeing(0);
        assert_eq!(mirror.words[0], 1);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_trail_is_overrun_under_a_reader() {
    Model {
        name: "a_trail_is_overrun_under_a_reader",
        property: "a reader whose places in the ring are written anew looks at all cells",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b, c]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            for cell in [a, b, c] {
                increment(&mut hand, cell);
            }
        });
        mirror.look();
        mirror.look_after_seeing(0);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_trail_is_overrun_by_a_transaction() {
    Model {
        name: "a_trail_is_overrun_by_a_transaction",
        property: "a reader whose places a transaction takes looks at all cells",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b, c]) = Ledger::with_cells([&[0], &[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b, c]);
        let mut hand = ledger.hand();
        increment(&mut hand, a);
        let thread = thread::spawn(move || increment_both(&mut hand, [b, c]));
        mirror.look();
        mirror.look_after_seeing(0);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_trail_goes_on_with_the_next_owner() {
    Model {
        name: "a_trail_goes_on_with_the_next_owner",
        property: "a reader misses nothing of the next worker on a slot",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        let other = ledger.clone();
        let thread = thread::spawn(move || {
            increment(&mut other.hand(), a);
            increment(&mut other.hand(), b);
        });
        mirror.look_after_seeing(0);
        mirror.look_after_seeing(1);
        thread.join().expect("no panic in the thread");
        mirror.finish();
        assert_eq!(mirror.look(), Some(vec![]), "all is done");
    });
}

#[test]
fn a_trail_appears_under_a_reader() {
    Model {
        name: "a_trail_appears_under_a_reader",
        property: "a reader misses nothing of workers on slots that are made meanwhile",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut mirror = Mirror::of(&ledger, [a, b]);
        let other = ledger.clone();
        let thread = thread::spawn(move || {
            let mut hands = [other.hand(), other.hand()];
            increment(&mut hands[1], a);
            increment(&mut hands[0], b);
        });
        mirror.look_after_seeing(0);
        mirror.look_after_seeing(1);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

#[test]
fn a_reader_begins_to_follow_meanwhile() {
    Model {
        name: "a_reader_begins_to_follow_meanwhile",
        property: "a reader misses nothing between its first look at all cells and the next",
        threads: 2,
        bound: Some(2),
    }
    .check(|| {
        let (ledger, [a, b]) = Ledger::with_cells([&[0], &[0]]);
        let mut hand = ledger.hand();
        let thread = thread::spawn(move || {
            increment(&mut hand, a);
            increment_both(&mut hand, [a, b]);
        });
        let mut mirror = Mirror::of(&ledger, [a, b]);
        mirror.look_after_seeing(1);
        thread.join().expect("no panic in the thread");
        mirror.finish();
    });
}

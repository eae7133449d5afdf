//! Trails: a reader that follows them misses nothing, whoever stops, comes and goes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::ledger::{Abort, Cell, Follower, Kind, Ledger, Limit, Reach, Writer};
use crate::step::{Step, with_steps};
use crate::sync::{AtomicU64, Ordering};
use crate::tests::cluster::{Cluster, everything_else};
use crate::tests::halts::{halts, on_the_way};
use crate::tests::stalls::{Parked, must_end};

/// A reader that has the words of all cells, and looks again only at those that have changed.
struct Mirror {
    ledger: Arc<Ledger>,
    follower: Follower,
    cells: Vec<Vec<u64>>,
    overruns: usize,
}

fn words_of(ledger: &Ledger, cell: Cell) -> Vec<u64> {
    ledger.peek(cell, |record| (0..record.len()).map(|index| record.word(index)).collect())
}

fn words_of_all(ledger: &Ledger) -> Vec<Vec<u64>> {
    (0..ledger.cell_bound()).map(|number| words_of(ledger, Cell::new(number))).collect()
}

impl Mirror {
    fn of(ledger: &Arc<Ledger>) -> Self {
        let follower = ledger.follow();
        let cells = words_of_all(ledger);
        Mirror { ledger: Arc::clone(ledger), follower, cells, overruns: 0 }
    }

    /// Looks at what has changed; returns how many cells it was told of.
    fn look(&mut self) -> usize {
        let Mirror { ledger, follower, cells, overruns } = self;
        let mut visits = 0;
        let reach = ledger.touched(follower, |cell| {
            visits += 1;
            let number = cell.number() as usize;
            if number >= cells.len() {
                cells.resize(number + 1, Vec::new());
            }
            cells[number] = words_of(ledger, cell);
        });
        if reach == Reach::Overrun {
            *overruns += 1;
            *cells = words_of_all(ledger);
        }
        visits
    }

    /// Fails if a cell is not as the mirror has it. A free cell that has just come into being may be
    /// missing.
    fn check(&self, halt: &str) {
        for (number, words) in words_of_all(&self.ledger).into_iter().enumerate() {
            let known = self.cells.get(number).map_or(&[][..], |known| known);
            let is_new = known.is_empty() && words.len() == 1;
            assert!(known == words || is_new, "{halt}: cell {number} is {words:?}, not {known:?}");
        }
    }
}

#[test]
fn a_change_whose_owner_stops_is_told() {
    for (halt, operation, step, count) in halts() {
        let cluster = Arc::new(Cluster::new());
        let ledger = &cluster.tree.core.forest.ledger;
        let mut mirror = Mirror::of(ledger);
        let parked = Parked::at(&cluster, operation, step, count)
            .unwrap_or_else(|| panic!("{halt} is never reached"));
        // Finishes what is published: it is in force before the look.
        drop(words_of_all(ledger));
        mirror.look();
        mirror.check(&halt);
        let again = mirror.look();
        // Only of one cell nobody knows whether its owner has changed it.
        let unknown = usize::from([Step::Written, Step::Exchanged].contains(&step));
        assert!(again <= unknown, "{halt}: told again of {again} cells");
        must_end(&halt, &cluster, everything_else);
        mirror.look();
        mirror.check(&halt);
        parked.go_on();
        mirror.look();
        mirror.check(&halt);
        assert_eq!((mirror.look(), mirror.overruns), (0, 0), "{halt}");
    }
}

#[test]
fn what_an_unwinding_thread_has_announced_is_over() {
    for (halt, operation, step, count) in halts() {
        let cluster = Cluster::new();
        let mut mirror = Mirror::of(&cluster.tree.core.forest.ledger);
        let (tree, mut left) = (cluster.tree.clone(), count);
        let visit = move |reached| {
            on_the_way(&tree, step, reached);
            left -= usize::from(reached == step);
            if left == 0 {
                resume_unwind(Box::new(()));
            }
        };
        let unwound = catch_unwind(AssertUnwindSafe(|| with_steps(visit, || operation(&cluster))));
        assert!(unwound.is_err(), "{halt} is never reached");
        drop(words_of_all(&mirror.ledger));
        mirror.look();
        mirror.check(&halt);
        // The writer is withheld if its change may be in force.
        assert_eq!(mirror.look(), usize::from(step == Step::Exchanged), "{halt}");
    }
}

/// A change that another comes before, and that then is refused.
#[test]
fn what_a_refused_change_has_announced_is_over() {
    let ledger = Arc::new(Ledger::new(&[1]));
    let mut writer = ledger.writer().unwrap();
    let cell = writer.take_cells(Kind(0), &[0]).unwrap();
    #[derive(Debug)]
    struct Refused;
    impl From<Limit> for Refused {
        fn from(_: Limit) -> Self {
            unreachable!("there are records")
        }
    }
    let refuse_unless_first = |word| if word == 0 { Ok(1) } else { Err(Abort::Reject(Refused)) };
    for alone in [true, false] {
        let reset: Result<(), Limit> = writer.update(cell, |words| {
            words.set(0, [0]);
            Ok(())
        });
        reset.unwrap();
        let mut mirror = Mirror::of(&ledger);
        // Outlives the steps: a writer that is dropped reaches some.
        let other = Rc::new(RefCell::new(ledger.writer().unwrap()));
        let between = Rc::clone(&other);
        let mut is_first = true;
        let come_between = move |reached| {
            if reached == Step::Written && std::mem::take(&mut is_first) {
                let changed: Result<(), Limit> = between.borrow_mut().update(cell, |words| {
                    words.set(0, [7]);
                    Ok(())
                });
                changed.unwrap();
            }
        };
        let refused = with_steps(come_between, || match alone {
            true => writer.update(cell, |words| {
                let next = refuse_unless_first(words.word(0))?;
                words.set(0, [next]);
                Ok(())
            }),
            false => writer.transact(|transaction| {
                let place = transaction.open(cell)?;
                let next = refuse_unless_first(transaction.word(place, 0))?;
                transaction.words_mut(place)[0] = next;
                Ok(())
            }),
        });
        assert!(refused.is_err());
        mirror.look();
        mirror.check("refused");
        assert_eq!((words_of(&ledger, cell), mirror.look()), (vec![7], 0));
    }
}

const CELLS: usize = 24;

/// Increments some cells, alone or together, by one writer after another.
fn churn(ledger: &Arc<Ledger>, cells: &[Cell], seed: usize) {
    let mut number = seed;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        cells[(number >> 33) % cells.len()]
    };
    for _ in 0..40 {
        let mut writer = ledger.writer().unwrap();
        for round in 0..1_000 {
            let changed: Result<(), Limit> = if round % 4 == 0 {
                writer.transact(|transaction| {
                    for cell in [next(), next(), next()] {
                        let place = transaction.open(cell)?;
                        transaction.words_mut(place)[0] += 1;
                    }
                    // A touch.
                    transaction.open(next()).map(drop).map_err(Into::into)
                })
            } else {
                writer.update(next(), |words| {
                    words.set(0, [words.word(0) + 1]);
                    Ok(())
                })
            };
            changed.unwrap();
        }
    }
}

/// Looks again and again, and compares with what it has seen itself.
fn follow(mirror: &mut Mirror, cells: &[Cell], pause: Duration, over: &AtomicU64) {
    let mut turn = 0;
    while over.load(Ordering::Acquire) == 0 {
        let cell = cells[turn % cells.len()];
        let seen = words_of(&mirror.ledger, cell)[0];
        mirror.look();
        assert!(mirror.cells[cell.number() as usize][0] >= seen, "what it has seen is untold");
        turn += 1;
        thread::sleep(pause);
    }
    mirror.look();
    mirror.check("at the end");
    assert_eq!(mirror.look(), 0);
}

#[test]
fn all_followers_are_told_of_all_changes() {
    let ledger = Arc::new(Ledger::new(&[1]));
    let mut writer: Writer = ledger.writer().unwrap();
    let cells: Vec<_> = (0..CELLS).map(|_| writer.take_cells(Kind(0), &[0]).unwrap()).collect();
    let over = AtomicU64::new(0);
    let (ledger, cells, over) = (&ledger, &cells, &over);
    thread::scope(|scope| {
        // The last of them is late on purpose.
        let pauses = [0, 0, 1, 300].map(Duration::from_millis);
        let followers = pauses.map(|pause| {
            scope.spawn(move || {
                let mut mirror = Mirror::of(ledger);
                follow(&mut mirror, cells, pause, over);
                mirror.overruns
            })
        });
        let writers = [1, 2, 3].map(|seed| scope.spawn(move || churn(ledger, cells, seed)));
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        over.store(1, Ordering::Release);
        let overruns = followers.map(|follower| follower.join().unwrap());
        assert!(overruns[3] > 0, "{overruns:?}: the late one came in time");
    });
}

//! [`Follower`]: what a reader remembers of the trails, to learn which cells have changed since it
//! last looked.

use std::sync::Arc;

use super::descriptor::Outcome;
use super::seat::Seat;
use super::trail::RING;
use crate::ledger::state::Ledger;
use crate::ledger::word::Cell;

/// Remembers how far a reader has followed the trail of each slot. It is the reader's own: no thread
/// sees it, and writers do not know of it.
#[derive(Clone)]
pub(crate) struct Follower(Vec<Place>);

#[derive(Clone)]
struct Place {
    seat: Arc<Seat>,
    /// Everything before was in force when the reader last looked, or never will be (I20).
    position: u64,
}

/// Tells whether a reader was shown all cells that have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Reach {
    /// Every cell that has changed was visited.
    All,
    /// A worker has changed so much that some cells may not have been visited. The reader has to
    /// look at all cells, after the call.
    Overrun,
}

impl Ledger {
    /// Returns a follower that begins at the present: what the caller reads of the cells afterwards
    /// is what [`touched`](Self::touched) tells the changes of. O(slots).
    pub(crate) fn follow(&self) -> Follower {
        let places = (0..self.writer_bound()).map(|slot| {
            let seat = Arc::clone(self.seat(slot));
            let position = seat.trail.done();
            Place { seat, position }
        });
        Follower(places.collect())
    }

    /// Visits each cell that has changed since the follower's last call, or since the follower was
    /// made; may visit others, and one several times. Wait-free: O(slots + changes).
    ///
    /// Visits every change that has happened before this call and that the caller could have missed
    /// until its last, or reports an overrun; whether the owner of the change has finished it or has
    /// stopped. If the caller reads a visited cell during the visit or later, it reads that change or
    /// a later one. A free cell that was never used has changed only when it is put to use.
    #[inline]
    pub(crate) fn touched(&self, follower: &mut Follower, mut visit: impl FnMut(Cell)) -> Reach {
        let Follower(places) = follower;
        for slot in places.len() as u32..self.writer_bound() {
            places.push(Place { seat: Arc::clone(self.seat(slot)), position: 0 });
        }
        let mut reach = Reach::All;
        for place in places {
            // Nothing was announced, so nothing has changed.
            if place.seat.trail.announced() != place.position
                && place.catch_up(&mut visit) == Reach::Overrun
            {
                reach = Reach::Overrun;
            }
        }
        reach
    }
}

impl Place {
    #[inline(never)]
    fn catch_up(&mut self, visit: &mut impl FnMut(Cell)) -> Reach {
        let Place { seat, position } = self;
        let Seat { descriptor, trail } = &**seat;
        let (end, outcome) = descriptor.standing();
        // After the descriptor, and before the cells are read.
        let done = trail.done();
        // After `done`, so that it is no less.
        let announced = trail.announced();
        let (to, next) = match outcome {
            // A change of one cell may be in force or not, as may anything that is announced while
            // the descriptor is of an earlier transaction.
            _ if end != announced => (announced, done),
            // Nothing announced behind `done` is in force.
            Outcome::Undecided => (done, done),
            // Everything announced is over, even if the owner has stopped before it noted that.
            Outcome::Committed(_) | Outcome::Aborted => (announced, announced),
        };
        let from = *position;
        *position = next.max(from);
        if to > from + RING {
            return Reach::Overrun;
        }
        (from..to).for_each(|position| visit(trail.read(position)));
        // After the places were read: whoever has written to one meanwhile has reserved it first.
        if from < to && trail.announced() > from + RING { Reach::Overrun } else { Reach::All }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ledger::{Kind, Limit, Writer};

    fn ledger_with_cells<const N: usize>() -> (Arc<Ledger>, Writer, [Cell; N]) {
        let ledger = Arc::new(Ledger::new(&[1]));
        let mut writer = ledger.writer().unwrap();
        let cells = [(); N].map(|()| writer.take_cells(Kind(0), &[0]).unwrap());
        (ledger, writer, cells)
    }

    fn touched(ledger: &Ledger, follower: &mut Follower) -> (Vec<Cell>, Reach) {
        let mut cells = Vec::new();
        let reach = ledger.touched(follower, |cell| cells.push(cell));
        (cells, reach)
    }

    fn increment(writer: &mut Writer, cell: Cell) {
        let changed: Result<(), Limit> = writer.update(cell, |words| {
            words.set(0, [words.word(0) + 1]);
            Ok(())
        });
        changed.unwrap();
    }

    fn increment_all(writer: &mut Writer, cells: &[Cell]) {
        let changed: Result<(), Limit> = writer.transact(|transaction| {
            for cell in cells {
                let place = transaction.open(*cell)?;
                transaction.words_mut(place)[0] += 1;
            }
            Ok(())
        });
        changed.unwrap();
    }

    #[test]
    fn each_change_is_visited_once() {
        let (ledger, mut writer, [a, b, c]) = ledger_with_cells();
        let mut follower = ledger.follow();
        assert_eq!(touched(&ledger, &mut follower), (vec![], Reach::All));
        increment(&mut writer, b);
        increment_all(&mut writer, &[c, a]);
        increment_all(&mut writer, &[b]);
        let mut other = follower.clone();
        for follower in [&mut follower, &mut other] {
            assert_eq!(touched(&ledger, follower), (vec![b, c, a, b], Reach::All));
            assert_eq!(touched(&ledger, follower), (vec![], Reach::All));
        }
        let mut next = ledger.writer().unwrap();
        increment(&mut next, a);
        increment(&mut writer, c);
        assert_eq!(touched(&ledger, &mut follower), (vec![c, a], Reach::All));
        assert_eq!(touched(&ledger, &mut ledger.follow()), (vec![], Reach::All));
    }
}

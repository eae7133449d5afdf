//! What the scheduler threads tell each other: where every task went.
//!
//! Threads take tasks from one counter. They write to a task's place in the log first the node they
//! have chosen, then what became of it. Every thread reads the log with its own [`Reader`], which
//! remembers how far it has read and which tasks were still open, so that no task that is settled
//! is read twice.
#![expect(
    clippy::disallowed_types,
    reason = "the task counter and the log are the tool's own, not the library's; loom does not see them"
)]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const PENDING: u32 = 0;
const FAILED: u32 = 1;
/// From here on a word is twice a node, plus one when the task has been placed there.
const FIRST_NODE: u32 = 2;

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody has decided yet.
    Pending,
    /// A thread wants to place it on this node, and has not yet done so.
    Chosen(u32),
    /// No node had room.
    Failed,
    /// It was placed on this node.
    Placed(u32),
}

/// The counter the tasks are taken from, and the outcome of each.
#[derive(Debug)]
pub(crate) struct Log {
    next: AtomicUsize,
    outcomes: Vec<AtomicU32>,
}

impl Log {
    /// A log of this many tasks, all pending.
    pub(crate) fn new(tasks: usize) -> Self {
        let outcomes = (0..tasks).map(|_| AtomicU32::new(PENDING)).collect();
        Self { next: AtomicUsize::new(0), outcomes }
    }

    /// The next task in order; each is given out once.
    pub(crate) fn take(&self) -> Option<usize> {
        // Relaxed: the counter orders nothing but itself; outcomes are published by `record`.
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.outcomes.len()).then_some(index)
    }

    /// How many tasks have been given out.
    pub(crate) fn taken(&self) -> usize {
        // Relaxed: a late answer means only that a reader or a progress bar lags.
        self.next.load(Ordering::Relaxed).min(self.outcomes.len())
    }

    /// Gives out no more tasks.
    pub(crate) fn stop(&self) {
        // Relaxed: as in `take`.
        self.next.store(self.outcomes.len(), Ordering::Relaxed);
    }

    /// Publishes the outcome of a task.
    pub(crate) fn record(&self, index: usize, outcome: Outcome) {
        let word = match outcome {
            Outcome::Pending => PENDING,
            Outcome::Failed => FAILED,
            Outcome::Chosen(node) => 2 * node + FIRST_NODE,
            Outcome::Placed(node) => 2 * node + 1 + FIRST_NODE,
        };
        // Release: pairs with the acquire in `outcome`. Who learns here that a task was placed
        // finds the claim in the provider tree.
        self.outcomes[index].store(word, Ordering::Release);
    }

    /// What became of a task.
    pub(crate) fn outcome(&self, index: usize) -> Outcome {
        // Acquire: pairs with the release in `record`.
        match self.outcomes[index].load(Ordering::Acquire) {
            PENDING => Outcome::Pending,
            FAILED => Outcome::Failed,
            word if (word - FIRST_NODE).is_multiple_of(2) => {
                Outcome::Chosen((word - FIRST_NODE) / 2)
            }
            word => Outcome::Placed((word - FIRST_NODE) / 2),
        }
    }

    /// All outcomes, in the order of the tasks.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        (0..self.outcomes.len()).map(|index| self.outcome(index))
    }
}

/// What a thread has read about the others' tasks.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The nodes on which something was placed, each once, in rising order.
    pub(crate) placed: Vec<u32>,
    /// The tasks that are about to be placed, and where.
    pub(crate) chosen: Vec<(usize, u32)>,
}

/// One thread's place in the log.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    cursor: usize,
    open: Vec<usize>,
    news: News,
}

impl Reader {
    /// What is new about the tasks of *other* threads: placements since the last call, and all
    /// choices that stand. `own` is the task this thread has in hand; its earlier ones were
    /// passed over in the same way.
    pub(crate) fn catch_up(&mut self, log: &Log, own: usize) -> &mut News {
        let Self { cursor, open, news } = self;
        news.placed.clear();
        news.chosen.clear();
        // Everything below the counter is taken. A task that this thread takes later lies at or
        // above `end`, so the cursor never passes one of its own but this.
        let end = log.taken().max(own + 1);
        open.extend((*cursor..end).filter(|&index| index != own));
        *cursor = end;
        open.retain(|&index| news.read(log, index));
        news.placed.sort_unstable();
        news.placed.dedup();
        news
    }
}

impl News {
    /// Reads a task's place in the log; says whether the task is still open.
    fn read(&mut self, log: &Log, index: usize) -> bool {
        match log.outcome(index) {
            Outcome::Pending => true,
            Outcome::Chosen(node) => {
                self.chosen.push((index, node));
                true
            }
            Outcome::Placed(node) => {
                self.placed.push(node);
                false
            }
            Outcome::Failed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_given_out_once() {
        let log = Log::new(2);
        assert_eq!([log.take(), log.take(), log.take()], [Some(0), Some(1), None]);
        assert_eq!(log.taken(), 2);
    }

    #[test]
    fn a_reader_sees_each_foreign_placement_once() {
        let (log, mut reader) = (Log::new(6), Reader::default());
        for _ in 0..4 {
            log.take();
        }
        log.record(0, Outcome::Placed(9));
        log.record(3, Outcome::Placed(7));
        assert_eq!(reader.catch_up(&log, 2).placed, [7, 9]);

        log.record(1, Outcome::Placed(8));
        log.record(2, Outcome::Placed(5));
        let own = log.take().expect("two tasks are left");
        assert_eq!(reader.catch_up(&log, own).placed, [8], "task 2 is its own, 0 and 3 were seen");
        assert!(reader.catch_up(&log, own).placed.is_empty());
    }

    #[test]
    fn a_choice_stands_until_the_task_is_settled() {
        let (log, mut reader) = (Log::new(3), Reader::default());
        log.take();
        log.take();
        assert!(reader.catch_up(&log, 1).chosen.is_empty());
        log.record(0, Outcome::Chosen(0));
        for _ in 0..2 {
            assert_eq!(reader.catch_up(&log, 1).chosen, [(0, 0)]);
        }
        log.record(0, Outcome::Chosen(4));
        assert_eq!(reader.catch_up(&log, 1).chosen, [(0, 4)]);
        log.record(0, Outcome::Placed(4));
        let news = reader.catch_up(&log, 1);
        assert_eq!((news.placed.as_slice(), news.chosen.as_slice()), (&[4][..], &[][..]));
    }

    #[test]
    fn failures_change_no_node() {
        let (log, mut reader) = (Log::new(3), Reader::default());
        log.take();
        log.take();
        log.record(0, Outcome::Failed);
        assert!(reader.catch_up(&log, 1).placed.is_empty());
        assert_eq!(log.outcomes().filter(|&outcome| outcome == Outcome::Pending).count(), 2);
    }
}

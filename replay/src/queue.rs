//! The counter that the scheduler threads take their tasks from.
#![expect(
    clippy::disallowed_types,
    reason = "the task counter is the tool's own, not the library's; loom does not see it"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::interrupt::Interrupt;

/// Gives out the numbers of some tasks in order, each once, until it is interrupted.
#[derive(Debug)]
pub(crate) struct Queue {
    next: AtomicUsize,
    tasks: usize,
    interrupt: Interrupt,
}

// Relaxed everywhere: the counter orders nothing but itself, and a late answer means only that a
// progress bar lags.
impl Queue {
    /// A queue of this many tasks.
    pub(crate) fn new(tasks: usize, interrupt: Interrupt) -> Self {
        Self { next: AtomicUsize::new(0), tasks, interrupt }
    }

    /// How many tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.tasks
    }

    /// The next task.
    pub(crate) fn take(&self) -> Option<usize> {
        if self.interrupt.is_requested() {
            self.stop();
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.tasks).then_some(index)
    }

    /// How many tasks have been given out.
    pub(crate) fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.tasks)
    }

    /// Gives out no more tasks.
    pub(crate) fn stop(&self) {
        self.next.store(self.tasks, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_given_out_once() {
        let queue = Queue::new(2, Interrupt::default());
        assert_eq!([queue.take(), queue.take(), queue.take()], [Some(0), Some(1), None]);
        assert_eq!(queue.taken(), 2);
    }

    #[test]
    fn no_task_is_given_out_after_an_interrupt() {
        let interrupt = Interrupt::default();
        let queue = Queue::new(2, interrupt.clone());
        assert_eq!(queue.take(), Some(0));
        interrupt.request();
        assert_eq!(queue.take(), None);
        assert_eq!(queue.taken(), 2, "the progress bar need not wait");
    }
}

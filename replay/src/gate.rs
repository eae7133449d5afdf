//! [`Gate`]: threads begin together, or not at all.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Holds threads back until all of them are there, or until it is known that they won't be.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the threads that have come.
    waiting: usize,
    /// Whether they may go; `None` while nobody knows.
    verdict: Option<bool>,
}

impl Gate {
    /// Waits until the gate is opened or closed; returns whether it was opened.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.lock();
        state.waiting += 1;
        self.changed.notify_all();
        loop {
            if let Some(verdict) = state.verdict {
                return verdict;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until so many threads have come, and lets them go, unless the gate is closed.
    pub(crate) fn open_for(&self, threads: usize) {
        let mut state = self.lock();
        while state.waiting < threads && state.verdict.is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.verdict.get_or_insert(true);
        self.changed.notify_all();
    }

    /// Sends away the threads that have come, and those that are still to come.
    pub(crate) fn close(&self) {
        self.lock().verdict = Some(false);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_go_when_all_are_there() {
        let gate = Gate::default();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| gate.pass())).collect();
            gate.open_for(3);
            assert!(threads.into_iter().all(|thread| thread.join().is_ok_and(|passed| passed)));
        });
        assert_eq!(gate.lock().waiting, 3);
    }

    #[test]
    fn nobody_waits_for_who_does_not_come() {
        let gate = Gate::default();
        thread::scope(|scope| {
            let first = scope.spawn(|| gate.pass());
            scope.spawn(|| gate.close());
            gate.open_for(2);
            assert!(first.join().is_ok_and(|passed| !passed));
        });
    }

    #[test]
    fn nobody_waits_at_a_closed_gate() {
        let gate = Gate::default();
        thread::scope(|scope| {
            let early = scope.spawn(|| gate.pass());
            gate.close();
            let late = scope.spawn(|| gate.pass());
            assert!([early, late].into_iter().all(|it| it.join().is_ok_and(|passed| !passed)));
        });
    }
}

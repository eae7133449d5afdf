//! Where one thread waits for the answer of another.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, Thread};

use parking_lot::Mutex;

use crate::peer::patience::Patience;

/// No answer yet, and whoever asked looks again and again.
const NONE: u32 = 0;
/// No answer yet, and whoever asked sleeps, or is about to.
const SLEEPS: u32 = 1;
const NO: u32 = 2;
const YES: u32 = 3;

/// The seat of one thread at a time, which asks one thing at a time.
#[derive(Default)]
pub(crate) struct Seat {
    /// One of the above, at first that there is none.
    state: AtomicU32,
    /// Who sleeps, or slept last: whoever answers may come late and wake the thread for what it waits
    /// for next, so the name stays for whoever answers that.
    sleeper: Mutex<Option<Thread>>,
}

impl Seat {
    /// Answers what was asked.
    pub(crate) fn answer(&self, yes: bool) {
        // Release: pairs with the load in `take`: whoever asked sees what was done. Acquire: pairs
        // with the exchange in `wait`, so that the sleeper's name is there.
        let before = self.state.swap(if yes { YES } else { NO }, Ordering::AcqRel);
        if before == SLEEPS
            && let Some(sleeper) = &*self.sleeper.lock()
        {
            sleeper.unpark();
        }
    }

    /// Waits for the answer, at last asleep.
    pub(crate) fn wait(&self, patience: &mut Patience) -> bool {
        if let Some(answer) = patience.look(|| self.take()) {
            return answer;
        }
        *self.sleeper.lock() = Some(thread::current());
        // Release: pairs with the exchange in `answer`. It fails if the answer is there.
        let sleeps =
            self.state.compare_exchange(NONE, SLEEPS, Ordering::Release, Ordering::Relaxed);
        loop {
            if let Some(answer) = self.take() {
                return answer;
            }
            if sleeps.is_ok() {
                thread::park();
            }
        }
    }

    /// Takes the answer, if it is there.
    fn take(&self) -> Option<bool> {
        // Acquire: pairs with the exchange in `answer`.
        let state = self.state.load(Ordering::Acquire);
        if state < NO {
            return None;
        }
        // Relaxed: nobody else touches the seat until this thread asks again, through a channel.
        self.state.store(NONE, Ordering::Relaxed);
        Some(state == YES)
    }
}

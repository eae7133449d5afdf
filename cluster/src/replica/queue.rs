//! [`Queue`]: the calls that wait to be sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::call::Call;
use crate::error::Reason;

/// Holds the calls that wait to be sent, in their order. Each can be withdrawn, and leaves nothing then,
/// however long those before it wait.
pub(super) struct Queue {
    /// Locked for O(1), amortized; and for O(n) to take n calls.
    waiting: Mutex<Waiting>,
    /// Tells the appender, which alone takes calls.
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    /// By their numbers, which grow. A call that was withdrawn has left its place.
    calls: VecDeque<(u64, Option<Call>)>,
    withdrawn: usize,
    next: u64,
    /// Why no call is taken in any more.
    closed: Option<Reason>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Queue { waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Takes a call in, and returns its number; drops it, and returns the reason, if the queue is closed.
    pub(super) fn push(&self, mut call: Call) -> Result<u64, Reason> {
        let mut waiting = self.lock();
        if let Some(reason) = &waiting.closed {
            return Err(reason.clone());
        }
        let number = waiting.next;
        waiting.next += 1;
        call.number = number;
        waiting.calls.push_back((number, Some(call)));
        drop(waiting);
        self.arrived.notify_one();
        Ok(number)
    }

    /// Has whoever waits look again.
    pub(super) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Takes a call out, unless it has been taken already.
    pub(super) fn withdraw(&self, number: u64) -> Option<Call> {
        let mut waiting = self.lock();
        let place = waiting.calls.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let call = waiting.calls[place].1.take()?;
        waiting.withdrawn += 1;
        if waiting.withdrawn > waiting.calls.len() / 2 {
            waiting.calls.retain(|(_, call)| call.is_some());
            waiting.withdrawn = 0;
        }
        Some(call)
    }

    /// Waits until there is a call, or something else is so, of which [`wake`](Self::wake) tells.
    pub(super) async fn wait(&self, or: impl Fn() -> bool) {
        loop {
            // What comes from now on is told of.
            let arrived = self.arrived.notified();
            if or() || !self.is_empty() {
                return;
            }
            arrived.await;
        }
    }

    /// Takes calls from the front, as long as `take` wants the next one.
    pub(super) fn take_while(&self, mut take: impl FnMut(&Call) -> bool) -> Vec<Call> {
        let mut waiting = self.lock();
        let mut taken = Vec::new();
        while let Some((_, first)) = waiting.calls.front() {
            match first {
                Some(call) if !take(call) => break,
                Some(_) => {}
                None => waiting.withdrawn -= 1,
            }
            taken.extend(waiting.calls.pop_front().and_then(|(_, call)| call));
        }
        taken
    }

    /// Takes all calls.
    pub(super) fn take_all(&self) -> Vec<Call> {
        self.take_while(|_| true)
    }

    /// Takes in nothing more, and returns what waits.
    pub(super) fn close(&self, reason: Reason) -> Vec<Call> {
        let mut waiting = self.lock();
        waiting.closed.get_or_insert(reason);
        waiting.withdrawn = 0;
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        calls.into_iter().filter_map(|(_, call)| call).collect()
    }

    fn is_empty(&self) -> bool {
        self.lock().calls.iter().all(|(_, call)| call.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panics while it is locked leaves it as it was, or a call fewer.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

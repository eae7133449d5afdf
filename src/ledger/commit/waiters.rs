//! [`Waiters`]: who waits for a change.
//!
//! A waiter enters the list, shows itself in one word, then looks whether what it waits for has
//! happened. Whoever puts a change in force looks at the word afterwards. So of the two at least one
//! sees the other (I21). While nobody waits, that is all a change costs.
//!
//! Wakers are code of the caller's: nothing is locked while one is called or dropped, one that
//! panics ends its panic here, and one that makes changes itself is not called again meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use crate::ledger::snapshot::ordered_map::OrderedMap;
use crate::sync::{AtomicU64, CachePadded, Ordering, RareWord, Slot, with_waking};

/// Holds everyone who waits for a change of any cell.
pub(crate) struct Waiters {
    /// The number of the waiter that showed itself last, or 0 if everyone was woken since.
    latest: CachePadded<RareWord>,
    /// Counts the waiters that ever were.
    numbers: AtomicU64,
    /// Holds those who have not been woken, by number. Empty if there are none.
    list: Slot<OrderedMap<Arc<Waiter>>>,
}

/// Waits to be woken once.
pub(crate) struct Waiter {
    number: u64,
    /// `None` only while the waiter is dropped.
    waker: Option<Waker>,
}

impl Waiters {
    pub(in crate::ledger) fn new() -> Self {
        Waiters {
            latest: CachePadded::new(RareWord::new(0)),
            numbers: AtomicU64::new(0),
            list: Slot::empty(),
        }
    }

    /// Enters a waiter, which the next change wakes. The caller looks afterwards whether the change
    /// that it waits for is in force already. Lock-free, O(log waiters).
    pub(crate) fn enter(&self, waker: Waker) -> Arc<Waiter> {
        // Relaxed: only the uniqueness of the answer matters.
        let number = 1 + self.numbers.fetch_add(1, Ordering::Relaxed);
        let waiter = Arc::new(Waiter { number, waker: Some(waker) });
        self.list.update(|list| {
            let mut next = list.map_or_else(OrderedMap::new, |list| (**list).clone());
            next.insert(number, Arc::clone(&waiter));
            Some(Arc::new(next))
        });
        // SeqCst: after the entry, which it releases together with all earlier ones, as it is an
        // exchange; before the caller's loads of marks and gates, in the one order. Pairs with the
        // load in `tell`.
        self.latest.swap(number, Ordering::SeqCst);
        waiter
    }

    /// Takes a waiter out of the list, if nobody has woken it. Lock-free, O(log waiters).
    pub(crate) fn leave(&self, waiter: &Waiter) {
        self.remove([waiter.number]);
    }

    /// Wakes everyone who waits. Whoever has put a change in force calls this afterwards.
    #[inline]
    pub(in crate::ledger) fn tell(&self) {
        // SeqCst: after the exchange of the gates. Pairs with the exchange in `enter`.
        if self.latest.load(Ordering::SeqCst) != 0 {
            self.wake();
        }
    }

    /// Wakes everyone in the list. A waiter leaves the list only when its waker has returned: if
    /// this thread stops, those who change something later wake the rest.
    #[cold]
    fn wake(&self) {
        if !self.begin() {
            return;
        }
        loop {
            // SeqCst: as in `tell`; acquires the entries of all who have shown themselves.
            let latest = self.latest.load(Ordering::SeqCst);
            let list = self.list.with(|list| list.cloned());
            let numbers = list.iter().flat_map(OrderedMap::values).map(|waiter| {
                quietly(|| waiter.waker.iter().for_each(Waker::wake_by_ref));
                waiter.number
            });
            let numbers: Vec<_> = numbers.collect();
            self.remove(numbers);
            // SeqCst: as the exchange in `enter`, whose chain of exchanges it continues. Refused: a
            // waiter has shown itself since, whom the next change has to wake.
            let word = &self.latest;
            let _ = word.compare_exchange(latest, 0, Ordering::SeqCst, Ordering::SeqCst);
            if !self.is_told_again() {
                return;
            }
        }
    }

    fn remove(&self, numbers: impl AsRef<[u64]>) {
        self.list.update(|list| {
            let mut next = (**list?).clone();
            let before = next.len();
            for number in numbers.as_ref() {
                next.remove(*number);
            }
            match next.len() == before {
                true => list.cloned(),
                false => (!next.is_empty()).then(|| Arc::new(next)),
            }
        });
    }

    /// Notes that this thread wakes; returns false if it does already. Then this call comes from
    /// one of the wakers, and the call below it on the stack goes round once more.
    fn begin(&self) -> bool {
        with_waking(|waking| match waking.iter_mut().find(|(known, _)| *known == self.address()) {
            Some((_, again)) => {
                *again = true;
                false
            }
            None => {
                waking.push((self.address(), false));
                true
            }
        })
    }

    /// Returns whether a waker of this thread has made a change meanwhile; if not, notes that this
    /// thread wakes no longer.
    fn is_told_again(&self) -> bool {
        with_waking(|waking| {
            let at = waking.iter().position(|(known, _)| *known == self.address());
            let again = at.is_some_and(|at| std::mem::take(&mut waking[at].1));
            if let Some(at) = at.filter(|_| !again) {
                waking.remove(at);
            }
            again
        })
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Says that the model has waiters.
    #[cfg(provider_tree_loom)]
    pub(crate) fn expect(&self) {
        self.latest.expect_use();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        quietly(|| drop(self.waker.take()));
    }
}

/// Calls what a caller has given; a panic ends here, with what it panicked with.
fn quietly(body: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        // Not dropped: that might panic again.
        std::mem::forget(panic);
    }
}

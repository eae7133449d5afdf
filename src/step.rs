//! Steps inside the protocols, at which a test can stop a thread.
//!
//! They compile to nothing, except in the crate's own tests and in the models.

#![allow(unreachable_pub, reason = "the models reach it through `model`")]

/// Names what a thread has just done, with more to do before its change is complete.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// The next version of a single cell is in its record.
    Written,
    /// The gate of a single cell is exchanged; the new version has no stamp yet.
    Exchanged,
    /// A descriptor is filled.
    Prepared,
    /// A descriptor is open to helpers.
    Published,
    /// A descriptor is in one more gate.
    Installed,
    /// The clock is read for a transaction that is installed; no other thread knows the reading.
    Timed,
    /// A transaction is committed or aborted.
    Decided,
    /// One more new version has its stamp.
    Stamped,
    /// A descriptor is out of one more gate.
    Released,
    /// A chain of free numbers is linked to the head that it is about to replace.
    Linked,
    /// The head of a free list, and what follows it, are read.
    HeadRead,
    /// A key has a cell; the index does not have it yet.
    Occupied,
    /// A key's cell is in the index; no provider or consumer has the key.
    Interned,
    /// A key's cell is free; the index still has it.
    Freed,
    /// The index has forgotten a key; the cell is not given back yet.
    Forgotten,
    /// A configuration is published; it is not in force.
    ConfigurationPublished,
    /// A snapshot is registered; the clock has not advanced.
    Registered,
    /// An older version is in the history of its cell; it is not noted with a pin.
    Preserved,
    /// A snapshot has ended; what was kept for it is still there.
    Ended,
}

#[cfg(not(any(test, provider_tree_loom)))]
#[inline(always)]
pub(crate) fn reached(_step: Step) {}

#[cfg(any(test, provider_tree_loom))]
pub use stop::*;

#[cfg(any(test, provider_tree_loom))]
mod stop {
    use std::cell::RefCell;

    use super::Step;

    type Visit = Box<dyn FnMut(Step)>;

    thread_local! {
        static VISIT: RefCell<Option<Visit>> = const { RefCell::new(None) };
    }

    /// Runs `body`, and calls `visit` with every step that this thread reaches meanwhile. `visit`
    /// may stop the thread there: by parking, or by a panic that the caller catches.
    ///
    /// In a model all threads count as one, so `body` must not start any.
    pub fn with_steps<T>(visit: impl FnMut(Step) + 'static, body: impl FnOnce() -> T) -> T {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                VISIT.with_borrow_mut(|current| *current = None);
            }
        }
        VISIT.with_borrow_mut(|current| *current = Some(Box::new(visit)));
        let _reset = Reset;
        body()
    }

    pub(crate) fn reached(step: Step) {
        // Taken out meanwhile: a visitor may unwind, and must not be called again then.
        let Some(mut visit) = VISIT.with_borrow_mut(Option::take) else { return };
        visit(step);
        VISIT.with_borrow_mut(|current| *current = Some(visit));
    }
}

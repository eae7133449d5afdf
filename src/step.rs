//! Steps inside the protocols, at which a test can stop a thread.
//!
//! Compiled to nothing but for the crate's own tests and the models.

#![allow(unreachable_pub, reason = "the models reach it through `model`")]

/// Something that a thread has just done, with more to do before its change is complete.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// The next version of a single cell is in its record.
    Written,
    /// A single cell's gate is exchanged; the version has no stamp.
    Exchanged,
    /// A descriptor is filled.
    Prepared,
    /// A descriptor is open to helpers.
    Published,
    /// A descriptor is in one more gate.
    Installed,
    /// The clock is read for a transaction that is installed; nobody knows of the reading.
    Timed,
    /// A transaction is committed or aborted.
    Decided,
    /// One more new version has its stamp.
    Stamped,
    /// A descriptor is out of one more gate.
    Released,
    /// A chain of free numbers is linked to the head it is about to replace.
    Linked,
    /// The head of a free list and what follows it are read.
    HeadRead,
    /// A key has a cell; no index knows it.
    Occupied,
    /// A key's cell is in the index, and nothing has the key.
    Interned,
    /// A key's cell is free; the index still knows it.
    Freed,
    /// The index has forgotten a key; its cell is not given back.
    Forgotten,
    /// A configuration is published, and not in force.
    ConfigurationPublished,
    /// A snapshot is registered; the clock has not moved on.
    Registered,
    /// An older version is in its cell's history; nobody knows for whom.
    Preserved,
    /// A snapshot has ended; what was kept for it has not gone.
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

    /// Runs `body`; `visit` learns of every step that this thread reaches meanwhile, and may stop
    /// it there: by parking, or by a panic that the caller catches.
    ///
    /// In a model all threads count as one, so that `body` must not start any.
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
        // Taken out meanwhile: a visitor may unwind, and then nobody is to visit it again.
        let Some(mut visit) = VISIT.with_borrow_mut(Option::take) else { return };
        visit(step);
        VISIT.with_borrow_mut(|current| *current = Some(visit));
    }
}

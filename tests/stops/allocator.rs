//! An allocator that counts what is alive, and can stop a thread in the middle of an allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Stopping = Stopping;

struct Stopping;

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// How many bytes are allocated.
pub(crate) fn live() -> isize {
    // Relaxed: the threads that count are joined, or stopped, when somebody asks.
    LIVE.load(Ordering::Relaxed)
}

thread_local! {
    /// At which of its allocations from now on this thread stops; 0 for none.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Far beyond what anything here takes: who exceeds it waits for somebody.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(120);

/// Where the one thread stops that is told to, at a time.
static PLACE: Place = Place { state: Mutex::new(State::Free), changed: Condvar::new() };

struct Place {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Free,
    /// With the backtrace of the allocation.
    Stopped(String),
    /// The call is over.
    Over,
}

impl Place {
    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }

    fn wait_until(&self, mut is_so: impl FnMut(&State) -> bool) {
        let state = self.state.lock().unwrap();
        let (_state, waited) =
            self.changed.wait_timeout_while(state, FOR_EVER, |state| !is_so(state)).unwrap();
        assert!(!waited.timed_out(), "a thread neither stops nor ends");
    }

    /// In the allocator: neither allocates nor unwinds.
    fn stay_until_free(&self) {
        let Ok(state) = self.state.lock() else { return };
        drop(self.changed.wait_while(state, |state| *state != State::Free));
    }
}

/// Runs `call`, in which this thread stops at its `at`th allocation until [`go_on`].
pub(crate) fn stopping(at: usize, call: impl FnOnce()) {
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            LEFT.set(0);
            PLACE.set(State::Over);
        }
    }
    let _over = Over;
    LEFT.set(at);
    call();
}

/// Waits until the thread has stopped, and says where; none if it came to the end of its call.
pub(crate) fn stopped() -> Option<String> {
    let mut found = None;
    PLACE.wait_until(|state| {
        if let State::Stopped(backtrace) = state {
            found = Some(backtrace.clone());
        }
        *state != State::Free
    });
    found
}

/// Lets the stopped thread go on, up to the `after`th allocation from now; to the end for 0.
pub(crate) fn go_on(after: usize) {
    // Relaxed: the lock of the place comes after it.
    AGAIN.store(after, Ordering::Relaxed);
    PLACE.set(State::Free);
}

/// At which allocation the stopped thread is to stop next.
static AGAIN: AtomicUsize = AtomicUsize::new(0);

/// Forgets the end of a call.
pub(crate) fn reset() {
    PLACE.set(State::Free);
}

/// An allocation of this thread begins.
fn reached() {
    // Refused when the thread is about to end.
    let is_here = LEFT.try_with(|left| {
        let before = left.get();
        left.set(before.saturating_sub(1));
        before == 1
    });
    if is_here != Ok(true) {
        return;
    }
    // What this allocates does not count.
    PLACE.set(State::Stopped(Backtrace::force_capture().to_string()));
    PLACE.stay_until_free();
    LEFT.set(AGAIN.load(Ordering::Relaxed));
}

fn count(bytes: isize) {
    // Relaxed: a count orders nothing.
    LIVE.fetch_add(bytes, Ordering::Relaxed);
}

// SAFETY: the system's allocator does everything. What is done beside it leaves memory alone, and
// does not unwind.
unsafe impl GlobalAlloc for Stopping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        reached();
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        reached();
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        reached();
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) };
    }
}

//! Threads that give way in the middle of a call.
//!
//! Calls are so short that a thread is hardly ever interrupted within one, least of all where there
//! are few cores. But the library allocates and frees now and then, also within its transactions;
//! this allocator gives way to other threads there, when asked to: in a program that has it as its
//! global one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Gives way at the so-manieth allocation or release from now on; never if 0.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// Runs `body`, which gives way once: at its so-manieth allocation or release, if it comes so far.
pub fn stalling<T>(at: u32, body: impl FnOnce() -> T) -> T {
    LEFT.set(at);
    let value = body();
    LEFT.set(0);
    value
}

fn step() {
    // A thread that is about to end has no such cell any more.
    let left = LEFT.try_with(|left| left.replace(left.get().saturating_sub(1))).unwrap_or(0);
    if left == 1 {
        std::thread::yield_now();
    }
}

/// The system's allocator, but for the threads that are in [`stalling`].
pub struct Stalling;

// SAFETY: all memory comes from `System`, to which each call is passed on as it is.
unsafe impl GlobalAlloc for Stalling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        step();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        step();
        // SAFETY: the caller's promise, passed on; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

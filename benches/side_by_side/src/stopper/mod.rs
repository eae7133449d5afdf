//! Stops a thread anywhere for a while, now and then, as the system might.
//!
//! It stops between any two of its instructions, with whatever it holds: within a critical section as
//! often as it is in one, on all sides alike. That takes `ptrace`, which no thread may use on another
//! of its own process. So the process that was started becomes the stopper, and its child, the same
//! program again, measures: a system that allows `ptrace` at all allows it on one's own children. A
//! socket in the place of the child's standard input carries requests and answers.

#[cfg(target_os = "linux")]
mod linux;

use std::process::ExitCode;
#[cfg(not(target_os = "linux"))]
use std::sync::{Arc, atomic::AtomicU64};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use linux::submit;

/// The stopper of this process's threads has to be its parent: if there is none, this process becomes
/// one of a child, and returns what the child has returned.
pub(crate) fn become_parent() -> Option<ExitCode> {
    #[cfg(target_os = "linux")]
    return linux::become_parent();
    #[cfg(not(target_os = "linux"))]
    None
}

/// Why no thread can be stopped, if so; finds out with one.
pub(crate) fn fault() -> Option<String> {
    let attempt = || submit(Duration::from_millis(1), &Default::default()).err();
    thread::spawn(attempt).join().expect("nothing in it panics")
}

#[cfg(not(target_os = "linux"))]
pub(crate) struct Submitted;

#[cfg(not(target_os = "linux"))]
pub(crate) fn submit(_: Duration, _: &Arc<AtomicU64>) -> Result<Submitted, String> {
    Err("it takes ptrace as Linux has it".to_owned())
}

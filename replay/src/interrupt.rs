//! Ctrl-C: the run ends early, and what is finished is printed.
#![expect(
    clippy::disallowed_types,
    reason = "the flag is the tool's own, not the library's; loom does not see it"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Whether somebody wants the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

// Relaxed everywhere: the flag orders nothing but itself, and a late answer means only that a few
// more tasks are placed.
impl Interrupt {
    /// The exit code of a program that Ctrl-C ends, as shells have it.
    pub(crate) const EXIT_CODE: u8 = 130;

    /// Returns an interrupt that the first Ctrl-C requests. The second one ends the program.
    fn by_ctrl_c() -> io::Result<Self> {
        let interrupt = Self::default();
        let Self(wanted) = &interrupt;
        // In this order: the flag arms the end for the next signal.
        flag::register_conditional_shutdown(SIGINT, Self::EXIT_CODE.into(), Arc::clone(wanted))?;
        flag::register(SIGINT, Arc::clone(wanted))?;
        Ok(interrupt)
    }

    /// Returns an interrupt that the first Ctrl-C requests, or says why there is none and returns one
    /// that never comes.
    pub(crate) fn by_ctrl_c_or_never() -> Self {
        Self::by_ctrl_c().unwrap_or_else(|error| {
            eprintln!("warning: Ctrl-C ends the run without a report: {error}");
            Self::default()
        })
    }

    /// Whether the end is requested.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Requests the end.
    #[cfg(test)]
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! How long a thread looks for what another is about to do before it sleeps.

use std::hint;
use std::thread;

/// How often it looks again without giving way: about as long as two processors need to hand a request
/// to and fro.
const SPINS: u32 = 60;

/// How often it gives way to others before it sleeps.
const YIELDS: u32 = 10;

/// The most that a success is remembered for.
const TRUST: u32 = 4;

/// One wait of so many spins although it has not helped lately.
const PROBE: u32 = 64;

/// Learns whether spinning helps: it does as long as the other thread runs on another processor.
/// Otherwise it takes from the other one the processor that it waits for.
pub(crate) struct Patience {
    /// How many waits in vain spinning has left.
    trust: u32,
    waits: u32,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience { trust: TRUST, waits: 0 }
    }

    /// Looks for a while, and returns what it finds; the caller sleeps if that is nothing.
    pub(crate) fn look<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if let Some(found) = look() {
            return Some(found);
        }
        self.waits = self.waits.wrapping_add(1);
        if self.trust > 0 || self.waits.is_multiple_of(PROBE) {
            for _ in 0..SPINS {
                hint::spin_loop();
                if let Some(found) = look() {
                    self.trust = TRUST.min(self.trust + 1);
                    return Some(found);
                }
            }
            self.trust = self.trust.saturating_sub(1);
        }
        for _ in 0..YIELDS {
            thread::yield_now();
            if let Some(found) = look() {
                return Some(found);
            }
        }
        None
    }
}

//! [`Backoff`]: how long to wait before something is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits longer after each failure, up to a bound, and each time for a random part of that, so that those
/// who have failed together do not try again together.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits after a failure.
    pub(super) async fn wait(&mut self) {
        let longest = (Self::FIRST * (1 << self.failures.min(10))).min(Self::LONGEST);
        self.failures += 1;
        // Each state has keys of its own, at random.
        let part = RandomState::new().hash_one(self.failures) % 1024;
        tokio::time::sleep(longest / 2 + (longest / 2).mul_f64(part as f64 / 1024.0)).await;
    }
}

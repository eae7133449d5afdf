//! Views as the forest offers them: each is one of a snapshot that only this call knows.

use uuid::Uuid;

use crate::error::Result;
use crate::tree::{Provider, ProviderTree};
use crate::view::{Audit, Dump, Overcommit};

/// Why what is read from a snapshot of one's own can't be too old.
const UNBOUNDED: &str = "a snapshot becomes too old only beyond a bound that it is given";

/// The whole forest at one instant.
impl ProviderTree {
    /// Everything that the forest holds, at one instant: [`Snapshot::dump`](crate::Snapshot::dump).
    pub fn dump(&self) -> Dump {
        self.snapshot().dump().expect(UNBOUNDED)
    }

    /// Recomputes the usage of every provider from what consumers hold, and compares, beside all
    /// other threads and as of one instant: [`Snapshot::audit`](crate::Snapshot::audit).
    pub fn audit(&self) -> Audit {
        self.snapshot().audit().expect(UNBOUNDED)
    }

    /// All consumers that hold something, at one instant:
    /// [`Snapshot::consumers`](crate::Snapshot::consumers).
    pub fn consumers(&self) -> Vec<Uuid> {
        self.snapshot().consumers().expect(UNBOUNDED)
    }

    /// What holds something from `provider` or from what is below it, at one instant:
    /// [`Snapshot::holders`](crate::Snapshot::holders).
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn holders(&self, provider: &Provider) -> Result<Vec<Uuid>> {
        self.snapshot().holders(provider)
    }

    /// Where more is used than there is, after an inventory has shrunk, at one instant:
    /// [`Snapshot::overcommitted`](crate::Snapshot::overcommitted).
    pub fn overcommitted(&self) -> Vec<Overcommit> {
        self.snapshot().overcommitted().expect(UNBOUNDED)
    }
}

//! The public methods of `ProviderTree` about views. Each takes a snapshot that only this call
//! knows, and reads it.

use uuid::Uuid;

use crate::error::Result;
use crate::tree::{Provider, ProviderTree};
use crate::view::{Audit, Dump, Overcommit};

/// Says why a snapshot that only this call knows can't become too old.
const UNBOUNDED: &str = "a snapshot becomes too old only beyond a bound that it is given";

/// Reads the whole forest as of one instant.
impl ProviderTree {
    /// Returns everything that the forest holds at one instant, as plain values; see
    /// [`Snapshot::dump`](crate::Snapshot::dump).
    pub fn dump(&self) -> Dump {
        self.snapshot().dump().expect(UNBOUNDED)
    }

    /// Recomputes the usage of every provider from what consumers hold, and compares. The audit is
    /// of one instant, and no other thread has to stop for it; see
    /// [`Snapshot::audit`](crate::Snapshot::audit).
    pub fn audit(&self) -> Audit {
        self.snapshot().audit().expect(UNBOUNDED)
    }

    /// Returns all consumers that hold something at one instant; see
    /// [`Snapshot::consumers`](crate::Snapshot::consumers).
    pub fn consumers(&self) -> Vec<Uuid> {
        self.snapshot().consumers().expect(UNBOUNDED)
    }

    /// Returns the consumers that hold something from `provider` or from one of its descendants, at
    /// one instant; see [`Snapshot::holders`](crate::Snapshot::holders).
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed) if `provider` does not exist any more.
    pub fn holders(&self, provider: &Provider) -> Result<Vec<Uuid>> {
        self.snapshot().holders(provider)
    }

    /// Returns the classes of providers of which more is used than the capacity, as after an
    /// inventory has shrunk, at one instant; see
    /// [`Snapshot::overcommitted`](crate::Snapshot::overcommitted).
    pub fn overcommitted(&self) -> Vec<Overcommit> {
        self.snapshot().overcommitted().expect(UNBOUNDED)
    }
}

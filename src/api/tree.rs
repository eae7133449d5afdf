//! [`ProviderTree`]: a forest, as callers hold it.

use std::fmt;
use std::sync::Arc;

use crate::claim::Core;
use crate::error::{Error, Result};
use crate::forest::{Forest, ForestReader};
use crate::ledger::{Abort, DoubleCollect, Writer};
use crate::trace::Call;

/// Holds a forest of resource providers, which many threads read, change and claim from at once.
///
/// A clone is another handle of the same forest. All methods take `&self`. Most methods wait for no
/// other thread; some wait for a shard of an index, for the length of one look-up or insertion. A large
/// transaction may ask the others to wait while it is seen to go on, and for about a millisecond if not.
/// The page [`progress`](crate::docs::progress) has a table of all methods and names these cases.
///
/// ```
/// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.configure(&host, inventories, Expect::Any)?;
/// assert_eq!(tree.find("host-1"), Some(host));
/// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.free(), 16);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone)]
pub struct ProviderTree {
    pub(crate) core: Arc<Core>,
}

impl ProviderTree {
    /// Returns an empty forest.
    pub fn new() -> Self {
        ProviderTree { core: Arc::new(Core::new()) }
    }

    /// Returns what `body` reads of the forest, or why `body` refuses, as of one instant.
    /// Lock-free: runs `body` again only if another call has changed what `body` read.
    pub(super) fn read<T>(
        &self,
        mut body: impl FnMut(ForestReader<'_, DoubleCollect<'_>>) -> Result<T, Abort<Error>>,
    ) -> Result<T> {
        let forest = &self.core.forest;
        DoubleCollect::try_consistent(&forest.ledger, |now| body(ForestReader::new(forest, now)))
    }

    /// Runs `body` with a writer that no other thread uses meanwhile, and tells what became of the call.
    pub(super) fn write<T>(
        &self,
        call: Call<'_>,
        body: impl FnOnce(&Forest, &mut Writer) -> Result<T>,
    ) -> Result<T> {
        let forest = &self.core.forest;
        let mut retries = 0;
        let outcome = forest.with_writer(|writer| {
            let before = writer.retries();
            let outcome = body(forest, writer);
            retries = writer.retries() - before;
            outcome
        });
        call.tell(&outcome, retries);
        outcome
    }
}

impl Default for ProviderTree {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ProviderTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTree").finish_non_exhaustive()
    }
}

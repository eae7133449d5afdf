//! [`ProviderTree`]: a forest, as callers hold it.

use std::fmt;
use std::sync::Arc;

use crate::claim::Core;

/// Holds a forest of resource providers, which many threads read, change and claim from at once.
///
/// A clone is another handle of the same forest. All methods take `&self`. No method waits for
/// another thread, other than for a shard of an index for the length of one look-up or insertion
/// (see the table in the [crate documentation](crate#progress)).
///
/// ```
/// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, ResourceClass};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
/// tree.set_inventories(&host, inventories, Expect::Any)?;
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

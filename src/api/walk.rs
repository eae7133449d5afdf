//! Walks: finding providers, and going from one provider to others.

use crate::api::tree::ProviderTree;
use crate::error::Result;
use crate::forest::{ForestReader, Provider, ProviderKey, find};
use crate::ledger::DoubleCollect;

/// Finds providers, and walks from one provider to others. Each answer was true at one instant.
/// Parents come before their children, except in [`ancestors`](ProviderTree::ancestors); siblings
/// come in the order in which they became children of their parent.
///
/// Lock-free: a walk starts over only if a change of structure came between. So under an endless
/// storm of such changes to what a walk visits, the walk may take as long as the storm. Claims and
/// changes of configuration don't disturb a walk. Cost: the number of providers visited.
impl ProviderTree {
    /// Returns the provider with this uuid, or with this name, if there is one. O(1), whether or not there is
    /// one; takes a shard's read lock for O(1).
    ///
    /// A text that no provider has as its name may also be that of a uuid, in any form that
    /// [`Uuid::try_parse`](uuid::Uuid::try_parse) reads; that is looked up afterwards, at an instant of its
    /// own.
    ///
    /// ```
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// assert_eq!(tree.find(host.uuid()), Some(host));
    /// assert_eq!(tree.find("host-1"), Some(host));
    /// assert_eq!(tree.find(&host.uuid().to_string()), Some(host));
    /// assert_eq!(tree.find("host-2"), None);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    #[inline]
    pub fn find<'a>(&self, key: impl Into<ProviderKey<'a>>) -> Option<Provider> {
        find(&self.core.forest, key.into())
    }

    /// Returns all providers without parent.
    pub fn roots(&self) -> Vec<Provider> {
        let forest = &self.core.forest;
        DoubleCollect::consistent(&forest.ledger, |now| ForestReader::new(forest, now).roots())
    }

    /// Returns all providers of the forest.
    pub fn providers(&self) -> Vec<Provider> {
        let forest = &self.core.forest;
        DoubleCollect::consistent(&forest.ledger, |now| ForestReader::new(forest, now).all())
    }

    /// Returns the children of `provider`.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|mut now| now.children(provider))
    }

    /// Returns the ancestors of `provider`, its parent first, its root last.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|mut now| now.ancestors(provider))
    }

    /// Returns `provider` and all its descendants.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|mut now| now.subtree(provider))
    }

    /// Returns the whole tree that contains `provider`, its root first.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](crate::Error::Removed) if `provider` doesn't exist any more.
    pub fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.read(|mut now| now.tree_of(provider))
    }
}

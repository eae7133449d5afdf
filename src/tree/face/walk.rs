//! Finding providers, and walking from one to others.

use crate::error::Result;
use crate::ledger::DoubleCollect;
use crate::tree::provider::{Provider, ProviderKey, ProviderTree};

/// Finding providers. Walks: each answer was true at one instant. Parents come before their children, siblings in
/// the order in which they became children of their parent.
///
/// Lock-free: a walk starts over only when a change of structure came between, so under an endless
/// storm of such changes to what it walks, a walk may take as long as the storm. Claims and changes
/// of configuration don't disturb it. Cost: the number of providers visited.
impl ProviderTree {
    /// The provider with this uuid, or with this name. O(1), whether or not there is one; takes a
    /// shard's read lock for O(1).
    ///
    /// ```
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// assert_eq!(tree.find(host.uuid()), Some(host));
    /// assert_eq!(tree.find("host-1"), Some(host));
    /// assert_eq!(tree.find("host-2"), None);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn find<'a>(&self, key: impl Into<ProviderKey<'a>>) -> Option<Provider> {
        match key.into() {
            ProviderKey::Uuid(uuid) => self.core.find_by_uuid(uuid),
            ProviderKey::Name(name) => self.core.find_by_name(name),
        }
    }
    /// All providers without parent.
    pub fn roots(&self) -> Vec<Provider> {
        DoubleCollect::consistent(&self.core.ledger, |collect| self.core.roots(collect))
    }

    /// All providers of the forest.
    pub fn providers(&self) -> Vec<Provider> {
        DoubleCollect::consistent(&self.core.ledger, |collect| self.core.forest(collect))
    }

    /// The children of `provider`.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| core.children(collect, provider))
    }

    /// The parent of `provider`; none for a root.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn parent(&self, provider: &Provider) -> Result<Option<Provider>> {
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| core.parent(collect, provider))
    }

    /// The ancestors of `provider`, its parent first, its root last.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| core.ancestors(collect, provider))
    }

    /// `provider` and all its descendants.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| core.subtree(collect, provider))
    }

    /// The whole tree that `provider` is a member of, its root first.
    ///
    /// # Errors
    ///
    /// [`Removed`](crate::Error::Removed).
    pub fn tree_of(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let core = &self.core;
        DoubleCollect::consistent(&core.ledger, |collect| core.tree_of(collect, provider))
    }
}

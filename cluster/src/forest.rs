//! [`Forest`]: what a replica's forest is read by.

use std::sync::Weak;

use provider_tree::{
    Allocations, Configuration, Deadline, Feed, Lease, Memory, Metrics, Provider, ProviderKey,
    ProviderTree, ResourceClass, Result, Snapshot, Usage, View,
};
use uuid::Uuid;

use crate::replica::Shared;

/// Reads the forest of a replica, as of the last entry that was applied there.
///
/// Each method is that of [`ProviderTree`] with the same name. There is none that changes the forest: that
/// is for commands alone, as all replicas have to make each change.
///
/// A replica that falls behind the log loads a dump into a new forest. What was got from the old one, such
/// as a handle, a view or a snapshot, goes on to show the old one, which no entry changes any more;
/// [`is_current`](Self::is_current) tells.
#[derive(Clone)]
pub struct Forest {
    pub(crate) tree: ProviderTree,
    /// How often the replica had loaded a dump when it had this forest.
    pub(crate) loads: u64,
    pub(crate) shared: Weak<Shared>,
}

impl Forest {
    /// Returns whether the replica is alive, and applies entries to this forest. O(1): look before each search.
    /// If it is not, take [`Replica::forest`](crate::Replica::forest) and views of it anew. What was found in the
    /// old one, as a claim, is as good as before as a command, which names providers by their uuids.
    pub fn is_current(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| shared.is_current(self.loads))
    }

    /// Returns the provider with this uuid or name, if there is one. O(1).
    pub fn find<'a>(&self, key: impl Into<ProviderKey<'a>>) -> Option<Provider> {
        self.tree.find(key)
    }

    /// Returns the roots, in their order.
    pub fn roots(&self) -> Vec<Provider> {
        self.tree.roots()
    }

    /// Returns all providers, parents before their children.
    pub fn providers(&self) -> Vec<Provider> {
        self.tree.providers()
    }

    /// Returns the children of a provider, in their order.
    pub fn children(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.tree.children(provider)
    }

    /// Returns the ancestors of a provider, from its parent to its root.
    pub fn ancestors(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.tree.ancestors(provider)
    }

    /// Returns a provider and its descendants, parents before their children.
    pub fn subtree(&self, provider: &Provider) -> Result<Vec<Provider>> {
        self.tree.subtree(provider)
    }

    /// Returns what a provider has and is.
    pub fn configuration(&self, provider: &Provider) -> Result<Configuration> {
        self.tree.configuration(provider)
    }

    /// Returns whether a provider or one of its ancestors is cordoned.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.tree.is_cordoned(provider)
    }

    /// Returns how much of a class of a provider is used.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        self.tree.usage(provider, class)
    }

    /// Returns how much of each class of a provider is used.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        self.tree.usages(provider)
    }

    /// Returns what a consumer holds; `None` if it holds nothing.
    pub fn allocations(&self, consumer: Uuid) -> Option<Allocations> {
        self.tree.allocations(consumer)
    }

    /// Returns the lease of a consumer, if there is one. Its receipt has the generation that
    /// [`Confirm`](crate::command::Confirm) takes.
    pub fn lease_of(&self, consumer: Uuid) -> Option<Lease> {
        self.tree.lease_of(consumer)
    }

    /// Returns the deadline of the lease that is due first, if there is a lease.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.tree.next_deadline()
    }

    /// Returns the whole forest as it is at this instant. O(1).
    pub fn snapshot(&self) -> Snapshot {
        self.tree.snapshot()
    }

    /// Returns a view to search for candidates in.
    pub fn view(&self) -> View {
        self.tree.view()
    }

    /// Follows what changes after a snapshot.
    pub fn subscribe(&self, from: &Snapshot) -> Feed {
        self.tree.subscribe(from)
    }

    /// Counts what the commands of all replicas have done to this forest since the replica has it.
    pub fn metrics(&self) -> Metrics {
        self.tree.metrics()
    }

    /// Returns how much memory the forest takes.
    pub fn memory(&self) -> Memory {
        self.tree.memory()
    }
}

impl std::fmt::Debug for Forest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forest").field("is_current", &self.is_current()).finish_non_exhaustive()
    }
}

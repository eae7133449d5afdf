//! [`Place`]: where a task runs.

use std::collections::HashMap;

use provider_tree::Candidate;
use uuid::Uuid;

use crate::cluster::Cluster;

/// Where a task runs: the number of the node, and those of its GPUs, in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) gpus: Vec<usize>,
}

/// What each provider of a cluster is: a node, by its number, or one of its GPUs.
pub(crate) struct Places(HashMap<Uuid, (usize, Option<usize>)>);

impl Places {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let places = cluster.nodes.iter().enumerate().flat_map(|(number, node)| {
            let root = (node.root.uuid(), (number, None));
            let gpus = node.gpus.iter().enumerate();
            let gpus = gpus.map(move |(gpu, provider)| (provider.uuid(), (number, Some(gpu))));
            std::iter::once(root).chain(gpus)
        });
        Self(places.collect())
    }

    /// Returns which place of the cluster was found.
    pub(crate) fn found(&self, found: &Candidate) -> Place {
        // Each root of the cluster has its number.
        let (node, _) = self.0[&found.root().uuid()];
        self.on(node, found.lines().map(|(provider, ..)| provider.uuid()))
    }

    /// Returns where a consumer holds what it was granted, if it holds anything.
    pub(crate) fn held(&self, cluster: &Cluster, consumer: Uuid) -> Option<Place> {
        let held = cluster.tree.allocations(consumer)?.allocations;
        let providers = held.iter().map(|held| held.provider);
        let (node, _) = *providers.clone().find_map(|provider| self.0.get(&provider))?;
        Some(self.on(node, providers))
    }

    /// Returns the place on a node that these of its providers are.
    fn on(&self, node: usize, providers: impl Iterator<Item = Uuid>) -> Place {
        let gpu = |provider| self.0.get(&provider).and_then(|(_, gpu)| *gpu);
        let mut gpus: Vec<_> = providers.filter_map(gpu).collect();
        gpus.sort_unstable();
        Place { node, gpus }
    }
}

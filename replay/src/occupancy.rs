//! [`Occupancy`]: what is in use and what is fragmented, as the tool itself accounts for it.

use std::sync::Arc;

use crate::cluster::{Cluster, ClusterNode};
use crate::places::Place;
use crate::policy::fragmentation::{Free, Typical};
use crate::shape::{Demand, WHOLE_GPU};

/// What is in use of a cluster at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InUse {
    pub(crate) gpu_milli: u64,
    pub(crate) cpu_milli: u64,
    pub(crate) memory_mib: u64,
    /// The sum over the nodes, in the unit of [`Typical::fragments`].
    pub(crate) fragments: i64,
}

/// Follows what is in use of each node.
pub(crate) struct Occupancy {
    typical: Arc<Typical>,
    nodes: Vec<FreeNode>,
    in_use: InUse,
}

/// What is free on a node, as far as its fragmentation depends on it.
struct FreeNode {
    row: usize,
    cpu_milli: u64,
    gpus: Vec<u64>,
    fragments: i64,
}

impl Occupancy {
    /// Returns that of an empty cluster, on which tasks like the typical ones are to run.
    pub(crate) fn new(cluster: &Cluster, typical: Arc<Typical>) -> Self {
        let free = |node: &ClusterNode| FreeNode {
            row: typical.row(node.model),
            cpu_milli: node.cpu_milli.into(),
            gpus: vec![WHOLE_GPU.into(); node.gpus.len()],
            fragments: 0,
        };
        let nodes: Vec<_> = cluster.nodes.iter().map(free).collect();
        let mut occupancy = Self { typical, nodes, in_use: InUse::default() };
        (0..occupancy.nodes.len()).for_each(|node| occupancy.recount(node));
        occupancy
    }

    /// Returns what is in use now.
    pub(crate) fn in_use(&self) -> InUse {
        self.in_use
    }

    /// Returns the GPUs, in thousandths, that so many fragments are.
    pub(crate) fn gpu_milli(&self, fragments: i64) -> f64 {
        self.typical.gpu_milli(fragments)
    }

    /// Counts what a task takes.
    pub(crate) fn take(&mut self, place: &Place, task: &Demand) {
        let node = &mut self.nodes[place.node];
        node.cpu_milli -= u64::from(task.cpu_milli);
        place.gpus.iter().for_each(|&gpu| node.gpus[gpu] -= u64::from(task.gpu_milli));
        self.in_use.gpu_milli += u64::from(task.gpu_total());
        self.in_use.cpu_milli += u64::from(task.cpu_milli);
        self.in_use.memory_mib += u64::from(task.memory_mib);
        self.recount(place.node);
    }

    /// Counts what a task gives back.
    pub(crate) fn give_back(&mut self, place: &Place, task: &Demand) {
        let node = &mut self.nodes[place.node];
        node.cpu_milli += u64::from(task.cpu_milli);
        place.gpus.iter().for_each(|&gpu| node.gpus[gpu] += u64::from(task.gpu_milli));
        self.in_use.gpu_milli -= u64::from(task.gpu_total());
        self.in_use.cpu_milli -= u64::from(task.cpu_milli);
        self.in_use.memory_mib -= u64::from(task.memory_mib);
        self.recount(place.node);
    }

    /// Measures the fragmentation of a node that has changed.
    fn recount(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let free = Free::new(node.row, node.cpu_milli, node.gpus.iter().copied());
        let fragments = self.typical.fragments(&free);
        self.in_use.fragments += fragments - node.fragments;
        node.fragments = fragments;
    }
}

//! [`Curve`]: how full and how fragmented a cluster was while tasks arrived.

use std::collections::HashMap;

use provider_tree::Provider;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::policy::{Free, Typical};
use crate::scheduler::Outcome;
use crate::seed;
use crate::shape::{Demand, WHOLE_GPU};

/// How full and how fragmented a cluster was while tasks arrived, in the order of the tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// One for each percent of the cluster's GPUs that the tasks asked for, and one at the end.
    pub(crate) points: Vec<Point>,
}

/// What was so after some of the tasks, in percent of the cluster's GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// What the tasks so far asked for, whether they were placed or not.
    pub(crate) arrived: f64,
    pub(crate) allocated: f64,
    /// The idle GPUs that typical tasks can't use, in the mean.
    pub(crate) fragmented: f64,
}

/// A node as it was after some of the tasks.
struct Node {
    row: usize,
    cpu_milli: u64,
    gpus: Vec<u64>,
    fragmentation: f64,
}

/// A cluster as it was after some of the tasks.
struct Past {
    typical: Typical,
    nodes: Vec<Node>,
    node_of_root: HashMap<Provider, usize>,
    gpu_of_uuid: HashMap<Uuid, usize>,
    fragmentation: f64,
}

impl Curve {
    /// Returns the curve of a run of these tasks, of which the first are listed, as its forest has it. A
    /// cluster without GPUs has none.
    pub(crate) fn of(
        cluster: &Cluster,
        tasks: &[Demand],
        listed: usize,
        outcomes: &[Outcome],
        seed: u64,
    ) -> Self {
        let mut past = Past::new(cluster, &tasks[..listed.min(tasks.len())]);
        let gpus: usize = past.nodes.iter().map(|node| node.gpus.len()).sum();
        let percent = |milli: f64| 100.0 * milli / (gpus as f64 * f64::from(WHOLE_GPU));
        let (mut points, mut arrived, mut allocated) = (Vec::new(), 0, 0);
        let point = |arrived: u64, allocated: u64, past: &Past| Point {
            arrived: percent(arrived as f64),
            allocated: percent(allocated as f64),
            fragmented: percent(past.fragmentation),
        };
        if gpus == 0 {
            return Self { points };
        }
        points.push(point(0, 0, &past));
        for (index, (task, outcome)) in tasks.iter().zip(outcomes).enumerate() {
            arrived += u64::from(task.gpu_total());
            if let Outcome::Placed(root) = outcome {
                allocated += u64::from(task.gpu_total());
                past.place(cluster, task, root, seed::consumer(seed, index as u64));
            }
            if percent(arrived as f64) >= points.len() as f64 {
                points.push(point(arrived, allocated, &past));
            }
        }
        points.push(point(arrived, allocated, &past));
        Self { points }
    }
}

impl Past {
    /// Returns the cluster as it was when it was empty.
    fn new(cluster: &Cluster, listed: &[Demand]) -> Self {
        let typical = Typical::new(listed, &cluster.models);
        let node = |node: &crate::cluster::ClusterNode| {
            let mut node = Node {
                row: typical.row(node.model),
                cpu_milli: node.cpu_milli.into(),
                gpus: vec![WHOLE_GPU.into(); node.gpus.len()],
                fragmentation: 0.0,
            };
            node.fragmentation = typical.fragmentation(&node.free());
            node
        };
        let nodes: Vec<_> = cluster.nodes.iter().map(node).collect();
        let roots = cluster.nodes.iter().enumerate().map(|(at, node)| (node.root, at));
        let gpus = cluster.nodes.iter().flat_map(|node| node.gpus.iter().enumerate());
        Self {
            node_of_root: roots.collect(),
            gpu_of_uuid: gpus.map(|(at, gpu)| (gpu.uuid(), at)).collect(),
            fragmentation: nodes.iter().map(|node| node.fragmentation).sum(),
            typical,
            nodes,
        }
    }

    /// Takes what a task was granted.
    fn place(&mut self, cluster: &Cluster, task: &Demand, root: &Provider, consumer: Uuid) {
        let Some(held) = cluster.tree.allocations(consumer) else { return };
        let Some(&at) = self.node_of_root.get(root) else { return };
        let node = &mut self.nodes[at];
        node.cpu_milli = node.cpu_milli.saturating_sub(task.cpu_milli.into());
        for held in held.allocations {
            if let Some(&gpu) = self.gpu_of_uuid.get(&held.provider) {
                node.gpus[gpu] = node.gpus[gpu].saturating_sub(held.amount);
            }
        }
        let before = node.fragmentation;
        node.fragmentation = self.typical.fragmentation(&node.free());
        self.fragmentation += node.fragmentation - before;
    }
}

impl Node {
    fn free(&self) -> Free {
        Free::new(self.row, self.cpu_milli, self.gpus.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::TaskClasses;
    use crate::interrupt::Interrupt;
    use crate::policy::PolicyName;
    use crate::scheduler::{self, Settings};
    use crate::shape::{ModelSet, Models, Node};

    #[test]
    fn a_curve_is_what_was_so_after_each_task() {
        let node = |name: &str, gpus| Node {
            name: name.to_owned(),
            cpu_milli: 4_000,
            memory_mib: 100,
            gpus,
            model: None,
        };
        let nodes = [node("a", 2), node("b", 2)];
        let cluster = Cluster::new(&nodes, &Models::default(), TaskClasses::default());
        let cluster = cluster.expect("the nodes are well formed");
        let task = |cpu_milli, gpu_milli| Demand {
            cpu_milli,
            memory_mib: 1,
            gpus: 1,
            gpu_milli,
            models: ModelSet::ANY,
        };
        // The last one fits nowhere.
        let tasks = [task(1_000, 600), task(4_000, 600), task(1_000, 600), task(5_000, 600)];
        let settings = Settings {
            policy: PolicyName::FirstFit,
            threads: 1,
            seed: 1,
            listed: 1,
            pause: Duration::ZERO,
        };
        let schedule = scheduler::run(&cluster, &tasks, &settings, &Interrupt::default());
        let schedule = schedule.expect("the run ends");
        let curve = Curve::of(&cluster, &tasks, 1, &schedule.outcomes, 1);
        let point = |arrived, allocated, fragmented| Point { arrived, allocated, fragmented };
        // The typical task asks for a core and 600 thousandths: so GPUs with less are fragments, and all
        // GPUs of a node without cores.
        let expected = [
            point(0.0, 0.0, 0.0),
            point(15.0, 15.0, 10.0),
            point(30.0, 30.0, 10.0 + 35.0),
            point(45.0, 45.0, 20.0 + 35.0),
            point(60.0, 45.0, 20.0 + 35.0),
            point(60.0, 45.0, 20.0 + 35.0),
        ];
        assert_eq!(curve.points.len(), expected.len());
        for (found, expected) in curve.points.iter().zip(expected) {
            let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
            assert!(near(found.arrived, expected.arrived), "{found:?}, not {expected:?}");
            assert!(near(found.allocated, expected.allocated), "{found:?}, not {expected:?}");
            assert!(near(found.fragmented, expected.fragmented), "{found:?}, not {expected:?}");
        }
    }

    #[test]
    fn a_cluster_without_gpus_has_no_curve() {
        let node = Node { name: "a".to_owned(), cpu_milli: 1, memory_mib: 1, gpus: 0, model: None };
        let cluster = Cluster::new(&[node], &Models::default(), TaskClasses::default());
        let cluster = cluster.expect("the node is well formed");
        assert!(Curve::of(&cluster, &[], 0, &[], 1).points.is_empty());
    }
}

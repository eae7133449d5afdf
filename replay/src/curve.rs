//! [`Curve`]: how full and how fragmented a cluster was while tasks arrived.

use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::occupancy::Occupancy;
use crate::places::Places;
use crate::policy::Outlook;
use crate::seed;
use crate::shape::{Demand, WHOLE_GPU};

/// How full and how fragmented a cluster was while tasks arrived, in the order of the tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// At most one for each percent of the cluster's GPUs that the tasks asked for, after the task that
    /// reached it, and one at the end. Where a task asks for several percent, there are fewer.
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

impl Curve {
    /// Returns the curve of a run of these tasks, of which the first are listed, as its forest has it. A
    /// cluster without GPUs has none.
    pub(crate) fn of(cluster: &Cluster, tasks: &[Demand], listed: usize, seed: u64) -> Self {
        let outlook = Outlook::new(&tasks[..listed.min(tasks.len())], &cluster.models);
        let mut past = Occupancy::new(cluster, outlook.typical());
        let places = Places::new(cluster);
        let gpus: usize = cluster.nodes.iter().map(|node| node.gpus.len()).sum();
        let percent = |milli: f64| 100.0 * milli / (gpus as f64 * f64::from(WHOLE_GPU));
        let mut points = Vec::new();
        let point = |arrived: u64, past: &Occupancy| Point {
            arrived: percent(arrived as f64),
            allocated: percent(past.in_use().gpu_milli as f64),
            fragmented: percent(past.gpu_milli(past.in_use().fragments)),
        };
        if gpus == 0 {
            return Self { points };
        }
        let mut arrived = 0;
        points.push(point(arrived, &past));
        for (index, task) in tasks.iter().enumerate() {
            arrived += u64::from(task.gpu_total());
            if let Some(place) = places.held(cluster, seed::consumer(seed, index as u64)) {
                past.take(&place, task);
            }
            if percent(arrived as f64) >= points.len() as f64 {
                points.push(point(arrived, &past));
            }
        }
        points.push(point(arrived, &past));
        Self { points }
    }

    /// Returns what had arrived at the end.
    pub(crate) fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |last| last.arrived)
    }

    /// Returns a value when so much had arrived, on the line between the points beside it; `None` of no
    /// points.
    pub(crate) fn at(&self, arrived: f64, value: fn(&Point) -> f64) -> Option<f64> {
        let after = self.points.partition_point(|point| point.arrived <= arrived);
        let before = self.points.get(after.saturating_sub(1))?;
        let Some(after) = self.points.get(after) else { return Some(value(before)) };
        let part = (arrived - before.arrived) / (after.arrived - before.arrived);
        Some(value(before) + (value(after) - value(before)) * part)
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
        schedule.expect("the run ends");
        let curve = Curve::of(&cluster, &tasks, 1, 1);
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
    fn between_two_points_a_curve_is_a_line() {
        let point = |arrived, allocated| Point { arrived, allocated, fragmented: 0.0 };
        let curve = Curve { points: vec![point(0.0, 0.0), point(15.0, 10.0), point(15.0, 30.0)] };
        let at = |arrived| curve.at(arrived, |point| point.allocated);
        assert_eq!([0.0, 3.0, 15.0, 99.0].map(at), [0.0, 2.0, 30.0, 30.0].map(Some));
        assert_eq!(curve.end(), 15.0);
        assert_eq!(Curve { points: Vec::new() }.at(1.0, |point| point.allocated), None);
    }

    #[test]
    fn a_cluster_without_gpus_has_no_curve() {
        let node = Node { name: "a".to_owned(), cpu_milli: 1, memory_mib: 1, gpus: 0, model: None };
        let cluster = Cluster::new(&[node], &Models::default(), TaskClasses::default());
        let cluster = cluster.expect("the node is well formed");
        assert!(Curve::of(&cluster, &[], 0, 1).points.is_empty());
    }
}

//! What is replayed: a cluster's nodes and the tasks in their order.

mod built_in;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use crate::options::Options;
use crate::seed::{self, Purpose};
use crate::shape::{Demand, Models, Node, WHOLE_GPU};
use crate::trace::{self, Problem};

/// Nodes and tasks as they are listed, before a run orders the tasks.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// In the order of their names.
    pub(crate) nodes: Vec<Node>,
    pub(crate) models: Models,
    /// What is odd about the files.
    pub(crate) warnings: Vec<String>,
    tasks: Tasks,
}

/// Where a run's tasks come from.
#[derive(Debug, Clone)]
enum Tasks {
    Listed(Vec<Demand>),
    BuiltIn,
}

impl Workload {
    /// What the options ask for: the files' content or the built-in workload, scaled.
    pub(crate) fn new(options: &Options) -> Result<Self, Problem> {
        let (nodes, models, tasks, warnings) = match (&options.nodes, &options.tasks) {
            (Some(nodes), Some(tasks)) => {
                let (nodes, models) = trace::read_nodes(nodes, options.scale)?;
                let (tasks, warnings) = trace::read_tasks(tasks, &models)?;
                (nodes, models, Tasks::Listed(tasks), warnings)
            }
            _ => {
                let (nodes, models) = built_in::nodes();
                (nodes, models, Tasks::BuiltIn, Vec::new())
            }
        };
        Ok(Self { nodes: scaled(nodes, options.scale), models, warnings, tasks })
    }

    /// The tasks of one run, in the order in which they are scheduled: the listed ones shuffled,
    /// then tasks drawn from among them until the load is reached. When the list itself is above
    /// the load, tasks are dropped.
    pub(crate) fn tasks(&self, seed: u64, load: f64) -> Vec<Demand> {
        let listed = match &self.tasks {
            Tasks::Listed(tasks) => tasks.clone(),
            Tasks::BuiltIn => built_in::tasks(seed),
        };
        let limit = (load * self.gpu_milli() as f64) as u64;
        to_load(listed, limit, &mut seed::generator(seed, Purpose::Order, 0))
    }

    /// The GPUs of the cluster.
    pub(crate) fn gpus(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.gpus)).sum()
    }

    fn gpu_milli(&self) -> u64 {
        self.gpus() as u64 * u64::from(WHOLE_GPU)
    }
}

/// Every node `scale` times, in the order of the new names. A suffix of fixed width keeps the
/// names unique.
fn scaled(nodes: Vec<Node>, scale: u32) -> Vec<Node> {
    if scale == 1 {
        return nodes;
    }
    let width = (scale - 1).to_string().len();
    let copies = |node: &Node| {
        let node = node.clone();
        (0..scale)
            .map(move |copy| Node { name: format!("{}.{copy:0width$}", node.name), ..node.clone() })
    };
    let mut all: Vec<Node> = nodes.iter().flat_map(copies).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Shuffles, then appends or drops tasks. The load counts `gpu_milli` once per task, also for
/// tasks with several GPUs, as the published experiment does.
fn to_load(mut tasks: Vec<Demand>, limit: u64, random: &mut Xoshiro256PlusPlus) -> Vec<Demand> {
    tasks.shuffle(random);
    let mut load: u64 = tasks.iter().map(counted).sum();
    if load <= limit {
        append(&mut tasks, load, limit, random);
    }
    while load > limit {
        let dropped = tasks.remove(random.random_range(0..tasks.len()));
        load -= counted(&dropped);
    }
    tasks
}

/// Draws from the original tasks until the next one would pass the limit. A list without any GPU
/// task has no load to raise.
fn append(tasks: &mut Vec<Demand>, load: u64, limit: u64, random: &mut Xoshiro256PlusPlus) {
    let listed = tasks.len();
    let mut load = load;
    while load > 0 {
        let drawn = tasks[random.random_range(0..listed)];
        load += counted(&drawn);
        if load > limit {
            break;
        }
        tasks.push(drawn);
    }
}

fn counted(task: &Demand) -> u64 {
    u64::from(task.gpu_milli)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ModelSet;

    fn task(gpus: u8, gpu_milli: u16) -> Demand {
        Demand { cpu_milli: 1000, memory_mib: 1, gpus, gpu_milli, models: ModelSet::ANY }
    }

    fn random(seed: u64) -> Xoshiro256PlusPlus {
        seed::generator(seed, Purpose::Order, 0)
    }

    #[test]
    fn tasks_are_appended_up_to_the_load() {
        let listed = vec![task(1, 300), task(8, 1000), task(0, 0)];
        let tasks = to_load(listed.clone(), 10_000, &mut random(1));
        let load: u64 = tasks.iter().map(counted).sum();
        assert!((9_001..=10_000).contains(&load), "{load}: an eight-GPU task counts 1000");
        assert!(listed.iter().all(|listed| tasks[..3].contains(listed)), "the list comes first");
        assert_eq!(tasks, to_load(listed.clone(), 10_000, &mut random(1)));
        assert_ne!(tasks, to_load(listed, 10_000, &mut random(2)));
    }

    #[test]
    fn tasks_are_dropped_down_to_the_load() {
        let tasks = to_load(vec![task(1, 1000); 10], 4_500, &mut random(1));
        assert_eq!(tasks.len(), 4);
    }

    #[test]
    fn tasks_without_gpus_are_left_alone() {
        assert_eq!(to_load(vec![task(0, 0); 3], 1_000, &mut random(1)).len(), 3);
        assert_eq!(to_load(vec![task(0, 0); 3], 0, &mut random(1)).len(), 3);
        assert!(to_load(Vec::new(), 1_000, &mut random(1)).is_empty());
    }

    #[test]
    fn scaling_keeps_names_unique_and_ordered() {
        let (nodes, _) = built_in::nodes();
        let all = scaled(nodes.clone(), 11);
        assert_eq!(all.len(), nodes.len() * 11);
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(all[0].name.ends_with(".00") && all[10].name.ends_with(".10"));
    }
}

//! What is replayed: a cluster's nodes and the tasks in their order.

mod built_in;
mod load;
mod ranks;

use std::borrow::Cow;

use crate::memory::{Limit, Need};
use crate::options::Options;
use crate::refusal::Refusal;
use crate::seed::{self, Purpose};
use crate::shape::{Demand, Models, Node};
use crate::trace;

pub(crate) use load::LoadRule;

/// Nodes and tasks as they are listed, before a run orders the tasks.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// In the order of their names.
    pub(crate) nodes: Vec<Node>,
    pub(crate) models: Models,
    /// What is odd about the files.
    pub(crate) warnings: Vec<String>,
    tasks: Tasks,
    pub(crate) rule: LoadRule,
    /// The memory that a run is estimated to take.
    pub(crate) need: Need,
}

/// Where a run's tasks come from.
#[derive(Debug, Clone)]
enum Tasks {
    Listed(Vec<Demand>),
    BuiltIn,
}

impl Tasks {
    fn listed(&self, seed: u64) -> Cow<'_, [Demand]> {
        match self {
            Self::Listed(tasks) => Cow::Borrowed(tasks),
            Self::BuiltIn => Cow::Owned(built_in::tasks(seed)),
        }
    }
}

impl Workload {
    /// Returns what the options ask for: the files' content or the built-in workload, scaled. Refuses
    /// what makes no sense, or would take more memory than the limits allow.
    pub(crate) fn new(options: &Options, limits: &[Limit]) -> Result<Self, Refusal> {
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
        let listed = tasks.listed(options.seed);
        let rule = LoadRule::new(options.load, &nodes, options.scale, &listed)?;
        let need = Need::new(
            &nodes,
            options.scale,
            &listed,
            rule.expected_tasks,
            options.threads(),
            options.policy,
        );
        drop(listed);
        need.check(limits)?;
        Ok(Self { nodes: scaled(nodes, options.scale), models, warnings, tasks, rule, need })
    }

    /// The tasks of one run, in the order in which they are scheduled: the listed ones shuffled,
    /// then tasks drawn from among them until the load is reached. When the list itself is above
    /// the load, tasks are dropped.
    pub(crate) fn tasks(&self, seed: u64) -> Result<Vec<Demand>, Refusal> {
        let listed = self.tasks.listed(seed).into_owned();
        self.rule.apply(listed, &mut seed::generator(seed, Purpose::Order, 0))
    }

    /// The GPUs of the cluster.
    pub(crate) fn gpus(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.gpus)).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_names_unique_and_ordered() {
        let (nodes, _) = built_in::nodes();
        let all = scaled(nodes.clone(), 11);
        assert_eq!(all.len(), nodes.len() * 11);
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(all[0].name.ends_with(".00") && all[10].name.ends_with(".10"));
    }
}

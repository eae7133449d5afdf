//! The published values of GPU allocation.
//!
//! Qizhen Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
//! Gradient Descent", USENIX ATC 2023: percent of the GPUs of the Alibaba cluster-trace-gpu-v2023
//! that are allocated when tasks for 1.3 times as many have arrived, as means of ten runs.
//!
//! Node list and task list are known by the fingerprints of their content, so that a file may have any
//! name, and one that only has a list's name gets no value.

use super::summary::Table;
use crate::policy::PolicyName;

/// Where the values are from, in short.
pub(super) const SOURCE: &str = "Weng et al., Beware of Fragmentation, USENIX ATC 2023";

/// The policies by their names here, in the order of the values.
const POLICIES: [&str; 6] =
    ["random", "dot-product", "gpu-clustering", "gpu-packing", "best-fit", "fgd"];

/// A task list of the trace.
struct Published {
    /// The fingerprint of the list's content.
    content: &'static str,
    /// By policy.
    gpu_percents: [f64; POLICIES.len()],
}

/// openb_pod_list_default.csv, cpu050, cpu100, gpushare40, gpuspec10, multigpu20.
const TASK_LISTS: [Published; 6] = [
    Published {
        content: "f5c67f6cb1f75377",
        gpu_percents: [87.47, 90.85, 91.88, 92.00, 93.08, 95.39],
    },
    Published {
        content: "8f00d8927633297a",
        gpu_percents: [91.24, 93.27, 93.79, 93.72, 93.79, 95.21],
    },
    Published {
        content: "74717404925eef65",
        gpu_percents: [89.11, 91.95, 92.64, 92.72, 93.44, 95.35],
    },
    Published {
        content: "76daa440cbd6c9cb",
        gpu_percents: [86.00, 89.56, 90.02, 90.03, 91.69, 94.15],
    },
    Published {
        content: "0881ed8f96f16d18",
        gpu_percents: [87.43, 90.39, 92.18, 92.46, 93.30, 94.95],
    },
    Published {
        content: "aabdb9fc2c6ff1f9",
        gpu_percents: [88.69, 92.06, 93.56, 93.71, 93.93, 95.65],
    },
];

/// The fingerprint of openb_node_list_gpu_node.csv: the nodes of the trace that have GPUs.
const NODE_LIST: &str = "d3446fafb573946d";

// The experiment's settings.
const LOAD: f64 = 1.3;
const SCALE: u32 = 1;

/// Returns the published value for a task list, by the fingerprint of its content, and a policy; `None`
/// where nothing is published, or for other nodes or settings.
pub(super) fn value(table: &Table, tasks: &str, policy: PolicyName) -> Option<f64> {
    let settings = (&*table.node_list.content, table.load, table.scale);
    (settings == (NODE_LIST, LOAD, SCALE)).then_some(())?;
    let list = TASK_LISTS.iter().find(|list| list.content == tasks)?;
    let policy = policy.to_string();
    let values = POLICIES.iter().zip(list.gpu_percents);
    values.into_iter().find(|(name, _)| **name == policy).map(|(_, value)| value)
}

#[cfg(test)]
pub(super) mod tests {
    use clap::ValueEnum;

    use super::super::summary::tests::table;
    use super::*;

    /// The published nodes, and the task list cpu050, as made-up tables name them.
    pub(in crate::table) const NODES: &str = NODE_LIST;
    pub(in crate::table) const CPU050: &str = TASK_LISTS[1].content;

    #[test]
    fn lists_are_known_by_their_content() {
        let table = table(&[]);
        assert_eq!(value(&table, CPU050, PolicyName::BestFit), Some(93.79));
        for other in ["openb_pod_list_cpu050.csv", "built-in", &CPU050[1..], NODES, ""] {
            assert_eq!(value(&table, other, PolicyName::BestFit), None, "{other}");
        }
    }

    #[test]
    fn other_experiments_have_no_values() {
        let changes: [fn(&mut Table); 3] = [
            |table| table.load = 1.2,
            |table| table.scale = 2,
            |table| table.node_list.content = CPU050.to_owned(),
        ];
        for change in changes {
            let mut table = table(&[]);
            assert_eq!(value(&table, CPU050, PolicyName::Random), Some(91.24));
            change(&mut table);
            assert_eq!(value(&table, CPU050, PolicyName::Random), None);
        }
    }

    /// A policy whose name changes here would lose its values.
    #[test]
    fn what_is_published_is_of_policies_here() {
        let table = table(&[]);
        let policies = PolicyName::value_variants();
        let found = policies.iter().filter(|&&policy| value(&table, CPU050, policy).is_some());
        assert_eq!(found.count(), POLICIES.len());
        assert_eq!(value(&table, CPU050, PolicyName::FirstFit), None);
    }
}

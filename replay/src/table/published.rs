//! The published values of GPU allocation.
//!
//! Qizhen Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
//! Gradient Descent", USENIX ATC 2023: percent of the GPUs of the Alibaba cluster-trace-gpu-v2023
//! that are allocated when tasks for 1.3 times as many have arrived, as means of ten runs.

use std::path::Path;

use super::summary::Table;
use crate::policy::PolicyName;

/// Where the values are from, in short.
pub(super) const SOURCE: &str = "Weng et al., Beware of Fragmentation, USENIX ATC 2023";

/// The policies by their names here, in the order of the values.
const POLICIES: [&str; 6] =
    ["random", "dot-product", "gpu-clustering", "gpu-packing", "best-fit", "fgd"];

/// By task list: the values of the policies.
const VALUES: [(&str, [f64; POLICIES.len()]); 6] = [
    ("default", [87.47, 90.85, 91.88, 92.00, 93.08, 95.39]),
    ("cpu050", [91.24, 93.27, 93.79, 93.72, 93.79, 95.21]),
    ("cpu100", [89.11, 91.95, 92.64, 92.72, 93.44, 95.35]),
    ("gpushare40", [86.00, 89.56, 90.02, 90.03, 91.69, 94.15]),
    ("gpuspec10", [87.43, 90.39, 92.18, 92.46, 93.30, 94.95]),
    ("multigpu20", [88.69, 92.06, 93.56, 93.71, 93.93, 95.65]),
];

// The experiment's settings, and the nodes of the trace that have GPUs.
const LOAD: f64 = 1.3;
const SCALE: u32 = 1;
const NODES: usize = 1_213;
const GPUS: usize = 6_212;

/// Returns the published value for a task list, which is known by its file's name, and a policy;
/// `None` where nothing is published, or for other settings.
pub(super) fn value(table: &Table, tasks: &str, policy: PolicyName) -> Option<f64> {
    let settings = (table.load, table.scale, table.nodes, table.gpus);
    (settings == (LOAD, SCALE, NODES, GPUS)).then_some(())?;
    let name = Path::new(tasks).file_name()?.to_str()?;
    let name = name.strip_prefix("openb_pod_list_")?.strip_suffix(".csv")?;
    let (_, values) = VALUES.iter().find(|(list, _)| *list == name)?;
    let policy = policy.to_string();
    POLICIES.iter().zip(values).find(|(name, _)| **name == policy).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::super::summary::tests::table;
    use super::*;

    #[test]
    fn lists_are_known_by_their_files_names() {
        let table = table(&[]);
        let value = |tasks| value(&table, tasks, PolicyName::BestFit);
        assert_eq!(value("openb_pod_list_default.csv"), Some(93.08));
        assert_eq!(value("some/where/openb_pod_list_multigpu20.csv"), Some(93.93));
        for other in
            ["default", "openb_pod_list_default", "openb_pod_list_.csv", "built-in", "-", ""]
        {
            assert_eq!(value(other), None, "{other}");
        }
    }

    #[test]
    fn other_experiments_have_no_values() {
        let list = "openb_pod_list_gpuspec10.csv";
        let changes: [fn(&mut Table); 4] = [
            |table| table.load = 1.2,
            |table| table.scale = 2,
            |table| table.nodes = 1_523,
            |table| table.gpus = 6_211,
        ];
        for change in changes {
            let mut table = table(&[]);
            assert_eq!(value(&table, list, PolicyName::Random), Some(87.43));
            change(&mut table);
            assert_eq!(value(&table, list, PolicyName::Random), None);
        }
    }

    /// A policy whose name changes here would lose its values.
    #[test]
    fn every_policy_but_first_fit_is_published() {
        let table = table(&[]);
        for policy in PolicyName::value_variants() {
            let value = value(&table, "openb_pod_list_cpu100.csv", *policy);
            assert_eq!(value.is_some(), *policy != PolicyName::FirstFit, "{policy}");
        }
    }
}

//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Replays a task list on a cluster: threads choose nodes by policy and claim them.
///
/// Without --nodes and --tasks a built-in workload is replayed that has the shape of a public
/// trace of a GPU cluster (Alibaba cluster-trace-gpu-v2023).
#[derive(Parser, Debug, Clone)]
#[command(name = "replay", version)]
pub(crate) struct Options {
    /// Node list in the openb format: sn,cpu_milli,memory_mib,gpu,model
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) nodes: Option<PathBuf>,

    /// Task list in the openb format: name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec,...]
    #[arg(long, value_name = "FILE", requires = "nodes")]
    pub(crate) tasks: Option<PathBuf>,

    /// Scheduler threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// How a node is chosen for a task
    #[arg(long, value_enum, default_value = "best-fit")]
    pub(crate) policy: PolicyName,

    /// Seed of the task order, of the appended tasks and of random choices
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,

    /// Repeat with this many seeds, counted up from --seed, and print the mean
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) seeds: u32,

    /// Add or drop tasks until they ask for this share of the cluster's GPUs
    #[arg(long, value_name = "FACTOR", default_value_t = 1.3, value_parser = load_factor)]
    pub(crate) load: f64,

    /// Multiply the cluster, and with it the tasks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) scale: u32,

    /// Sleep this long between choosing a node and claiming it, to provoke conflicts
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) pause: u64,

    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// The number of threads asked for, or one per core.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// The seeds of the runs, in order.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> {
        let first = self.seed;
        (0..u64::from(self.seeds)).map(move |offset| first.wrapping_add(offset))
    }
}

/// A policy's name on the command line.
#[derive(ValueEnum, Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyName {
    /// The first node by name that fits
    FirstFit,
    /// The node that has the least left after placing the task
    BestFit,
    /// Any node that fits, each with the same chance
    Random,
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::FirstFit => "first-fit",
            Self::BestFit => "best-fit",
            Self::Random => "random",
        })
    }
}

fn load_factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if factor > 0.0 && factor <= 100.0 {
        Ok(factor)
    } else {
        Err("the load factor must be above 0 and at most 100".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_count_up_from_the_first() {
        let options = Options::parse_from(["replay", "--seed", "7", "--seeds", "3"]);
        assert_eq!(options.seeds().collect::<Vec<_>>(), [7, 8, 9]);
    }

    #[test]
    fn a_load_factor_must_be_a_positive_number() {
        assert_eq!(load_factor("1.3"), Ok(1.3));
        for text in ["0", "-1", "NaN", "inf", "101", "x"] {
            assert!(load_factor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_and_tasks_come_together() {
        assert!(Options::try_parse_from(["replay", "--nodes", "n.csv"]).is_err());
        assert!(Options::try_parse_from(["replay", "--tasks", "t.csv"]).is_err());
    }
}

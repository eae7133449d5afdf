//! Options of every command.

use std::path::PathBuf;

use clap::Args;

use super::values::{load_factor, whole};

/// What is replayed, and in how many ways.
#[derive(Args, Debug, Clone)]
pub(crate) struct SharedOptions {
    /// Seed of the order of tasks and nodes, of the appended tasks and of random choices
    ///
    /// With one thread it decides where each task goes. With several, threads also get in each other's way,
    /// and two runs with one seed differ a little.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 42,
        allow_negative_numbers = true,
        value_parser = whole::<u64>(0..=u64::MAX),
    )]
    pub(crate) seed: u64,

    /// Append or drop tasks until they ask for this share of the cluster [default: 1.3]
    ///
    /// Of each task its gpu_milli is counted once, as in the published experiment. Where no node has
    /// GPUs or hardly any are asked for, the scarcest of GPU, CPU and memory is counted. There are at
    /// most 1000 tasks for each node and each listed task; a load that takes more is refused.
    #[arg(
        long,
        value_name = "FACTOR",
        allow_negative_numbers = true,
        value_parser = load_factor,
    )]
    pub(crate) load: Option<f64>,

    /// Multiply the cluster, and with it the tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = whole::<u32>(1..=1000),
    )]
    pub(crate) scale: u32,

    /// Write where each task was placed to this file, as CSV
    ///
    /// A row has the list, the policy, the threads and the seed; the task's position in the order and
    /// its name in the list; the node, or nothing if the task failed; and the numbers of its GPUs,
    /// separated by |.
    #[arg(long, value_name = "FILE")]
    pub(crate) placements: Option<PathBuf>,
}

/// The load of the published experiment.
const DEFAULT_LOAD: f64 = 1.3;

impl SharedOptions {
    /// Returns the load asked for, or that of the published experiment.
    pub(crate) fn load(&self) -> f64 {
        self.load.unwrap_or(DEFAULT_LOAD)
    }

    /// Returns so many seeds, counted up from the first.
    pub(super) fn seeds(&self, count: u32) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..u64::from(count)).map(move |offset| first.wrapping_add(offset))
    }
}

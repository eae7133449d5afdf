//! The options of `replay run`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::error::ErrorKind;

use super::shared::SharedOptions;
use super::values::whole;
use super::{Checked, is_standard_input};
use crate::policy::PolicyName;
use crate::workload::Sources;

/// Which task list is replayed, and how.
#[derive(Args, Debug, Clone)]
pub(crate) struct RunOptions {
    /// Node list in the openb format: sn,cpu_milli,memory_mib,gpu,model; - is standard input
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) nodes: Option<PathBuf>,

    /// Task list in the openb format: name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec,...]; -
    /// is standard input
    #[arg(long, value_name = "FILE", requires = "nodes")]
    pub(crate) tasks: Option<PathBuf>,

    /// Scheduler threads [default: one per core]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole::<u16>(1..=1024),
    )]
    pub(crate) threads: Option<u16>,

    /// How a node is chosen for a task
    #[arg(long, value_enum, default_value = "best-fit")]
    pub(crate) policy: PolicyName,

    /// Repeat with this many seeds, counted up from --seed, and print the mean
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = whole::<u32>(1..=1000),
    )]
    pub(crate) seeds: u32,

    #[command(flatten)]
    pub(crate) shared: SharedOptions,

    /// Sleep this long between choosing a node and claiming it, to provoke conflicts
    #[arg(
        long,
        value_name = "MICROSECONDS",
        default_value_t = 0,
        allow_negative_numbers = true,
        value_parser = whole::<u64>(0..=1_000_000),
    )]
    pub(crate) pause: u64,

    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunOptions {
    /// Returns the number of threads asked for, or one per core.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Returns the seeds of the runs, in order.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        self.shared.seeds(self.seeds)
    }

    /// Returns what is to be read, and for what.
    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources {
            nodes: self.nodes.as_deref(),
            tasks: self.tasks.iter().map(PathBuf::as_path).collect(),
            load: self.shared.load,
            scale: self.shared.scale,
            seed: self.shared.seed,
            policies: std::slice::from_ref(&self.policy),
            most_threads: self.threads(),
            are_names_kept: self.shared.placements.is_some(),
        }
    }

    pub(super) fn check(&self) -> Checked {
        let files = || self.nodes.iter().chain(&self.tasks).map(PathBuf::as_path);
        if files().filter(|file| is_standard_input(file)).count() > 1 {
            let what = "only one of --nodes and --tasks can be standard input";
            return Err((ErrorKind::ArgumentConflict, what.to_owned()));
        }
        check_output("--placements", self.shared.placements.as_deref(), files())
    }
}

/// Refuses to write to a file that is read.
pub(super) fn check_output<'a>(
    option: &str,
    output: Option<&Path>,
    mut inputs: impl Iterator<Item = &'a Path>,
) -> Checked {
    match output {
        Some(output) if inputs.any(|input| input == output) => {
            let what = format!("{option} can't be one of the files that are read");
            Err((ErrorKind::ArgumentConflict, what))
        }
        _ => Ok(()),
    }
}

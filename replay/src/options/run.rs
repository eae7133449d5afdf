//! The options of `replay run`.

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;

use super::shared::SharedOptions;
use super::values::whole;
use super::{Checked, is_standard_input, outputs};
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

    /// Let tasks come and go at their times, on a virtual clock
    ///
    /// Needs a task list with the columns creation_time and deletion_time, in seconds, at most 4294967295. A task that is
    /// created is tried at once; if it fits nowhere, it waits. Deletions come before creations of the same
    /// second. After them the waiting tasks are tried again in the order in which they came; one that
    /// doesn't fit does not keep those behind it waiting. A task runs from its placement on for as long
    /// as lies between its two times. Tasks without both times, or of which the second is not above the
    /// first, are left out and warned of. What became of the tasks in the cluster that was traced
    /// (pod_phase, scheduled_time) does not matter. With --scale each task comes so many times at its
    /// time. There is one scheduler thread, and the seed draws only the order of the nodes and random
    /// choices. Not with --load, as tasks and times are those of the list, and not with --placements,
    /// which knows no times.
    #[arg(long)]
    pub(crate) trace_time: bool,

    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunOptions {
    /// Returns the number of threads asked for, or one per core; one on a virtual clock.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => usize::from(threads),
            None if self.trace_time => 1,
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
            load: self.shared.load(),
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
        outputs::check(&[("--placements", self.shared.placements.as_deref())], files())?;
        if self.trace_time { self.check_trace_time() } else { Ok(()) }
    }

    /// Refuses what makes no sense on a virtual clock.
    fn check_trace_time(&self) -> Checked {
        if self.tasks.is_none() {
            let what = "--trace-time needs --nodes and --tasks: the built-in tasks have no times";
            return Err((ErrorKind::MissingRequiredArgument, what.to_owned()));
        }
        let why = if self.threads() > 1 {
            "--threads: the clock waits for each decision, so that one thread makes them all"
        } else if self.pause > 0 {
            "--pause: one thread has no conflicts"
        } else if self.shared.load.is_some() {
            "--load: the tasks are those of the list, each at its time"
        } else if self.shared.placements.is_some() {
            "--placements: its rows have no times"
        } else {
            return Ok(());
        };
        Err((ErrorKind::ArgumentConflict, format!("--trace-time can't be used with {why}")))
    }
}

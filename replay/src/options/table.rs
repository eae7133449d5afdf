//! The options of `replay table`.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::shared::SharedOptions;
use super::values::whole;
use super::{Checked, is_standard_input, outputs};
use crate::policy::PolicyName;
use crate::quote::quote;
use crate::workload::Sources;

/// Which combinations are run, and how the table is printed.
#[derive(Args, Debug, Clone)]
pub(crate) struct TableOptions {
    /// Node list in the openb format: sn,cpu_milli,memory_mib,gpu,model; - is standard input
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) nodes: Option<PathBuf>,

    /// Task lists in the openb format: name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec,...]; -
    /// is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "nodes")]
    pub(crate) tasks: Vec<PathBuf>,

    /// Policies, separated by commas [default: all]
    #[arg(
        long,
        value_name = "NAMES",
        value_enum,
        value_delimiter = ',',
        hide_default_value = true
    )]
    #[arg(default_values_t = PolicyName::value_variants().iter().copied())]
    pub(crate) policies: Vec<PolicyName>,

    /// Numbers of scheduler threads, separated by commas
    #[arg(
        long,
        value_name = "NUMBERS",
        default_value = "1",
        value_delimiter = ',',
        allow_negative_numbers = true,
        value_parser = whole::<u16>(1..=1024),
    )]
    pub(crate) threads: Vec<u16>,

    /// Repeat with this many seeds, counted up from --seed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        allow_negative_numbers = true,
        value_parser = whole::<u32>(1..=1000),
    )]
    pub(crate) seeds: u32,

    #[command(flatten)]
    pub(crate) shared: SharedOptions,

    /// How the table is printed
    #[arg(long, value_enum, default_value = "markdown")]
    pub(crate) format: Format,

    /// Write a page with pictures to this file, as HTML that needs nothing but a browser
    ///
    /// It shows how the cluster filled and fragmented with each policy, what threads change, and the
    /// table.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Show in the page what `cargo xtask bench --workload scheduler` has written to this file
    ///
    /// The file is target/bench/bench.json. Its schedulers are this library and peers that decide claims
    /// in other ways, end to end.
    #[arg(long, value_name = "FILE", requires = "report")]
    pub(crate) bench: Option<PathBuf>,

    /// Keep finished runs in this file, and take from it those that an earlier call has finished
    ///
    /// Each is a line of JSON. A run is taken if lists, policy, threads, seed, load and scale are the same;
    /// of the lists their content counts, not their names. What is kept counts only for the same build of
    /// the tool. How many runs were taken is said on standard error. Where tasks were placed is not kept,
    /// so that this does not go with --placements.
    #[arg(long, value_name = "FILE", conflicts_with = "placements")]
    pub(crate) keep: Option<PathBuf>,
}

/// How a table is printed.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables for people
    Markdown,
    /// A row for each list, policy and number of threads
    Csv,
    /// One document with everything, all runs included
    Json,
}

impl TableOptions {
    /// Returns the seeds of the runs, in order.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        self.shared.seeds(self.seeds)
    }

    /// Returns the numbers of threads, in order.
    pub(crate) fn threads(&self) -> impl Iterator<Item = usize> {
        self.threads.iter().map(|&threads| threads.into())
    }

    /// Returns what is to be read, and for what.
    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources {
            nodes: self.nodes.as_deref(),
            tasks: self.tasks.iter().map(PathBuf::as_path).collect(),
            load: self.shared.load(),
            scale: self.shared.scale,
            seed: self.shared.seed,
            policies: &self.policies,
            most_threads: self.threads().max().unwrap_or(1),
            are_names_kept: self.shared.placements.is_some(),
        }
    }

    /// Returns what these arguments after `replay table` say.
    #[cfg(test)]
    pub(crate) fn of(arguments: &[&str]) -> Self {
        super::tests::table(arguments)
    }

    pub(super) fn check(&self) -> Checked {
        let files = || self.nodes.iter().chain(&self.tasks).map(PathBuf::as_path);
        if files().filter(|file| is_standard_input(file)).count() > 1 {
            let what = "only one of --nodes and --tasks can be standard input, and only once";
            return Err((ErrorKind::ArgumentConflict, what.to_owned()));
        }
        check_once("--tasks", self.tasks.iter().map(|file| file.to_string_lossy()))?;
        check_once("--policies", &self.policies)?;
        check_once("--threads", &self.threads)?;
        let written = [
            ("--keep", self.keep.as_deref()),
            ("--placements", self.shared.placements.as_deref()),
            ("--report", self.report.as_deref()),
        ];
        outputs::check(&written, files().chain(self.bench.as_deref()))
    }
}

/// Refuses a value that is given twice.
fn check_once<T: ToString>(option: &str, values: impl IntoIterator<Item = T>) -> Checked {
    let mut given = HashSet::new();
    for value in values {
        let value = value.to_string();
        if given.contains(&value) {
            let what = format!("{option} gives {} twice", quote(&value));
            return Err((ErrorKind::ValueValidation, what));
        }
        given.insert(value);
    }
    Ok(())
}

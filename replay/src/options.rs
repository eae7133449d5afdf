//! The command line.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::error::{ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::policy::PolicyName;
use crate::quote::quote;
use crate::trace::STANDARD_INPUT;

/// Replays a task list on a cluster: threads choose nodes by policy and claim them.
///
/// Without --nodes and --tasks a built-in workload is replayed that has the shape of a public
/// trace of a GPU cluster (Alibaba cluster-trace-gpu-v2023). Ctrl-C ends the run and prints what is
/// finished.
#[derive(Parser, Debug, Clone)]
#[command(name = "replay", version)]
pub(crate) struct Options {
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

    /// Seed of the task order, of the appended tasks and of random choices
    #[arg(
        long,
        value_name = "N",
        default_value_t = 42,
        allow_negative_numbers = true,
        value_parser = whole::<u64>(0..=u64::MAX),
    )]
    pub(crate) seed: u64,

    /// Repeat with this many seeds, counted up from --seed, and print the mean
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = whole::<u32>(1..=1000),
    )]
    pub(crate) seeds: u32,

    /// Append or drop tasks until they ask for this share of the cluster
    ///
    /// Of each task its gpu_milli is counted once, as in the published experiment. Where no node has
    /// GPUs or hardly any are asked for, the scarcest of GPU, CPU and memory is counted. There are at
    /// most 1000 tasks for each node and each listed task; a load that takes more is refused.
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1.3,
        allow_negative_numbers = true,
        value_parser = load_factor,
    )]
    pub(crate) load: f64,

    /// Multiply the cluster, and with it the tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = whole::<u32>(1..=1000),
    )]
    pub(crate) scale: u32,

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

impl Options {
    /// Returns what the command line says; prints the help or what is wrong, and ends the program,
    /// if it says that or nothing that is allowed.
    pub(crate) fn from_command_line() -> Self {
        let options = Self::try_parse().and_then(Self::checked);
        options.unwrap_or_else(|error| quoted(error).exit())
    }

    fn checked(self) -> Result<Self, clap::Error> {
        let is_standard_input = |file: &Option<PathBuf>| {
            file.as_ref().is_some_and(|file| file.as_os_str() == STANDARD_INPUT)
        };
        if is_standard_input(&self.nodes) && is_standard_input(&self.tasks) {
            let what = "only one of --nodes and --tasks can be standard input";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, what));
        }
        Ok(self)
    }

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

/// Returns a message of the option parser with what came in quoted as everywhere.
fn quoted(mut error: clap::Error) -> clap::Error {
    let texts = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, quote(text))),
        _ => None,
    });
    for (kind, text) in texts.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

fn load_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|&factor| factor > 0.0 && factor <= 100.0);
    factor.ok_or_else(|| "must be a number above 0 and at most 100".to_owned())
}

/// Returns a parser of the whole numbers in a range.
fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| {
            format!("must be a whole number from {} to {}", range.start(), range.end())
        })
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
    fn whole_numbers_say_what_is_allowed() {
        for option in ["--threads", "--seed", "--seeds", "--scale", "--pause", "--load"] {
            for text in ["-1", "x", "", "99999999999999999999999", "1e3"] {
                if (option, text) == ("--load", "1e3") {
                    continue;
                }
                let error = Options::try_parse_from(["replay", option, text]);
                let error = error.expect_err("it is not allowed").to_string();
                assert!(error.contains("must be a "), "{option} {text}: {error}");
                assert!(error.contains(option), "{option} {text}: {error}");
            }
        }
        let options = Options::parse_from(["replay", "--seed", "18446744073709551615"]);
        assert_eq!(options.seed, u64::MAX);
    }

    #[test]
    fn messages_of_the_option_parser_are_quoted() {
        let long = format!("\u{1b}[31m{}", "x".repeat(5000));
        for arguments in [
            &["--policy", &long][..],
            &["--load", &long],
            &["--threads", &long],
            &[&format!("--{long}")],
            &[&format!("--json={long}")],
            &[&format!("-{long}")],
            &[&long],
        ] {
            let arguments = ["replay"].iter().chain(arguments);
            let error = Options::try_parse_from(arguments).expect_err("it is not allowed");
            let text = quoted(error).render().to_string();
            assert!(!text.contains('\u{1b}') && text.len() < 500, "{text:?}");
        }
    }

    #[test]
    fn standard_input_is_one_file() {
        let parse =
            |arguments: [&str; 5]| Options::try_parse_from(arguments).and_then(Options::checked);
        assert!(parse(["replay", "--nodes", "-", "--tasks", "t.csv"]).is_ok());
        assert!(parse(["replay", "--nodes", "n.csv", "--tasks", "-"]).is_ok());
        assert!(parse(["replay", "--nodes", "-", "--tasks", "-"]).is_err());
    }

    #[test]
    fn nodes_and_tasks_come_together() {
        assert!(Options::try_parse_from(["replay", "--nodes", "n.csv"]).is_err());
        assert!(Options::try_parse_from(["replay", "--tasks", "t.csv"]).is_err());
    }
}

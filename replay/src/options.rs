//! The command line.

mod outputs;
mod run;
mod shared;
mod table;
mod values;

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::quote::quote;
use crate::trace::STANDARD_INPUT;

pub(crate) use run::RunOptions;
pub(crate) use table::{Format, TableOptions};

/// Replays task lists on a GPU cluster: threads choose nodes by policy and claim them
#[derive(Parser, Debug)]
#[command(name = "replay", version, propagate_version = true, disable_help_subcommand = true)]
#[command(override_usage = "replay [run] [OPTIONS]\n       replay table [OPTIONS]")]
#[command(after_help = "The options are listed by: replay run --help, replay table --help")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What the tool is asked to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Replay one task list and print how fast and how well it was packed (the default)
    ///
    /// Without --nodes and --tasks a built-in workload is replayed that has the shape of a public
    /// trace of a GPU cluster (Alibaba cluster-trace-gpu-v2023). Ctrl-C ends the run and prints what
    /// is finished.
    Run(RunOptions),
    /// Compare policies, task lists and thread counts over several seeds
    ///
    /// Each combination is run with each seed, and each run is audited. The values of the published
    /// experiment (Weng et al., Beware of Fragmentation, USENIX ATC 2023) stand beside the measured ones
    /// where load, scale and the content of node list and task list are its own; what the files are called
    /// does not matter. Without --nodes and --tasks the built-in workload is the one list. Ctrl-C prints
    /// what is finished; with --keep the same command goes on from there.
    Table(TableOptions),
}

impl Command {
    /// Returns what the command line says; prints the help or what is wrong, and ends the program,
    /// if it says that or nothing that is allowed.
    pub(crate) fn from_command_line() -> Self {
        let command = Self::parsed(std::env::args_os());
        command.unwrap_or_else(|error| quoted(error).exit())
    }

    /// Returns what the arguments say, of which the first one is the program's name.
    fn parsed(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let CommandLine { command } = CommandLine::try_parse_from(with_command(arguments))?;
        let checked = match &command {
            Self::Run(options) => options.check(),
            Self::Table(options) => options.check(),
        };
        checked.map_err(|(kind, what)| CommandLine::command().error(kind, what))?;
        Ok(command)
    }
}

/// What is wrong with options that are well formed one by one.
type Checked = Result<(), (ErrorKind, String)>;

/// Returns the arguments with the default command where they name none.
fn with_command(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    const ABOUT_ALL: [&str; 4] = ["-h", "--help", "-V", "--version"];

    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| "replay".into());
    let mut rest = arguments.peekable();
    let is_named = rest.peek().is_some_and(|first| {
        ABOUT_ALL.iter().any(|about| first == about) || !first.as_encoded_bytes().starts_with(b"-")
    });
    let default = (!is_named).then(|| "run".into());
    std::iter::once(program).chain(default).chain(rest).collect()
}

/// Whether a file's name stands for standard input.
fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == STANDARD_INPUT
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

#[cfg(test)]
mod tests;

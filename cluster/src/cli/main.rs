//! The command-line tool `provider-tree-cluster`: runs a replica as a service or for a list of commands, and
//! shows, dumps and compares replicas.
//!
//! Exit codes: 0 when everything was done; 1 when something failed, a line was not answered with `ok` or
//! `refused`, or two replicas differ; 2 for wrong usage and files that can't be read; 130 when a signal ended
//! `submit`.
#![forbid(unsafe_code)]

mod answer;
mod client;
mod difference;
mod dump;
mod failure;
#[cfg(test)]
mod gated_log;
mod lines;
mod logging;
mod logs;
mod options;
mod page;
mod pipeline;
mod quote;
mod refusal;
mod request;
mod running;
mod serve;
mod signals;
mod status;
mod submit;
mod verify;

use std::process::ExitCode;

use failure::Failure;
use options::{Command, CommandLine};

fn main() -> ExitCode {
    let CommandLine { command, log } = CommandLine::from_command_line();
    let done = logging::begin(log.as_deref()).and_then(|()| run(command));
    done.unwrap_or_else(|failure| failure.report())
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(options) => running::block_on(serve::run(options)),
        Command::Submit(options) => running::block_on(submit::run(options)),
        Command::Status(options) => status::run(options),
        Command::Dump(options) => running::block_on(dump::run(options)),
        Command::Verify(options) => verify::run(&options),
    }
}

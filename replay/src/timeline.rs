//! `replay run --trace-time`: tasks come and go at their times, on a virtual clock.
//!
//! The clock goes from one instant to the next at which something happens. At an instant
//!
//! 1. the tasks end whose time has come: each is released;
//! 2. if any did, the waiting tasks are tried again in the order in which they came. One that does not
//!    fit does not keep those behind it waiting;
//! 3. the tasks of this instant come, in the order of the list. Each is tried at once, and waits if it
//!    fits nowhere.
//!
//! A task runs from its placement on for as long as lies between its two times in the list. Each
//! placement is a claim and each end a release, made by one [scheduler](placer::Placer), and what is in
//! use at the last arrival and at the end is audited. At the end nothing may be in use.
//!
//! Tasks that ask for the same wait [together](waiting::Waiting): where the first of them does not fit,
//! none does. So an instant with an end costs one search for each kind of task that waits, and such a
//! search looks at little more than what has changed, as the library remembers which nodes are closed
//! to it.

mod check;
mod history;
mod placer;
mod report;
mod simulation;
mod trial;
mod waiting;
mod waits;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::experiment::{exit_code, peak_memory_kib};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::memory::read_limits;
use crate::options::RunOptions;
use crate::workload::read_timed;

use report::{Mean, Report};
use trial::Trial;

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &RunOptions) -> ExitCode {
    let printed = experiment(options).and_then(|report| {
        print(options, &report).map_err(Failure::Unprintable)?;
        Ok(exit_code(report.holds(), report.interrupted))
    });
    printed.unwrap_or_else(|failure| failure.report())
}

/// Runs each seed, until an interrupt.
fn experiment(options: &RunOptions) -> Result<Report, Failure> {
    let start = Instant::now();
    // Without a list the options are refused.
    let file = options.tasks.as_deref().unwrap_or(Path::new(""));
    let (machines, tasks) = read_timed(file, options.policy, &options.sources(), &read_limits())?;
    let read = start.elapsed();
    for warning in &tasks.warnings {
        eprintln!("warning: {warning}");
    }
    // Only now: while a file is read, Ctrl-C ends the program.
    let interrupt = Interrupt::by_ctrl_c_or_never();
    let mut runs = Vec::new();
    for seed in options.seeds() {
        if interrupt.is_requested() {
            break;
        }
        let is_interrupted = || interrupt.is_requested();
        let (machines, arrivals, policy) = (&machines, &tasks.arrivals, options.policy);
        runs.extend(Trial { machines, arrivals, policy, seed }.run(&is_interrupted)?);
    }
    let unfinished = runs.pop_if(|run| !run.is_finished);
    Ok(Report {
        trace_time: true,
        policy: options.policy,
        threads: options.threads(),
        scale: options.shared.scale,
        nodes: machines.nodes.len(),
        gpus: machines.gpus(),
        seeds: options.seeds,
        interrupted: runs.len() < options.seeds as usize,
        listed: tasks.listed,
        mean: Mean::of(&runs),
        runs,
        unfinished,
        warnings: tasks.warnings,
        read_seconds: read.as_secs_f64(),
        total_seconds: start.elapsed().as_secs_f64(),
        estimated_bytes: tasks.need,
        peak_memory_kib: peak_memory_kib(),
    })
}

fn print(options: &RunOptions, report: &Report) -> io::Result<()> {
    let text = if options.json { report.to_json()? + "\n" } else { report.to_text() };
    io::stdout().write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;

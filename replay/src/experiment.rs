//! `replay run`: a run for each seed, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::failure::{Failure, VIOLATED};
use crate::interrupt::Interrupt;
use crate::memory::read_limits;
use crate::options::RunOptions;
use crate::placements::Placements;
use crate::report::{Mean, Report, Run};
use crate::scheduler::Settings;
use crate::trial::Trial;
use crate::workload::{Machines, Tasks, Workload};

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &RunOptions) -> ExitCode {
    match experiment(options) {
        Ok(report) => finish(options, &report),
        Err(failure) => failure.report(),
    }
}

/// Runs what the options ask for, until an interrupt.
fn experiment(options: &RunOptions) -> Result<Report, Failure> {
    let start = Instant::now();
    let Workload { machines, mut lists } = Workload::read(&options.sources(), &read_limits())?;
    let tasks = lists.swap_remove(0);
    let read = start.elapsed();
    for warning in &tasks.warnings {
        eprintln!("warning: {warning}");
    }
    let placements = Placements::create(options.shared.placements.as_deref())?;
    // Only now: while a file is read, Ctrl-C ends the program.
    let interrupt = Interrupt::by_ctrl_c_or_never();
    let mut runs = all_runs(options, &machines, &tasks, placements, &interrupt)?;
    let unfinished = runs.pop_if(|run| run.unscheduled > 0);
    Ok(Report {
        policy: options.policy,
        threads: options.threads(),
        load: options.shared.load(),
        scale: options.shared.scale,
        pause_microseconds: options.pause,
        nodes: machines.nodes.len(),
        gpus: machines.gpus(),
        seeds: options.seeds,
        interrupted: runs.len() < options.seeds as usize,
        mean: Mean::of(&runs),
        runs,
        unfinished,
        warnings: tasks.warnings,
        load_rule: tasks.rule,
        estimated_bytes: tasks.need,
        peak_memory_kib: peak_memory_kib(),
        read_seconds: read.as_secs_f64(),
        total_seconds: start.elapsed().as_secs_f64(),
    })
}

/// Returns the runs that were finished before an interrupt, and the one that it ended.
fn all_runs(
    options: &RunOptions,
    machines: &Machines,
    tasks: &Tasks,
    mut placements: Option<Placements>,
    interrupt: &Interrupt,
) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    for seed in options.seeds() {
        if interrupt.is_requested() {
            break;
        }
        let settings = Settings {
            listed: tasks.rule.listed_tasks,
            policy: options.policy,
            threads: options.threads(),
            seed,
            pause: Duration::from_micros(options.pause),
        };
        if let Some(mut replayed) = (Trial { machines, tasks, settings }).replay(interrupt)? {
            replayed.write(placements.as_mut())?;
            runs.push(replayed.into_run());
        }
    }
    Ok(runs)
}

fn finish(options: &RunOptions, report: &Report) -> ExitCode {
    if let Err(error) = print(options, report) {
        return Failure::Unprintable(error).report();
    }
    exit_code(report.holds(), report.interrupted)
}

/// Returns how runs end of which each audit holds, or not, and that were interrupted, or not.
pub(crate) fn exit_code(holds: bool, is_interrupted: bool) -> ExitCode {
    match (holds, is_interrupted) {
        (false, _) => ExitCode::from(VIOLATED),
        (true, true) => ExitCode::from(Interrupt::EXIT_CODE),
        (true, false) => ExitCode::SUCCESS,
    }
}

fn print(options: &RunOptions, report: &Report) -> io::Result<()> {
    let text = if options.json { report.to_json()? + "\n" } else { report.to_text() };
    io::stdout().write_all(text.as_bytes())
}

/// The most memory the process has had, as the Linux kernel counts it.
pub(crate) fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

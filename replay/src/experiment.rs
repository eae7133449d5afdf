//! The runs that the options ask for, one per seed, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use provider_tree::Error;

use crate::audit;
use crate::cluster::Cluster;
use crate::interrupt::Interrupt;
use crate::options::Options;
use crate::report::{Mean, Report, Run, Times};
use crate::scheduler::{self, Settings};
use crate::workload::Workload;

/// The audit, or the run itself, failed.
const VIOLATED: u8 = 1;

/// A file is bad. Bad options end with the same code, in the option parser.
const BAD_INPUT: u8 = 2;

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &Options) -> ExitCode {
    let workload = match Workload::new(options) {
        Ok(workload) => workload,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    for warning in &workload.warnings {
        eprintln!("warning: {warning}");
    }
    // Only now: while a file is read, Ctrl-C ends the program.
    let interrupt = Interrupt::by_ctrl_c().unwrap_or_else(|error| {
        eprintln!("warning: Ctrl-C ends the run without a report: {error}");
        Interrupt::default()
    });
    match all_runs(options, &workload, &interrupt) {
        Ok(runs) => finish(options, &workload, runs),
        Err(error) => {
            eprintln!("the run was broken off: {error}");
            ExitCode::from(VIOLATED)
        }
    }
}

/// Returns the runs that were finished before an interrupt, and the one that it ended.
fn all_runs(
    options: &Options,
    workload: &Workload,
    interrupt: &Interrupt,
) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    for seed in options.seeds() {
        if interrupt.is_requested() {
            break;
        }
        runs.extend(one_run(options, workload, seed, interrupt)?);
    }
    Ok(runs)
}

/// Returns the run with this seed; `None` if an interrupt came before its first task.
fn one_run(
    options: &Options,
    workload: &Workload,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Option<Run>, Error> {
    let tasks = workload.tasks(seed, options.load);
    let settings = Settings {
        policy: options.policy,
        threads: options.threads(),
        seed,
        pause: Duration::from_micros(options.pause),
    };
    let start = Instant::now();
    let cluster = Cluster::new(&workload.nodes, &workload.models)?;
    let build = start.elapsed();
    let schedule = scheduler::run(&cluster, &tasks, &settings, interrupt)?;
    let (decided, left) = tasks.split_at(schedule.outcomes.len());
    if decided.is_empty() && !left.is_empty() {
        return Ok(None);
    }
    let start = Instant::now();
    let audit = audit::audit(&cluster, decided, &schedule, seed)?;
    let times = Times { build, schedule: schedule.elapsed, audit: start.elapsed() };
    let run = Run::new(seed, schedule.counters, times, audit);
    Ok(Some(Run { unscheduled: left.len(), ..run }))
}

fn finish(options: &Options, workload: &Workload, mut runs: Vec<Run>) -> ExitCode {
    let unfinished = runs.pop_if(|run| run.unscheduled > 0);
    let report = Report {
        policy: options.policy,
        threads: options.threads(),
        load: options.load,
        scale: options.scale,
        pause_microseconds: options.pause,
        nodes: workload.nodes.len(),
        gpus: workload.gpus(),
        seeds: options.seeds,
        interrupted: runs.len() < options.seeds as usize,
        mean: Mean::of(&runs),
        runs,
        unfinished,
        warnings: workload.warnings.clone(),
        peak_memory_kib: peak_memory_kib(),
    };
    if let Err(error) = print(options, &report) {
        eprintln!("the report can't be printed: {error}");
        return ExitCode::from(VIOLATED);
    }
    match (report.holds(), report.interrupted) {
        (false, _) => ExitCode::from(VIOLATED),
        (true, true) => ExitCode::from(Interrupt::EXIT_CODE),
        (true, false) => ExitCode::SUCCESS,
    }
}

fn print(options: &Options, report: &Report) -> io::Result<()> {
    let text = if options.json { report.to_json()? + "\n" } else { report.to_text() };
    io::stdout().write_all(text.as_bytes())
}

/// The most memory the process has had, as the Linux kernel counts it.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

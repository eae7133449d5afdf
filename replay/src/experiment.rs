//! The runs that the options ask for, one per seed, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use provider_tree::Error;

use crate::audit;
use crate::cluster::{Cluster, TaskClasses};
use crate::interrupt::Interrupt;
use crate::memory::read_limits;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::report::{Mean, Report, Run, Times};
use crate::scheduler::{self, Settings, Trouble};
use crate::workload::Workload;

/// The audit, or the run itself, failed.
const VIOLATED: u8 = 1;

/// A file is bad, or what is asked for is refused. Bad options end with the same code, in the option
/// parser.
const BAD_INPUT: u8 = 2;

/// Why there is no report.
enum Failure {
    Refused(Refusal),
    BrokenOff(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::BrokenOff(error)
    }
}

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &Options) -> ExitCode {
    match experiment(options) {
        Ok(report) => finish(options, &report),
        Err(Failure::Refused(refusal)) => {
            eprintln!("{refusal}");
            ExitCode::from(BAD_INPUT)
        }
        Err(Failure::BrokenOff(error)) => {
            eprintln!("the run was broken off: {error}");
            ExitCode::from(VIOLATED)
        }
    }
}

/// Runs what the options ask for, until an interrupt.
fn experiment(options: &Options) -> Result<Report, Failure> {
    let start = Instant::now();
    let workload = Workload::new(options, &read_limits())?;
    let read = start.elapsed();
    for warning in &workload.warnings {
        eprintln!("warning: {warning}");
    }
    // Only now: while a file is read, Ctrl-C ends the program.
    let interrupt = Interrupt::by_ctrl_c().unwrap_or_else(|error| {
        eprintln!("warning: Ctrl-C ends the run without a report: {error}");
        Interrupt::default()
    });
    let mut runs = all_runs(options, &workload, &interrupt)?;
    let unfinished = runs.pop_if(|run| run.unscheduled > 0);
    Ok(Report {
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
        warnings: workload.warnings,
        load_rule: workload.rule,
        estimated_bytes: workload.need,
        peak_memory_kib: peak_memory_kib(),
        read_seconds: read.as_secs_f64(),
        total_seconds: start.elapsed().as_secs_f64(),
    })
}

/// Returns the runs that were finished before an interrupt, and the one that it ended.
fn all_runs(
    options: &Options,
    workload: &Workload,
    interrupt: &Interrupt,
) -> Result<Vec<Run>, Failure> {
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
) -> Result<Option<Run>, Failure> {
    let (tasks, prepare) = timed(|| workload.tasks(seed))?;
    let settings = Settings {
        policy: options.policy,
        threads: options.threads(),
        seed,
        listed: workload.rule.listed_tasks,
        pause: Duration::from_micros(options.pause),
    };
    let task_classes = match options.policy.counts_tasks() {
        true => TaskClasses::of(&tasks)?,
        false => TaskClasses::default(),
    };
    let (cluster, build) = timed(|| Cluster::new(&workload.nodes, &workload.models, task_classes))?;
    let schedule = scheduler::run(&cluster, &tasks, &settings, interrupt);
    let schedule = schedule.map_err(|trouble| match trouble {
        Trouble::Library(error) => Failure::BrokenOff(error),
        Trouble::Threads { started, error } => {
            Refusal::Threads { wanted: settings.threads, started, error }.into()
        }
    })?;
    let (decided, left) = tasks.split_at(schedule.outcomes.len());
    if decided.is_empty() && !left.is_empty() {
        return Ok(None);
    }
    let (audit, audited) = timed(|| audit::audit(&cluster, decided, &schedule, seed))?;
    if schedule.counters.placed == 0 && left.is_empty() {
        return Err(Refusal::NothingFits { tasks: tasks.len() }.into());
    }
    let start = Instant::now();
    drop(cluster);
    let times = Times {
        prepare,
        build,
        set_up: schedule.set_up,
        schedule: schedule.elapsed,
        audit: audited,
        clear: start.elapsed(),
    };
    let tasks = (workload.rule.listed_tasks, left.len());
    Ok(Some(Run::new(seed, tasks, schedule.counters, times, audit)))
}

fn timed<T, E>(step: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let start = Instant::now();
    let done = step()?;
    Ok((done, start.elapsed()))
}

fn finish(options: &Options, report: &Report) -> ExitCode {
    if let Err(error) = print(options, report) {
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

//! The runs that the options ask for, one per seed, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use provider_tree::Error;

use crate::audit;
use crate::cluster::Cluster;
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
    let runs = options.seeds().map(|seed| one_run(options, &workload, seed));
    match runs.collect::<Result<Vec<Run>, Error>>() {
        Ok(runs) => finish(options, &workload, runs),
        Err(error) => {
            eprintln!("the run was broken off: {error}");
            ExitCode::from(VIOLATED)
        }
    }
}

fn one_run(options: &Options, workload: &Workload, seed: u64) -> Result<Run, Error> {
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
    let schedule = scheduler::run(&cluster, &tasks, &settings)?;
    let start = Instant::now();
    let audit = audit::audit(&cluster, &tasks, &schedule, seed)?;
    let times = Times { build, schedule: schedule.elapsed, audit: start.elapsed() };
    Ok(Run::new(seed, schedule.counters, times, audit))
}

fn finish(options: &Options, workload: &Workload, runs: Vec<Run>) -> ExitCode {
    let report = Report {
        policy: options.policy,
        threads: options.threads(),
        load: options.load,
        scale: options.scale,
        pause_microseconds: options.pause,
        nodes: workload.nodes.len(),
        gpus: workload.gpus(),
        mean: Mean::of(&runs),
        runs,
        warnings: workload.warnings.clone(),
        peak_memory_kib: peak_memory_kib(),
    };
    if let Err(error) = print(options, &report) {
        eprintln!("the report can't be printed: {error}");
        return ExitCode::from(VIOLATED);
    }
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) }
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

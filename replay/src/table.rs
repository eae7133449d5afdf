//! `replay table`: each task list with each policy and number of threads, over several seeds.

mod grid;
mod keep;
mod markdown;
mod pictures;
mod published;
mod rows;
mod runs;
mod summary;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use crate::failure::{Failure, VIOLATED};
use crate::interrupt::Interrupt;
use crate::memory::read_limits;
use crate::options::{Format, TableOptions};
use crate::output::Output;
use crate::quote::visible;
use crate::workload::Workload;

use runs::Runs;
use summary::Table;

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &TableOptions) -> ExitCode {
    match table(options) {
        Ok(table) => finish(options, &table),
        Err(failure) => failure.report(),
    }
}

/// Makes the table, until an interrupt.
fn table(options: &TableOptions) -> Result<Table, Failure> {
    let start = Instant::now();
    let workload = Workload::read(&options.sources(), &read_limits())?;
    for warning in workload.lists.iter().flat_map(|list| &list.warnings) {
        eprintln!("warning: {warning}");
    }
    let report = options.report.as_deref().map(Output::create).transpose()?;
    let mut runs = Runs::new(options, &workload)?;
    let mut table = Table::new(options, &workload);
    for tasks in &workload.lists {
        for &policy in &options.policies {
            for threads in options.threads() {
                let runs = runs.of_cell(tasks, policy, threads)?;
                table.add(&tasks.source.file, policy, threads, runs);
            }
        }
    }
    table.finish(start.elapsed());
    if let Some(report) = report {
        report.write(|| pictures::page(&table).to_html())?;
    }
    Ok(table)
}

fn finish(options: &TableOptions, table: &Table) -> ExitCode {
    if let Err(error) = print(options.format, table) {
        return Failure::Unprintable(error).report();
    }
    let violations = table.violations();
    for violation in &violations {
        eprintln!("{}", visible(violation));
    }
    if table.interrupted {
        eprintln!("{}", interruption(options, table));
    }
    match (violations.is_empty(), table.interrupted) {
        (false, _) => ExitCode::from(VIOLATED),
        (true, true) => ExitCode::from(Interrupt::EXIT_CODE),
        (true, false) => ExitCode::SUCCESS,
    }
}

fn print(format: Format, table: &Table) -> io::Result<()> {
    let text = match format {
        Format::Markdown => markdown::text(table),
        Format::Csv => rows::text(table),
        Format::Json => serde_json::to_string_pretty(table)? + "\n",
    };
    io::stdout().write_all(text.as_bytes())
}

/// Says how much is finished, and how to go on.
fn interruption(options: &TableOptions, table: &Table) -> String {
    let further = match options.keep {
        Some(_) => "the same command goes on from there",
        None => "with --keep FILE the same command would go on from there",
    };
    format!("{}; {further}", table.progress())
}

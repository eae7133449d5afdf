//! `replay table`: each task list with each policy and number of threads, over several seeds.

mod grid;
mod keep;
mod markdown;
mod pictures;
mod published;
mod rows;
mod runs;
mod summary;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use page::Section;

use crate::failure::{Failure, VIOLATED};
use crate::interrupt::Interrupt;
use crate::memory::read_limits;
use crate::options::{Format, TableOptions};
use crate::output::Output;
use crate::policy::PolicyName;
use crate::quote::visible;
use crate::refusal::Refusal;
use crate::workload::{Source, Workload};

use runs::Runs;
use summary::Table;

/// Does what the options ask for and says how it ended.
pub(crate) fn run(options: &TableOptions) -> ExitCode {
    match table(options) {
        Ok((table, further)) => finish(options, &table, further),
        Err(failure) => failure.report(),
    }
}

/// Makes the table, until an interrupt, and says how one could go on then.
fn table(options: &TableOptions) -> Result<(Table, Option<&'static str>), Failure> {
    let start = Instant::now();
    let workload = Workload::read(&options.sources(), &read_limits())?;
    for warning in workload.lists.iter().flat_map(|list| &list.warnings) {
        eprintln!("warning: {warning}");
    }
    let bench = options.bench.as_deref().map(read_bench).transpose()?;
    let report = options.report.as_deref().map(Output::open).transpose()?;
    let mut runs = Runs::new(options, &workload)?;
    let mut table = Table::new(options, &workload);
    let cells = workload.lists.len() * options.policies.len() * options.threads.len();
    for tasks in &workload.lists {
        for &policy in &options.policies {
            for threads in options.threads() {
                let announcement = announcement(&table, cells, &tasks.source, policy, threads);
                let runs = runs.of_cell(&announcement, tasks, policy, threads)?;
                table.add(&tasks.source, policy, threads, runs);
            }
        }
    }
    table.finish(start.elapsed());
    if let Some((file, taken)) = options.keep.as_deref().zip(runs.taken()) {
        let (all, file) = (cells * options.seeds as usize, visible(&file.to_string_lossy()));
        eprintln!("{taken} of {all} runs were taken from {file}");
    }
    let is_begun = table.cells.iter().any(|cell| !cell.runs.is_empty());
    if let Some(report) = report.filter(|_| is_begun) {
        report.write(|| pictures::page(&table, bench.unwrap_or_default()).to_html())?;
    }
    Ok((table, runs.how_to_go_on()))
}

/// Says which cell of how many comes next.
fn announcement(
    table: &Table,
    cells: usize,
    tasks: &Source,
    policy: PolicyName,
    threads: usize,
) -> String {
    let (number, list) = (table.cells.len() + 1, table.label(&tasks.file));
    format!("cell {number} of {cells}: {list}, {policy}, threads: {threads}")
}

/// Returns what was measured of whole schedulers.
fn read_bench(file: &Path) -> Result<Vec<Section>, Refusal> {
    let refusal = |why: String| Refusal::Bench { file: file.to_owned(), why };
    let text =
        fs::read_to_string(file).map_err(|error| refusal(format!("it can't be read: {error}")))?;
    let sections = page::bench::sections(&text, |name| name.starts_with("scheduler"));
    let sections = sections.map_err(|error| refusal(format!("it is no such file: {error}")))?;
    match sections.is_empty() {
        true => Err(refusal("no scheduler was measured".to_owned())),
        false => Ok(sections),
    }
}

fn finish(options: &TableOptions, table: &Table, further: Option<&str>) -> ExitCode {
    if let Err(error) = print(options.format, table) {
        return Failure::Unprintable(error).report();
    }
    let violations = table.violations();
    for violation in &violations {
        eprintln!("{}", visible(violation));
    }
    if table.interrupted {
        let further = further.map(|further| format!("; {further}")).unwrap_or_default();
        eprintln!("{}{further}", table.progress());
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

#[cfg(test)]
mod tests {
    use super::summary::tests::{runs, source, table};
    use super::*;

    #[test]
    fn an_announcement_says_which_cell_of_how_many() {
        let mut table = table(&["a/one.csv", "b/two.csv"]);
        table.add(&source("a/one.csv"), PolicyName::Random, 2, runs(&[90.0, 91.0]));
        let said = announcement(&table, 24, &source("b/two.csv"), PolicyName::Fgd, 4);
        assert_eq!(said, "cell 2 of 24: two.csv, fgd, threads: 4");
    }
}

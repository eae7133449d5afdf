//! The table for people, in Markdown.

use std::path::Path;

use super::grid::Grid;
use super::summary::{Cell, Means, Table};
use crate::options::PolicyName;
use crate::quote::visible;
use crate::trace::shown;

/// Returns the heading and the tables.
pub(super) fn text(table: &Table) -> String {
    let mut text = heading(table) + "\n" + &allocation(table);
    if table.cells.iter().any(|cell| cell.threads != table.fewest_threads()) {
        text += "\n## Threads\n\n";
        text += "Means over the seeds; a conflict is a claim that was refused because another thread \
                 was faster.\n\n";
        text += &threads(table);
    }
    text
}

fn heading(table: &Table) -> String {
    let Table { version, nodes, gpus, load, scale, first_seed, seeds, .. } = table;
    let list = file_name(&table.node_list.file);
    let plural = if *seeds == 1 { "" } else { "s" };
    let mut text = format!(
        "# replay {version}: {list}\n\n{nodes} nodes, {gpus} GPUs; load {load}, scale {scale}, \
         {seeds} seed{plural} from {first_seed}.\n"
    );
    if table.interrupted {
        text += &format!("{}.\n", table.progress());
    }
    text
}

/// Returns the task lists' GPU allocation by policy, with the fewest threads.
fn allocation(table: &Table) -> String {
    let threads = table.fewest_threads();
    let mut text = format!(
        "## GPU allocation\n\nPercent, mean \u{b1} standard deviation over the seeds, with {}.\n",
        counted(threads)
    );
    if table.cells.iter().any(|cell| cell.published_gpu_percent.is_some()) {
        text += &format!("Published: {}.\n", table.published_in);
    }
    let policies = policies(table);
    let header = ["task list".to_owned(), String::new()];
    let mut grid = Grid::new(header.into_iter().chain(policies.iter().map(|it| it.to_string())), 2);
    for list in &table.task_lists {
        let name = &list.source.file;
        let cells = policies.iter().map(|&policy| table.cell(name, policy, threads));
        let cells: Vec<_> = cells.collect();
        for row in allocation_rows(&label(table, name), &cells, table.seeds) {
            grid.push(row);
        }
    }
    text + "\n" + &grid.into_text()
}

/// Returns a task list's rows: what was measured, and below it what was published, if it was.
fn allocation_rows(label: &str, cells: &[Option<&Cell>], seeds: u32) -> Vec<Vec<String>> {
    let row = |label: &str, kind: &str, value: &dyn Fn(&Cell) -> Option<String>| {
        let values = cells.iter().map(|cell| cell.and_then(value).unwrap_or_default());
        [label.to_owned(), kind.to_owned()].into_iter().chain(values).collect()
    };
    let mut rows = vec![row(label, "measured", &|cell| measured(cell, seeds))];
    let is_published = |cell: &&Cell| cell.published_gpu_percent.is_some();
    if cells.iter().flatten().any(is_published) {
        rows.push(row("", "published", &|cell| {
            cell.published_gpu_percent.map(|value| format!("{value:.2}"))
        }));
        rows.push(row("", "difference", &|cell| cell.difference.map(signed)));
    }
    rows
}

/// Returns a cell's mean and deviation, and the number of its runs if an interrupt kept it from having
/// all.
fn measured(cell: &Cell, seeds: u32) -> Option<String> {
    let mean = cell.mean?;
    let mut text = format!("{:.2}", mean.gpu_percent);
    if let Some(deviation) = mean.gpu_percent_deviation {
        text += &format!(" \u{b1} {deviation:.2}");
    }
    if cell.runs.len() < seeds as usize {
        text += &format!(" ({} of {seeds})", cell.runs.len());
    }
    Some(text)
}

/// Returns a row for each cell, the numbers of threads below each other.
fn threads(table: &Table) -> String {
    let fewest = format!("to {}", counted(table.fewest_threads()));
    let header = ["task list", "policy", "threads", "GPU %", &fewest, "failed", "decisions/s"];
    let header = header.into_iter().chain(["conflicts per task", "retries"]);
    let mut grid = Grid::new(header.map(str::to_owned), 2);
    for cell in &table.cells {
        let mean = |value: &dyn Fn(&Means) -> String| cell.mean.as_ref().map(value);
        let cells = [
            Some(label(table, &cell.tasks)),
            Some(cell.policy.to_string()),
            Some(cell.threads.to_string()),
            mean(&|mean| format!("{:.2}", mean.gpu_percent)),
            cell.difference_to_fewest_threads.map(signed),
            mean(&|mean| format!("{:.1}", mean.failed)),
            mean(&|mean| format!("{:.0}", mean.decisions_per_second)),
            mean(&|mean| format!("{:.4}", mean.refused_claims_per_task)),
            mean(&|mean| format!("{:.1}", mean.internal_retries)),
        ];
        grid.push(cells.map(Option::unwrap_or_default));
    }
    grid.into_text()
}

fn counted(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

fn signed(difference: f64) -> String {
    format!("{difference:+.2}")
}

/// Returns the policies in the order in which they were asked for.
fn policies(table: &Table) -> Vec<PolicyName> {
    let mut policies = Vec::new();
    for cell in &table.cells {
        if !policies.contains(&cell.policy) {
            policies.push(cell.policy);
        }
    }
    policies
}

/// Returns what a task list is called here: its file's name, with the directory if several have it.
fn label(table: &Table, name: &str) -> String {
    let label = file_name(name);
    let same = table.task_lists.iter().filter(|list| file_name(&list.source.file) == label);
    if same.count() > 1 { visible(name) } else { label }
}

fn file_name(file: &str) -> String {
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file);
    shown(name.as_ref())
}

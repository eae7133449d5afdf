//! The table for people, in Markdown.

use super::grid::Grid;
use super::summary::{Cell, Means, Table, file_name};

/// Returns the heading and the tables.
pub(super) fn text(table: &Table) -> String {
    let mut text = heading(table) + "\n" + &allocation(table);
    if table.cells.iter().any(|cell| cell.threads != table.fewest_threads()) {
        text += "\n## Threads\n\n";
        if table.seeds > 1 {
            text += "Means over the seeds.\n\n";
        }
        text += &threads(table);
        text += &format!("\n{WORDS}\n");
    }
    text
}

/// What the columns of the second table count.
const WORDS: &str = "failed: tasks of a run that fitted nowhere; refused: claims that came too late, as another \
                     thread had taken the room, so that the task looked for another place; retries: how often \
                     in a run the library prepared a change again by itself, as another thread's came first.";

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

/// What stands in a cell with several runs.
pub(super) const MEANS: &str = ", mean \u{b1} sample standard deviation over the seeds";

/// Returns the task lists' GPU allocation by policy, with the fewest threads.
fn allocation(table: &Table) -> String {
    let threads = table.fewest_threads();
    let means = if table.seeds > 1 { MEANS } else { "" };
    let mut text = format!("## GPU allocation\n\nPercent{means}, with {}.\n", counted(threads));
    if table.cells.iter().any(|cell| cell.published_gpu_percent.is_some()) {
        text += &format!("Published: {}.\n", table.published_in);
    }
    let policies = table.policies();
    let header = ["task list".to_owned(), String::new()];
    let mut grid = Grid::new(header.into_iter().chain(policies.iter().map(|it| it.to_string())), 2);
    for list in &table.task_lists {
        let name = &list.source.file;
        let cells = policies.iter().map(|&policy| table.cell(name, policy, threads));
        let cells: Vec<_> = cells.collect();
        for row in allocation_rows(&table.label(name), &cells, table.seeds) {
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

/// Returns a cell's mean and deviation, and the number of its runs if it lacks some.
pub(super) fn measured(cell: &Cell, seeds: u32) -> Option<String> {
    let mean = cell.mean?;
    let deviation = mean.gpu_percent_deviation.map(|it| format!(" \u{b1} {it:.2}"));
    let deviation = deviation.unwrap_or_default();
    Some(format!("{:.2}{deviation}{}", mean.gpu_percent, lack(cell, seeds)))
}

/// Returns the number of a cell's runs, if an interrupt kept it from having all.
fn lack(cell: &Cell, seeds: u32) -> String {
    match cell.runs.len() {
        all if all == seeds as usize => String::new(),
        some => format!(" ({some} of {seeds})"),
    }
}

/// Returns a row for each cell, the numbers of threads below each other.
fn threads(table: &Table) -> String {
    let fewest = format!("to {}", counted(table.fewest_threads()));
    let header = ["task list", "policy", "threads", "GPU %", &fewest, "failed", "decisions/s"];
    let header = header.into_iter().chain(["refused per task", "retries"]);
    let mut grid = Grid::new(header.map(str::to_owned), 2);
    for cell in &table.cells {
        let mean = |value: &dyn Fn(&Means) -> String| cell.mean.as_ref().map(value);
        let cells = [
            Some(table.label(&cell.task_list)),
            Some(cell.policy.to_string()),
            Some(cell.threads.to_string()),
            mean(&|mean| format!("{:.2}{}", mean.gpu_percent, lack(cell, table.seeds))),
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

/// Returns a difference with its sign, if there is one of this precision.
pub(super) fn signed(difference: f64) -> String {
    match format!("{difference:+.2}") {
        nothing if nothing[1..] == *"0.00" => "0.00".to_owned(),
        something => something,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::summary::tests::{full, runs, source, table};
    use super::*;
    use crate::policy::PolicyName;

    #[test]
    fn what_is_published_stands_below_what_was_measured() {
        let text = text(&full());
        let expected = "\
# replay VERSION: built-in

1213 nodes, 6212 GPUs; load 1.3, scale 1, 2 seeds from 42.

## GPU allocation

Percent, mean \u{b1} sample standard deviation over the seeds, with 1 thread.
Published: Weng et al., Beware of Fragmentation, USENIX ATC 2023.

| task list     |            |     best-fit |       random |
| ------------- | ---------- | -----------: | -----------: |
| published.csv | measured   | 94.00 \u{b1} 1.41 | 94.00 \u{b1} 1.41 |
|               | published  |        93.79 |        91.24 |
|               | difference |        +0.21 |        +2.76 |
| other.csv     | measured   | 94.00 \u{b1} 1.41 | 94.00 \u{b1} 1.41 |

## Threads
"
        .replace("VERSION", env!("CARGO_PKG_VERSION"));
        assert!(text.starts_with(&expected), "{text}");
        let row = "| other.csv     | random   |       4 | 90.50 |       -3.50 |    0.0 |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("|           1.0000 |    50.0 |\n"), "{text}");
        assert!(text.ends_with(&format!(" |\n\n{WORDS}\n")), "{text}");
    }

    #[test]
    fn a_difference_that_is_none_has_no_sign() {
        let differences = [0.004, -0.004, 0.006, -0.006, 10.0, -20.0].map(signed);
        assert_eq!(differences, ["0.00", "0.00", "+0.01", "-0.01", "+10.00", "-20.00"]);
    }

    #[test]
    fn one_number_of_threads_is_not_compared() {
        let mut table = table(&["a"]);
        table.add(&source("a"), PolicyName::Random, 7, runs(&[90.0, 91.0]));
        table.finish(Duration::ZERO);
        let text = text(&table);
        assert!(text.contains("over the seeds, with 7 threads.\n"), "{text}");
        assert!(!text.contains("## Threads"), "{text}");
        assert!(!text.contains("ublished") && !text.contains("interrupted"), "{text}");
    }

    #[test]
    fn one_seed_has_no_mean_and_no_deviation() {
        let mut table = full();
        table.seeds = 1;
        table.cells.iter_mut().for_each(|cell| cell.runs.truncate(1));
        let text = text(&table);
        assert!(text.contains("\nPercent, with 1 thread.\n"), "{text}");
        assert!(!text.contains("over the seeds"), "{text}");
    }

    #[test]
    fn a_cell_says_how_many_runs_it_lacks() {
        let mut table = table(&["a", "b"]);
        table.add(&source("a"), PolicyName::Random, 1, runs(&[90.0]));
        table.add(&source("b"), PolicyName::Random, 1, Vec::new());
        table.add(&source("a"), PolicyName::Random, 2, runs(&[80.0]));
        table.add(&source("a"), PolicyName::Random, 4, runs(&[80.0, 81.0]));
        table.finish(Duration::ZERO);
        let text = text(&table);
        assert!(text.contains("\ninterrupted: 4 of 8 runs finished.\n"), "{text}");
        assert!(text.contains("| a         | measured | 90.00 (1 of 2) |\n"), "{text}");
        assert!(text.contains("| b         | measured |                |\n"), "{text}");
        for row in ["1 | 90.00 (1 of 2) |", "2 | 80.00 (1 of 2) |", "4 |          80.50 |"] {
            assert!(text.contains(&format!("| a         | random |       {row}")), "{text}");
        }
    }

    #[test]
    fn lists_of_one_name_have_their_directories() {
        let table = table(&["a/t.csv", "b/t.csv", "b/u.csv", "-"]);
        let label = |name| table.label(name);
        assert_eq!(["a/t.csv", "b/t.csv", "b/u.csv"].map(label), ["a/t.csv", "b/t.csv", "u.csv"]);
        assert_eq!(label("-"), "<standard input>");
    }

    #[test]
    fn nothing_in_a_name_controls_a_terminal_or_a_table() {
        let mut table = table(&["\u{1b}[31m|.csv"]);
        table.add(&source("\u{1b}[31m|.csv"), PolicyName::Random, 1, runs(&[90.0, 91.0]));
        let text = text(&table);
        assert!(text.contains(r"| \u{1b}[31m\|.csv | measured |"), "{text}");
    }
}

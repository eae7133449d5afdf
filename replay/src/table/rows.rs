//! The table as comma separated values: a row for each cell, with all settings.

use super::summary::{Cell, Means, Table};
use crate::csv;

const HEADER: [&str; 22] = [
    "version",
    "node_list",
    "task_list",
    "policy",
    "threads",
    "load",
    "scale",
    "first_seed",
    "seeds",
    "finished_runs",
    "gpu_percent",
    "gpu_percent_deviation",
    "published_gpu_percent",
    "difference",
    "difference_to_fewest_threads",
    "decisions_per_second",
    "tasks",
    "failed",
    "refused_claims",
    "refused_claims_per_task",
    "internal_retries",
    "audits_hold",
];

/// Returns the table. What is not known is empty; figures are means over the finished runs.
pub(super) fn text(table: &Table) -> String {
    let rows = table.cells.iter().map(|cell| {
        let fields = row(table, cell);
        csv::row(fields.iter().map(|field| &**field))
    });
    std::iter::once(csv::row(HEADER)).chain(rows).collect()
}

fn row(table: &Table, cell: &Cell) -> [String; HEADER.len()] {
    let number = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
    let mean = |value: fn(&Means) -> f64| number(cell.mean.as_ref().map(value));
    let hold = || cell.runs.iter().all(|run| run.audit.holds).to_string();
    [
        table.version.to_owned(),
        table.node_list.file.clone(),
        cell.task_list.clone(),
        cell.policy.to_string(),
        cell.threads.to_string(),
        table.load.to_string(),
        table.scale.to_string(),
        table.first_seed.to_string(),
        table.seeds.to_string(),
        cell.runs.len().to_string(),
        mean(|mean| mean.gpu_percent),
        number(cell.mean.and_then(|mean| mean.gpu_percent_deviation)),
        number(cell.published_gpu_percent),
        number(cell.difference),
        number(cell.difference_to_fewest_threads),
        mean(|mean| mean.decisions_per_second),
        mean(|mean| mean.tasks),
        mean(|mean| mean.failed),
        mean(|mean| mean.refused_claims),
        mean(|mean| mean.refused_claims_per_task),
        mean(|mean| mean.internal_retries),
        if cell.runs.is_empty() { String::new() } else { hold() },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::{full, runs, source, table};
    use super::*;
    use crate::policy::PolicyName;

    #[test]
    fn every_row_has_every_column() {
        let text = text(&full());
        assert_eq!(text.lines().count(), 1 + 8);
        for line in text.lines() {
            assert_eq!(line.split(',').count(), HEADER.len(), "{line}");
        }
        let version = env!("CARGO_PKG_VERSION");
        let row = format!(
            "{version},built-in,a/published.csv,best-fit,4,1.3,1,42,2,2,90.5,\
             0.7071067811865476,93.79,-3.2900000000000063,-3.5,50000,50,0,50,1,50,true"
        );
        assert_eq!(text.lines().nth(1), Some(&*row));
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let mut table = table(&["a"]);
        table.add(&source("a"), PolicyName::Random, 1, Vec::new());
        table.add(&source("a"), PolicyName::BestFit, 1, runs(&[50.0]));
        let text = text(&table);
        assert!(text.contains(",a,random,1,1.3,1,42,2,0,,,,,,,,,,,,\n"), "{text}");
        assert!(
            text.contains(",a,best-fit,1,1.3,1,42,2,1,50,,,,,50000,50,0,50,1,50,true\n"),
            "{text}"
        );
    }
}

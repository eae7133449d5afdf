//! What a table says, in whichever format.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::published;
use crate::memory::Need;
use crate::options::TableOptions;
use crate::policy::PolicyName;
use crate::quote::visible;
use crate::report::Run;
use crate::trace::shown;
use crate::workload::{LoadRule, Source, Tasks, Workload};

/// Everything about a table.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) version: &'static str,
    pub(crate) node_list: Source,
    pub(crate) nodes: usize,
    pub(crate) gpus: usize,
    pub(crate) load: f64,
    pub(crate) scale: u32,
    pub(crate) first_seed: u64,
    /// How many seeds were asked for.
    pub(crate) seeds: u32,
    /// Whether an interrupt came before all runs were finished.
    pub(crate) interrupted: bool,
    /// Where the published values are from.
    pub(crate) published_in: &'static str,
    pub(crate) total_seconds: f64,
    pub(crate) task_lists: Vec<TaskList>,
    pub(crate) cells: Vec<Cell>,
}

/// A task list.
#[derive(Debug, Serialize)]
pub(crate) struct TaskList {
    #[serde(flatten)]
    pub(crate) source: Source,
    pub(crate) load_rule: LoadRule,
    pub(crate) estimated_bytes: Need,
    pub(crate) warnings: Vec<String>,
}

/// A task list with a policy and a number of threads.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    /// The task list, by its name.
    pub(crate) task_list: String,
    pub(crate) policy: PolicyName,
    pub(crate) threads: usize,
    pub(crate) published_gpu_percent: Option<f64>,
    /// Of the GPU allocation to the published one.
    pub(crate) difference: Option<f64>,
    /// Of the GPU allocation to that with the fewest threads.
    pub(crate) difference_to_fewest_threads: Option<f64>,
    /// Of the finished runs, if there are any.
    pub(crate) mean: Option<Means>,
    pub(crate) runs: Vec<Run>,
}

/// The means over some runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Means {
    pub(crate) gpu_percent: f64,
    /// The sample standard deviation; one run has none.
    pub(crate) gpu_percent_deviation: Option<f64>,
    pub(crate) decisions_per_second: f64,
    pub(crate) tasks: f64,
    pub(crate) failed: f64,
    /// Claims refused because another thread was faster.
    pub(crate) refused_claims: f64,
    pub(crate) refused_claims_per_task: f64,
    pub(crate) internal_retries: f64,
}

impl Table {
    /// Returns a table without cells.
    pub(super) fn new(options: &TableOptions, workload: &Workload) -> Self {
        let list = |tasks: &Tasks| TaskList {
            source: tasks.source.clone(),
            load_rule: tasks.rule.clone(),
            estimated_bytes: tasks.need,
            warnings: tasks.warnings.clone(),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            node_list: workload.machines.source.clone(),
            nodes: workload.machines.nodes.len(),
            gpus: workload.machines.gpus(),
            load: options.shared.load(),
            scale: options.shared.scale,
            first_seed: options.shared.seed,
            seeds: options.seeds,
            interrupted: false,
            published_in: published::SOURCE,
            total_seconds: 0.0,
            task_lists: workload.lists.iter().map(list).collect(),
            cells: Vec::new(),
        }
    }

    /// Adds the cell of a task list with its finished runs.
    pub(super) fn add(
        &mut self,
        task_list: &Source,
        policy: PolicyName,
        threads: usize,
        runs: Vec<Run>,
    ) {
        let mean = Means::of(&runs);
        let published = published::value(self, &task_list.content, policy);
        self.interrupted |= runs.len() < self.seeds as usize;
        self.cells.push(Cell {
            task_list: task_list.file.clone(),
            policy,
            threads,
            published_gpu_percent: published,
            difference: mean.zip(published).map(|(mean, published)| mean.gpu_percent - published),
            difference_to_fewest_threads: None,
            mean,
            runs,
        });
    }

    /// Compares the cells, which are all there, and notes how long that took.
    pub(super) fn finish(&mut self, total: Duration) {
        let fewest = self.fewest_threads();
        let differences = self.cells.iter().map(|cell| {
            let base = self.cell(&cell.task_list, cell.policy, fewest)?.mean?;
            Some(cell.mean?.gpu_percent - base.gpu_percent)
        });
        let differences: Vec<_> = differences.collect();
        for (cell, difference) in self.cells.iter_mut().zip(differences) {
            cell.difference_to_fewest_threads = difference;
        }
        self.total_seconds = total.as_secs_f64();
    }

    /// Returns the fewest threads that any cell has.
    pub(super) fn fewest_threads(&self) -> usize {
        self.cells.iter().map(|cell| cell.threads).min().unwrap_or(1)
    }

    /// Returns the cell of a task list, by its name, with a policy and a number of threads.
    pub(super) fn cell(
        &self,
        task_list: &str,
        policy: PolicyName,
        threads: usize,
    ) -> Option<&Cell> {
        let wanted = (task_list, policy, threads);
        self.cells.iter().find(|cell| (&*cell.task_list, cell.policy, cell.threads) == wanted)
    }

    /// Returns the policies in the order in which they were asked for.
    pub(super) fn policies(&self) -> Vec<PolicyName> {
        let mut policies = Vec::new();
        for cell in &self.cells {
            if !policies.contains(&cell.policy) {
                policies.push(cell.policy);
            }
        }
        policies
    }

    /// Returns what a task list is called here: its file's name, with the directory if several have it.
    pub(super) fn label(&self, name: &str) -> String {
        let label = file_name(name);
        let same = self.task_lists.iter().filter(|list| file_name(&list.source.file) == label);
        if same.count() > 1 { visible(name) } else { label }
    }

    /// Returns how much is finished, in words.
    pub(super) fn progress(&self) -> String {
        let finished: usize = self.cells.iter().map(|cell| cell.runs.len()).sum();
        let all = self.cells.len() * self.seeds as usize;
        format!("interrupted: {finished} of {all} runs finished")
    }

    /// Returns a sentence for each run whose audit does not hold.
    pub(super) fn violations(&self) -> Vec<String> {
        let runs = self.cells.iter().flat_map(|cell| cell.runs.iter().map(move |run| (cell, run)));
        let violated = runs.filter(|(_, run)| !run.audit.holds);
        let sentence = |(cell, run): (&Cell, &Run)| {
            let Cell { task_list, policy, threads, .. } = cell;
            let (seed, examples) = (run.seed, run.audit.examples.join("; "));
            format!(
                "the audit of {task_list}, {policy}, threads {threads}, seed {seed}: {examples}"
            )
        };
        violated.map(sentence).collect()
    }
}

pub(super) fn file_name(file: &str) -> String {
    let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file);
    shown(name.as_ref())
}

impl Means {
    /// Returns the means of some runs; `None` of no runs.
    fn of(runs: &[Run]) -> Option<Self> {
        let count = runs.len() as f64;
        let mean = |value: fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / count;
        let tasks = mean(|run| run.tasks as f64);
        let refused_claims = mean(|run| run.refused_claims as f64);
        (!runs.is_empty()).then(|| Self {
            gpu_percent: mean(|run| run.gpu_percent),
            gpu_percent_deviation: deviation(runs),
            decisions_per_second: mean(|run| run.decisions_per_second),
            tasks,
            failed: mean(|run| run.failed as f64),
            refused_claims,
            // A run has tasks, or it would have been refused.
            refused_claims_per_task: refused_claims / tasks,
            internal_retries: mean(|run| run.internal_retries as f64),
        })
    }
}

/// Returns the sample standard deviation of the runs' GPU allocation; `None` of fewer than two.
fn deviation(runs: &[Run]) -> Option<f64> {
    let others = runs.len().checked_sub(1).filter(|&others| others > 0)? as f64;
    let mean = runs.iter().map(|run| run.gpu_percent).sum::<f64>() / runs.len() as f64;
    let squares = runs.iter().map(|run| (run.gpu_percent - mean).powi(2));
    Some((squares.sum::<f64>() / others).sqrt())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::published::tests::{CPU050, NODES};
    use super::*;
    use crate::report::tests::run;
    use crate::workload::Sources;

    pub(in crate::table) const POLICIES: [PolicyName; 2] =
        [PolicyName::BestFit, PolicyName::Random];

    /// The name of the list whose content is published.
    pub(in crate::table) const PUBLISHED: &str = "a/published.csv";

    /// A list of this name.
    pub(in crate::table) fn source(name: &str) -> Source {
        let content = if name == PUBLISHED { CPU050 } else { "00ff" };
        Source { file: name.to_owned(), content: content.to_owned() }
    }

    /// A table without cells, of lists of these names on the published nodes.
    pub(in crate::table) fn table(lists: &[&str]) -> Table {
        let sources = Sources {
            nodes: None,
            tasks: Vec::new(),
            load: 1.3,
            scale: 1,
            seed: 42,
            policies: &[PolicyName::Fgd],
            most_threads: 1,
            are_names_kept: false,
        };
        let workload = Workload::read(&sources, &[]).expect("it is built in");
        let options = TableOptions::of(&["--seeds", "2"]);
        let mut table = Table::new(&options, &workload);
        table.node_list.content = NODES.to_owned();
        let list = table.task_lists.swap_remove(0);
        table.task_lists = Vec::new();
        for name in lists {
            let (source, load_rule) = (source(name), list.load_rule.clone());
            table.task_lists.push(TaskList { source, load_rule, warnings: Vec::new(), ..list });
        }
        table
    }

    /// Runs with these GPU allocations.
    pub(in crate::table) fn runs(percents: &[f64]) -> Vec<Run> {
        let run = |(seed, &gpu_percent)| Run { gpu_percent, ..run(seed, 50) };
        (0..).zip(percents).map(run).collect()
    }

    /// A table with two lists, of which one is published, two policies, and one and four threads.
    pub(in crate::table) fn full() -> Table {
        let lists = [PUBLISHED, "b/other.csv"];
        let mut table = table(&lists);
        for list in lists {
            for policy in POLICIES {
                table.add(&source(list), policy, 4, runs(&[90.0, 91.0]));
                table.add(&source(list), policy, 1, runs(&[93.0, 95.0]));
            }
        }
        table.finish(Duration::ZERO);
        table
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let deviation = |percents: &[f64]| Means::of(&runs(percents))?.gpu_percent_deviation;
        assert_eq!(
            deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]),
            Some((32_f64 / 7.0).sqrt())
        );
        assert_eq!(deviation(&[3.0, 3.0]), Some(0.0));
        assert_eq!(deviation(&[3.0]), None);
        assert!(Means::of(&[]).is_none());
    }

    #[test]
    fn cells_are_compared_with_what_is_published_and_with_the_fewest_threads() {
        let table = full();
        let cell = |list, policy, threads| table.cell(list, policy, threads).expect("it was added");
        let published = cell(PUBLISHED, PolicyName::Random, 1);
        assert_eq!(published.published_gpu_percent, Some(91.24));
        assert_eq!(published.difference, Some(94.0 - 91.24));
        assert_eq!(published.difference_to_fewest_threads, Some(0.0));
        let other = cell("b/other.csv", PolicyName::BestFit, 4);
        assert_eq!((other.published_gpu_percent, other.difference), (None, None));
        assert_eq!(other.difference_to_fewest_threads, Some(-3.5));
        assert!(!table.interrupted);
    }

    #[test]
    fn a_cell_that_lacks_runs_was_interrupted() {
        let mut table = table(&["a"]);
        table.add(&source("a"), PolicyName::Random, 1, runs(&[90.0]));
        table.add(&source("a"), PolicyName::Random, 2, Vec::new());
        table.finish(Duration::ZERO);
        assert!(table.interrupted);
        assert_eq!(table.progress(), "interrupted: 1 of 4 runs finished");
        assert!(table.cells[1].mean.is_none());
    }

    #[test]
    fn a_violation_names_its_run() {
        let mut table = table(&["a"]);
        table.add(&source("a"), PolicyName::Random, 2, runs(&[90.0, 91.0]));
        assert!(table.violations().is_empty());
        let audit = &mut table.cells[0].runs[1].audit;
        (audit.holds, audit.examples) = (false, vec!["task 3 is nowhere".to_owned()]);
        let expected = "the audit of a, random, threads 2, seed 1: task 3 is nowhere";
        assert_eq!(table.violations(), [expected]);
    }
}

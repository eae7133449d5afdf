//! What the tool prints: a table, or one JSON document.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::{Audit, LibraryAudit};
use crate::columns::{Column, folded, side_by_side};
use crate::curve::Curve;
use crate::memory::{Need, size};
use crate::policy::PolicyName;
use crate::scheduler::Counters;
use crate::workload::LoadRule;

/// Everything about an experiment.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) policy: PolicyName,
    pub(crate) threads: usize,
    pub(crate) load: f64,
    pub(crate) scale: u32,
    pub(crate) pause_microseconds: u64,
    pub(crate) nodes: usize,
    pub(crate) gpus: usize,
    /// How many runs were asked for.
    pub(crate) seeds: u32,
    /// Whether an interrupt came before they were finished.
    pub(crate) interrupted: bool,
    pub(crate) load_rule: LoadRule,
    /// The finished runs.
    pub(crate) runs: Vec<Run>,
    /// The run that an interrupt ended, up to there.
    pub(crate) unfinished: Option<Run>,
    /// Of the finished runs, if there are any.
    pub(crate) mean: Option<Mean>,
    /// What is odd about the files.
    pub(crate) warnings: Vec<String>,
    pub(crate) read_seconds: f64,
    /// From the first file that is read to the end of the last run.
    pub(crate) total_seconds: f64,
    /// What a run was estimated to take before it started.
    pub(crate) estimated_bytes: Need,
    /// The process's peak memory; not known on every system.
    pub(crate) peak_memory_kib: Option<u64>,
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) tasks: usize,
    /// Tasks beyond those that are listed.
    pub(crate) appended: usize,
    /// Tasks that are listed and were left out.
    pub(crate) dropped: usize,
    pub(crate) placed: u64,
    pub(crate) failed: u64,
    /// How many more tasks an interrupt kept from being decided.
    pub(crate) unscheduled: usize,
    pub(crate) gpu_percent: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) memory_percent: f64,
    pub(crate) decisions_per_second: f64,
    /// Only the decisions that ended in a claim.
    pub(crate) placements_per_second: f64,
    pub(crate) prepare_seconds: f64,
    pub(crate) build_seconds: f64,
    pub(crate) set_up_seconds: f64,
    pub(crate) schedule_seconds: f64,
    pub(crate) audit_seconds: f64,
    /// Of where the tasks were placed, and of the curve; 0 if nobody wants to know.
    pub(crate) write_seconds: f64,
    pub(crate) clear_seconds: f64,
    /// Claims refused because another thread was faster.
    pub(crate) refused_claims: u64,
    /// Providers read again because something was claimed there.
    pub(crate) refreshed_providers: u64,
    /// Retries inside the library.
    pub(crate) internal_retries: u64,
    pub(crate) audit: Audit,
    /// If a page with pictures was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) curve: Option<Curve>,
}

/// The means over all runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Mean {
    pub(crate) gpu_percent: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) memory_percent: f64,
    pub(crate) decisions_per_second: f64,
}

/// How long the parts of a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) prepare: Duration,
    pub(crate) build: Duration,
    pub(crate) set_up: Duration,
    pub(crate) schedule: Duration,
    pub(crate) audit: Duration,
    /// Of where the tasks were placed, and of the curve.
    pub(crate) write: Duration,
    pub(crate) clear: Duration,
}

impl Run {
    /// Puts a run's figures together: so many tasks are listed, and so many were left when it ended.
    pub(crate) fn new(
        seed: u64,
        (listed, unscheduled): (usize, usize),
        counters: Counters,
        times: Times,
        audit: Audit,
    ) -> Self {
        let decisions = counters.placed + counters.failed;
        let tasks = decisions as usize;
        let schedule_seconds = times.schedule.as_secs_f64();
        Self {
            seed,
            tasks,
            appended: (tasks + unscheduled).saturating_sub(listed),
            dropped: listed.saturating_sub(tasks + unscheduled),
            placed: counters.placed,
            failed: counters.failed,
            unscheduled,
            gpu_percent: audit.gpu_milli.percent(),
            cpu_percent: audit.cpu_milli.percent(),
            memory_percent: audit.memory_mib.percent(),
            // An empty run has made no decisions, in no time.
            decisions_per_second: decisions as f64 / schedule_seconds.max(1e-9),
            placements_per_second: counters.placed as f64 / schedule_seconds.max(1e-9),
            prepare_seconds: times.prepare.as_secs_f64(),
            build_seconds: times.build.as_secs_f64(),
            set_up_seconds: times.set_up.as_secs_f64(),
            schedule_seconds,
            audit_seconds: times.audit.as_secs_f64(),
            write_seconds: times.write.as_secs_f64(),
            clear_seconds: times.clear.as_secs_f64(),
            refused_claims: counters.refused,
            refreshed_providers: counters.refreshed,
            internal_retries: counters.retries,
            audit,
            curve: None,
        }
    }
}

impl Mean {
    /// The means of some runs; `None` of no runs.
    pub(crate) fn of(runs: &[Run]) -> Option<Self> {
        let mean = |value: fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
        (!runs.is_empty()).then(|| Self {
            gpu_percent: mean(|run| run.gpu_percent),
            cpu_percent: mean(|run| run.cpu_percent),
            memory_percent: mean(|run| run.memory_percent),
            decisions_per_second: mean(|run| run.decisions_per_second),
        })
    }
}

impl Report {
    /// Whether every run's audit holds.
    pub(crate) fn holds(&self) -> bool {
        self.runs.iter().chain(&self.unfinished).all(|run| run.audit.holds)
    }

    /// The report as one JSON document.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// The report for people: one run in full, or a line for each and their mean.
    pub(crate) fn to_text(&self) -> String {
        let mut text = self.heading() + &load_lines(&self.load_rule);
        match (self.runs.as_slice(), self.mean) {
            ([run], _) => text += &one_run(run),
            (runs, Some(mean)) => text += &many_runs(runs, mean),
            (_, None) => {}
        }
        text += &self.step_lines();
        for run in &self.runs {
            text += &audit_lines(&format!("audit, seed {}", run.seed), &run.audit);
        }
        if self.interrupted {
            text += &self.interruption();
        }
        text += &line("memory, estimated", &size(self.estimated_bytes.memory));
        text += &line("peak memory", &memory(self.peak_memory_kib));
        text
    }

    /// How long each step took, in all runs together.
    fn step_lines(&self) -> String {
        let step = |label, seconds: fn(&Run) -> f64| {
            step_line(label, self.runs.iter().chain(&self.unfinished).map(seconds))
        };
        [
            step_line("reading the lists", [self.read_seconds]),
            step("preparing the tasks", |run| run.prepare_seconds),
            step("building the cluster", |run| run.build_seconds),
            step("setting up the threads", |run| run.set_up_seconds),
            step("scheduling", |run| run.schedule_seconds),
            step("auditing", |run| run.audit_seconds),
            step("writing placements", |run| run.write_seconds),
            step("clearing away", |run| run.clear_seconds),
            step_line("everything", [self.total_seconds]),
        ]
        .concat()
    }

    fn heading(&self) -> String {
        let Self { policy, threads, load, scale, nodes, gpus, .. } = self;
        let plural = if *threads == 1 { "" } else { "s" };
        let heading = format!(
            "{policy}, {threads} thread{plural}, load {load}, scale {scale}: \
             {nodes} nodes, {gpus} GPUs"
        );
        folded("", &heading, 0) + "\n"
    }

    /// What is finished, and the figures of the run that is not.
    fn interruption(&self) -> String {
        let Self { runs, seeds, .. } = self;
        let text = format!("interrupted: {} of {seeds} runs finished", runs.len());
        let Some(run) = &self.unfinished else { return text + "\n" };
        let all = run.tasks + run.unscheduled;
        format!("{text}; of another {} of {all} tasks:\n", run.tasks)
            + &one_run(run)
            + &audit_lines(&format!("audit, seed {}", run.seed), &run.audit)
    }
}

/// What the load counts, and how many tasks there may be at most.
fn load_lines(rule: &LoadRule) -> String {
    let LoadRule { counts, because, most_tasks, most_for_each, .. } = rule;
    let LoadRule { listed_tasks, impossible_tasks, .. } = rule;
    let mut text = line("load counts", &format!("{}: {because}", counts.name()));
    text += &line("listed tasks", &listed_tasks.to_string());
    if *impossible_tasks > 0 {
        text += &line("of which impossible", &format!("{impossible_tasks}: {}", rule.lacking()));
    }
    let each = format!("{most_tasks}: {most_for_each} for each node and each listed task");
    text + &line("most tasks", &each)
}

fn one_run(run: &Run) -> String {
    [
        line("seed", &run.seed.to_string()),
        line("tasks", &run.tasks.to_string()),
        line("appended", &run.appended.to_string()),
        line("dropped", &run.dropped.to_string()),
        line("placed", &run.placed.to_string()),
        line("failed", &run.failed.to_string()),
        line("GPU allocated", &format!("{:.2} %", run.gpu_percent)),
        line("CPU allocated", &format!("{:.2} %", run.cpu_percent)),
        line("memory allocated", &format!("{:.2} %", run.memory_percent)),
        line("decisions per second", &format!("{:.0}", run.decisions_per_second)),
        line("placements per second", &format!("{:.0}", run.placements_per_second)),
        line("refused claims", &run.refused_claims.to_string()),
        line("providers read again", &run.refreshed_providers.to_string()),
        line("internal retries", &run.internal_retries.to_string()),
    ]
    .concat()
}

fn many_runs(runs: &[Run], mean: Mean) -> String {
    let column = |header, cell: fn(&Run) -> String, mean: Option<f64>, digits: usize| {
        let mean = mean.map_or(String::new(), |mean| format!("{mean:.digits$}"));
        Column::new(header, runs.iter().map(cell).chain([mean]))
    };
    let seeds = runs.iter().map(|run| format!("{:>8}", run.seed)).chain(["mean".to_owned()]);
    let Mean { gpu_percent, cpu_percent, memory_percent, decisions_per_second } = mean;
    let columns = [
        column("tasks", |run| run.tasks.to_string(), None, 0),
        column("placed", |run| run.placed.to_string(), None, 0),
        column("failed", |run| run.failed.to_string(), None, 0),
        column("GPU %", |run| format!("{:.2}", run.gpu_percent), Some(gpu_percent), 2),
        column("CPU %", |run| format!("{:.2}", run.cpu_percent), Some(cpu_percent), 2),
        column("memory %", |run| format!("{:.2}", run.memory_percent), Some(memory_percent), 2),
        column(
            "decisions/s",
            |run| format!("{:.0}", run.decisions_per_second),
            Some(decisions_per_second),
            0,
        ),
        column("refused", |run| run.refused_claims.to_string(), None, 0),
        column("retries", |run| run.internal_retries.to_string(), None, 0),
    ];
    side_by_side(&Column::new("seed", seeds), &columns)
}

/// The audit's verdict and what it has looked at, and what the library's says.
pub(crate) fn audit_lines(label: &str, audit: &Audit) -> String {
    let Audit { providers, consumers, allocations, violations, library, .. } = audit;
    let verdict = if audit.holds { "holds" } else { "VIOLATED" };
    let mut text = line(
        label,
        &format!(
            "{verdict}: {providers} providers, {consumers} consumers, {allocations} allocations, \
             {violations} violations"
        ),
    );
    for example in &audit.examples {
        text += &folded("    ", example, 6);
    }
    let LibraryAudit { differences, overcommitted, .. } = library;
    let found = format!("{differences} differences, {overcommitted} overcommitted");
    text + &line("the library's", &found)
}

/// Returns a figure, on a line or several.
pub(crate) fn line(label: &str, value: &str) -> String {
    folded(&format!("{label:<LABEL$} "), value, LABEL + 1)
}

/// Returns how long a step took in all runs together, on a line.
pub(crate) fn step_line(label: &str, seconds: impl IntoIterator<Item = f64>) -> String {
    // From 0 on, as the sum of nothing would be -0.
    let all = seconds.into_iter().fold(0.0, |sum, it| sum + it);
    line(label, &format!("{all:.3} s"))
}

/// How wide labels are.
const LABEL: usize = 22;

/// Writes a number of KiB for people.
pub(crate) fn memory(kib: Option<u64>) -> String {
    kib.map_or("unknown".to_owned(), |kib| size(kib * 1024))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audit::Share;
    use crate::columns::WIDTH;
    use crate::workload::{Sources, Workload};

    /// A run that has placed so many tasks without a failure.
    pub(crate) fn run(seed: u64, tasks: u64) -> Run {
        let share = Share { allocated: tasks, capacity: tasks };
        let audit = Audit {
            holds: true,
            providers: tasks as usize,
            consumers: tasks as usize,
            allocations: tasks as usize,
            violations: 0,
            examples: vec!["what does not agree ".repeat(9)],
            library: LibraryAudit {
                holds: true,
                providers: tasks as usize,
                consumers: tasks as usize,
                differences: 0,
                overcommitted: 0,
            },
            cpu_milli: share,
            memory_mib: share,
            gpu_milli: share,
        };
        let counters =
            Counters { placed: tasks, failed: 0, refused: tasks, refreshed: tasks, retries: tasks };
        let time = Duration::from_millis(1);
        let times = Times {
            prepare: time,
            build: time,
            set_up: time,
            schedule: time,
            audit: time,
            write: time,
            clear: time,
        };
        Run::new(seed, (tasks as usize, 0), counters, times, audit)
    }

    fn report(runs: Vec<Run>) -> Report {
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
        let tasks = Workload::read(&sources, &[]).expect("built in").lists.swap_remove(0);
        Report {
            load_rule: tasks.rule,
            estimated_bytes: tasks.need,
            read_seconds: 0.001,
            total_seconds: 1.5,
            policy: PolicyName::FirstFit,
            threads: 1024,
            load: 1.3,
            scale: 1,
            pause_microseconds: 0,
            nodes: 1213,
            gpus: 6212,
            seeds: runs.len() as u32,
            interrupted: false,
            mean: Mean::of(&runs),
            runs,
            unfinished: None,
            warnings: Vec::new(),
            peak_memory_kib: None,
        }
    }

    #[test]
    fn no_line_is_wider_than_a_narrow_terminal() {
        for (seed, tasks) in [(42, 123_456), (u64::MAX, 12_345_678_901)] {
            for count in 1..3 {
                let mut report = report((0..count).map(|_| run(seed, tasks)).collect());
                report.unfinished = Some(Run { unscheduled: 7, ..run(seed, tasks) });
                report.interrupted = true;
                (report.load, report.nodes, report.gpus) = (1.234_567_890_123, 1 << 40, 1 << 40);
                let text = report.to_text();
                assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            }
        }
    }

    #[test]
    fn the_usual_table_has_one_block() {
        let text = report(vec![run(42, 99_999), run(43, 99_999)]).to_text();
        assert_eq!(text.matches("seed").count(), 3, "one header, two audits: {text}");
    }

    #[test]
    fn an_interrupted_report_tells_what_is_finished() {
        let mut report = report(Vec::new());
        (report.seeds, report.interrupted) = (3, true);
        let text = report.to_text();
        assert!(text.contains("\ninterrupted: 0 of 3 runs finished\n"), "{text}");
        report.unfinished = Some(Run { unscheduled: 7, ..run(42, 500) });
        let text = report.to_text();
        assert!(text.contains("0 of 3 runs finished; of another 500 of 507 tasks:\n"), "{text}");
        assert!(text.contains("placed                 500\n"), "{text}");
    }

    #[test]
    fn an_audit_of_an_unfinished_run_counts() {
        let mut report = report(vec![run(42, 5)]);
        report.unfinished = Some(run(43, 5));
        assert!(report.holds());
        report.unfinished.as_mut().expect("it was just set").audit.holds = false;
        assert!(!report.holds());
    }

    #[test]
    fn memory_is_given_in_mib_and_gib() {
        assert_eq!(memory(Some(1536)), "1.5 MiB");
        assert_eq!(memory(Some(5 << 19)), "2.5 GiB");
        assert_eq!(memory(None), "unknown");
    }
}

//! What `replay run --trace-time` prints: a table, or one JSON document.

use serde::Serialize;

use super::history::{Figures, Point};
use super::waits::Waits;
use crate::audit::Audit;
use crate::columns::{Column, folded, side_by_side};
use crate::memory::{Need, size};
use crate::policy::PolicyName;
use crate::report::{audit_lines, line, memory, step_line};
use crate::workload::Listed;

/// Everything about an experiment on a virtual clock.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Always so; tells the document from that of a run without times.
    pub(crate) trace_time: bool,
    pub(crate) policy: PolicyName,
    pub(crate) threads: usize,
    pub(crate) scale: u32,
    pub(crate) nodes: usize,
    pub(crate) gpus: usize,
    /// How many runs were asked for.
    pub(crate) seeds: u32,
    /// Whether an interrupt came before they were finished.
    pub(crate) interrupted: bool,
    #[serde(flatten)]
    pub(crate) listed: Listed,
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

/// One run. Times are seconds of the virtual clock, but for those that the steps took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// Whether the clock came to the end.
    pub(crate) is_finished: bool,
    pub(crate) tasks: usize,
    pub(crate) arrived: usize,
    pub(crate) placed: usize,
    /// Tasks that did not fit when they came.
    pub(crate) waited: usize,
    /// Those of them that still waited at the end.
    pub(crate) never_ran: usize,
    /// As `last_arrival`, at the interrupt if that came before.
    pub(crate) waiting_at_last_arrival: usize,
    pub(crate) first_arrival: u64,
    pub(crate) last_arrival: u64,
    pub(crate) end: u64,
    /// Of the tasks that were placed, most of which may have waited for no time at all.
    pub(crate) waiting_seconds: Option<Waits>,
    /// From the first to the last arrival, weighted by time.
    pub(crate) mean: Figures,
    /// Of the whole run.
    pub(crate) peak: Figures,
    /// Of the whole run.
    pub(crate) series: Vec<Point>,
    /// How often a place was searched for a task.
    pub(crate) searches: u64,
    /// Searches by the time that they took, with what followed from them.
    pub(crate) decisions_per_second: f64,
    pub(crate) placements_per_second: f64,
    /// Retries inside the library.
    pub(crate) internal_retries: u64,
    #[serde(flatten)]
    pub(crate) steps: Steps,
    /// Of what runs then.
    pub(crate) audit_at_last_arrival: Option<Audit>,
    /// At the end, when nothing runs any more.
    pub(crate) audit: Audit,
}

/// How long the parts of a run took, in seconds that have passed.
#[derive(Serialize, Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    pub(crate) build_seconds: f64,
    pub(crate) set_up_seconds: f64,
    pub(crate) schedule_seconds: f64,
    pub(crate) audit_seconds: f64,
    pub(crate) clear_seconds: f64,
}

/// The means over all runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Mean {
    pub(crate) waiting_seconds: f64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) decisions_per_second: f64,
}

impl Mean {
    /// Returns the means of some runs; `None` of no runs.
    pub(crate) fn of(runs: &[Run]) -> Option<Self> {
        let count = runs.len() as f64;
        let mean = |value: fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / count;
        let all = runs.iter().map(|run| run.mean);
        let sum = all.fold(Figures::default(), |sum, run| sum.with(run, |sum, it| sum + it));
        (!runs.is_empty()).then(|| Self {
            waiting_seconds: mean(mean_wait),
            figures: sum.with(sum, |sum, _| sum / count),
            decisions_per_second: mean(|run| run.decisions_per_second),
        })
    }
}

fn mean_wait(run: &Run) -> f64 {
    run.waiting_seconds.map_or(0.0, |waits| waits.mean)
}

impl Run {
    /// Returns the audits, each with its label.
    fn audits(&self) -> impl Iterator<Item = (String, &Audit)> {
        let busy = self.audit_at_last_arrival.iter();
        let busy = busy.map(|audit| (format!("audit, {} s", self.last_arrival), audit));
        busy.chain([(format!("audit, {} s", self.end), &self.audit)])
    }
}

impl Report {
    /// Returns whether each audit of each run holds.
    pub(crate) fn holds(&self) -> bool {
        let mut audits = self.runs.iter().chain(&self.unfinished).flat_map(Run::audits);
        audits.all(|(_, audit)| audit.holds)
    }

    /// Returns the report as one JSON document.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Returns the report for people: one run in full, or a line for each and their mean.
    pub(crate) fn to_text(&self) -> String {
        let Listed { listed_tasks, without_time, without_lifetime } = self.listed;
        let mut text = self.heading() + &line("listed tasks", &listed_tasks.to_string());
        text += &line("left out", &(without_time + without_lifetime).to_string());
        match (self.runs.as_slice(), &self.mean) {
            ([run], _) => text += &one_run(run),
            (runs, Some(mean)) => text += &many_runs(runs, mean),
            (_, None) => {}
        }
        text += &self.step_lines();
        for run in &self.runs {
            text += &audits_lines(run);
        }
        if self.interrupted {
            text += &self.interruption();
        }
        text += &line("memory, estimated", &size(self.estimated_bytes.memory));
        text + &line("peak memory", &memory(self.peak_memory_kib))
    }

    fn heading(&self) -> String {
        let Self { policy, scale, nodes, gpus, .. } = self;
        let heading =
            format!("{policy}, on a virtual clock, scale {scale}: {nodes} nodes, {gpus} GPUs");
        folded("", &heading, 0) + "\n"
    }

    /// Returns how long each step took, in all runs together.
    fn step_lines(&self) -> String {
        let step = |label, seconds: fn(&Steps) -> f64| {
            let runs = self.runs.iter().chain(&self.unfinished);
            step_line(label, runs.map(|run| seconds(&run.steps)))
        };
        [
            step_line("reading the lists", [self.read_seconds]),
            step("building the cluster", |it| it.build_seconds),
            step("setting up", |it| it.set_up_seconds),
            step("scheduling", |it| it.schedule_seconds),
            step("auditing", |it| it.audit_seconds),
            step("clearing away", |it| it.clear_seconds),
            step_line("everything", [self.total_seconds]),
        ]
        .concat()
    }

    /// Returns what is finished, and the figures of the run that is not.
    fn interruption(&self) -> String {
        let Self { runs, seeds, .. } = self;
        let text = format!("interrupted: {} of {seeds} runs finished", runs.len());
        let Some(run) = &self.unfinished else { return text + "\n" };
        let Run { arrived, tasks, .. } = run;
        format!("{text}; of another, where {arrived} of {tasks} tasks came:\n")
            + &one_run(run)
            + &audits_lines(run)
    }
}

fn one_run(run: &Run) -> String {
    let mut text = [
        line("seed", &run.seed.to_string()),
        line("arrived", &format!("{}, from {} s", run.arrived, clock(run))),
        line("placed", &run.placed.to_string()),
        line("waited", &run.waited.to_string()),
        line("never ran", &run.never_ran.to_string()),
        line("waiting", &waiting(run)),
        line("time waited", &time_waited(run.waiting_seconds)),
    ]
    .concat();
    let figure = |label, figure: fn(&Figures) -> f64| {
        let (mean, peak) = (figure(&run.mean), figure(&run.peak));
        line(label, &format!("{mean:.2} %, at most {peak:.2} %"))
    };
    text += &figure("GPU allocated", |figures| figures.gpu_percent);
    text += &figure("CPU allocated", |figures| figures.cpu_percent);
    text += &figure("memory allocated", |figures| figures.memory_percent);
    text += &figure("GPU fragmented", |figures| figures.fragmentation_percent);
    text += &line("decisions per second", &format!("{:.0}", run.decisions_per_second));
    text += &line("placements per second", &format!("{:.0}", run.placements_per_second));
    text + &line("internal retries", &run.internal_retries.to_string())
}

fn clock(run: &Run) -> String {
    let Run { first_arrival, last_arrival, end, .. } = run;
    format!("{first_arrival} to {last_arrival} s; the end is at {end}")
}

/// Returns how many tasks waited, over time.
fn waiting(run: &Run) -> String {
    let Run { mean, peak, waiting_at_last_arrival: last, .. } = run;
    format!("{:.1}, at most {}; {last} at the last arrival", mean.waiting, peak.waiting)
}

fn time_waited(waits: Option<Waits>) -> String {
    let Some(Waits { mean, p50, p90, p99, max }) = waits else { return "nothing ran".to_owned() };
    format!("mean {mean:.1} s, p50 {p50} s, p90 {p90} s, p99 {p99} s, at most {max} s")
}

fn many_runs(runs: &[Run], mean: &Mean) -> String {
    let column = |header, cell: fn(&Run) -> String, mean: Option<f64>, digits: usize| {
        let mean = mean.map_or(String::new(), |mean| format!("{mean:.digits$}"));
        Column::new(header, runs.iter().map(cell).chain([mean]))
    };
    let percent = |header, figure: fn(&Run) -> String, mean| column(header, figure, Some(mean), 2);
    let seeds = runs.iter().map(|run| format!("{:>8}", run.seed)).chain(["mean".to_owned()]);
    let p99 = |run: &Run| run.waiting_seconds.map_or(String::new(), |it| it.p99.to_string());
    let max = |run: &Run| run.waiting_seconds.map_or(String::new(), |it| it.max.to_string());
    let Figures { gpu_percent, fragmentation_percent, .. } = mean.figures;
    let columns = [
        column("placed", |run| run.placed.to_string(), None, 0),
        column("waited", |run| run.waited.to_string(), None, 0),
        column("mean s", |run| format!("{:.1}", mean_wait(run)), Some(mean.waiting_seconds), 1),
        column("p99 s", p99, None, 0),
        column("most s", max, None, 0),
        percent("GPU %", |run| format!("{:.2}", run.mean.gpu_percent), gpu_percent),
        percent(
            "fragmented %",
            |run| format!("{:.2}", run.mean.fragmentation_percent),
            fragmentation_percent,
        ),
        column(
            "decisions/s",
            |run| format!("{:.0}", run.decisions_per_second),
            Some(mean.decisions_per_second),
            0,
        ),
    ];
    side_by_side(&Column::new("seed", seeds), &columns)
}

fn audits_lines(run: &Run) -> String {
    let seed = line("audits of seed", &run.seed.to_string());
    let audits = run.audits().map(|(label, audit)| audit_lines(&label, audit));
    seed + &audits.collect::<String>()
}

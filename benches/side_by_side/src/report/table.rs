//! The results on the terminal.

use crate::floors::{Verdict, judge};
use crate::report::{short, time};
use crate::results::{Line, Run};

/// Above the first line.
pub(crate) fn header(allocator: &str) -> String {
    format!(
        "\nallocator: {allocator}; ratio: our time / the peer's, median (least to most of the rounds)\n\
         {:46} {:>7} {:18} {:>8} {:>22} {:>9} {:>9} {:>9} {:>9}",
        "workload", "threads", "side", "calls/s", "ratio", "p50", "p99", "p99.9", "worst"
    )
}

/// One workload at one number of threads, a row for each side.
pub(crate) fn line(line: &Line) -> String {
    let rows = line.sides.iter().enumerate().map(|(number, side)| {
        let workload = if number == 0 { line.workload.as_str() } else { "" };
        let threads = if number == 0 { line.threads.to_string() } else { String::new() };
        let spread = match number {
            0 => String::new(),
            _ => {
                let ratio = side.ratio;
                format!("{} ({} to {})", short(ratio.median), short(ratio.least), short(ratio.most))
            }
        };
        let latency = side.latency;
        let [p50, p99, p999, worst] =
            [latency.p50, latency.p99, latency.p999, latency.worst].map(time);
        format!(
            "{workload:46} {threads:>7} {:18} {:>8} {spread:>22} {p50:>9} {p99:>9} {p999:>9} \
             {worst:>9}",
            side.name,
            short(side.calls_per_second),
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The floors with each allocator.
pub(crate) fn floors(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs {
        let verdicts = judge(run);
        if verdicts.is_empty() {
            continue;
        }
        let subject = format!("floors with {}", run.allocator);
        text += &format!("\n{subject:72} {:>6} {:>6}\n", "limit", "ratio");
        for verdict in &verdicts {
            text += &row(verdict);
        }
    }
    text
}

fn row(verdict: &Verdict) -> String {
    let Verdict { subject, worst, limit, value } = verdict;
    let met = if verdict.met() { "met" } else { "NOT met" };
    let value = short(*value);
    format!("{subject:72} {limit:>6} {value:>6}  {met:7}  {worst}\n")
}

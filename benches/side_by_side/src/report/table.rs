//! The results on the terminal.

use crate::floors::{Verdict, judge};
use crate::peer::lacks;
use crate::report::{short, time};
use crate::results::{Line, Ratio, Run};

/// Above the first line.
pub(crate) fn header(allocator: &str) -> String {
    format!(
        "\nallocator: {allocator}; ratio: our time / the peer's, of the medians (least to most of the \
         rounds); cpu: the same of processor time; \
         held up: the share of the time that went into calls of 50 ms and more\n\
         {:58} {:>7} {:18} {:>8} {:>22} {:>8} {:>22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "workload",
        "threads",
        "side",
        "calls/s",
        "ratio",
        "cpu",
        "cpu ratio",
        "p50",
        "p99",
        "p99.9",
        "p99.99",
        "worst",
        "held up"
    )
}

/// One workload at one number of threads, a row for each side.
pub(crate) fn line(line: &Line) -> String {
    let rows = line.sides.iter().enumerate().map(|(number, side)| {
        let workload = if number == 0 { line.workload.as_str() } else { "" };
        let threads = if number == 0 { line.threads.to_string() } else { String::new() };
        let [ratio, processor_ratio] = [side.ratio, side.processor_ratio]
            .map(|ratio| if number == 0 { String::new() } else { spread(ratio) });
        let latency = side.latency;
        let [p50, p99, p999, p9999, worst] =
            [latency.p50, latency.p99, latency.p999, latency.p9999, latency.worst].map(time);
        let note = if side.note.is_empty() { String::new() } else { format!("  {}", side.note) };
        format!(
            "{workload:58} {threads:>7} {:18} {:>8} {ratio:>22} {:>8} {processor_ratio:>22} \
             {p50:>9} {p99:>9} {p999:>9} {p9999:>9} {worst:>9} {:>6.1} %{note}",
            side.name,
            short(side.calls_per_second),
            // At most a few seconds, so nothing is cut off.
            time(side.processor as u64),
            latency.held_up * 100.0,
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn spread(ratio: Ratio) -> String {
    let [middle, least, most] = [ratio.of_medians, ratio.least, ratio.most].map(short);
    format!("{middle} ({least} to {most})")
}

/// Lists what each side does not guarantee: what a figure is worth depends on what it buys.
pub(crate) fn sides() -> String {
    let row = |(name, lacks): (&str, &str)| format!("{name:18} {lacks}\n");
    let rows: String = lacks().into_iter().map(row).collect();
    format!("\n{:18} what it does not guarantee\n{rows}", "side")
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::results::Extent;
    use crate::workload;

    #[test]
    fn each_side_has_a_row_with_all_figures() {
        let mut workloads = workload::all(true);
        workloads.truncate(1);
        let length = Duration::from_micros(100);
        let extent = Extent { length, rounds: 2, ..Extent::brief() };
        let run = Run::measure("system", &extent, &workloads, |_| {});
        assert_eq!(run.lines.iter().map(|line| line.threads).collect::<Vec<_>>(), [1, 2]);
        for measured in &run.lines {
            let rows = line(measured);
            assert!(rows.starts_with("find by uuid"), "{rows}");
            assert_eq!(rows.lines().count(), measured.sides.len());
            for (row, side) in rows.lines().zip(&measured.sides) {
                assert!(row.contains(&side.name) && row.ends_with('%'), "{row}");
                assert!(!row.contains("NaN") && !row.contains("inf"), "{row}");
            }
        }
    }

    #[test]
    fn what_each_side_lacks_is_said() {
        let text = sides();
        for (name, lacks) in lacks() {
            assert!(
                text.lines().any(|row| row.starts_with(name) && row.ends_with(lacks)),
                "{name}"
            );
        }
    }
}

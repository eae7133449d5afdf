//! What `cargo xtask bench` has measured, as sections of a page.

use serde::Deserialize;

use crate::chart::{Axis, Chart, Scale, Series};
use crate::table::Table;
use crate::{Part, Section};

/// The measurements of a process, as far as they are shown; see `benches/side_by_side/src/results.rs`.
#[derive(Deserialize)]
struct Run {
    allocator: String,
    cores: usize,
    rounds: usize,
    milliseconds: f64,
    lines: Vec<Line>,
}

/// A workload at one number of threads.
#[derive(Deserialize)]
struct Line {
    workload: String,
    call: String,
    threads: usize,
    sides: Vec<Side>,
}

#[derive(Deserialize)]
struct Side {
    name: String,
    calls_per_second: f64,
    latency: Latency,
    #[serde(default)]
    note: String,
}

/// Nanoseconds, and the share of the time that went into long calls.
#[derive(Deserialize)]
struct Latency {
    p999: u64,
    #[serde(default)]
    held_up: f64,
}

/// Returns a section for each workload of a `bench.json` whose name is wanted, in the order of the file.
///
/// # Errors
///
/// Returns an error if the text is not that of such a file.
pub fn sections(
    text: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Section>, serde_json::Error> {
    let runs: Vec<Run> = serde_json::from_str(text)?;
    let of_run = |run: &Run| {
        let mut names: Vec<&str> = Vec::new();
        for line in run.lines.iter().filter(|line| is_wanted(&line.workload)) {
            if !names.contains(&&*line.workload) {
                names.push(&line.workload);
            }
        }
        let section = |name: &str| {
            let of_workload = run.lines.iter().filter(|line| line.workload == name);
            section(run, name, &of_workload.collect::<Vec<_>>())
        };
        names.into_iter().map(section).collect::<Vec<_>>()
    };
    Ok(runs.iter().flat_map(of_run).collect())
}

fn section(run: &Run, name: &str, lines: &[&Line]) -> Section {
    let Run { allocator, cores, rounds, milliseconds, .. } = run;
    let call = lines.first().map_or("", |line| &line.call);
    let text = format!(
        "A call is {call}. Medians of {rounds} rounds of {milliseconds} ms in which all sides take turns, {cores} \
         cores, {allocator} allocator."
    );
    let mut parts = vec![Part::Text(text)];
    if lines.len() > 1 {
        for measure in &MEASURES {
            parts.extend(charts(name, lines, measure).map(Part::Chart));
        }
    }
    parts.push(Part::Table(table(name, lines)));
    Section { heading: format!("{name} ({allocator})"), parts }
}

/// What a chart shows of each side.
struct Measure {
    label: &'static str,
    scale: Scale,
    value: fn(&Side) -> f64,
}

const MEASURES: [Measure; 2] = [
    Measure { label: "calls/s", scale: Scale::FromZero, value: |side| side.calls_per_second },
    Measure {
        label: "p99.9 of a call, microseconds",
        scale: Scale::Doubling,
        value: |side| side.latency.p999 as f64 / 1e3,
    },
];

/// Returns charts of all sides, of which each has ours, the first one.
fn charts<'a>(
    name: &'a str,
    lines: &'a [&Line],
    measure: &'a Measure,
) -> impl Iterator<Item = Chart> + 'a {
    let &Measure { label, scale, value } = measure;
    let mut names: Vec<&str> = Vec::new();
    for side in lines.iter().flat_map(|line| &line.sides) {
        if !names.contains(&&*side.name) {
            names.push(&side.name);
        }
    }
    let series = move |side: &str| {
        let point = |line: &&Line| {
            let side = line.sides.iter().find(|other| other.name == side)?;
            Some((line.threads as f64, value(side)))
        };
        // What takes no time at all has no place on an axis that doubles.
        let is_shown = |point: &(f64, f64)| scale != Scale::Doubling || point.1 > 0.0;
        let points = lines.iter().filter_map(point).filter(is_shown);
        Series { name: side.to_owned(), points: points.collect() }
    };
    let ours: Vec<&str> = names.drain(..names.len().min(1)).collect();
    let mut rest: Vec<Vec<&str>> = names.chunks(Chart::MOST - 1).map(<[&str]>::to_vec).collect();
    if rest.is_empty() {
        rest.push(Vec::new());
    }
    let chart = move |others: Vec<&str>| {
        let series = ours.iter().copied().chain(others).map(series);
        Chart {
            title: format!("{name}: {label}"),
            x: Axis { label: "threads".to_owned(), scale: Scale::Doubling },
            y: Axis { label: label.to_owned(), scale },
            series: series.filter(|series| !series.points.is_empty()).collect(),
        }
    };
    rest.into_iter().map(chart).filter(|chart| !chart.series.is_empty())
}

fn table(name: &str, lines: &[&Line]) -> Table {
    let headers = ["threads", "side", "calls/s", "p99.9, microseconds", "held up", "remark"];
    let row = |threads: usize, side: &Side| {
        vec![
            threads.to_string(),
            side.name.clone(),
            format!("{:.0}", side.calls_per_second),
            format!("{:.1}", side.latency.p999 as f64 / 1e3),
            format!("{:.1} %", side.latency.held_up * 100.0),
            side.note.clone(),
        ]
    };
    let of_line = |line: &&Line| {
        let threads = line.threads;
        line.sides.iter().map(move |side| row(threads, side)).collect::<Vec<_>>()
    };
    Table {
        caption: format!(
            "{name}; held up: the share of the time that went into calls of 50 ms and more"
        ),
        headers: headers.map(str::to_owned).into(),
        rows: lines.iter().flat_map(of_line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, calls: f64) -> String {
        format!(
            r#"{{"name":"{name}","locks":true,"calls_per_second":{calls},"processor":1.0,
            "latency":{{"p50":1,"p99":2,"p999":3000,"worst":9,"held_up":0.25}},"note":"a note"}}"#
        )
    }

    fn line(workload: &str, threads: usize, sides: &[String]) -> String {
        let sides = sides.join(",");
        format!(
            r#"{{"workload":"{workload}","call":"a call","threads":{threads},"sides":[{sides}]}}"#
        )
    }

    fn file(lines: &[String]) -> String {
        let lines = lines.join(",");
        format!(
            r#"[{{"allocator":"system","cores":2,"rounds":9,"milliseconds":50.0,"clock":20,
            "lines":[{lines}]}}]"#
        )
    }

    #[test]
    fn a_workload_has_its_charts_and_its_table() {
        let lines = [1, 2].map(|threads| {
            let calls = 1000.0 * threads as f64;
            line("scheduler, alone", threads, &[side("ours", calls), side("peer", 500.0)])
        });
        let text = file(&[&lines[..], &[line("find", 1, &[side("ours", 1.0)])]].concat());
        let found = sections(&text, |name| name.starts_with("scheduler")).expect("it is JSON");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].heading, "scheduler, alone (system)");
        let [Part::Text(_), Part::Chart(calls), Part::Chart(slow), Part::Table(table)] =
            &found[0].parts[..]
        else {
            panic!("{:?}", found[0].parts)
        };
        assert_eq!(calls.series[0].points, [(1.0, 1000.0), (2.0, 2000.0)]);
        assert_eq!((calls.series.len(), &*calls.series[1].name), (2, "peer"));
        assert_eq!(slow.series[0].points, [(1.0, 3.0), (2.0, 3.0)]);
        assert_eq!(table.rows.len(), 4);
        assert_eq!(table.rows[0], ["1", "ours", "1000", "3.0", "25.0 %", "a note"]);
        assert_eq!(sections(&text, |_| true).expect("it is JSON").len(), 2);
    }

    #[test]
    fn many_sides_are_shown_beside_ours_in_several_charts() {
        let sides: Vec<_> = (0..12).map(|number| side(&format!("side {number}"), 1.0)).collect();
        let text = file(&[line("find", 1, &sides), line("find", 2, &sides)]);
        let found = sections(&text, |_| true).expect("it is JSON");
        let charts = found[0].parts.iter().filter_map(|part| match part {
            Part::Chart(chart) => Some(chart),
            _ => None,
        });
        let charts: Vec<_> = charts.collect();
        let counts: Vec<_> = charts.iter().map(|chart| chart.series.len()).collect();
        assert_eq!(counts, [8, 5, 8, 5]);
        assert!(charts.iter().all(|chart| chart.series[0].name == "side 0"));
        assert!(charts.iter().all(|chart| chart.series.len() <= Chart::MOST));
    }

    #[test]
    fn another_file_is_refused() {
        assert!(sections("{}", |_| true).is_err());
        assert!(sections("[]", |_| true).is_ok_and(|none| none.is_empty()));
    }
}

//! A table as a page with pictures.

use page::{Axis, Chart, Page, Part, Scale, Section, Series};

use super::markdown::{MEANS, measured, signed};
use super::summary::{Cell, Means, Table};
use crate::curve::{Curve, Point};

/// Returns the page: for each task list how the cluster filled, what threads change, the table, and whole
/// schedulers side by side, if they were measured.
pub(super) fn page(table: &Table, schedulers: Vec<Section>) -> Page {
    let mut sections = vec![allocation(table)];
    for list in &table.task_lists {
        let name = &list.source.file;
        let mut parts = Vec::new();
        let allocated: fn(&Point) -> f64 = |point| point.allocated;
        parts.extend(arrival(table, name, "GPUs allocated", 0.0, allocated));
        parts.extend(arrival(table, name, "GPUs allocated", SCARCE, allocated));
        parts.extend(arrival(table, name, "GPUs fragmented", 0.0, |point| point.fragmented));
        parts.extend(threads(table, name));
        if parts.is_empty() {
            let none = "There is nothing to draw: no run was finished, or the cluster has no GPUs.";
            parts.push(Part::Text(none.to_owned()));
        }
        sections.push(Section { heading: table.label(name), parts });
    }
    sections.extend(schedulers);
    sections.push(settings(table));
    let Table { version, nodes, gpus, load, seeds, .. } = table;
    let figures = match seeds {
        _ if table.interrupted => format!("Not everything is there; {}", table.progress()),
        1 => "All figures are of one run".to_owned(),
        _ => format!(
            "All figures are means of {seeds} runs, each with another order of tasks and nodes"
        ),
    };
    let mut counted: Vec<_> =
        table.task_lists.iter().map(|it| it.load_rule.counts.name()).collect();
    counted.dedup();
    let counted = counted.join(" or ");
    Page {
        title: format!("GPU scheduling policies, replay {version}"),
        introduction: format!(
            "Tasks arrive one after the other, until they have asked for {load} times the {counted} of a \
             cluster (nodes: {nodes}, GPUs: {gpus}). Each is placed once and for all, or not at all if it fits \
             nowhere. {figures}."
        ),
        sections,
    }
}

/// Returns the GPU allocation of all task lists and policies.
fn allocation(table: &Table) -> Section {
    let threads = table.fewest_threads();
    let policies = table.policies();
    let headers = ["task list".to_owned(), String::new()];
    let headers = headers.into_iter().chain(policies.iter().map(ToString::to_string));
    let rows = table.task_lists.iter().flat_map(|list| {
        let name = &list.source.file;
        let row = |kind: &str, value: &dyn Fn(&Cell) -> Option<String>| {
            let cells = policies.iter().map(|&policy| table.cell(name, policy, threads));
            let values: Vec<_> = cells.map(|cell| cell.and_then(value)).collect();
            let row = [table.label(name), kind.to_owned()].into_iter();
            let is_there = values.iter().any(Option::is_some);
            is_there.then(|| row.chain(values.into_iter().map(Option::unwrap_or_default)).collect())
        };
        let measured = row("measured", &|cell| measured(cell, table.seeds));
        let published =
            row("published", &|cell| Some(format!("{:.2}", cell.published_gpu_percent?)));
        let difference = row("difference", &|cell| cell.difference.map(signed));
        [measured, published, difference].into_iter().flatten()
    });
    let rows = rows.collect();
    let means = if table.seeds > 1 { MEANS } else { "" };
    let mut text = format!("How much of the GPUs is allocated at the end, in percent{means}.");
    if table.cells.iter().any(|cell| cell.published_gpu_percent.is_some()) {
        text += &format!(" Published: {}.", table.published_in);
    }
    let caption = format!("GPUs allocated, in percent; threads: {threads}");
    let grid = page::Table { caption, headers: headers.collect(), rows };
    Section { heading: "The table".to_owned(), parts: vec![Part::Text(text), Part::Table(grid)] }
}

/// When so many percent of the GPUs have been asked for, policies begin to differ.
const SCARCE: f64 = 80.0;

/// Returns a chart of what was so while tasks arrived, beginning when some had, if the runs have curves.
fn arrival(
    table: &Table,
    list: &str,
    what: &str,
    from: f64,
    value: fn(&Point) -> f64,
) -> Option<Part> {
    let series = table.policies().into_iter().filter_map(|policy| {
        let cell = table.cell(list, policy, table.fewest_threads())?;
        let curves: Vec<_> = cell.runs.iter().filter_map(|run| run.curve.as_ref()).collect();
        let mut points = mean_curve(&curves, value);
        points.retain(|point| point.0 >= from);
        (!points.is_empty()).then(|| Series { name: policy.to_string(), points })
    });
    let series: Vec<_> = series.collect();
    let (beginning, scale) = match from {
        0.0 => (String::new(), Scale::FromZero),
        _ => (format!(", from {from} % on"), Scale::Linear),
    };
    let axis = |label: &str| Axis { label: label.to_owned(), scale };
    (!series.is_empty()).then(|| {
        Part::Chart(Chart {
            title: format!("{what} over what has arrived{beginning}"),
            x: axis("arrived, % of the GPUs"),
            y: axis(&format!("{what}, %")),
            series,
        })
    })
}

/// Returns the mean of some curves at each percent that all of them come to; nothing if one has no points.
fn mean_curve(curves: &[&Curve], value: fn(&Point) -> f64) -> Vec<(f64, f64)> {
    let Some(end) = curves.iter().map(|curve| curve.end()).reduce(f64::min) else {
        return Vec::new();
    };
    let mean = |percent: u64| {
        let at = percent as f64;
        let sum: Option<f64> = curves.iter().map(|curve| curve.at(at, value)).sum();
        Some((at, sum? / curves.len() as f64))
    };
    (0..=end as u64).map_while(mean).collect()
}

/// Returns charts of what more threads change, if there are several numbers of them.
fn threads(table: &Table, list: &str) -> Vec<Part> {
    let of_list = |cell: &&Cell| cell.task_list == list;
    if table.cells.iter().filter(of_list).all(|cell| cell.threads == table.fewest_threads()) {
        return Vec::new();
    }
    let chart = |title: &str, label: &str, scale, value: fn(&Means) -> f64| {
        let series = table.policies().into_iter().filter_map(|policy| {
            let cells = table.cells.iter().filter(of_list).filter(|cell| cell.policy == policy);
            let mut points: Vec<_> =
                cells.filter_map(|cell| Some((cell.threads as f64, value(&cell.mean?)))).collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            (!points.is_empty()).then(|| Series { name: policy.to_string(), points })
        });
        let series: Vec<_> = series.collect();
        (!series.is_empty()).then(|| {
            Part::Chart(Chart {
                title: title.to_owned(),
                x: Axis { label: "threads".to_owned(), scale: Scale::Doubling },
                y: Axis { label: label.to_owned(), scale },
                series,
            })
        })
    };
    let (speed, refused) = ("Decisions per second over threads", "Refused claims over threads");
    let (allocation, from_zero) = ("GPUs allocated over threads", Scale::FromZero);
    let all = [
        chart(speed, "decisions/s", from_zero, |it| it.decisions_per_second),
        chart(refused, "refused per task", from_zero, |it| it.refused_claims_per_task),
        chart(allocation, "GPUs allocated, %", Scale::Linear, |it| it.gpu_percent),
    ];
    all.into_iter().flatten().collect()
}

/// Returns what reproduces the page.
fn settings(table: &Table) -> Section {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("replay", table.version.to_owned()),
        row("node list", table.node_list.file.clone()),
        row("its content", table.node_list.content.clone()),
        row("load", table.load.to_string()),
        row("scale", table.scale.to_string()),
        row("seeds", format!("{} from {}", table.seeds, table.first_seed)),
        row("everything took", format!("{:.1} s", table.total_seconds)),
    ];
    for list in &table.task_lists {
        rows.push(row("task list", list.source.file.clone()));
        rows.push(row("its content", list.source.content.clone()));
    }
    if table.interrupted {
        rows.push(row("state", table.progress()));
    }
    let headers = ["setting", "value"].map(str::to_owned).into();
    let caption = "What reproduces this page".to_owned();
    Section {
        heading: "Settings".to_owned(),
        parts: vec![Part::Table(page::Table { caption, headers, rows })],
    }
}

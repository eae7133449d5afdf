//! The results as one page that needs nothing else: plots as inline SVG, and the figures below them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::floors::judge;
use crate::peer::lacks;
use crate::report::json::fault;
use crate::report::{short, time};
use crate::results::{Line, Run};

/// The name of the file.
pub(crate) const FILE: &str = "bench.html";

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em}
table{border-collapse:collapse;margin:.5em 0}
th,td{padding:.1em .7em;text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.left,th.left{text-align:left}
td.text{white-space:normal}
thead th{border-bottom:1px solid}
svg{max-width:100%;height:auto;margin-right:1em}
svg text{font:11px system-ui,sans-serif;fill:currentColor}
.axis{stroke:currentColor;stroke-opacity:.25}
.one{stroke:currentColor;stroke-opacity:.8;stroke-dasharray:4 3}
.missed{font-weight:bold;color:#d33}
details{margin:.5em 0 2em}
";

/// One for each side, told apart without seeing red and green apart (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#777777"];

pub(crate) fn write(folder: &Path, runs: &[Run]) -> Result<(), String> {
    let path = folder.join(FILE);
    fs::write(&path, page(runs)).map_err(|error| fault(&path, &error))
}

fn page(runs: &[Run]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>provider-tree beside its peers</title>\n<style>\n{STYLE}</style>\n\
         <h1>provider-tree beside its peers</h1>\n\
         <p>A ratio is our time by the peer's: below 1 we are faster. Points are medians of the \
         rounds, bars reach from the least to the most. Throughput is of all threads together. \
         Latencies include the reading of the clock.</p>\n"
    );
    sides(&mut html);
    for run in runs {
        section(&mut html, run);
    }
    html + "</html>\n"
}

/// What a figure is worth depends on what it buys.
fn sides(html: &mut String) {
    *html += "<h2>What each side does not guarantee</h2>\n<table>\n";
    for (name, lacks) in lacks() {
        *html += &format!("<tr><td>{}<td class=\"left text\">{}\n", escaped(name), escaped(lacks));
    }
    *html += "</table>\n";
}

fn section(html: &mut String, run: &Run) {
    let Run { allocator, cores, rounds, milliseconds, clock, .. } = run;
    *html += &format!(
        "<h2>With the allocator {}</h2>\n<p>{rounds} round{} of {milliseconds} ms, {cores} cores, \
         {clock} ns for the clock.</p>\n",
        escaped(allocator),
        if *rounds == 1 { "" } else { "s" }
    );
    floors(html, run);
    for lines in run.lines.chunk_by(|a, b| a.workload == b.workload) {
        workload(html, lines);
    }
}

fn floors(html: &mut String, run: &Run) {
    let verdicts = judge(run);
    if verdicts.is_empty() {
        return;
    }
    *html += "<table><thead><tr><th>floor<th>limit<th>ratio<th class=left>\
              <th class=left>worst where</thead>\n";
    for verdict in verdicts {
        let (class, met) = if verdict.met() { ("left", "met") } else { ("left missed", "not met") };
        *html += &format!(
            "<tr><td>{}<td>{}<td>{}<td class=\"{class}\">{met}<td class=left>{}\n",
            escaped(&verdict.subject),
            verdict.limit,
            short(verdict.value),
            escaped(&verdict.worst)
        );
    }
    *html += "</table>\n";
}

/// All numbers of threads of one workload, at least one.
fn workload(html: &mut String, lines: &[Line]) {
    *html += &format!(
        "<h3>{}</h3>\n<p>A call: {}.</p>\n",
        escaped(&lines[0].workload),
        escaped(&lines[0].call)
    );
    *html += &ratios(lines);
    *html += &throughput(lines);
    *html += &tails(lines);
    legend(html, &lines[0]);
    *html += "<details><summary>Figures</summary>\n<table><thead><tr><th>threads\
              <th class=left>side<th>calls/s<th>ratio<th>least<th>most<th>p50<th>p99<th>p99.9\
              <th>worst</thead>\n";
    for line in lines {
        for (number, side) in line.sides.iter().enumerate() {
            let ratio = match number {
                0 => "<td><td><td>".to_owned(),
                _ => {
                    let [median, least, most] =
                        [side.ratio.median, side.ratio.least, side.ratio.most].map(short);
                    format!("<td>{median}<td>{least}<td>{most}")
                }
            };
            let latency = side.latency;
            let times = [latency.p50, latency.p99, latency.p999, latency.worst].map(time);
            *html += &format!(
                "<tr><td>{}<td class=left>{}<td>{}{ratio}<td>{}\n",
                line.threads,
                escaped(&side.name),
                short(side.calls_per_second),
                times.join("<td>")
            );
        }
    }
    *html += "</table></details>\n";
}

fn legend(html: &mut String, line: &Line) {
    *html += "<p>";
    for (number, side) in line.sides.iter().enumerate() {
        let (colour, name) = (colour(number), escaped(&side.name));
        *html += &format!("<span style=\"color:{colour}\">&#9679;</span> {name} &ensp;");
    }
    *html += "</p>\n";
}

fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

/// A value, and how far down and up it reaches.
#[derive(Clone, Copy)]
struct Point {
    value: f64,
    least: f64,
    most: f64,
}

impl Point {
    fn exact(value: f64) -> Self {
        Point { value, least: value, most: value }
    }
}

fn ratios(lines: &[Line]) -> String {
    let sides = (1..lines[0].sides.len()).map(|number| {
        let point = |line: &Line| {
            let ratio = line.sides[number].ratio;
            Point { value: ratio.median, least: ratio.least, most: ratio.most }
        };
        (number, lines.iter().map(point).collect())
    });
    plot("our time / peer's", lines, &sides.collect::<Vec<_>>(), &short, true)
}

fn throughput(lines: &[Line]) -> String {
    let sides = (0..lines[0].sides.len()).map(|number| {
        let point = |line: &Line| Point::exact(line.sides[number].calls_per_second);
        (number, lines.iter().map(point).collect())
    });
    plot("calls per second", lines, &sides.collect::<Vec<_>>(), &short, false)
}

fn tails(lines: &[Line]) -> String {
    let sides = (0..lines[0].sides.len()).map(|number| {
        let point = |line: &Line| Point::exact(line.sides[number].latency.p999.max(1) as f64);
        (number, lines.iter().map(point).collect())
    });
    let label = |value: f64| time(value as u64);
    plot("p99.9 of a call", lines, &sides.collect::<Vec<_>>(), &label, false)
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
/// Left, top, right and bottom of the plot in the picture.
const FRAME: [f64; 4] = [56.0, 24.0, 350.0, 212.0];

/// A plot over the numbers of threads with a logarithmic axis; `one` marks where both are equal.
fn plot(
    title: &str,
    lines: &[Line],
    sides: &[(usize, Vec<Point>)],
    label: &dyn Fn(f64) -> String,
    one: bool,
) -> String {
    let [left, top, right, bottom] = FRAME;
    let all = || sides.iter().flat_map(|(_, points)| points);
    let known = |value: &f64| value.is_finite() && *value > 0.0;
    let low = all().map(|point| point.least).filter(known).fold(f64::INFINITY, f64::min);
    let high = all().map(|point| point.most).filter(known).fold(0.0, f64::max);
    if !low.is_finite() {
        return String::new();
    }
    let (low, high) = if one { (low.min(1.0), high.max(1.0)) } else { (low, high) };
    let (low, high) = ((low / 1.1).log10(), (high * 1.1).log10());
    let y = |value: f64| {
        let share = (value.max(f64::MIN_POSITIVE).log10() - low) / (high - low);
        bottom - share.clamp(0.0, 1.0) * (bottom - top)
    };
    let step = (right - left) / lines.len() as f64;
    let x = |place: usize, offset: f64| left + (place as f64 + 0.5) * step + offset;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\
         <title>{title}</title><text x=\"{left}\" y=\"14\">{title}</text>\n",
        title = escaped(title)
    );
    for value in ticks(low, high) {
        let (y, label) = (y(value), escaped(&label(value)));
        put(
            &mut svg,
            format_args!(
                "<path class=\"axis\" d=\"M{left} {y:.1}H{right}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
                left - 5.0,
                y + 4.0
            ),
        );
    }
    if one {
        let y = y(1.0);
        put(&mut svg, format_args!("<path class=\"one\" d=\"M{left} {y:.1}H{right}\"/>\n"));
    }
    for (place, line) in lines.iter().enumerate() {
        let plural = if line.threads == 1 { "thread" } else { "threads" };
        put(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{} {plural}</text>\n",
                x(place, 0.0),
                bottom + 18.0,
                line.threads
            ),
        );
    }
    for (order, (number, points)) in sides.iter().enumerate() {
        // Beside each other, so that no bar hides another.
        let offset = (order as f64 - (sides.len() as f64 - 1.0) / 2.0) * 5.0;
        let colour = colour(*number);
        let path = points
            .iter()
            .enumerate()
            .map(|(place, point)| format!("{:.1} {:.1}", x(place, offset), y(point.value)));
        let path = path.collect::<Vec<_>>().join("L");
        put(
            &mut svg,
            format_args!(
                "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\".5\"/>\n"
            ),
        );
        for (place, point) in points.iter().enumerate() {
            let (x, at) = (x(place, offset), y(point.value));
            let (from, to) = (y(point.least), y(point.most));
            put(
                &mut svg,
                format_args!(
                    "<path d=\"M{x:.1} {from:.1}V{to:.1}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{at:.1}\" r=\"3\" fill=\"{colour}\"><title>{}: {}\
                 </title></circle>\n",
                    escaped(&lines[place].sides[*number].name),
                    escaped(&label(point.value))
                ),
            );
        }
    }
    svg + "</svg>\n"
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("a string takes everything");
}

/// Powers of ten between two logarithms, with their halves and fifths if they are few.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high - low < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = low.floor() as i32..=high.ceil() as i32;
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    all.filter(|value| (low..=high).contains(&value.log10())).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::results::Extent;
    use crate::workload;

    #[test]
    fn the_page_needs_nothing_else() {
        let mut workloads = workload::all();
        workloads.truncate(1);
        let extent = Extent { rounds: 2, length: Duration::from_micros(100), threads: &[1, 2] };
        let runs = [Run::measure("a <b>", extent, &workloads, |_| {})];
        let page = page(&runs);
        assert!(page.contains("a &lt;b&gt;") && page.contains("find by uuid"));
        for (name, _) in lacks() {
            assert!(page.contains(name), "{name}");
        }
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        for foreign in ["<script", "http:", "https:", "src=", "NaN", "inf"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(-1.0, 1.0), [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks(0.1, 3.2), [10.0, 100.0, 1000.0]);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}

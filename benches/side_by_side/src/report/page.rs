//! The results as a page with charts, and pictures of the schedulers.

use std::fs;
use std::path::{Path, PathBuf};

use page::{Chart, Page, Part};

use crate::report::json::fault;
use crate::results::Run;

/// The name of the page.
const FILE: &str = "bench.html";

/// The workloads that have pictures by themselves.
const PICTURED: &str = "scheduler";

/// Writes the page and the pictures; returns their paths.
pub(crate) fn write(folder: &Path, runs: &[Run]) -> Result<Vec<PathBuf>, String> {
    let page = folder.join(FILE);
    let text = serde_json::to_string(runs).map_err(|error| fault(&page, &error))?;
    let sections = page::bench::sections(&text, |_| true).map_err(|error| fault(&page, &error))?;
    let version = env!("CARGO_PKG_VERSION");
    let drawn = Page {
        title: format!("provider-tree {version} beside what one would write without it"),
        introduction:
            "What each side guarantees, and what not, is in COMPARE.md. Made by cargo xtask bench."
                .to_owned(),
        sections,
    };
    let html = drawn.to_html().map_err(|error| fault(&page, &error))?;
    fs::write(&page, html).map_err(|error| fault(&page, &error))?;
    let mut written = vec![page];
    let parts = drawn.sections.iter().flat_map(|section| &section.parts);
    for chart in parts.filter_map(pictured) {
        let picture = folder.join(file_name(&chart.title));
        let svg = chart.to_svg().map_err(|error| fault(&picture, &error))?;
        fs::write(&picture, svg).map_err(|error| fault(&picture, &error))?;
        written.push(picture);
    }
    Ok(written)
}

/// Returns the chart that a part is, if it is to have a picture.
fn pictured(part: &Part) -> Option<&Chart> {
    match part {
        Part::Chart(chart) if chart.title.starts_with(PICTURED) => Some(chart),
        _ => None,
    }
}

/// Returns a file's name for a picture with this title.
fn file_name(title: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { ' ' };
    let plain: String = title.chars().map(plain).collect();
    let words: Vec<_> = plain.split_whitespace().collect();
    format!("{}.svg", words.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        let name = file_name("scheduler, a snapshot each 10 ms: calls/s");
        assert_eq!(name, "scheduler-a-snapshot-each-10-ms-calls-s.svg");
    }
}

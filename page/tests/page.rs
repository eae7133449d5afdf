//! What a browser makes of a page.

use page::{Axis, Chart, FIGURES, Page, Part, Scale, Section, Series, Table};
use scraper::{Html, Selector};
use serde_json::Value;

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.to_owned(), scale }
}

fn example() -> Page {
    let line = |name: &str, points: &[(f64, f64)]| Series {
        name: name.to_owned(),
        points: points.to_vec(),
    };
    let chart = Chart {
        title: "Decisions & <claims>".to_owned(),
        x: axis("threads", Scale::Doubling),
        y: axis("per second", Scale::FromZero),
        series: vec![
            line("one </script><b>", &[(1.0, 700_000.0), (2.0, 900_000.0), (16.0, 800_000.0)]),
            line("other", &[(1.0, 500_000.0), (16.0, 1_400_000.0)]),
        ],
    };
    let table = Table {
        caption: "Settings".to_owned(),
        headers: vec!["name".to_owned(), "value".to_owned()],
        rows: vec![vec!["load".to_owned(), "1.3".to_owned()]],
    };
    let parts = vec![Part::Text("A < B".to_owned()), Part::Chart(chart), Part::Table(table)];
    let sections = vec![Section { heading: "Threads".to_owned(), parts }];
    Page { title: "A page".to_owned(), introduction: "About it.".to_owned(), sections }
}

fn select(html: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("the selector is well formed");
    html.select(&selector).map(|element| element.text().collect::<String>()).collect()
}

fn attributes(html: &Html, selector: &str, attribute: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("the selector is well formed");
    let all = html.select(&selector).filter_map(|element| element.attr(attribute));
    all.map(str::to_owned).collect()
}

#[test]
fn text_is_text() {
    let html = Html::parse_document(&example().to_html().expect("the page has points"));
    assert_eq!(select(&html, "title"), ["A page"]);
    assert_eq!(select(&html, "section p"), ["A < B"]);
    assert_eq!(select(&html, "figcaption"), ["Decisions & <claims>"]);
    assert!(select(&html, "b").is_empty());
}

#[test]
fn a_chart_is_drawn_for_two_widths_and_has_its_figures_below() {
    let html = Html::parse_document(&example().to_html().expect("the page has points"));
    assert_eq!(attributes(&html, "figure svg", "viewBox"), ["0 0 800 420", "0 0 360 320"]);
    let labels = attributes(&html, "figure [role=img]", "aria-label");
    assert_eq!(labels.len(), 2);
    assert!(labels.iter().all(|label| label.contains("per second over threads")), "{labels:?}");
    assert_eq!(select(&html, "figure details summary"), ["Figures"]);
    let headers = select(&html, "figure thead th");
    assert_eq!(headers, ["threads", "one </script><b>", "other"]);
    let cells = select(&html, "figure tbody tr:nth-child(2) > *");
    assert_eq!(cells, ["2", "900k", ""], "the other line has no such point");
    assert_eq!(select(&html, ".legend li").len(), 2);
}

#[test]
fn the_figures_are_in_the_page_as_json() {
    let page = example();
    let html = Html::parse_document(&page.to_html().expect("the page has points"));
    let figures = select(&html, &format!("script#{FIGURES}"));
    let figures: Value = serde_json::from_str(&figures[0]).expect("it is JSON");
    let chart = &figures["sections"][0]["parts"][1]["chart"];
    assert_eq!(chart["series"][0]["name"], "one </script><b>");
    assert_eq!(chart["series"][0]["points"][1], serde_json::json!([2.0, 900_000.0]));
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let html = Html::parse_document(&example().to_html().expect("the page has points"));
    for (selector, attribute) in
        [("[src]", "src"), ("link", "href"), ("a", "href"), ("use", "href")]
    {
        for target in attributes(&html, selector, attribute) {
            assert!(target.starts_with('#') || target == "data:,", "{selector}: {target}");
        }
    }
    let scripts = attributes(&html, "script", "type");
    assert!(scripts.iter().all(|kind| kind == "application/json"), "{scripts:?}");
    for place in attributes(&html, "nav a", "href") {
        assert_eq!(select(&html, &place).len(), 1, "{place}");
    }
}

#[test]
fn a_chart_without_points_is_an_error() {
    let mut page = example();
    let Part::Chart(chart) = &mut page.sections[0].parts[1] else { panic!("the second part") };
    chart.series.clear();
    assert!(page.to_html().is_err());
}

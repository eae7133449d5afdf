//! A page as HTML.

use std::fmt::Write;
use std::io;

use crate::chart::{Chart, NARROW, WIDE};
use crate::table::Table;
use crate::{Page, Part, Section};

/// The id of the element with all figures as JSON.
pub const FIGURES: &str = "figures";

const STYLE: &str = include_str!("style.css");

/// Returns a whole page.
pub(crate) fn page(page: &Page) -> io::Result<String> {
    let title = escaped(&page.title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&page.introduction)
    );
    html += &contents(&page.sections);
    for (number, section) in page.sections.iter().enumerate() {
        let heading = escaped(&section.heading);
        html += &format!("<section id=\"section-{number}\">\n<h2>{heading}</h2>\n");
        for part in &section.parts {
            html += &match part {
                Part::Text(text) => format!("<p>{}</p>\n", escaped(text)),
                Part::Chart(chart) => figure(chart)?,
                Part::Table(table) => self::table(table),
            };
        }
        html += "</section>\n";
    }
    let figures = serde_json::to_string(page)?;
    // What would end the element is the only thing that must not stand in it.
    let figures = figures.replace("</", "<\\/").replace("<!--", "<\\u0021--");
    html += &format!(
        "</main>\n<script type=\"application/json\" id=\"{FIGURES}\">{figures}</script>\n\
         </body>\n</html>\n"
    );
    Ok(html)
}

fn contents(sections: &[Section]) -> String {
    let item = |(number, section): (usize, &Section)| {
        format!("<li><a href=\"#section-{number}\">{}</a></li>\n", escaped(&section.heading))
    };
    let items: String = sections.iter().enumerate().map(item).collect();
    format!("<nav aria-label=\"Contents\">\n<ul>\n{items}</ul>\n</nav>\n")
}

fn figure(chart: &Chart) -> io::Result<String> {
    let title = escaped(&chart.title);
    let names: Vec<_> = chart.series.iter().map(|series| &*series.name).collect();
    let label = format!(
        "{}: {} over {}, a line for each of {}. The figures are in the table below.",
        chart.title,
        chart.y.label,
        chart.x.label,
        names.join(", ")
    );
    let label = escaped(&label);
    let drawing = |size, class: &str| -> io::Result<String> {
        let svg = chart.draw(size)?;
        Ok(format!("<div class=\"{class}\" role=\"img\" aria-label=\"{label}\">{svg}</div>\n"))
    };
    let mut legend = String::new();
    for (colour, sign, name) in chart.legend() {
        let name = escaped(name);
        let sign = format!("<span aria-hidden=\"true\" style=\"color:{colour}\">{sign}</span>");
        // Writing to a string does not fail.
        let _ = writeln!(legend, "<li>{sign} {name}</li>");
    }
    let (wide, narrow) = (drawing(WIDE, "wide")?, drawing(NARROW, "narrow")?);
    let table = table(&chart.table());
    Ok(format!(
        "<figure>\n<figcaption>{title}</figcaption>\n<ul class=\"legend\">\n{legend}</ul>\n\
         {wide}{narrow}<details>\n<summary>Figures</summary>\n{table}</details>\n</figure>\n"
    ))
}

fn table(table: &Table) -> String {
    let caption = escaped(&table.caption);
    let header = |text: &String| format!("<th scope=\"col\">{}</th>", escaped(text));
    let headers: String = table.headers.iter().map(header).collect();
    let row = |cells: &Vec<String>| {
        let cell = |(at, text): (usize, &String)| match at {
            0 => format!("<th scope=\"row\">{}</th>", escaped(text)),
            _ => format!("<td>{}</td>", escaped(text)),
        };
        let cells: String = cells.iter().enumerate().map(cell).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(row).collect();
    // It can be scrolled by the keyboard.
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n\
         <caption>{caption}</caption>\n<thead><tr>{headers}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table>\n</div>\n"
    )
}

/// Returns text as it stands in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! Writes pages with charts and tables that need nothing but a browser.
//!
//! A [`Page`] is one file without scripts, and loads nothing: charts are drawn by `plotters` when the page is
//! written, once for a wide and once for a narrow screen, in colours that follow the browser's light or dark
//! theme. Below each chart stand its figures as a table, to be opened by mouse or keyboard, and read by a
//! screen reader. All figures are in the page as JSON too, in the element with the id [`FIGURES`].
#![forbid(unsafe_code)]

pub mod bench;
mod chart;
mod html;
mod table;

use std::io;

use serde::Serialize;

pub use chart::{Axis, Chart, Scale, Series};
pub use html::FIGURES;
pub use table::Table;

/// A page: a title, what it is about, and sections below each other.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// Stands above the page and names it in the browser.
    pub title: String,
    /// What the page is about.
    pub introduction: String,
    /// What it shows, from top to bottom.
    pub sections: Vec<Section>,
}

/// A part of a page with a heading.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Names the section, here and in the contents.
    pub heading: String,
    /// What it is made of, from top to bottom.
    pub parts: Vec<Part>,
}

/// What a section is made of.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A paragraph.
    Text(String),
    /// Lines, with their figures below.
    Chart(Chart),
    /// Figures alone.
    Table(Table),
}

impl Page {
    /// Returns the page as HTML.
    ///
    /// # Errors
    ///
    /// Returns an error if a chart can't be drawn, which has no points or some that are no numbers.
    pub fn to_html(&self) -> io::Result<String> {
        html::page(self)
    }
}

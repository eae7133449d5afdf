//! [`Chart`]: lines over two axes.

use std::io;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

use crate::table::Table;

/// Lines over two axes.
#[derive(Debug, Clone, Serialize)]
pub struct Chart {
    /// Says what the lines are.
    pub title: String,
    /// What goes from left to right.
    pub x: Axis,
    /// What goes up.
    pub y: Axis,
    /// At most [`Chart::MOST`].
    pub series: Vec<Series>,
}

/// What an axis counts.
#[derive(Debug, Clone, Serialize)]
pub struct Axis {
    /// What is counted, with its unit.
    pub label: String,
    /// In which steps.
    pub scale: Scale,
}

/// How an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// In equal steps, over the points.
    Linear,
    /// In equal steps, from 0 on, whatever the points are.
    FromZero,
    /// Each step is twice the one before; for numbers above 0.
    Doubling,
}

/// One line: a name, and points in the order of the x axis.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// Names the line.
    pub name: String,
    /// Places on both axes.
    pub points: Vec<(f64, f64)>,
}

/// The size of a drawing, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) const WIDE: Size = Size { width: 800, height: 420 };
pub(crate) const NARROW: Size = Size { width: 360, height: 320 };

/// Colours that are told apart with any sight (Okabe and Ito), each with a sign of its own.
const COLOURS: [RGBColor; 8] = [
    RGBColor(20, 125, 195),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(140, 140, 140),
    RGBColor(150, 75, 40),
];

/// What a picture by itself has beside and above the chart, in pixels.
const LEGEND: u32 = 190;
const TITLE: u32 = 36;

/// The colours of a picture by itself.
const THEMES: &str = "svg{--ink:#1c1c1e;--grid:#d8d8dc}\
    @media(prefers-color-scheme:dark){svg{--ink:#e8e8ea;--grid:#3c3c42}}";

/// Stand for colours that the theme decides.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);

/// The sign at the points of a line, as it is drawn and as it is written in the legend.
const SIGNS: [char; 3] = ['\u{25cf}', '\u{25b2}', '\u{2715}'];

/// Lines with more points have signs at some of them only.
const MOST_SIGNS: usize = 12;

impl Chart {
    /// The most lines that can be told apart.
    pub const MOST: usize = COLOURS.len();

    /// Returns what names the lines: colour, sign and name.
    pub(crate) fn legend(&self) -> impl Iterator<Item = (String, char, &str)> {
        self.series.iter().enumerate().map(|(at, series)| {
            let RGBColor(red, green, blue) = colour(at);
            let colour = format!("#{red:02x}{green:02x}{blue:02x}");
            (colour, SIGNS[at % SIGNS.len()], &*series.name)
        })
    }

    /// Returns the figures: a row for each place on the x axis, a column for each line.
    pub(crate) fn table(&self) -> Table {
        let mut places: Vec<f64> =
            self.series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let names = self.series.iter().map(|series| series.name.clone());
        let row = |place: f64| {
            let of = |series: &Series| {
                let found = series.points.iter().find(|point| point.0 == place);
                found.map_or(String::new(), |point| number(point.1))
            };
            [number(place)].into_iter().chain(self.series.iter().map(of)).collect()
        };
        Table {
            caption: format!("{}: {}", self.title, self.y.label),
            headers: [self.x.label.clone()].into_iter().chain(names).collect(),
            rows: places.into_iter().map(row).collect(),
        }
    }

    /// Returns the chart as an SVG element whose colours are those of the page.
    pub(crate) fn draw(&self, size: Size) -> io::Result<String> {
        let mut svg = String::new();
        {
            let backend = SVGBackend::with_string(&mut svg, (size.width, size.height));
            let area = backend.into_drawing_area();
            self.draw_on(&area, size).map_err(io::Error::other)?;
            area.present().map_err(io::Error::other)?;
        }
        Ok(themed(&svg))
    }

    /// Returns the chart as a picture by itself, with its title and its legend, in colours that follow the
    /// theme of who shows it.
    ///
    /// # Errors
    ///
    /// Returns an error if the chart has no points or some that are no numbers.
    pub fn to_svg(&self) -> io::Result<String> {
        let mut svg = String::new();
        {
            let size = (WIDE.width + LEGEND, WIDE.height + TITLE);
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let (title, below) = area.split_vertically(TITLE);
            let (chart, legend) = below.split_horizontally(WIDE.width);
            let font = |size: u32| ("sans-serif", size).into_font();
            let text = |area: &DrawingArea<_, Shift>, text: &str, size, at| {
                area.draw(&Text::new(text.to_owned(), at, font(size).color(&INK)))
                    .map_err(io::Error::other)
            };
            text(&title, &self.title, 18, (12, 10))?;
            self.draw_on(&chart, WIDE).map_err(io::Error::other)?;
            for (at, series) in self.series.iter().enumerate() {
                let top = 12 + 22 * at as i32;
                let sign = SIGNS[at % SIGNS.len()].to_string();
                let its = colour(at);
                let sign = Text::new(sign, (8, top), font(14).color(&its));
                legend.draw(&sign).map_err(io::Error::other)?;
                text(&legend, &series.name, 14, (28, top))?;
            }
            area.present().map_err(io::Error::other)?;
        }
        let svg = themed(&svg);
        // Who loads it as a picture has no page around it that says which colours there are.
        let begin = svg.find('>').map_or(0, |end| end + 1);
        let (head, rest) = svg.split_at(begin);
        Ok(format!("{head}\n<style>{THEMES}</style>{rest}"))
    }

    fn draw_on<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        size: Size,
    ) -> Result<(), String>
    where
        B::ErrorType: 'static,
    {
        let say = |error: DrawingAreaErrorKind<B::ErrorType>| error.to_string();
        let x_range = self.range(|point| point.0, &self.x)?;
        let y_range = self.range(|point| point.1, &self.y)?;
        let is_narrow = size.width < 500;
        let text = ("sans-serif", if is_narrow { 12 } else { 14 }).into_font().color(&INK);
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(if is_narrow { 36 } else { 42 })
            .y_label_area_size(if is_narrow { 52 } else { 66 })
            .build_cartesian_2d(x_range.clone(), y_range.clone())
            .map_err(say)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text.clone())
            .axis_desc_style(text)
            .x_desc(&*self.x.label)
            .y_desc(&*self.y.label)
            .x_labels(self.x.scale.labels(&x_range, if is_narrow { 5 } else { 9 }))
            .y_labels(self.y.scale.labels(&y_range, 7))
            .x_label_formatter(&|at| self.x.scale.label(*at))
            .y_label_formatter(&|at| self.y.scale.label(*at))
            .draw()
            .map_err(say)?;
        for (at, series) in self.series.iter().enumerate() {
            let style = colour(at).stroke_width(2);
            let points = series.points.iter();
            let points: Vec<_> =
                points.map(|&(x, y)| (self.x.scale.to(x), self.y.scale.to(y))).collect();
            let every = points.len().div_ceil(MOST_SIGNS).max(1);
            // Lines begin with their signs at different places, so that all of them are seen.
            let signs = points.iter().copied().skip(at * every / self.series.len()).step_by(every);
            let signs: Vec<_> = signs.collect();
            chart.draw_series(LineSeries::new(points, style)).map_err(say)?;
            let filled = colour(at).filled();
            match at % SIGNS.len() {
                0 => chart.draw_series(signs.into_iter().map(|at| Circle::new(at, 4, filled))),
                1 => {
                    let signs = signs.into_iter().map(|at| TriangleMarker::new(at, 5, filled));
                    chart.draw_series(signs)
                }
                _ => chart.draw_series(signs.into_iter().map(|at| Cross::new(at, 4, style))),
            }
            .map_err(say)?;
        }
        Ok(())
    }

    /// Returns from where to where an axis goes.
    fn range(&self, of: impl Fn(&(f64, f64)) -> f64, axis: &Axis) -> Result<Range<f64>, String> {
        let values = self.series.iter().flat_map(|series| &series.points).map(of);
        let values: Vec<_> = values.map(|value| axis.scale.to(value)).collect();
        let mut values = values.into_iter();
        let first = values.next().ok_or_else(|| format!("{}: no points", self.title))?;
        let (least, most) =
            values.fold((first, first), |(least, most), it| (least.min(it), most.max(it)));
        if !(least.is_finite() && most.is_finite()) {
            return Err(format!("{}: {} has a point that is no number", self.title, axis.label));
        }
        let least = if axis.scale == Scale::FromZero { least.min(0.0) } else { least };
        let room = match (most - least) * 0.03 {
            room if room > 0.0 => room,
            _ => 0.5,
        };
        Ok(match axis.scale {
            Scale::FromZero => least..most + room,
            Scale::Linear | Scale::Doubling => least - room..most + room,
        })
    }
}

/// Returns a drawing with the colours that the theme decides in place of those that stand for them.
fn themed(svg: &str) -> String {
    svg.replace("#010101", "var(--ink)").replace("#020202", "var(--grid)")
}

impl Scale {
    /// Returns the place of a number on the axis.
    fn to(self, number: f64) -> f64 {
        match self {
            Self::Linear | Self::FromZero => number,
            Self::Doubling => number.log2(),
        }
    }

    /// Returns how many labels an axis has that has room for so many.
    fn labels(self, range: &Range<f64>, most: usize) -> usize {
        match self {
            Self::Linear | Self::FromZero => most,
            Self::Doubling => most.min((range.end - range.start) as usize + 1),
        }
    }

    /// Returns what stands at a place: nothing between two steps that double.
    fn label(self, place: f64) -> String {
        match self {
            Self::Linear | Self::FromZero => number(place),
            Self::Doubling if (place - place.round()).abs() > 0.01 => String::new(),
            Self::Doubling => number(place.exp2()),
        }
    }
}

fn colour(at: usize) -> RGBColor {
    COLOURS[at % COLOURS.len()]
}

/// Writes a number with as many digits as tell something.
fn number(number: f64) -> String {
    let size = number.abs();
    let text = match size {
        _ if size >= 1e6 => return format!("{}M", trimmed(&format!("{:.2}", number / 1e6))),
        _ if size >= 1e4 => return format!("{}k", trimmed(&format!("{:.1}", number / 1e3))),
        _ if size >= 100.0 => format!("{number:.0}"),
        _ if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    };
    trimmed(&text).to_owned()
}

/// Returns a number without zeros that say nothing.
fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_tell_something() {
        for (value, text) in [
            (0.0, "0"),
            (0.16, "0.16"),
            (93.14, "93.14"),
            (100.0, "100"),
            (719_294.0, "719.3k"),
            (1_435_014.0, "1.44M"),
            (16.0, "16"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let axis = |scale| Axis { label: "axis".to_owned(), scale };
        let series = vec![Series { name: "line".to_owned(), points }];
        Chart {
            title: "chart".to_owned(),
            x: axis(Scale::Doubling),
            y: axis(Scale::FromZero),
            series,
        }
    }

    #[test]
    fn a_chart_without_points_or_with_such_that_are_no_numbers_is_refused() {
        assert!(chart(vec![(1.0, 2.0), (16.0, 3.0)]).draw(WIDE).is_ok());
        assert!(chart(vec![(1.0, 2.0)]).draw(NARROW).is_ok(), "one point has a place");
        for points in [vec![], vec![(0.0, 1.0)], vec![(1.0, f64::NAN)], vec![(-1.0, 1.0)]] {
            assert!(chart(points.clone()).draw(WIDE).is_err(), "{points:?}");
        }
    }

    #[test]
    fn a_picture_by_itself_has_title_legend_and_themes() {
        let svg = chart(vec![(1.0, 2.0), (16.0, 3.0)]).to_svg().expect("it has points");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for text in ["\nchart\n", "\nline\n", "prefers-color-scheme", "var(--ink)"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(chart(Vec::new()).to_svg().is_err());
    }

    #[test]
    fn colours_are_those_of_the_theme() {
        let svg = chart(vec![(1.0, 2.0), (16.0, 3.0)]).draw(WIDE).expect("it has points");
        assert!(svg.contains("var(--ink)") && svg.contains("var(--grid)"));
        assert!(!svg.contains("#010101") && !svg.contains("#FFFFFF"), "{svg}");
    }
}

//! Comma separated lines under a header.

use std::collections::HashMap;

use super::problem::{Parsed, Place, Reason};

/// The columns that a file of one kind has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
}

impl Columns {
    fn find(self, field: &str) -> Option<&'static str> {
        self.required.iter().chain(self.optional).find(|&&name| name == field).copied()
    }
}

/// A text with a checked header.
pub(super) struct Table<'a> {
    columns: HashMap<&'static str, usize>,
    width: usize,
    body: &'a str,
}

impl<'a> Table<'a> {
    pub(super) fn new(text: &'a str, known: Columns) -> Parsed<Table<'a>> {
        let (header, body) = text.split_once('\n').unwrap_or((text, ""));
        let header = header.strip_suffix('\r').unwrap_or(header);
        check_presence(text, header, known)?;
        let mut columns = HashMap::new();
        let mut width = 0;
        for (column, field) in fields(header) {
            let place = Place::new(1, column);
            let name = known.find(field).ok_or_else(|| (place, unknown(field)))?;
            if columns.insert(name, width).is_some() {
                return Err((place, Reason::RepeatedColumn(name)));
            }
            width += 1;
        }
        let end = Place::new(1, header.chars().count() + 1);
        match known.required.iter().find(|&name| !columns.contains_key(name)) {
            Some(name) => Err((end, Reason::MissingColumn(name))),
            None => Ok(Table { columns, width, body }),
        }
    }

    /// Returns the rows. Blank lines are passed over but counted.
    pub(super) fn rows(&self) -> impl Iterator<Item = Parsed<Row<'_>>> {
        let numbered = self.body.lines().zip(2..);
        numbered.filter(|(text, _)| !is_blank(text)).map(|(text, line)| self.row(text, line))
    }

    fn row<'r>(&'r self, text: &'r str, line: usize) -> Parsed<Row<'r>> {
        let fields: Vec<_> = fields(text).collect();
        if let Some(&(column, _)) = fields.iter().find(|(_, field)| field.starts_with('"')) {
            return Err((Place::new(line, column), Reason::Quoted));
        }
        if fields.len() != self.width {
            // The first field too many, or where the next one is missing.
            let end = text.chars().count() + 1;
            let column = fields.get(self.width).map_or(end, |&(column, _)| column);
            let reason = Reason::FieldCount { expected: self.width, found: fields.len() };
            return Err((Place::new(line, column), reason));
        }
        Ok(Row { line, fields, columns: &self.columns })
    }

    /// Returns what is wrong with a table that has no rows.
    pub(super) fn without_rows(&self) -> (Place, Reason) {
        (Place::new(1 + self.body.lines().count(), 1), Reason::NoRows)
    }
}

/// Checks that there is a header at all: not nothing, a blank line or the first row instead.
fn check_presence(text: &str, header: &str, known: Columns) -> Parsed<()> {
    let columns = known.required;
    let reason = if text.is_empty() {
        Reason::EmptyFile
    } else if is_blank(header) {
        Reason::BlankHeader { columns }
    } else if !fields(header).any(|(_, field)| known.find(field).is_some()) {
        Reason::NoHeader { columns, found: header.to_owned() }
    } else {
        return Ok(());
    };
    Err((Place::new(1, 1), reason))
}

fn unknown(field: &str) -> Reason {
    match is_blank(field) {
        true => Reason::UnnamedColumn,
        false => Reason::UnknownColumn(field.to_owned()),
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Returns the fields of a line, each with its column.
fn fields(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut column = 1;
    line.split(',').map(move |field| {
        let start = column;
        column += field.chars().count() + 1;
        (start, field)
    })
}

/// A line that has as many fields as the header.
pub(super) struct Row<'a> {
    pub(super) line: usize,
    fields: Vec<(usize, &'a str)>,
    columns: &'a HashMap<&'static str, usize>,
}

impl<'a> Row<'a> {
    /// Returns the text of a column; empty when the file does not have the column.
    pub(super) fn text(&self, column: &'static str) -> &'a str {
        self.columns.get(column).map_or("", |&index| self.fields[index].1)
    }

    pub(super) fn name(&self, column: &'static str) -> Parsed<&'a str> {
        match self.text(column) {
            "" => Err(self.problem(column, Reason::NoName)),
            name => Ok(name),
        }
    }

    pub(super) fn number(&self, column: &'static str, least: u32, most: u32) -> Parsed<u32> {
        let text = self.text(column);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.problem(column, Reason::NotANumber(text.to_owned())));
        }
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.problem(column, Reason::OutOfRange { least, most }))
    }

    pub(super) fn problem(&self, column: &'static str, reason: Reason) -> (Place, Reason) {
        let at = self.columns.get(column).map_or(1, |&index| self.fields[index].0);
        (Place { line: self.line, column: at, field: Some(column) }, reason)
    }
}

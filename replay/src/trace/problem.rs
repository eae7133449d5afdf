//! Why a file can't be used, and where in it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::STANDARD_INPUT;
use crate::quote::{quote, visible};
use crate::shape::Models;

/// Why a file can't be used, and where in it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) file: PathBuf,
    pub(super) place: Option<Place>,
    pub(super) reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", shown(&self.file))?;
        if let Some(Place { line, column, field }) = self.place {
            write!(formatter, "{line}:{column}:")?;
            if let Some(field) = field {
                write!(formatter, " {field}:")?;
            }
        }
        write!(formatter, " {}", self.reason)
    }
}

impl std::error::Error for Problem {}

/// Returns a file's name as messages show it.
pub(crate) fn shown(file: &Path) -> String {
    match file.to_str() {
        Some(STANDARD_INPUT) => "<standard input>".to_owned(),
        _ => visible(&file.to_string_lossy()),
    }
}

/// A position in a file, from 1, and the name of the column that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) field: Option<&'static str>,
}

impl Place {
    /// Returns a position that is in no column of the table.
    pub(super) fn new(line: usize, column: usize) -> Self {
        Self { line, column, field: None }
    }
}

/// A reason and its place; the file is added where it is known.
pub(super) type Parsed<T> = Result<T, (Place, Reason)>;

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Unreadable(String),
    Compressed,
    NotText,
    EmptyFile,
    BlankHeader { columns: &'static [&'static str] },
    NoHeader { columns: &'static [&'static str], found: String },
    NoRows,
    MissingColumn(&'static str),
    NoTimes(&'static str),
    UnknownColumn(String),
    UnnamedColumn,
    RepeatedColumn(&'static str),
    FieldCount { expected: usize, found: usize },
    Quoted,
    NoName,
    SlashInName(String),
    LongName { name: String, most: usize },
    RepeatedName { name: String, line: usize },
    NotANumber(String),
    OutOfRange { least: u32, most: u32 },
    ShareWithoutGpu,
    AsksForNothing,
    BadModel { model: String, why: String },
    TooManyModels,
    TooManyProviders { most: u64 },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(formatter, "can't be read: {why}"),
            Self::Compressed => write!(
                formatter,
                "compressed: unpack it, or give `-` for the file and pipe the unpacked text in"
            ),
            Self::NotText => write!(formatter, "not UTF-8 text"),
            Self::EmptyFile => write!(formatter, "the file is empty"),
            Self::BlankHeader { columns } => {
                let columns = columns.join(",");
                write!(formatter, "the header is missing: a blank line instead of {columns}")
            }
            Self::NoHeader { columns, found } => {
                let (columns, found) = (columns.join(","), quote(found));
                write!(formatter, "the header is missing: `{found}` instead of {columns}")
            }
            Self::NoRows => write!(formatter, "no rows below the header"),
            Self::MissingColumn(name) => write!(formatter, "the header has no column `{name}`"),
            Self::NoTimes(name) => write!(
                formatter,
                "the header has no column `{name}`: --trace-time needs the times of the tasks"
            ),
            Self::UnknownColumn(name) => write!(formatter, "unknown column `{}`", quote(name)),
            Self::UnnamedColumn => write!(formatter, "a column of the header has no name"),
            Self::RepeatedColumn(name) => write!(formatter, "column `{name}` appears twice"),
            Self::FieldCount { expected, found } => {
                write!(formatter, "{found} fields where the header has {expected}")
            }
            Self::Quoted => write!(formatter, "quoted fields are not part of this format"),
            Self::NoName => write!(formatter, "the name is empty"),
            Self::SlashInName(name) => {
                let name = quote(name);
                write!(formatter, "`/` in `{name}`: it separates a node's name from its GPUs'")
            }
            Self::LongName { name, most } => write!(
                formatter,
                "`{}` is too long: at most {most} bytes, with room for what --scale and GPUs add",
                quote(name)
            ),
            Self::RepeatedName { name, line } => {
                write!(formatter, "`{}` was already defined in line {line}", quote(name))
            }
            Self::NotANumber(text) => write!(formatter, "`{}` is not a whole number", quote(text)),
            Self::OutOfRange { least, most } => {
                write!(formatter, "must be between {least} and {most}")
            }
            Self::ShareWithoutGpu => write!(formatter, "a share without a GPU"),
            Self::AsksForNothing => write!(formatter, "the task asks for nothing"),
            Self::BadModel { model, why } => write!(formatter, "`{}`: {why}", quote(model)),
            Self::TooManyModels => {
                write!(formatter, "more than {} different GPU models", Models::MOST)
            }
            Self::TooManyProviders { most } => {
                write!(formatter, "more than {most} nodes and GPUs, counted with --scale")
            }
        }
    }
}

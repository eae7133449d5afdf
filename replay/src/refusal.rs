//! Why nothing is replayed although the options are well formed.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::memory::Shortage;
use crate::quote::{quote, visible};
use crate::trace::{Problem, shown};
use crate::workload::Source;

/// What the tool is asked for makes no sense, or more than it may take.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A file can't be used.
    File(Problem),
    /// Every task asks for something that no node has any of.
    NothingShared { lacking: String },
    /// The load is below that of a single task.
    NothingLeft { load: f64, listed: usize },
    /// The tasks can't reach the load in any reasonable number.
    TooManyTasks { load: f64, expected: u64, most: u64, each: u64 },
    /// No node has room for a task, even when it is empty.
    NothingFits { tasks: usize },
    /// No listed task has a time at which it comes and a later one at which it goes.
    NothingTimed { tasks: usize },
    /// The run would take more memory than there is.
    Memory(Shortage),
    /// The system does not start as many threads as are asked for.
    Threads { wanted: usize, started: usize, error: io::Error },
    /// One of several task lists is the reason.
    InList { file: String, refusal: Box<Refusal> },
    /// A file can't be opened that is to be written.
    Output { file: PathBuf, why: String },
    /// A file is not what `cargo xtask bench` writes.
    Bench { file: PathBuf, why: String },
    /// A file was not made by `--keep`, which would append to it.
    NotKept { file: PathBuf, line: usize, why: String },
}

impl Refusal {
    /// Returns what makes of an error the refusal of a file that is to be written.
    pub(crate) fn of_output(file: &Path) -> impl Fn(io::Error) -> Self {
        |error| Self::Output { file: file.to_owned(), why: error.to_string() }
    }

    /// Returns the refusal with the list's name, if it is one of several and does not have it.
    pub(crate) fn in_list(self, source: &Source, lists: usize) -> Self {
        match self {
            Self::File(_) => self,
            _ if lists < 2 => self,
            _ => Self::InList { file: source.file.clone(), refusal: Box::new(self) },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => problem.fmt(formatter),
            Self::NothingShared { lacking } => write!(formatter, "no task can run: {lacking}"),
            Self::NothingLeft { load, listed } => {
                write!(
                    formatter,
                    "a load of {load} leaves no task (listed: {listed}): raise --load"
                )
            }
            Self::TooManyTasks { load, expected, most, each } => write!(
                formatter,
                "a load of {load} takes some {expected} tasks, more than {most}, which is {each} for \
                 each node and each listed task: lower --load, or list more tasks"
            ),
            Self::NothingFits { tasks } => {
                write!(formatter, "none of the {tasks} tasks fits on any node, even an empty one")
            }
            Self::NothingTimed { tasks } => write!(
                formatter,
                "none of the {tasks} tasks has a creation_time and a later deletion_time"
            ),
            Self::Memory(shortage) => shortage.fmt(formatter),
            Self::Threads { wanted, started, error } => write!(
                formatter,
                "only {started} of {wanted} threads could be started: lower --threads ({error})"
            ),
            Self::InList { file, refusal } => {
                write!(formatter, "{}: {refusal}", shown(file.as_ref()))
            }
            Self::Output { file, why } => {
                write!(formatter, "{}: can't be written: {why}", visible(&file.to_string_lossy()))
            }
            Self::Bench { file, why } => {
                let (file, why) = (visible(&file.to_string_lossy()), quote(why));
                write!(formatter, "{file}: no figures of `cargo xtask bench`: {why}")
            }
            Self::NotKept { file, line, why } => {
                let (file, why) = (visible(&file.to_string_lossy()), quote(why));
                write!(
                    formatter,
                    "{file}:{line}: not a finished run of `replay table --keep`: {why}"
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::File(problem)
    }
}

impl From<Shortage> for Refusal {
    fn from(shortage: Shortage) -> Self {
        Self::Memory(shortage)
    }
}

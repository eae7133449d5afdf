//! Why there is no report.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use provider_tree::Error;

use crate::quote::visible;
use crate::refusal::Refusal;
use crate::workload::Source;

/// The audit, or the run itself, failed.
pub(crate) const VIOLATED: u8 = 1;

/// A file is bad, or what is asked for is refused. Bad options end with the same code, in the option
/// parser.
const BAD_INPUT: u8 = 2;

/// Why there is no report.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    BrokenOff(Error),
    /// A file that was opened can't be written.
    Unwritable {
        file: PathBuf,
        error: io::Error,
    },
    /// The report itself can't be printed.
    Unprintable(io::Error),
}

impl Failure {
    /// Returns the failure with the name of the list that is refused, if it is one of several.
    pub(crate) fn in_list(self, source: &Source, lists: usize) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.in_list(source, lists)),
            other => other,
        }
    }

    /// Says what it is and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(match self {
            Self::Refused(_) => BAD_INPUT,
            _ => VIOLATED,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::BrokenOff(error) => write!(formatter, "the run was broken off: {error}"),
            Self::Unwritable { file, error } => {
                write!(formatter, "{}: can't be written: {error}", visible(&file.to_string_lossy()))
            }
            Self::Unprintable(error) => write!(formatter, "the report can't be printed: {error}"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::BrokenOff(error)
    }
}

//! [`Failure`]: why a command was not done.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use provider_tree_cluster::Error;
use provider_tree_cluster::log::LogError;

use crate::quote::visible;

/// Something failed, or does not hold.
pub(crate) const FAILED: u8 = 1;

/// The usage is wrong, or a file can't be read. The option parser ends with the same code.
const USAGE: u8 = 2;

/// Says in one sentence why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Failure { code: FAILED, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure { code: USAGE, text: text.into() }
    }

    /// Returns what makes the failure of a file that can't be read.
    pub(crate) fn unreadable<E: fmt::Display>(file: &Path) -> impl FnOnce(E) -> Self {
        let file = visible(&file.to_string_lossy());
        move |error| Failure::usage(format!("{file}: can't be read: {error}"))
    }

    /// Returns what makes the failure of a file that can't be written.
    pub(crate) fn unwritable<E: fmt::Display>(file: &Path) -> impl FnOnce(E) -> Self {
        let file = visible(&file.to_string_lossy());
        move |error| Failure::failed(format!("{file}: can't be written: {error}"))
    }

    /// Returns the failure of a command that can't say what it has to.
    pub(crate) fn unprintable(error: impl fmt::Display) -> Self {
        Failure::failed(format!("standard output can't be written: {error}"))
    }

    /// Says what it is and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.text);
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Log(error) => error.into(),
            error => Failure::failed(error.to_string()),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Options { .. } => Failure::usage(error.to_string()),
            _ => Failure::failed(error.to_string()),
        }
    }
}

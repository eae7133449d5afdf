//! [`Output`]: a file that is written when everything is done.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::refusal::Refusal;

/// A file that is there from the beginning, so that what can't be written is refused then.
pub(crate) struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    /// Creates the file.
    pub(crate) fn create(path: &Path) -> Result<Self, Refusal> {
        let file = File::create(path);
        let refusal =
            |error: io::Error| Refusal::Output { file: path.to_owned(), why: error.to_string() };
        Ok(Self { path: path.to_owned(), file: file.map_err(refusal)? })
    }

    /// Writes what is made only now.
    pub(crate) fn write(
        mut self,
        text: impl FnOnce() -> io::Result<String>,
    ) -> Result<(), Failure> {
        let written = text().and_then(|text| self.file.write_all(text.as_bytes()));
        written.map_err(|error| Failure::Unwritable { file: self.path, error })
    }
}

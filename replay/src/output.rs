//! [`Output`]: a file that is written when everything is done.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::refusal::Refusal;

/// A file that is opened at the beginning, so that what can't be written is refused then, and that stays
/// as it is until everything is done.
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    /// Whether it was made for this, and nothing was written to it.
    is_empty: bool,
}

impl Output {
    /// Opens the file, which need not be there.
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        let is_empty = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(Refusal::of_output(path))?;
        Ok(Self { path: path.to_owned(), file, is_empty })
    }

    /// Writes what is made only now, in the place of what is there.
    pub(crate) fn write(
        mut self,
        text: impl FnOnce() -> io::Result<String>,
    ) -> Result<(), Failure> {
        let written = text().and_then(|text| {
            self.is_empty = false;
            // A device has no length to set.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        });
        written.map_err(|error| Failure::Unwritable { file: self.path.clone(), error })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_empty {
            // What can't be removed is an empty file more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

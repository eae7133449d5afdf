//! The file in which finished runs are kept: a line of JSON for each.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::fingerprint::fingerprint;
use crate::refusal::Refusal;
use crate::report::Run;
use crate::workload::Source;

/// A file of finished runs, and what is of use in it.
#[derive(Debug)]
pub(super) struct Keep {
    file: PathBuf,
    handle: File,
    /// The program that runs.
    build: String,
    runs: HashMap<Key, Run>,
}

/// What distinguishes a run from all others of one build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) nodes: Source,
    pub(super) tasks: Source,
    pub(super) policy: String,
    pub(super) threads: usize,
    pub(super) load: f64,
    pub(super) scale: u32,
    pub(super) seed: u64,
}

/// An identity without the lists' names: policy, what is in the lists, threads, load, scale, seed.
type Key = (String, [String; 2], usize, u64, u32, u64);

impl Identity {
    fn key(&self) -> Key {
        let content = [&self.nodes, &self.tasks].map(|source| source.content.clone());
        let load = self.load.to_bits();
        (self.policy.clone(), content, self.threads, load, self.scale, self.seed)
    }
}

/// A line of the file. It begins with the version and the build, which alone are read of a line of others.
#[derive(Serialize, Deserialize)]
struct Line<Run> {
    replay: String,
    build: String,
    of: Identity,
    run: Run,
}

/// The part of a line that every version writes.
#[derive(Deserialize)]
struct AnyLine {
    replay: String,
    #[serde(default)]
    build: String,
}

/// How every line begins.
const START: &[u8] = b"{\"replay\":\"";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the fingerprint of the program that runs: a policy that was edited makes another one.
pub(super) fn build() -> io::Result<String> {
    fs::read(env::current_exe()?).map(fingerprint)
}

impl Keep {
    /// Opens the file, which need not be there yet, and reads what this build has kept. A last line that has
    /// no end was cut off when it was written, and is gone.
    pub(super) fn open(file: &Path, build: String) -> Result<Self, Refusal> {
        let refusal = Refusal::of_output(file);
        let handle = open(file).map_err(&refusal)?;
        let mut lines = BufReader::new(&handle);
        let (mut runs, mut end) = (HashMap::new(), 0);
        for number in 1.. {
            let mut line = Vec::new();
            let length = lines.read_until(b'\n', &mut line).map_err(&refusal)?;
            let kept = parse(&line, &build);
            let kept =
                kept.map_err(|why| Refusal::NotKept { file: file.to_owned(), line: number, why })?;
            if !line.ends_with(b"\n") {
                break;
            }
            end += length as u64;
            runs.extend(kept);
        }
        handle.set_len(end).map_err(&refusal)?;
        (&handle).seek(SeekFrom::End(0)).map_err(&refusal)?;
        Ok(Self { file: file.to_owned(), handle, build, runs })
    }

    /// Returns the run that is kept, if it is.
    pub(super) fn find(&self, identity: &Identity) -> Option<&Run> {
        self.runs.get(&identity.key())
    }

    /// Keeps a run.
    pub(super) fn add(&mut self, identity: &Identity, run: &Run) -> Result<(), Failure> {
        let (replay, build) = (VERSION.to_owned(), self.build.clone());
        let line = Line { replay, build, of: identity.clone(), run };
        let written = serde_json::to_string(&line).map_err(io::Error::from);
        let written = written.and_then(|line| self.handle.write_all((line + "\n").as_bytes()));
        written.map_err(|error| Failure::Unwritable { file: self.file.clone(), error })
    }
}

/// Opens a file that nobody else has open here.
fn open(file: &Path) -> io::Result<File> {
    let handle = File::options().read(true).write(true).create(true).truncate(false).open(file)?;
    if !handle.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    match handle.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another replay is writing to it")),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(handle),
    }
}

/// Returns the run of a line; `None` if the line is not of use. Refuses what `--keep` has not written.
fn parse(line: &[u8], this_build: &str) -> Result<Option<(Key, Run)>, String> {
    let common = START.len().min(line.len());
    if line[..common] != START[..common] {
        return Err("it does not begin like one".to_owned());
    }
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    let AnyLine { replay, build } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if (&*replay, &*build) != (VERSION, this_build) {
        return Ok(None);
    }
    let line: Line<Run> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(Some((line.of.key(), line.run)))
}

#[cfg(test)]
mod tests;

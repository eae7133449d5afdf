//! [`Disk`]: a disk in memory that fails where it is told to.

use std::fmt;
use std::io::{self, Error, ErrorKind};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use redb::{Database, StorageBackend};

use crate::log::LogError;
use crate::log::local::store;

/// What is written as a whole or not at all.
const SECTOR: usize = 512;

/// Says how a disk fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// A write fails, and has written nothing.
    Write,
    /// A write fails, and has written a part.
    Torn,
    /// A sync fails, and what it was to make durable is durable in part, and forgotten.
    Sync,
    /// A read fails.
    Read,
    /// The power fails: nothing works any more.
    Power,
}

pub(super) const FAILURES: [Failure; 5] =
    [Failure::Write, Failure::Torn, Failure::Sync, Failure::Read, Failure::Power];

/// Represents a disk. Clones share it.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Content>>);

struct Content {
    random: Rng,
    /// What is read.
    seen: Vec<u8>,
    /// What survives.
    durable: Vec<u8>,
    /// What the next sync makes durable.
    pending: Vec<Change>,
    /// How, and after how many more calls of that kind.
    failure: Option<(Failure, usize)>,
    has_failed: bool,
    has_power: bool,
    /// How many bytes have room.
    room: usize,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    pub(super) fn new(seed: u64) -> Disk {
        Disk::with(Rng::with_seed(seed), Vec::new())
    }

    /// Fails so after that many calls of the kind.
    pub(super) fn fail(&self, failure: Failure, after: usize) {
        self.change(|content| content.failure = Some((failure, after)));
    }

    /// Has room for so many bytes.
    pub(super) fn has_room(&self, room: usize) {
        self.change(|content| content.room = room);
    }

    pub(super) fn length(&self) -> usize {
        self.change(|content| content.seen.len())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.change(|content| content.has_failed)
    }

    /// Returns the disk as it is after the machine has gone down.
    pub(super) fn crash(&self) -> Disk {
        self.change(|content| {
            content.lose_some();
            Disk::with(content.random.fork(), content.durable.clone())
        })
    }

    /// Opens the database that is on the disk.
    pub(super) fn open(&self) -> Result<Database, LogError> {
        self.change(|content| {
            // As `forget_unfinished` has it.
            if content.has_power && store::is_unfinished(&content.seen[..content.seen.len().min(8)])
            {
                content.seen.clear();
                content.pending.push(Change::Length(0));
            }
        });
        store::open_database(|builder| builder.create_with_backend(self.clone()))
    }

    fn with(random: Rng, bytes: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(Content {
            random,
            seen: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
            failure: None,
            has_failed: false,
            has_power: true,
            room: usize::MAX,
        })))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Content) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl Content {
    /// Returns whether it is now that the disk fails so.
    fn fails(&mut self, failure: Failure) -> io::Result<bool> {
        if !self.has_power {
            return Err(broken());
        }
        match &mut self.failure {
            Some((planned, 0)) if *planned == failure => {
                self.failure = None;
                self.has_failed = true;
                Ok(true)
            }
            Some((planned, after)) if *planned == failure => {
                *after -= 1;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn make(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    /// Makes some of what is pending durable, and forgets the rest.
    fn lose_some(&mut self) {
        let all = self.random.u8(0..4) == 0;
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write(offset, bytes) if !all => {
                    for (sector, bytes) in bytes.chunks(SECTOR).enumerate() {
                        if self.random.bool() {
                            let change = Change::Write(offset + sector * SECTOR, bytes.to_vec());
                            apply(&mut self.durable, &change);
                        }
                    }
                }
                Change::Length(_) if !all && self.random.bool() => {}
                change => apply(&mut self.durable, &change),
            }
        }
    }

    fn lose_power(&mut self) -> io::Result<()> {
        if self.fails(Failure::Power)? {
            self.has_power = false;
            return Err(broken());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.change(|content| {
            if content.fails(Failure::Read)? {
                return Err(broken());
            }
            let offset = offset as usize;
            let bytes = content.seen.get(offset..offset + out.len());
            out.copy_from_slice(bytes.ok_or(Error::from(ErrorKind::UnexpectedEof))?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(|content| {
            content.lose_power()?;
            if content.fails(Failure::Write)? {
                return Err(broken());
            }
            content.make(Change::Length(length as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|content| {
            content.lose_power()?;
            if content.fails(Failure::Sync)? {
                content.lose_some();
                return Err(broken());
            }
            for change in std::mem::take(&mut content.pending) {
                apply(&mut content.durable, &change);
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|content| {
            content.lose_power()?;
            if content.fails(Failure::Write)? {
                return Err(broken());
            }
            let offset = offset as usize;
            if content.fails(Failure::Torn)? {
                let part = content.random.usize(0..=bytes.len());
                content.make(Change::Write(offset, bytes[..part].to_vec()));
                return Err(broken());
            }
            if offset + bytes.len() > content.room {
                let part = content.room.saturating_sub(offset);
                content.make(Change::Write(offset, bytes[..part].to_vec()));
                content.has_failed = true;
                return Err(ErrorKind::StorageFull.into());
            }
            content.make(Change::Write(offset, bytes.to_vec()));
            Ok(())
        })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

fn apply(to: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let end = offset + bytes.len();
            if to.len() < end {
                to.resize(end, 0);
            }
            to[*offset..end].copy_from_slice(bytes);
        }
        Change::Length(length) => to.resize(*length, 0),
    }
}

fn broken() -> Error {
    Error::other("the disk is broken")
}

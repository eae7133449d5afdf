//! What an entry of the log says, and how that is written.
//!
//! The first byte of an entry is the version of the format, the rest is [`postcard`]:
//!
//! ```text
//! entry    := version: u8, basis: varint, content
//! content  := 0, commands            the last part of a group of commands, or all of it
//!           | 1, bytes               a part of a group of commands, which goes on in the next entry
//!           | 2, position: varint, bytes: varint    a dump of so many bytes is stored that has all
//!                                  entries up to this position
//!           | 3, uuid                a mark
//!           | 4, uuid                a replica is fenced off
//! commands := command*               until the end of the entry; see `Command`
//! ```
//!
//! A group of commands that is larger than an entry can be is cut anywhere.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::Command;
use crate::log::Position;

/// The version of the format that this release reads and writes.
pub const FORMAT: u8 = 1;

/// Represents what an entry says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Statement {
    /// What its replica had applied when it made the entry.
    pub(crate) basis: Position,
    pub(crate) content: Content,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Content {
    /// The last part of a group of commands, or all of it.
    Commands(Bytes),
    /// A part of a group that goes on.
    Part(Bytes),
    /// A dump of so many bytes is stored that has all entries up to this position.
    Dumped(Position, u64),
    /// Makes every replica remember its state at this entry.
    Mark(Uuid),
    /// Has all refuse whatever else comes of a replica.
    Fence(Uuid),
}

/// What comes before the bytes of a group, or is all there is.
#[derive(Serialize, Deserialize)]
struct Head {
    basis: Position,
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Commands,
    Part,
    Dumped(Position, u64),
    Mark(Uuid),
    Fence(Uuid),
}

/// Says why an entry or a dump can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It was written by a release that this one does not understand.
    #[error("written in version {found} of the format, and this release reads {supported}")]
    Version {
        /// The version in which it was written.
        found: u8,
        /// The version that this release reads.
        supported: u8,
    },

    /// It makes no sense.
    #[error("not as it was written: {reason}")]
    Malformed {
        /// What makes no sense.
        reason: String,
    },
}

impl From<postcard::Error> for FormatError {
    fn from(error: postcard::Error) -> Self {
        FormatError::Malformed { reason: error.to_string() }
    }
}

/// The bytes that an entry has beside those of its commands, at most.
pub(crate) const OVERHEAD: usize = 1 + 10 + 1;

impl Statement {
    pub(crate) fn write(&self) -> Result<Bytes, FormatError> {
        let nothing = Bytes::new();
        let (kind, rest) = match &self.content {
            Content::Commands(bytes) => (Kind::Commands, bytes),
            Content::Part(bytes) => (Kind::Part, bytes),
            Content::Dumped(position, size) => (Kind::Dumped(*position, *size), &nothing),
            Content::Mark(mark) => (Kind::Mark(*mark), &nothing),
            Content::Fence(fenced) => (Kind::Fence(*fenced), &nothing),
        };
        let mut written = Vec::with_capacity(OVERHEAD + rest.len());
        written.push(FORMAT);
        let mut written = postcard::to_extend(&Head { basis: self.basis, kind }, written)?;
        written.extend_from_slice(rest);
        Ok(written.into())
    }

    pub(crate) fn read(bytes: &Bytes) -> Result<Self, FormatError> {
        let body = after_version(bytes)?;
        let (Head { basis, kind }, rest) = postcard::take_from_bytes(body)?;
        let rest = bytes.slice_ref(rest);
        let content = match kind {
            Kind::Commands => Content::Commands(rest),
            Kind::Part => Content::Part(rest),
            Kind::Dumped(position, size) => Content::Dumped(position, size),
            Kind::Mark(mark) => Content::Mark(mark),
            Kind::Fence(fenced) => Content::Fence(fenced),
        };
        Ok(Statement { basis, content })
    }
}

/// Checks the version, which comes first, and returns what follows.
pub(crate) fn after_version(bytes: &[u8]) -> Result<&[u8], FormatError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((&found, _)) => Err(FormatError::Version { found, supported: FORMAT }),
        None => Err(FormatError::Malformed { reason: "empty".to_owned() }),
    }
}

/// Adds a command to a group.
pub(crate) fn write_command(command: &Command, group: &mut Vec<u8>) -> Result<(), FormatError> {
    Ok(postcard::serialize_with_flavor(command, Group(group))?)
}

/// Writes at the end of a group, and leaves room for more.
struct Group<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Group<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads the commands of a group, one after the other.
pub(crate) fn read_commands(
    mut group: &[u8],
) -> impl Iterator<Item = Result<Command, FormatError>> {
    std::iter::from_fn(move || {
        if group.is_empty() {
            return None;
        }
        match postcard::take_from_bytes(group) {
            Ok((command, rest)) => {
                group = rest;
                Some(Ok(command))
            }
            Err(error) => {
                group = &[];
                Some(Err(error.into()))
            }
        }
    })
}

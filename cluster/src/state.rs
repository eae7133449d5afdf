//! [`State`]: what the entries of a log have come to.
//!
//! Two states that have applied the same entries are equal, and so are their dumps, byte for byte. That
//! rests on what follows: one thread applies the entries, each command is complete, and nothing here looks
//! at a clock, at a random number, or at the order in which a hash table has its elements.
//!
//! # What becomes of an entry
//!
//! The state knows the replicas that have written, each with the number of the last entry that was applied.
//!
//! | the entry's replica is | and the entry's number is | then the entry is |
//! |---|---|---|
//! | known | the next | applied |
//! | known | not above the last one's | a repeat, and changes nothing |
//! | known | above the next | impossible: a replica appends one entry after the other. The state halts |
//! | not known | 1, and its basis is not before the horizon | applied, and the replica is known now |
//! | not known | anything else | refused, and changes nothing |
//! | fenced | anything | refused, and changes nothing |
//!
//! The *basis* of an entry is the position that its replica had applied when it made the entry. The
//! *horizon* moves when a dump is stored: replicas that have not written since the dump before are
//! forgotten, and the horizon is that dump's position. So the state does not grow with every replica that
//! ever was; and an entry of a forgotten one, or a repeat of it that comes late, rests on what is before the
//! horizon, and is refused by everyone.

use std::collections::BTreeMap;

use bytes::Bytes;
use provider_tree::{Dump, ProviderTree, Snapshot, Worker};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{self, Command, Outcome};
use crate::entry::{self, Content, FORMAT, FormatError, Statement, after_version};
use crate::log::{Entry, Position};

/// How many bytes the parts of one group can have together.
pub(crate) const MOST_GROUP_BYTES: usize = 64 << 20;

/// What an entry takes in a log beside its bytes, about.
const BYTES_BESIDE: u64 = 256;

/// Holds what the entries of a log have come to.
pub(crate) struct State {
    pub(crate) tree: ProviderTree,
    worker: Worker,
    pub(crate) book: Book,
    /// What an entry asks for, while it is applied.
    commands: Vec<Command>,
}

/// Holds what a state has beside the forest.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    /// The position up to which entries have been applied.
    pub(crate) position: Position,
    /// The position of the newest dump that is known to be stored.
    pub(crate) dumped: Position,
    /// How many bytes that one has.
    pub(crate) dump_bytes: u64,
    /// Whoever is not known and rests on what is before it is refused.
    horizon: Position,
    /// How many commands have been applied, refused ones too.
    pub(crate) commands: u64,
    /// How many bytes have been applied since a dump was stored.
    pub(crate) bytes_since_dump: u64,
    replicas: BTreeMap<Uuid, Known>,
}

/// Describes a replica that has written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Known {
    /// The number of its last entry.
    sequence: u64,
    /// Where that is.
    position: Position,
    /// The parts of a group that goes on.
    parts: Vec<u8>,
    /// Whether whatever else comes of it is refused.
    is_fenced: bool,
}

/// Says what has become of an entry.
#[derive(Debug)]
pub(crate) enum Applied {
    /// Its commands have been applied, each with this outcome, if that was wanted.
    Commands(Vec<provider_tree::Result<Outcome>>),
    /// It was applied, and there is nothing to say of it.
    Noted,
    /// It was applied before.
    Repeat,
    /// Its replica is not known, and can't come to be known by it.
    Refused,
    /// Replicas may be forgotten by it.
    Forgot,
    /// The state is to be remembered.
    Mark(Uuid),
}

/// Says why a replica can apply no more: it would not come to what the others come to. It goes on to be read.
///
/// | halt | then |
/// |---|---|
/// | [`Format`](Self::Format), [`DumpFormat`](Self::DumpFormat) with [`Version`](FormatError::Version) | start a release that reads it |
/// | the same with [`Malformed`](FormatError::Malformed), [`Missing`](Self::Missing), [`GroupTooLarge`](Self::GroupTooLarge), [`Dump`](Self::Dump) | the log is damaged: see [operating](crate::operating) |
/// | [`ForestFull`](Self::ForestFull) | the same entry is applied, and met, at each start: the forest is at one of the [limits](provider_tree::docs::limits), and so is every replica's |
/// | [`Panicked`](Self::Panicked) | a fault of this program: start another release |
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Halt {
    /// An entry can't be read.
    #[error("entry {sequence} of replica {replica}, at {position}, can't be read: {fault}")]
    Format {
        /// The replica that has made the entry.
        replica: Uuid,
        /// The entry's number.
        sequence: u64,
        /// Where it is.
        position: Position,
        /// What is wrong with it.
        fault: FormatError,
    },

    /// A dump can't be read.
    #[error("the dump at {position} can't be read: {fault}")]
    DumpFormat {
        /// Where it is.
        position: Position,
        /// What is wrong with it.
        fault: FormatError,
    },

    /// A dump contradicts itself.
    #[error("the dump at {position} can't be loaded: {error}")]
    Dump {
        /// Where it is.
        position: Position,
        /// What is wrong with it.
        error: provider_tree::Error,
    },

    /// Entries are missing.
    #[error("entry {found} of replica {replica} came at {position} after entry {last}")]
    Missing {
        /// The replica.
        replica: Uuid,
        /// The number of its last entry.
        last: u64,
        /// The number of the one that came.
        found: u64,
        /// Where that is.
        position: Position,
    },

    /// A group of commands is larger than any replica makes.
    #[error("a group of replica {replica} has more than {MOST_GROUP_BYTES} bytes at {position}")]
    GroupTooLarge {
        /// The replica.
        replica: Uuid,
        /// Where it came to have too many.
        position: Position,
    },

    /// The forest is full: what it can't take here, it may take on another replica.
    #[error("the forest of this replica is full: {error}")]
    ForestFull {
        /// What is full.
        error: provider_tree::Error,
    },

    /// A command has made the library panic.
    #[error("applying the entries has panicked")]
    Panicked,
}

impl State {
    /// Returns the state before the first entry.
    pub(crate) fn new() -> provider_tree::Result<Self> {
        State::of(ProviderTree::new(), Book::default())
    }

    fn of(tree: ProviderTree, book: Book) -> provider_tree::Result<Self> {
        command::prepare()?;
        let worker = tree.worker()?;
        Ok(State { tree, worker, book, commands: Vec::new() })
    }

    /// Applies the next entry. Tells the outcomes of its commands if they are `wanted`.
    pub(crate) fn apply(&mut self, entry: &Entry, wanted: bool) -> Result<Applied, Halt> {
        let Entry { position, key, bytes } = entry;
        let (position, replica) = (*position, key.replica);
        let unreadable = |fault| Halt::Format { replica, sequence: key.sequence, position, fault };
        let statement = Statement::read(bytes).map_err(unreadable)?;
        let book = &mut self.book;
        let known = match book.replicas.get_mut(&replica) {
            Some(known) if known.is_fenced => {
                book.position = position;
                return Ok(Applied::Refused);
            }
            Some(known) if key.sequence <= known.sequence => {
                book.position = position;
                return Ok(Applied::Repeat);
            }
            Some(known) if key.sequence > known.sequence + 1 => {
                let (last, found) = (known.sequence, key.sequence);
                return Err(Halt::Missing { replica, last, found, position });
            }
            Some(known) => known,
            None if key.sequence == 1 && statement.basis >= book.horizon => {
                let new = Known { sequence: 0, position, parts: Vec::new(), is_fenced: false };
                book.replicas.entry(replica).or_insert(new)
            }
            None => {
                book.position = position;
                return Ok(Applied::Refused);
            }
        };
        (known.sequence, known.position) = (key.sequence, position);
        let applied = match statement.content {
            Content::Part(part) => {
                if known.parts.len() + part.len() > MOST_GROUP_BYTES {
                    return Err(Halt::GroupTooLarge { replica, position });
                }
                known.parts.extend_from_slice(&part);
                Applied::Noted
            }
            Content::Commands(group) if known.parts.is_empty() => {
                Applied::Commands(self.apply_group(&group, wanted, unreadable)?)
            }
            Content::Commands(last) => {
                let mut group = std::mem::take(&mut known.parts);
                group.extend_from_slice(&last);
                Applied::Commands(self.apply_group(&group, wanted, unreadable)?)
            }
            Content::Dumped(dumped, size) => {
                self.book.dumped(dumped, size);
                Applied::Forgot
            }
            Content::Fence(fenced) => {
                self.book.fence(fenced, position);
                Applied::Forgot
            }
            Content::Mark(mark) => Applied::Mark(mark),
        };
        self.book.position = position;
        self.book.bytes_since_dump += bytes.len() as u64 + BYTES_BESIDE;
        Ok(applied)
    }

    fn apply_group(
        &mut self,
        group: &[u8],
        wanted: bool,
        unreadable: impl Fn(FormatError) -> Halt,
    ) -> Result<Vec<provider_tree::Result<Outcome>>, Halt> {
        // Read as a whole before any of it is applied: an entry that can't be read changes nothing.
        self.commands.clear();
        for command in entry::read_commands(group) {
            self.commands.push(command.map_err(&unreadable)?);
        }
        let mut outcomes = Vec::with_capacity(if wanted { self.commands.len() } else { 0 });
        for command in self.commands.drain(..) {
            let outcome = command::apply(&self.tree, &mut self.worker, command);
            if let Some(error) = outcome.as_ref().err().filter(|error| error.is_full()) {
                return Err(Halt::ForestFull { error: error.clone() });
            }
            self.book.commands += 1;
            if wanted {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    /// Returns whether this replica is known, so that what it writes next is applied.
    pub(crate) fn knows(&self, replica: Uuid) -> bool {
        self.book.replicas.get(&replica).is_some_and(|known| !known.is_fenced)
    }

    /// Returns whether whatever else comes of this replica is refused because it is fenced off.
    pub(crate) fn has_fenced(&self, replica: Uuid) -> bool {
        self.book.replicas.get(&replica).is_some_and(|known| known.is_fenced)
    }

    /// Returns the number of the last entry of a replica; `None` if it is not known.
    pub(crate) fn last_of(&self, replica: Uuid) -> Option<u64> {
        self.book.replicas.get(&replica).map(|known| known.sequence)
    }

    /// Returns the state as it is now, to be dumped by any thread later. O(replicas).
    pub(crate) fn freeze(&self) -> Frozen {
        let snapshot = self.tree.snapshot();
        // Fixes them as they are now, whenever the snapshot is dumped.
        snapshot.floors();
        Frozen { snapshot, book: self.book.clone() }
    }

    /// Makes the state that a dump is of.
    pub(crate) fn load(position: Position, bytes: &[u8]) -> Result<Self, Halt> {
        let unreadable = |fault| Halt::DumpFormat { position, fault };
        let (book, dump) = read_book_and_dump(bytes).map_err(unreadable)?;
        if book.position != position {
            let reason = format!("it is of {}", book.position);
            return Err(unreadable(FormatError::Malformed { reason }));
        }
        let load = || State::of(ProviderTree::load(&dump)?, book);
        load().map_err(|error| Halt::Dump { position, error })
    }
}

/// Reads the bytes of a [`StateDump`](crate::StateDump): returns its position and the forest.
///
/// # Errors
///
/// Returns [`FormatError`] if they were written in another version of the format, or make no sense.
pub fn read_dump(bytes: &[u8]) -> Result<(Position, Dump), FormatError> {
    read_book_and_dump(bytes).map(|(book, dump)| (book.position, dump))
}

fn read_book_and_dump(bytes: &[u8]) -> Result<(Book, Dump), FormatError> {
    let (book_and_dump, rest) = postcard::take_from_bytes(after_version(bytes)?)?;
    match rest {
        [] => Ok(book_and_dump),
        _ => Err(FormatError::Malformed { reason: format!("{} bytes too many", rest.len()) }),
    }
}

impl Book {
    /// Notes that a dump is stored, and forgets the replicas that have not written since the one before.
    fn dumped(&mut self, dumped: Position, size: u64) {
        if dumped <= self.dumped {
            return;
        }
        let before = self.dumped;
        self.replicas.retain(|_, known| known.position >= before);
        self.horizon = self.horizon.max(before);
        self.dumped = dumped;
        self.dump_bytes = size;
        self.bytes_since_dump = 0;
    }

    /// Refuses whatever else comes of a replica.
    fn fence(&mut self, fenced: Uuid, position: Position) {
        let new = Known { sequence: 0, position, parts: Vec::new(), is_fenced: true };
        let known = self.replicas.entry(fenced).or_insert(new);
        // Remembered until nothing can come that rests on what was before.
        (known.position, known.is_fenced) = (position, true);
        known.parts = Vec::new();
    }
}

/// Holds a state as it was at one position.
pub(crate) struct Frozen {
    snapshot: Snapshot,
    book: Book,
}

impl Frozen {
    pub(crate) fn position(&self) -> Position {
        self.book.position
    }

    /// Returns the bytes of the dump.
    pub(crate) fn dump(&self) -> Result<Bytes, DumpError> {
        let dump = self.snapshot.dump()?;
        let written = postcard::to_extend(&(&self.book, &dump), vec![FORMAT]);
        Ok(written.map_err(FormatError::from)?.into())
    }
}

/// Says why a state can't be dumped.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The forest can't be dumped.
    #[error("the forest can't be dumped: {0}")]
    Forest(#[from] provider_tree::Error),
    /// The dump can't be written.
    #[error("the dump can't be written: {0}")]
    Format(#[from] FormatError),
}

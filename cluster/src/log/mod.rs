//! [`Log`]: where the entries of all replicas get their order, and are kept.
//!
//! A log is a sequence of entries, each at a [`Position`] of its own, and a dump: what the entries up to one
//! position have come to. Nothing here knows what an entry says.
//!
//! | log | kept in | for |
//! |---|---|---|
//! | `LocalLog` (feature `local`) | a file of this machine | one process |
//! | `EtcdLog` (feature `etcd`) | etcd | replicas on any number of machines |

mod error;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "local")]
mod local;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use error::LogError;
#[cfg(feature = "etcd-tls")]
pub use etcd::{Certificate, Identity, TlsOptions};
#[cfg(feature = "etcd")]
pub use etcd::{EtcdFollower, EtcdLog, EtcdOptions};
#[cfg(feature = "local")]
pub use local::{LocalFollower, LocalLog};

/// Represents a place in the order of a log. Later entries have greater positions; not every position has an
/// entry. What came before the first entry is at 0.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names an entry: the replica that has made it, and the entry's number among those of that replica, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EntryKey {
    /// The replica that has made the entry.
    pub replica: Uuid,
    /// The entry's number among those of that replica, from 1.
    pub sequence: u64,
}

/// Represents an entry of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where the entry is in the order.
    pub position: Position,
    /// Which entry it is.
    pub key: EntryKey,
    /// What it says.
    pub bytes: Bytes,
}

/// Represents what a follower of a log is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The next entry.
    Entry(Entry),
    /// All entries up to this position have been told.
    Reached(Position),
}

/// Represents a dump as a log keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredDump {
    /// The position up to which the dump has all entries.
    pub position: Position,
    /// What the dump says.
    pub bytes: Bytes,
}

/// Represents where the entries of all replicas get their order, and are kept.
///
/// # What an implementation promises
///
/// - *One order.* All followers are told the same entries in the same order at the same positions.
/// - *Once.* An entry that is appended again, with the key and the bytes that it had, is told no second
///   time, as long as it has not been cut off. (Afterwards it may be: whoever follows the log knows from the
///   dump that it has been.)
/// - *Durable.* An entry of which `append` has answered `Ok` survives whatever the log survives, and so does
///   whatever a follower has been told.
/// - *All or nothing.* An entry of which `append` has failed, or that was dropped on the way, is in the log
///   as a whole or not at all.
///
/// Every method may be called by any number of tasks at once, and its future may be dropped at any time.
pub trait Log: Send + Sync + 'static {
    /// What [`follow`](Self::follow) returns.
    type Follower: Follow;

    /// Appends an entry, and returns when it is durable.
    ///
    /// # Errors
    ///
    /// Whatever the error is, the entry may be in the log all the same, unless the error
    /// [says](LogError::is_refusal) that it isn't.
    fn append(
        &self,
        key: EntryKey,
        bytes: Bytes,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Follows the entries after `after`: those that there are, and then those that come.
    ///
    /// # Errors
    ///
    /// Returns [`Compacted`](LogError::Compacted) if entries after `after` have been cut off.
    fn follow(
        &self,
        after: Position,
    ) -> impl Future<Output = Result<Self::Follower, LogError>> + Send;

    /// Returns a position that no entry is above that was durable when the call began. Every follower comes to
    /// be told of it, or of one above it: by an entry, or as [`Reached`](Event::Reached).
    fn end(&self) -> impl Future<Output = Result<Position, LogError>> + Send;

    /// Returns the newest dump; `None` if there is none.
    fn newest_dump(&self) -> impl Future<Output = Result<Option<StoredDump>, LogError>> + Send;

    /// Keeps a dump, and cuts off the entries that the dump *before* it has: so whoever is only a little
    /// behind need not load a dump. Returns `false`, and changes nothing, if the log has a dump that is as
    /// new, or another one comes meanwhile.
    fn store_dump(&self, dump: StoredDump) -> impl Future<Output = Result<bool, LogError>> + Send;

    /// Returns how many bytes an entry can have.
    fn most_bytes(&self) -> usize;

    /// Drops this handle. If it was the last one, returns when another process can have what the log had for
    /// itself, such as a file.
    fn release(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async { drop(self) }
    }
}

/// Follows a log.
pub trait Follow: Send {
    /// Waits for what comes next.
    ///
    /// # Errors
    ///
    /// Returns [`Compacted`](LogError::Compacted) if the entries that come next have been cut off. After any
    /// error the follower is done, and the log is to be followed anew.
    fn next(&mut self) -> impl Future<Output = Result<Event, LogError>> + Send;
}

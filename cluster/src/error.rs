//! [`Error`]: why a command has no answer, or not the one that was hoped for.

use uuid::Uuid;

use crate::entry::FormatError;
use crate::log::{LogError, Position};
use crate::state::{DumpError, Halt};

/// The result of a call of a replica.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says why a command has no answer, or not the one that was hoped for.
///
/// | error | was the command made? |
/// |---|---|
/// | [`Refused`](Self::Refused), [`RefusedEarly`](Self::RefusedEarly), [`NotMade`](Self::NotMade), [`TooLarge`](Self::TooLarge), [`Busy`](Self::Busy) | no, and never will be |
/// | [`OutcomeUnknown`](Self::OutcomeUnknown) | perhaps |
/// | [`Log`](Self::Log), [`Ended`](Self::Ended), [`Dump`](Self::Dump) | there was none |
///
/// # How to find out what an unknown outcome was
///
/// Whoever asks chooses the uuids, so every command leaves something to look for: after
/// [`sync`](crate::Replica::sync), on any replica, [`allocations`](crate::Forest::allocations) shows whether
/// the consumer of a claim holds what was asked, and [`find`](crate::Forest::find) whether a provider is
/// there. If it is there, the command was made.
///
/// If it is not there, the command may yet come: its replica may go on trying to get it into the log, or the
/// network may hold it. So
///
/// - *the same replica* may be asked for the same again: it makes one command after the other, so the second
///   is refused as [`AlreadyHeld`](provider_tree::Error::AlreadyHeld), with the generation, if the first was
///   made;
/// - before it is asked of *another replica*, the first one has to be [fenced](crate::Replica::fence) off:
///   what it has not got into the log by then is refused by all, for ever.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The forest did not allow what the command asked for, when it was the command's turn.
    #[error("refused at {position}: {error}")]
    Refused {
        /// Where the command's entry is.
        position: Position,
        /// Why it was refused.
        error: provider_tree::Error,
    },

    /// The forest of this replica did not allow it when the command was asked for, and it was not sent.
    #[error("refused as of {position}, and not sent: {error}")]
    RefusedEarly {
        /// What the replica had applied then.
        position: Position,
        /// Why it was refused.
        error: provider_tree::Error,
    },

    /// The command was not made, and never will be.
    #[error("not made: {reason}")]
    NotMade {
        /// Why it was not.
        reason: Reason,
    },

    /// It can't be known here whether the command has been made, or what it answered.
    #[error("the outcome of {what} is not known: {reason}")]
    OutcomeUnknown {
        /// Which entry has it.
        what: Sent,
        /// Why the outcome is not known.
        reason: Reason,
    },

    /// A command has more bytes than one may have.
    #[error("a command of {bytes} bytes is too large (at most {most})")]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },

    /// So many commands have been asked for and not answered yet that no more are taken.
    #[error("{most} commands are on their way already")]
    Busy {
        /// How many can be on their way.
        most: usize,
    },

    /// The log does not do what it is asked.
    #[error(transparent)]
    Log(#[from] LogError),

    /// The replica works no more.
    #[error("the replica has ended: {reason}")]
    Ended {
        /// Why it has ended.
        reason: Reason,
    },

    /// The forest can't be dumped.
    #[error(transparent)]
    Dump(#[from] DumpError),
}

/// Says why a command was not made, or why its outcome is not known.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The deadline has come that who asked had set.
    #[error("the deadline has come")]
    Deadline,
    /// The replica is closed.
    #[error("the replica is closed")]
    Closed,
    /// The replica had not written for so long that the others have forgotten it, or it was fenced off. It
    /// goes on as a new one.
    #[error("the replica was forgotten or fenced off")]
    Forgotten,
    /// The replica had fallen behind, and has loaded a dump in which only the result can be seen.
    #[error("the replica fell behind and loaded the dump at {0}")]
    Loaded(Position),
    /// The log has refused the entry, or works no more.
    #[error(transparent)]
    Log(LogError),
    /// The replica can apply no more entries.
    #[error("the replica has halted: {0}")]
    Halted(Halt),
}

/// Names the entry that a command was sent in, if it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// The replica.
    pub replica: Uuid,
    /// The entry's number; `None` if it is not known here.
    pub sequence: Option<u64>,
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.sequence {
            Some(sequence) => write!(f, "entry {sequence} of replica {}", self.replica),
            None => write!(f, "what replica {} has sent", self.replica),
        }
    }
}

impl Error {
    /// Returns whether it is certain that the command was not made and never will be.
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::Refused { .. }
            | Error::RefusedEarly { .. }
            | Error::NotMade { .. }
            | Error::TooLarge { .. }
            | Error::Busy { .. } => true,
            Error::OutcomeUnknown { .. } | Error::Log(_) | Error::Ended { .. } | Error::Dump(_) => {
                false
            }
        }
    }

    /// Returns why the forest has refused a command, if that is what has happened.
    pub fn refusal(&self) -> Option<&provider_tree::Error> {
        match self {
            Error::Refused { error, .. } | Error::RefusedEarly { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<Halt> for Error {
    fn from(halt: Halt) -> Self {
        Error::Ended { reason: Reason::Halted(halt) }
    }
}

impl From<FormatError> for Error {
    fn from(fault: FormatError) -> Self {
        Error::Dump(DumpError::Format(fault))
    }
}

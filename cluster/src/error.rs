//! [`Error`]: why a command has no answer, or not the one that was hoped for.

use uuid::Uuid;

use crate::entry::FormatError;
use crate::log::{LogError, Position};
use crate::state::{DumpError, Halt};

/// The result of a call of a replica.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says why a command has no answer, or not the one that was hoped for.
///
/// | error | was the command made? | then |
/// |---|---|---|
/// | [`Refused`](Self::Refused), [`RefusedEarly`](Self::RefusedEarly) (from [`check`](crate::Replica::check) alone) | no | as with `provider_tree`: ask for something else |
/// | [`NotMade`](Self::NotMade) | no, and it never will be | by its [`Reason`] |
/// | [`TooLarge`](Self::TooLarge) | no | ask for less at once: the bound is 64 MiB for one call |
/// | [`Busy`](Self::Busy) | no | wait for an answer, or use `submit`, which waits |
/// | [`OutcomeUnknown`](Self::OutcomeUnknown) | perhaps | see below |
/// | [`Log`](Self::Log), [`Ended`](Self::Ended), [`Dump`](Self::Dump) | the call was no command | ask again if [`LogError::is_temporary`]; an ended replica is to be started anew |
///
/// # What to do about an unknown outcome
///
/// The command may have been made, or may yet be: its replica may go on trying to get it into the log, or the network
/// may hold it.
///
/// - *On the same replica*, ask again for the same: it makes one command after the other, also after its uuid has
///   changed. That is safe for what names its own consumer or provider (table).
/// - *On another replica*: (1) [fence](crate::Replica::fence) the replica off that [`Sent`] names. When that is
///   answered, what it had not got into the log is refused by all, for ever, and what it had is applied here. Doing
///   so twice, or to a replica that there is not, harms nobody. (2) Look whether it was made (table). (3) If not,
///   ask again.
///
/// Whoever may be killed while it waits notes [`Status::replica`](crate::Status::replica) before its first command,
/// and after each [`Forgotten`](Reason::Forgotten): that is what its successor fences off. A log in a file has one
/// process, so there nothing is to be fenced off: once it is opened, what was on its way is there or never comes.
///
/// | command | it was made if | asked again, it answers |
/// |---|---|---|
/// | `Claim`, `Lease`, `ClaimPartly` | [`allocations`](crate::Forest::allocations) of its consumer show it (if nobody has ended them since) | `AlreadyHeld`, or `ConsumerExists` |
/// | `Replace`, `Configure`, `Batch` | the generation has grown, if it expected one | `ConsumerConflict`, `GenerationConflict`, if it expected one |
/// | `Release`, `Cancel` | the consumer holds nothing | `ConsumerNotFound`, `LeaseEnded` |
/// | `Confirm`, `Renew` | the generation has grown | `ConsumerConflict`, or `NotLeased` |
/// | `Create`, `Remove`, `Move`, `Rename`, `Cordon` | [`find`](crate::Forest::find) and the structure show it | an error that says so, or that nothing has changed |
/// | `Populate`, `Expire` | | the same as before: it may be asked again |
/// | `Take`, `PutBack` | nothing tells | made twice: where an outcome may be unknown, use a consumer |
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
        /// Who has sent it, and in which entry.
        what: Sent,
        /// Why the outcome is not known.
        reason: Reason,
    },

    /// A call has more bytes of commands than one may have.
    #[error("commands of {bytes} bytes are too large for one call (at most {most})")]
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
///
/// | reason | then |
/// |---|---|
/// | [`Deadline`](Self::Deadline), [`Forgotten`](Self::Forgotten), [`Loaded`](Self::Loaded) | ask again, as [`Error`] says |
/// | [`Log`](Self::Log) with [`Denied`](LogError::Denied) or [`EntryTooLarge`](LogError::EntryTooLarge) | mend what the log refuses: the replica works on |
/// | [`Log`](Self::Log) with anything else, [`Closed`](Self::Closed), [`Halted`](Self::Halted) | the replica works no more: start another (a file: open it anew); [`Halt`] says what else |
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
    /// The entry's number, for logs; `None` at a deadline, when it may not have one yet.
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

//! [`LogError`]: why a log does not do what it is asked.

use crate::log::Position;

/// Says why a log does not do what it is asked.
///
/// No reason that an error gives ever has credentials in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log can't be reached, or has no majority, or has not answered in time. What was asked may have
    /// been done.
    #[error("the log is not available: {reason}")]
    Unavailable {
        /// What was the matter.
        reason: String,
    },

    /// The log has no room. What was asked may have been done: etcd may say so of what it has just kept.
    #[error("the log is full: {reason}")]
    Full {
        /// What has no room.
        reason: String,
    },

    /// The log does not know who asks, or does not let them do this. What was asked has not been done.
    #[error("the log denies access: {reason}")]
    Denied {
        /// What is denied.
        reason: String,
    },

    /// An entry is larger than the log takes. What was asked has not been done.
    #[error("an entry of {bytes} bytes is too large (at most {most})")]
    EntryTooLarge {
        /// How many bytes the entry has.
        bytes: usize,
        /// How many it can have.
        most: usize,
    },

    /// Entries have been cut off that a follower has not been told of: there is a dump that has them.
    #[error("the entries after {after} have been cut off")]
    Compacted {
        /// What the follower was told last.
        after: Position,
    },

    /// The file of the log is open in another process, or by another value of this one.
    #[error("the log is open already: {path}")]
    InUse {
        /// The file.
        path: String,
    },

    /// The options of a log make no sense. Nothing has been done.
    #[error("the options of the log make no sense: {reason}")]
    Options {
        /// What makes no sense.
        reason: String,
    },

    /// The log is closed, or has given up after a failure of what keeps it. It has to be opened anew. What was
    /// asked may have been done.
    #[error("the log has ended: {reason}")]
    Ended {
        /// Why it has ended.
        reason: String,
    },

    /// What the log has makes no sense.
    #[error("the log is damaged: {reason}")]
    Damaged {
        /// What makes no sense.
        reason: String,
    },
}

impl LogError {
    /// Returns whether the same call may succeed later, with nothing changed by anyone who asks.
    pub fn is_temporary(&self) -> bool {
        matches!(self, LogError::Unavailable { .. } | LogError::Full { .. })
    }

    /// Returns whether it is certain that what was asked has not been done.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            LogError::Denied { .. } | LogError::EntryTooLarge { .. } | LogError::Options { .. }
        )
    }
}

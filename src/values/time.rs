//! [`Deadline`] and [`Now`]: the caller's own time, as leases need it.

/// Represents the time from which on a lease can't be confirmed or renewed any more.
///
/// Time is the caller's: any number that grows, the same for all threads that deal with the leases of a
/// forest, such as milliseconds since some beginning. The library has no clock. A deadline is a type of its
/// own so that nobody takes it for the present time.
///
/// ```
/// use provider_tree::{Deadline, Now};
///
/// let now = Now(1_000);
/// let deadline = now.plus(500);
/// assert_eq!(deadline, Deadline(1_500));
/// assert!(!deadline.is_over(Now(1_499)) && deadline.is_over(Now(1_500)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Deadline(pub u64);

/// Represents the present time, as the caller of [`Worker::confirm`](crate::Worker::confirm),
/// [`renew`](crate::Worker::renew) or [`expire`](crate::Worker::expire) reads it from its own clock; see
/// [`Deadline`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Now(pub u64);

impl Deadline {
    /// The latest deadline that a lease can have.
    pub const LATEST: Deadline = Deadline(u64::MAX - 1);

    /// Returns whether a lease with this deadline is over.
    pub fn is_over(self, now: Now) -> bool {
        self.0 <= now.0
    }
}

impl Now {
    /// Returns the deadline that is this much later, at most the [latest](Deadline::LATEST).
    pub fn plus(self, time: u64) -> Deadline {
        Deadline(self.0.saturating_add(time)).min(Deadline::LATEST)
    }
}

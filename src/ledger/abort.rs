//! [`Torn`] and [`Abort`]: why what reads cells, or changes them, gives up.

use super::limits::Limit;

/// Tells that what was read can't be of one instant: either it contradicts itself, or a part of it
/// is no longer kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Torn;

/// Tells why the body of a read or of a transaction gives up.
#[derive(Debug)]
pub(crate) enum Abort<E> {
    /// The body refuses. The refusal is final if everything it rests on was in force at one
    /// instant.
    Reject(E),
    /// The body has read what can't be of one instant. It has to run again, or, if it reads a
    /// pinned epoch, it has no answer.
    Torn,
}

impl<E> Abort<E> {
    /// Converts the answer of a refusal.
    pub(crate) fn map<F>(self, answer: impl FnOnce(E) -> F) -> Abort<F> {
        match self {
            Abort::Reject(error) => Abort::Reject(answer(error)),
            Abort::Torn => Abort::Torn,
        }
    }
}

impl<E> From<Torn> for Abort<E> {
    fn from(_: Torn) -> Self {
        Abort::Torn
    }
}

impl<E: From<Limit>> From<Limit> for Abort<E> {
    fn from(limit: Limit) -> Self {
        Abort::Reject(limit.into())
    }
}

//! [`Abort`] and [`Torn`]: why the body of a transaction gives up.

use crate::ledger::limits::Limit;

/// Tells why the body of a transaction gives up.
#[derive(Debug)]
pub(crate) enum Abort<E> {
    /// The body refuses. The refusal is final if everything it rests on was in force at one
    /// instant.
    Reject(E),
    /// The body has read a contradiction, and so versions of different instants. It has to run
    /// again.
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

/// Tells that what was read contradicts itself, so that it has to be read again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Torn;

impl<E> From<Torn> for Abort<E> {
    fn from(_: Torn) -> Self {
        Abort::Torn
    }
}

impl From<Limit> for Abort<Limit> {
    fn from(limit: Limit) -> Self {
        Abort::Reject(limit)
    }
}

//! [`Abort`]: why the body of a transaction gives up.

/// Why the body of a transaction gives up.
#[derive(Debug)]
pub(crate) enum Abort<E> {
    /// The answer is no. Final if everything it rests on was in force at one instant.
    Reject(E),
    /// What was read contradicts itself: it was read at different instants. Start over.
    Torn,
}

impl<E> Abort<E> {
    /// The same with another answer.
    pub(crate) fn map<F>(self, answer: impl FnOnce(E) -> F) -> Abort<F> {
        match self {
            Abort::Reject(error) => Abort::Reject(answer(error)),
            Abort::Torn => Abort::Torn,
        }
    }
}

impl<E> From<E> for Abort<E> {
    fn from(error: E) -> Self {
        Abort::Reject(error)
    }
}

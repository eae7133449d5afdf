//! [`Call`] with the feature `tracing`: an event for each.

use std::fmt;

use tracing::{Level, field};
use uuid::Uuid;

use crate::error::Result;
use crate::forest::Provider;

/// Describes what a call asks for.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    operation: &'static str,
    /// Whether a scheduler makes many such calls.
    is_frequent: bool,
    consumer: Option<Uuid>,
    provider: Option<Uuid>,
    /// A provider that is there only if the call is not refused.
    made: Option<Uuid>,
    parent: Option<Uuid>,
    name: Option<&'a str>,
    amounts: Option<&'a dyn fmt::Debug>,
    values: Option<&'a dyn fmt::Debug>,
    refused: Option<&'a dyn fmt::Debug>,
}

impl<'a> Call<'a> {
    /// Describes a call that changes what is used. `operation` is the name of the method.
    #[inline]
    pub(crate) fn of_worker(operation: &'static str, consumer: Option<Uuid>) -> Self {
        Call {
            operation,
            is_frequent: true,
            consumer,
            provider: None,
            made: None,
            parent: None,
            name: None,
            amounts: None,
            values: None,
            refused: None,
        }
    }

    /// Describes a call that changes which providers there are, or what they have.
    #[inline]
    pub(crate) fn of_forest(operation: &'static str) -> Self {
        Call { is_frequent: false, ..Call::of_worker(operation, None) }
    }

    #[inline]
    pub(crate) fn of(self, provider: &Provider) -> Self {
        Call { provider: Some(provider.uuid()), ..self }
    }

    /// Says which uuid was wanted for a new provider, if any was, and which one it gets.
    #[inline]
    pub(crate) fn making(self, wanted: Option<Uuid>, made: Uuid) -> Self {
        Call { provider: wanted, made: Some(made), ..self }
    }

    #[inline]
    pub(crate) fn below(self, parent: Option<&Provider>) -> Self {
        Call { parent: parent.map(Provider::uuid), ..self }
    }

    #[inline]
    pub(crate) fn named(self, name: &'a str) -> Self {
        Call { name: Some(name), ..self }
    }

    #[inline]
    pub(crate) fn with_amounts(self, amounts: &'a dyn fmt::Debug) -> Self {
        Call { amounts: Some(amounts), ..self }
    }

    #[inline]
    pub(crate) fn with_values(self, values: &'a dyn fmt::Debug) -> Self {
        Call { values: Some(values), ..self }
    }

    /// Says what of the call was refused, if the call is not refused as a whole.
    #[inline]
    pub(crate) fn with_refused(self, refused: &'a dyn fmt::Debug) -> Self {
        Call { refused: Some(refused), ..self }
    }

    /// Tells what became of the call, which has prepared a change in vain so many times.
    pub(crate) fn tell<T>(self, outcome: &Result<T>, retries: u64) {
        let Call { operation, is_frequent, consumer, parent, name, amounts, values, .. } = self;
        let refused = self.refused.filter(|_| outcome.is_ok());
        let provider = self.provider.or(self.made.filter(|_| outcome.is_ok()));
        macro_rules! event {
            ($level:expr, $message:literal) => {
                tracing::event!(
                    target: "provider_tree",
                    $level,
                    operation,
                    consumer = consumer.map(field::display),
                    provider = provider.map(field::display),
                    parent = parent.map(field::display),
                    name,
                    amounts = amounts.map(field::debug),
                    values = values.map(field::debug),
                    refused = refused.map(field::debug),
                    retries,
                    error = outcome.as_ref().err().map(field::display),
                    $message
                )
            };
        }
        match (outcome, is_frequent) {
            (Ok(_), true) => event!(Level::TRACE, "done"),
            (Ok(_), false) => event!(Level::DEBUG, "done"),
            (Err(_), _) => event!(Level::DEBUG, "refused"),
        }
    }
}

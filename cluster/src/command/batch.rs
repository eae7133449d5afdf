//! [`Batch`]: many changes that are made as one.

use provider_tree::{Expect, ProviderSpec};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claims::Claim;
use super::providers::{Configure, Move};
use super::shape::ExpectShape;

/// Describes many changes that are made as one: all of them, or none.
///
/// What [`provider_tree::Batch`] says of the order holds: what consumers hold is given back first; then
/// providers come, change and move; then is taken what consumers are to hold; then providers go.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Providers that are created. Everything else in the batch may name them.
    pub created: Vec<ProviderSpec>,
    /// Changes of what providers have.
    pub configured: Vec<Configure>,
    /// Moves of providers.
    pub moved: Vec<Move>,
    /// Providers that are removed, with their descendants.
    pub removed: Vec<Uuid>,
    /// Providers that are cordoned.
    pub cordoned: Vec<Uuid>,
    /// Providers whose cordon ends.
    pub uncordoned: Vec<Uuid>,
    /// What becomes of consumers. Last, so that whoever reads the batch knows by then which classes it brings.
    pub consumers: Vec<ConsumerChange>,
}

/// Describes what becomes of one consumer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConsumerChange {
    /// A new consumer holds what it asks for.
    Claim(Claim),
    /// A consumer holds something else.
    Replace {
        /// What the consumer is to hold.
        claim: Claim,
        /// The generation that the consumer has to be at.
        #[serde(default, with = "ExpectShape")]
        expect: Expect,
    },
    /// A consumer gives back all that it holds.
    Release {
        /// The consumer.
        consumer: Uuid,
        /// The generation that the consumer has to be at.
        #[serde(default, with = "ExpectShape")]
        expect: Expect,
    },
}

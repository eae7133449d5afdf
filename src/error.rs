//! What can go wrong, in fields that a caller can act on.

use std::fmt;

use uuid::Uuid;

use crate::fault::{Fault, Listed};
use crate::ledger::{Cell, Limit, MOST_CELLS, MOST_WORDS};
use crate::quoted::{Quoted, beginning};
use crate::resource_class::ResourceClass;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused. A refused call has changed nothing.
///
/// An error holds what a caller needs for its next decision, read at the instant of the refusal;
/// no text has to be parsed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The provider has been removed.
    #[error("provider {provider} has been removed")]
    Removed {
        /// The provider that the handle named.
        provider: Uuid,
    },

    /// The handle belongs to another forest.
    #[error("the handle of provider {provider} belongs to another forest")]
    ForeignProvider {
        /// The provider that the handle names there.
        provider: Uuid,
    },

    /// A provider with this uuid exists.
    #[error("a provider with uuid {uuid} exists")]
    UuidExists {
        /// The uuid asked for.
        uuid: Uuid,
    },

    /// A provider with this name exists.
    #[error("a provider named {} exists", Quoted::whole(name))]
    NameExists {
        /// The name asked for.
        name: String,
    },

    /// The name is not one that this kind of thing can have.
    #[error("{} can't be a name: {reason}", Quoted::cut(name, *length))]
    InvalidName {
        /// The first 60 characters of the name given.
        name: String,
        /// The length of the whole name, in bytes.
        length: usize,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The provider has children, and the call is for a leaf.
    #[error("provider {provider} has children")]
    HasChildren {
        /// The provider.
        provider: Uuid,
    },

    /// The new parent is the provider itself or one of its descendants.
    #[error("provider {provider} can't move below {parent}, which is in its own subtree")]
    WouldCycle {
        /// The provider to be moved.
        provider: Uuid,
        /// The parent asked for.
        parent: Uuid,
    },

    /// Something is held from the provider.
    #[error("{used} of {class} on provider {provider} are in use")]
    InUse {
        /// The provider.
        provider: Uuid,
        /// A class that is in use there.
        class: ResourceClass,
        /// How much of it is.
        used: u64,
    },

    /// The provider's generation is not the expected one.
    #[error("provider {provider} is at generation {actual}, not {expected}")]
    GenerationConflict {
        /// The provider.
        provider: Uuid,
        /// The generation the caller knows.
        expected: u64,
        /// The generation the provider is at.
        actual: u64,
    },

    /// An inventory contradicts itself.
    #[error("the inventory of {class} is not valid: {fault}")]
    InvalidInventory {
        /// The class.
        class: ResourceClass,
        /// What is wrong.
        fault: InventoryFault,
    },

    /// The provider has no inventory of the class.
    #[error("provider {provider} has no inventory of {class}")]
    NoInventory {
        /// The provider.
        provider: Uuid,
        /// The class asked for.
        class: ResourceClass,
    },

    /// Less is free than was asked for.
    #[error("{requested} of {class} asked from provider {provider}, {free} free")]
    CapacityExceeded {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much was asked for.
        requested: u64,
        /// How much could have been had: what is free, and what the consumer itself holds there
        /// if the call replaces it.
        free: u64,
    },

    /// The provider, or one of its ancestors, is cordoned: nothing new is given away.
    #[error("provider {provider} is cordoned")]
    Cordoned {
        /// The provider asked.
        provider: Uuid,
    },

    /// The amount does not obey the inventory's units.
    #[error(
        "{requested} of {class} asked from provider {provider}, which gives {min_unit} to \
         {max_unit} in steps of {step_size}"
    )]
    UnitViolation {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much was asked for.
        requested: u64,
        /// The least amount.
        min_unit: u64,
        /// The greatest amount.
        max_unit: u64,
        /// What every amount is a multiple of.
        step_size: u64,
    },

    /// An amount of zero, to be taken or given back.
    #[error("an amount of {class} of provider {provider} is 0, and has to be at least 1")]
    ZeroAmount {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
    },

    /// The amounts of one class that one call asks from one provider add up to more than a `u64`.
    #[error(
        "the amounts of {class} asked from provider {provider} add up to {sum}, and can be at most \
         {} together",
        u64::MAX
    )]
    SumTooLarge {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much is asked for.
        sum: u128,
    },

    /// More is given back than was taken without a consumer.
    #[error("{requested} of {class} given back to provider {provider}, {taken} were taken")]
    NotTaken {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much was given back.
        requested: u64,
        /// How much is taken without a consumer.
        taken: u64,
    },

    /// The claim asks for nothing.
    #[error("the claim of consumer {consumer} asks for nothing")]
    EmptyClaim {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer holds allocations already.
    #[error("consumer {consumer} exists, at generation {generation}")]
    ConsumerExists {
        /// The consumer.
        consumer: Uuid,
        /// Its generation.
        generation: u64,
    },

    /// The consumer holds exactly what the claim asks for: perhaps by the same claim, whose reply
    /// was lost.
    #[error("consumer {consumer} holds this already, at generation {generation}")]
    AlreadyHeld {
        /// The consumer.
        consumer: Uuid,
        /// Its generation.
        generation: u64,
    },

    /// Too few members of a gang, or items of a claim, fit. None was taken.
    #[error("{fit} fit, {at_least} have to")]
    TooFewFit {
        /// How many would have fitted.
        fit: usize,
        /// How many have to.
        at_least: usize,
        /// Why the others don't, each with its position.
        refused: Vec<(usize, Error)>,
    },

    /// The lease has expired, or has been ended otherwise.
    #[error("the lease of consumer {consumer} has ended")]
    LeaseEnded {
        /// The consumer.
        consumer: Uuid,
    },

    /// The lease belongs to another forest.
    #[error("the lease of consumer {consumer} belongs to another forest")]
    ForeignLease {
        /// The consumer that holds it there.
        consumer: Uuid,
    },

    /// The consumer holds what it holds for good; there is no lease to renew or to forget.
    #[error("what consumer {consumer} holds is not leased")]
    NotLeased {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer's generation is not the expected one; `actual` is none if it holds nothing.
    #[error("consumer {consumer} {}, not at generation {expected}", At(*actual))]
    ConsumerConflict {
        /// The consumer.
        consumer: Uuid,
        /// The generation the caller knows.
        expected: u64,
        /// The generation the consumer is at.
        actual: Option<u64>,
    },

    /// The consumer holds nothing.
    #[error("consumer {consumer} holds nothing")]
    ConsumerNotFound {
        /// The consumer.
        consumer: Uuid,
    },

    /// More would have had to be kept for the snapshot than it may; see
    /// [`Snapshot::keep_at_most`](crate::Snapshot::keep_at_most).
    #[error("snapshot {version} is too old")]
    SnapshotTooOld {
        /// Its version.
        version: u64,
    },

    /// The snapshot is not of this forest, or not earlier; or what is to be applied does not begin
    /// there.
    #[error("snapshot {version} is not of this forest, or of another time")]
    ForeignSnapshot {
        /// Its version.
        version: u64,
    },

    /// More has changed since the feed was polled last than may be kept for it: take a snapshot, and
    /// begin another feed there.
    #[error("the feed at snapshot {version} fell behind")]
    FellBehind {
        /// The version of the snapshot where the feed is.
        version: u64,
    },

    /// What was read of the provider, and the change rests on, is no longer so.
    #[error("provider {provider} has changed")]
    ProviderChanged {
        /// The provider.
        provider: Uuid,
    },

    /// What was read of the consumer, and the change rests on, is no longer so.
    #[error("consumer {consumer} has changed")]
    ConsumerChanged {
        /// The consumer.
        consumer: Uuid,
    },

    /// Entries of a list of providers, or of a dump, can't be. Nothing of the list was made.
    #[error("invalid: {}", Listed(faults))]
    InvalidEntries {
        /// What is wrong, for every entry with which something is.
        faults: Vec<Fault>,
    },

    /// A [documented bound](crate#limits) was met. Nothing that only gives back is refused so: a release
    /// in a full forest succeeds, and then there is room again.
    #[error("too large: {what} (at most {limit})")]
    TooLarge {
        /// What is too large, or too many.
        what: &'static str,
        /// How large it can be, or how many there can be.
        limit: u64,
    },
}

/// What is wrong with an inventory.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryFault {
    /// More is reserved than there is.
    #[error("reserved {reserved} of {total}")]
    ReservedAboveTotal {
        /// Reserved.
        reserved: u64,
        /// The total.
        total: u64,
    },
    /// No amount would be allowed.
    #[error("min_unit {min_unit} is above max_unit {max_unit}")]
    MinAboveMax {
        /// The least amount.
        min_unit: u64,
        /// The greatest amount.
        max_unit: u64,
    },
    /// `min_unit` is zero.
    #[error("min_unit is 0")]
    ZeroMinUnit,
    /// `step_size` is zero.
    #[error("step_size is 0")]
    ZeroStep,
    /// The ratio is not a number from 0.000000001 to 1,000,000.
    #[error("allocation_ratio {ratio} is not between 1e-9 and 1e6")]
    RatioOutOfRange {
        /// The ratio given.
        ratio: f64,
    },
    /// The capacity does not fit a `u64`.
    #[error("the capacity exceeds {}", u64::MAX)]
    CapacityOverflow,
}

impl Error {
    /// That this can't be a name.
    pub(crate) fn invalid_name(name: &str, reason: &'static str) -> Self {
        Error::InvalidName { name: beginning(name).to_owned(), length: name.len(), reason }
    }
}

/// What a consumer is at, in a message.
struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(generation) => write!(f, "is at generation {generation}"),
            None => f.write_str("holds nothing"),
        }
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        let (what, limit) = match limit {
            Limit::Cells => (
                "the forest, in which a provider counts three times and a consumer once",
                Cell::LIMIT.into(),
            ),
            Limit::Records(width) => {
                ("the providers and consumers of about one size", width.half().into())
            }
            Limit::Workers => ("workers at the same time", 1 << 15),
            // What one provider or one consumer can have is checked where that is known.
            Limit::Words => ("classes with a sharing provider", MOST_WORDS as u64 - 1),
            Limit::Entries => (
                "one change, in which a provider counts up to three times and a consumer once",
                MOST_CELLS as u64,
            ),
        };
        Error::TooLarge { what, limit }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::ledger::Width;

    #[test]
    fn no_bound_is_told_in_the_words_of_the_ledger() {
        use Limit::{Cells, Entries, Records, Words, Workers};
        let records = Records(Width::ALL[1]);
        for limit in [Cells, records, Workers, Words, Entries] {
            let message = Error::from(limit).to_string();
            for word in ["cell", "record", "word", "width", "entr", "transaction"] {
                assert!(!message.contains(word), "{message}");
            }
        }
    }
}

//! [`Error`]: why a call is refused, in fields that a caller can act on.

use std::fmt;

use uuid::Uuid;

use crate::error::fault::{Fault, FaultList};
use crate::error::inventory_fault::InventoryFault;
use crate::error::name::{NameFault, Quote};
use crate::error::request_fault::RequestFault;
use crate::ledger::{Abort, Cell, Limit, MOST_CELLS, MOST_WORDS};
use crate::values::ResourceClass;

/// Represents the result of a call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells why a call was refused. A refused call has changed nothing.
///
/// An error holds what its caller needs for the next decision, as it was at the instant of the
/// refusal. No text has to be parsed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The provider has been removed.
    #[error("provider {provider} has been removed")]
    Removed {
        /// The uuid of the provider that the handle named.
        provider: Uuid,
    },

    /// No provider has this uuid or this name.
    #[error("no provider has the uuid or the name {}", Quote::whole(key))]
    UnknownProvider {
        /// The uuid or the name.
        key: String,
    },

    /// The handle belongs to another forest.
    #[error("the handle of provider {provider} belongs to another forest")]
    ForeignProvider {
        /// The uuid of the provider that the handle names in its own forest.
        provider: Uuid,
    },

    /// A provider with this uuid exists already.
    #[error("a provider with uuid {uuid} exists")]
    UuidExists {
        /// The uuid that the caller asked for.
        uuid: Uuid,
    },

    /// A provider with this name exists already.
    #[error("a provider named {} exists", Quote::whole(name))]
    NameExists {
        /// The name that the caller asked for.
        name: String,
    },

    /// The name breaks the rules for names of providers, or for names of classes, traits and
    /// groups.
    #[error("{} can't be a name: {reason}", Quote::cut(name, *length))]
    InvalidName {
        /// The first 60 characters of the name that the caller gave.
        name: String,
        /// The length of the whole name, in bytes.
        length: usize,
        /// What is wrong with the name.
        reason: &'static str,
    },

    /// The provider has children, and the call works on providers without children alone.
    #[error("provider {provider} has children")]
    HasChildren {
        /// The provider.
        provider: Uuid,
    },

    /// The new parent is the provider itself or one of its descendants.
    #[error("provider {provider} can't move below {parent}, which is in its own subtree")]
    WouldCycle {
        /// The provider that was to move.
        provider: Uuid,
        /// The parent that the caller asked for.
        parent: Uuid,
    },

    /// Some of what the provider has is in use.
    #[error("{used} of {class} on provider {provider} are in use")]
    InUse {
        /// The provider.
        provider: Uuid,
        /// A class of which the provider has something in use.
        class: ResourceClass,
        /// How much of the class is in use.
        used: u64,
    },

    /// The provider's generation is not the expected one.
    #[error("provider {provider} is at generation {actual}, not {expected}")]
    GenerationConflict {
        /// The provider.
        provider: Uuid,
        /// The generation that the caller expects.
        expected: u64,
        /// The generation of the provider.
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
        /// The class that the caller asked for.
        class: ResourceClass,
    },

    /// Less is free than was asked for. If several amounts don't fit, this names one of them.
    #[error("{requested} of {class} asked from provider {provider}, {free} free")]
    CapacityExceeded {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much was asked for: all that the call asks of the class, where it is granted or
        /// refused together. Of a claim, its amounts of the class add up; of a batch, those of all
        /// its consumers; of a partial claim, this amount and those that were granted before it.
        /// A member of a gang asks for itself alone, and `free` is what those before it leave.
        requested: u64,
        /// How much the call could have had: what is free, and also, if the call replaces what a
        /// consumer holds, what that consumer holds of the class.
        free: u64,
    },

    /// The provider or one of its ancestors is cordoned, so that the provider gives nothing more.
    #[error("provider {provider} is cordoned")]
    Cordoned {
        /// The provider that was asked for an amount.
        provider: Uuid,
    },

    /// The amount breaks the units of the inventory.
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

    /// An amount to be taken or given back is 0.
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
        /// The sum of the amounts.
        sum: u128,
    },

    /// The amount given back is greater than what was taken without a consumer.
    #[error("{requested} of {class} given back to provider {provider}, {taken} were taken")]
    NotTaken {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much was to be given back.
        requested: u64,
        /// How much is taken without a consumer.
        taken: u64,
    },

    /// The claim asks for no amount at all.
    #[error("the claim of consumer {consumer} asks for nothing")]
    EmptyClaim {
        /// The consumer; the nil uuid if the claim is unnamed.
        consumer: Uuid,
    },

    /// The consumer holds allocations already.
    #[error("consumer {consumer} exists, at generation {generation}")]
    ConsumerExists {
        /// The consumer.
        consumer: Uuid,
        /// The generation of the consumer.
        generation: u64,
    },

    /// The consumer holds exactly what the claim asks for. Perhaps the claim has succeeded before,
    /// and the reply was lost.
    #[error("consumer {consumer} holds this already, at generation {generation}")]
    AlreadyHeld {
        /// The consumer.
        consumer: Uuid,
        /// The generation of the consumer.
        generation: u64,
    },

    /// The consumer's uuid has the form of those that this forest
    /// [issues](crate::ProviderTree::issue), and nothing waits to be claimed under it: the consumer
    /// was released, the uuid was given back, or the forest never issued it.
    #[error(
        "consumer {consumer} is not one that the forest has issued and that waits to be claimed"
    )]
    NotIssued {
        /// The consumer.
        consumer: Uuid,
    },

    /// The claim is [unnamed](crate::Claim::unnamed), and the call needs to know the consumer.
    #[error("the claim names no consumer")]
    Unnamed,

    /// Too few members of a gang, or too few amounts of a claim, fit. The call has taken nothing.
    #[error("{fit} fit, {at_least} have to")]
    TooFewFit {
        /// How many members or amounts fit.
        fit: usize,
        /// How many have to fit.
        at_least: usize,
        /// Why each of the others does not fit, with the position of the member or amount.
        refused: Vec<(usize, Error)>,
    },

    /// The lease has ended, by its expiry or otherwise.
    #[error("the lease of consumer {consumer} has ended")]
    LeaseEnded {
        /// The consumer.
        consumer: Uuid,
    },

    /// The lease belongs to another forest.
    #[error("the lease of consumer {consumer} belongs to another forest")]
    ForeignLease {
        /// The consumer that holds the lease in the lease's own forest.
        consumer: Uuid,
    },

    /// The consumer holds its allocations for good. There is no lease to renew or to cancel.
    #[error("what consumer {consumer} holds is not leased")]
    NotLeased {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer's generation is not the expected one, or the consumer holds nothing.
    #[error("consumer {consumer} {}, not at generation {expected}", At(*actual))]
    ConsumerConflict {
        /// The consumer.
        consumer: Uuid,
        /// The generation that the caller expects.
        expected: u64,
        /// The generation of the consumer; `None` if the consumer holds nothing.
        actual: Option<u64>,
    },

    /// The consumer holds nothing.
    #[error("consumer {consumer} holds nothing")]
    ConsumerNotFound {
        /// The consumer.
        consumer: Uuid,
    },

    /// The snapshot can't be read any more: its bound was met. See
    /// [`Snapshot::keep_at_most`](crate::Snapshot::keep_at_most).
    #[error("snapshot {snapshot} is too old")]
    SnapshotTooOld {
        /// The number of the snapshot, as [`Snapshot::number`](crate::Snapshot::number) returns
        /// it.
        snapshot: u64,
    },

    /// The snapshot belongs to another forest, or is later than the snapshot that it is compared
    /// with; or the changes to be applied begin at another snapshot than the one that the mirror is
    /// at.
    #[error("snapshot {snapshot} is not of this forest, or of another time")]
    ForeignSnapshot {
        /// The number of the snapshot, as [`Snapshot::number`](crate::Snapshot::number) returns
        /// it.
        snapshot: u64,
    },

    /// The request for candidates contradicts itself, or asks for nothing.
    #[error("the request is not valid: {fault}")]
    InvalidRequest {
        /// What is wrong.
        fault: RequestFault,
    },

    /// The view does not follow consumers; see
    /// [`View::with_holders`](crate::View::with_holders).
    #[error("the view does not follow consumers")]
    NoHolders,

    /// The request was prepared for another view.
    #[error("the request was prepared for another view")]
    ForeignRequest,

    /// The forest has changed more since the last poll than the feed's bound allows. The feed is
    /// over: take a snapshot, and begin another feed at that snapshot.
    #[error("the feed at snapshot {snapshot} fell behind")]
    FellBehind {
        /// The number of the snapshot that the feed is at.
        snapshot: u64,
    },

    /// A fact about the provider that the change rests on has changed since it was read.
    #[error("provider {provider} has changed")]
    ProviderChanged {
        /// The provider.
        provider: Uuid,
    },

    /// A fact about the consumer that the change rests on has changed since it was read.
    #[error("consumer {consumer} has changed")]
    ConsumerChanged {
        /// The consumer.
        consumer: Uuid,
    },

    /// Some entries of a list of providers, or of a dump, can't be accepted. The call has made none
    /// of the entries.
    #[error("invalid: {}", FaultList(faults))]
    InvalidEntries {
        /// What is wrong, for every entry that can't be accepted.
        faults: Vec<Fault>,
    },

    /// A [documented bound](crate::docs::limits) was met. A call that only gives something back is never
    /// refused because the forest is full: a release succeeds even then, and makes room.
    #[error("too large: {what} (at most {limit})")]
    TooLarge {
        /// What is too large, or what there are too many of.
        what: &'static str,
        /// How large that can be, or how many there can be.
        limit: u64,
        /// Whether the bound is one on the forest or the process as a whole; see
        /// [`is_full`](Self::is_full).
        full: bool,
    },
}

impl Error {
    /// Returns whether the call was refused for the state that it met, while another state of the
    /// forest would let it succeed: so a caller may look again, at what is free, at a provider, at a
    /// generation or at what a consumer holds, choose anew, and try again.
    ///
    /// True for [`CapacityExceeded`](Self::CapacityExceeded), [`Cordoned`](Self::Cordoned),
    /// [`Removed`](Self::Removed), [`NoInventory`](Self::NoInventory),
    /// [`UnitViolation`](Self::UnitViolation), [`GenerationConflict`](Self::GenerationConflict),
    /// [`ConsumerConflict`](Self::ConsumerConflict), [`ProviderChanged`](Self::ProviderChanged) and
    /// [`ConsumerChanged`](Self::ConsumerChanged). False for all others: also for those that tell
    /// what has become of the consumer itself, such as [`AlreadyHeld`](Self::AlreadyHeld), which no
    /// other provider would change.
    ///
    /// It does not say that another thread has changed anything, nor that one ever will: an amount
    /// that is larger than any capacity is a conflict too. So bound the tries, as
    /// [`View::place`](crate::View::place) does.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(1));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let one = |consumer| Claim::new(consumer).take(&host, ResourceClass::VCPU, 1);
    ///
    /// let first = Uuid::new_v4();
    /// worker.claim(&one(first))?;
    /// assert!(worker.claim(&one(Uuid::new_v4())).unwrap_err().is_conflict());
    /// assert!(!worker.claim(&one(first)).unwrap_err().is_conflict());
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Error::CapacityExceeded { .. }
                | Error::Cordoned { .. }
                | Error::Removed { .. }
                | Error::NoInventory { .. }
                | Error::UnitViolation { .. }
                | Error::GenerationConflict { .. }
                | Error::ConsumerConflict { .. }
                | Error::ProviderChanged { .. }
                | Error::ConsumerChanged { .. }
        )
    }

    /// Returns whether the call met a bound on the forest or the process as a whole: there are as many
    /// providers and consumers as there can be, as many workers, or as many classes or traits. So the
    /// same call may succeed in another forest, or in this one when something has been given back. False
    /// for a [`TooLarge`](Self::TooLarge) that says what is too large about the call by itself, such as a
    /// deadline, the classes of one provider or the size of a batch, and for all other errors.
    ///
    /// ```
    /// use provider_tree::{Claim, Deadline, Error, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let claim = Claim::unnamed().take(&host, ResourceClass::VCPU, 1);
    /// let refused = tree.worker()?.lease(&claim, Deadline(u64::MAX)).unwrap_err();
    /// assert!(matches!(refused, Error::TooLarge { what: "deadline", .. }) && !refused.is_full());
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Error::TooLarge { full: true, .. })
    }

    /// Returns the provider that the refusal is about, if the error has it in a field `provider`: what
    /// was to be taken there does not fit, or it is gone, or at another generation. Returns `None` for errors
    /// that list several reasons, such as [`InvalidEntries`](Self::InvalidEntries), and for those about a
    /// uuid or a name.
    pub fn provider(&self) -> Option<Uuid> {
        match self {
            Error::Removed { provider, .. }
            | Error::ForeignProvider { provider, .. }
            | Error::HasChildren { provider, .. }
            | Error::WouldCycle { provider, .. }
            | Error::InUse { provider, .. }
            | Error::GenerationConflict { provider, .. }
            | Error::NoInventory { provider, .. }
            | Error::CapacityExceeded { provider, .. }
            | Error::Cordoned { provider, .. }
            | Error::UnitViolation { provider, .. }
            | Error::ZeroAmount { provider, .. }
            | Error::SumTooLarge { provider, .. }
            | Error::NotTaken { provider, .. }
            | Error::ProviderChanged { provider, .. } => Some(*provider),
            _ => None,
        }
    }

    /// Returns the consumer that the refusal is about, if the error has it in a field `consumer`: it does
    /// not exist, or does already, or is at another generation. Returns `None` where a provider is the reason,
    /// also if one consumer alone has asked.
    pub fn consumer(&self) -> Option<Uuid> {
        match self {
            Error::EmptyClaim { consumer, .. }
            | Error::ConsumerExists { consumer, .. }
            | Error::AlreadyHeld { consumer, .. }
            | Error::NotIssued { consumer, .. }
            | Error::LeaseEnded { consumer, .. }
            | Error::ForeignLease { consumer, .. }
            | Error::NotLeased { consumer, .. }
            | Error::ConsumerConflict { consumer, .. }
            | Error::ConsumerNotFound { consumer, .. }
            | Error::ConsumerChanged { consumer, .. } => Some(*consumer),
            _ => None,
        }
    }
}

impl From<RequestFault> for Error {
    fn from(fault: RequestFault) -> Self {
        Error::InvalidRequest { fault }
    }
}

impl From<NameFault> for Error {
    fn from(fault: NameFault) -> Self {
        let NameFault { name, length, reason } = fault;
        Error::InvalidName { name, length, reason }
    }
}

/// Writes the state of a consumer in a message: its generation, or that the consumer holds nothing.
struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(generation) => write!(f, "is at generation {generation}"),
            None => f.write_str("holds nothing"),
        }
    }
}

impl From<Error> for Abort<Error> {
    fn from(error: Error) -> Self {
        Abort::Reject(error)
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        let full = matches!(limit, Limit::Cells | Limit::Records(_) | Limit::Workers);
        let (what, limit) = match limit {
            Limit::Cells => (
                "the forest, in which a provider counts three times and a consumer once",
                Cell::LIMIT.into(),
            ),
            Limit::Records(width) => {
                ("the providers and consumers of about one size", width.half().into())
            }
            Limit::Workers => ("workers at the same time", 1 << 15),
            // The layers above check what one provider or one consumer can have, where that is
            // known.
            Limit::Words => ("classes with a sharing provider", MOST_WORDS as u64 - 1),
            Limit::Entries => (
                "one change, in which a provider counts up to three times and a consumer once",
                MOST_CELLS as u64,
            ),
        };
        Error::TooLarge { what, limit, full }
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

    #[test]
    fn what_bounds_the_forest_as_a_whole_is_told_from_what_bounds_a_call() {
        use Limit::{Cells, Entries, Records, Words, Workers};
        for limit in [Cells, Records(Width::ALL[0]), Workers] {
            assert!(Error::from(limit).is_full(), "{limit:?}");
        }
        for limit in [Words, Entries] {
            assert!(!Error::from(limit).is_full(), "{limit:?}");
        }
        assert!(!Error::Unnamed.is_full());
    }
}

//! [`Fault`]: what can be wrong with an entry of a list of providers, or of a dump.

use uuid::Uuid;

use crate::error::inventory_fault::InventoryFault;
use crate::error::name::Quote;
use crate::values::ResourceClass;

/// Tells what is wrong with one entry; see [`Error::InvalidEntries`](crate::Error::InvalidEntries).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// More than one entry has this uuid.
    #[error("provider {provider} is listed more than once")]
    DuplicateUuid {
        /// The uuid that is listed more than once.
        provider: Uuid,
    },

    /// Another entry has the same name. Each entry with that name gets a fault of its own.
    #[error("provider {provider} shares its name {} with another entry", Quote::whole(name))]
    DuplicateName {
        /// The provider.
        provider: Uuid,
        /// The name; of a name that no provider can have, the first 60 characters.
        name: String,
    },

    /// A provider that is not listed, and that stays in the forest, has the name.
    #[error("provider {provider} can't be named {}: another provider is", Quote::whole(name))]
    NameExists {
        /// The provider.
        provider: Uuid,
        /// The name.
        name: String,
    },

    /// The name breaks the rules for names of providers.
    #[error("provider {provider} can't be named {}: {reason}", Quote::cut(name, *length))]
    InvalidName {
        /// The provider.
        provider: Uuid,
        /// The first 60 characters of the name.
        name: String,
        /// The length of the whole name, in bytes.
        length: usize,
        /// What is wrong with the name.
        reason: &'static str,
    },

    /// The parent is neither listed nor a provider that stays in the forest.
    #[error("the parent {parent} of provider {provider} does not exist")]
    Orphan {
        /// The provider.
        provider: Uuid,
        /// The parent.
        parent: Uuid,
    },

    /// The provider would be its own ancestor. Each provider on the circle gets a fault of its own.
    #[error("provider {provider} would be its own ancestor")]
    Cycle {
        /// The provider.
        provider: Uuid,
    },

    /// An inventory contradicts itself.
    #[error("the inventory of {class} on provider {provider} is not valid: {fault}")]
    InvalidInventory {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// What is wrong.
        fault: InventoryFault,
    },

    /// The generation is above 2<sup>63</sup> + 2<sup>62</sup> - 1, and would have no room to grow.
    #[error("the generation {generation} of {owner} is too large")]
    GenerationTooLarge {
        /// The provider or the consumer.
        owner: Uuid,
        /// The generation of the provider or the consumer.
        generation: u64,
    },

    /// The list would remove the provider, or its inventory of the class, while the provider's
    /// amounts are in use.
    #[error("{used} of {class} on provider {provider} are in use")]
    InUse {
        /// The provider.
        provider: Uuid,
        /// A class of which the provider has something in use.
        class: ResourceClass,
        /// How much of the class is in use.
        used: u64,
    },

    /// The batch removes the provider, perhaps as a descendant of another, and also creates it, moves it or
    /// configures it.
    #[error("provider {provider} is removed by the batch that also creates or changes it")]
    AlsoRemoved {
        /// The provider.
        provider: Uuid,
    },

    /// The dump has a format that this release does not read.
    #[error("a dump of version {found} can't be read, only up to version {supported}")]
    DumpVersion {
        /// The number of the dump's format.
        found: u32,
        /// The number of the latest format that this release reads.
        supported: u32,
    },

    /// Some of a class is in use, but the provider has no inventory of the class.
    #[error("{used} of {class} on provider {provider} are in use without an inventory")]
    UsedWithoutInventory {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much is in use.
        used: u64,
    },

    /// The amount that the entry of a class says is used is not the sum of what consumers hold and
    /// what was taken without a consumer.
    #[error("{used} of {class} on provider {provider} are used, but {held} are held")]
    UsageDiffers {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// The amount that the entry says is used.
        used: u64,
        /// The sum of what consumers hold and what was taken without a consumer, at most
        /// [`u64::MAX`].
        held: u64,
    },

    /// More than one entry describes this consumer.
    #[error("consumer {consumer} is listed more than once")]
    DuplicateConsumer {
        /// The consumer.
        consumer: Uuid,
    },

    /// The deadline of the consumer's lease is 2<sup>64</sup> - 1, the number that stands for no
    /// deadline.
    #[error("the deadline of consumer {consumer} is too late")]
    DeadlineTooLate {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer holds nothing. Such a consumer does not exist.
    #[error("consumer {consumer} holds nothing")]
    EmptyConsumer {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer holds some of a class from a provider that is not listed, or that has no
    /// inventory of the class.
    #[error("consumer {consumer} holds {class} of provider {provider}, which has none")]
    UnknownInventory {
        /// The consumer.
        consumer: Uuid,
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
    },

    /// The consumer lists an amount of 0, or lists the same class of the same provider more than
    /// once.
    #[error("consumer {consumer} can't hold {amount} of {class} of provider {provider} once more")]
    InvalidAllocation {
        /// The consumer.
        consumer: Uuid,
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// The amount.
        amount: u64,
    },

    /// There are only 4,096 places that have a [floor](crate::Floor).
    #[error("there is no floor at place {place}")]
    UnknownFloor {
        /// The place.
        place: u16,
    },

    /// More than one entry describes the [floor](crate::Floor) at this place.
    #[error("the floor at place {place} is listed more than once")]
    DuplicateFloor {
        /// The place.
        place: u16,
    },

    /// The [floor](crate::Floor) is above 2<sup>63</sup> + 2<sup>62</sup> - 1, and the generations above it
    /// would have no room to grow.
    #[error("the floor {generation} at place {place} is too high")]
    FloorTooHigh {
        /// The place.
        place: u16,
        /// The generation that is the floor.
        generation: u64,
    },
}

/// Writes faults in one text: the first few, and how many more there are.
pub(super) struct FaultList<'a>(pub(super) &'a [Fault]);

const SHOWN: usize = 8;

impl std::fmt::Display for FaultList<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, fault) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

//! What can be wrong with the entries of a list of providers, or of a dump.

use uuid::Uuid;

use crate::error::InventoryFault;
use crate::quoted::Quoted;
use crate::resource_class::ResourceClass;

/// What is wrong with one entry; see [`Error::InvalidEntries`](crate::Error::InvalidEntries).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// More than one entry has this uuid.
    #[error("provider {provider} is listed more than once")]
    DuplicateUuid {
        /// The uuid.
        provider: Uuid,
    },

    /// Another entry has the same name. There is one such fault for each of them.
    #[error("provider {provider} shares its name {} with another entry", Quoted::whole(name))]
    DuplicateName {
        /// The provider.
        provider: Uuid,
        /// The name; the first 60 characters of one that no provider can have.
        name: String,
    },

    /// A provider that is not listed, and stays, has the name.
    #[error("provider {provider} can't be named {}: another provider is", Quoted::whole(name))]
    NameExists {
        /// The provider.
        provider: Uuid,
        /// The name.
        name: String,
    },

    /// The name is not one that a provider can have.
    #[error("provider {provider} can't be named {}: {reason}", Quoted::cut(name, *length))]
    InvalidName {
        /// The provider.
        provider: Uuid,
        /// The first 60 characters of the name.
        name: String,
        /// The length of the whole name, in bytes.
        length: usize,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The parent is neither listed nor a provider that stays.
    #[error("the parent {parent} of provider {provider} does not exist")]
    Orphan {
        /// The provider.
        provider: Uuid,
        /// The parent.
        parent: Uuid,
    },

    /// The provider would be its own ancestor. There is one such fault for each on the circle.
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

    /// The generation is above 2<sup>63</sup> + 2<sup>62</sup> - 1, and could not grow for ever.
    #[error("the generation {generation} of {owner} is too large")]
    GenerationTooLarge {
        /// The provider or the consumer.
        owner: Uuid,
        /// Its generation.
        generation: u64,
    },

    /// The provider, or this inventory of it, would go while it is in use.
    #[error("{used} of {class} on provider {provider} are in use")]
    InUse {
        /// The provider.
        provider: Uuid,
        /// A class that is in use there.
        class: ResourceClass,
        /// How much of it is.
        used: u64,
    },

    /// The dump has a version that this release does not read.
    #[error("a dump of version {found} can't be read, only of version {supported}")]
    DumpVersion {
        /// Its version.
        found: u32,
        /// The version that is read.
        supported: u32,
    },

    /// A class is in use without an inventory.
    #[error("{used} of {class} on provider {provider} are in use without an inventory")]
    UsedWithoutInventory {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much is in use.
        used: u64,
    },

    /// What a class says is used is not the sum of what is held and what was taken without a
    /// consumer.
    #[error("{used} of {class} on provider {provider} are used, but {held} are held")]
    UsageDiffers {
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
        /// How much it says is used.
        used: u64,
        /// What is held and taken together, saturated.
        held: u64,
    },

    /// More than one entry is for this consumer.
    #[error("consumer {consumer} is listed more than once")]
    DuplicateConsumer {
        /// The consumer.
        consumer: Uuid,
    },

    /// The deadline of the consumer's lease is 2<sup>64</sup> - 1, which stands for none.
    #[error("the deadline of consumer {consumer} is too late")]
    DeadlineTooLate {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer holds nothing, so that it would not exist.
    #[error("consumer {consumer} holds nothing")]
    EmptyConsumer {
        /// The consumer.
        consumer: Uuid,
    },

    /// The consumer holds a class of a provider that is not listed, or has no inventory of it.
    #[error("consumer {consumer} holds {class} of provider {provider}, which has none")]
    UnknownInventory {
        /// The consumer.
        consumer: Uuid,
        /// The provider.
        provider: Uuid,
        /// The class.
        class: ResourceClass,
    },

    /// The consumer holds nothing of a class that it lists, or lists it more than once.
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
}

/// Faults in one text: the first few, and how many more there are.
pub(crate) struct Listed<'a>(pub(crate) &'a [Fault]);

const SHOWN: usize = 8;

impl std::fmt::Display for Listed<'_> {
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

//! The forest: its providers, their structure, and their configurations.

pub(crate) mod configuration;
mod configure;
mod cordon;
pub(crate) mod core;
mod due;
mod face;
mod floors;
mod frozen;
mod generation;
mod keys;
pub(crate) mod layout;
mod memory;
mod populate;
mod provider;
mod sharing;
mod state;
mod structure;
mod walk;

pub use configure::Updated;
pub use generation::Expect;
pub use memory::{ByteCounts, CellCounts, Memory, RecordCounts};
pub use populate::ProviderSpec;
pub use provider::{Provider, ProviderData, ProviderKey, ProviderTree, Version};

pub(crate) use configure::relayout;
pub(crate) use cordon::set_cordon_in;
pub(crate) use due::{Due, Term};
pub(crate) use frozen::Frozen;
pub(crate) use generation::LARGEST_LISTED_GENERATION;
pub(crate) use keys::{Interned, Name, Refused, while_stale};
pub(crate) use populate::{Plan, Used, UsedClass};
pub(crate) use sharing::{SharingChange, has_sharing_provider};
pub(crate) use structure::{open_live, structure_at};

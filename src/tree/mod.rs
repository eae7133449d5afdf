//! The forest: providers, their structure, their configurations.

pub(crate) mod cells;
pub(crate) mod configuration;
mod configure;
mod cordon;
pub(crate) mod core;
mod due;
mod face;
mod generation;
mod keys;
mod populate;
mod provider;
mod sharing;
mod structure;
mod walk;

pub use configure::Updated;
pub use generation::Expect;
pub use populate::ProviderSpec;
pub use provider::{Provider, ProviderData, ProviderKey, ProviderTree, Version};

pub(crate) use configure::relayout;
pub(crate) use due::{Due, Term};
pub(crate) use generation::LARGEST_LISTED_GENERATION;
pub(crate) use keys::{Interned, Refused};
pub(crate) use populate::{Plan, Used, UsedClass};
pub(crate) use sharing::SharingChange;
pub(crate) use structure::{open_live, structure_at};
pub(crate) use walk::Patience;

//! The forest: its providers, their structure, and their configurations.

pub(crate) mod configuration;
mod configure;
mod cordon;
pub(crate) mod core;
mod draft;
mod generation;
mod keys;
mod links;
mod populate;
mod provider;
mod reader;
mod sharing;
mod structure;

pub use configure::Updated;
pub use generation::Expect;
pub use populate::ProviderSpec;
pub use provider::{Provider, ProviderData, ProviderKey, Version};

pub(crate) use configure::relayout;
pub(crate) use cordon::set_cordon_in;
pub(crate) use core::{Forest, all_usages};
pub(crate) use draft::{Draft, open_live, structure_at};
pub(crate) use generation::LARGEST_LISTED_GENERATION;
pub(crate) use keys::{Interned, Keys, Name, Refused, while_stale};
pub(crate) use populate::{Plan, Used, UsedClass};
pub(crate) use reader::ForestReader;
pub(crate) use sharing::SharingChange;

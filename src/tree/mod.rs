//! The forest: providers, their structure, their configurations.

pub(crate) mod cells;
mod configuration;
mod configure;
pub(crate) mod core;
mod keys;
mod provider;
mod structure;
mod walk;

pub use configure::Expect;
pub use provider::{Provider, ProviderData, ProviderTree, Version};

pub(crate) use keys::{Interned, Refused};

//! [`ProviderTree`] and its methods, by subject.

mod claims;
mod configuration;
#[cfg(feature = "serde")]
pub mod placement;
mod structure;
mod tree;
mod usage;
mod views;
mod walk;

pub use tree::ProviderTree;

//! [`ProviderTree`] and its methods, by subject.

mod claims;
pub mod coming_from_nova;
mod configuration;
#[cfg(feature = "serde")]
pub mod placement;
mod structure;
mod tree;
mod usage;
mod views;
mod walk;

pub use tree::ProviderTree;

//! [`ProviderTree`] and its methods, by subject, in the order in which they are shown.

mod tree;

mod structure;

mod walk;

mod configuration;

mod usage;

mod claims;

mod views;

pub mod coming_from_nova;

#[cfg(feature = "serde")]
pub mod placement;

pub use tree::ProviderTree;

//! The methods of [`ProviderTree`](super::ProviderTree), by subject.

mod configuration;
mod structure;
mod usage;
mod walk;

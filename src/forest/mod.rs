//! The forest: its providers, their structure, and their configurations.
//!
//! The children of a provider are a list through the children's own structure cells. Each change of
//! the structure is one transaction. It touches these cells:
//!
//! | change | cells |
//! |---|---|
//! | create | the new provider's pair, its name, the parent, the last sibling |
//! | remove | pair and name of the whole subtree, the parent, both neighbours |
//! | reparent | the provider's pair, both parents, its neighbours, the last sibling, the moves cell |
//! | rename | the provider's pair, both names |
//!
//! A removal also changes the sharing cell if sharing providers go. A move also changes the pairs
//! of descendants if a cordon begins or ends for them.

pub(crate) mod configuration;
mod configure;
mod cordon;
pub(crate) mod core;
mod create;
mod draft;
mod edit;
mod find;
mod generation;
mod keys;
mod links;
mod mark;
mod populate;
mod provider;
mod reader;
mod recent;
mod remembered;
mod remove;
mod rename;
mod reparent;
mod sharing;
mod subtree;

pub use configuration::Facts;
pub use configure::Updated;
pub use edit::Edit;
pub use generation::Expect;
pub use populate::ProviderSpec;
pub use provider::{Configuration, Provider, ProviderKey, Version};
pub use subtree::SubtreeUsages;

pub(crate) use configure::{Replacement, configure, relayout, rewrite_usage};
pub(crate) use cordon::{set_cordon, set_cordon_in};
pub(crate) use core::{Forest, all_usages};
pub(crate) use create::{begin, create};
pub(crate) use draft::{Draft, open_live, structure_at};
pub(crate) use find::find;
pub(crate) use generation::LARGEST_LISTED_GENERATION;
pub(crate) use keys::{KeyCell, Keys, Name, Own, Refusal, while_stale, with_both_keys};
pub(crate) use mark::Mark;
pub(crate) use populate::{Entry, Plan, PlanKeys, check_parents, fill, populate};
pub(crate) use provider::Origin;
pub(crate) use reader::{ForestReader, Node};
pub(crate) use recent::RecentProviders;
pub(crate) use remembered::RememberedConfigurations;
pub(crate) use remove::{OldProvider, remove, remove_in};
pub(crate) use rename::rename;
pub(crate) use reparent::{relink, reparent};
pub(crate) use sharing::SharingChange;
pub(crate) use subtree::subtree_usages;

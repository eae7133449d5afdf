//! The one switch between the real shared primitives and their model-checked stand-ins.
//!
//! Everything that two threads share goes through here: words ([`AtomicU64`]), the indexes
//! ([`Index`]), the configuration slots ([`Slot`]), and chunks allocated on demand ([`OnceBox`]).
//! With `--cfg provider_tree_loom` each of them is built from [loom] types, so that the models in
//! `loom-tests` run the code of this crate itself.
//!
//! A stand-in hides something from the models; the last column names what covers it instead:
//!
//! | primitive | real | under loom | not seen by a model |
//! |---|---|---|---|
//! | `Index` | `DashMap` | `RwLock<BTreeMap>` | shard locks, resizing: the storm tests |
//! | `Agenda` | persistent trees, in `Slot`s | `RwLock<BTreeMap>` | looks at one shard after another: the storm tests |
//! | `Tally`, `Hint` | a word each | nothing | nothing depends on them |
//! | `Slot` | `ArcSwapAny` | `RwLock<Option<Arc>>` | arc-swap's own protocol: the storm tests, with both of its strategies |
//! | `OnceBox` | `once_cell::race::OnceBox` | the same behind a loom flag | nothing |
//! | `IdlePool` | `AtomicCell` | keeps nothing | which worker serves a call: the storm tests |
//!
//! The interner of class and trait names, in `src/values/interner.rs`, stands outside: the interner
//! outlives a model.
//!
//! [loom]: https://docs.rs/loom

#[cfg(not(provider_tree_loom))]
mod real;
#[cfg(not(provider_tree_loom))]
pub(crate) use real::*;

#[cfg(provider_tree_loom)]
mod model;
#[cfg(provider_tree_loom)]
pub(crate) use model::*;
#[cfg(provider_tree_loom)]
pub use model::{AtomicU64, threads};

pub(crate) use std::sync::atomic::Ordering;

//! What several tests of `provider-tree`, and the fuzzer, have in common.
//!
//! | module | what it is | who uses it |
//! |---|---|---|
//! | [`books`] | what a forest may have in memory | leaks, storms, random calls, the tests inside the crate |
//! | [`operation`] | a call and its outcome, as plain values | histories, random calls |
//! | [`model`] | the sequential specification: which outcomes are right | histories, random calls |
//! | [`history`] | what threads have called, when, and what came of it | histories |
//! | [`plan`] | which calls to make | histories, random calls |
//! | [`recorder`] | makes calls on a real forest and notes what comes of them | histories, random calls |
//! | [`sequence`] | calls of one thread, each compared with the model | random calls, the fuzzer |
//! | [`stall`] | an allocator in which threads give way to others | histories, the soak |
#![allow(missing_docs, reason = "no one but the tests sees it")]

pub mod books;
pub mod history;
pub mod model;
pub mod operation;
pub mod plan;
pub mod recorder;
pub mod sequence;
pub mod stall;

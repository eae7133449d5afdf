//! What several tests of `provider-tree`, and the fuzzer, have in common.
//!
//! | module | what it is | who uses it |
//! |---|---|---|
//! | [`books`] | what a forest may have in memory | leaks, storms, random calls, the tests inside the crate |
//! | [`dumps`] | dumps as they are compared | wherever dumps are |
//! | [`operation`] | a call and its outcome, as plain values | histories, random calls, storms |
//! | [`caller`] | makes a call on a real forest | histories, random calls, storms |
//! | [`model`] | the sequential specification: which outcomes are right | histories, random calls, storms |
//! | [`history`] | what threads have called, when, and what came of it | histories |
//! | [`plan`] | which calls to make | histories, random calls |
//! | [`recorder`] | makes the calls of a plan in threads and notes what comes of them | histories |
//! | [`search`] | candidates by brute force | searches |
//! | [`sequence`] | calls of one thread, each compared with the model | random calls, the fuzzer |
//! | [`stall`] | an allocator in which threads give way to others | histories, storms |
#![allow(missing_docs, reason = "no one but the tests sees it")]

pub mod books;
pub mod caller;
pub mod dumps;
pub mod history;
pub mod model;
pub mod operation;
pub mod plan;
pub mod recorder;
pub mod search;
pub mod sequence;
pub mod stall;

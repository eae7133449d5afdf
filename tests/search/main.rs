//! Searches: what they find is what brute force finds, no more and no less.
//!
//! | module | what it promises |
//! |---|---|
//! | `every` | every way to serve a request is found, once, and can be claimed |
//! | `following` | so it is in a view that follows a forest, for requests prepared once for all |
//! | `past` | so it is in a view of a snapshot, and of a fork |
//! | `parts` | limits, bounds, the best roots, and why the others don't serve |
//! | `topologies` | forests as operators build them have what their operators expect |
//! | `storm` | what is fixed is found while threads claim; what is found then is there |
//!
//! `random` makes forests, requests and changes; `rig` compares. `PROPTEST_CASES` sets how many
//! cases are tried.
#![allow(clippy::disallowed_types, reason = "atomics that are not the crate's")]

mod every;
mod following;
mod parts;
mod past;
mod random;
mod rig;
mod storm;
mod topologies;

//! Candidates by brute force, to compare what searches find with.
//!
//! | module | what it is |
//! |---|---|
//! | [`world`] | everything of a forest that a search looks at, as plain values |
//! | [`reference`](mod@reference) | requests as plain values; all ways to serve them |
//! | [`canonical`] | which of these ways are the same but for names |
//! | [`topologies`] | forests as operators build them, and what they have for whom |

pub mod canonical;
pub mod reference;
pub mod topologies;
pub mod world;

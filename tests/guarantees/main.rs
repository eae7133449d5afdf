//! What the claim engine guarantees: a test for each promise, named after it.
//!
//! | module | what it is about |
//! |---|---|
//! | `lines` | the promises in order, `g01` to `g15` |
//! | `meetings` | of these `g14`: whole calls that meet on real threads |
//! | `conflicts` | what a claim rests on, and how much of it has to fit |
//! | `bounds` | bounds, one below, at, and one above |
//! | `batches` | several consumers, and inventories, in one commit |
//! | `replies` | what a retry after a lost reply is told |
//! | `reshapes` | what is held moves to other providers under live claims |
//! | `providers` | providers that come, move, change and go in one commit |
//! | `quotas` | chains of ancestors |
//! | `leases` | deadlines, confirmations, expiry |
//! | `lives` | generations of consumers that end and begin again |
//! | `tags` | a number of the caller's, wherever a consumer is shown |
//! | `issued` | consumers that the forest names |
//! | `cordons` | providers out of service |
//! | `overcommit` | inventories that shrink below what is used |
//! | `packed` | amounts that share words, and where they come to have their own |
//! | `counts` | metrics |
//! | `handles` | handles of providers in allocations and changes |
//! | `messages` | what refusals say |
//! | `crowds` | one large claim among many small ones |
//!
//! The library has no candidates and no search: of these lines it keeps what concerns walks, dumps
//! and versions.
#![expect(
    clippy::disallowed_types,
    reason = "tests start and stop their threads with std's atomics"
)]

mod batches;
mod bounds;
mod conflicts;
mod cordons;
mod counts;
mod crowds;
mod handles;
mod issued;
mod leases;
mod lines;
mod lives;
mod meetings;
mod messages;
mod overcommit;
mod packed;
mod providers;
mod quotas;
mod replies;
mod reshapes;
mod rig;
mod tags;

//! What the claim engine guarantees: a test for each promise, named after it.
//!
//! | module | what it is about |
//! |---|---|
//! | `lines` | the promises in order, `g01` to `g15` |
//! | `conflicts` | what a claim rests on, and how much of it has to fit |
//! | `bounds` | bounds, one below, at, and one above |
//! | `batches` | several consumers, and inventories, in one commit |
//! | `replies` | what a retry after a lost reply is told |
//! | `reshapes` | what is held moves to other providers under live claims |
//! | `quotas` | chains of ancestors |
//! | `leases` | deadlines, confirmations, expiry |
//! | `lives` | generations of consumers that end and begin again |
//! | `cordons` | providers out of service |
//! | `overcommit` | inventories that shrink below what is used |
//! | `counts` | metrics |
//! | `messages` | what refusals say |
//! | `crowds` | one large claim among many small ones |
//!
//! The library has no candidates and no search: of these lines it keeps what concerns walks, dumps
//! and versions.
#![expect(
    clippy::disallowed_types,
    reason = "tests start and stop their threads with std's atomics"
)]

#[path = "guarantees/batches.rs"]
mod batches;
#[path = "guarantees/bounds.rs"]
mod bounds;
#[path = "guarantees/conflicts.rs"]
mod conflicts;
#[path = "guarantees/cordons.rs"]
mod cordons;
#[path = "guarantees/counts.rs"]
mod counts;
#[path = "guarantees/crowds.rs"]
mod crowds;
#[path = "guarantees/leases.rs"]
mod leases;
#[path = "guarantees/lines.rs"]
mod lines;
#[path = "guarantees/lives.rs"]
mod lives;
#[path = "guarantees/messages.rs"]
mod messages;
#[path = "guarantees/overcommit.rs"]
mod overcommit;
#[path = "guarantees/quotas.rs"]
mod quotas;
#[path = "guarantees/replies.rs"]
mod replies;
#[path = "guarantees/reshapes.rs"]
mod reshapes;
#[path = "guarantees/rig.rs"]
mod rig;

//! Claims: how consumers come to hold amounts of providers' inventories, and give them back.

mod agenda;
mod basis;
mod batch;
mod change;
mod claims;
mod consumer;
mod core;
mod find;
mod floors;
mod frozen;
mod gang;
mod lease;
mod lines;
mod request;
mod worker;

pub use consumer::{Allocation, Allocations};
pub use gang::Partial;
pub use lease::Lease;
pub use request::{Batch, Claim};
pub use worker::{Receipt, Worker};

pub(crate) use agenda::Due;
pub(crate) use basis::{Basis, Fact, Facts, units_of, usages};
pub(crate) use change::Change;
pub(crate) use core::Core;
pub(crate) use frozen::Frozen;
pub(crate) use lines::{check_claim, sort_out};
pub(crate) use request::Line;

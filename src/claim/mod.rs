//! Claims: how consumers come to hold amounts of providers' inventories, and give them back.

mod basis;
mod batch;
mod change;
mod consumer;
mod face;
mod find;
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

pub(crate) use basis::{Basis, Fact, Facts, units_of, usages};
pub(crate) use change::Change;
pub(crate) use consumer::{
    ConsumerWords, Held, LATEST_DEADLINE, check_count, consumer_cells, is_live_consumer,
    rewrite_consumer,
};
pub(crate) use lines::{check_claim, sort_out};
pub(crate) use request::Line;

//! Claims: what consumers take from providers, and the proof that it adds up.

mod audit;
mod batch;
mod change;
mod consumer;
mod face;
mod gang;
mod lease;
mod lines;
mod request;
mod worker;

pub use audit::{Audit, Difference, Overcommit};
pub use consumer::{Allocation, Allocations};
pub use gang::Partial;
pub use lease::Lease;
pub use request::{Batch, Claim};
pub use worker::{Receipt, Worker};

pub(crate) use consumer::{ConsumerWords, Held, LATEST_DEADLINE, is_live_consumer, write_consumer};

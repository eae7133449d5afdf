//! Claims: what consumers take from providers, and the proof that it adds up.

mod audit;
mod consumer;
mod face;
mod request;
mod worker;

pub use audit::{Audit, Difference, Overcommit};
pub use consumer::{Allocation, Allocations};
pub use request::Claim;
pub use worker::{Receipt, Worker};

pub(crate) use consumer::{ConsumerWords, Held, is_live_consumer, write_consumer};

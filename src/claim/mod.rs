//! Claims: how consumers come to hold amounts of providers' inventories, and give them back.

mod agenda;
mod basis;
mod batch;
mod change;
mod claims;
mod commit;
mod consumer;
mod core;
pub(crate) mod engine;
mod fact;
mod fast;
mod floors;
mod gang;
mod holder;
mod issued;
mod lease;
mod lines;
mod pin;
mod put;
mod request;
mod reshape;
mod rules;
mod shown;
mod take;
mod worker;

pub use batch::Batch;
pub use consumer::{Allocation, Allocations};
pub use floors::Floor;
pub use gang::Partial;
pub use issued::Issued;
pub use lease::Lease;
pub use request::Claim;
pub use worker::{Receipt, Worker};

pub(crate) use agenda::AgendaKey;
pub(crate) use basis::Basis;
pub(crate) use claims::Claims;
pub(crate) use consumer::{allocations, read_allocations};
pub(crate) use core::Core;
pub(crate) use fact::{Answer, Answers, Question};
pub(crate) use lease::lease_of;
pub(crate) use lines::Line;
pub(crate) use pin::ForestPin;
pub(crate) use request::Condition;
pub(crate) use rules::Rules;

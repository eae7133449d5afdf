//! What can go wrong: with a call, with an entry of a list or of a dump, with an inventory, with a
//! name, with a request.

mod call;
pub(crate) mod fault;
mod inventory_fault;
mod name;
mod request_fault;

pub use call::{Error, Result};
pub use fault::Fault;
pub use inventory_fault::InventoryFault;
pub use request_fault::RequestFault;

pub(crate) use name::{NameFault, check_provider_name, check_term_name};

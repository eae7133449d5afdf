//! What can go wrong: with a call, with an entry of a list or of a dump, with an inventory, with a
//! name.

mod call;
pub(crate) mod fault;
mod inventory_fault;
mod name;

pub use call::{Error, Result};
pub use fault::Fault;
pub use inventory_fault::InventoryFault;

pub(crate) use name::{NameFault, check_provider_name, check_term_name};

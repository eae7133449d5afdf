//! The vocabulary: values that threads do not share, what providers have, and what is counted.

mod by_name;
mod interner;
pub(crate) mod inventory;
pub(crate) mod metrics;
mod partial_inventory;
pub(crate) mod resource_class;
mod resources;
#[cfg(feature = "serde")]
pub(crate) mod shape;
mod time;
mod traits;

pub use inventory::{Inventories, Inventory, Usage};
pub use metrics::Metrics;
pub use partial_inventory::{PartialInventories, PartialInventory};
pub use resource_class::ResourceClass;
pub use resources::Resources;
pub use time::{Deadline, Now};
pub use traits::Trait;

pub(crate) use inventory::ClassCapacity;

//! Views: a whole forest as it was at one instant.

mod audit;
mod changes;
mod dump;
mod feed;
mod fork;
mod load;
mod lookup;
mod memory;
mod mirror;
mod snapshot;
mod touched;
mod wait;

pub use audit::{Audit, Difference, Overcommit};
pub use changes::{Changes, ConsumerChange, ProviderChange, ProviderState};
pub use dump::{Dump, ProviderDump, UsedAmounts};
pub use feed::Feed;
pub use fork::Fork;
pub(crate) use load::load;
pub(crate) use lookup::each_consumer;
pub use memory::{ByteCounts, CellCounts, Memory, RecordCounts};
pub use mirror::Mirror;
pub use snapshot::Snapshot;
pub use touched::{Touched, TouchedProvider};

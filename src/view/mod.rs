//! Views: a whole forest as plain values.

mod dump;
mod load;

pub use dump::{Dump, ProviderDump, UsedAmounts};

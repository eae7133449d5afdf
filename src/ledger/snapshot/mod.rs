//! How the past stays readable: the clock, the registry of pinned epochs, and older versions.

pub(in crate::ledger) mod clock;
pub(in crate::ledger) mod heap;
pub(in crate::ledger) mod history;
pub(in crate::ledger) mod marks;
pub(in crate::ledger) mod ordered_map;
pub(in crate::ledger) mod past;
pub(in crate::ledger) mod pinned_range;
pub(in crate::ledger) mod preserve;
pub(in crate::ledger) mod registry;

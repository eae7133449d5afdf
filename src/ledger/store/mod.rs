//! What is in memory: gates, records, and the arrays and lists that hold them.

pub(in crate::ledger) mod chunks;
pub(in crate::ledger) mod free_list;
pub(in crate::ledger) mod gate;
pub(in crate::ledger) mod pages;
pub(in crate::ledger) mod record;
pub(in crate::ledger) mod records;
pub(in crate::ledger) mod slots;

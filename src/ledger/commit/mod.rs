//! How cells change: writers, their transactions, and the protocol that commits them.

pub(in crate::ledger) mod access_set;
pub(in crate::ledger) mod descriptor;
pub(in crate::ledger) mod fast;
pub(in crate::ledger) mod follow;
pub(in crate::ledger) mod kcas;
pub(in crate::ledger) mod seat;
pub(in crate::ledger) mod stock;
pub(in crate::ledger) mod trail;
pub(in crate::ledger) mod transaction;
pub(in crate::ledger) mod urgency;
pub(in crate::ledger) mod waiters;
pub(in crate::ledger) mod writer;

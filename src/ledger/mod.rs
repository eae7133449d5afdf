//! The lock-free core: cells that change by transactions.
//!
//! Every fact that changes under load is the payload of a *cell*, a short array of words. The
//! *gate* of a cell names the *record* that holds the version in force. A change of one cell writes
//! the next version into a spare record, then exchanges the gate's word. A transaction over several
//! cells publishes a *descriptor*, installs it in every gate, and is decided by one exchange. A
//! thread that meets a descriptor finishes its transaction first. `PROTOCOL.md` beside this file
//! explains the protocol. A writer announces in its *trail* which cells it changes, for readers that
//! follow.
//!
//! The files depend on each other in this order, without circles: `limits`, `abort`, `word`,
//! `store`, the shared parts of `snapshot` and `commit`, `state`, `read`, the rest of `snapshot`,
//! the rest of `commit`.
//!
//! To get to know the ledger, read `word`, `store/gate`, `store/record`, `read`, `commit/writer`,
//! `commit/kcas`, then `snapshot`.
//!
//! The ledger knows words, not providers.

mod abort;
mod census;
mod commit;
mod limits;
mod read;
mod snapshot;
mod state;
mod store;
mod word;

pub(crate) use abort::{Abort, Torn};
pub(crate) use census::Spares;
pub(crate) use commit::access_set::Place;
#[cfg(provider_tree_loom)]
pub(crate) use commit::fast::with_fast_cells;
pub(crate) use commit::fast::{FastTransaction, most_fast_cells};
pub(crate) use commit::follow::{Follower, Reach};
pub(crate) use commit::transaction::Transaction;
pub(crate) use commit::waiters::Waiter;
pub(crate) use commit::writer::Writer;
#[cfg(all(test, not(provider_tree_loom)))]
pub(crate) use limits::Width;
pub(crate) use limits::{Limit, MOST_CELLS, MOST_WORDS};
pub(crate) use read::{CollectRoom, DoubleCollect, Reader};
pub(crate) use snapshot::heap::HistoryKey;
pub(crate) use snapshot::history::{Histories, Span};
pub(crate) use snapshot::past::Past;
pub(crate) use snapshot::registry::Pin;
pub(crate) use state::Ledger;
pub(crate) use store::chunks::Chunks;
pub(crate) use store::free_list::FreeList;
pub(crate) use store::pages::{Aligned, Pages};
pub(crate) use store::record::{NextPayload, Record};
pub(crate) use store::slots::Slots;
pub(crate) use word::{Cell, GateWord, Kind, Stamp};

//! The lock-free core: cells that change by transactions.
//!
//! Every fact that changes under load is the payload of a *cell*, a short array of words. A cell's
//! *gate* names the *record* that holds its current version; changing a cell means writing the next
//! version into a spare record and exchanging the gate's word. A transaction over several cells
//! announces itself in a *descriptor*, installs it in every gate, and is decided by one exchange;
//! whoever meets a descriptor finishes that transaction first. See `PROTOCOL.md` beside this file.
//!
//! The ledger knows words, not providers.

mod census;
mod chunks;
mod clock;
mod descriptor;
mod exhausted;
mod free_list;
mod gate;
mod history;
mod kcas;
mod kept;
mod marks;
mod ordered;
mod pages;
mod past;
mod preserve;
mod read;
mod record;
mod registry;
mod slots;
mod stock;
mod transaction;
mod urgency;
mod writer;

use std::sync::Arc;

use clock::Clock;
use descriptor::{Descriptor, Ticket};
#[cfg(not(provider_tree_loom))]
use free_list::FreeList;
use gate::Gates;
use marks::Marks;
use record::Records;
use registry::Registry;
use urgency::Urgency;

use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

pub(crate) use census::Spares;
pub(crate) use chunks::Chunks;
pub(crate) use clock::Stamp;
pub(crate) use exhausted::Exhausted;
#[cfg(provider_tree_loom)]
pub(crate) use free_list::FreeList;
pub(crate) use gate::{Cell, GateWord};
pub(crate) use history::{Histories, Span};
pub(crate) use kept::Kept;
pub(crate) use past::Past;
pub(crate) use read::{Collect, View};
#[cfg(all(test, not(provider_tree_loom)))]
pub(crate) use record::Width;
pub(crate) use record::{MOST_WORDS, Making, Record};
pub(crate) use registry::Moment;
pub(crate) use slots::Slots;
pub(crate) use transaction::{Abort, MOST_CELLS, Place, Transaction};
pub(crate) use writer::Writer;

/// Kinds of cells are recycled apart, in runs of a fixed number of cells.
pub(crate) const KINDS: usize = 3;

/// A kind of cells, by its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(pub(crate) usize);

/// All cells, their versions, and the transactions over them.
pub(crate) struct Ledger {
    gates: Gates,
    records: Records,
    clock: Clock,
    registry: Registry,
    histories: Histories<Arc<[u64]>>,
    marks: Marks,
    urgency: Urgency,
    descriptors: Chunks<CachePadded<Descriptor>>,
    descriptors_handed_out: AtomicU64,
    descriptors_free: FreeList,
    cells_handed_out: CachePadded<AtomicU64>,
    /// Per kind: how many cells belong together, and the runs that nobody uses.
    kinds: [(u32, FreeList); KINDS],
}

impl Ledger {
    /// A ledger without cells. `runs` says how many cells of each kind belong together.
    pub(crate) fn new(runs: [u32; KINDS]) -> Self {
        Ledger {
            gates: Gates::new(),
            records: Records::new(),
            clock: Clock::new(),
            registry: Registry::new(),
            histories: Histories::new(),
            marks: Marks::new(),
            urgency: Urgency::default(),
            descriptors: Chunks::new(1),
            descriptors_handed_out: AtomicU64::new(0),
            descriptors_free: FreeList::new(),
            cells_handed_out: CachePadded::new(AtomicU64::new(0)),
            kinds: runs.map(|cells| (cells, FreeList::new())),
        }
    }

    /// What one thread writes with. Lock-free.
    pub(crate) fn writer(self: &Arc<Self>) -> Result<Writer, Exhausted> {
        let mut slots = Vec::new();
        if !self.descriptors_free.pop(|slot| slots.push(slot)) {
            // Relaxed: only the uniqueness of the answer matters.
            let slot = self.descriptors_handed_out.fetch_add(1, Ordering::Relaxed);
            if slot >= u64::from(Ticket::SLOTS) {
                // Relaxed: as above. Never so many at once that this could wrap.
                self.descriptors_handed_out.fetch_add(u64::MAX, Ordering::Relaxed);
                return Err(Exhausted::Workers);
            }
            slots.push(slot as u32);
        }
        let slot = slots[0];
        self.descriptors.get_or_make(slot, |length| {
            (0..length).map(|_| CachePadded::new(Descriptor::new())).collect()
        });
        Ok(Writer::new(Arc::clone(self), slot))
    }

    /// Every cell that was ever handed out has a number below this one.
    pub(crate) fn cell_bound(&self) -> u32 {
        // The fence stands for SeqCst in the models; partner of the one before the clock.
        model_fence();
        // SeqCst: after the caller's advance of the clock, and so after the numbers of all cells
        // that were in force before that were handed out.
        self.cells_handed_out.load(Ordering::SeqCst).min(u64::from(Cell::LIMIT)) as u32
    }

    /// Every writer that there ever was has a slot below this one.
    pub(crate) fn writer_bound(&self) -> u32 {
        // Relaxed: as for `cell_bound`, with the creation of the writer in the place of the
        // transaction.
        self.descriptors_handed_out.load(Ordering::Relaxed).min(u64::from(Ticket::SLOTS)) as u32
    }

    #[inline]
    fn descriptor(&self, slot: u32) -> &Descriptor {
        let slots = self.descriptors.get(slot).expect("a slot is used after its chunk is made");
        &slots[0]
    }
}

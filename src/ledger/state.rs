//! [`Ledger`]: all state that threads share.

use std::sync::Arc;

use super::commit::descriptor::Descriptor;
use super::commit::urgency::Urgency;
use super::snapshot::clock::Clock;
use super::snapshot::history::Histories;
use super::snapshot::marks::Marks;
use super::snapshot::registry::Registry;
use super::store::chunks::Chunks;
use super::store::free_list::FreeList;
use super::store::gate::Gates;
use super::store::records::Records;
use super::word::{Cell, KINDS, Ticket};
use crate::sync::{AtomicU64, CachePadded, Ordering, model_fence};

/// All cells, their versions, and the transactions over them.
pub(crate) struct Ledger {
    pub(in crate::ledger) gates: Gates,
    pub(in crate::ledger) records: Records,
    pub(in crate::ledger) clock: Clock,
    pub(in crate::ledger) registry: Registry,
    pub(in crate::ledger) histories: Histories<Arc<[u64]>>,
    pub(in crate::ledger) marks: Marks,
    pub(in crate::ledger) urgency: Urgency,
    pub(in crate::ledger) descriptors: Chunks<CachePadded<Descriptor>>,
    pub(in crate::ledger) descriptors_handed_out: AtomicU64,
    pub(in crate::ledger) descriptors_free: FreeList,
    pub(in crate::ledger) cells_handed_out: CachePadded<AtomicU64>,
    /// Per kind: how many cells belong together, and the runs that nobody uses.
    pub(in crate::ledger) kinds: [(u32, FreeList); KINDS],
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
    pub(in crate::ledger) fn descriptor(&self, slot: u32) -> &Descriptor {
        let slots = self.descriptors.get(slot).expect("a slot is used after its chunk is made");
        &slots[0]
    }
}

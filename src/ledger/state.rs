//! [`Ledger`]: the state that threads share.

use std::sync::Arc;

use super::commit::descriptor::Descriptor;
use super::commit::seat::Seat;
use super::commit::urgency::Urgency;
use super::commit::waiters::Waiters;
use super::snapshot::clock::Clock;
use super::snapshot::history::Histories;
use super::snapshot::marks::Marks;
use super::snapshot::registry::Registry;
use super::store::chunks::Chunks;
use super::store::free_list::FreeList;
use super::store::gate::Gates;
use super::store::records::Records;
use super::word::{Cell, KINDS, Ticket};
use crate::sync::{AtomicU64, CachePadded, OnceBox, Ordering, model_fence};

/// Holds all cells, their versions, and the transactions over them.
pub(crate) struct Ledger {
    pub(in crate::ledger) gates: Gates,
    pub(in crate::ledger) records: Records,
    pub(in crate::ledger) clock: Clock,
    pub(in crate::ledger) registry: Registry,
    pub(in crate::ledger) histories: Histories<Arc<[u64]>>,
    pub(in crate::ledger) marks: Marks,
    pub(in crate::ledger) urgency: Urgency,
    pub(crate) waiters: Waiters,
    /// Holds what belongs to each slot; the slot's writer and those who follow it have it too.
    pub(in crate::ledger) seats: Chunks<OnceBox<Arc<Seat>>>,
    pub(in crate::ledger) slots_handed_out: AtomicU64,
    pub(in crate::ledger) slots_free: FreeList,
    pub(in crate::ledger) cells_handed_out: CachePadded<AtomicU64>,
    /// Holds, for each kind, how many cells a run has, and the runs that no writer uses.
    pub(in crate::ledger) kinds: [(u32, FreeList); KINDS],
}

impl Ledger {
    /// Creates a ledger without cells. `runs` gives the number of cells in a run of each kind; there
    /// are at most [`KINDS`].
    pub(crate) fn new(runs: &[u32]) -> Self {
        Ledger {
            gates: Gates::new(),
            records: Records::new(),
            clock: Clock::new(),
            registry: Registry::new(),
            histories: Histories::new(),
            marks: Marks::new(),
            urgency: Urgency::default(),
            waiters: Waiters::new(),
            seats: Chunks::new(1),
            slots_handed_out: AtomicU64::new(0),
            slots_free: FreeList::new(),
            cells_handed_out: CachePadded::new(AtomicU64::new(0)),
            kinds: std::array::from_fn(|kind| {
                (runs.get(kind).copied().unwrap_or(1), FreeList::new())
            }),
        }
    }

    /// Returns a number above those of all cells that were ever handed out.
    pub(crate) fn cell_bound(&self) -> u32 {
        // The fence stands for SeqCst in the models: partner of the fence in `Clock::now`.
        model_fence();
        // SeqCst: after the caller's advance of the clock; so the numbers of all cells that were in
        // force before that advance were handed out before this load. Pairs with
        // `Writer::restock_cells`.
        self.cells_handed_out.load(Ordering::SeqCst).min(u64::from(Cell::LIMIT)) as u32
    }

    /// Returns a number above the slots of all writers that there ever were.
    pub(crate) fn writer_bound(&self) -> u32 {
        // Relaxed: a caller that has acquired anything from a writer sees that writer's slot
        // counted.
        self.slots_handed_out.load(Ordering::Relaxed).min(u64::from(Ticket::SLOTS)) as u32
    }

    #[inline]
    pub(in crate::ledger) fn descriptor(&self, slot: u32) -> &Descriptor {
        let seat = self.seats.first(slot).and_then(OnceBox::get);
        &seat.expect("a slot is used after its seat is made").descriptor
    }

    /// Returns what belongs to a slot; makes it if it is missing. Lock-free.
    pub(in crate::ledger) fn seat(&self, slot: u32) -> &Arc<Seat> {
        let new = |length| (0..length).map(|_| OnceBox::new()).collect();
        let seat = &self.seats.get_or_make(slot, new)[0];
        if seat.get().is_none() {
            // A loser's seat is dropped: the winner's seat serves both.
            drop(seat.set(Box::new(Arc::new(Seat::new()))));
        }
        seat.get().expect("set above, by this thread or the one that beat it")
    }
}

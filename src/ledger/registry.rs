//! Which snapshots are held, and for whose sake older versions are kept.
//!
//! A snapshot is an instant: a reading of the clock, which it advances. It is registered before it
//! advances the clock, so that whoever stamps a version later than the snapshot finds it here.

use std::sync::Arc;

use super::Ledger;
use super::chunks::Chunks;
use super::clock::{Clock, Stamp};
use super::free_list::FreeList;
use super::gate::Cell;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, CachePadded, Ordering, Slot};

/// An instant that is registered: what was in force then can be read until it ends.
#[derive(Debug)]
pub(crate) struct Moment {
    slot: u32,
    at: Stamp,
}

impl Moment {
    /// The clock's reading.
    pub(crate) fn at(&self) -> Stamp {
        self.at
    }
}

/// All registered instants.
pub(super) struct Registry {
    slots: Chunks<CachePadded<Registration>>,
    handed_out: AtomicU64,
    free: FreeList,
}

struct Registration {
    /// The instant; [`NONE`], or [`REVOKED`].
    at: AtomicU64,
    /// How many things are kept for it, of how many that may be.
    kept: AtomicU64,
    limit: AtomicU64,
    bag: Slot<Bag>,
}

const NONE: u64 = 0;
const REVOKED: u64 = u64::MAX;

/// What is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// A version of the cell, in its history.
    Version(Cell),
    /// Something that the layer above keeps beside the cell.
    Beside(Cell),
}

/// What is kept for one instant, as a list that shares its tail.
struct Bag {
    kept: Kept,
    /// The instant. That of the registration may have become a later one meanwhile.
    at: Stamp,
    next: Option<Arc<Bag>>,
}

impl Drop for Bag {
    /// Link by link: a long list must not be dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(bag) = next {
            next = Arc::into_inner(bag).and_then(|mut bag| bag.next.take());
        }
    }
}

/// The registration that something is kept for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Needing {
    at: u64,
    slot: u32,
}

/// The registered instants, as they were at some reading of the clock. For what ended by then this
/// tells who needs it, without a look at the registry; instants that have ended meanwhile still count.
pub(super) struct Instants {
    read_at: Stamp,
    registered: Vec<Stamp>,
    /// The earliest of them, and the latest.
    earliest: Stamp,
    latest: Stamp,
}

impl Instants {
    pub(super) fn new() -> Self {
        let (earliest, latest) = (Stamp::NEVER, Stamp::BEGINNING);
        Instants { read_at: Stamp::BEGINNING, registered: Vec::new(), earliest, latest }
    }

    /// Whether something may be needed that was in force from one reading of the clock until before
    /// another one was.
    #[inline]
    pub(super) fn need(&mut self, ledger: &Ledger, from: Stamp, until: Stamp) -> bool {
        if until > self.read_at {
            self.refresh(ledger);
        }
        // Most often there are one or two.
        let may_need = self.earliest < until && from <= self.latest;
        may_need && (from <= self.earliest || self.latest < until || self.need_within(from, until))
    }

    /// Whether something is needed by others than the earliest and the latest.
    #[cold]
    fn need_within(&self, from: Stamp, until: Stamp) -> bool {
        self.registered.iter().any(|at| from <= *at && *at < until)
    }

    /// Looks at the registry again.
    #[cold]
    pub(super) fn refresh(&mut self, ledger: &Ledger) {
        // First the clock: every instant before this reading is registered by now.
        self.read_at = ledger.clock.now();
        self.registered.clear();
        self.registered.extend(ledger.registry.instants());
        self.earliest = self.registered.iter().min().copied().unwrap_or(Stamp::NEVER);
        self.latest = self.registered.iter().max().copied().unwrap_or(Stamp::BEGINNING);
    }
}

impl Registry {
    pub(super) fn new() -> Self {
        Registry { slots: Chunks::new(1), handed_out: AtomicU64::new(0), free: FreeList::new() }
    }

    /// Registers the present and ends it: what is stamped from now on came later. Lock-free.
    pub(super) fn register(&self, clock: &Clock) -> Moment {
        let slot = self.slot();
        let registration = self.registration(slot).expect("its chunk was just made");
        // Relaxed, both: the instant below publishes them.
        registration.kept.store(0, Ordering::Relaxed);
        registration.limit.store(u64::MAX, Ordering::Relaxed);
        loop {
            let at = clock.now();
            // SeqCst: before the clock's advance, so that whoever reads the clock after that finds
            // this; partner of `needing`.
            registration.at.store(at.bits(), Ordering::SeqCst);
            reached(Step::Registered);
            if clock.advance(at) {
                return Moment { slot, at };
            }
        }
    }

    fn slot(&self) -> u32 {
        let mut free = None;
        // One at a time: each was pushed alone.
        self.free.pop(|slot| free = Some(slot));
        let slot = free.unwrap_or_else(|| {
            // Relaxed: a new slot is published with the clock's advance.
            self.handed_out.fetch_add(1, Ordering::Relaxed) as u32
        });
        self.slots.get_or_make(slot, |length| {
            let new = || Registration {
                at: AtomicU64::new(NONE),
                kept: AtomicU64::new(0),
                limit: AtomicU64::new(u64::MAX),
                bag: Slot::empty(),
            };
            (0..length).map(|_| CachePadded::new(new())).collect()
        });
        slot
    }

    fn registration(&self, slot: u32) -> Option<&Registration> {
        Some(&self.slots.get(slot)?[0])
    }

    /// Whether what was in force then can still be read.
    pub(super) fn holds(&self, moment: &Moment) -> bool {
        // SeqCst: after what was read; partner of the exchange in `keep`, which comes before what
        // is taken away.
        self.registration(moment.slot)
            .is_some_and(|found| found.at.load(Ordering::SeqCst) == moment.at.bits())
    }

    /// The earliest registered instant at which something that was in force from one reading of the
    /// clock until before another one was in force. O(most snapshots that were held together).
    pub(super) fn needing(&self, from: Stamp, until: Stamp) -> Option<Needing> {
        let needs = |needing: &Needing| from.bits() <= needing.at && needing.at < until.bits();
        self.registered().filter(needs).min()
    }

    /// The registered instants, each looked at by itself, and some that begin or have ended.
    fn instants(&self) -> impl Iterator<Item = Stamp> {
        let held = self.registered().filter(|needing| needing.at != REVOKED);
        held.map(|needing| Stamp::from_bits(needing.at))
    }

    fn registered(&self) -> impl Iterator<Item = Needing> {
        // Relaxed: a slot that matters was handed out before its instant's advance of the clock,
        // which the caller knows a later reading of.
        let bound = self.handed_out.load(Ordering::Relaxed) as u32;
        (0..bound).filter_map(|slot| {
            // SeqCst: partner of the store in `register`. Whoever knows a stamp that is later than
            // the instant has acquired the clock's advance.
            let at = self.registration(slot)?.at.load(Ordering::SeqCst);
            (at != NONE).then_some(Needing { at, slot })
        })
    }

    /// Notes what is kept, for the earliest instant at which it was in force; false if there is none
    /// any more. Beyond its limit an instant is revoked.
    pub(super) fn keep(&self, from: Stamp, until: Stamp, kept: Kept) -> bool {
        // Repeated only because a snapshot has ended, or was revoked.
        while let Some(needing) = self.needing(from, until) {
            if self.keep_for(needing, kept) {
                return true;
            }
        }
        false
    }

    /// False if the instant has ended meanwhile.
    fn keep_for(&self, needing: Needing, kept: Kept) -> bool {
        let Some(registration) = self.registration(needing.slot) else { return false };
        let at = Stamp::from_bits(needing.at);
        registration.bag.update(|bag| Some(Arc::new(Bag { kept, at, next: bag.cloned() })));
        // Relaxed: a count orders nothing.
        let count = registration.kept.fetch_add(1, Ordering::Relaxed) + 1;
        if count > registration.limit.load(Ordering::Relaxed) {
            // SeqCst: before anything is taken away for it; partner of `holds`.
            let _ = registration.at.compare_exchange(
                needing.at,
                REVOKED,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
        }
        // SeqCst: after the bag has it; partner of the store in `end`.
        registration.at.load(Ordering::SeqCst) == needing.at
    }

    /// Bounds how many things may be kept for an instant.
    pub(super) fn limit(&self, moment: &Moment, limit: u64) {
        if let Some(registration) = self.registration(moment.slot) {
            // Relaxed: whoever keeps the next thing, or the one after it, sees it.
            registration.limit.store(limit, Ordering::Relaxed);
        }
    }

    /// How many things have been kept for an instant.
    pub(super) fn kept(&self, moment: &Moment) -> u64 {
        // Relaxed: a count orders nothing.
        self.registration(moment.slot).map_or(0, |found| found.kept.load(Ordering::Relaxed))
    }

    /// Ends an instant; `each` learns what was kept for it, and for which instant exactly.
    pub(super) fn end(&self, moment: &Moment, mut each: impl FnMut(Kept, Stamp)) {
        let Some(registration) = self.registration(moment.slot) else { return };
        // SeqCst: before the bag is emptied; partner of the load in `keep`.
        registration.at.store(NONE, Ordering::SeqCst);
        reached(Step::Ended);
        let mut bag = registration.bag.take();
        while let Some(kept) = bag {
            each(kept.kept, kept.at);
            bag = kept.next.clone();
        }
        self.free.push(std::iter::once(moment.slot));
    }

    /// How many instants are registered, each looked at by itself.
    pub(super) fn count(&self) -> usize {
        // Relaxed: advice.
        let bound = self.handed_out.load(Ordering::Relaxed) as u32;
        let is_held = |slot: &u32| {
            // Relaxed: as above.
            let at = self.registration(*slot).map(|found| found.at.load(Ordering::Relaxed));
            at.is_some_and(|at| at != NONE)
        };
        (0..bound).filter(is_held).count()
    }
}

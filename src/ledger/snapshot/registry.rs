//! [`Registry`]: which epochs are pinned, and what is kept for them.
//!
//! A snapshot pins the epoch that it ends. It is registered before it advances the clock, so that a
//! thread which stamps a later version finds it here.
//!
//! What is kept is noted with the earliest pinned epoch that needs it. When that is unpinned, what
//! the next one does not need goes, and the rest is noted with the next one as a whole. So a
//! snapshot costs what is kept for it, whatever other snapshots there are.

use std::sync::Arc;

use super::clock::Clock;
use super::heap::{Heap, HistoryKey};
use super::ordered_map::OrderedMap;
use crate::ledger::word::Stamp;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, Ordering, Slot};

/// Pins an epoch: what was in force at its end can be read until the pin ends.
pub(crate) struct Pin {
    at: Stamp,
    registration: Arc<Registration>,
}

impl Pin {
    /// Returns the epoch.
    pub(crate) fn at(&self) -> Stamp {
        self.at
    }
}

/// Holds all pinned epochs.
///
/// The slot is empty before the first snapshot, and never again: a thread that replaces the table
/// relies on finding exactly the table that it has read, and two empty slots are alike.
pub(in crate::ledger) struct Registry(Slot<PinTable>);

/// Holds the pinned epochs in order. A change copies what it changes, and shares the rest.
#[derive(Clone)]
struct PinTable {
    pins: OrderedMap<Arc<Registration>>,
    /// Counts the pins whose epochs were revoked, and that have not ended.
    revoked: usize,
}

/// Holds what belongs to one pinned epoch.
struct Registration {
    state: AtomicU64,
    /// Bounds the keys in `heap`.
    limit: AtomicU64,
    heap: Slot<HeapState>,
}

const HELD: u64 = 0;
const REVOKED: u64 = 1;
const ENDED: u64 = 2;

/// Names a pinned epoch, with its registration.
pub(in crate::ledger) struct RegistryEntry {
    at: Stamp,
    registration: Arc<Registration>,
}

/// Holds the keys of what is kept for one epoch. The slot is empty before the first key.
enum HeapState {
    Open(Heap),
    /// The epoch is unpinned; the next one has the keys.
    Closed,
}

/// Tells what became of an attempt to keep more for an epoch.
enum Admission {
    Accepted,
    OverLimit,
    /// The epoch is unpinned.
    EpochEnded,
}

impl Registration {
    fn new() -> Self {
        Registration {
            state: AtomicU64::new(HELD),
            limit: AtomicU64::new(u64::MAX),
            heap: Slot::empty(),
        }
    }

    /// Adds keys, unless there would be more than the limit.
    fn add(&self, keys: &Heap) -> Admission {
        let mut admission = Admission::Accepted;
        self.heap.update(|state| {
            let mut all = match state.map(|state| &**state) {
                Some(HeapState::Closed) => {
                    admission = Admission::EpochEnded;
                    return state.cloned();
                }
                Some(HeapState::Open(heap)) => heap.clone(),
                None => Heap::default(),
            };
            // Relaxed: after the state was loaded, which `set_limit` replaces once it has stored a
            // limit.
            if all.len() + keys.len() > self.limit.load(Ordering::Relaxed) {
                admission = Admission::OverLimit;
                return state.cloned();
            }
            admission = Admission::Accepted;
            all.meld(keys.clone());
            Some(Arc::new(HeapState::Open(all)))
        });
        admission
    }

    /// Bounds the keys. Once this method has returned, no thread adds keys beyond the limit.
    fn set_limit(&self, limit: u64) {
        // Relaxed: published by the new state below; partner of `add`.
        self.limit.store(limit, Ordering::Relaxed);
        // A thread that compared with the old limit, and is about to add keys, finds another state
        // than the one that it loaded, and compares again.
        self.heap.update(|state| match state.map(|state| &**state) {
            Some(HeapState::Closed) => state.cloned(),
            Some(HeapState::Open(heap)) => Some(Arc::new(HeapState::Open(heap.clone()))),
            None => Some(Arc::new(HeapState::Open(Heap::default()))),
        });
    }

    /// Takes all keys. From now on none can be added (I17).
    fn close(&self) -> Heap {
        match self.heap.swap(Arc::new(HeapState::Closed)).map(Arc::try_unwrap) {
            Some(Ok(HeapState::Open(heap))) => heap,
            // Another thread, about to add keys, still looks at the heap.
            Some(Err(shared)) => match &*shared {
                HeapState::Open(heap) => heap.clone(),
                HeapState::Closed => Heap::default(),
            },
            Some(Ok(HeapState::Closed)) | None => Heap::default(),
        }
    }

    fn count(&self) -> u64 {
        self.heap.with(|state| match state {
            Some(HeapState::Open(heap)) => heap.len(),
            Some(HeapState::Closed) | None => 0,
        })
    }
}

impl Registry {
    pub(in crate::ledger) fn new() -> Self {
        Registry(Slot::empty())
    }

    /// Pins the present epoch and ends it: every version stamped from now on is later (I15).
    /// Lock-free, O(log pins).
    pub(in crate::ledger) fn register(&self, clock: &Clock) -> Pin {
        loop {
            let at = clock.now();
            let Some(registration) = self.enter(at, clock) else { continue };
            reached(Step::Registered);
            if clock.advance(at) {
                return Pin { at, registration };
            }
        }
    }

    /// Returns the registration of the epoch `at`, which all threads share that are about to end
    /// it; `None` if it has ended. The thread that advances the clock gets the pin; until then no
    /// thread can remove the registration.
    fn enter(&self, at: Stamp, clock: &Clock) -> Option<Arc<Registration>> {
        let new = Arc::new(Registration::new());
        let mut entered = None;
        self.0.update(|table| {
            let current = table.map(|table| &table.pins);
            if let Some(known) = current.and_then(|pins| pins.get(at.bits())) {
                entered = Some(Arc::clone(known));
                return table.cloned();
            }
            // After the table was loaded: if the clock is still at `at`, no thread has ended that
            // epoch, and so none has unpinned it. If it ends before the exchange of the table, it
            // was entered before, and the exchange fails.
            if clock.now() != at {
                entered = None;
                return table.cloned();
            }
            entered = Some(Arc::clone(&new));
            let mut next = table.map_or_else(PinTable::new, |now| (**now).clone());
            next.pins.insert(at.bits(), Arc::clone(&new));
            Some(Arc::new(next))
        });
        entered
    }

    /// Returns whether what was in force at the end of the pinned epoch can still be read.
    pub(in crate::ledger) fn holds(&self, pin: &Pin) -> bool {
        // SeqCst: after what was read. Pairs with the exchange in `revoke`, which precedes any
        // removal.
        pin.registration.state.load(Ordering::SeqCst) == HELD
    }

    /// Returns whether a pin needs what was in force from one reading of the clock until before
    /// another. O(log pins).
    pub(in crate::ledger) fn needs(&self, from: Stamp, until: Stamp) -> bool {
        self.first_needing(from, until).is_some()
    }

    /// Returns the earliest pinned epoch that needs what was in force from `from` until before
    /// `until`.
    ///
    /// A caller that knows a stamp later than an epoch has acquired the clock's advance, and with
    /// it the registration of that epoch (I16).
    pub(in crate::ledger) fn first_needing(
        &self,
        from: Stamp,
        until: Stamp,
    ) -> Option<RegistryEntry> {
        self.0.with(|table| {
            let (at, registration) = table?.pins.first_from(from.bits())?;
            let at = Stamp::from_bits(at);
            (at < until).then(|| RegistryEntry { at, registration: Arc::clone(registration) })
        })
    }

    /// Returns the earliest and the latest pinned epoch.
    pub(super) fn bounds(&self) -> Option<(Stamp, Stamp)> {
        self.0.with(|table| {
            let (first, last) = table?.pins.ends()?;
            Some((Stamp::from_bits(first), Stamp::from_bits(last)))
        })
    }

    /// Notes `key`, whose value was in force from one reading of the clock until before another,
    /// with `entry`, the earliest pinned epoch that needs it, or if that is unpinned with the next.
    /// Returns false if no pin needs it any more. Revokes an epoch that is over its limit. O(log
    /// pins), O(1) if `entry` is still pinned.
    pub(in crate::ledger) fn note(
        &self,
        key: HistoryKey,
        from: Stamp,
        until: Stamp,
        entry: RegistryEntry,
    ) -> bool {
        let key_alone = Heap::of(key, until);
        let mut next = Some(entry);
        // Repeated only because an epoch was unpinned or revoked.
        while let Some(entry) = next {
            if self.add(&entry, &key_alone) {
                return true;
            }
            next = self.first_needing(from, until);
        }
        false
    }

    /// Adds keys for a pinned epoch. Returns false if it is unpinned, or is revoked now.
    fn add(&self, entry: &RegistryEntry, keys: &Heap) -> bool {
        match entry.registration.add(keys) {
            Admission::Accepted => true,
            Admission::OverLimit => {
                self.revoke(entry);
                false
            }
            Admission::EpochEnded => false,
        }
    }

    /// Revokes an epoch: nothing more is kept for it. What is kept already, at most its limit, goes
    /// when its pin ends.
    fn revoke(&self, entry: &RegistryEntry) {
        let RegistryEntry { at, registration } = entry;
        // SeqCst: before anything that the epoch needs is removed. Pairs with the load in `holds`.
        // Refused: the pin has ended, or the epoch was revoked before.
        let _ =
            registration.state.compare_exchange(HELD, REVOKED, Ordering::SeqCst, Ordering::SeqCst);
        // In any case: the thread that revoked it first may have stopped before this, and no thread
        // waits.
        self.remove(*at, |table| table.revoked += 1);
    }

    /// Removes an epoch from the table, and applies `more` to the table if the epoch was there.
    /// Returns whether it was.
    fn remove(&self, at: Stamp, more: impl Fn(&mut PinTable)) -> bool {
        let mut was_there = false;
        self.0.update(|table| {
            was_there = false;
            let mut next = (**table?).clone();
            was_there = next.pins.remove(at.bits()).is_some();
            if !was_there {
                return table.cloned();
            }
            more(&mut next);
            Some(Arc::new(next))
        });
        was_there
    }

    /// Bounds the number of things that may be kept for a pin.
    pub(in crate::ledger) fn limit(&self, pin: &Pin, limit: u64) {
        pin.registration.set_limit(limit);
    }

    /// Returns the number of things that are kept for a pin.
    pub(in crate::ledger) fn kept(&self, pin: &Pin) -> u64 {
        pin.registration.count()
    }

    /// Ends a pin. Calls `each` with every key that no other pin needs. O(log n) for each of them,
    /// amortised, and O(log pins).
    pub(in crate::ledger) fn end(&self, pin: &Pin, mut each: impl FnMut(HistoryKey)) {
        let Pin { at, registration } = pin;
        // SeqCst: as in `revoke`, whose exchange fails from now on.
        registration.state.store(ENDED, Ordering::SeqCst);
        let was_there = self.remove(*at, |_| {});
        if !was_there {
            self.forget_revoked();
        }
        reached(Step::Ended);
        let mut keys = registration.close();
        if keys.is_empty() {
            return;
        }
        // Repeated only because the next epoch was unpinned too, or revoked.
        loop {
            let next = self.first_needing(*at, Stamp::NEVER);
            let by = next.as_ref().map_or(Stamp::NEVER, |next| next.at);
            while let Some(key) = keys.pop_ended(by) {
                each(key);
            }
            let Some(next) = next.filter(|_| !keys.is_empty()) else { return };
            if self.add(&next, &keys) {
                return;
            }
        }
    }

    /// Stops counting a pin whose epoch was revoked, and that has ended.
    fn forget_revoked(&self) {
        self.0.update(|table| {
            let mut next = (**table?).clone();
            next.revoked = next.revoked.saturating_sub(1);
            Some(Arc::new(next))
        });
    }

    /// Returns whether no epoch is pinned that ended before the caller's last reading of the clock.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.0.with(|table| table.is_none_or(|table| table.pins.is_empty()))
    }

    /// Returns the number of pins, including those whose epochs were revoked.
    pub(in crate::ledger) fn count(&self) -> usize {
        self.0.with(|table| table.map_or(0, |table| table.pins.len() + table.revoked))
    }
}

impl PinTable {
    fn new() -> Self {
        PinTable { pins: OrderedMap::new(), revoked: 0 }
    }
}

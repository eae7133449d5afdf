//! Which snapshots are held, and for whose sake older versions are kept.
//!
//! A snapshot is an instant: a reading of the clock, which it advances. It is registered before it
//! advances the clock, so that whoever stamps a version later than the snapshot finds it here.
//!
//! What is kept is noted with the earliest instant that needs it. When that ends, what the next one
//! does not need goes, and the rest is noted with the next one, all at once. So a snapshot costs what
//! is kept for it, whatever other snapshots there are.

use std::sync::Arc;

use super::clock::Clock;
use super::heap::{Heap, HistoryKey};
use super::ordered_map::OrderedMap;
use crate::ledger::word::Stamp;
use crate::step::{Step, reached};
use crate::sync::{AtomicU64, Ordering, Slot};

/// An instant that is registered: what was in force then can be read until it ends.
pub(crate) struct Pin {
    at: Stamp,
    registration: Arc<Registration>,
}

impl Pin {
    /// The clock's reading.
    pub(crate) fn at(&self) -> Stamp {
        self.at
    }
}

/// All registered instants.
///
/// None before the first snapshot, and never again: none would be the same as before, and whoever replaces
/// what he has seen rests on it that nothing else came between.
pub(in crate::ledger) struct Registry(Slot<PinTable>);

/// The registered instants, in their order. A change copies what it changes, and shares the rest.
#[derive(Clone)]
struct PinTable {
    pins: OrderedMap<Arc<Registration>>,
    /// How many have been revoked, and have not ended.
    revoked: usize,
}

/// What belongs to one instant.
struct Registration {
    state: AtomicU64,
    /// How many things may be kept for it.
    limit: AtomicU64,
    heap: Slot<HeapState>,
}

const HELD: u64 = 0;
const REVOKED: u64 = 1;
const ENDED: u64 = 2;

/// An instant, and what belongs to it.
pub(in crate::ledger) struct RegistryEntry {
    at: Stamp,
    registration: Arc<Registration>,
}

/// What is kept for one instant; none before anything is.
enum HeapState {
    Open(Heap),
    /// The instant has ended; its successor has what there was.
    Closed,
}

/// What became of an attempt to keep more for an instant.
enum Admission {
    Accepted,
    OverLimit,
    /// The instant has ended.
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

    /// Adds to what is kept, unless that would be more than may be.
    fn add(&self, keys: &Heap) -> Admission {
        // Relaxed: whoever keeps the next thing, or the one after it, sees it.
        let limit = self.limit.load(Ordering::Relaxed);
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
            if all.len() + keys.len() > limit {
                admission = Admission::OverLimit;
                return state.cloned();
            }
            admission = Admission::Accepted;
            all.meld(keys.clone());
            Some(Arc::new(HeapState::Open(all)))
        });
        admission
    }

    /// Takes all that is kept; from now on nothing can be added.
    fn close(&self) -> Heap {
        match self.heap.swap(Arc::new(HeapState::Closed)).map(Arc::try_unwrap) {
            Some(Ok(HeapState::Open(heap))) => heap,
            // Somebody who was about to add something looks at it still.
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

    /// Registers the present and ends it: what is stamped from now on came later. Lock-free,
    /// O(log snapshots).
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

    /// The registration of the present, `at`, which all share who are about to end that; none if it is
    /// over. It becomes the one's who advances the clock: nobody can take it away before.
    fn enter(&self, at: Stamp, clock: &Clock) -> Option<Arc<Registration>> {
        let new = Arc::new(Registration::new());
        let mut entered = None;
        self.0.update(|table| {
            let current = table.map(|table| &table.pins);
            if let Some(known) = current.and_then(|pins| pins.get(at.bits())) {
                entered = Some(Arc::clone(known));
                return table.cloned();
            }
            // After the instants were loaded: if this is still the present, nobody has had it, so
            // that nobody has ended it either. If it ends before this is exchanged, it was entered
            // before, and the exchange fails.
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

    /// Whether what was in force then can still be read.
    pub(in crate::ledger) fn holds(&self, pin: &Pin) -> bool {
        // SeqCst: after what was read; partner of the exchange in `revoke`, which comes before anything
        // is taken away.
        pin.registration.state.load(Ordering::SeqCst) == HELD
    }

    /// Whether any registered instant needs what was in force from one reading of the clock until
    /// before another one was. O(log snapshots).
    pub(in crate::ledger) fn needs(&self, from: Stamp, until: Stamp) -> bool {
        self.first_needing(from, until).is_some()
    }

    /// The earliest registered instant that needs it. Whoever knows a stamp later than an instant has
    /// acquired the clock's advance, and with it the registration.
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

    /// The earliest and the latest registered instant.
    pub(super) fn bounds(&self) -> Option<(Stamp, Stamp)> {
        self.0.with(|table| {
            let (first, last) = table?.pins.ends()?;
            Some((Stamp::from_bits(first), Stamp::from_bits(last)))
        })
    }

    /// Notes what is kept that was in force from one reading of the clock until before another, for the
    /// earliest instant that needs it, which was `needing`; false if there is none any more. Beyond its
    /// limit an instant is revoked. O(log snapshots), O(1) if it has not ended meanwhile.
    pub(in crate::ledger) fn note(
        &self,
        key: HistoryKey,
        from: Stamp,
        until: Stamp,
        entry: RegistryEntry,
    ) -> bool {
        let key_alone = Heap::of(key, until);
        let mut next = Some(entry);
        // Repeated only because an instant has ended, or was revoked.
        while let Some(entry) = next {
            if self.add(&entry, &key_alone) {
                return true;
            }
            next = self.first_needing(from, until);
        }
        false
    }

    /// False if the instant has ended, or is revoked now.
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

    /// From now on nothing more is kept for the instant's sake; what is, at most its limit, goes when it
    /// ends.
    fn revoke(&self, entry: &RegistryEntry) {
        let RegistryEntry { at, registration } = entry;
        // SeqCst: before anything is taken away for it; partner of `holds`. Refused: it has ended, or
        // was revoked before.
        let _ =
            registration.state.compare_exchange(HELD, REVOKED, Ordering::SeqCst, Ordering::SeqCst);
        // In any case: whoever was first may have stopped before this, and nobody waits for that.
        self.remove(*at, |table| table.revoked += 1);
    }

    /// Takes an instant out, and does something more if it was there; says whether it was.
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

    /// Bounds how many things may be kept for an instant.
    pub(in crate::ledger) fn limit(&self, pin: &Pin, limit: u64) {
        // Relaxed: whoever keeps the next thing, or the one after it, sees it.
        pin.registration.limit.store(limit, Ordering::Relaxed);
    }

    /// How many things are kept for an instant.
    pub(in crate::ledger) fn kept(&self, pin: &Pin) -> u64 {
        pin.registration.count()
    }

    /// Ends an instant; `each` learns what nobody needs any more of what was kept for it. O(log) for
    /// each of that, amortised, and O(log snapshots).
    pub(in crate::ledger) fn end(&self, pin: &Pin, mut each: impl FnMut(HistoryKey)) {
        let Pin { at, registration } = pin;
        // SeqCst: as in `revoke`, which is refused from now on.
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
        // Repeated only because the next instant has ended too, or was revoked.
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

    /// An instant has ended that was revoked.
    fn forget_revoked(&self) {
        self.0.update(|table| {
            let mut next = (**table?).clone();
            next.revoked = next.revoked.saturating_sub(1);
            Some(Arc::new(next))
        });
    }

    /// Whether no instant is registered that began before the caller's last reading of the clock.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.0.with(|table| table.is_none_or(|table| table.pins.is_empty()))
    }

    /// How many instants are registered, or were and have been revoked.
    pub(in crate::ledger) fn count(&self) -> usize {
        self.0.with(|table| table.map_or(0, |table| table.pins.len() + table.revoked))
    }
}

impl PinTable {
    fn new() -> Self {
        PinTable { pins: OrderedMap::new(), revoked: 0 }
    }
}

//! A mutex for each provider, locked in order: two-phase locking, with what consumers hold in a
//! `DashMap` beside.
//!
//! A claim is whole: all its providers are locked before the first is changed. But a thread that
//! stops while holding locks stops all that need one of them, and then all that need what those hold.
//! What a consumer holds and what is used are not changed at one instant, a child comes and goes
//! apart from its index entries, and there are no snapshots short of locking everything.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::peer::dash_maps::{give_back_all, take_all};
use crate::peer::{
    Amounts, Claim, Entry, Grow, Hasher, Line, Lines, Peer, Read, Take, inventories,
};

/// What a handle points to, on cache lines of its own.
type Slot = Arc<CachePadded<Mutex<Entry>>>;

pub(crate) struct TwoPhase {
    /// The handles that users keep.
    providers: Vec<Slot>,
    by_uuid: DashMap<Uuid, Slot, Hasher>,
    names: DashMap<Arc<str>, Uuid, Hasher>,
    children: DashMap<Uuid, Vec<Uuid>, Hasher>,
    held: DashMap<Uuid, Lines, Hasher>,
}

impl TwoPhase {
    fn take_lines(&self, lines: &[Line]) -> bool {
        // The commonest claim is of one provider, and needs no order.
        if lines.iter().all(|line| line.provider == lines[0].provider) {
            return take_all(&mut self.providers[lines[0].provider].lock().amounts, lines);
        }
        let mut sorted = Lines::from_slice(lines);
        sorted.sort_unstable_by_key(|line| line.provider);
        let mut locked = self.lock(&sorted);
        let groups = || sorted.chunk_by(|a, b| a.provider == b.provider);
        for (number, group) in groups().enumerate() {
            if !take_all(&mut locked[number].amounts, group) {
                let taken = locked.iter_mut().zip(groups()).take(number);
                taken.for_each(|(entry, group)| give_back_all(&mut entry.amounts, group));
                return false;
            }
        }
        true
    }

    /// All locks are taken before the first is given back, so that nobody sees a part.
    fn give_back(&self, lines: &[Line]) {
        if lines.iter().all(|line| line.provider == lines[0].provider) {
            give_back_all(&mut self.providers[lines[0].provider].lock().amounts, lines);
            return;
        }
        let mut sorted = Lines::from_slice(lines);
        sorted.sort_unstable_by_key(|line| line.provider);
        let mut locked = self.lock(&sorted);
        let groups = sorted.chunk_by(|a, b| a.provider == b.provider);
        locked
            .iter_mut()
            .zip(groups)
            .for_each(|(entry, group)| give_back_all(&mut entry.amounts, group));
    }

    /// Each provider of the lines, which are sorted by it, once.
    fn lock(&self, sorted: &[Line]) -> SmallVec<[MutexGuard<'_, Entry>; 4]> {
        let groups = sorted.chunk_by(|a, b| a.provider == b.provider);
        groups.map(|group| self.providers[group[0].provider].lock()).collect()
    }
}

impl Peer for TwoPhase {
    const NAME: &'static str = "2PL";
    const LACKS: &'static str = "Progress: a thread that stops while it holds locks holds up all that need one of them, \
        and those that need what these hold. Usage and consumers changed together. Snapshots, \
        short of locking everything.";
    const LOCKS: bool = true;
    type Session = Arc<TwoPhase>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let slot = |at| Arc::new(CachePadded::new(Mutex::new(Entry::full(at, &inventories))));
        let peer = TwoPhase {
            providers: (0..providers).map(slot).collect(),
            by_uuid: DashMap::default(),
            names: DashMap::default(),
            children: DashMap::default(),
            held: DashMap::default(),
        };
        for slot in &peer.providers {
            let data = slot.lock().data.clone();
            peer.names.insert(data.name.clone(), data.uuid);
            peer.by_uuid.insert(data.uuid, slot.clone());
        }
        peer
    }

    fn session(self: &Arc<Self>) -> Arc<TwoPhase> {
        self.clone()
    }
}

impl Read for Arc<TwoPhase> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        self.providers[provider].lock().amounts[class]
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        self.providers[provider].lock().amounts
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.providers[provider].lock().data.clone()
    }
}

impl Take for Arc<TwoPhase> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.providers[provider].lock().take(amounts)
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.providers[provider].lock().put_back(amounts);
    }
}

impl Claim for Arc<TwoPhase> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        match self.held.entry(consumer) {
            Place::Occupied(_) => false,
            Place::Vacant(place) => {
                let took = self.take_lines(lines);
                if took {
                    place.insert(lines.into());
                }
                took
            }
        }
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        let held = self.held.remove(&consumer);
        held.is_some_and(|(_, lines)| {
            self.give_back(&lines);
            true
        })
    }
}

/// The same locks for callers that keep their own books: less than what we do for a claim.
pub(crate) struct Bookless(TwoPhase);

/// A session, and what its one claim at a time holds.
pub(crate) struct BooklessSession(Arc<Bookless>, Lines);

impl Peer for Bookless {
    const NAME: &'static str = "2PL, no consumers";
    const LACKS: &'static str = "What 2PL lacks; and nobody knows who holds what.";
    const LOCKS: bool = true;
    type Session = BooklessSession;

    fn new(providers: usize) -> Self {
        Bookless(TwoPhase::new(providers))
    }

    fn session(self: &Arc<Self>) -> BooklessSession {
        BooklessSession(self.clone(), Lines::new())
    }
}

impl Claim for BooklessSession {
    fn claim(&mut self, _: Uuid, lines: &[Line]) -> bool {
        self.1.clear();
        self.1.extend_from_slice(lines);
        self.0.0.take_lines(lines)
    }

    fn release(&mut self, _: Uuid) -> bool {
        self.0.0.give_back(&self.1);
        true
    }
}

impl Grow for Arc<TwoPhase> {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        let parent = self.providers[parent].lock().data.uuid;
        let entry = Entry::bare(uuid, name, Some(parent));
        let name = entry.data.name.clone();
        match self.by_uuid.entry(uuid) {
            Place::Occupied(_) => return false,
            Place::Vacant(place) => {
                drop(place.insert(Arc::new(CachePadded::new(Mutex::new(entry)))));
            }
        }
        self.names.insert(name.clone(), uuid);
        self.children.entry(parent).or_default().push(uuid);
        if let Some(mut siblings) = self.children.get_mut(&parent) {
            siblings.retain(|&sibling| sibling != uuid);
        }
        self.names.remove(&name);
        self.by_uuid.remove(&uuid).is_some()
    }
}

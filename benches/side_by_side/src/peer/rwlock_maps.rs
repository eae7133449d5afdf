//! One lock around std maps that readers share.
//!
//! It guarantees what we do but for progress: whoever stops while writing stops everyone, whoever
//! stops while reading stops all writers.

use std::hint::black_box;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use crate::peer::maps::Maps;
use crate::peer::{Amounts, Claim, Grow, Index, Line, Peer, Read, Snapshot, Take, sum};

pub(crate) struct RwLockMaps(RwLock<Maps>);

impl RwLockMaps {
    fn own(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().expect("nobody panics under it")
    }

    fn shared(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().expect("nobody panics under it")
    }
}

impl Peer for RwLockMaps {
    const NAME: &'static str = "RwLock";
    const LACKS: &'static str = "Progress: a thread that stops while writing stops all others, and one that stops while \
        reading stops all writers. A snapshot holds up all writers while it copies.";
    const LOCKS: bool = true;
    type Session = Arc<RwLockMaps>;

    fn new(providers: usize) -> Self {
        RwLockMaps(RwLock::new(Maps::new(providers)))
    }

    fn session(self: &Arc<Self>) -> Arc<RwLockMaps> {
        self.clone()
    }
}

impl Read for Arc<RwLockMaps> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        self.shared().provider(provider).amounts[class]
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        self.shared().provider(provider).amounts
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.shared().provider(provider).data.clone()
    }
}

impl Take for Arc<RwLockMaps> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.own().provider_mut(provider).take(amounts)
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.own().provider_mut(provider).put_back(amounts);
    }
}

impl Claim for Arc<RwLockMaps> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        self.own().claim(consumer, lines)
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        self.own().release(consumer)
    }
}

impl Index for Arc<RwLockMaps> {
    type Created = Uuid;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        self.shared().providers.contains_key(black_box(uuid))
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.shared().find_name(name)).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Uuid> {
        self.own().create(None, uuid, name).then_some(uuid)
    }

    fn remove(&mut self, created: Uuid) -> bool {
        self.own().remove(created)
    }
}

impl Grow for Arc<RwLockMaps> {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        let created = self.own().create(Some(parent), uuid, name);
        created && self.own().remove(uuid)
    }
}

impl Snapshot for Arc<RwLockMaps> {
    fn snapshot(&mut self) -> impl Sized {
        self.shared().clone()
    }

    fn used(&mut self) -> [u64; 3] {
        let snapshot = self.shared().clone();
        sum(snapshot.providers.values().map(|entry| &entry.amounts))
    }
}

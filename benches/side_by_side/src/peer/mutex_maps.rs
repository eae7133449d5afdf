//! One mutex around std maps.
//!
//! It guarantees what we do but for progress: whoever stops while holding it stops everyone.

use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard};

use uuid::Uuid;

use crate::peer::maps::Maps;
use crate::peer::{Amounts, Claim, Grow, Index, Line, Peer, Read, Snapshot, Take, sum};

pub(crate) struct MutexMaps(Mutex<Maps>);

impl MutexMaps {
    fn own(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().expect("nobody panics under it")
    }

    /// For readers; they exclude each other too.
    fn shared(&self) -> MutexGuard<'_, Maps> {
        self.own()
    }
}

impl Peer for MutexMaps {
    const NAME: &'static str = "Mutex";
    const LACKS: &'static str = "Progress: a thread that stops while it holds the lock stops all others. Readers wait \
        for writers, and a snapshot holds up everyone while it copies.";
    const LOCKS: bool = true;
    type Session = Arc<MutexMaps>;

    fn new(providers: usize) -> Self {
        MutexMaps(Mutex::new(Maps::new(providers)))
    }

    fn session(self: &Arc<Self>) -> Arc<MutexMaps> {
        self.clone()
    }
}

impl Read for Arc<MutexMaps> {
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

impl Take for Arc<MutexMaps> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.own().provider_mut(provider).take(amounts)
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.own().provider_mut(provider).put_back(amounts);
    }
}

impl Claim for Arc<MutexMaps> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        self.own().claim(consumer, lines)
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        self.own().release(consumer)
    }
}

impl Index for Arc<MutexMaps> {
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

impl Grow for Arc<MutexMaps> {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        let created = self.own().create(Some(parent), uuid, name);
        created && self.own().remove(uuid)
    }
}

impl Snapshot for Arc<MutexMaps> {
    fn snapshot(&mut self) -> impl Sized {
        self.shared().clone()
    }

    fn used(&mut self) -> [u64; 3] {
        let snapshot = self.shared().clone();
        sum(snapshot.providers.values().map(|entry| &entry.amounts))
    }
}

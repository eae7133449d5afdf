//! One lock around persistent maps, whose copies are the snapshots.
//!
//! It guarantees what we do but for progress: whoever stops while writing stops everyone. Readers hold
//! the lock for as long as it takes to copy a pointer.

use std::hint::black_box;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use smallvec::SmallVec;
use triomphe::Arc as Shared;
use uuid::Uuid;

use crate::peer::persistent_maps::PersistentMaps;
use crate::peer::{Amounts, Claim, Grow, Index, Line, Peer, Read, Snapshot, Take, sum};

/// Behind a pointer, so that a snapshot is one reference, and what it consists of is copied by the
/// first change after it.
pub(crate) struct LockedPersistent(RwLock<Shared<PersistentMaps>>);

impl LockedPersistent {
    fn change<T>(&self, change: impl FnOnce(&mut PersistentMaps) -> T) -> T {
        change(Shared::make_mut(&mut self.0.write()))
    }

    fn shared(&self) -> RwLockReadGuard<'_, Shared<PersistentMaps>> {
        self.0.read()
    }
}

impl Peer for LockedPersistent {
    const NAME: &'static str = "RwLock, imbl";
    const LACKS: &'static str = "Progress: a thread that stops while writing stops all others, and one that stops while \
        it takes a snapshot stops all writers.";
    const LOCKS: bool = true;
    type Session = Arc<LockedPersistent>;

    fn new(providers: usize) -> Self {
        LockedPersistent(RwLock::new(Shared::new(PersistentMaps::new(providers))))
    }

    fn session(self: &Arc<Self>) -> Arc<LockedPersistent> {
        self.clone()
    }
}

impl Read for Arc<LockedPersistent> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        self.shared().amounts(provider)[class]
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        *self.shared().amounts(provider)
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.shared().data(provider).clone()
    }
}

impl Take for Arc<LockedPersistent> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.change(|maps| maps.take(provider, amounts))
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.change(|maps| maps.put_back(provider, amounts));
    }
}

impl Claim for Arc<LockedPersistent> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        // Nobody waits while this is allocated, nor while it is freed.
        let lines = Shared::new(SmallVec::from_slice(lines));
        self.change(|maps| maps.claim(consumer, lines))
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        let held = self.change(|maps| maps.release(consumer));
        held.is_some()
    }
}

impl Index for Arc<LockedPersistent> {
    type Created = Uuid;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        self.shared().has_uuid(black_box(uuid))
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.shared().find_name(name)).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Uuid> {
        self.change(|maps| maps.create(None, uuid, name)).then_some(uuid)
    }

    fn remove(&mut self, created: Uuid) -> bool {
        self.change(|maps| maps.remove(created))
    }
}

impl Grow for Arc<LockedPersistent> {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        let created = self.change(|maps| maps.create(Some(parent), uuid, name));
        created && self.change(|maps| maps.remove(uuid))
    }
}

impl Snapshot for Arc<LockedPersistent> {
    fn snapshot(&mut self) -> impl Sized {
        self.shared().clone()
    }

    fn used(&mut self) -> [u64; 3] {
        let snapshot = self.shared().clone();
        sum(snapshot.all_amounts())
    }
}

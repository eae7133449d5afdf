//! Two maps of `scc`, of uuids and of names: `HashIndex`, which is its map for reading.
//!
//! They are changed one after the other, so that a provider can be found by one key and not by the
//! other. Writers lock a bucket. There is no forest behind them: no parents, no amounts.

use std::hint::black_box;
use std::sync::Arc;

use provider_tree::Configuration;
use scc::HashIndex;
use uuid::Uuid;

use crate::peer::{Entry, Hasher, Index, Peer, inventories};

pub(crate) struct SccMaps {
    by_uuid: HashIndex<Uuid, Arc<Configuration>, Hasher>,
    names: HashIndex<Arc<str>, Uuid, Hasher>,
}

impl Peer for SccMaps {
    const NAME: &'static str = "scc";
    const LACKS: &'static str = "An index by uuid and by name only, of which one is changed after the other. No parents, \
        no amounts. A writer that stops holds up those of its bucket.";
    const LOCKS: bool = true;
    type Session = Arc<SccMaps>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let maps = SccMaps { by_uuid: HashIndex::default(), names: HashIndex::default() };
        for at in 0..providers {
            let data = Entry::full(at, &inventories).data;
            let new = maps.names.insert_sync(data.name.clone(), data.uuid).is_ok();
            assert!(maps.by_uuid.insert_sync(data.uuid, data).is_ok() && new);
        }
        maps
    }

    fn session(self: &Arc<Self>) -> Arc<SccMaps> {
        self.clone()
    }
}

impl Index for Arc<SccMaps> {
    type Created = Uuid;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        black_box(self.by_uuid.peek_with(uuid, |_, data| data.uuid)).is_some()
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.names.peek_with(name, |_, uuid| *uuid)).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Uuid> {
        let data = Entry::bare(uuid, name, None).data;
        let name = data.name.clone();
        self.by_uuid.insert_sync(uuid, data).ok()?;
        if self.names.insert_sync(name, uuid).is_err() {
            self.by_uuid.remove_sync(&uuid);
            return None;
        }
        Some(uuid)
    }

    fn remove(&mut self, created: Uuid) -> bool {
        let Some(name) = self.by_uuid.peek_with(&created, |_, data| data.name.clone()) else {
            return false;
        };
        self.names.remove_sync(&*name);
        self.by_uuid.remove_sync(&created)
    }
}

//! Two `papaya` maps, of uuids and of names.
//!
//! They are changed one after the other, so that a provider can be found by one key and not by the
//! other. There is no forest behind them: no parents, no amounts.

use std::hint::black_box;
use std::sync::Arc;

use papaya::HashMap;
use provider_tree::Configuration;
use uuid::Uuid;

use crate::peer::{Entry, Hasher, Index, Peer, inventories};

pub(crate) struct PapayaMaps {
    by_uuid: HashMap<Uuid, Arc<Configuration>, Hasher>,
    names: HashMap<Arc<str>, Uuid, Hasher>,
}

impl Peer for PapayaMaps {
    const NAME: &'static str = "papaya";
    const LACKS: &'static str = "An index by uuid and by name only, of which one is changed after the other. No parents, \
        no amounts.";
    const LOCKS: bool = false;
    type Session = Arc<PapayaMaps>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let maps = PapayaMaps { by_uuid: HashMap::default(), names: HashMap::default() };
        for at in 0..providers {
            let data = Entry::full(at, &inventories).data;
            maps.names.pin().insert(data.name.clone(), data.uuid);
            maps.by_uuid.pin().insert(data.uuid, data);
        }
        maps
    }

    fn session(self: &Arc<Self>) -> Arc<PapayaMaps> {
        self.clone()
    }
}

impl Index for Arc<PapayaMaps> {
    type Created = Uuid;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        black_box(self.by_uuid.pin().get(uuid).map(|data| data.uuid)).is_some()
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.names.pin().get(name).copied()).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Uuid> {
        let data = Entry::bare(uuid, name, None).data;
        let name = data.name.clone();
        self.by_uuid.pin().try_insert(uuid, data).ok()?;
        if self.names.pin().try_insert(name, uuid).is_err() {
            self.by_uuid.pin().remove(&uuid);
            return None;
        }
        Some(uuid)
    }

    fn remove(&mut self, created: Uuid) -> bool {
        let maps = self.by_uuid.pin();
        let Some(data) = maps.remove(&created) else { return false };
        self.names.pin().remove(&data.name);
        true
    }
}

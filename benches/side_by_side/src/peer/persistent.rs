//! An `ArcSwap` over a persistent map (`rpds`), which is its own snapshot.
//!
//! Every change allocates a path of the map, and any two changes disturb each other, whatever
//! providers they are of. Consumers and names are left out; they would be maps beside this one, under
//! the same `ArcSwap`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rpds::HashTrieMapSync;
use uuid::Uuid;

use crate::peer::{Amounts, Entry, Hasher, Peer, Read, Snapshot, Take, inventories, sum};
use crate::random::provider_uuid;

type Map = HashTrieMapSync<Uuid, Entry, Hasher>;

pub(crate) struct Persistent(ArcSwap<Map>);

impl Persistent {
    fn change(&self, at: usize, change: impl Fn(&mut Entry) -> bool) -> bool {
        let uuid = provider_uuid(at);
        let mut changed = false;
        self.0.rcu(|map| {
            let mut entry = map.get(&uuid).expect("it is never removed").clone();
            changed = change(&mut entry);
            if changed { Arc::new(map.insert(uuid, entry)) } else { map.clone() }
        });
        changed
    }
}

impl Peer for Persistent {
    const NAME: &'static str = "rpds";
    const LACKS: &'static str = "Calls that do not disturb each other: any two changes do, whatever they are of. Here it \
        knows no consumers and no names.";
    const LOCKS: bool = false;
    type Session = Arc<Persistent>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let mut map: Map = Map::new_with_hasher_and_ptr_kind(Hasher::default());
        for at in 0..providers {
            map.insert_mut(provider_uuid(at), Entry::full(at, &inventories));
        }
        Persistent(ArcSwap::from_pointee(map))
    }

    fn session(self: &Arc<Self>) -> Arc<Persistent> {
        self.clone()
    }
}

impl Read for Arc<Persistent> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        let map = self.0.load();
        map.get(&provider_uuid(provider)).expect("it is never removed").amounts[class]
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        let map = self.0.load();
        map.get(&provider_uuid(provider)).expect("it is never removed").data.clone()
    }
}

impl Take for Arc<Persistent> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.change(provider, |entry| entry.take(amounts))
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.change(provider, |entry| {
            entry.put_back(amounts);
            true
        });
    }
}

impl Snapshot for Arc<Persistent> {
    fn snapshot(&mut self) -> impl Sized {
        self.0.load_full()
    }

    fn used(&mut self) -> [u64; 3] {
        let snapshot = self.0.load_full();
        sum(snapshot.values().map(|entry| &entry.amounts))
    }
}

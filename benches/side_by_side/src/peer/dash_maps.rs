//! A `DashMap` of providers, changed through `get_mut`, and one of what consumers hold.
//!
//! A claim over several providers is not atomic: others see a part of it, and a claim that does not
//! fit gives back what it had taken, for which another may have been refused meanwhile. Nor are a
//! provider and its name, a consumer and what it holds, or a parent and its children, changed
//! together. A snapshot is of no one instant. A thread that stops holds up all that need its shard.

#![expect(clippy::disallowed_types, reason = "a peer, not the library")]

use std::hint::black_box;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use uuid::Uuid;

use crate::peer::{
    Amounts, Claim, Entry, Grow, Hasher, Index, Line, Lines, Peer, Read, Take, inventories,
};
use crate::random::provider_uuid;

pub(crate) struct DashMaps {
    providers: DashMap<Uuid, Entry, Hasher>,
    names: DashMap<Arc<str>, Uuid, Hasher>,
    children: DashMap<Uuid, Vec<Uuid>, Hasher>,
    held: DashMap<Uuid, Lines, Hasher>,
}

impl DashMaps {
    fn with<T>(&self, at: usize, body: impl FnOnce(&mut Entry) -> T) -> T {
        let entry = self.providers.get_mut(&provider_uuid(at));
        body(&mut entry.expect("it is never removed"))
    }

    /// All lines of one provider that follow each other are taken under one lock.
    fn take_lines(&self, lines: &[Line]) -> bool {
        let mut taken = 0;
        for group in lines.chunk_by(|a, b| a.provider == b.provider) {
            let took = self.with(group[0].provider, |entry| take_all(&mut entry.amounts, group));
            if !took {
                self.give_back(&lines[..taken]);
                return false;
            }
            taken += group.len();
        }
        true
    }

    fn give_back(&self, lines: &[Line]) {
        for group in lines.chunk_by(|a, b| a.provider == b.provider) {
            self.with(group[0].provider, |entry| give_back_all(&mut entry.amounts, group));
        }
    }

    fn create(&self, parent: Option<usize>, uuid: Uuid, name: &str) -> bool {
        let parent = parent.map(provider_uuid);
        let name = match self.providers.entry(uuid) {
            Place::Occupied(_) => return false,
            Place::Vacant(place) => place.insert(Entry::bare(uuid, name, parent)).data.name.clone(),
        };
        match self.names.entry(name) {
            Place::Vacant(place) => drop(place.insert(uuid)),
            Place::Occupied(place) => {
                drop(place);
                self.providers.remove(&uuid);
                return false;
            }
        }
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().push(uuid);
        }
        true
    }

    fn remove(&self, uuid: Uuid) -> bool {
        let Some((_, entry)) = self.providers.remove(&uuid) else { return false };
        self.names.remove(&entry.data.name);
        if let Some(mut siblings) = entry.data.parent.and_then(|it| self.children.get_mut(&it)) {
            siblings.retain(|&sibling| sibling != uuid);
        }
        true
    }
}

/// Takes all lines, which are of this provider, or none.
pub(crate) fn take_all(amounts: &mut [Amounts; 3], lines: &[Line]) -> bool {
    for (number, line) in lines.iter().enumerate() {
        if !amounts[line.class].take(line.amount) {
            give_back_all(amounts, &lines[..number]);
            return false;
        }
    }
    true
}

/// Gives all lines back, which are of this provider.
pub(crate) fn give_back_all(amounts: &mut [Amounts; 3], lines: &[Line]) {
    lines.iter().for_each(|line| amounts[line.class].used -= line.amount);
}

impl Peer for DashMaps {
    const NAME: &'static str = "DashMap";
    const LACKS: &'static str = "Claims over several providers as one: others see a part, and may be refused for what is \
        then given back. Usage and consumers, keys and providers, parents and children, changed \
        together. Snapshots. Progress: a thread that stops holds up all that need its shard.";
    const LOCKS: bool = true;
    type Session = Arc<DashMaps>;

    fn new(providers: usize) -> Self {
        let inventories = inventories();
        let maps = DashMaps {
            providers: DashMap::default(),
            names: DashMap::default(),
            children: DashMap::default(),
            held: DashMap::default(),
        };
        for at in 0..providers {
            let entry = Entry::full(at, &inventories);
            maps.names.insert(entry.data.name.clone(), entry.data.uuid);
            maps.providers.insert(entry.data.uuid, entry);
        }
        maps
    }

    fn session(self: &Arc<Self>) -> Arc<DashMaps> {
        self.clone()
    }
}

impl Read for Arc<DashMaps> {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        let entry = self.providers.get(&provider_uuid(provider));
        entry.expect("it is never removed").amounts[class]
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        let entry = self.providers.get(&provider_uuid(provider));
        entry.expect("it is never removed").amounts
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        let entry = self.providers.get(&provider_uuid(provider));
        entry.expect("it is never removed").data.clone()
    }
}

impl Take for Arc<DashMaps> {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.with(provider, |entry| entry.take(amounts))
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.with(provider, |entry| entry.put_back(amounts));
    }
}

impl Claim for Arc<DashMaps> {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        // The consumer's shard stays locked, so that of two claims of one consumer one wins.
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

impl Index for Arc<DashMaps> {
    type Created = Uuid;

    fn find_uuid(&mut self, uuid: &Uuid) -> bool {
        self.providers.contains_key(black_box(uuid))
    }

    fn find_name(&mut self, name: &str) -> bool {
        black_box(self.names.get(name).map(|uuid| *uuid)).is_some()
    }

    fn create(&mut self, uuid: Uuid, name: &str) -> Option<Uuid> {
        DashMaps::create(self, None, uuid, name).then_some(uuid)
    }

    fn remove(&mut self, created: Uuid) -> bool {
        DashMaps::remove(self, created)
    }
}

impl Grow for Arc<DashMaps> {
    fn come_and_go(&mut self, parent: usize, uuid: Uuid, name: &str) -> bool {
        DashMaps::create(self, Some(parent), uuid, name) && DashMaps::remove(self, uuid)
    }
}

//! Persistent maps (`imbl`) that hold a whole forest, for the peers whose snapshots are copies of them.
//!
//! A copy shares everything with its original, so it takes the same time however large the forest is.
//! What nobody else shares is changed in place; the first change after a copy allocates its path anew.

use std::sync::Arc;

use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdSet, Vector};
use provider_tree::Configuration;
use triomphe::Arc as Shared;
use uuid::Uuid;

use crate::peer::dash_maps::{give_back_all, take_all};
use crate::peer::{Amounts, Entry, Hasher, Line, Lines, inventories, put_back, take};

type Map<K, V> = GenericHashMap<K, V, Hasher, DefaultSharedPtr>;

/// What one consumer holds, behind a pointer, so that a path that is allocated anew is short.
pub(crate) type Held = Shared<Lines>;

/// A provider is known by its number, which serves as its handle.
#[derive(Clone)]
pub(crate) struct PersistentMaps {
    amounts: Vector<[Amounts; 3]>,
    held: Map<Uuid, Held>,
    /// What claims do not change is one pointer to copy.
    structure: Shared<Structure>,
}

#[derive(Clone, Default)]
struct Structure {
    /// `None` for a number that nobody has.
    data: Vector<Option<Arc<Configuration>>>,
    unused: Vector<usize>,
    by_uuid: Map<Uuid, usize>,
    names: Map<Arc<str>, usize>,
    children: Map<Uuid, OrdSet<usize>>,
}

impl PersistentMaps {
    pub(crate) fn new(providers: usize) -> Self {
        let inventories = inventories();
        let mut structure = Structure::default();
        let mut amounts = Vector::new();
        for at in 0..providers {
            let entry = Entry::full(at, &inventories);
            structure.by_uuid.insert(entry.data.uuid, at);
            structure.names.insert(entry.data.name.clone(), at);
            structure.data.push_back(Some(entry.data));
            amounts.push_back(entry.amounts);
        }
        PersistentMaps { amounts, held: Map::default(), structure: Shared::new(structure) }
    }

    pub(crate) fn amounts(&self, at: usize) -> &[Amounts; 3] {
        &self.amounts[at]
    }

    pub(crate) fn all_amounts(&self) -> impl Iterator<Item = &[Amounts; 3]> {
        self.amounts.iter()
    }

    pub(crate) fn take(&mut self, at: usize, amounts: &[u64; 3]) -> bool {
        take(&mut self.amounts[at], amounts)
    }

    pub(crate) fn put_back(&mut self, at: usize, amounts: &[u64; 3]) {
        put_back(&mut self.amounts[at], amounts);
    }

    pub(crate) fn data(&self, at: usize) -> &Arc<Configuration> {
        self.structure.data[at].as_ref().expect("it is never removed")
    }

    pub(crate) fn claim(&mut self, consumer: Uuid, lines: Held) -> bool {
        let mut taken = 0;
        for group in lines.chunk_by(|a, b| a.provider == b.provider) {
            if !take_all(&mut self.amounts[group[0].provider], group) {
                give_back(&mut self.amounts, &lines[..taken]);
                return false;
            }
            taken += group.len();
        }
        // Looking first whether it holds something would take as long as to enter it.
        let Some(held) = self.held.insert(consumer, lines) else { return true };
        let lines = self.held.insert(consumer, held).expect("it was entered a moment ago");
        give_back(&mut self.amounts, &lines);
        false
    }

    /// Returns what it held.
    pub(crate) fn release(&mut self, consumer: Uuid) -> Option<Held> {
        let lines = self.held.remove(&consumer)?;
        give_back(&mut self.amounts, &lines);
        Some(lines)
    }

    pub(crate) fn has_uuid(&self, uuid: &Uuid) -> bool {
        self.structure.by_uuid.contains_key(uuid)
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<usize> {
        self.structure.names.get(name).copied()
    }

    pub(crate) fn create(&mut self, parent: Option<usize>, uuid: Uuid, name: &str) -> bool {
        if self.has_uuid(&uuid) || self.find_name(name).is_some() {
            return false;
        }
        let structure = Shared::make_mut(&mut self.structure);
        let parent = parent.and_then(|at| structure.data[at].as_ref()).map(|data| data.uuid);
        let entry = Entry::bare(uuid, name, parent);
        let at = match structure.unused.pop_back() {
            Some(at) => at,
            None => {
                structure.data.push_back(None);
                self.amounts.push_back(entry.amounts);
                self.amounts.len() - 1
            }
        };
        structure.by_uuid.insert(uuid, at);
        structure.names.insert(entry.data.name.clone(), at);
        structure.data[at] = Some(entry.data);
        if let Some(parent) = parent {
            structure.children.entry(parent).or_default().insert(at);
        }
        true
    }

    pub(crate) fn remove(&mut self, uuid: Uuid) -> bool {
        if !self.has_uuid(&uuid) {
            return false;
        }
        let structure = Shared::make_mut(&mut self.structure);
        let at = structure.by_uuid.remove(&uuid).expect("it is there");
        let data = structure.data[at].take().expect("a number in the index is used");
        structure.names.remove(&*data.name);
        if let Some(siblings) = data.parent.and_then(|it| structure.children.get_mut(&it)) {
            siblings.remove(&at);
        }
        structure.unused.push_back(at);
        true
    }
}

fn give_back(amounts: &mut Vector<[Amounts; 3]>, lines: &[Line]) {
    for group in lines.chunk_by(|a, b| a.provider == b.provider) {
        give_back_all(&mut amounts[group[0].provider], group);
    }
}

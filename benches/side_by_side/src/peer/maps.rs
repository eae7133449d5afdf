//! Std maps that hold a whole forest, for the peers that put one lock around it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::Arc;

use uuid::Uuid;

use crate::peer::{Amounts, Entry, Hasher, Line, Lines, inventories};
use crate::random::provider_uuid;

/// Everything under one lock, so nothing here can be half done.
#[derive(Clone)]
pub(crate) struct Maps {
    pub(crate) providers: HashMap<Uuid, Entry, Hasher>,
    names: HashMap<Arc<str>, Uuid, Hasher>,
    children: HashMap<Uuid, Vec<Uuid>, Hasher>,
    held: HashMap<Uuid, Lines, Hasher>,
}

impl Maps {
    pub(crate) fn new(providers: usize) -> Self {
        let inventories = inventories();
        let mut maps = Maps {
            providers: HashMap::default(),
            names: HashMap::default(),
            children: HashMap::default(),
            held: HashMap::default(),
        };
        for at in 0..providers {
            let entry = Entry::full(at, &inventories);
            maps.names.insert(entry.data.name.clone(), entry.data.uuid);
            maps.providers.insert(entry.data.uuid, entry);
        }
        maps
    }

    pub(crate) fn provider(&self, at: usize) -> &Entry {
        self.providers.get(&provider_uuid(at)).expect("it is never removed")
    }

    pub(crate) fn provider_mut(&mut self, at: usize) -> &mut Entry {
        self.providers.get_mut(&provider_uuid(at)).expect("it is never removed")
    }

    fn amounts_mut(&mut self, line: &Line) -> &mut Amounts {
        &mut self.provider_mut(line.provider).amounts[line.class]
    }

    pub(crate) fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        if self.held.contains_key(&consumer) {
            return false;
        }
        for (number, line) in lines.iter().enumerate() {
            if !self.amounts_mut(line).take(line.amount) {
                self.give_back(&lines[..number]);
                return false;
            }
        }
        self.held.insert(consumer, lines.into());
        true
    }

    pub(crate) fn release(&mut self, consumer: Uuid) -> bool {
        let held = self.held.remove(&consumer);
        held.is_some_and(|lines| {
            self.give_back(&lines);
            true
        })
    }

    fn give_back(&mut self, lines: &[Line]) {
        lines.iter().for_each(|line| self.amounts_mut(line).used -= line.amount);
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<Uuid> {
        self.names.get(name).copied()
    }

    pub(crate) fn create(&mut self, parent: Option<usize>, uuid: Uuid, name: &str) -> bool {
        if self.names.contains_key(name) {
            return false;
        }
        let Place::Vacant(place) = self.providers.entry(uuid) else { return false };
        let parent = parent.map(provider_uuid);
        let entry = place.insert(Entry::bare(uuid, name, parent));
        self.names.insert(entry.data.name.clone(), uuid);
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().push(uuid);
        }
        true
    }

    pub(crate) fn remove(&mut self, uuid: Uuid) -> bool {
        let Some(entry) = self.providers.remove(&uuid) else { return false };
        self.names.remove(&entry.data.name);
        if let Some(siblings) = entry.data.parent.and_then(|it| self.children.get_mut(&it)) {
            siblings.retain(|&sibling| sibling != uuid);
        }
        true
    }
}

//! Finding providers and consumers in a snapshot by key.
//!
//! The forest's indexes know what has a key now. So for a provider or consumer that has kept its
//! key, an index says where it is, and the snapshot confirms that. Finding any other takes an index
//! of the snapshot's own.

use std::collections::HashMap;

use uuid::Uuid;

use crate::claim::Core;
use crate::error::Result;
use crate::forest::{Name, Provider, ProviderKey};
use crate::layout::{
    ConsumerWords, Life, State, Structure, UsageWords, consumer_cells, is_live_consumer, usage_of,
};
use crate::ledger::{Cell, Past, View};
use crate::view::snapshot::Snapshot;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Holds the providers of a snapshot by uuid and by name.
pub(super) struct ProviderIndex {
    uuids: Map<Uuid, Provider>,
    names: Map<Name, Provider>,
}

impl ProviderIndex {
    pub(super) fn new(core: &Core, past: &mut Past<'_>) -> Option<Self> {
        let mut index = ProviderIndex { uuids: Map::default(), names: Map::default() };
        for provider in core.forest.all(past)? {
            let configuration = core.forest.configuration_at(past, &provider)?.ok()?;
            index.uuids.insert(provider.uuid(), provider);
            index.names.insert(configuration.name.clone(), provider);
        }
        Some(index)
    }

    pub(super) fn find(&self, key: ProviderKey<'_>) -> Option<Provider> {
        match key {
            ProviderKey::Uuid(uuid) => self.uuids.get(&uuid).copied(),
            ProviderKey::Name(name) => self.names.get(name).copied(),
        }
    }
}

/// Holds the consumers of a snapshot by uuid.
pub(super) struct ConsumerIndex(Map<Uuid, Cell>);

impl ConsumerIndex {
    pub(super) fn new(core: &Core, past: &mut Past<'_>) -> Option<Self> {
        let mut index = Map::default();
        for cell in consumer_cells(&core.forest.ledger) {
            past.read(cell, |words| {
                if is_live_consumer(Life::of_words(words)) {
                    index.insert(ConsumerWords(words).uuid(), cell);
                }
            })?;
        }
        Some(ConsumerIndex(index))
    }

    pub(super) fn find(&self, consumer: Uuid) -> Option<Cell> {
        self.0.get(&consumer).copied()
    }
}

impl Core {
    /// Returns the provider that had the key at the snapshot if the key is still where it was then,
    /// or `Some(None)`. Returns `None` if the snapshot can't be read any more.
    pub(super) fn find_hinted(
        &self,
        past: &mut Past<'_>,
        key: ProviderKey<'_>,
    ) -> Option<Option<Provider>> {
        match key {
            ProviderKey::Uuid(uuid) => {
                let Some(hint) = self.forest.providers.hint(&uuid) else { return Some(None) };
                let structure = past.read(hint.cell, Structure::of_words)?;
                let is_meant = structure.is_live() && structure.uuid == uuid;
                Some(is_meant.then(|| self.forest.handle(hint.cell, &structure)))
            }
            ProviderKey::Name(name) => {
                let Some(label) = self.forest.names.hint(name) else { return Some(None) };
                let (life, owner) = past.read(label.cell, |words| {
                    let owner = words.get(1).map(|owner| Cell::new(*owner as u32));
                    (Life::of_words(words), owner)
                })?;
                let (State::Live, Some(owner)) = (life.state, owner) else { return Some(None) };
                let structure = past.read(owner, Structure::of_words)?;
                if !structure.is_live() || structure.name != Some(label.cell) {
                    return Some(None);
                }
                let usage = usage_of(owner);
                let version = past.read(usage, |words| UsageWords(words).configuration())?;
                // The name cell may have stood for another name at the snapshot.
                let named = self
                    .forest
                    .configurations
                    .with(usage, version, |configuration| &*configuration.name == name)?;
                Some(named.then(|| self.forest.handle(owner, &structure)))
            }
        }
    }
}

impl Snapshot {
    /// Applies `visit` to the words of every consumer that held something.
    pub(super) fn each_consumer(&self, mut visit: impl FnMut(ConsumerWords<'_>)) -> Result<()> {
        self.read(|past| {
            for cell in consumer_cells(&self.frozen().core.forest.ledger) {
                past.read(cell, |words| {
                    if is_live_consumer(Life::of_words(words)) {
                        visit(ConsumerWords(words));
                    }
                })?;
            }
            Some(())
        })
    }
}

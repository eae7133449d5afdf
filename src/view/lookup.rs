//! Finds providers and consumers in a snapshot by key.
//!
//! The forest's indexes know what has a key now. If a provider or consumer has kept its key since
//! the snapshot, an index leads to its cell, and the snapshot confirms that. To find any other
//! provider or consumer takes an index of the snapshot's own.

use std::collections::HashMap;

use uuid::Uuid;

use crate::error::Error;
use crate::forest::{Forest, ForestReader, Name, Provider, ProviderKey};
use crate::layout::{
    ConsumerWords, Life, State, Structure, UsageWords, Words, consumer_cells, is_live_consumer,
    owner_in, usage_of,
};
use crate::ledger::{Abort, Cell, Ledger, Past, Reader, Torn};

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Holds the providers of a snapshot by uuid and by name.
pub(super) struct ProviderIndex {
    uuids: Map<Uuid, Provider>,
    names: Map<Name, Provider>,
}

impl ProviderIndex {
    pub(super) fn new(mut past: ForestReader<'_, Past<'_>>) -> Result<Self, Abort<Error>> {
        let mut index = ProviderIndex { uuids: Map::default(), names: Map::default() };
        for provider in past.all()? {
            let configuration = past.configuration(&provider)?;
            index.uuids.insert(provider.uuid(), provider);
            index.names.insert(configuration.name.clone(), provider);
        }
        Ok(index)
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
    pub(super) fn new(ledger: &Ledger, past: &mut Past<'_>) -> Result<Self, Torn> {
        let mut index = Map::default();
        each_consumer(ledger, past, |cell, words| {
            index.insert(words.uuid(), cell);
        })?;
        Ok(ConsumerIndex(index))
    }

    pub(super) fn find(&self, consumer: Uuid) -> Option<Cell> {
        self.0.get(&consumer).copied()
    }
}

/// Applies `visit` to the cell and the words of every consumer that held something.
pub(crate) fn each_consumer(
    ledger: &Ledger,
    past: &mut Past<'_>,
    mut visit: impl FnMut(Cell, ConsumerWords<'_>),
) -> Result<(), Torn> {
    for cell in consumer_cells(ledger) {
        past.read(cell, |words| {
            if is_live_consumer(Life::of_words(words)) {
                visit(cell, ConsumerWords(words));
            }
        })?;
    }
    Ok(())
}

/// Returns the provider that had `key` at the snapshot, if the index of `forest` leads to the
/// provider. Returns `None` if the index leads elsewhere or nowhere: even so, a provider may have
/// had `key`.
pub(super) fn find_hinted(
    forest: &Forest,
    past: &mut Past<'_>,
    key: ProviderKey<'_>,
) -> Result<Option<Provider>, Torn> {
    match key {
        ProviderKey::Uuid(uuid) => {
            let Some(hint) = forest.providers.hint(&uuid) else { return Ok(None) };
            let structure = past.read(hint.cell, Structure::of_words)?;
            let is_meant = structure.is_live() && structure.uuid == uuid;
            Ok(is_meant.then(|| forest.handle(hint.cell, &structure)))
        }
        ProviderKey::Name(name) => {
            let Some(name_key) = forest.names.hint(name) else { return Ok(None) };
            let (life, owner) =
                past.read(name_key.cell, |words| owner_in(|index| words.word(index)))?;
            if life.state != State::Live {
                return Ok(None);
            }
            let usage = usage_of(owner.cell);
            let version = past.read(usage, |words| UsageWords(words).configuration())?;
            // The name cell may have stood for another name at the snapshot.
            let is_named = forest
                .configurations
                .with(usage, version, |configuration| &*configuration.name == name)
                .ok_or(Torn)?;
            Ok(is_named.then(|| forest.handle_of_owner(owner)))
        }
    }
}

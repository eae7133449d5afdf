//! Finds providers by uuid and by name, as they are now.

use uuid::Uuid;

use crate::forest::core::Forest;
use crate::forest::provider::{Provider, ProviderKey};
use crate::layout::{Life, State, Structure, owner_of};

/// Returns the provider with this uuid or name, if there is one.
#[inline]
pub(crate) fn find(forest: &Forest, key: ProviderKey<'_>) -> Option<Provider> {
    match key {
        ProviderKey::Uuid(uuid) => find_by_uuid(forest, uuid),
        ProviderKey::Name(name) => find_by_name(forest, name),
    }
}

fn find_by_uuid(forest: &Forest, uuid: Uuid) -> Option<Provider> {
    let key = forest.providers.live(&forest.ledger, &uuid)?;
    Some(forest.handle_of(uuid, key))
}

fn find_by_name(forest: &Forest, name: &str) -> Option<Provider> {
    loop {
        let name_key = forest.names.hint(name)?;
        let (life, owner) = forest.ledger.peek(name_key.cell, owner_of);
        if !life.is(State::Live, name_key.incarnation) {
            return None;
        }
        let structure = forest.ledger.peek(owner, Structure::of);
        // A provider keeps its name cell until the provider is renamed or removed. If either has
        // happened, the loop looks again.
        if structure.is_live() && structure.name == Some(name_key.cell) {
            let found = forest.handle(owner, &structure);
            let life = forest.ledger.peek(name_key.cell, Life::of);
            if life.is(State::Live, name_key.incarnation) {
                return Some(found);
            }
        }
    }
}

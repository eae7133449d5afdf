//! Finds providers by uuid and by name, as they are now: the index leads to one cell, and one
//! version of that cell decides.

use uuid::Uuid;

use crate::forest::core::Forest;
use crate::forest::provider::{Provider, ProviderKey};
use crate::layout::{State, owner_of};

/// Returns the provider with this uuid or name, if there is one.
#[inline(always)] // So that a caller who names a uuid or a name comes straight to its look-up.
pub(crate) fn find(forest: &Forest, key: ProviderKey<'_>) -> Option<Provider> {
    match key {
        ProviderKey::Uuid(uuid) => find_by_uuid(forest, uuid),
        ProviderKey::Name(name) => match find_by_name(forest, name) {
            Some(found) => Some(found),
            None => find_by_uuid(forest, key.uuid_in_text()?),
        },
    }
}

fn find_by_uuid(forest: &Forest, uuid: Uuid) -> Option<Provider> {
    let key = forest.providers.live(&forest.ledger, &uuid)?;
    Some(forest.handle_of(uuid, key))
}

/// Needs no look at the provider's own cells: they are live as long as the name cell is, and the
/// handle of a provider never changes.
fn find_by_name(forest: &Forest, name: &str) -> Option<Provider> {
    let key = forest.names.hint(name)?;
    let (life, owner) = forest.ledger.peek(key.cell, owner_of);
    life.is(State::Live, key.incarnation).then(|| forest.handle_of_owner(owner))
}

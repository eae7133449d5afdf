//! Creates providers.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result, check_provider_name};
use crate::forest::configuration::{Candidate, Configuration};
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::keys::{KeyCell, Name, Refusal, take_key, while_stale, with_new_keys};
use crate::forest::links::append;
use crate::forest::provider::Provider;
use crate::layout::{Cordon, Life, NameOwner, State, Structure, bare_usage, name_words, usage_of};
use crate::ledger::{Abort, Cell, Transaction, Writer};

/// Creates a provider as the last child of `parent`, or as the last root.
pub(crate) fn create(
    forest: &Forest,
    writer: &mut Writer,
    parent: Option<&Provider>,
    name: &str,
    uuid: Uuid,
) -> Result<Provider> {
    check_provider_name(name)?;
    let parent_cell = forest.parent_cell(parent)?;
    let name: Name = Arc::from(name);
    while_stale(|| {
        let (uuids, names) = ((&forest.providers, &uuid), (&forest.names, &name));
        with_new_keys(writer, uuids, names, |writer, structure, name_key| {
            let name = &name;
            NewProvider { uuid, name, structure, name_key, parent, parent_cell }
                .create(forest, writer)
        })
    })
}

/// Holds what a new provider is made of.
struct NewProvider<'a> {
    uuid: Uuid,
    name: &'a Name,
    /// The cell of the uuid, which becomes the structure cell of the provider.
    structure: KeyCell,
    /// The cell of the name.
    name_key: KeyCell,
    /// `None` for a root, whose parent is the super-root.
    parent: Option<&'a Provider>,
    parent_cell: Cell,
}

impl NewProvider<'_> {
    /// Creates the provider. Refuses as stale if one of the two keys was given up.
    fn create(&self, forest: &Forest, writer: &mut Writer) -> Result<Provider, Refusal> {
        let configuration = Configuration { name: Arc::clone(self.name), ..Default::default() };
        let usage = usage_of(self.structure.cell);
        let candidate = forest.configurations.publish(&forest.ledger, usage, configuration, None);
        let ((), at) = Candidate::decide([&candidate].into_iter(), writer, |transaction| {
            self.take_keys(transaction)?;
            self.link(transaction, candidate.version)
        })?;
        candidate.begins(at);
        Ok(forest.handle_of(self.uuid, self.structure))
    }

    /// Checks that nothing has the uuid or the name, and gives the name to the provider.
    fn take_keys(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refusal>> {
        let NewProvider { uuid, structure, name_key, .. } = *self;
        take_key(transaction, structure, || Error::UuidExists { uuid })?;
        let exists = || Error::NameExists { name: self.name.to_string() };
        let (place, life) = take_key(transaction, name_key, exists)?;
        let KeyCell { cell, incarnation } = structure;
        transaction.rewrite(place, &name_words(life, NameOwner { cell, incarnation, uuid }));
        Ok(())
    }

    /// Makes the two cells of the provider live, and puts the provider behind its parent's last
    /// child. `version` names the provider's first configuration.
    fn link(&self, transaction: &mut Transaction<'_>, version: u64) -> Result<(), Abort<Refusal>> {
        let cell = self.structure.cell;
        if let Some(parent) = self.parent {
            open_live(transaction, parent)?;
        }
        let previous = append(transaction, self.parent_cell, cell)?;
        let parent = transaction.open(self.parent_cell)?;
        let inherited = structure_at(transaction, parent).cordon.holds();
        let place = transaction.open(cell)?;
        let life = Life::from_word(transaction.word(place, 0)).with(State::Live);
        let structure = Structure {
            life,
            uuid: self.uuid,
            name: Some(self.name_key.cell),
            parent: Some(self.parent_cell),
            first_child: None,
            last_child: None,
            previous,
            next: None,
            cordon: Cordon { own: false, inherited },
        };
        transaction.rewrite(place, &structure.words());
        let usage = transaction.open(usage_of(cell))?;
        if Life::from_word(transaction.word(usage, 0)).state != State::Free {
            return Err(Abort::Torn);
        }
        transaction.rewrite(usage, &bare_usage(life, version, inherited));
        Ok(())
    }
}

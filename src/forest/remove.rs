//! Removes providers.

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::OldConfiguration;
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::keys::KeyCell;
use crate::forest::links::unlink;
use crate::forest::provider::Provider;
use crate::forest::sharing::SharingChange;
use crate::layout::{Life, State, Structure, UsageWords, usage_of};
use crate::ledger::{Abort, Cell, Place, Stamp, Torn, Transaction, Writer};
use crate::values::ResourceClass;

/// Removes `provider`, and all its descendants if `with_descendants` is true; returns how many
/// providers that are. If `with_descendants` is false, refuses a provider with children.
pub(crate) fn remove(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    with_descendants: bool,
) -> Result<usize> {
    let top = forest.structure_cell(provider)?;
    let mut removed = Vec::new();
    let ((), at) = writer.transact_stamped(|transaction| {
        removed.clear();
        let mut sharing = SharingChange::default();
        let (place, structure) = open_live(transaction, provider)?;
        if !with_descendants && structure.first_child.is_some() {
            return Err(Error::HasChildren { provider: provider.uuid }.into());
        }
        unlink(transaction, top, &structure)?;
        removed.push(OldProvider::free(forest, transaction, place, &structure, top)?);
        let mut parents = vec![(top, structure.first_child)];
        while let Some((parent, next)) = parents.pop() {
            let Some(cell) = next else { continue };
            // If the walk reaches a cell twice, what was read contradicts itself.
            if transaction.has(cell) {
                return Err(Abort::Torn);
            }
            let place = transaction.open(cell)?;
            let structure = structure_at(transaction, place);
            if !structure.is_live() || structure.parent != Some(parent) {
                return Err(Abort::Torn);
            }
            removed.push(OldProvider::free(forest, transaction, place, &structure, cell)?);
            parents.push((parent, structure.next));
            parents.push((cell, structure.first_child));
        }
        for old in &removed {
            let usage = usage_of(old.structure.cell);
            let goes = |configuration: &_| sharing.goes(configuration);
            forest.with_configuration(usage, old.configuration, goes)?;
        }
        sharing.apply(transaction, forest.sharing)?;
        Ok::<_, Abort<Error>>(())
    })?;
    // Holds the configurations until all providers are forgotten.
    let _gone: Vec<_> = removed.iter().map(|old| old.forget(forest, writer, at)).collect();
    Ok(removed.len())
}

/// Describes a provider that a transaction has removed, until the indexes have forgotten the
/// provider.
pub(crate) struct OldProvider {
    pub(crate) uuid: Uuid,
    pub(crate) structure: KeyCell,
    /// `None` if another provider has the name now.
    pub(crate) name: Option<KeyCell>,
    /// The version of the configuration that was in force last.
    pub(crate) configuration: u64,
}

impl OldProvider {
    /// Frees a provider's two cells and its name, unless the provider is in use.
    fn free(
        forest: &Forest,
        transaction: &mut Transaction<'_>,
        place: Place,
        structure: &Structure,
        cell: Cell,
    ) -> Result<Self, Abort<Error>> {
        let usage = transaction.open(usage_of(cell))?;
        let words = UsageWords(transaction.words(usage));
        let life = words.life();
        let configuration = words.configuration();
        if !life.is(State::Live, structure.life.incarnation) {
            return Err(Abort::Torn);
        }
        if let Some((class, amounts)) =
            words.all(&forest.layouts).find(|(_, amounts)| amounts.used > 0)
        {
            return Err(Abort::Reject(Error::InUse {
                provider: structure.uuid,
                class: ResourceClass::from_number(class),
                used: amounts.used,
            }));
        }
        let name_cell = structure.name.ok_or(Torn)?;
        let name = transaction.open(name_cell)?;
        let name_life = Life::from_word(transaction.word(name, 0));
        if name_life.state != State::Live {
            return Err(Abort::Torn);
        }
        transaction.rewrite(place, &[structure.life.ended().word()]);
        transaction.rewrite(usage, &[life.ended().word()]);
        transaction.rewrite(name, &[name_life.ended().word()]);
        Ok(OldProvider {
            uuid: structure.uuid,
            structure: KeyCell { cell, incarnation: structure.life.incarnation },
            name: Some(KeyCell { cell: name_cell, incarnation: name_life.incarnation }),
            configuration,
        })
    }

    /// Forgets the provider, which was removed at `at`: first its configuration, then its name,
    /// then its uuid. To forget a key means to take its entry out of the index, then to give its
    /// cells back.
    pub(crate) fn forget(
        &self,
        forest: &Forest,
        writer: &mut Writer,
        at: Stamp,
    ) -> OldConfiguration {
        let usage = usage_of(self.structure.cell);
        let old = forest.configurations.retire(&forest.ledger, usage, self.configuration, at);
        if let (Some(name), Some(key)) = (old.name(), self.name) {
            forest.names.release(writer, &**name, key);
        }
        forest.providers.release(writer, &self.uuid, self.structure);
        old
    }
}

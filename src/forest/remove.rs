//! Removes providers.

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::OldConfiguration;
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::keys::KeyCell;
use crate::forest::links::{unlink, unlink_fast};
use crate::forest::provider::Provider;
use crate::forest::sharing::SharingChange;
use crate::layout::{Life, State, Structure, UsageWords, usage_of};
use crate::ledger::{Abort, Cell, Place, Record, Stamp, Torn, Transaction, Writer};
use crate::values::ResourceClass;

/// Removes `provider`, and all its descendants if `with_descendants` is true; returns how many
/// providers that are. If `with_descendants` is false, refuses a provider with children.
pub(crate) fn remove(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
    with_descendants: bool,
) -> Result<usize> {
    forest.structure_cell(provider)?;
    if let Some((old, at)) = remove_fast(forest, writer, provider) {
        let _gone = old.forget(forest, writer, at);
        return Ok(1);
    }
    let mut removed = Vec::new();
    let ((), at) = writer.transact_stamped(|transaction| {
        removed.clear();
        remove_in(forest, transaction, provider, with_descendants, &mut removed)
    })?;
    // Holds the configurations until all providers are forgotten.
    let _gone: Vec<_> = removed.iter().map(|old| old.forget(forest, writer, at)).collect();
    Ok(removed.len())
}

/// Removes `provider` as part of a transaction, as [`remove`] does; adds what the indexes have to forget
/// afterwards to `removed`.
pub(crate) fn remove_in(
    forest: &Forest,
    transaction: &mut Transaction<'_>,
    provider: &Provider,
    with_descendants: bool,
    removed: &mut Vec<OldProvider>,
) -> Result<(), Abort<Error>> {
    let top = forest.structure_cell(provider)?;
    let first = removed.len();
    let (place, structure) = open_live(transaction, provider)?;
    if !with_descendants && structure.first_child.is_some() {
        return Err(Error::HasChildren { provider: provider.uuid }.into());
    }
    unlink(transaction, top, &structure)?;
    removed.push(OldProvider::free(forest, transaction, place, &structure, top)?);
    let mut parents = vec![(top, structure.first_child)];
    while let Some((parent, next)) = parents.pop() {
        let Some(cell) = next else { continue };
        let place = transaction.open(cell)?;
        let structure = structure_at(transaction, place);
        // If the walk reaches a cell twice, what was read contradicts itself: the cell has been freed.
        if !structure.is_live() || structure.parent != Some(parent) {
            return Err(Abort::Torn);
        }
        removed.push(OldProvider::free(forest, transaction, place, &structure, cell)?);
        parents.push((parent, structure.next));
        parents.push((cell, structure.first_child));
    }
    let mut sharing = SharingChange::default();
    for old in &removed[first..] {
        let usage = usage_of(old.structure.cell);
        let goes = |configuration: &_| sharing.goes(configuration);
        forest.with_configuration(usage, old.configuration, goes)?;
    }
    sharing.apply(transaction, forest.sharing)
}

/// Tries once to remove a provider that has no children and is no sharing provider, without a
/// transaction's body; returns what the indexes still have to forget, and since when the provider is
/// gone. Changes the same cells in the same way as [`remove`] does otherwise, which decides if this
/// returns `None`. The neighbours, which others may change too, are read last.
fn remove_fast(
    forest: &Forest,
    writer: &mut Writer,
    provider: &Provider,
) -> Option<(OldProvider, Stamp)> {
    let &Provider { uuid, incarnation, cell, .. } = provider;
    let mut transaction = writer.fast_transaction();
    let leaf = |record: Record<'_>| {
        let structure = Structure::of(record);
        let is_leaf = structure.first_child.is_none();
        (is_leaf && structure.life.is(State::Live, incarnation)).then_some(structure)
    };
    let (words, structure) = transaction.renew(cell, 1, leaf)?;
    words.set(0, [structure.life.ended().word()]);
    let unused = |record: Record<'_>| {
        let words = UsageWords(record);
        let is_used = words.all(&forest.layouts).any(|(_, amounts)| amounts.used > 0);
        let life = words.life();
        (!is_used && life.is(State::Live, incarnation)).then(|| (life, words.configuration()))
    };
    let usage = usage_of(cell);
    let (words, (life, configuration)) = transaction.renew(usage, 1, unused)?;
    words.set(0, [life.ended().word()]);
    if forest.configurations.with(usage, configuration, |found| found.is_sharing())? {
        return None;
    }
    let name = structure.name?;
    let live = |record: Record<'_>| Some(Life::of(record)).filter(|life| life.state == State::Live);
    let (words, life) = transaction.renew(name, 1, live)?;
    words.set(0, [life.ended().word()]);
    unlink_fast(&mut transaction, cell, &structure)?;
    let old = OldProvider {
        uuid,
        structure: KeyCell { cell, incarnation },
        name: Some(KeyCell { cell: name, incarnation: life.incarnation }),
        configuration,
    };
    transaction.commit().then(|| (old, writer.committed_at()))
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

//! Changes of structure: create, remove, move, rename. Each is one transaction.
//!
//! The children of a provider are a list through the children's own structure cells. A change
//! touches these cells:
//!
//! | change | cells |
//! |---|---|
//! | create | the new provider's pair, its name, the parent, the last sibling |
//! | remove | pair and name of the whole subtree, the parent, both neighbours |
//! | move | the provider's pair, both parents, its neighbours, the last sibling, the moves cell |
//! | rename | the provider's pair, both names |
//!
//! A removal also changes the sharing cell if sharing providers go. A move also changes the pairs
//! of descendants if a cordon begins or ends for them.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::{Candidate, Configuration, Gone};
use crate::forest::cordon::inherit;
use crate::forest::core::Forest;
use crate::forest::draft::{open_live, structure_at};
use crate::forest::generation::Expect;
use crate::forest::keys::{Interned, Name, Refused, check_name, while_stale, with_both_keys};
use crate::forest::links::{append, unlink};
use crate::forest::provider::Provider;
use crate::forest::sharing::SharingChange;
use crate::layout::{
    Cordon, Life, State, Structure, UsageWords, name_words, owner_of, set_configuration, usage_of,
    write_usage,
};
use crate::ledger::{Abort, Cell, Place, Stamp, Torn, Transaction, Writer};
use crate::resource_class::ResourceClass;

/// Describes a provider that a transaction has removed, for the indexes to forget.
pub(crate) struct Removed {
    pub(crate) uuid: Uuid,
    pub(crate) structure: Interned,
    /// `None` if another provider has the name now.
    pub(crate) name: Option<Interned>,
    pub(crate) configuration: u64,
}

impl Forest {
    pub(crate) fn find_by_uuid(&self, uuid: Uuid) -> Option<Provider> {
        let interned = self.providers.live(&self.ledger, &uuid)?;
        Some(self.handle_of(uuid, interned))
    }

    pub(crate) fn find_by_name(&self, name: &str) -> Option<Provider> {
        loop {
            let label = self.names.hint(name)?;
            let (life, owner) = self.ledger.peek(label.cell, owner_of);
            if !life.is(State::Live, label.incarnation) {
                return None;
            }
            let structure = self.ledger.peek(owner, Structure::of);
            // A provider keeps its name cell until the provider is renamed or removed. If either
            // has happened, the loop looks again.
            if structure.is_live() && structure.name == Some(label.cell) {
                let found = self.handle(owner, &structure);
                let life = self.ledger.peek(label.cell, Life::of);
                if life.is(State::Live, label.incarnation) {
                    return Some(found);
                }
            }
        }
    }

    pub(crate) fn create(
        &self,
        writer: &mut Writer,
        parent: Option<&Provider>,
        name: &str,
        uuid: Uuid,
    ) -> Result<Provider> {
        check_name(name)?;
        let parent_cell = match parent {
            Some(parent) => self.structure_cell(parent)?,
            None => self.super_root,
        };
        let name: Name = Arc::from(name);
        while_stale(|| {
            let uuids = (&self.providers, std::iter::once(&uuid));
            let names = (&self.names, std::iter::once(&name));
            with_both_keys(writer, uuids, names, |writer, structures, labels| {
                let new = New { structure: structures[0], label: labels[0], parent_cell, parent };
                self.create_interned(writer, new, &name, uuid)
            })
        })
    }

    fn create_interned(
        &self,
        writer: &mut Writer,
        new: New<'_>,
        name: &Name,
        uuid: Uuid,
    ) -> Result<Provider, Refused> {
        let New { structure, label, parent_cell, parent } = new;
        let configuration = Configuration { name: Arc::clone(name), ..Default::default() };
        let usage = usage_of(structure.cell);
        let candidate = self.configurations.publish(&self.ledger, usage, Arc::new(configuration));
        let ((), at) = Candidate::decide([&candidate].into_iter(), writer, |transaction| {
            take_key(transaction, structure, || Error::UuidExists { uuid })?;
            let exists = || Error::NameExists { name: name.to_string() };
            let label = take_key(transaction, label, exists)?;
            transaction.rewrite(label.place, &name_words(label.life, structure.cell));
            let new = Linked {
                cell: structure.cell,
                parent: parent_cell,
                handle: parent,
                uuid,
                name: label.cell,
            };
            link_new(transaction, new, candidate.version)
        })?;
        candidate.begins(at);
        Ok(self.handle_of(uuid, structure))
    }

    pub(crate) fn remove(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        with_descendants: bool,
    ) -> Result<usize> {
        let top = self.structure_cell(provider)?;
        let mut removed = Vec::new();
        let ((), at) = writer.transact_stamped(|transaction| {
            removed.clear();
            let mut sharing = SharingChange::default();
            let (place, structure) = open_live(transaction, provider)?;
            if !with_descendants && structure.first_child.is_some() {
                return Err(Error::HasChildren { provider: provider.uuid }.into());
            }
            unlink(transaction, top, &structure)?;
            free_provider(transaction, place, &structure, top, &mut removed)?;
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
                free_provider(transaction, place, &structure, cell, &mut removed)?;
                parents.push((parent, structure.next));
                parents.push((cell, structure.first_child));
            }
            for gone in &removed {
                let usage = usage_of(gone.structure.cell);
                let goes = |configuration: &_| sharing.goes(configuration);
                self.with_configuration(usage, gone.configuration, goes)?;
            }
            sharing.apply(transaction, self.sharing)?;
            Ok::<_, Abort<Error>>(())
        })?;
        // Holds the configurations until all providers are forgotten.
        let _gone: Vec<_> = removed.iter().map(|it| self.forget(writer, it, at)).collect();
        Ok(removed.len())
    }

    /// Applies `read` to the configuration that the cell `usage` named as `version` when the
    /// transaction read the cell.
    pub(crate) fn with_configuration<T>(
        &self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Configuration) -> T,
    ) -> Result<T, Torn> {
        // If the version is gone, the usage cell has changed since.
        let found = self.configurations.with(usage, version, |found| read(found));
        found.ok_or(Torn)
    }

    /// Forgets a provider that was removed at `at`: first its name, then its configuration, then
    /// its uuid. To forget a key means to take its entry out of the index, then to give its cells
    /// back.
    pub(crate) fn forget(&self, writer: &mut Writer, gone: &Removed, at: Stamp) -> Gone {
        let usage = usage_of(gone.structure.cell);
        let configuration = self.configurations.find(usage, gone.configuration);
        if let (Some(configuration), Some(name)) = (configuration, gone.name) {
            self.names.release(writer, &*configuration.name, name);
        }
        let retired = self.configurations.retire(&self.ledger, usage, gone.configuration, at);
        self.providers.release(writer, &gone.uuid, gone.structure);
        retired
    }

    pub(crate) fn reparent(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        parent: Option<&Provider>,
    ) -> Result<()> {
        let cell = self.structure_cell(provider)?;
        let parent_cell = match parent {
            Some(parent) => self.structure_cell(parent)?,
            None => self.super_root,
        };
        writer.transact(|transaction| {
            // Opening the moves cell changes it: a commit changes the word of every gate it opened.
            transaction.open(self.moves())?;
            let (place, mut structure) = open_live(transaction, provider)?;
            if let Some(parent) = parent {
                open_live(transaction, parent)?;
                if self.is_below(transaction, parent_cell, cell)? {
                    let (provider, parent) = (provider.uuid, parent.uuid);
                    return Err(Error::WouldCycle { provider, parent }.into());
                }
            }
            unlink(transaction, cell, &structure)?;
            structure.parent = Some(parent_cell);
            structure.next = None;
            structure.previous = append(transaction, parent_cell, cell)?;
            transaction.rewrite(place, &structure.words());
            let new_parent = transaction.open(parent_cell)?;
            let inherited = structure_at(transaction, new_parent).cordon.holds();
            inherit(transaction, cell, inherited)?;
            let usage = transaction.open(usage_of(cell))?;
            let before = UsageWords(transaction.words(usage));
            if !before.life().is(State::Live, structure.life.incarnation) {
                return Err(Abort::Torn);
            }
            let generation = Expect::Any.next(before.generation());
            transaction.words_mut(usage)[1] = generation;
            Ok::<_, Abort<Error>>(())
        })
    }

    /// Returns whether `cell` is `top` or below it. Walks from `cell` towards the root.
    ///
    /// The transaction does not open the ancestors. Only a move changes the parent of a live
    /// provider, and every move changes the gate of the moves cell, which the transaction has
    /// opened. An ancestor can't be removed without `cell`, which the transaction has opened too. A
    /// population that moves an ancestor changes everything below that ancestor, and so `cell`.
    fn is_below<E>(
        &self,
        transaction: &mut Transaction<'_>,
        cell: Cell,
        top: Cell,
    ) -> Result<bool, Abort<E>> {
        let mut next = Some(cell);
        let mut steps = 0_u32;
        while let Some(current) = next {
            if current == top {
                return Ok(true);
            }
            steps += 1;
            // A walk through a structure that changes meanwhile could go on for ever.
            if steps.is_multiple_of(1024) && !transaction.holds() {
                return Err(Abort::Torn);
            }
            next = self.ledger.peek(current, |record| Structure::of(record).parent);
        }
        Ok(false)
    }

    pub(crate) fn rename(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        name: &str,
    ) -> Result<()> {
        check_name(name)?;
        let name: Name = Arc::from(name);
        // Holds the configurations until the key is settled: they contain values of the caller's
        // types, whose drop may panic.
        let (_, current) = self.configuration(provider)?;
        let mut replaced = vec![current];
        while_stale(|| {
            self.names.with_keys(writer, std::iter::once(&name), |writer, labels| {
                let (_, current) = self.configuration(provider)?;
                replaced.push(Arc::clone(&current));
                match current.name == name {
                    true => Ok(()),
                    false => self.rename_interned(writer, provider, &current, &name, labels[0]),
                }
            })
        })
    }

    /// Gives `provider` another name. Refuses as stale if `current` is not its configuration any
    /// more.
    fn rename_interned(
        &self,
        writer: &mut Writer,
        provider: &Provider,
        current: &Arc<Configuration>,
        name: &Name,
        label: Interned,
    ) -> Result<(), Refused> {
        let (cell, usage) = (provider.cell, usage_of(provider.cell));
        let renamed = Configuration { name: Arc::clone(name), ..(**current).clone() };
        let candidate = self.configurations.publish(&self.ledger, usage, Arc::new(renamed));
        let ((replaced, old), at) =
            Candidate::decide([&candidate].into_iter(), writer, |transaction| {
                let (place, mut structure) = open_live(transaction, provider)?;
                let words = transaction.open(usage)?;
                let before = UsageWords(transaction.words(words));
                let (generation, replaced) = (before.generation(), before.configuration());
                let in_force =
                    self.configurations.with(usage, replaced, |found| Arc::ptr_eq(found, current));
                if in_force != Some(true) {
                    return Err(Abort::Reject(Refused::Stale));
                }
                let taken = || Error::NameExists { name: name.to_string() };
                let label = take_key(transaction, label, taken)?;
                transaction.rewrite(label.place, &name_words(label.life, cell));
                let old = structure.name.replace(label.cell).ok_or(Torn)?;
                let place_of_old = transaction.open(old)?;
                let life = Life::from_word(transaction.word(place_of_old, 0));
                if life.state != State::Live {
                    return Err(Abort::Torn);
                }
                transaction.rewrite(place_of_old, &[life.ended().word()]);
                transaction.rewrite(place, &structure.words());
                let next = candidate.version;
                let generation = Expect::Any.next(generation);
                set_configuration(transaction.words_mut(words), generation, next);
                Ok((replaced, Interned { cell: old, incarnation: life.incarnation }))
            })?;
        let _gone = candidate.replaces(replaced, at);
        self.names.release(writer, &*current.name, old);
        Ok(())
    }
}

/// Names the cell of a key that a transaction is about to make live.
struct Key {
    place: Place,
    cell: Cell,
    life: Life,
}

/// Opens the cell of a key, which has to be absent. Refuses as stale if the key was given up, and
/// with `exists` if something has the key.
fn take_key(
    transaction: &mut Transaction<'_>,
    interned: Interned,
    exists: impl Fn() -> Error,
) -> Result<Key, Abort<Refused>> {
    let place = transaction.open(interned.cell)?;
    let life = Life::from_word(transaction.word(place, 0));
    if life.incarnation != interned.incarnation || life.state == State::Free {
        return Err(Abort::Reject(Refused::Stale));
    }
    if life.state == State::Live {
        return Err(exists().into());
    }
    Ok(Key { place, cell: interned.cell, life })
}

/// Holds what a new provider is made of.
struct New<'a> {
    structure: Interned,
    label: Interned,
    parent_cell: Cell,
    parent: Option<&'a Provider>,
}

/// Describes a provider that is about to be linked into the forest.
struct Linked<'a> {
    cell: Cell,
    parent: Cell,
    handle: Option<&'a Provider>,
    uuid: Uuid,
    name: Cell,
}

/// Makes the two cells of a new provider live, and puts the provider behind its parent's last
/// child.
fn link_new(
    transaction: &mut Transaction<'_>,
    new: Linked<'_>,
    version: u64,
) -> Result<(), Abort<Refused>> {
    if let Some(parent) = new.handle {
        let place = transaction.open(new.parent)?;
        parent.check_life(structure_at(transaction, place).life)?;
    }
    let previous = append(transaction, new.parent, new.cell)?;
    let parent = transaction.open(new.parent)?;
    let inherited = structure_at(transaction, parent).cordon.holds();
    let place = transaction.open(new.cell)?;
    let life = Life::from_word(transaction.word(place, 0)).with(State::Live);
    let structure = Structure {
        life,
        uuid: new.uuid,
        name: Some(new.name),
        parent: Some(new.parent),
        first_child: None,
        last_child: None,
        previous,
        next: None,
        cordon: Cordon { own: false, inherited },
    };
    transaction.rewrite(place, &structure.words());
    let usage = transaction.open(usage_of(new.cell))?;
    if Life::from_word(transaction.word(usage, 0)).state != State::Free {
        return Err(Abort::Torn);
    }
    let mut words = Vec::with_capacity(3);
    write_usage(&mut words, life, 0, version, inherited, &[]);
    transaction.rewrite(usage, &words);
    Ok(())
}

/// Frees a provider's two cells and its name, unless the provider is in use.
fn free_provider(
    transaction: &mut Transaction<'_>,
    place: Place,
    structure: &Structure,
    cell: Cell,
    removed: &mut Vec<Removed>,
) -> Result<(), Abort<Error>> {
    let usage = transaction.open(usage_of(cell))?;
    let words = UsageWords(transaction.words(usage));
    let life = words.life();
    let configuration = words.configuration();
    if !life.is(State::Live, structure.life.incarnation) {
        return Err(Abort::Torn);
    }
    if let Some((class, amounts)) = words.all().find(|(_, amounts)| amounts.used > 0) {
        return Err(Abort::Reject(Error::InUse {
            provider: structure.uuid,
            class: ResourceClass::from_number(class),
            used: amounts.used,
        }));
    }
    let label = structure.name.ok_or(Torn)?;
    let name = transaction.open(label)?;
    let name_life = Life::from_word(transaction.word(name, 0));
    if name_life.state != State::Live {
        return Err(Abort::Torn);
    }
    transaction.rewrite(place, &[structure.life.ended().word()]);
    transaction.rewrite(usage, &[life.ended().word()]);
    transaction.rewrite(name, &[name_life.ended().word()]);
    removed.push(Removed {
        uuid: structure.uuid,
        structure: Interned { cell, incarnation: structure.life.incarnation },
        name: Some(Interned { cell: label, incarnation: name_life.incarnation }),
        configuration,
    });
    Ok(())
}

//! The transaction of a population: its body first looks at everything, then changes everything.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Fault};
use crate::forest::configuration::Candidate;
use crate::forest::configure::relayout;
use crate::forest::core::Forest;
use crate::forest::draft::structure_at;
use crate::forest::keys::{KeyCell, Name, Refusal, open_key};
use crate::forest::links::{append, unlink};
use crate::forest::populate::plan::{Entry, ParentOf, Plan, PlanKeys};
use crate::forest::remove::OldProvider;
use crate::forest::sharing::SharingChange;
use crate::layout::{
    Cordon, Layouts, Life, NameOwner, State, Structure, UsageWords, name_words, usage_of,
    write_usage,
};
use crate::ledger::{Abort, Cell, Place, Torn, Transaction};
use crate::values::ResourceClass;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// Holds everything that the transaction is made from.
pub(super) struct Attempt<'a> {
    pub(super) forest: &'a Forest,
    pub(super) plan: &'a Plan<'a>,
    pub(super) keys: &'a PlanKeys<'a>,
    pub(super) candidates: &'a [Candidate<'a>],
}

/// Holds what a committed population leaves behind: what providers had before and nothing has any
/// more. The caller forgets it.
#[derive(Default)]
pub(super) struct Leftovers {
    /// For each entry, the version of the configuration that the entry replaced; `None` for a new
    /// provider.
    pub(super) replaced: Vec<Option<u64>>,
    /// Names that replaced providers had, and that no provider has any more.
    pub(super) names: Vec<(Name, KeyCell)>,
    pub(super) dropped: Vec<OldProvider>,
}

/// Holds the cells of a provider as the transaction opened them, and what they said.
struct ProviderCells {
    cell: Cell,
    place: Place,
    usage: Place,
    structure: Structure,
    /// The version of the configuration in force; `None` for a new provider.
    configuration: Option<u64>,
}

/// Names the cell of a name that is given up, unless a listed provider takes the name.
struct OldName {
    place: Place,
    life: Life,
}

impl Attempt<'_> {
    pub(super) fn body(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Leftovers, Abort<Refusal>> {
        let mut faults = self.plan.faults.clone();
        let listed = self.open_listed(transaction)?;
        let dropped = open_dropped(transaction, &listed)?;
        let old_names = open_old_names(transaction, listed.iter().chain(&dropped))?;
        self.check_names(transaction, &old_names, &mut faults)?;
        let cells = dropped.iter().map(|found| found.cell);
        let parents =
            check_parents(self.forest, transaction, (self.plan, self.keys), cells, &mut faults)?;
        let cordons = self.cordons(transaction, &listed)?;
        let usages = self.usages(transaction, &listed, &cordons, &mut faults);
        check_unused(transaction, &self.forest.layouts, &dropped, &mut faults);
        if !faults.is_empty() {
            return Err(Error::InvalidEntries { faults }.into());
        }

        self.count_sharing(&listed, &dropped)?.apply(transaction, self.forest.sharing)?;
        let mut leftovers = Leftovers::default();
        unlink_replaced(transaction, &listed, &dropped)?;
        self.exchange_names(transaction, &listed, &dropped, &old_names, &mut leftovers)?;
        for found in dropped {
            // The usage cell has a life of its own, since a life says which kind of cell it belongs
            // to.
            let usage = UsageWords(transaction.words(found.usage)).life();
            transaction.rewrite(found.place, &[found.structure.life.ended().word()]);
            transaction.rewrite(found.usage, &[usage.ended().word()]);
        }
        for (position, (found, usage)) in listed.iter().zip(usages).enumerate() {
            transaction.note_progress();
            let structure = Structure {
                life: found.structure.life.with(State::Live),
                name: Some(self.keys.name_keys[position].cell),
                parent: Some(parents[position]),
                cordon: cordons[position],
                first_child: None,
                last_child: None,
                previous: None,
                next: None,
                ..found.structure
            };
            transaction.rewrite(found.place, &structure.words());
            transaction.rewrite(found.usage, &usage);
            leftovers.replaced.push(found.configuration);
        }
        for (found, parent) in listed.iter().zip(parents) {
            transaction.note_progress();
            let previous = append(transaction, parent, found.cell)?;
            let structure = Structure { previous, ..structure_at(transaction, found.place) };
            transaction.rewrite(found.place, &structure.words());
        }
        Ok(leftovers)
    }
}

/// Looks at the cells.
impl Attempt<'_> {
    fn open_listed(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Vec<ProviderCells>, Abort<Refusal>> {
        let mut listed = Vec::with_capacity(self.keys.structures.len());
        for (entry, key) in self.plan.entries.iter().zip(self.keys.structures) {
            let (place, life) = open_key(transaction, *key)?;
            let uuid = entry.spec.uuid;
            let structure = Structure { uuid, ..structure_at(transaction, place) };
            let usage = transaction.open(usage_of(key.cell))?;
            let words = UsageWords(transaction.words(usage));
            let configuration = match (life.state, words.life().state) {
                (State::Live, State::Live) => Some(words.configuration()),
                (State::Free, State::Free) => None,
                _ => return Err(Abort::Torn),
            };
            listed.push(ProviderCells { cell: key.cell, place, usage, structure, configuration });
        }
        Ok(listed)
    }

    /// Adds a fault for each entry whose name is taken. A name has to be free, or given up by this
    /// very population.
    fn check_names(
        &self,
        transaction: &mut Transaction<'_>,
        old_names: &Map<Cell, OldName>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Abort<Refusal>> {
        for (entry, key) in self.plan.entries.iter().zip(self.keys.name_keys) {
            let (_, life) = open_key(transaction, *key)?;
            if life.state == State::Live && !old_names.contains_key(&key.cell) {
                let provider = entry.spec.uuid;
                faults.push(Fault::NameExists { provider, name: entry.spec.name.to_string() });
            }
        }
        Ok(())
    }

    /// Returns what cordons each listed provider: the provider itself, if it was cordoned before,
    /// and its new ancestors. If the list has faults, the result is of no use.
    fn cordons(
        &self,
        transaction: &mut Transaction<'_>,
        listed: &[ProviderCells],
    ) -> Result<Vec<Cordon>, Abort<Refusal>> {
        let own = |found: &ProviderCells| Cordon {
            own: found.configuration.is_some() && found.structure.cordon.own,
            inherited: false,
        };
        let mut cordons: Vec<_> = listed.iter().map(own).collect();
        for position in self.plan.parents_first() {
            cordons[position].inherited = match self.plan.entries[position].parent {
                ParentOf::None => false,
                ParentOf::Listed(parent) => cordons[parent].holds(),
                ParentOf::Outside(parent) => {
                    let place = transaction.open(self.keys.outside[parent].cell)?;
                    structure_at(transaction, place).cordon.holds()
                }
            };
        }
        Ok(cordons)
    }

    /// Returns the words that the usage cells of the listed providers are to hold. Adds a fault for
    /// each provider that would lose an inventory in use.
    fn usages(
        &self,
        transaction: &mut Transaction<'_>,
        listed: &[ProviderCells],
        cordons: &[Cordon],
        faults: &mut Vec<Fault>,
    ) -> Vec<Vec<u64>> {
        let layouts = &self.forest.layouts;
        let usage = |(position, found): (usize, &ProviderCells)| {
            transaction.note_progress();
            let entry = &self.plan.entries[position];
            let capacities = self.plan.capacities_of(entry);
            let before = UsageWords(transaction.words(found.usage));
            let (classes, generation) = match found.configuration {
                Some(_) => {
                    let classes =
                        relayout(before, layouts, capacities, 0).unwrap_or_else(|still| {
                            // If the entry has the inventory, the inventory is not valid, and has a
                            // fault already.
                            if entry.spec.inventories.get(still.class).is_none() {
                                let (provider, class, used) =
                                    (entry.spec.uuid, still.class, still.used);
                                faults.push(Fault::InUse { provider, class, used });
                            }
                            Vec::new()
                        });
                    (classes, before.generation() + 1)
                }
                None => (capacities.iter().map(|it| it.with_used(0, 0, 0)).collect(), 0),
            };
            let generation = entry.spec.generation.unwrap_or(generation);
            let life = found.structure.life.with(State::Live);
            let version = self.candidates[position].version;
            let cordoned = cordons[position].holds();
            let layout = self.candidates[position].layout();
            let mut words = Vec::new();
            write_usage(&mut words, life, generation, version, cordoned, &classes, layout);
            words
        };
        listed.iter().enumerate().map(usage).collect()
    }

    fn count_sharing(
        &self,
        listed: &[ProviderCells],
        dropped: &[ProviderCells],
    ) -> Result<SharingChange, Abort<Refusal>> {
        let mut sharing = SharingChange::default();
        for candidate in self.candidates {
            sharing.comes(candidate.facts());
        }
        for found in listed.iter().chain(dropped) {
            let Some(version) = found.configuration else { continue };
            let goes = |configuration: &_| sharing.goes(configuration);
            self.forest.with_configuration(usage_of(found.cell), version, goes)?;
        }
        Ok(sharing)
    }
}

/// Opens the cells of every provider that is below a replaced provider and not listed itself.
fn open_dropped(
    transaction: &mut Transaction<'_>,
    listed: &[ProviderCells],
) -> Result<Vec<ProviderCells>, Abort<Refusal>> {
    let mut replaced = Set::default();
    let mut rest = Vec::new();
    for found in listed.iter().filter(|found| found.configuration.is_some()) {
        // A provider that is listed twice is looked at once.
        if replaced.insert(found.cell) {
            rest.push((found.cell, found.structure.first_child));
        }
    }
    let mut seen = Set::default();
    let mut dropped = Vec::new();
    while let Some((parent, next)) = rest.pop() {
        let Some(cell) = next else { continue };
        // If the walk reaches a cell twice, what was read contradicts itself.
        if !seen.insert(cell) {
            return Err(Abort::Torn);
        }
        let place = transaction.open(cell)?;
        let structure = structure_at(transaction, place);
        if !structure.is_live() || structure.parent != Some(parent) {
            return Err(Abort::Torn);
        }
        rest.push((parent, structure.next));
        if replaced.contains(&cell) {
            continue;
        }
        rest.push((cell, structure.first_child));
        let usage = transaction.open(usage_of(cell))?;
        let words = UsageWords(transaction.words(usage));
        if !words.life().is(State::Live, structure.life.incarnation) {
            return Err(Abort::Torn);
        }
        let configuration = Some(words.configuration());
        dropped.push(ProviderCells { cell, place, usage, structure, configuration });
    }
    Ok(dropped)
}

/// Opens the name cells of all providers that are replaced or dropped.
fn open_old_names<'a>(
    transaction: &mut Transaction<'_>,
    all: impl Iterator<Item = &'a ProviderCells>,
) -> Result<Map<Cell, OldName>, Abort<Refusal>> {
    let mut old_names = Map::default();
    for found in all.filter(|found| found.configuration.is_some()) {
        let cell = found.structure.name.ok_or(Torn)?;
        let place = transaction.open(cell)?;
        let life = Life::from_word(transaction.word(place, 0));
        if life.state != State::Live {
            return Err(Abort::Torn);
        }
        old_names.insert(cell, OldName { place, life });
    }
    Ok(old_names)
}

/// Returns the cell of each entry's parent. Adds a fault for each entry whose parent does not exist
/// or does not stay: `dropped` are the cells of those that go.
pub(crate) fn check_parents(
    forest: &Forest,
    transaction: &mut Transaction<'_>,
    (plan, keys): (&Plan<'_>, &PlanKeys<'_>),
    dropped: impl IntoIterator<Item = Cell>,
    faults: &mut Vec<Fault>,
) -> Result<Vec<Cell>, Abort<Refusal>> {
    let dropped: Set<Cell> = dropped.into_iter().collect();
    let mut stays = Vec::with_capacity(keys.outside.len());
    for key in keys.outside {
        let (_, life) = open_key(transaction, *key)?;
        stays.push(life.state == State::Live && !dropped.contains(&key.cell));
    }
    let parent = |entry: &Entry<'_>| match entry.parent {
        ParentOf::None => forest.super_root,
        ParentOf::Listed(position) => keys.structures[position].cell,
        ParentOf::Outside(position) => {
            if !stays[position] {
                let parent = plan.outside[position];
                faults.push(Fault::Orphan { provider: entry.spec.uuid, parent });
            }
            keys.outside[position].cell
        }
    };
    Ok(plan.entries.iter().map(parent).collect())
}

/// Adds a fault for each dropped provider that is in use.
fn check_unused(
    transaction: &Transaction<'_>,
    layouts: &Layouts,
    dropped: &[ProviderCells],
    faults: &mut Vec<Fault>,
) {
    for found in dropped {
        let mut classes = UsageWords(transaction.words(found.usage)).all(layouts);
        if let Some((class, amounts)) = classes.find(|(_, amounts)| amounts.used > 0) {
            faults.push(Fault::InUse {
                provider: found.structure.uuid,
                class: ResourceClass::from_number(class),
                used: amounts.used,
            });
        }
    }
}

/// Changes the cells.
impl Attempt<'_> {
    /// Gives the listed providers their names, and frees the old names that no provider has any
    /// more.
    fn exchange_names(
        &self,
        transaction: &mut Transaction<'_>,
        listed: &[ProviderCells],
        dropped: &[ProviderCells],
        old_names: &Map<Cell, OldName>,
        leftovers: &mut Leftovers,
    ) -> Result<(), Abort<Refusal>> {
        let kept: Set<Cell> = self.keys.name_keys.iter().map(|name_key| name_key.cell).collect();
        let free = |transaction: &mut Transaction<'_>, found: &ProviderCells| {
            let cell = found.structure.name.ok_or(Torn)?;
            let OldName { place, life } = old_names.get(&cell).ok_or(Torn)?;
            if kept.contains(&cell) {
                return Ok::<_, Abort<Refusal>>(None);
            }
            transaction.rewrite(*place, &[life.ended().word()]);
            Ok(Some(KeyCell { cell, incarnation: life.incarnation }))
        };
        for found in listed {
            let Some(version) = found.configuration else { continue };
            if let Some(freed) = free(transaction, found)? {
                let usage = usage_of(found.cell);
                let name =
                    self.forest.with_configuration(usage, version, |old| old.name.clone())?;
                leftovers.names.push((name, freed));
            }
        }
        for found in dropped {
            let structure =
                KeyCell { cell: found.cell, incarnation: found.structure.life.incarnation };
            leftovers.dropped.push(OldProvider {
                uuid: found.structure.uuid,
                structure,
                name: free(transaction, found)?,
                configuration: found.configuration.ok_or(Torn)?,
            });
        }
        for (found, name_key) in listed.iter().zip(self.keys.name_keys) {
            transaction.note_progress();
            let (place, life) = open_key(transaction, *name_key)?;
            let owner = NameOwner {
                cell: found.cell,
                incarnation: found.structure.life.incarnation,
                uuid: found.structure.uuid,
            };
            transaction.rewrite(place, &name_words(life, owner));
        }
        Ok(())
    }
}

/// Takes each replaced provider out of the children of its parent, if the parent stays as it is.
fn unlink_replaced(
    transaction: &mut Transaction<'_>,
    listed: &[ProviderCells],
    dropped: &[ProviderCells],
) -> Result<(), Abort<Refusal>> {
    let replaced = || listed.iter().filter(|found| found.configuration.is_some());
    let goes: Set<Cell> = replaced().chain(dropped).map(|found| found.cell).collect();
    for found in replaced() {
        let parent = found.structure.parent.ok_or(Torn)?;
        if !goes.contains(&parent) {
            // The structure comes from the transaction's own words, not from `found`: a neighbour
            // may have been taken out before.
            let structure = structure_at(transaction, found.place);
            unlink(transaction, found.cell, &structure)?;
        }
    }
    Ok(())
}

//! Fill: the providers of a forest that no other thread knows, such as one that is being loaded.
//!
//! A population is one transaction, since other threads may look at any time and change what it rests
//! on. Here nobody can look before everything is there. So every cell is made once, with all that it is
//! to say: its first version says that it is live, and who its neighbours are.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::forest::core::Forest;
use crate::forest::draft::structure_at;
use crate::forest::populate::plan::{ParentOf, Plan};
use crate::forest::provider::Configuration;
use crate::forest::sharing::SharingChange;
use crate::layout::{
    CellKind, Cordon, Life, NameOwner, State, Structure, name_words, usage_of, write_usage,
};
use crate::ledger::{Cell, Writer};
use crate::values::ResourceClass;

/// Holds the neighbours of a provider, and its children, as they will be.
#[derive(Clone, Copy, Default)]
struct Links {
    first_child: Option<Cell>,
    last_child: Option<Cell>,
    previous: Option<Cell>,
    next: Option<Cell>,
}

/// Fills an empty forest with what the plan says, which has no faults and no parent outside; returns the
/// structure cells in the order of the plan's entries. `used` tells, for the position of an entry and one of
/// its classes, what is used from the beginning, and what of that is taken.
///
/// If a limit is met, the forest is of no use any more.
pub(crate) fn fill(
    forest: &mut Forest,
    writer: &mut Writer,
    plan: &Plan<'_, Configuration>,
    used: impl Fn(usize, ResourceClass) -> (u64, u64),
) -> Result<Vec<Cell>> {
    let count = plan.entries.len();
    plan.entries.iter().try_for_each(|entry| entry.spec.facts.inventories.check_count())?;
    forest.providers.make_room(count);
    forest.names.make_room(count);
    let mut cells = Vec::with_capacity(count);
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        cells.push(forest.providers.vacant_cell(writer)?);
    }
    for _ in 0..count {
        names.push(forest.names.vacant_cell(writer)?);
    }
    // As they come, most often. Which provider has which cell does not matter, but `Configurations::fill`
    // goes through them in rising order.
    cells.sort_unstable();
    let links = link(plan, &cells);

    let mut sharing = SharingChange::default();
    let mut configurations = Vec::with_capacity(count);
    let (mut classes, mut words) = (Vec::new(), Vec::new());
    for (position, entry) in plan.entries.iter().enumerate() {
        let Configuration { uuid, generation, ref facts } = *entry.spec;
        let (cell, name) = (cells[position], names[position]);
        let Links { first_child, last_child, previous, next } = links[position];
        let parent = match entry.parent {
            ParentOf::Listed(parent) => cells[parent],
            ParentOf::None | ParentOf::Outside(_) => forest.super_root,
        };
        let life = Life::first(CellKind::Structure).with(State::Live);
        let structure = Structure {
            life,
            uuid,
            name: Some(name),
            parent: Some(parent),
            first_child,
            last_child,
            previous,
            next,
            cordon: Cordon::default(),
        };
        writer.write_first_version(cell, &structure.words())?;
        let owner = NameOwner { cell, incarnation: life.incarnation, uuid };
        writer.write_first_version(name, &name_words(Life::first(CellKind::Name), owner))?;

        let capacities = plan.capacities_of(entry);
        let layout = forest.layouts.layout(capacities);
        let first = forest.configurations.first(Arc::clone(facts), layout);
        classes.clear();
        classes.extend(capacities.iter().map(|capacity| {
            let (used, taken) = used(position, capacity.class);
            capacity.with_used(used, taken, 0)
        }));
        let usage = usage_of(cell);
        write_usage(&mut words, life, generation, first.version(), false, &classes, first.layout());
        writer.write_first_version(usage, &words)?;

        configurations.push((usage, first));
        sharing.comes(facts);
        forest.providers.enter(&uuid, cell);
        forest.names.enter(&facts.name, name);
    }
    forest.configurations.fill(configurations.into_iter());
    let Links { first_child, last_child, .. } = links[count];
    writer.transact::<_, Error>(|transaction| {
        let place = transaction.open(forest.super_root)?;
        let structure = structure_at(transaction, place);
        transaction.rewrite(place, &Structure { first_child, last_child, ..structure }.words());
        sharing.apply(transaction, forest.sharing)
    })?;
    Ok(cells)
}

/// Returns the links of each entry, whose structure cell is at its position in `cells`. Behind them are
/// those of the super-root.
fn link(plan: &Plan<'_, Configuration>, cells: &[Cell]) -> Vec<Links> {
    let roots = cells.len();
    let mut links = vec![Links::default(); roots + 1];
    let mut last = vec![None; roots + 1];
    for (position, entry) in plan.entries.iter().enumerate() {
        let parent = match entry.parent {
            ParentOf::Listed(parent) => parent,
            ParentOf::None | ParentOf::Outside(_) => roots,
        };
        let cell = Some(cells[position]);
        match last[parent].replace(position) {
            None => links[parent].first_child = cell,
            Some(previous) => {
                links[previous].next = cell;
                links[position].previous = Some(cells[previous]);
            }
        }
        links[parent].last_child = cell;
    }
    links
}

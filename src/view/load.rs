//! Loading: makes a forest from a dump, unless the dump contradicts itself.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::claim::{AgendaKey, Allocation, Allocations, Claims, Core, Floor};
use crate::error::{Error, Fault, Result};
use crate::forest::{LARGEST_LISTED_GENERATION, Mark, Plan, fill, find, set_cordon};
use crate::layout::{CellKind, Holding, Identity, Life, consumer_words, usage_of};
use crate::ledger::{Cell, Writer};
use crate::sync::FLOORS;
use crate::values::{Deadline, ResourceClass};
use crate::view::dump::Dump;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// Makes a new forest that holds exactly what the dump says.
pub(crate) fn load(dump: &Dump) -> Result<Core> {
    let plan = Plan::new(dump.providers.iter().map(|provider| &provider.configuration));
    let mut faults = plan.faults.clone();
    for (provider, entry) in dump.providers.iter().zip(&plan.entries) {
        if let Some(parent) = provider.configuration.parent.filter(|_| entry.is_outside()) {
            faults.push(Fault::Orphan { provider: provider.configuration.uuid, parent });
        }
    }
    if !(Dump::OLDEST_VERSION..=Dump::VERSION).contains(&dump.version) {
        let (found, supported) = (dump.version, Dump::VERSION);
        faults.push(Fault::DumpVersion { found, supported });
    }
    check_consumers(dump, &mut faults);
    check_floors(dump, &mut faults);
    if !faults.is_empty() {
        return Err(Error::InvalidEntries { faults });
    }

    // The loaded consumers are from outside: whatever forest has issued their uuids, another mark tells
    // those from the ones that this forest will issue.
    let is_free = |mark: &Mark| dump.consumers.iter().all(|it| mark.life(it.consumer).is_none());
    let mark = std::iter::repeat_with(Mark::new).find(is_free);
    let mut core = Core::with_mark(mark.expect("an endless iterator ends only by what is found"));
    let used = |position: usize, class| {
        let used = dump.providers[position].used.get(&class);
        used.map_or((0, 0), |amounts| (amounts.used, amounts.taken))
    };
    let Core { forest, claims } = &mut core;
    claims.floors.load(&dump.floors);
    forest.with_all(|forest, writer| {
        let cells = fill(forest, writer, &plan, used)?;
        for provider in dump.providers.iter().filter(|provider| provider.cordoned) {
            if let Some(provider) = find(forest, provider.configuration.uuid.into()) {
                set_cordon(forest, writer, &provider, true)?;
            }
        }
        let usage_cell = |uuid| usage_of(cells[*plan.positions.get(&uuid).expect("checked above")]);
        claims.consumers.make_room(dump.consumers.len());
        for consumer in &dump.consumers {
            load_consumer(claims, writer, consumer, usage_cell)?;
        }
        Ok(())
    })?;
    Ok(core)
}

/// Checks each consumer, and checks that usage is the sum of what all consumers hold.
fn check_consumers(dump: &Dump, faults: &mut Vec<Fault>) {
    // Sums what is held and taken of each inventory.
    let count = dump.providers.iter().map(|it| it.configuration.inventories.len()).sum();
    let mut sums: Map<(Uuid, ResourceClass), u128> =
        Map::with_capacity_and_hasher(count, Default::default());
    for provider in &dump.providers {
        let uuid = provider.configuration.uuid;
        for (class, _) in provider.configuration.inventories.iter() {
            let taken = provider.used.get(&class).map_or(0, |amounts| amounts.taken);
            sums.insert((uuid, class), taken.into());
        }
    }
    let mut seen = Set::with_capacity_and_hasher(dump.consumers.len(), Default::default());
    for consumer in &dump.consumers {
        if !seen.insert(consumer.consumer) {
            faults.push(Fault::DuplicateConsumer { consumer: consumer.consumer });
        }
        check_consumer(consumer, &mut sums, faults);
    }
    for provider in &dump.providers {
        let uuid = provider.configuration.uuid;
        for (class, _) in provider.configuration.inventories.iter() {
            let used = provider.used.get(&class).map_or(0, |amounts| amounts.used);
            let held = sums.get(&(uuid, class)).copied().unwrap_or(0);
            if u128::from(used) != held {
                let held = u64::try_from(held).unwrap_or(u64::MAX);
                faults.push(Fault::UsageDiffers { provider: uuid, class, used, held });
            }
        }
        for (&class, amounts) in &provider.used {
            let is_used = amounts.used > 0 || amounts.taken > 0;
            if is_used && provider.configuration.inventories.get(class).is_none() {
                let used = amounts.used.max(amounts.taken);
                faults.push(Fault::UsedWithoutInventory { provider: uuid, class, used });
            }
        }
    }
}

fn check_consumer(
    consumer: &Allocations,
    sums: &mut Map<(Uuid, ResourceClass), u128>,
    faults: &mut Vec<Fault>,
) {
    let &Allocations { consumer: uuid, generation, deadline, tag: _, ref allocations } = consumer;
    if generation > LARGEST_LISTED_GENERATION {
        faults.push(Fault::GenerationTooLarge { owner: uuid, generation });
    }
    if deadline.is_some_and(|deadline| deadline > Deadline::LATEST) {
        faults.push(Fault::DeadlineTooLate { consumer: uuid });
    }
    if allocations.is_empty() {
        faults.push(Fault::EmptyConsumer { consumer: uuid });
    }
    let mut seen = Set::default();
    for held in allocations {
        let (provider, class, amount) = (held.provider, held.class, held.amount);
        if amount == 0 || !seen.insert((provider, class)) {
            faults.push(Fault::InvalidAllocation { consumer: uuid, provider, class, amount });
        }
        match sums.get_mut(&(provider, class)) {
            Some(sum) => *sum += u128::from(amount),
            None => {
                faults.push(Fault::UnknownInventory { consumer: uuid, provider, class });
            }
        }
    }
}

fn check_floors(dump: &Dump, faults: &mut Vec<Fault>) {
    let mut seen = Set::default();
    for &Floor { place, generation } in &dump.floors {
        if usize::from(place) >= FLOORS {
            faults.push(Fault::UnknownFloor { place });
        }
        if !seen.insert(place) {
            faults.push(Fault::DuplicateFloor { place });
        }
        if generation > LARGEST_LISTED_GENERATION {
            faults.push(Fault::FloorTooHigh { place, generation });
        }
    }
}

/// Writes what a consumer holds. The usage of the providers counts it already.
fn load_consumer(
    claims: &mut Claims,
    writer: &mut Writer,
    consumer: &Allocations,
    usage_cell: impl Fn(Uuid) -> Cell,
) -> Result<()> {
    let Allocations { consumer: uuid, generation, deadline, tag, ref allocations } = *consumer;
    let holding = |held: &Allocation| {
        let usage = usage_cell(held.provider);
        Holding { usage, class: held.class.number(), amount: held.amount }
    };
    let mut held: Vec<_> = allocations.iter().map(holding).collect();
    held.sort_unstable_by_key(|held| (held.usage, held.class));
    let term = deadline.map(|deadline| claims.leases.new_term(deadline.0));
    let life = Life::first(CellKind::Consumer);
    let words = consumer_words(life, Identity { uuid, generation, tag }, term, &held)?;
    let cell = claims.consumers.vacant_cell(writer)?;
    writer.write_first_version(cell, &words)?;
    let key = claims.consumers.enter(&uuid, cell);
    if let Some(term) = term {
        claims.leases.agenda.insert(AgendaKey::new(term, key), uuid);
    }
    Ok(())
}

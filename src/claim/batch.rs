//! Batches: changes of many consumers, inventories and cordons in one commit.
//!
//! The transaction first gives back everything that the consumers hold, then replaces inventories,
//! then takes everything that is wanted. Cordons that the batch ends end before anything is taken;
//! cordons that the batch begins begin afterwards. The transaction checks a class of a provider
//! once, with all that the batch gives back and takes there.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::claim::agenda::Due;
use crate::claim::change::Change;
use crate::claim::core::Core;
use crate::claim::lines::{check_claim, check_conditions, expand, sum_of};
use crate::claim::request::{Batch, Before, ConsumerChange, CordonChange, InventoriesChange, Line};
use crate::claim::worker::{Receipt, Worker, check_consumer, open_consumer};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::forest::configuration::{Candidate, Configuration};
use crate::forest::{
    Expect, Interned, Provider, Refused, SharingChange, relayout, set_cordon_in, while_stale,
};
use crate::inventory::ClassCapacity;
use crate::layout::Term;
use crate::layout::{ConsumerWords, rewrite_consumer};
use crate::layout::{Life, State, UsageWords, usage_of, write_usage};
use crate::ledger::{Abort, Cell, Place, Torn, Transaction, Writer};
use crate::resource_class::ResourceClass;

impl Worker {
    /// Makes all changes of a batch at one instant, or none of them. Returns a receipt for each
    /// consumer, in the order of the batch.
    ///
    /// The amounts that the batch gives back are free for the amounts that it takes. Where the
    /// batch takes no more than it gives back, the batch passes even if a shrunk inventory is
    /// exceeded. From a cordoned provider, no consumer of the batch takes more than it gives back.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), [`replace`](Self::replace),
    /// [`release`](Self::release) and
    /// [`set_inventories`](crate::ProviderTree::set_inventories), with two differences. A claim of
    /// a consumer that exists is refused as [`ConsumerExists`](Error::ConsumerExists), whatever the
    /// consumer holds. [`CapacityExceeded`](Error::CapacityExceeded) tells what the whole batch
    /// asks for, and what is free for the whole batch.
    ///
    /// Returns [`InvalidEntries`](Error::InvalidEntries) if a consumer, or the inventories of a
    /// provider, come twice. Returns [`ProviderChanged`](Error::ProviderChanged) or
    /// [`ConsumerChanged`](Error::ConsumerChanged) if the batch rests on what a
    /// [fork](crate::Fork::difference_if_unchanged) has read, and that has changed.
    pub fn commit(&mut self, batch: &Batch) -> Result<Vec<Receipt>> {
        let committed = check_batch(&self.core, batch).and_then(|capacities| {
            let Worker { core, writer, .. } = self;
            commit(core, writer, batch, &capacities)
        });
        self.counting(committed, |tallies| &tallies.claims)
    }
}

/// Checks what can be checked of the batch without a transaction. Returns the capacities of the
/// batch's inventories.
fn check_batch(core: &Core, batch: &Batch) -> Result<Vec<Vec<ClassCapacity>>> {
    let mut faults = Vec::new();
    let mut seen = HashSet::<Uuid, foldhash::fast::RandomState>::default();
    for change in &batch.consumers {
        if !seen.insert(change.consumer) {
            faults.push(Fault::DuplicateConsumer { consumer: change.consumer });
        }
    }
    seen.clear();
    for change in &batch.inventories {
        if !seen.insert(change.provider.uuid) {
            faults.push(Fault::DuplicateUuid { provider: change.provider.uuid });
        }
    }
    if !faults.is_empty() {
        return Err(Error::InvalidEntries { faults });
    }
    for change in &batch.consumers {
        if let Some(claim) = &change.claim {
            check_claim(core, claim)?;
        }
        change.before.expect().map_or(Ok(()), |expect| expect.validate())?;
    }
    for change in &batch.cordons {
        core.forest.structure_cell(&change.provider)?;
    }
    if let Some(basis) =
        batch.basis.as_ref().filter(|basis| basis.frozen.core.forest.id() != core.forest.id())
    {
        return Err(Error::ForeignSnapshot { version: basis.frozen.number() });
    }
    let capacities = |change: &InventoriesChange| {
        change.expect.validate()?;
        core.forest.usage_cell(&change.provider)?;
        change.inventories.capacities()
    };
    batch.inventories.iter().map(capacities).collect()
}

fn commit(
    core: &Core,
    writer: &mut Writer,
    batch: &Batch,
    capacities: &[Vec<ClassCapacity>],
) -> Result<Vec<Receipt>> {
    // Dropped after all keys are given up: the replaced configurations hold values of the caller's
    // types, whose own drop may panic.
    let mut replaced = Vec::new();
    let keys: Vec<Uuid> = batch.keys().collect();
    while_stale(|| {
        core.claims.consumers.with_keys(writer, keys.iter(), |writer, keys| {
            attempt(core, writer, batch, capacities, keys, &mut replaced)
        })
    })
}

impl Batch {
    /// Returns the consumers that the batch changes, then the consumers that have to be absent. The
    /// latter get keys too, so that the transaction can rest on their absence.
    fn keys(&self) -> impl Iterator<Item = Uuid> {
        let absent = self.basis.iter().flat_map(|basis| basis.absent.iter().copied());
        self.consumers.iter().map(|change| change.consumer).chain(absent)
    }
}

/// Begins the cordons that the batch begins, if `own` is true; otherwise ends the cordons that the
/// batch ends.
fn change_cordons(
    transaction: &mut Transaction<'_>,
    batch: &Batch,
    own: bool,
) -> Result<(), Abort<Refused>> {
    for CordonChange { provider, .. } in batch.cordons.iter().filter(|change| change.own == own) {
        set_cordon_in(transaction, provider, own)?;
    }
    Ok(())
}

/// Holds the inventories of one provider that are about to be put in force.
struct Prepared<'a> {
    change: &'a InventoriesChange,
    capacities: &'a [ClassCapacity],
    /// The version of the configuration that was in force before.
    replaced: u64,
    current: Arc<Configuration>,
    next: Arc<Configuration>,
    candidate: Candidate<'a>,
}

fn attempt(
    core: &Core,
    writer: &mut Writer,
    batch: &Batch,
    capacities: &[Vec<ClassCapacity>],
    keys: &[Interned],
    all_replaced: &mut Vec<Arc<Configuration>>,
) -> Result<Vec<Receipt>, Refused> {
    let mut prepared = Vec::with_capacity(batch.inventories.len());
    for (change, capacities) in batch.inventories.iter().zip(capacities) {
        let (_, replaced, current) = core.forest.configuration_in_force(&change.provider)?;
        all_replaced.push(Arc::clone(&current));
        let inventories = Arc::new(change.inventories.clone());
        let next = Arc::new(Configuration { inventories, ..(*current).clone() });
        let usage = usage_of(change.provider.cell);
        let candidate =
            core.forest.configurations.publish(&core.forest.ledger, usage, Arc::clone(&next));
        prepared.push(Prepared { change, capacities, replaced, current, next, candidate });
    }
    let mut outcomes = Vec::with_capacity(keys.len());
    let candidates = prepared.iter().map(|prepared| &prepared.candidate);
    let ((), at) = Candidate::decide(candidates, writer, |transaction| {
        outcomes.clear();
        if let Some(basis) = &batch.basis {
            basis.check(transaction, core, &keys[batch.consumers.len()..])?;
        }
        let opened = open_consumers(transaction, batch, keys)?;
        for claim in batch.consumers.iter().filter_map(|change| change.claim.as_ref()) {
            check_conditions(transaction, claim)?;
        }
        let nothing = vec![Vec::new(); opened.len()];
        for exchange in exchanges(transaction, &opened, &nothing) {
            exchange.give_back(transaction)?;
        }
        for prepared in &prepared {
            prepared.put_in_force(transaction, core)?;
        }
        change_cordons(transaction, batch, false)?;
        // After the inventories are in force: the batch itself may decide whether a provider of a
        // chain has an inventory.
        let wanted = wanted(transaction, core, batch)?;
        for exchange in exchanges(transaction, &opened, &wanted) {
            exchange.take(transaction, core)?;
        }
        change_cordons(transaction, batch, true)?;
        for (index, (change, opened)) in batch.consumers.iter().zip(&opened).enumerate() {
            let Opened { place, life, before, term } = *opened;
            let consumer = change.consumer;
            let generation = if change.claim.is_some() {
                let expect = change.before.expect().unwrap_or(Expect::Any);
                let generation = core.claims.floors.next(consumer, expect, before);
                let kept = term.filter(|_| !change.ends());
                let held = wanted[index].iter().map(Line::held);
                rewrite_consumer(transaction, (place, life), consumer, generation, kept, held)?;
                generation
            } else {
                let last = before.expect("only what holds something is released");
                core.claims.floors.raise(consumer, last);
                transaction.rewrite(place, &[life.ended().word()]);
                last
            };
            outcomes.push((generation, term));
        }
        Ok::<_, Abort<Refused>>(())
    })?;
    // The replaced configurations are dropped when there is nothing left to do that a panic of
    // their drop could skip.
    let replaces = |prepared: Prepared<'_>| prepared.candidate.replaces(prepared.replaced, at);
    let _gone: Vec<_> = prepared.into_iter().map(replaces).collect();
    for ((change, key), (_, term)) in batch.consumers.iter().zip(keys).zip(&outcomes) {
        if let Some(term) = term.filter(|_| change.ends()) {
            core.claims.leases.agenda.remove(&Due::new(term, *key));
        }
        if change.claim.is_none() {
            core.claims.consumers.release(writer, &change.consumer, *key);
        }
    }
    let receipt = |(change, (generation, _)): (&ConsumerChange, &(u64, _))| Receipt {
        consumer: change.consumer,
        generation: *generation,
    };
    Ok(batch.consumers.iter().zip(&outcomes).map(receipt).collect())
}

impl ConsumerChange {
    /// Returns whether a lease of the consumer ends together with what the consumer held before.
    fn ends(&self) -> bool {
        matches!(self.before, Before::Ended(_))
    }
}

/// Describes a consumer as the transaction found it.
struct Opened {
    place: Place,
    life: Life,
    /// The generation of the consumer, if the consumer holds something.
    before: Option<u64>,
    term: Option<Term>,
}

fn open_consumers(
    transaction: &mut Transaction<'_>,
    batch: &Batch,
    keys: &[Interned],
) -> Result<Vec<Opened>, Abort<Refused>> {
    let mut opened = Vec::with_capacity(keys.len());
    for (change, key) in batch.consumers.iter().zip(keys) {
        let (place, life) = open_consumer(transaction, *key)?;
        let words = ConsumerWords(transaction.words(place));
        let is_live = life.state == State::Live;
        let before = is_live.then(|| words.generation());
        let term = is_live.then(|| words.term()).flatten();
        check_before(change, before)?;
        opened.push(Opened { place, life, before, term });
    }
    Ok(opened)
}

/// Checks that the consumer is as the batch expects. `before` is the consumer's generation before
/// the change, or `None` if the consumer holds nothing.
fn check_before(change: &ConsumerChange, before: Option<u64>) -> Result<()> {
    let consumer = change.consumer;
    match (change.before, before) {
        (Before::Nothing, None) => Ok(()),
        (Before::Nothing, Some(generation)) => Err(Error::ConsumerExists { consumer, generation }),
        (Before::Expected(expect) | Before::Ended(expect), _) => {
            check_consumer(consumer, expect, before)?;
            match (&change.claim, before) {
                (None, None) => Err(Error::ConsumerNotFound { consumer }),
                _ => Ok(()),
            }
        }
    }
}

/// Returns the lines of each consumer's claim, sorted out. A released consumer has no lines.
fn wanted(
    transaction: &mut Transaction<'_>,
    core: &Core,
    batch: &Batch,
) -> Result<Vec<Vec<Line>>, Abort<Refused>> {
    let mut wanted = Vec::with_capacity(batch.consumers.len());
    for change in &batch.consumers {
        let mut lines = Vec::new();
        if let Some(claim) = &change.claim {
            expand(transaction, core, claim, &mut lines)?;
        }
        wanted.push(lines);
    }
    Ok(wanted)
}

/// Describes what one consumer gives back and takes of one class of one provider.
#[derive(Clone, Copy)]
struct Part {
    usage: Cell,
    class: u16,
    consumer: usize,
    handle: Option<Provider>,
    held: u64,
    wanted: u64,
}

/// Describes what all consumers of a batch give back and take of one class of one provider.
struct Exchange {
    usage: Cell,
    class: u16,
    parts: Vec<Part>,
}

/// Returns the exchanges by provider and class, each with its parts by consumer.
fn exchanges(
    transaction: &Transaction<'_>,
    opened: &[Opened],
    wanted: &[Vec<Line>],
) -> Vec<Exchange> {
    let mut parts = Vec::new();
    for (consumer, (opened, lines)) in opened.iter().zip(wanted).enumerate() {
        if opened.life.state == State::Live {
            let held = ConsumerWords(transaction.words(opened.place)).held();
            parts.extend(held.map(|held| Part {
                usage: held.usage,
                class: held.class,
                consumer,
                handle: None,
                held: held.amount,
                wanted: 0,
            }));
        }
        parts.extend(lines.iter().map(|line| Part {
            usage: usage_of(line.provider.cell),
            class: line.class.number(),
            consumer,
            handle: Some(line.provider),
            held: 0,
            wanted: line.amount,
        }));
    }
    parts.sort_by_key(|part| (part.usage, part.class, part.consumer));
    let mut exchanges: Vec<Exchange> = Vec::new();
    for part in parts {
        let Part { usage, class, .. } = part;
        match exchanges.last_mut() {
            Some(last) if (last.usage, last.class) == (usage, class) => last.add(part),
            _ => exchanges.push(Exchange { usage, class, parts: vec![part] }),
        }
    }
    exchanges
}

impl Exchange {
    fn add(&mut self, part: Part) {
        match self.parts.last_mut() {
            // A consumer's held part comes before the wanted ones. Two handles of one cell are two
            // providers, one of which is gone.
            Some(last)
                if last.consumer == part.consumer
                    && (last.handle.is_none() || last.handle == part.handle) =>
            {
                last.handle = last.handle.or(part.handle);
                last.held += part.held;
                last.wanted += part.wanted;
            }
            _ => self.parts.push(part),
        }
    }

    fn held(&self) -> u64 {
        self.parts.iter().map(|part| part.held).fold(0, u64::saturating_add)
    }

    fn give_back(&self, transaction: &mut Transaction<'_>) -> Result<(), Abort<Refused>> {
        let held = self.held();
        if held == 0 {
            return Ok(());
        }
        let place = transaction.open(self.usage)?;
        let amounts = UsageWords(transaction.words(place)).find(self.class).ok_or(Torn)?;
        let left = amounts.used.checked_sub(held).ok_or(Torn)?;
        amounts.set_used(transaction.words_mut(place), left);
        Ok(())
    }

    /// Takes what all parts want together, after everything was given back. Checks each part by
    /// itself, then all parts together.
    fn take(&self, transaction: &mut Transaction<'_>, core: &Core) -> Result<(), Abort<Refused>> {
        let Some(handle) = self.parts.iter().find_map(|part| part.handle) else { return Ok(()) };
        let place = transaction.open(self.usage)?;
        let words = transaction.words(place);
        for part in &self.parts {
            let Some(handle) = &part.handle else { continue };
            handle.check_life(UsageWords(words).life())?;
            let change = Change { handle: Some(handle), class: self.class };
            change
                .check(words, core, part.held, part.wanted)
                .map_err(|no| no.map(Refused::Error))?;
        }
        let class = ResourceClass::from_number(self.class);
        let wanted = sum_of(&handle, class, self.parts.iter().map(|part| part.wanted))?;
        let change = Change { handle: Some(&handle), class: self.class };
        let taken = change.taken_together(words, self.held(), wanted);
        let (at, used) = taken.map_err(|no| no.map(Refused::Error))?;
        at.set_used(transaction.words_mut(place), used);
        Ok(())
    }
}

impl Prepared<'_> {
    fn put_in_force(
        &self,
        transaction: &mut Transaction<'_>,
        core: &Core,
    ) -> Result<(), Abort<Refused>> {
        let provider = &self.change.provider;
        let place = transaction.open(usage_of(provider.cell))?;
        let usage = UsageWords(transaction.words(place));
        provider.check_life(usage.life())?;
        self.change.expect.check(provider.uuid, usage.generation())?;
        if usage.configuration() != self.replaced {
            return Err(Refused::Stale.into());
        }
        let mut classes =
            relayout(usage, self.capacities).map_err(|used| used.error(provider.uuid))?;
        for (class, new) in classes.iter_mut().zip(self.capacities) {
            // The units count for amounts above the capacity too: the batch may take again what it
            // has given back, even if that exceeds the capacity.
            class.has_units = new.inventory.has_units(u64::MAX);
        }
        let generation = self.change.expect.next(usage.generation());
        let (life, cordoned) = (usage.life(), usage.is_cordoned());
        let mut words = Vec::new();
        write_usage(&mut words, life, generation, self.candidate.version, cordoned, &classes);
        transaction.rewrite(place, &words);
        SharingChange::between(&self.current, &self.next)
            .apply(transaction, core.forest.sharing)?;
        Ok(())
    }
}

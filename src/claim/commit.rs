//! Commits: all changes of a [`Batch`] in one transaction.
//!
//! The transaction first gives back everything that the consumers hold, then [reshapes](Reshape) the
//! forest, then takes everything that is wanted. Cordons that the batch ends end before anything is taken;
//! cordons that the batch begins begin afterwards. The transaction checks a class of a provider
//! once, with all that the batch gives back and takes there.

use std::collections::HashSet;

use uuid::Uuid;

use crate::claim::agenda::AgendaKey;
use crate::claim::batch::{Batch, ConsumerChange, CordonChange, ProviderEdit};
use crate::claim::change::Change;
use crate::claim::core::Core;
use crate::claim::engine::{check_conditions, expand};
use crate::claim::holder::Holder;
use crate::claim::issued::name_batch;
use crate::claim::lines::{Line, sum_of};
use crate::claim::request::Before;
use crate::claim::reshape::{NextFacts, Reshape, next_facts};
use crate::claim::shown::Edits;
use crate::claim::worker::{Receipt, Worker};
use crate::error::Fault;
use crate::error::{Error, Result};
use crate::forest::configuration::{Candidate, OldConfiguration};
use crate::forest::{
    Entry, Expect, Forest, KeyCell, Plan, PlanKeys, Provider, Refusal, set_cordon_in, while_stale,
    with_both_keys,
};
use crate::layout::{Holding, Layouts, UsageWords, widened};
use crate::ledger::{Abort, Cell, Torn, Transaction, Writer};
use crate::trace::Call;
use crate::values::ResourceClass;

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
    /// Returns the errors of the calls that the parts of the batch stand for: of
    /// [`claim`](Self::claim), [`replace`](Self::replace), [`release`](Self::release), and of
    /// [`configure`](crate::ProviderTree::configure), [`create_root`](crate::ProviderTree::create_root),
    /// [`reparent`](crate::ProviderTree::reparent), [`remove`](crate::ProviderTree::remove) and
    /// [`cordon`](crate::ProviderTree::cordon), with two differences. A claim of a consumer that exists is
    /// refused as [`ConsumerExists`](Error::ConsumerExists), whatever the consumer holds.
    /// [`CapacityExceeded`](Error::CapacityExceeded) tells what the whole batch asks for, and what is free for
    /// the whole batch.
    ///
    /// Returns [`InvalidEntries`](Error::InvalidEntries), with all that is wrong, if a consumer comes twice; if
    /// a provider is configured, moved or created twice, or is created and configured or moved; if an entry
    /// for a creation is not valid, has no parent, or makes a circle with others; and if a provider that would
    /// go is created, configured or moved as well. Returns [`ProviderChanged`](Error::ProviderChanged) or
    /// [`ConsumerChanged`](Error::ConsumerChanged) if the batch rests on what a
    /// [fork](crate::Fork::to_batch_if_unchanged) has read, and that has changed.
    pub fn commit(&mut self, batch: &Batch) -> Result<Vec<Receipt>> {
        let Worker { core, writer, .. } = self;
        let committed = name_batch(core, writer, batch).and_then(|(batch, _issued)| {
            let plan = Plan::new(&batch.created);
            check_batch(core, &batch, &plan)?;
            commit(core, writer, &batch, &plan)
        });
        let call = Call::of_worker("commit", None);
        self.counting(committed, |tallies| &tallies.claims, call.with_amounts(&Edits(batch)))
    }
}

/// Checks what can be checked of the batch without a transaction. `plan` is of the providers that the batch
/// creates.
fn check_batch(core: &Core, batch: &Batch, plan: &Plan<'_>) -> Result<()> {
    let mut faults = plan.faults.clone();
    let mut seen = HashSet::<Uuid, foldhash::fast::RandomState>::default();
    for change in &batch.consumers {
        if !seen.insert(change.consumer) {
            faults.push(Fault::DuplicateConsumer { consumer: change.consumer });
        }
    }
    // What is created is not configured or moved as well: its entry says all of it.
    for providers in [edited(batch), moved(batch)] {
        seen.clear();
        seen.extend(batch.created.iter().map(|spec| spec.uuid));
        for provider in providers {
            if !seen.insert(provider.uuid()) {
                faults.push(Fault::DuplicateUuid { provider: provider.uuid() });
            }
        }
    }
    if !faults.is_empty() {
        return Err(Error::InvalidEntries { faults });
    }
    for change in &batch.consumers {
        change.before.validate()?;
    }
    for ProviderEdit { expect, .. } in &batch.edits {
        expect.validate()?;
    }
    for spec in &batch.created {
        spec.inventories.check_count()?;
    }
    if let Some(basis) =
        batch.basis.as_ref().filter(|basis| basis.pin.core.forest.id() != core.forest.id())
    {
        return Err(Error::ForeignSnapshot { snapshot: basis.pin.number() });
    }
    match batch.created.is_empty() {
        true => check_handles(core, batch),
        // Once it is known what the handles of the providers to come mean.
        false => Ok(()),
    }
}

/// Checks what the batch says of providers, without a transaction.
fn check_handles(core: &Core, batch: &Batch) -> Result<()> {
    for claim in batch.consumers.iter().filter_map(|change| change.claim.as_ref()) {
        claim.check(&core.forest)?;
    }
    let parents = batch.moves.iter().filter_map(|(_, parent)| parent.as_ref());
    let cordoned = batch.cordons.iter().map(|change| &change.provider);
    let all = edited(batch).into_iter().chain(moved(batch)).chain(parents).chain(cordoned);
    for provider in all.chain(&batch.removed) {
        core.forest.structure_cell(provider)?;
    }
    Ok(())
}

/// Returns the providers that the batch configures.
fn edited(batch: &Batch) -> Vec<&Provider> {
    batch.edits.iter().map(|edit| &edit.provider).collect()
}

/// Returns the providers that the batch moves.
fn moved(batch: &Batch) -> Vec<&Provider> {
    batch.moves.iter().map(|(provider, _)| provider).collect()
}

fn commit(
    core: &Core,
    writer: &mut Writer,
    batch: &Batch,
    plan: &Plan<'_>,
) -> Result<Vec<Receipt>> {
    // Dropped after all keys are given up, as what is returned beside the receipts is: the replaced facts
    // hold values of the caller's types, whose own drop may panic.
    let mut replaced = Vec::new();
    let consumers: Vec<Uuid> = batch.keys().collect();
    let forest = &core.forest;
    let uuids = plan.entries.iter().map(|entry| &entry.spec.uuid).chain(&plan.outside);
    let names = plan.entries.iter().map(|entry| &entry.spec.name);
    let mut is_first = true;
    let (receipts, _old) = while_stale(|| {
        if !std::mem::replace(&mut is_first, false) {
            // What comes next may panic, or come no further than to the keys of the consumers.
            core.claims.consumers.give_up_all(writer, consumers.iter());
            forest.providers.give_up_all(writer, uuids.clone());
            forest.names.give_up_all(writer, names.clone());
        }
        // Before any key is interned, as it may panic; what is wrong is told when keys are given up again.
        let facts = next_facts(forest, batch, &mut replaced);
        core.claims.consumers.with_keys(writer, consumers.iter(), |writer, consumers| {
            if batch.created.is_empty() {
                let keys = PlanKeys { structures: &[], name_keys: &[], outside: &[] };
                return attempt(core, writer, batch, (plan, keys), consumers, facts?);
            }
            let (uuids, names) =
                ((&forest.providers, uuids.clone()), (&forest.names, names.clone()));
            with_both_keys(writer, uuids, names, |writer, providers, name_keys| {
                let (structures, outside) = providers.split_at(plan.entries.len());
                let handle =
                    |(entry, key): (&Entry<'_>, &KeyCell)| forest.handle_of(entry.spec.uuid, *key);
                let handles: Vec<_> = plan.entries.iter().zip(structures).map(handle).collect();
                let batch = batch.with_handles(&handles);
                check_handles(core, &batch)?;
                let keys = PlanKeys { structures, name_keys, outside };
                attempt(core, writer, &batch, (plan, keys), consumers, facts?)
            })
        })
    })?;
    Ok(receipts)
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
) -> Result<(), Abort<Refusal>> {
    for CordonChange { provider, .. } in batch.cordons.iter().filter(|change| change.own == own) {
        set_cordon_in(transaction, provider, own)?;
    }
    Ok(())
}

/// Makes all changes of a batch, with these `facts` of the providers that it changes. Returns a receipt for
/// each consumer, and what was replaced, to be dropped last.
fn attempt(
    core: &Core,
    writer: &mut Writer,
    batch: &Batch,
    (plan, plan_keys): (&Plan<'_>, PlanKeys<'_>),
    keys: &[KeyCell],
    facts: Vec<NextFacts>,
) -> Result<(Vec<Receipt>, Vec<OldConfiguration>), Refusal> {
    let forest = &core.forest;
    let reshape = Reshape::prepare(forest, batch, plan, plan_keys, facts)?;
    let mut outcomes = Vec::with_capacity(keys.len());
    let mut gone = Vec::new();
    let ((), at) = Candidate::decide(reshape.candidates(), writer, |transaction| {
        outcomes.clear();
        if let Some(basis) = &batch.basis {
            basis.check(transaction, &core.forest, &keys[batch.consumers.len()..])?;
        }
        let holders = open_consumers(transaction, batch, keys)?;
        for claim in batch.consumers.iter().filter_map(|change| change.claim.as_ref()) {
            check_conditions(transaction, &core.forest, claim)?;
        }
        let parts = parts_held(transaction, &holders);
        by_class(&parts).try_for_each(|parts| give_back(transaction, &forest.layouts, parts))?;
        // Before anything is taken: the batch itself may decide which providers a chain consists of, and
        // whether they have an inventory.
        reshape.begin(transaction)?;
        change_cordons(transaction, batch, false)?;
        let wanted = wanted(transaction, core, batch)?;
        let parts = with_wanted(parts, &wanted);
        by_class(&parts).try_for_each(|parts| take(transaction, &core.forest, parts))?;
        change_cordons(transaction, batch, true)?;
        for ((change, (holder, expect)), lines) in batch.consumers.iter().zip(&holders).zip(&wanted)
        {
            let (claims, consumer) = (&core.claims, change.consumer);
            let generation = match (&change.claim, holder.generation) {
                (None, Some(last)) => {
                    holder.free(transaction);
                    last
                }
                (claim, _) => {
                    let kept = if change.ends() { (None, 0) } else { (holder.term, holder.tag) };
                    let tag = claim.as_ref().map_or(kept.1, |claim| claim.tag_after(kept.1));
                    let (next, held) = ((kept.0, tag), lines.iter().map(Line::held));
                    holder.hold(transaction, claims, consumer, *expect, next, held)?
                }
            };
            outcomes.push((Receipt { consumer, generation }, holder.term));
        }
        reshape.end(transaction, &mut gone)?;
        // Last: a batch that is refused leaves the floors alone.
        for (change, (Receipt { consumer, generation }, _)) in batch.consumers.iter().zip(&outcomes)
        {
            if change.claim.is_none() {
                core.claims.end_at(*consumer, *generation);
            }
        }
        Ok::<_, Abort<Refusal>>(())
    })?;
    // Returned, to be dropped when there is nothing left to do that a panic of their drop could skip.
    let old = reshape.settle(writer, at, &gone);
    for ((change, key), (_, term)) in batch.consumers.iter().zip(keys).zip(&outcomes) {
        if let Some(term) = term.filter(|_| change.ends()) {
            core.claims.leases.agenda.remove(&AgendaKey::new(term, *key));
        }
        if change.claim.is_none() {
            core.claims.consumers.release(writer, &change.consumer, *key);
        }
    }
    Ok((outcomes.into_iter().map(|(receipt, _)| receipt).collect(), old))
}

impl ConsumerChange {
    /// Returns whether lease and tag of the consumer end together with what the consumer held before.
    fn ends(&self) -> bool {
        matches!(self.before, Before::Ended(_))
    }
}

/// Opens the batch's consumers. Returns each with what its next generation follows from.
fn open_consumers(
    transaction: &mut Transaction<'_>,
    batch: &Batch,
    keys: &[KeyCell],
) -> Result<Vec<(Holder, Expect)>, Abort<Refusal>> {
    let mut holders = Vec::with_capacity(keys.len());
    for (change, key) in batch.consumers.iter().zip(keys) {
        let holder = Holder::open(transaction, *key)?;
        let expect = change.before.check(change.consumer, holder.generation)?;
        if change.claim.is_none() && holder.generation.is_none() {
            return Err(Error::ConsumerNotFound { consumer: change.consumer }.into());
        }
        holders.push((holder, expect));
    }
    Ok(holders)
}

/// Returns the lines of each consumer's claim, sorted out. A released consumer has no lines.
fn wanted(
    transaction: &mut Transaction<'_>,
    core: &Core,
    batch: &Batch,
) -> Result<Vec<Vec<Line>>, Abort<Refusal>> {
    let mut wanted = Vec::with_capacity(batch.consumers.len());
    for change in &batch.consumers {
        let mut lines = Vec::new();
        if let Some(claim) = &change.claim {
            expand(transaction, &core.forest, claim, &mut lines)?;
        }
        wanted.push(lines);
    }
    Ok(wanted)
}

/// Describes what one consumer gives back, or takes, of one class of one provider.
#[derive(Clone, Copy)]
struct Part {
    usage: Cell,
    class: u16,
    consumer: usize,
    /// `None` for what the consumer gives back.
    handle: Option<Provider>,
    amount: u64,
}

/// Returns what the consumers hold, sorted.
fn parts_held(transaction: &Transaction<'_>, holders: &[(Holder, Expect)]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (consumer, (holder, _)) in holders.iter().enumerate() {
        parts.extend(holder.held(transaction).map(|Holding { usage, class, amount }| {
            let handle = None;
            Part { usage, class, consumer, handle, amount }
        }));
    }
    parts.sort_by_key(Part::order);
    parts
}

/// Adds to `parts` what the consumers want. Of each consumer's parts of a class, the part that the
/// consumer gives back stays the first.
fn with_wanted(mut parts: Vec<Part>, wanted: &[Vec<Line>]) -> Vec<Part> {
    for (consumer, lines) in wanted.iter().enumerate() {
        parts.extend(lines.iter().map(|line| {
            let (usage, class) = line.key();
            Part { usage, class, consumer, handle: Some(line.provider), amount: line.amount }
        }));
    }
    parts.sort_by_key(Part::order);
    parts
}

impl Part {
    fn order(&self) -> (Cell, u16, usize) {
        (self.usage, self.class, self.consumer)
    }
}

/// Returns the parts of each class of each provider.
fn by_class(parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    parts.chunk_by(|part, next| (part.usage, part.class) == (next.usage, next.class))
}

/// Returns how much is given back.
fn held(parts: &[Part]) -> u64 {
    let held = parts.iter().filter(|part| part.handle.is_none()).map(|part| part.amount);
    held.fold(0, u64::saturating_add)
}

/// Gives back all parts of one class of one provider.
fn give_back(
    transaction: &mut Transaction<'_>,
    layouts: &Layouts,
    parts: &[Part],
) -> Result<(), Abort<Error>> {
    let place = transaction.open(parts[0].usage)?;
    let amounts = UsageWords(transaction.words(place)).find(layouts, parts[0].class).ok_or(Torn)?;
    let left = amounts.used.checked_sub(held(parts)).ok_or(Torn)?;
    amounts.set_used(transaction.words_mut(place), left);
    Ok(())
}

/// Takes what all parts of one class of one provider want together, after everything was given
/// back. Checks the parts of each consumer by themselves, then all parts together.
fn take(
    transaction: &mut Transaction<'_>,
    forest: &Forest,
    parts: &[Part],
) -> Result<(), Abort<Error>> {
    let Some(provider) = parts.iter().find_map(|part| part.handle) else { return Ok(()) };
    let line = Line { provider, class: ResourceClass::from_number(parts[0].class), amount: 0 };
    let place = transaction.open(line.usage())?;
    let words = transaction.words(place);
    for parts in parts.chunk_by(|part, next| part.consumer == next.consumer) {
        // Two handles of one cell are two providers, one of which is gone.
        for Part { handle, amount, .. } in parts {
            let Some(provider) = *handle else { continue };
            let line = Line { provider, amount: *amount, ..line };
            Change::of(&line, held(parts)).check(words, forest)?;
        }
    }
    let wanted = parts.iter().filter(|part| part.handle.is_some()).map(|part| part.amount);
    let line = Line { amount: sum_of(&line.provider, line.class, wanted)?, ..line };
    let change = Change::of(&line, held(parts));
    let (at, used) = change.taken_together(words, &forest.layouts)?;
    if at.has_room_for(used) {
        at.set_used(transaction.words_mut(place), used);
        return Ok(());
    }
    // What was given back is taken again, and new inventories have left less room for it.
    if let Some(wide) = widened(words, &forest.layouts) {
        transaction.rewrite(place, &wide);
    }
    let (at, used) = change.taken_together(transaction.words(place), &forest.layouts)?;
    at.set_used(transaction.words_mut(place), used);
    Ok(())
}

//! The fast path: claims of new consumers and releases, tried once without a transaction's body.
//!
//! What is tried here changes the same cells in the same way as [`put`](crate::claim::put) does, which
//! decides whenever an attempt returns `None`: all refusals are made there.

use uuid::Uuid;

use crate::claim::change::Change;
use crate::claim::core::Core;
use crate::claim::lines::Line;
use crate::claim::request::Claim;
use crate::forest::{Expect, Forest, KeyCell};
use crate::layout::{
    Holding, Identity, Life, PackedUsage, UsageWords, copy_held, words_of, write_consumer,
};
use crate::ledger::{FastTransaction, Record, Writer, most_fast_cells};

/// Tells who has been given what a claim asks for.
pub(super) struct Claimed {
    pub(super) consumer: Uuid,
    pub(super) generation: u64,
    pub(super) key: KeyCell,
}

/// Tries to give the consumer of a claim, which holds nothing most often, what the sorted `lines` ask
/// for, which are all that is wanted.
///
/// An attempt that another change has come before leaves the consumer's key interned, for the
/// transaction that follows.
#[inline]
pub(super) fn claim(
    core: &Core,
    writer: &mut Writer,
    claim: &Claim,
    lines: &[Line],
) -> Option<Claimed> {
    are_few(lines.iter().map(Line::usage))?;
    let mut transaction = writer.fast_transaction();
    let changes = lines.iter().map(|line| Change::of(line, 0));
    change_all(&mut transaction, &core.forest, changes)?;
    match claim.consumer() {
        Some(uuid) => claim_of(core, transaction, uuid, claim, lines),
        None => claim_unnamed(core, transaction, claim, lines),
    }
}

/// Gives `uuid` what has been taken in the transaction.
#[inline(always)]
fn claim_of(
    core: &Core,
    mut transaction: FastTransaction<'_>,
    uuid: Uuid,
    claim: &Claim,
    lines: &[Line],
) -> Option<Claimed> {
    let (consumers, length) = (&core.claims.consumers, words_of(lines.len(), false));
    let mut generation = 0;
    // Interned last, so that a refused claim leaves the index alone.
    let key = consumers.intern_fast(&mut transaction, &uuid, length, |words, life| {
        generation = core.claims.next_generation(uuid, Expect::Any, None);
        let identity = Identity { uuid, generation, tag: claim.tag_after(0) };
        write_consumer(words, life, identity, lines.iter().map(Line::held));
    })?;
    transaction.commit().then_some(Claimed { consumer: uuid, generation, key })
}

/// Gives a consumer that the forest names what has been taken in the transaction.
#[inline(always)]
fn claim_unnamed(
    core: &Core,
    mut transaction: FastTransaction<'_>,
    claim: &Claim,
    lines: &[Line],
) -> Option<Claimed> {
    let (consumers, length) = (&core.claims.consumers, words_of(lines.len(), false));
    let generation = Expect::Any.next(0);
    let reserved = consumers.reserve_fast(&mut transaction, length, |words, life, uuid| {
        let identity = Identity { uuid, generation, tag: claim.tag_after(0) };
        write_consumer(words, life, identity, lines.iter().map(Line::held));
    });
    let (consumer, key) = reserved?;
    let committed = consumers.commit_reserved(transaction, key);
    committed.then_some(Claimed { consumer, generation, key })
}

/// Tries to end the life of a consumer that `interned` names, if that is the consumer's; returns the
/// consumer's last generation. What the consumer holds is noted in `held`, which is used for nothing else.
#[inline]
pub(super) fn release(
    core: &Core,
    writer: &mut Writer,
    consumer: Uuid,
    interned: KeyCell,
    held: &mut Vec<Holding>,
) -> Option<u64> {
    let life = Life::of_consumer(interned.incarnation);
    let mut transaction = writer.fast_transaction();
    let look = |record: Record<'_>| copy_held(record, (consumer, life), held);
    let (words, generation) = transaction.renew(interned.cell, 1, look)?;
    words.set(0, [life.ended().word()]);
    are_few(held.iter().map(|held| held.usage))?;
    change_all(&mut transaction, &core.forest, held.iter().map(Change::of_held))?;
    core.claims.end_at(consumer, generation);
    if !transaction.commit() {
        return None;
    }
    core.claims.consumers.release(writer, &consumer, interned);
    Some(generation)
}

/// Returns whether the cells of sorted lines fit a fast transaction beside a consumer's.
#[inline]
fn are_few<T: PartialEq>(cells: impl ExactSizeIterator<Item = T>) -> Option<()> {
    if cells.len() < most_fast_cells() {
        return Some(());
    }
    let mut last = None;
    let is_new = |cell: T| {
        let cell = Some(cell);
        let is_new = cell != last;
        last = cell;
        is_new
    };
    let count = cells.map(is_new).filter(|is_new| *is_new).take(most_fast_cells()).count();
    (count < most_fast_cells()).then_some(())
}

/// Makes changes that are sorted, as [`exchange`](crate::claim::engine::exchange) does.
#[inline(always)] // Its two loops too: apart, they cost a claim some 3 % more instructions.
fn change_all<'a>(
    transaction: &mut FastTransaction<'_>,
    forest: &Forest,
    mut changes: impl Iterator<Item = Change<'a>>,
) -> Option<()> {
    let mut change = changes.next()?;
    'providers: loop {
        let usage = change.usage;
        let words = transaction.change(usage)?;
        let head = UsageWords(words).head();
        let Some(mut packed) = PackedUsage::of(words, head, &forest.layouts) else {
            let form = head.form(&forest.layouts);
            loop {
                change.check_handle(forest, UsageWords(words).life()).ok()?;
                let (at, used) = change.used_after((head, form), words, forest).ok()?;
                at.set_used_in(words, used);
                match changes.next() {
                    None => return Some(()),
                    Some(next) => change = next,
                }
                if change.usage != usage {
                    continue 'providers;
                }
            }
        };
        let next = loop {
            change.check_handle(forest, UsageWords(words).life()).ok()?;
            packed.add(change.class, change.held, change.wanted)?;
            if change.wanted > 0 && head.is_cordoned() {
                return None;
            }
            match changes.next() {
                Some(next) if next.usage == usage => change = next,
                next => break next,
            }
        };
        packed.exchange()?;
        match next {
            None => return Some(()),
            Some(next) => change = next,
        }
    }
}

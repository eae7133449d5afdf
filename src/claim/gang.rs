//! Gangs and partial claims: as much is taken as fits, if that is enough.
//!
//! One transaction tries the members of a gang one after the other. The read set of the transaction
//! includes everything that the refusal of a member rests on. So each refusal was true at the
//! instant at which the other members were made.

use uuid::Uuid;

use crate::claim::change::Change;
use crate::claim::core::Core;
use crate::claim::engine::{check_conditions, exchange, expand};
use crate::claim::holder::Holder;
use crate::claim::issued::name_all;
use crate::claim::lines::{Line, sum_of};
use crate::claim::request::{Before, Claim};
use crate::claim::shown::{AllAmounts, Amounts, RefusedAmounts, RefusedMembers};
use crate::claim::worker::{Receipt, Worker};
use crate::error::Fault;
use crate::error::{Error, Result};
use crate::forest::{Expect, Forest, KeyCell, Refusal, while_stale};
use crate::ledger::{Abort, Transaction};
use crate::trace::Call;

/// Tells what a consumer got of a claim, and what it did not get.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// The consumer and its generation.
    pub receipt: Receipt,
    /// The amounts that did not fit: the position of each amount in the claim, and the reason.
    pub refused: Vec<(usize, Error)>,
}

impl Worker {
    /// Makes those of the claims that fit, if at least `at_least` claims fit; otherwise makes none.
    /// Returns for each claim its receipt, or why the claim does not fit.
    ///
    /// Each claim is a member of the gang, and is made as a whole or not at all. The members are
    /// tried in order, at one instant: a member may not fit because of the members before it.
    ///
    /// # Errors
    ///
    /// Returns [`TooFewFit`](Error::TooFewFit) if too few members fit, with the reason of each that
    /// does not fit; [`InvalidEntries`](Error::InvalidEntries) if a consumer comes twice; and the
    /// errors of [`claim`](Self::claim) for what is wrong with a claim by itself. A member whose
    /// consumer exists is refused as [`ConsumerExists`](Error::ConsumerExists), whatever the
    /// consumer holds.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let member = |_| Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 3);
    /// let gang: Vec<_> = (0..4).map(member).collect();
    ///
    /// let mut worker = tree.worker()?;
    /// assert!(worker.claim_gang(&gang, 3).is_err());
    /// let made = worker.claim_gang(&gang, 2)?;
    /// assert_eq!(made.iter().filter(|member| member.is_ok()).count(), 2);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim_gang(
        &mut self,
        members: &[Claim],
        at_least: usize,
    ) -> Result<Vec<Result<Receipt>>> {
        let made = self.gang(members, at_least);
        let refused = RefusedMembers(made.as_ref().map_or(&[], |made| made));
        let amounts = AllAmounts(members);
        let call = Call::of_worker("claim_gang", None).with_amounts(&amounts);
        self.count(&made, |tallies| &tallies.claims, call.with_refused(&refused));
        made
    }

    fn gang(&mut self, members: &[Claim], at_least: usize) -> Result<Vec<Result<Receipt>>> {
        let (members, _issued) = name_all(&self.core, &mut self.writer, members)?;
        let consumers = members.iter().map(Claim::named).collect::<Result<Vec<Uuid>>>()?;
        let mut seen = std::collections::HashSet::<_, foldhash::fast::RandomState>::default();
        let twice = consumers.iter().copied().filter(|consumer| !seen.insert(*consumer));
        let faults: Vec<_> = twice.map(|consumer| Fault::DuplicateConsumer { consumer }).collect();
        if !faults.is_empty() {
            return Err(Error::InvalidEntries { faults });
        }
        let Worker { core, writer, wanted, .. } = self;
        for claim in members.iter() {
            claim.check(&core.forest)?;
        }
        while_stale(|| {
            core.claims.consumers.with_keys(writer, consumers.iter(), |writer, keys| {
                writer.transact(|transaction| {
                    let mut made = Vec::with_capacity(members.len());
                    for ((claim, consumer), key) in members.iter().zip(&consumers).zip(keys) {
                        let (consumer, key) = (*consumer, *key);
                        made.push(try_member(transaction, core, claim, (consumer, key), wanted)?);
                    }
                    let fit = made.iter().filter(|member| member.is_ok()).count();
                    if fit < at_least {
                        return Err(too_few(fit, at_least, &made).into());
                    }
                    Ok(made)
                })
            })
        })
    }

    /// Gives a consumer that holds nothing as much of the claim as fits, if anything fits.
    ///
    /// Each [`take`](Claim::take) of the claim is one amount, which is taken as a whole or not at
    /// all. The amounts are tried in order, at one instant. An amount that adds to an earlier
    /// amount obeys the units together with the earlier one. At least one amount has to fit. What
    /// the claim [rests on](Claim::require_generation) and its [chains](Claim::take_with_ancestors) are all or nothing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), without `AlreadyHeld`, and
    /// [`TooFewFit`](Error::TooFewFit) if nothing fits.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let mut claim = Claim::unnamed();
    /// for (name, total) in [("host-1", 8), ("host-2", 2), ("host-3", 6)] {
    ///     let host = tree.create_root(name, None)?;
    ///     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
    ///     tree.configure(&host, vcpu, Expect::Any)?;
    ///     claim = claim.take(&host, ResourceClass::VCPU, 4);
    /// }
    ///
    /// let made = tree.worker()?.claim_partly(&claim)?;
    /// let [(1, Error::CapacityExceeded { requested: 4, free: 2, .. })] = made.refused[..] else {
    ///     panic!("the second host alone has too little");
    /// };
    /// let held = tree.allocations(made.receipt.consumer).expect("two amounts fit");
    /// assert_eq!(held.allocations.len(), 2);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim_partly(&mut self, claim: &Claim) -> Result<Partial> {
        let made = self.partly(claim);
        let consumer = claim.consumer().or(made.as_ref().ok().map(|it| it.receipt.consumer));
        let refused = RefusedAmounts(made.as_ref().map_or(&[], |made| &made.refused));
        let amounts = Amounts(claim);
        let call = Call::of_worker("claim_partly", consumer).with_amounts(&amounts);
        self.count(&made, |tallies| &tallies.claims, call.with_refused(&refused));
        made
    }

    fn partly(&mut self, claim: &Claim) -> Result<Partial> {
        let (claims, _issued) =
            name_all(&self.core, &mut self.writer, std::slice::from_ref(claim))?;
        let claim = &claims[0];
        let Worker { core, writer, wanted, .. } = self;
        claim.check(&core.forest)?;
        let consumer = claim.named()?;
        let chains = claim.without_lines();
        while_stale(|| {
            core.claims.consumers.with_keys(writer, std::iter::once(&consumer), |writer, keys| {
                writer.transact(|transaction| {
                    let holder = Holder::open(transaction, keys[0])?;
                    let expect = Before::Nothing.check(consumer, holder.generation)?;
                    let forest = &core.forest;
                    check_conditions(transaction, forest, claim)?;
                    wanted.clear();
                    if !chains.is_empty() {
                        expand(transaction, forest, &chains, wanted)?;
                        exchange(transaction, forest, &[], wanted)?;
                    }
                    let mut refused = Vec::new();
                    for (position, line) in claim.lines.iter().enumerate() {
                        match take_more(transaction, forest, line, wanted) {
                            Ok(()) => {}
                            Err(Abort::Reject(error)) => refused.push((position, error)),
                            Err(Abort::Torn) => return Err(Abort::Torn),
                        }
                    }
                    let fit = claim.lines.len() - refused.len();
                    if fit == 0 && !claim.lines.is_empty() {
                        return Err(Error::TooFewFit { fit, at_least: 1, refused }.into());
                    }
                    wanted.sort_unstable_by_key(Line::key);
                    let (claims, held) = (&core.claims, wanted.iter().map(Line::held));
                    let next = (None, claim.tag_after(0));
                    let generation =
                        holder.hold(transaction, claims, consumer, expect, next, held)?;
                    Ok(Partial { receipt: Receipt { consumer, generation }, refused })
                })
            })
        })
    }
}

fn too_few(fit: usize, at_least: usize, made: &[Result<Receipt>]) -> Error {
    let reason = |(position, member): (usize, &Result<Receipt>)| {
        member.as_ref().err().map(|error| (position, error.clone()))
    };
    let refused = made.iter().enumerate().filter_map(reason).collect();
    Error::TooFewFit { fit, at_least, refused }
}

/// Makes one member part of the transaction. If the member does not fit, returns the reason and
/// adds nothing to the write set; the read set then includes what the reason rests on.
fn try_member(
    transaction: &mut Transaction<'_>,
    core: &Core,
    claim: &Claim,
    (consumer, key): (Uuid, KeyCell),
    lines: &mut Vec<Line>,
) -> Result<Result<Receipt>, Abort<Refusal>> {
    let holder = Holder::open(transaction, key)?;
    if let Some(generation) = holder.generation {
        return Ok(Err(Error::ConsumerExists { consumer, generation }));
    }
    let forest = &core.forest;
    let checked = check_conditions(transaction, forest, claim)
        .and_then(|()| expand(transaction, forest, claim, lines))
        .and_then(|()| lines.iter().try_for_each(|line| check_line(transaction, forest, line)));
    match checked {
        Ok(()) => {}
        Err(Abort::Reject(error)) => return Ok(Err(error)),
        Err(Abort::Torn) => return Err(Abort::Torn),
    }
    exchange(transaction, forest, &[], lines)?;
    let (claims, held) = (&core.claims, lines.iter().map(Line::held));
    let next = (None, claim.tag_after(0));
    let generation = holder.hold(transaction, claims, consumer, Expect::Any, next, held)?;
    Ok(Ok(Receipt { consumer, generation }))
}

/// Takes the amount of `line` in addition to what `taken` has of the same class and provider. On an
/// error, leaves the usage cell and `taken` as they were.
fn take_more(
    transaction: &mut Transaction<'_>,
    forest: &Forest,
    line: &Line,
    taken: &mut Vec<Line>,
) -> Result<(), Abort<Error>> {
    let same = |other: &&mut Line| other.provider == line.provider && other.class == line.class;
    let Some(before) = taken.iter_mut().find(same) else {
        Change::of(line, 0).apply(transaction, forest)?;
        taken.push(*line);
        return Ok(());
    };
    let amounts = [before.amount, line.amount].into_iter();
    let together = Line { amount: sum_of(&line.provider, line.class, amounts)?, ..*line };
    Change::of(&together, before.amount).apply(transaction, forest)?;
    *before = together;
    Ok(())
}

/// Checks whether the transaction could take the amount of `line`. A claim has to have been sorted
/// out, so that each class of each provider is checked once, with the whole amount.
fn check_line(
    transaction: &mut Transaction<'_>,
    forest: &Forest,
    line: &Line,
) -> Result<(), Abort<Error>> {
    let place = transaction.open(line.usage())?;
    let checked = Change::of(line, 0).checked(transaction.words(place), forest);
    checked.map(drop)
}

//! [`Worker`]: what one thread claims, replaces and releases with, and takes and puts back.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::agenda::Due;
use crate::claim::change::{Change, give_back_all, take_all};
use crate::claim::core::Core;
use crate::claim::find::Found;
use crate::claim::lines::{check_amount, check_claim, check_conditions, expand, sort_out};
use crate::claim::request::{Claim, Line};
use crate::error::{Error, Result};
use crate::forest::{Expect, Interned, Provider, Refused, while_stale};
use crate::layout::Term;
use crate::layout::{ConsumerWords, Held, rewrite_consumer};
use crate::layout::{Life, State, UsageWords, usage_of};
use crate::ledger::{Abort, NextPayload, Place, Transaction, Writer};
use crate::metrics::{Metrics, Tallies};
use crate::resource_class::ResourceClass;
use crate::sync::{CachePadded, Tally};

/// Makes the claims and releases of one thread.
///
/// Every change is one transaction over the providers and consumers that the change concerns. The
/// change takes effect at one instant or, if it is refused, not at all. A claim that fits is never
/// refused because another thread has changed the same provider: the call itself checks the claim
/// again, against the new state.
///
/// All methods are lock-free, except that for each consumer's uuid they take the lock of a shard of
/// an index for O(1).
pub struct Worker {
    pub(super) core: Arc<Core>,
    pub(super) writer: Writer,
    /// The lines of the claim at hand, sorted out.
    pub(super) wanted: Vec<Line>,
    /// What the consumer of the claim at hand holds before the change.
    pub(super) held: Vec<Held>,
    /// The providers that this worker has found.
    pub(super) found: Found,
    /// The tallies of this worker's slot.
    tallies: Arc<CachePadded<Tallies>>,
    /// What the tallies were when this worker began.
    base: Metrics,
    /// The retries and helps that the tallies include already.
    counted: (u64, u64),
}

/// Proves that a consumer's allocations have changed.
///
/// No other change of the consumer has an equal receipt, not even after the consumer has ended and
/// begun again; but see [`Expect::Mirror`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Receipt {
    /// The consumer.
    pub consumer: Uuid,
    /// The consumer's generation from the change on; after a release, the last generation that the
    /// consumer had.
    pub generation: u64,
}

/// Describes a consumer that holds something, as a claim finds it.
pub(super) struct Known {
    generation: u64,
    /// Whether the consumer holds exactly what the claim asks for.
    equal: bool,
}

/// Tells what a caller supposes a consumer to be, before the index is asked.
pub(super) enum Supposed {
    New,
    Known,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>) -> Result<Self> {
        let writer = core.forest.ledger.writer()?;
        let make = |length| (0..length).map(|_| Arc::default()).collect();
        let tallies = Arc::clone(&core.claims.tallies.get_or_make(writer.slot(), make)[0]);
        let base = tallies.read();
        let counted = (writer.retries(), writer.helps());
        let (wanted, held) = (Vec::new(), Vec::new());
        let found = Found::default();
        Ok(Worker { core, writer, wanted, held, found, tallies, base, counted })
    }

    /// Gives a consumer that holds nothing all that the claim asks for. The consumer's generation
    /// begins above every generation that the consumer has had.
    ///
    /// Of several claims of one consumer exactly one succeeds.
    ///
    /// # Errors
    ///
    /// Returns [`CapacityExceeded`](Error::CapacityExceeded) with what is free;
    /// [`UnitViolation`](Error::UnitViolation); [`NoInventory`](Error::NoInventory);
    /// [`Removed`](Error::Removed); [`Cordoned`](Error::Cordoned);
    /// [`GenerationConflict`](Error::GenerationConflict) if the claim
    /// [rests on](Claim::rest_on) another generation; [`AlreadyHeld`](Error::AlreadyHeld) if the
    /// consumer holds exactly what the claim asks for, as after a reply that was lost;
    /// [`ConsumerExists`](Error::ConsumerExists) if the consumer holds something else;
    /// [`EmptyClaim`](Error::EmptyClaim); [`ZeroAmount`](Error::ZeroAmount);
    /// [`SumTooLarge`](Error::SumTooLarge); [`TooLarge`](Error::TooLarge) beyond 16,380 amounts.
    ///
    /// ```
    /// use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let inventories = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
    /// tree.set_inventories(&host, inventories, Expect::Any)?;
    ///
    /// let mut worker = tree.worker()?;
    /// let vm = Uuid::new_v4();
    /// let receipt = worker.claim(&Claim::new(vm).take(&host, ResourceClass::VCPU, 12))?;
    ///
    /// let refused = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 12));
    /// assert!(matches!(refused, Err(Error::CapacityExceeded { requested: 12, free: 4, .. })));
    ///
    /// worker.release(receipt.consumer)?;
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 0);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim(&mut self, claim: &Claim) -> Result<Receipt> {
        let claimed = self.put(claim, Supposed::New, None, &|known| match known {
            None => Ok(Expect::Any),
            Some(known) => Err(known.exists(claim.consumer())),
        });
        self.counting(claimed, |tallies| &tallies.claims).map(|(receipt, _)| receipt)
    }

    /// Gives a consumer what the claim asks for, in the place of everything that the consumer held
    /// before. The consumer's generation grows, unless [`Expect::Mirror`] sets it. A lease stays a
    /// lease.
    ///
    /// With [`Expect::Any`], a consumer that holds nothing is created; with
    /// [`Expect::Generation`], the consumer has to be at that generation. An amount that the change
    /// does not raise passes even if a shrunk inventory is exceeded or the provider is cordoned.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), with
    /// [`ConsumerConflict`](Error::ConsumerConflict) in the place of `ConsumerExists` and
    /// `AlreadyHeld`.
    pub fn replace(&mut self, claim: &Claim, expect: Expect) -> Result<Receipt> {
        let replaced = expect.validate().and_then(|()| {
            self.put(claim, Supposed::Known, None, &|known| {
                let actual = known.map(|known| known.generation);
                check_consumer(claim.consumer(), expect, actual)?;
                Ok(expect)
            })
        });
        self.counting(replaced, |tallies| &tallies.claims).map(|(receipt, _)| receipt)
    }

    /// Gives back all that `consumer` holds. The consumer holds nothing from then on.
    ///
    /// # Errors
    ///
    /// Returns [`ConsumerNotFound`](Error::ConsumerNotFound) if the consumer holds nothing.
    pub fn release(&mut self, consumer: Uuid) -> Result<Receipt> {
        let ended = match self.core.claims.consumers.hint(&consumer) {
            None => Ok(None),
            Some(interned) => self.end(consumer, interned, |_| Ok(())),
        };
        let released = match ended {
            Ok(Some(receipt)) => Ok(receipt),
            Ok(None) => Err(Error::ConsumerNotFound { consumer }),
            Err(error) => Err(error),
        };
        self.counting(released, |tallies| &tallies.releases)
    }

    /// Takes amounts from one provider for no consumer, all of them or none. Callers that keep
    /// their own books use this.
    ///
    /// Each amount obeys the units by itself. The amounts count as used, and keep the provider from
    /// being removed; an [audit](crate::ProviderTree::audit) tells them apart from what consumers
    /// hold. No change is faster: one exchange decides it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`claim`](Self::claim), without those that concern consumers.
    pub fn take(&mut self, provider: &Provider, amounts: &[(ResourceClass, u64)]) -> Result<()> {
        let cell = self.core.forest.usage_cell(provider)?;
        let core = &*self.core;
        let taken = self.writer.update(cell, |words| take_from(words, core, provider, amounts));
        let taken = taken.map_err(|error| self.why_not_taken(error, provider, amounts));
        self.counting(taken, |tallies| &tallies.claims)
    }

    /// Gives back amounts that were taken for no consumer, by this worker or another.
    ///
    /// # Errors
    ///
    /// Returns [`NotTaken`](Error::NotTaken) if less is taken; [`NoInventory`](Error::NoInventory);
    /// [`Removed`](Error::Removed); [`ZeroAmount`](Error::ZeroAmount).
    pub fn put_back(
        &mut self,
        provider: &Provider,
        amounts: &[(ResourceClass, u64)],
    ) -> Result<()> {
        let cell = self.core.forest.usage_cell(provider)?;
        let put_back = self.writer.update(cell, |words| put_back_to(words, provider, amounts));
        let put_back = put_back.map_err(|error| self.why_not_put_back(error, provider, amounts));
        self.counting(put_back, |tallies| &tallies.releases)
    }

    /// Returns the error for amounts that were not taken. If `error` says that there is no room for
    /// the change, but the change would be refused anyway, returns the reason of that refusal.
    #[cold]
    #[inline(never)]
    fn why_not_taken(
        &mut self,
        error: Error,
        provider: &Provider,
        amounts: &[(ResourceClass, u64)],
    ) -> Error {
        let Worker { core, writer, .. } = self;
        let is_full = matches!(error, Error::TooLarge { .. });
        let look = |words: NextPayload<'_>| take_from(words, core, provider, amounts);
        let refusal =
            if is_full { writer.preview(usage_of(provider.cell), look).err() } else { None };
        refusal.unwrap_or(error)
    }

    /// Returns the error for amounts that were not put back. If `error` says that there is no room
    /// for the change, but the change would be refused anyway, returns the reason of that refusal.
    #[cold]
    #[inline(never)]
    fn why_not_put_back(
        &mut self,
        error: Error,
        provider: &Provider,
        amounts: &[(ResourceClass, u64)],
    ) -> Error {
        let is_full = matches!(error, Error::TooLarge { .. });
        let look = |words: NextPayload<'_>| put_back_to(words, provider, amounts);
        let cell = usage_of(provider.cell);
        let refusal = if is_full { self.writer.preview(cell, look).err() } else { None };
        refusal.unwrap_or(error)
    }

    /// Returns how often this worker has prepared a change in vain since it began, because another
    /// thread's change came first.
    pub fn retries(&self) -> u64 {
        self.writer.retries()
    }

    /// Returns what this worker has done since it began. Wait-free.
    pub fn metrics(&self) -> Metrics {
        self.tallies.read() - self.base
    }

    /// Counts an outcome in this worker's tallies, with the retries and helps that it took.
    #[inline]
    pub(super) fn counting<T>(
        &mut self,
        outcome: Result<T>,
        tally: impl FnOnce(&Tallies) -> &Tally,
    ) -> Result<T> {
        match &outcome {
            Ok(_) => tally(&self.tallies).add(1),
            Err(error) => self.tallies.refused(error),
        }
        let counted = (self.writer.retries(), self.writer.helps());
        if counted != self.counted {
            self.tallies.retries.add(counted.0 - self.counted.0);
            self.tallies.helps.add(counted.1 - self.counted.1);
            self.counted = counted;
        }
        trace(&outcome);
        outcome
    }

    /// Makes the claim's lines what its consumer holds, if `admit` accepts the consumer as it is.
    /// `admit` returns what the consumer's next generation follows from. A new consumer is leased
    /// for the term `lease`, if there is one.
    ///
    /// `supposed` is most often true of the consumer. If a consumer that is supposed to be new
    /// exists, the call makes another attempt.
    pub(super) fn put(
        &mut self,
        claim: &Claim,
        supposed: Supposed,
        lease: Option<Term>,
        admit: &dyn Fn(Option<&Known>) -> Result<Expect>,
    ) -> Result<(Receipt, Interned)> {
        let Worker { core, writer, wanted, held, .. } = self;
        // Most often the claim's own lines are sorted out already, and serve as they are.
        let are_ready = check_claim(core, claim)? && claim.chains.is_empty();
        if !are_ready {
            wanted.clear();
            wanted.extend_from_slice(&claim.lines);
            sort_out(wanted)?;
        }
        let consumer = claim.consumer();
        let mut supposed = supposed;
        while_stale(|| {
            let mut interned = match std::mem::replace(&mut supposed, Supposed::Known) {
                // If the supposition is wrong, the index refuses to intern the key below.
                Supposed::New => None,
                Supposed::Known => core.claims.consumers.interned(&core.forest.ledger, &consumer),
            };
            let mut entered = None;
            let result = writer.transact(|transaction| {
                held.clear();
                let mut before = None;
                let mut open = None;
                if let Some(interned) = interned {
                    let (place, life) = open_consumer(transaction, interned)?;
                    let consumer = ConsumerWords(transaction.words(place));
                    if life.state == State::Live {
                        before = Some((consumer.generation(), consumer.term()));
                        held.extend(consumer.held());
                    }
                    open = Some((place, life));
                }
                let expanded = match claim.chains.is_empty() {
                    true => Ok(()),
                    false => expand(transaction, core, claim, wanted),
                };
                let wanted = if are_ready { &claim.lines } else { &wanted[..] };
                let prepared = (|| {
                    // Checked first: a caller that repeats a claim learns that the consumer has it
                    // already, even if what the claim rests on has changed since.
                    let known = match before {
                        Some((generation, _)) => {
                            let equal =
                                expanded.is_ok() && holds_exactly(transaction, held, wanted)?;
                            Some(Known { generation, equal })
                        }
                        None => None,
                    };
                    let expect = admit(known.as_ref())?;
                    expanded?;
                    check_conditions(transaction, claim)?;
                    exchange_amounts(transaction, core, held, wanted)?;
                    Ok(expect)
                })();
                if let (Err(Abort::Reject(_)), None) = (&prepared, open) {
                    // The refusal rests on the absence of the consumer too, which no cell of the
                    // transaction stands for. If the consumer is absent at this second look, and no
                    // gate has changed since before it, everything was true at one instant.
                    if core.claims.consumers.hint(&consumer).is_some() {
                        return Err(Abort::Reject(Refused::Stale));
                    }
                    if !transaction.holds() {
                        return Err(Abort::Torn);
                    }
                }
                let expect = prepared?;
                // The key is interned last, so that a refused claim leaves the index alone.
                let (key, place, life) = match (interned, open) {
                    (Some(key), Some((place, life))) => (key, place, life),
                    _ => {
                        let new = core.claims.consumers.intern_open(transaction, &consumer);
                        let new = match new {
                            // No cell is left, but the consumer has one: the next attempt looks it
                            // up, and needs no new one.
                            Err(_) if core.claims.consumers.hint(&consumer).is_some() => None,
                            new => new?,
                        };
                        let new = new.ok_or(Abort::Reject(Refused::Stale))?;
                        interned = Some(new.0);
                        new
                    }
                };
                let term = before.map_or(lease, |(_, term)| term);
                if let (None, Some(term)) = (before, term) {
                    // Entered before the lease exists: a lease without an entry would never be
                    // found due.
                    entered = Some(Due::new(term, key));
                    core.claims.leases.agenda.insert(Due::new(term, key), consumer);
                }
                let held = wanted.iter().map(Line::held);
                let before = before.map(|(generation, _)| generation);
                let generation = core.claims.floors.next(consumer, expect, before);
                rewrite_consumer(transaction, (place, life), consumer, generation, term, held)?;
                Ok((generation, key))
            });
            if let (Err(_), Some(due)) = (&result, entered) {
                core.claims.leases.agenda.remove(&due);
            }
            if let (Err(Refused::Error(_)), Some(interned)) = (&result, interned) {
                core.claims.consumers.retire(writer, &consumer, interned);
            }
            result.map(|(generation, key)| (Receipt { consumer, generation }, key))
        })
    }

    /// Ends exactly the life of a consumer that `interned` names, if `admit` accepts the words of
    /// the consumer's cell. Returns `None` if that life is over already.
    pub(super) fn end(
        &mut self,
        consumer: Uuid,
        interned: Interned,
        admit: impl Fn(ConsumerWords<'_>) -> Result<()>,
    ) -> Result<Option<Receipt>> {
        let Worker { core, writer, held, .. } = self;
        let ended = writer.transact(|transaction| {
            let (place, life) = open_consumer(transaction, interned)?;
            if life.state != State::Live {
                return Err(Abort::Reject(Refused::Stale));
            }
            let words = ConsumerWords(transaction.words(place));
            admit(words)?;
            let (generation, term) = (words.generation(), words.term());
            held.clear();
            held.extend(words.held());
            give_back_all(transaction, core, held)?;
            core.claims.floors.raise(consumer, generation);
            transaction.rewrite(place, &[life.ended().word()]);
            Ok((generation, term))
        });
        match ended {
            Ok((generation, term)) => {
                if let Some(term) = term {
                    core.claims.leases.agenda.remove(&Due::new(term, interned));
                }
                core.claims.consumers.release(writer, &consumer, interned);
                Ok(Some(Receipt { consumer, generation }))
            }
            Err(Refused::Stale) => Ok(None),
            Err(Refused::Error(error)) => Err(error),
        }
    }
}

/// Takes amounts for no consumer, in the next version of a provider's usage cell.
#[inline(always)] // Called in two places, one of them cold.
fn take_from(
    words: NextPayload<'_>,
    core: &Core,
    provider: &Provider,
    amounts: &[(ResourceClass, u64)],
) -> Result<(), Abort<Error>> {
    provider.check_life(UsageWords(words).life())?;
    let head = UsageWords(words).head();
    for &(class, amount) in amounts {
        check_amount(provider, class, amount)?;
        let change = Change { handle: Some(provider), class: class.number() };
        let (at, used) = change.used_after(head, words, core, 0, amount)?;
        let taken = at.taken + amount;
        at.set(words, used, taken);
    }
    Ok(())
}

/// Gives back amounts that were taken for no consumer, in the next version of a provider's usage
/// cell.
#[inline(always)] // Called in two places, one of them cold; like `take_from`.
fn put_back_to(
    words: NextPayload<'_>,
    provider: &Provider,
    amounts: &[(ResourceClass, u64)],
) -> Result<(), Abort<Error>> {
    provider.check_life(UsageWords(words).life())?;
    let head = UsageWords(words).head();
    for &(class, amount) in amounts {
        check_amount(provider, class, amount)?;
        let provider = provider.uuid;
        let Some(at) = head.find(words, class.number()) else {
            return Err(Error::NoInventory { provider, class }.into());
        };
        let taken = at.taken;
        let Some(left) = taken.checked_sub(amount) else {
            let requested = amount;
            return Err(Error::NotTaken { provider, class, requested, taken }.into());
        };
        let used = at.used - amount;
        at.set(words, used, left);
    }
    Ok(())
}

impl Known {
    /// Returns the error for a claim of a consumer that exists.
    pub(super) fn exists(&self, consumer: Uuid) -> Error {
        let generation = self.generation;
        match self.equal {
            true => Error::AlreadyHeld { consumer, generation },
            false => Error::ConsumerExists { consumer, generation },
        }
    }
}

/// Checks that a consumer's generation is as expected. `actual` is `None` if the consumer holds
/// nothing.
pub(super) fn check_consumer(consumer: Uuid, expect: Expect, actual: Option<u64>) -> Result<()> {
    match expect {
        Expect::Generation(expected) if actual != Some(expected) => {
            Err(Error::ConsumerConflict { consumer, expected, actual })
        }
        _ => Ok(()),
    }
}

/// Opens the cell of a consumer. Refuses as stale if the cell no longer serves that consumer.
#[inline]
pub(super) fn open_consumer(
    transaction: &mut Transaction<'_>,
    interned: Interned,
) -> Result<(Place, Life), Abort<Refused>> {
    let place = transaction.open(interned.cell)?;
    let life = Life::from_word(transaction.word(place, 0));
    if life.incarnation != interned.incarnation {
        return Err(Abort::Reject(Refused::Stale));
    }
    Ok((place, life))
}

/// Returns whether `held` is exactly what is `wanted`, and the handles of `wanted` still mean their
/// providers. Both slices are sorted.
pub(super) fn holds_exactly(
    transaction: &mut Transaction<'_>,
    held: &[Held],
    wanted: &[Line],
) -> Result<bool, Abort<Refused>> {
    if !held.iter().copied().eq(wanted.iter().map(Line::held)) {
        return Ok(false);
    }
    for line in wanted {
        let place = transaction.open(line.usage())?;
        let life = UsageWords(transaction.words(place)).life();
        if !life.is(State::Live, line.provider.incarnation) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Turns what is `held` into what is `wanted`, provider by provider, class by class. Both slices
/// are sorted.
fn exchange_amounts(
    transaction: &mut Transaction<'_>,
    core: &Core,
    held: &[Held],
    wanted: &[Line],
) -> Result<(), Abort<Refused>> {
    if held.is_empty() {
        return take_all(transaction, core, wanted);
    }
    let mut held = held.iter().peekable();
    for line in wanted {
        let key = line.key();
        while let Some(gone) = held.next_if(|held| (held.usage, held.class) < key) {
            Change::of_held(gone).apply(transaction, core, gone.usage, gone.amount, 0)?;
        }
        let before = held.next_if(|held| (held.usage, held.class) == key);
        let before = before.map_or(0, |held| held.amount);
        Change::of(line).apply(transaction, core, line.usage(), before, line.amount)?;
    }
    for gone in held {
        Change::of_held(gone).apply(transaction, core, gone.usage, gone.amount, 0)?;
    }
    Ok(())
}

#[cfg(feature = "tracing")]
fn trace<T>(outcome: &Result<T>) {
    match outcome {
        Ok(_) => tracing::trace!("changed"),
        Err(error) => tracing::debug!(%error, "refused"),
    }
}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
fn trace<T>(_: &Result<T>) {}

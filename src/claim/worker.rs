//! Workers: claim, replace, release.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::consumer::{ConsumerWords, Held, write_consumer};
use crate::claim::request::{Claim, Line};
use crate::error::{Error, Result};
use crate::ledger::{Abort, Cell, Place, Transaction, Writer};
use crate::resource_class::ResourceClass;
use crate::tree::cells::{Amounts, Life, State, UsageWords, usage_of};
use crate::tree::core::Core;
use crate::tree::{Expect, Interned, Provider, Refused};

/// What one thread claims and releases with.
///
/// Every change is one transaction over the providers and the consumer it concerns: it takes
/// effect at one instant or, if it is refused, not at all. A claim that fits is never refused
/// because another thread touched the same provider: it is checked against the new state, inside.
///
/// All methods are lock-free, but for an index's shard lock for O(1) on the consumer's uuid.
pub struct Worker {
    core: Arc<Core>,
    writer: Writer,
    /// What the claim at hand asks for: by usage cell and class, each once.
    wanted: Vec<Line>,
    /// What its consumer holds before.
    held: Vec<Held>,
    /// Its consumer's next words.
    words: Vec<u64>,
}

/// The proof that a consumer's allocations have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Receipt {
    /// The consumer.
    pub consumer: Uuid,
    /// Its generation from then on; after a release, the last one it had.
    pub generation: u64,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>) -> Result<Self> {
        let writer = core.ledger.writer()?;
        Ok(Worker { core, writer, wanted: Vec::new(), held: Vec::new(), words: Vec::new() })
    }

    /// Gives a consumer that holds nothing all that the claim asks for. The consumer starts at
    /// generation 1.
    ///
    /// Of several claims of one consumer exactly one succeeds.
    ///
    /// # Errors
    ///
    /// [`CapacityExceeded`](Error::CapacityExceeded) with what is free,
    /// [`UnitViolation`](Error::UnitViolation), [`NoInventory`](Error::NoInventory),
    /// [`Removed`](Error::Removed), [`ConsumerExists`](Error::ConsumerExists),
    /// [`EmptyClaim`](Error::EmptyClaim), [`InvalidAmount`](Error::InvalidAmount),
    /// [`TooLarge`](Error::TooLarge) beyond 16,380 amounts.
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
    /// worker.claim(&Claim::new(vm).take(&host, ResourceClass::VCPU, 12))?;
    ///
    /// let refused = worker.claim(&Claim::new(Uuid::new_v4()).take(&host, ResourceClass::VCPU, 12));
    /// assert!(matches!(refused, Err(Error::CapacityExceeded { requested: 12, free: 4, .. })));
    ///
    /// worker.release(vm)?;
    /// assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 0);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn claim(&mut self, claim: &Claim) -> Result<Receipt> {
        self.put(claim, &|generation| match generation {
            None => Ok(1),
            Some(generation) => {
                Err(Error::ConsumerExists { consumer: claim.consumer(), generation })
            }
        })
    }

    /// Makes the claim all that its consumer holds, instead of what it held before. The
    /// consumer's generation grows.
    ///
    /// With [`Expect::Any`] a consumer that holds nothing is created; with
    /// [`Expect::Generation`] the consumer has to be at that generation. What a change does not
    /// raise passes even where a shrunk inventory is exceeded.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), with [`ConsumerConflict`](Error::ConsumerConflict) in the place
    /// of `ConsumerExists`.
    pub fn replace(&mut self, claim: &Claim, expect: Expect) -> Result<Receipt> {
        expect.validate()?;
        self.put(claim, &|actual| match expect {
            Expect::Generation(expected) if actual != Some(expected) => {
                Err(Error::ConsumerConflict { consumer: claim.consumer(), expected, actual })
            }
            _ => Ok(expect.next(actual.unwrap_or(0))),
        })
    }

    /// Gives back all that `consumer` holds; it holds nothing from then on.
    ///
    /// # Errors
    ///
    /// [`ConsumerNotFound`](Error::ConsumerNotFound).
    pub fn release(&mut self, consumer: Uuid) -> Result<Receipt> {
        let Worker { core, writer, held, .. } = self;
        let not_found = Error::ConsumerNotFound { consumer };
        let Some(interned) = core.consumers.hint(&consumer) else { return Err(not_found) };
        let released = writer.transact(|transaction| {
            let (place, life) = open_consumer(transaction, interned)?;
            if life.state != State::Live {
                return Err(Abort::Reject(Refused::Error(not_found.clone())));
            }
            let words = ConsumerWords(transaction.words(place));
            let generation = words.generation();
            held.clear();
            held.extend(words.held());
            for held in held.iter() {
                let change = Change { handle: None, usage: held.usage, class: held.class };
                change.apply(transaction, core, held.amount, 0)?;
            }
            transaction.rewrite(place, &[life.ended().word()]);
            Ok(generation)
        });
        match released {
            Ok(generation) => {
                core.consumers.release(writer, &consumer, interned);
                Ok(Receipt { consumer, generation })
            }
            Err(Refused::Stale) => Err(not_found),
            Err(Refused::Error(error)) => Err(error),
        }
    }

    /// Takes amounts from one provider for no consumer: for callers that keep their own books.
    ///
    /// All amounts or none; each obeys the units by itself. They count as used, keep the provider
    /// from being removed, and are told apart by an [audit](crate::ProviderTree::audit). The
    /// fastest change there is: one exchange decides it.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), but for what concerns consumers.
    pub fn take(&mut self, provider: &Provider, amounts: &[(ResourceClass, u64)]) -> Result<()> {
        let cell = self.core.usage_cell(provider)?;
        let core = &*self.core;
        self.writer.update(cell, |words| {
            Core::check(provider, UsageWords(words).life())?;
            for &(class, amount) in amounts {
                check_amount(provider, class, amount)?;
                let change = Change { handle: Some(provider), usage: cell, class: class.number() };
                let (at, used) = change.used_after(words, core, 0, amount)?;
                let taken = at.taken + amount;
                at.set_used(words, used);
                at.set_taken(words, taken);
            }
            Ok(())
        })
    }

    /// Gives back amounts that were taken for no consumer, by this worker or another.
    ///
    /// # Errors
    ///
    /// [`NotTaken`](Error::NotTaken) if less is taken, [`NoInventory`](Error::NoInventory),
    /// [`Removed`](Error::Removed), [`InvalidAmount`](Error::InvalidAmount).
    pub fn put_back(
        &mut self,
        provider: &Provider,
        amounts: &[(ResourceClass, u64)],
    ) -> Result<()> {
        let cell = self.core.usage_cell(provider)?;
        self.writer.update(cell, |words| {
            Core::check(provider, UsageWords(words).life())?;
            for &(class, amount) in amounts {
                check_amount(provider, class, amount)?;
                let provider = provider.uuid;
                let at = UsageWords(words).find(class.number());
                let at = at.ok_or(Error::NoInventory { provider, class })?;
                let taken = at.taken;
                let Some(left) = taken.checked_sub(amount) else {
                    let requested = amount;
                    return Err(Error::NotTaken { provider, class, requested, taken }.into());
                };
                let used = at.used - amount;
                at.set_taken(words, left);
                at.set_used(words, used);
            }
            Ok(())
        })
    }

    /// How often a change was prepared in vain since this worker began, because another thread's
    /// came first.
    pub fn retries(&self) -> u64 {
        self.writer.retries()
    }

    /// Sets what a consumer holds, if `admit` accepts the generation that it is at, and says the
    /// next one.
    fn put(
        &mut self,
        claim: &Claim,
        admit: &dyn Fn(Option<u64>) -> Result<u64>,
    ) -> Result<Receipt> {
        self.sort_out(claim)?;
        let Worker { core, writer, wanted, held, words } = self;
        let consumer = claim.consumer();
        loop {
            let mut interned = core.consumers.interned(&core.ledger, &consumer);
            let result = writer.transact(|transaction| {
                held.clear();
                let mut before = None;
                let mut open = None;
                if let Some(interned) = interned {
                    let (place, life) = open_consumer(transaction, interned)?;
                    let consumer = ConsumerWords(transaction.words(place));
                    if life.state == State::Live {
                        before = Some(consumer.generation());
                        held.extend(consumer.held());
                    }
                    open = Some((place, life));
                }
                let generation = admit(before)?;
                let exchanged = exchange_amounts(transaction, core, held, wanted);
                if let (Err(Abort::Reject(_)), None) = (&exchanged, open) {
                    // The refusal rests on the absence of the consumer too, which no cell of the
                    // transaction stands for. Still absent, and the gates unchanged since before
                    // that second look: then all of it was true at one instant.
                    if core.consumers.hint(&consumer).is_some() {
                        return Err(Abort::Reject(Refused::Stale));
                    }
                    if !transaction.holds() {
                        return Err(Abort::Torn);
                    }
                }
                exchanged?;
                // Interned last: a claim that is refused leaves the index alone.
                let (place, life) = match open {
                    Some(open) => open,
                    None => {
                        let new = core.consumers.intern(transaction.writer(), &consumer)?;
                        interned = Some(new);
                        let (place, life) = open_consumer(transaction, new)?;
                        if life.state == State::Live {
                            return Err(Abort::Reject(Refused::Stale));
                        }
                        (place, life)
                    }
                };
                write_consumer(words, life, consumer, generation, wanted.iter().map(Line::held));
                transaction.rewrite(place, words);
                Ok(generation)
            });
            match result {
                Ok(generation) => return Ok(Receipt { consumer, generation }),
                Err(Refused::Stale) => {}
                Err(Refused::Error(error)) => {
                    if let Some(interned) = interned {
                        core.consumers.retire(writer, &consumer, interned);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Checks the claim's own sense, and sorts its lines so that each class of each provider
    /// comes once.
    fn sort_out(&mut self, claim: &Claim) -> Result<()> {
        if claim.lines.is_empty() {
            return Err(Error::EmptyClaim { consumer: claim.consumer() });
        }
        self.wanted.clear();
        self.wanted.extend_from_slice(&claim.lines);
        for line in &self.wanted {
            self.core.usage_cell(&line.provider)?;
            check_amount(&line.provider, line.class, line.amount)?;
        }
        self.wanted.sort_unstable_by_key(|line| (line.key(), line.provider.incarnation));
        let mut overflow = None;
        self.wanted.dedup_by(|next, line| {
            let same = next.provider == line.provider && next.class == line.class;
            if same {
                match line.amount.checked_add(next.amount) {
                    Some(sum) => line.amount = sum,
                    None => overflow = Some(*line),
                }
            }
            same
        });
        match overflow {
            None => Ok(()),
            Some(line) => Err(Error::InvalidAmount {
                provider: line.provider.uuid,
                class: line.class,
                requested: u64::MAX,
            }),
        }
    }
}

impl Line {
    fn usage(&self) -> Cell {
        usage_of(self.provider.cell)
    }

    /// What lines and what is held are sorted by.
    fn key(&self) -> (Cell, u16) {
        (self.usage(), self.class.number())
    }

    fn held(&self) -> Held {
        Held { usage: self.usage(), class: self.class.number(), amount: self.amount }
    }
}

fn check_amount(provider: &Provider, class: ResourceClass, amount: u64) -> Result<()> {
    match amount {
        0 => Err(Error::InvalidAmount { provider: provider.uuid, class, requested: 0 }),
        _ => Ok(()),
    }
}

/// Opens a consumer's cell, which has to serve that consumer still.
fn open_consumer(
    transaction: &mut Transaction<'_>,
    interned: Interned,
) -> Result<(Place, Life), Abort<Refused>> {
    let place = transaction.open(interned.cell)?;
    let life = Life::from_word(transaction.word(place, 0));
    if life.incarnation != interned.incarnation || life.state == State::Free {
        return Err(Abort::Reject(Refused::Stale));
    }
    Ok((place, life))
}

/// Turns what is held into what is wanted, provider by provider, class by class. Both are sorted.
fn exchange_amounts(
    transaction: &mut Transaction<'_>,
    core: &Core,
    held: &[Held],
    wanted: &[Line],
) -> Result<(), Abort<Refused>> {
    let mut held = held.iter().peekable();
    for line in wanted {
        let key = line.key();
        while let Some(gone) = held.next_if(|held| (held.usage, held.class) < key) {
            let change = Change { handle: None, usage: gone.usage, class: gone.class };
            change.apply(transaction, core, gone.amount, 0)?;
        }
        let before = held.next_if(|held| (held.usage, held.class) == key);
        let before = before.map_or(0, |held| held.amount);
        let change =
            Change { handle: Some(&line.provider), usage: key.0, class: line.class.number() };
        change.apply(transaction, core, before, line.amount)?;
    }
    for gone in held {
        let change = Change { handle: None, usage: gone.usage, class: gone.class };
        change.apply(transaction, core, gone.amount, 0)?;
    }
    Ok(())
}

/// A change of what is used of one class of one provider.
struct Change<'a> {
    /// The caller's handle; none for what is held already.
    handle: Option<&'a Provider>,
    usage: Cell,
    class: u16,
}

impl Change<'_> {
    /// Puts `wanted` in the place of `held` in a transaction.
    fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(), Abort<Refused>> {
        let place = transaction.open(self.usage)?;
        let words = transaction.words(place);
        if let Some(handle) = self.handle {
            Core::check(handle, UsageWords(words).life())?;
        }
        let changed = self.used_after(words, core, held, wanted);
        let (at, used) = changed.map_err(|abort| abort.map(Refused::Error))?;
        at.set_used(transaction.words_mut(place), used);
        Ok(())
    }

    /// The class's amounts, and how much is used if `wanted` takes the place of `held`.
    #[inline(always)]
    fn used_after(
        &self,
        words: &[u64],
        core: &Core,
        held: u64,
        wanted: u64,
    ) -> Result<(Amounts, u64), Abort<Error>> {
        let usage = UsageWords(words);
        let Some(amounts) = usage.find(self.class) else { return Err(self.no_inventory()) };
        // What is held is part of what is used, if both were read at one instant.
        let Some(others) = amounts.used.checked_sub(held) else { return Err(Abort::Torn) };
        let free = amounts.capacity.saturating_sub(others);
        if wanted > held && wanted > free {
            return Err(self.capacity_exceeded(wanted, free));
        }
        if usage.has_units() && wanted != held {
            self.check_units(usage, core, wanted)?;
        }
        // Can't overflow: either within the capacity, or no more than was used.
        Ok((amounts, others + wanted))
    }

    #[cold]
    fn no_inventory(&self) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        let class = ResourceClass::from_number(self.class);
        Error::NoInventory { provider: handle.uuid, class }.into()
    }

    #[cold]
    fn capacity_exceeded(&self, requested: u64, free: u64) -> Abort<Error> {
        let Some(handle) = self.handle else { return Abort::Torn };
        let class = ResourceClass::from_number(self.class);
        Error::CapacityExceeded { provider: handle.uuid, class, requested, free }.into()
    }

    /// Checks `wanted` against the inventory that the words rest on.
    #[cold]
    fn check_units(
        &self,
        usage: UsageWords<'_>,
        core: &Core,
        wanted: u64,
    ) -> Result<(), Abort<Error>> {
        // Without a handle something is given back, which obeys no units.
        let Some(handle) = self.handle else { return Ok(()) };
        let class = ResourceClass::from_number(self.class);
        let version = usage.configuration();
        let checked = core.configurations.with(self.usage, version, |configuration| {
            let inventory = configuration.inventories.get(class)?;
            (!inventory.allows(wanted)).then_some(Error::UnitViolation {
                provider: handle.uuid,
                class,
                requested: wanted,
                min_unit: inventory.min_unit,
                max_unit: inventory.max_unit,
                step_size: inventory.step_size,
            })
        });
        match checked {
            None => Err(Abort::Torn),
            Some(Some(violation)) => Err(Abort::Reject(violation)),
            Some(None) => Ok(()),
        }
    }
}

//! Forks: what if?

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::claim::{
    Allocation, Allocations, Basis, Batch, Change, Claim, ConsumerWords, Fact, Facts, Held, Line,
    check_claim, check_count, sort_out, units_of, usages,
};
use crate::error::{Error, Result};
use crate::inventory::{Inventories, Usage};
use crate::ledger::{Abort, Cell, View};
use crate::resource_class::ResourceClass;
use crate::tree::core::{Core, all_usages};
use crate::tree::layout::{
    Amounts, Structure, UsageWords, clear_units, set_cordoned, structure_of, usage_of, write_usage,
};
use crate::tree::{Expect, Provider, relayout};
use crate::view::snapshot::Snapshot;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The words of usage cells.
type Staged = Map<Cell, Vec<u64>>;

/// A private what-if on a [`Snapshot`]: gives back, claims, cordons and inventories that nobody else
/// sees, each checked as the forest would check it.
///
/// A fork costs what it touches: any number of them can be made of one snapshot, by any number of
/// threads, and a clone is a fork of a fork. When it shows what was looked for, its
/// [`difference`](Self::difference) can be [committed](crate::Worker::commit) as one transaction,
/// which succeeds if that still fits.
///
/// ```
/// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
/// tree.set_inventories(&host, vcpu, Expect::Any)?;
/// let all = |consumer| Claim::new(consumer).take(&host, ResourceClass::VCPU, 8);
/// let mut worker = tree.worker()?;
/// let (low, high) = (Uuid::new_v4(), Uuid::new_v4());
/// let _receipt = worker.claim(&all(low))?;
///
/// // Would the one fit if the other had to go?
/// let mut fork = tree.snapshot().fork();
/// assert!(fork.fits(&all(high)).is_err());
/// fork.release(low)?;
/// fork.claim(&all(high))?;
/// assert_eq!(tree.consumers(), [low]); // Nobody has seen it.
///
/// worker.commit(&fork.difference())?;
/// assert_eq!(tree.consumers(), [high]);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fork {
    base: Snapshot,
    /// The words of the usage cells that differ. They say that there are no units: these are
    /// checked here, as the inventories may be the fork's.
    usages: Staged,
    inventories: BTreeMap<Cell, NewInventories>,
    consumers: BTreeMap<Uuid, Tenancy>,
    /// By structure cell.
    cordons: BTreeMap<Cell, Cordoning>,
    read: RefCell<Read>,
}

/// Inventories that a fork has set.
#[derive(Clone, Debug)]
struct NewInventories {
    provider: Provider,
    inventories: Inventories,
    /// The provider's generation in the snapshot.
    before: u64,
}

/// A consumer in a fork.
#[derive(Clone, Debug, Default)]
struct Tenancy {
    /// Its generation in the snapshot, if it held something.
    before: Option<u64>,
    deadline: Option<u64>,
    held: Vec<Held>,
    /// What it has claimed in the fork.
    claim: Option<Claim>,
    is_changed: bool,
    /// Whether what it held in the snapshot has been released.
    is_ended: bool,
}

impl Tenancy {
    fn is_live(&self) -> bool {
        !self.held.is_empty()
    }
}

/// A provider's own cordon in a fork.
#[derive(Clone, Copy, Debug)]
struct Cordoning {
    provider: Provider,
    before: bool,
    now: bool,
}

/// What a fork was asked, as it is in the snapshot.
#[derive(Clone, Debug, Default)]
struct Read {
    providers: Map<Provider, Facts>,
    /// By their cells.
    consumers: Map<Cell, Uuid>,
    absent: BTreeSet<Uuid>,
}

impl Snapshot {
    /// A private what-if that begins with what is in this snapshot. O(1).
    pub fn fork(&self) -> Fork {
        Fork {
            base: self.clone(),
            usages: Map::default(),
            inventories: BTreeMap::new(),
            consumers: BTreeMap::new(),
            cordons: BTreeMap::new(),
            read: RefCell::default(),
        }
    }
}

/// Changing the fork. A refused call has changed nothing in it.
impl Fork {
    /// Gives `consumer` what the claim asks for, which holds nothing before. O(amounts).
    ///
    /// # Errors
    ///
    /// Those of [`Worker::claim`](crate::Worker::claim), as of the fork.
    pub fn claim(&mut self, claim: &Claim) -> Result<()> {
        check_claim(self.core(), claim)?;
        let consumer = claim.consumer();
        let tenancy = self.tenancy(consumer)?;
        if tenancy.is_live() {
            let generation = tenancy.generation();
            return Err(match self.holds_exactly(&tenancy, claim)? {
                true => Error::AlreadyHeld { consumer, generation },
                false => Error::ConsumerExists { consumer, generation },
            });
        }
        self.put(claim, tenancy)
    }

    /// Makes the claim all that its consumer holds. O(amounts).
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), but for a consumer that exists.
    pub fn replace(&mut self, claim: &Claim) -> Result<()> {
        let tenancy = self.tenancy(claim.consumer())?;
        self.put(claim, tenancy)
    }

    /// Gives back all that `consumer` holds. O(amounts).
    ///
    /// # Errors
    ///
    /// [`ConsumerNotFound`](Error::ConsumerNotFound).
    pub fn release(&mut self, consumer: Uuid) -> Result<()> {
        let mut tenancy = self.tenancy(consumer)?;
        if !tenancy.is_live() {
            return Err(Error::ConsumerNotFound { consumer });
        }
        let staged = self.exchange(&tenancy.held, &[])?;
        self.usages.extend(staged);
        tenancy.held.clear();
        (tenancy.claim, tenancy.deadline) = (None, None);
        (tenancy.is_changed, tenancy.is_ended) = (true, true);
        self.consumers.insert(consumer, tenancy);
        Ok(())
    }

    /// Replaces all inventories of `provider`. O(classes).
    ///
    /// # Errors
    ///
    /// Those of [`ProviderTree::set_inventories`](crate::ProviderTree::set_inventories), as of the
    /// fork.
    pub fn set_inventories(&mut self, provider: &Provider, inventories: Inventories) -> Result<()> {
        let mut words = self.words(provider)?;
        let capacities = inventories.capacities()?;
        self.note_inventories(provider, &inventories)?;
        let usage = UsageWords(&words[..]);
        let (life, generation) = (usage.life(), usage.generation());
        let cordoned = usage.is_cordoned();
        let classes = relayout(usage, &capacities).map_err(|used| used.error(provider.uuid))?;
        let cell = usage_of(provider.cell);
        let before = self.inventories.get(&cell).map_or(generation, |earlier| earlier.before);
        // No version: its configuration is the fork's own.
        write_usage(&mut words, life, Expect::Any.next(generation), 0, cordoned, &classes);
        clear_units(&mut words);
        self.usages.insert(cell, words);
        let new = NewInventories { provider: *provider, inventories, before };
        self.inventories.insert(cell, new);
        Ok(())
    }

    /// Takes nothing more from `provider` and what is below it; returns whether it was not cordoned
    /// itself. O(descendants).
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn cordon(&mut self, provider: &Provider) -> Result<bool> {
        self.set_cordon(provider, true)
    }

    /// Ends that; returns whether it was cordoned itself. O(descendants).
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn uncordon(&mut self, provider: &Provider) -> Result<bool> {
        self.set_cordon(provider, false)
    }
}

/// Asking the fork.
impl Fork {
    /// The snapshot that it began with.
    pub fn snapshot(&self) -> &Snapshot {
        &self.base
    }

    /// Whether [`claim`](Self::claim) of this would succeed, but for whether its consumer holds
    /// something. O(amounts).
    ///
    /// # Errors
    ///
    /// Why it would not.
    pub fn fits(&self, claim: &Claim) -> Result<()> {
        self.stage(claim, &[], false).map(|_| ())
    }

    /// Capacity and use of one class.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed), [`NoInventory`](Error::NoInventory).
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let words = self.words(provider)?;
        self.note_usage(provider, class.number())?;
        let usage = UsageWords(&words[..]).find(class.number()).map(Amounts::usage);
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Capacity and use of all classes, by class.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        let words = self.words(provider)?;
        let known = self.in_snapshot(provider, |words| usages(words).collect())?;
        self.note(provider, Fact::Usages(known));
        Ok(all_usages(UsageWords(&words[..])))
    }

    /// Whether `provider` or an ancestor is cordoned.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed).
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        let words = self.words(provider)?;
        self.note_cordon(provider)?;
        Ok(UsageWords(&words[..]).is_cordoned())
    }

    /// What `consumer` holds; none if nothing. One that has changed in the fork is a generation
    /// ahead of the snapshot. One that the fork adds is at 1: which generation it begins at in the
    /// forest says the receipt of the commit.
    pub fn allocations(&self, consumer: Uuid) -> Result<Option<Allocations>> {
        let tenancy = self.tenancy(consumer)?;
        if !tenancy.is_live() {
            return Ok(None);
        }
        let mut allocations = Vec::with_capacity(tenancy.held.len());
        for Held { usage, class, amount } in &tenancy.held {
            let class = ResourceClass::from_number(*class);
            allocations.push(Allocation {
                provider: self.uuid_of(*usage)?,
                class,
                amount: *amount,
            });
        }
        let generation = tenancy.generation();
        Ok(Some(Allocations { consumer, generation, deadline: tenancy.deadline, allocations }))
    }
}

/// Committing the fork.
impl Fork {
    /// All that the fork has changed, for [`Worker::commit`](crate::Worker::commit): one transaction,
    /// which succeeds if it still fits.
    ///
    /// The consumers and the inventories that it changes must be at the generation that they had in
    /// the snapshot, and consumers that it adds must hold nothing. What it takes is checked against
    /// what is free at the commit, whatever was free in the snapshot, and against the last
    /// inventories that the fork has set, be it after that. Receipts are in the order of the
    /// consumers' uuids.
    pub fn difference(&self) -> Batch {
        let mut batch = Batch::new();
        for (consumer, tenancy) in self.consumers.iter().filter(|(_, it)| it.is_changed) {
            let expect = tenancy.before.map(Expect::Generation);
            let claim = tenancy.claim.clone().map(|mut claim| {
                // Inventories that it replaces have to be as they were anyway.
                let is_replaced = |cell| self.inventories.contains_key(&usage_of(cell));
                claim.conditions.retain(|(provider, _)| !is_replaced(provider.cell));
                claim
            });
            batch = match (claim, expect) {
                (Some(claim), None) => batch.claim(claim),
                (Some(claim), Some(expect)) if tenancy.is_ended => batch.claim_anew(claim, expect),
                (Some(claim), Some(expect)) => batch.replace(claim, expect),
                (None, Some(expect)) => batch.release(*consumer, expect),
                (None, None) => batch,
            };
        }
        for NewInventories { provider, inventories, before } in self.inventories.values() {
            let expect = Expect::Generation(*before);
            batch = batch.set_inventories(provider, inventories.clone(), expect);
        }
        for Cordoning { provider, before, now } in self.cordons.values() {
            batch = match (before, now) {
                (false, true) => batch.cordon(provider),
                (true, false) => batch.uncordon(provider),
                // Not all the time: something may have been taken in between.
                (true, true) => batch.uncordon(provider).cordon(provider),
                (false, false) => batch,
            };
        }
        batch
    }

    /// The same, which succeeds only if what was asked of the fork, or changed in it, is at the commit
    /// as it was in the snapshot:
    ///
    /// - whether a provider exists, and its generation, where a claim rests on it or inventories are
    ///   set;
    /// - capacity and use of each class that was asked for, taken or given back, and the units of
    ///   what was taken;
    /// - whether a provider is cordoned, where that was asked or more was taken; its place, if the fork
    ///   has cordoned anything; and what was below that which it has cordoned;
    /// - the ancestors of a [chain](Claim::take_chain), and which of them have an inventory of its
    ///   class;
    /// - consumers, also those that held nothing.
    ///
    /// What has changed beside that is no reason to refuse: a sibling or a child that came or went,
    /// another's name, a claim of another class. Nor is what was read of the
    /// [snapshot](Self::snapshot).
    ///
    /// Otherwise the commit is refused with [`ProviderChanged`](Error::ProviderChanged) or
    /// [`ConsumerChanged`](Error::ConsumerChanged).
    pub fn difference_if_unchanged(&self) -> Batch {
        let Read { providers, consumers, absent } = &*self.read.borrow();
        let mut batch = self.difference();
        let absent = absent.iter().filter(|consumer| {
            // Those that it adds are part of the batch anyway.
            !batch.consumers.iter().any(|change| change.consumer == **consumer)
        });
        let absent = absent.copied().collect();
        let mut providers: Vec<_> =
            providers.iter().map(|(provider, facts)| (*provider, facts.clone())).collect();
        // In one order, so that of several changes the same is named.
        providers.sort_unstable_by_key(|(provider, _)| (provider.cell, provider.incarnation));
        let mut consumers: Vec<_> = consumers.iter().map(|(cell, uuid)| (*cell, *uuid)).collect();
        consumers.sort_unstable();
        let frozen = self.base.frozen().clone();
        batch.basis = Some(Basis { frozen, providers, consumers, absent });
        batch
    }
}

impl Tenancy {
    /// The generation that its changes would lead to.
    fn generation(&self) -> u64 {
        match (self.before, self.is_changed) {
            (None, _) => 1,
            (Some(before), false) => before,
            (Some(before), true) => before + 1,
        }
    }
}

impl Fork {
    fn core(&self) -> &Core {
        &self.base.frozen().core
    }

    /// The provider with this usage cell, from which something is held.
    fn provider_of(&self, usage: Cell) -> Result<Provider> {
        let cell = structure_of(usage);
        Ok(self.core().handle(cell, &self.structure(cell)?))
    }

    /// The uuid of the provider with this usage cell, from which something is held.
    fn uuid_of(&self, usage: Cell) -> Result<Uuid> {
        self.provider_of(usage).map(|provider| provider.uuid)
    }

    /// The words of the provider's usage cell.
    fn words(&self, provider: &Provider) -> Result<Vec<u64>> {
        let words = self.words_of(self.core().usage_cell(provider)?)?;
        self.noting_existence(provider, Core::check(provider, UsageWords(&words[..]).life()))?;
        Ok(words)
    }

    fn words_of(&self, cell: Cell) -> Result<Vec<u64>> {
        if let Some(words) = self.usages.get(&cell) {
            return Ok(words.clone());
        }
        let mut words = self.base.read(|past| past.read(cell, <[u64]>::to_vec))?;
        clear_units(&mut words);
        Ok(words)
    }

    /// The consumer as the fork has it.
    fn tenancy(&self, consumer: Uuid) -> Result<Tenancy> {
        if let Some(tenancy) = self.consumers.get(&consumer) {
            return Ok(tenancy.clone());
        }
        let Some(cell) = self.base.consumer_cell(consumer)? else {
            self.read.borrow_mut().absent.insert(consumer);
            return Ok(Tenancy::default());
        };
        self.read.borrow_mut().consumers.insert(cell, consumer);
        self.base.read(|past| {
            past.read(cell, |words| {
                let words = ConsumerWords(words);
                Tenancy {
                    before: Some(words.generation()),
                    deadline: words.deadline(),
                    held: words.held().collect(),
                    claim: None,
                    is_changed: false,
                    is_ended: false,
                }
            })
        })
    }

    /// Puts the claim in the place of what the consumer holds.
    fn put(&mut self, claim: &Claim, mut tenancy: Tenancy) -> Result<()> {
        let is_leased = tenancy.deadline.is_some();
        let (staged, lines) = self.stage(claim, &tenancy.held, is_leased)?;
        self.usages.extend(staged);
        tenancy.held = lines.iter().map(Line::held).collect();
        tenancy.claim = Some(claim.clone());
        tenancy.is_changed = true;
        self.consumers.insert(claim.consumer(), tenancy);
        Ok(())
    }

    /// What the usage cells would hold, and the claim's lines.
    fn stage(&self, claim: &Claim, held: &[Held], is_leased: bool) -> Result<(Staged, Vec<Line>)> {
        check_claim(self.core(), claim)?;
        let lines = self.expand(claim)?;
        for (provider, expected) in &claim.conditions {
            let actual = UsageWords(&self.words(provider)?[..]).generation();
            self.note_generation(provider)?;
            if actual != *expected {
                let (provider, expected) = (provider.uuid, *expected);
                return Err(Error::GenerationConflict { provider, expected, actual });
            }
        }
        let staged = self.exchange(held, &lines)?;
        check_count(lines.len(), is_leased)?;
        Ok((staged, lines))
    }

    /// The lines of a claim with those that its chains are, sorted out.
    fn expand(&self, claim: &Claim) -> Result<Vec<Line>> {
        let mut lines = claim.lines.to_vec();
        for chain in &claim.chains {
            self.climb(chain, &mut lines)?;
        }
        sort_out(&mut lines)?;
        Ok(lines)
    }

    /// Whether what the consumer holds is exactly what the claim asks for, of providers that its
    /// handles mean still.
    fn holds_exactly(&self, tenancy: &Tenancy, claim: &Claim) -> Result<bool> {
        let lines = match self.expand(claim) {
            Ok(lines) => lines,
            Err(too_old @ Error::SnapshotTooOld { .. }) => return Err(too_old),
            Err(_) => return Ok(false),
        };
        if !tenancy.held.iter().copied().eq(lines.iter().map(Line::held)) {
            return Ok(false);
        }
        for line in &lines {
            match self.words(&line.provider) {
                Ok(_) => {}
                Err(Error::Removed { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// A line for each provider of the chain that has an inventory of the class.
    fn climb(&self, chain: &Line, lines: &mut Vec<Line>) -> Result<()> {
        let before = lines.len();
        let class = chain.class.number();
        for provider in self.noted_chain(&chain.provider)? {
            let has = UsageWords(&self.words(&provider)?[..]).find(class).is_some();
            // Those that the fork has set rest on the generation.
            if !self.inventories.contains_key(&usage_of(provider.cell)) {
                self.note(&provider, Fact::Has(class, has));
            }
            if has {
                lines.push(Line { provider, ..*chain });
            }
        }
        if lines.len() == before {
            let (provider, class) = (chain.provider.uuid, chain.class);
            return Err(Error::NoInventory { provider, class });
        }
        Ok(())
    }

    /// What the usage cells would hold with `wanted` in the place of `held`.
    fn exchange(&self, held: &[Held], wanted: &[Line]) -> Result<Staged> {
        // By cell and class: what is held, and the line that is wanted.
        let mut parts = BTreeMap::<(Cell, u16), (u64, Option<&Line>)>::new();
        for held in held {
            parts.entry((held.usage, held.class)).or_default().0 = held.amount;
        }
        for line in wanted {
            let part = parts.entry(line.key()).or_default();
            if let Some(other) = part.1.replace(line) {
                // Two handles of one cell are two providers, of which one is gone.
                self.words(&line.provider)?;
                self.words(&other.provider)?;
            }
        }
        let mut staged = Map::default();
        for ((cell, class), (held, line)) in parts {
            let words = match staged.entry(cell) {
                std::collections::hash_map::Entry::Occupied(staged) => staged.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => new.insert(self.words_of(cell)?),
            };
            let provider = line.map_or_else(|| self.provider_of(cell), |line| Ok(line.provider))?;
            let wanted = line.map_or(0, |line| line.amount);
            self.noting_existence(
                &provider,
                Core::check(&provider, UsageWords(&words[..]).life()),
            )?;
            self.note_usage(&provider, class)?;
            if wanted > held {
                self.note_cordon(&provider)?;
            }
            let change = Change { handle: line.map(|line| &line.provider), class };
            let changed = change.checked(words, self.core(), held, wanted);
            let (at, used) = changed.map_err(|abort| match abort {
                Abort::Reject(error) => error,
                // All is of one instant, so that nothing can contradict itself.
                Abort::Torn => Error::SnapshotTooOld { version: self.base.version() },
            })?;
            at.set_used(words, used);
            if let Some(line) = line.filter(|_| wanted != held) {
                self.check_units(line)?;
            }
        }
        Ok(staged)
    }

    fn check_units(&self, line: &Line) -> Result<()> {
        let Line { provider, class, amount } = *line;
        let inventory = match self.inventories.get(&usage_of(provider.cell)) {
            Some(new) => new.inventories.get(class).copied(),
            None => {
                let core = self.core();
                let found = self.base.read(|past| core.configuration_at(past, &provider))??;
                let inventory = found.inventories.get(class).copied();
                let units = inventory.as_ref().map(units_of);
                self.note(&provider, Fact::Units(class.number(), units));
                inventory
            }
        };
        match inventory {
            Some(inventory) if !inventory.allows(amount) => Err(Error::UnitViolation {
                provider: provider.uuid,
                class,
                requested: amount,
                min_unit: inventory.min_unit,
                max_unit: inventory.max_unit,
                step_size: inventory.step_size,
            }),
            _ => Ok(()),
        }
    }

    fn set_cordon(&mut self, provider: &Provider, own: bool) -> Result<bool> {
        let subtree = self.noting_existence(provider, self.base.subtree(provider))?;
        let was = self.own_cordon(provider)?;
        if was == own {
            return Ok(false);
        }
        let above = self.base.parent(provider)?;
        let inherited = above.map_or(Ok(false), |parent| self.is_cordoned(&parent))?;
        let before = self.cordons.get(&provider.cell).map_or(was, |earlier| earlier.before);
        let mut holds = Map::<Cell, bool>::default();
        let mut staged = Vec::with_capacity(subtree.len());
        // Parents come before their children.
        for below in &subtree {
            let parent = self.structure(below.cell)?.parent;
            self.note(below, Fact::Parent(parent));
            let inherited = parent.and_then(|it| holds.get(&it).copied()).unwrap_or(inherited);
            let itself = match below.cell == provider.cell {
                true => own,
                false => self.own_cordon(below)?,
            };
            let now = itself || inherited;
            holds.insert(below.cell, now);
            let mut words = self.words(below)?;
            if UsageWords(&words[..]).is_cordoned() != now {
                set_cordoned(&mut words, now);
                staged.push((usage_of(below.cell), words));
            }
        }
        self.usages.extend(staged);
        self.cordons.insert(provider.cell, Cordoning { provider: *provider, before, now: own });
        Ok(true)
    }

    fn own_cordon(&self, provider: &Provider) -> Result<bool> {
        if let Some(cordoning) = self.cordons.get(&provider.cell) {
            return Ok(cordoning.now);
        }
        let own = self.structure(provider.cell)?.cordon.own;
        self.note(provider, Fact::OwnCordon(own));
        Ok(own)
    }

    fn structure(&self, cell: Cell) -> Result<Structure> {
        self.base.read(|past| past.read(cell, Structure::of_words))
    }
}

/// Noting what the fork's answers rest on, as it is in the snapshot.
impl Fork {
    fn note(&self, provider: &Provider, fact: Fact) {
        let mut read = self.read.borrow_mut();
        read.providers.entry(*provider).or_insert_with(|| Facts::of(true)).add(fact);
    }

    /// Notes from an answer whether the provider exists.
    fn noting_existence<T>(&self, provider: &Provider, answer: Result<T>) -> Result<T> {
        let exists = match answer {
            Ok(_) => true,
            Err(Error::Removed { .. }) => false,
            Err(error) => return Err(error),
        };
        let mut read = self.read.borrow_mut();
        read.providers.entry(*provider).or_insert_with(|| Facts::of(exists));
        answer
    }

    /// What the words of the provider's usage cell are in the snapshot.
    fn in_snapshot<T>(
        &self,
        provider: &Provider,
        read: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Result<T> {
        let cell = usage_of(provider.cell);
        self.base.read(|past| past.read(cell, |words| read(UsageWords(words))))
    }

    fn note_usage(&self, provider: &Provider, class: u16) -> Result<()> {
        let usage = self.in_snapshot(provider, |words| words.find(class).map(Amounts::usage))?;
        self.note(provider, Fact::Usage(class, usage));
        Ok(())
    }

    fn note_generation(&self, provider: &Provider) -> Result<()> {
        let generation = self.in_snapshot(provider, |words| words.generation())?;
        self.note(provider, Fact::Generation(generation));
        Ok(())
    }

    /// Notes what setting inventories rests on: the generation, and whether that which is dropped is
    /// used.
    fn note_inventories(&self, provider: &Provider, new: &Inventories) -> Result<()> {
        self.note_generation(provider)?;
        let known: Vec<_> = self.in_snapshot(provider, |words| usages(words).collect())?;
        for (class, usage) in known {
            if new.get(ResourceClass::from_number(class)).is_none() {
                self.note(provider, Fact::Usage(class, Some(usage)));
            }
        }
        Ok(())
    }

    /// Notes whether the provider is cordoned, and where it is: the fork may have cordoned what is
    /// above it.
    fn note_cordon(&self, provider: &Provider) -> Result<()> {
        let cordoned = self.in_snapshot(provider, |words| words.is_cordoned())?;
        self.note(provider, Fact::Cordoned(cordoned));
        if !self.cordons.is_empty() {
            self.noted_chain(provider)?;
        }
        Ok(())
    }

    /// The provider and its ancestors, noted as such.
    fn noted_chain(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let mut chain = vec![*provider];
        chain.extend(self.noting_existence(provider, self.base.ancestors(provider))?);
        let above = chain.iter().skip(1).map(|parent| parent.cell);
        for (one, parent) in chain.iter().zip(above.chain([self.core().super_root])) {
            self.note(one, Fact::Parent(Some(parent)));
        }
        Ok(chain)
    }
}

//! Forks: private what-ifs on a snapshot.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::claim::{
    Allocation, Allocations, Basis, Batch, Change, Claim, Core, Fact, Facts, Line, check_claim,
    sort_out, units_of, usages,
};
use crate::error::{Error, Result};
use crate::forest::all_usages;
use crate::forest::{Expect, Provider, relayout};
use crate::inventory::{Inventories, Usage};
use crate::layout::{
    Amounts, ConsumerWords, Held, Structure, UsageWords, check_count, clear_units, set_cordoned,
    structure_of, usage_of, write_usage,
};
use crate::ledger::{Abort, Cell, Reader};
use crate::resource_class::ResourceClass;
use crate::view::snapshot::Snapshot;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Holds the words that usage cells would have.
type Staged = Map<Cell, Vec<u64>>;

/// Answers what if: a private copy of a [`Snapshot`] in which a caller releases, claims, cordons
/// and sets inventories. Nobody else sees these changes, and each is checked as the forest would
/// check it.
///
/// A fork costs what it touches. Any number of threads can make any number of forks of one
/// snapshot, and a clone is a fork of a fork. When a fork shows what its caller looked for, its
/// [`difference`](Self::difference) can be [committed](crate::Worker::commit) as one transaction,
/// which succeeds if the difference still fits.
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
    /// The words of the usage cells that differ from the snapshot. These words say that there are
    /// no units: the fork checks units itself, since the inventories may be its own.
    usages: Staged,
    inventories: BTreeMap<Cell, NewInventories>,
    consumers: BTreeMap<Uuid, Tenancy>,
    /// The cordons that the fork has set or ended, by structure cell.
    cordons: BTreeMap<Cell, Cordoning>,
    read: RefCell<Read>,
}

/// Holds inventories that a fork has set.
#[derive(Clone, Debug)]
struct NewInventories {
    provider: Provider,
    inventories: Inventories,
    /// The provider's generation in the snapshot.
    before: u64,
}

/// Holds the state of a consumer in a fork.
#[derive(Clone, Debug, Default)]
struct Tenancy {
    /// The consumer's generation in the snapshot, if it held something.
    before: Option<u64>,
    deadline: Option<u64>,
    held: Vec<Held>,
    /// What the consumer has claimed in the fork.
    claim: Option<Claim>,
    is_changed: bool,
    /// Whether the fork has released what the consumer held in the snapshot.
    is_ended: bool,
}

impl Tenancy {
    fn is_live(&self) -> bool {
        !self.held.is_empty()
    }
}

/// Holds a provider's own cordon in the snapshot and in a fork.
#[derive(Clone, Copy, Debug)]
struct Cordoning {
    provider: Provider,
    before: bool,
    now: bool,
}

/// Holds what a fork was asked about, as it is in the snapshot.
#[derive(Clone, Debug, Default)]
struct Read {
    providers: Map<Provider, Facts>,
    /// The consumers that held something, by their cells.
    consumers: Map<Cell, Uuid>,
    absent: BTreeSet<Uuid>,
}

impl Snapshot {
    /// Begins a private what-if on this snapshot. O(1).
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

/// Changes the fork. A refused call has changed nothing in the fork.
impl Fork {
    /// Gives the claim's consumer, which must hold nothing, what the claim asks for. O(amounts).
    ///
    /// # Errors
    ///
    /// The errors of [`Worker::claim`](crate::Worker::claim), as of the fork.
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
    /// The errors of [`claim`](Self::claim), except that a consumer that holds something is no
    /// error.
    pub fn replace(&mut self, claim: &Claim) -> Result<()> {
        let tenancy = self.tenancy(claim.consumer())?;
        self.put(claim, tenancy)
    }

    /// Gives back all that `consumer` holds. O(amounts).
    ///
    /// # Errors
    ///
    /// [`ConsumerNotFound`](Error::ConsumerNotFound) if `consumer` holds nothing.
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
    /// The errors of [`ProviderTree::set_inventories`](crate::ProviderTree::set_inventories), as of
    /// the fork.
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
        // Names no configuration of the forest: the provider's configuration is the fork's own.
        write_usage(&mut words, life, Expect::Any.next(generation), 0, cordoned, &classes);
        clear_units(&mut words);
        self.usages.insert(cell, words);
        let new = NewInventories { provider: *provider, inventories, before };
        self.inventories.insert(cell, new);
        Ok(())
    }

    /// Cordons `provider`: the fork takes nothing more from it and its descendants. Returns true
    /// unless `provider` itself was cordoned already. O(descendants).
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn cordon(&mut self, provider: &Provider) -> Result<bool> {
        self.set_cordon(provider, true)
    }

    /// Ends the cordon of `provider` in the fork. Returns whether `provider` itself was cordoned.
    /// O(descendants).
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn uncordon(&mut self, provider: &Provider) -> Result<bool> {
        self.set_cordon(provider, false)
    }
}

/// Answers questions about the fork.
impl Fork {
    /// Returns the snapshot that the fork began with.
    pub fn snapshot(&self) -> &Snapshot {
        &self.base
    }

    /// Checks whether [`claim`](Self::claim) would succeed, as if the claim's consumer held
    /// nothing. O(amounts).
    ///
    /// # Errors
    ///
    /// The error that [`claim`](Self::claim) would return.
    pub fn fits(&self, claim: &Claim) -> Result<()> {
        self.stage(claim, &[], false).map(|_| ())
    }

    /// Returns the capacity and the use of one class.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot,
    /// [`NoInventory`](Error::NoInventory) if it has no inventory of `class`.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let words = self.words(provider)?;
        self.note_usage(provider, class.number())?;
        let usage = UsageWords(&words[..]).find(class.number()).map(Amounts::usage);
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Returns the capacity and the use of all classes, in the order of the classes.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        let words = self.words(provider)?;
        let known = self.in_snapshot(provider, |words| usages(words).collect())?;
        self.note(provider, Fact::Usages(known));
        Ok(all_usages(UsageWords(&words[..])))
    }

    /// Returns whether `provider` or one of its ancestors is cordoned.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        let words = self.words(provider)?;
        self.note_cordon(provider)?;
        Ok(UsageWords(&words[..]).is_cordoned())
    }

    /// Returns what `consumer` holds, or `None` if it holds nothing. A consumer that the fork has
    /// changed is one generation ahead of the snapshot. A consumer that the fork adds is at
    /// generation 1; the receipt of the commit says at which generation it begins in the forest.
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

/// Prepares the commit of what the fork has changed.
impl Fork {
    /// Returns all that the fork has changed, for [`Worker::commit`](crate::Worker::commit): one
    /// transaction, which succeeds if the changes still fit.
    ///
    /// The commit succeeds only if the consumers and the inventories that the fork changes are at
    /// the generations that they had in the snapshot, and if the consumers that the fork adds hold
    /// nothing. What the fork takes is checked against what is free at the commit, whatever was
    /// free in the snapshot, and against the last inventories that the fork has set, even if it set
    /// them afterwards. Receipts are in the order of the consumers' uuids.
    pub fn difference(&self) -> Batch {
        let mut batch = Batch::new();
        for (consumer, tenancy) in self.consumers.iter().filter(|(_, it)| it.is_changed) {
            let expect = tenancy.before.map(Expect::Generation);
            let claim = tenancy.claim.clone().map(|mut claim| {
                // The batch requires the generation of inventories that it replaces anyway.
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
                // The fork has ended the cordon in between, and may have taken something meanwhile.
                (true, true) => batch.uncordon(provider).cordon(provider),
                (false, false) => batch,
            };
        }
        batch
    }

    /// Returns all that the fork has changed, as [`difference`](Self::difference) does, for a
    /// commit that succeeds only if all that the fork was asked about, or has changed, is as it was
    /// in the snapshot:
    ///
    /// - whether a provider exists; and its generation, where a claim rests on it or inventories
    ///   are set;
    /// - the capacity and the use of each class that was asked for, taken or given back, and the
    ///   units of what was taken;
    /// - whether a provider is cordoned, where that was asked or more was taken; the provider's
    ///   place, if the fork has cordoned anything; and the descendants of a provider that the fork
    ///   has cordoned;
    /// - the ancestors in a [chain](Claim::take_chain), and which of them have an inventory of the
    ///   chain's class;
    /// - consumers, also those that held nothing.
    ///
    /// Any other change is no reason to refuse the commit: a sibling or a child that came or went,
    /// another provider's name, a claim of another class. What was read from the
    /// [snapshot](Self::snapshot) itself is no reason either.
    ///
    /// A commit that is refused for such a change returns
    /// [`ProviderChanged`](Error::ProviderChanged) or [`ConsumerChanged`](Error::ConsumerChanged).
    pub fn difference_if_unchanged(&self) -> Batch {
        let Read { providers, consumers, absent } = &*self.read.borrow();
        let mut batch = self.difference();
        let absent = absent.iter().filter(|consumer| {
            // The batch itself requires that the consumers which it adds hold nothing.
            !batch.consumers.iter().any(|change| change.consumer == **consumer)
        });
        let absent = absent.copied().collect();
        let mut providers: Vec<_> =
            providers.iter().map(|(provider, facts)| (*provider, facts.clone())).collect();
        // Sorted, so that of several changes always the same one is reported.
        providers.sort_unstable_by_key(|(provider, _)| (provider.cell, provider.incarnation));
        let mut consumers: Vec<_> = consumers.iter().map(|(cell, uuid)| (*cell, *uuid)).collect();
        consumers.sort_unstable();
        let frozen = self.base.frozen().clone();
        batch.basis = Some(Basis { frozen, providers, consumers, absent });
        batch
    }
}

impl Tenancy {
    /// Returns the generation that the consumer's changes in the fork would lead to.
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

    /// Returns the provider with this usage cell, from which something is held.
    fn provider_of(&self, usage: Cell) -> Result<Provider> {
        let cell = structure_of(usage);
        Ok(self.core().forest.handle(cell, &self.structure(cell)?))
    }

    /// Returns the uuid of the provider with this usage cell, from which something is held.
    fn uuid_of(&self, usage: Cell) -> Result<Uuid> {
        self.provider_of(usage).map(|provider| provider.uuid)
    }

    /// Returns the words that the provider's usage cell has in the fork.
    fn words(&self, provider: &Provider) -> Result<Vec<u64>> {
        let words = self.words_of(self.core().forest.usage_cell(provider)?)?;
        self.noting_existence(provider, provider.check_life(UsageWords(&words[..]).life()))?;
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

    /// Returns the state of the consumer in the fork.
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

    /// Returns the words that the usage cells would have with the claim in the place of `held`, and
    /// the claim's lines.
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

    /// Returns the claim's lines, sorted out, with a line for each link of its chains.
    fn expand(&self, claim: &Claim) -> Result<Vec<Line>> {
        let mut lines = claim.lines.to_vec();
        for chain in &claim.chains {
            self.climb(chain, &mut lines)?;
        }
        sort_out(&mut lines)?;
        Ok(lines)
    }

    /// Returns whether the consumer holds exactly what the claim asks for, from providers that the
    /// claim's handles still mean.
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

    /// Adds a line for each provider of the chain that has an inventory of the class.
    fn climb(&self, chain: &Line, lines: &mut Vec<Line>) -> Result<()> {
        let before = lines.len();
        let class = chain.class.number();
        for provider in self.noted_chain(&chain.provider)? {
            let has = UsageWords(&self.words(&provider)?[..]).find(class).is_some();
            // Inventories that the fork has set rest on the provider's generation.
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

    /// Returns the words that the usage cells would have with `wanted` in the place of `held`.
    fn exchange(&self, held: &[Held], wanted: &[Line]) -> Result<Staged> {
        // Holds, for each cell and class, what is held, and the line that is wanted.
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
            self.noting_existence(&provider, provider.check_life(UsageWords(&words[..]).life()))?;
            self.note_usage(&provider, class)?;
            if wanted > held {
                self.note_cordon(&provider)?;
            }
            let change = Change { handle: line.map(|line| &line.provider), class };
            let changed = change.checked(words, self.core(), held, wanted);
            let (at, used) = changed.map_err(|abort| match abort {
                Abort::Reject(error) => error,
                // Everything in a snapshot is of one instant, so that nothing can contradict
                // itself.
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
                let found = self.base.read_forest(|mut past| past.configuration(&provider))?;
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

/// Notes what the fork's answers rest on, as it is in the snapshot.
impl Fork {
    fn note(&self, provider: &Provider, fact: Fact) {
        let mut read = self.read.borrow_mut();
        read.providers.entry(*provider).or_insert_with(|| Facts::of(true)).add(fact);
    }

    /// Notes from `answer` whether the provider exists.
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

    /// Applies `read` to the words that the provider's usage cell has in the snapshot.
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

    /// Notes what setting inventories rests on: the provider's generation, and how much is used of
    /// each class whose inventory is dropped.
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

    /// Notes whether the provider is cordoned, and where the provider is: the fork may have
    /// cordoned one of its ancestors.
    fn note_cordon(&self, provider: &Provider) -> Result<()> {
        let cordoned = self.in_snapshot(provider, |words| words.is_cordoned())?;
        self.note(provider, Fact::Cordoned(cordoned));
        if !self.cordons.is_empty() {
            self.noted_chain(provider)?;
        }
        Ok(())
    }

    /// Returns the provider and its ancestors, and notes them as such.
    fn noted_chain(&self, provider: &Provider) -> Result<Vec<Provider>> {
        let mut chain = vec![*provider];
        chain.extend(self.noting_existence(provider, self.base.ancestors(provider))?);
        let above = chain.iter().skip(1).map(|parent| parent.cell);
        for (one, parent) in chain.iter().zip(above.chain([self.core().forest.super_root])) {
            self.note(one, Fact::Parent(Some(parent)));
        }
        Ok(chain)
    }
}

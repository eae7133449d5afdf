//! Forks: private what-ifs on a snapshot.

mod difference;
mod facts;
mod overlay;

use std::cell::RefCell;
use std::collections::BTreeMap;

use uuid::Uuid;

use self::facts::Reads;
use self::overlay::{Cells, Overlay};
use crate::claim::engine::{exchange, expand, holds_exactly, put};
use crate::claim::{Allocation, Allocations, Claim, Core, Line, Question, Rules};
use crate::error::{Error, Result};
use crate::forest::{Draft, Expect, Provider, all_usages, relayout, rewrite_usage, set_cordon_in};
use crate::inventory::{Inventories, Usage};
use crate::layout::{
    Amounts, ConsumerWords, Held, Structure, UsageWords, check_count, structure_of, usage_of,
};
use crate::ledger::{Abort, Cell, Reader};
use crate::resource_class::ResourceClass;
use crate::view::snapshot::Snapshot;

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
    /// The words of the cells that differ from the snapshot.
    cells: Cells,
    inventories: BTreeMap<Cell, NewInventories>,
    consumers: BTreeMap<Uuid, Tenancy>,
    /// The cordons that the fork has set or ended, by structure cell.
    cordons: BTreeMap<Cell, Cordoning>,
    /// What the fork was asked about, as it is in the snapshot.
    reads: RefCell<Reads>,
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

impl Snapshot {
    /// Begins a private what-if on this snapshot. O(1).
    pub fn fork(&self) -> Fork {
        Fork {
            base: self.clone(),
            cells: Cells::default(),
            inventories: BTreeMap::new(),
            consumers: BTreeMap::new(),
            cordons: BTreeMap::new(),
            reads: RefCell::default(),
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
        claim.check(&self.core().forest)?;
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
        self.change(|overlay, fork| exchange(overlay, fork, &tenancy.held, &[]))?;
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
        let generation = self.look(provider, Question::Generation, |usage| usage.generation())?;
        let capacities = inventories.capacities()?;
        self.note_dropped(provider, &inventories)?;
        let cell = usage_of(provider.cell);
        self.change(|overlay, _| {
            let place = overlay.open(cell)?;
            let classes = relayout(UsageWords(overlay.words(place)), &capacities, 0)
                .map_err(|used| used.error(provider.uuid))?;
            // Names no configuration of the forest: the provider's configuration is the fork's own.
            rewrite_usage(overlay, place, Expect::Any.next(generation), 0, &classes);
            Ok(())
        })?;
        let before = self.inventories.get(&cell).map_or(generation, |earlier| earlier.before);
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
        let mut overlay = Overlay::of(self);
        let fits = self.stage(&mut overlay, claim, &[], false);
        fits.map(drop).map_err(|abort| self.error(abort))
    }

    /// Returns the capacity and the use of one class.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot,
    /// [`NoInventory`](Error::NoInventory) if it has no inventory of `class`.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let number = class.number();
        let usage = self.look(provider, Question::Usage(number), |usage| usage.find(number))?;
        let usage = usage.map(Amounts::usage);
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Returns the capacity and the use of all classes, in the order of the classes.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        self.look(provider, Question::Usages, all_usages)
    }

    /// Returns whether `provider` or one of its ancestors is cordoned.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn is_cordoned(&self, provider: &Provider) -> Result<bool> {
        self.look(provider, Question::Cordoned, |usage| usage.is_cordoned())
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
            let provider = self.provider_of(*usage)?.uuid;
            allocations.push(Allocation { provider, class, amount: *amount });
        }
        let generation = tenancy.generation();
        Ok(Some(Allocations { consumer, generation, deadline: tenancy.deadline, allocations }))
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
        let structure = self.base.read(|past| past.read(cell, Structure::of_words))?;
        Ok(self.core().forest.handle(cell, &structure))
    }

    /// Applies `read` to what the fork has in the usage cell of `provider`, and notes that the
    /// result rests on `question`.
    fn look<T>(
        &self,
        provider: &Provider,
        question: Question,
        read: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Result<T> {
        let cell = self.core().forest.usage_cell(provider)?;
        self.note(cell, Some(provider), question).map_err(|torn| self.error(torn.into()))?;
        let words = self.words(cell)?;
        let usage = UsageWords(&words[..]);
        provider.check_life(usage.life())?;
        Ok(read(usage))
    }

    /// Returns the state of the consumer in the fork.
    fn tenancy(&self, consumer: Uuid) -> Result<Tenancy> {
        if let Some(tenancy) = self.consumers.get(&consumer) {
            return Ok(tenancy.clone());
        }
        let Some(cell) = self.base.consumer_cell(consumer)? else {
            self.reads.borrow_mut().absent.insert(consumer);
            return Ok(Tenancy::default());
        };
        self.reads.borrow_mut().consumers.insert(cell, consumer);
        self.base.read(|past| {
            past.read(cell, |words| {
                let words = ConsumerWords(words);
                Tenancy {
                    before: Some(words.generation()),
                    deadline: words.deadline(),
                    held: words.held().collect(),
                    ..Tenancy::default()
                }
            })
        })
    }

    /// Makes a change of cells, or none if `body` fails.
    fn change<T>(
        &mut self,
        body: impl FnOnce(&mut Overlay<'_>, &Fork) -> Result<T, Abort<Error>>,
    ) -> Result<T> {
        let mut overlay = Overlay::of(self);
        let value = body(&mut overlay, self).map_err(|abort| self.error(abort))?;
        let changed = overlay.into_changed();
        self.cells.extend(changed);
        Ok(value)
    }

    /// Returns the error for a change that was given up. Everything in a snapshot is of one
    /// instant, so a contradiction means that the snapshot can't be read any more.
    fn error(&self, abort: Abort<Error>) -> Error {
        match abort {
            Abort::Reject(error) => error,
            Abort::Torn => Error::SnapshotTooOld { version: self.base.version() },
        }
    }

    /// Puts the claim in the place of what the consumer holds.
    fn put(&mut self, claim: &Claim, mut tenancy: Tenancy) -> Result<()> {
        let is_leased = tenancy.deadline.is_some();
        let lines =
            self.change(|overlay, fork| fork.stage(overlay, claim, &tenancy.held, is_leased))?;
        tenancy.held = lines.iter().map(Line::held).collect();
        tenancy.claim = Some(claim.clone());
        tenancy.is_changed = true;
        self.consumers.insert(claim.consumer(), tenancy);
        Ok(())
    }

    /// Puts the claim in the place of `held`, and returns the claim's lines.
    fn stage(
        &self,
        overlay: &mut Overlay<'_>,
        claim: &Claim,
        held: &[Held],
        is_leased: bool,
    ) -> Result<Vec<Line>, Abort<Error>> {
        claim.check(&self.core().forest)?;
        let mut lines = Vec::new();
        expand(overlay, self, claim, &mut lines)?;
        put(overlay, self, claim, held, &lines)?;
        check_count(lines.len(), is_leased)?;
        Ok(lines)
    }

    /// Returns whether the consumer holds exactly what the claim asks for, from providers that the
    /// claim's handles still mean.
    fn holds_exactly(&self, tenancy: &Tenancy, claim: &Claim) -> Result<bool> {
        let mut overlay = Overlay::of(self);
        let mut lines = Vec::new();
        let equal = expand(&mut overlay, self, claim, &mut lines)
            .and_then(|()| holds_exactly(&mut overlay, self, &tenancy.held, &lines));
        match equal {
            Ok(equal) => Ok(equal),
            Err(Abort::Reject(_)) => Ok(false),
            Err(torn) => Err(self.error(torn)),
        }
    }

    fn set_cordon(&mut self, provider: &Provider, own: bool) -> Result<bool> {
        self.look(provider, Question::Exists, |_| ())?;
        for below in self.base.subtree(provider)? {
            for question in [Question::Parent, Question::OwnCordon] {
                self.look(&below, question, |_| ())?;
            }
        }
        let changed = self.change(|overlay, _| set_cordon_in(overlay, provider, own))?;
        if changed {
            let before = self.cordons.get(&provider.cell).map_or(!own, |earlier| earlier.before);
            let cordoning = Cordoning { provider: *provider, before, now: own };
            self.cordons.insert(provider.cell, cordoning);
        }
        Ok(changed)
    }
}

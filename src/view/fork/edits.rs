//! What callers do with a fork: changes, and questions.

use uuid::Uuid;

use super::overlay::Overlay;
use super::state::{CordonChange, Fork, NewInventories, Tenancy};
use crate::claim::engine::{exchange, expand, holds_exactly, put};
use crate::claim::{Allocation, Allocations, Claim, Line, Question};
use crate::error::{Error, Result};
use crate::forest::{Draft, Expect, Provider, all_usages, relayout, rewrite_usage, set_cordon_in};
use crate::layout::{Amounts, Holding, Structure, UsageWords, check_count, usage_of};
use crate::ledger::Abort;
use crate::values::{Inventories, ResourceClass, Usage};
use crate::view::snapshot::Snapshot;

/// Changes the fork. A refused call has changed nothing in the fork.
impl Fork {
    /// Gives the claim's consumer, which must hold nothing, what the claim asks for. O(amounts).
    ///
    /// # Errors
    ///
    /// The errors of [`Worker::claim`](crate::Worker::claim), as of the fork.
    pub fn claim(&mut self, claim: &Claim) -> Result<()> {
        claim.check(&self.core().forest)?;
        let consumer = claim.named()?;
        let tenancy = self.tenancy(consumer)?;
        if tenancy.is_live() {
            let generation = tenancy.generation();
            let has_tag = claim.tag_after(tenancy.tag) == tenancy.tag;
            return Err(match has_tag && self.holds_exactly(&tenancy, claim)? {
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
        let tenancy = self.tenancy(claim.named()?)?;
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
        (tenancy.claim, tenancy.deadline, tenancy.tag) = (None, None, 0);
        (tenancy.is_changed, tenancy.is_ended) = (true, true);
        self.consumers.insert(consumer, tenancy);
        Ok(())
    }

    /// Replaces all inventories of `provider`. O(classes).
    ///
    /// # Errors
    ///
    /// The errors of [`ProviderTree::configure`](crate::ProviderTree::configure), as of
    /// the fork.
    pub fn set_inventories(&mut self, provider: &Provider, inventories: Inventories) -> Result<()> {
        self.look(provider, Question::Exists, |_| ())?;
        let capacities = inventories.capacities()?;
        let generation = self.look(provider, Question::Generation, |usage| usage.generation())?;
        self.note_dropped(provider, &inventories)?;
        let cell = usage_of(provider.cell);
        self.change(|overlay, fork| {
            let layouts = &fork.core().forest.layouts;
            let place = overlay.open(cell)?;
            let classes = relayout(UsageWords(overlay.words(place)), layouts, &capacities, 0)
                .map_err(|used| used.error(provider.uuid))?;
            // Names no configuration of the forest: the provider's configuration is the fork's own.
            rewrite_usage(overlay, place, Expect::Any.next(generation), 0, &classes, None);
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
        let fits = self.stage(&mut overlay, claim, &[]);
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
        let layouts = &self.core().forest.layouts;
        let usage =
            self.look(provider, Question::Usage(number), |usage| usage.find(layouts, number))?;
        let usage = usage.map(Amounts::usage);
        usage.ok_or(Error::NoInventory { provider: provider.uuid, class })
    }

    /// Returns the capacity and the use of all classes, in the order of the classes.
    ///
    /// # Errors
    ///
    /// [`Removed`](Error::Removed) if `provider` does not exist in the snapshot.
    pub fn usages(&self, provider: &Provider) -> Result<Vec<(ResourceClass, Usage)>> {
        let layouts = &self.core().forest.layouts;
        self.look(provider, Question::Usages, |usage| all_usages(usage, layouts))
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
        for Holding { usage, class, amount } in &tenancy.held {
            let class = ResourceClass::from_number(*class);
            let provider = self.provider_of(*usage)?;
            allocations.push(Allocation::of(&provider, class, *amount));
        }
        let generation = tenancy.generation();
        let Tenancy { deadline, tag, .. } = tenancy;
        Ok(Some(Allocations { consumer, generation, deadline, tag, allocations }))
    }
}

impl Fork {
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

    /// Puts the claim in the place of what the consumer holds.
    fn put(&mut self, claim: &Claim, mut tenancy: Tenancy) -> Result<()> {
        let lines = self.change(|overlay, fork| fork.stage(overlay, claim, &tenancy.held))?;
        tenancy.held = lines.iter().map(Line::held).collect();
        tenancy.tag = claim.tag_after(tenancy.tag);
        // The difference puts this claim in the place of what the snapshot has.
        tenancy.claim = Some(claim.clone().with_tag(tenancy.tag));
        tenancy.is_changed = true;
        self.consumers.insert(claim.named()?, tenancy);
        Ok(())
    }

    /// Puts the claim in the place of `held`, and returns the claim's lines.
    fn stage(
        &self,
        overlay: &mut Overlay<'_>,
        claim: &Claim,
        held: &[Holding],
    ) -> Result<Vec<Line>, Abort<Error>> {
        claim.check(&self.core().forest)?;
        let mut lines = Vec::new();
        expand(overlay, self, claim, &mut lines)?;
        put(overlay, self, claim, held, &lines)?;
        check_count(lines.len())?;
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
        self.look(provider, Question::OwnCordon, |_| ())?;
        if Structure::of_words(&self.words(provider.cell)?).cordon.own == own {
            return Ok(false);
        }
        // What the provider and its descendants inherit.
        if let Some(above) = self.base.parent(provider)? {
            self.is_cordoned(&above)?;
        }
        for below in self.base.subtree(provider)? {
            let noted = self.note_all(&below, &[Question::Parent, Question::OwnCordon]);
            noted.map_err(|torn| self.error(torn.into()))?;
        }
        let before = self.cordons.get(&provider.cell).map_or(!own, |earlier| earlier.before);
        self.change(|overlay, _| set_cordon_in(overlay, provider, own))?;
        let change = CordonChange { provider: *provider, before, now: own };
        self.cordons.insert(provider.cell, change);
        Ok(true)
    }
}

//! [`Eviction`]: whom to evict so that a request fits.

use uuid::Uuid;

use crate::claim::{Batch, Claim};
use crate::error::Result;
use crate::forest::{Expect, Provider};
use crate::layout::{Holding, usage_of};
use crate::ledger::Cell;
use crate::search::candidate::Candidate;
use crate::search::holders::Held;
use crate::search::picture::{Picture, Seat};
use crate::search::prepared::Prepared;
use crate::search::view::View;

/// Represents consumers that would have to go, and what would fit then; see [`View::evict`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Eviction {
    /// What fits without the victims.
    pub candidate: Candidate,
    /// The consumers that have to go.
    pub victims: Vec<Uuid>,
    /// What the victims cost together.
    pub cost: u64,
    /// The generation of each victim in the view.
    generations: Vec<u64>,
}

impl Eviction {
    /// Returns the batch that releases the victims and claims what the [candidate](Candidate::claim)
    /// gives, all at once or not at all. `claim` says for whom: a consumer, or a claim with a tag, or
    /// with chains of a quota, which the batch then takes too. The batch is refused as
    /// [`ConsumerConflict`](crate::Error::ConsumerConflict) if a victim has changed since the view
    /// has seen it.
    pub fn batch(&self, claim: impl Into<Claim>) -> Batch {
        let victims = self.victims.iter().zip(&self.generations);
        let release = |batch: Batch, (victim, generation): (&Uuid, &u64)| {
            batch.release(*victim, Expect::Generation(*generation))
        };
        victims.fold(Batch::new(), release).claim(self.candidate.claim(claim))
    }
}

impl View {
    /// Finds the root at which the request fits at the least cost if consumers go. `cost` returns
    /// what it costs to evict a consumer with this [tag](crate::Claim::with_tag), or `None` if the
    /// consumer may not be evicted. Where the tag is a priority, the tag alone may say so.
    ///
    /// In each tree the consumers go one by one, the cheapest first, until the request fits. Then
    /// those that have gone are gone through the other way, the dearest first: whoever can stay while
    /// the request still fits, stays. So no victim goes in vain, but others that hold more might cost
    /// less together. If the request fits as it is, nobody goes.
    ///
    /// O(consumers of the view) looks at a tree at most; trees that already cost more than the best
    /// one are given up early.
    ///
    /// # Errors
    ///
    /// Returns [`NoHolders`](crate::Error::NoHolders) if the view does not follow consumers, and
    /// [`ForeignRequest`](crate::Error::ForeignRequest) if the request was prepared for another
    /// view.
    ///
    /// ```
    /// use provider_tree::{Claim, Expect, Inventories, Inventory, ProviderTree, Request};
    /// use provider_tree::ResourceClass;
    /// use uuid::Uuid;
    ///
    /// let tree = ProviderTree::new();
    /// let host = tree.create_root("host-1", None)?;
    /// let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
    /// tree.configure(&host, vcpu, Expect::Any)?;
    /// let mut worker = tree.worker()?;
    /// let four = || Claim::unnamed().take(&host, ResourceClass::VCPU, 4);
    /// let low = worker.claim(&four().with_tag(1))?.consumer;
    /// let high = worker.claim(&four().with_tag(9))?.consumer;
    ///
    /// let mut view = tree.view().with_holders()?;
    /// let mut request = view.prepare(&Request::new().take(ResourceClass::VCPU, 2))?;
    /// // A job of priority 5 may evict those of lower priority, which cost as much as their own.
    /// let cost = |_, priority| (priority < 5).then_some(priority);
    /// let eviction = view.evict(&mut request, cost)?.expect("one job may go");
    /// assert_eq!((&eviction.victims[..], eviction.cost), (&[low][..], 1));
    /// let urgent = Uuid::new_v4();
    /// worker.commit(&eviction.batch(urgent))?;
    /// view.refresh(); // The view learns who has gone.
    /// assert_eq!(view.holders(&host)?.len(), 2);
    /// # let _ = high;
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn evict(
        &mut self,
        prepared: &mut Prepared,
        mut cost: impl FnMut(Uuid, u64) -> Option<u64>,
    ) -> Result<Option<Eviction>> {
        if let Some(candidate) = self.candidates(prepared)?.next() {
            let (victims, generations) = Default::default();
            return Ok(Some(Eviction { candidate, victims, cost: 0, generations }));
        }
        let (picture, holders) = self.parts()?;
        let mut best: Option<Eviction> = None;
        let mut victims: Vec<Victim> = Vec::new();
        for tree in 0..picture.trees.len() as u32 {
            if !picture.trees[tree as usize].is_live() || prepared.plan(picture, tree).is_err() {
                continue;
            }
            victims.clear();
            for provider in picture.members(tree) {
                for (cell, held) in holders.of(usage_of(provider.cell)) {
                    if victims.iter().all(|victim| victim.cell != cell)
                        && let Some(cost) = cost(held.consumer, held.tag)
                    {
                        victims.push(Victim { cell, cost, held: held.clone() });
                    }
                }
            }
            if victims.is_empty() {
                continue;
            }
            victims.sort_by_key(|victim| victim.cost);
            let least = best.as_ref().map_or(u64::MAX, |best| best.cost);
            if let Some(found) = evict_from(picture, prepared, tree, &victims, least) {
                best = Some(found);
            }
        }
        Ok(best)
    }
}

/// Describes a consumer that may go.
struct Victim {
    cell: Cell,
    cost: u64,
    held: Held,
}

/// Finds out who has to go from `tree`, if that costs less than `least`. Leaves the picture as it
/// was.
fn evict_from(
    picture: &mut Picture,
    prepared: &mut Prepared,
    tree: u32,
    victims: &[Victim],
    least: u64,
) -> Option<Eviction> {
    let amounts = picture.amounts_of(tree).to_vec();
    let mut gone = 0;
    let mut sum = 0_u64;
    let mut fits = false;
    while !fits && gone < victims.len() {
        // What goes last stays most seldom, so that its cost alone tells.
        if victims[gone].cost >= least {
            break;
        }
        picture.lend(tree, &victims[gone].held.holdings);
        gone += 1;
        fits = prepared.fits(picture, tree);
    }
    let mut leave: Vec<&Victim> = Vec::new();
    let mut stay: Vec<&Victim> = Vec::new();
    let mut found = None;
    if fits {
        for victim in victims[..gone].iter().rev() {
            picture.take_back(tree, &victim.held.holdings);
            if prepared.fits(picture, tree) {
                stay.push(victim);
            } else {
                picture.lend(tree, &victim.held.holdings);
                leave.push(victim);
                sum = sum.saturating_add(victim.cost);
            }
        }
        if sum < least {
            found = prepared.fits(picture, tree).then(|| Eviction {
                candidate: prepared.candidate(picture),
                victims: leave.iter().map(|victim| victim.held.consumer).collect(),
                cost: sum,
                generations: leave.iter().map(|victim| victim.held.generation).collect(),
            });
        }
    }
    // Not by giving back: where a consumer has gone already, less was lent than it held.
    picture.amounts_of(tree).copy_from_slice(&amounts);
    found
}

impl Picture {
    /// Returns the providers of `tree`.
    fn members(&self, tree: u32) -> impl Iterator<Item = Provider> {
        let members = self.make(tree).members.len() as u32;
        (0..members).map(move |position| self.provider(Seat { tree, position }))
    }

    /// Counts what is held of the providers of `tree` as free, without summing up.
    fn lend(&mut self, tree: u32, holdings: &[Holding]) {
        self.each_held(tree, holdings, |used, amount| used.saturating_sub(amount));
    }

    /// Takes back what [`lend`](Self::lend) has done.
    fn take_back(&mut self, tree: u32, holdings: &[Holding]) {
        self.each_held(tree, holdings, |used, amount| used.saturating_add(amount));
    }

    fn each_held(&mut self, tree: u32, holdings: &[Holding], change: impl Fn(u64, u64) -> u64) {
        for Holding { usage, class, amount } in holdings {
            let Some(seat) = self.seat_of_cell(*usage) else { continue };
            if seat.tree == tree {
                self.change_used(seat, *class, |used| change(used, *amount));
            }
        }
    }
}

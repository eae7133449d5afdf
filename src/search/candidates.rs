//! [`Candidates`]: the candidates for a request, one after the other.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::iter::FusedIterator;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::forest::Forest;
use crate::search::candidate::Candidate;
use crate::search::fit::Fit;
use crate::search::lot::Lot;
use crate::search::member::Member;
use crate::search::order::{Order, Spot};
use crate::search::picture::{Picture, Seat};
use crate::search::prepared::Prepared;
use crate::search::ranking::Next;
use crate::search::scene::{First, Key, Steps, Taste};

/// Goes through the candidates for a request; see [`View::candidates`](crate::View::candidates).
///
/// The work is done when a candidate is asked for. First comes one candidate of each root that has
/// any, then a second one of each root that has another, and so on: a limit bounds the work, and no
/// root is left out because another one has many candidates.
#[must_use = "candidates are found as they are asked for"]
pub struct Candidates<'a> {
    picture: &'a Picture,
    prepared: &'a mut Prepared,
    /// Where the first round goes on, and where it began.
    next: usize,
    start: usize,
    is_around: bool,
    order: Option<&'a Order>,
    /// Where the first round goes on in the order of the view, if it goes by that.
    spot: Option<Spot>,
    /// Draws the trees of the first round, if they go by lot.
    lot: Option<Lot>,
    /// Tells the trees of the first round, if they go by a ranking.
    ranking: Option<&'a mut (dyn Next + 'static)>,
    /// The one tree to look at, if there is only one.
    only: Option<usize>,
    /// Whether each tree is still looked at for the first time.
    is_first_round: bool,
    /// Whether the tree that was looked at last has given a candidate.
    has_found: bool,
    /// Counts the trees of the first round that were asked again.
    repeated: usize,
    /// The trees that have given two candidates or more, in the order in which they are asked again.
    later: VecDeque<Fit>,
    /// The candidates of sharing providers alone, which each tree that they share with has.
    shared: HashSet<SmallVec<[Seat; 4]>, FixedState>,
    rest: usize,
    taste: Taste<'static>,
    /// By what the providers of one tree come instead of by `taste`, if the caller says so.
    key: Option<Box<Key<'a>>>,
    steps: Steps<'a>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        forest: &Forest,
        picture: &'a Picture,
        order: Option<&'a Order>,
        prepared: &'a mut Prepared,
    ) -> Self {
        prepared.catch_up(forest, picture, order);
        Self::up_to_date(picture, order, prepared)
    }

    /// Goes through the trees in the order of `ranking`.
    pub(super) fn ranked(
        picture: &'a Picture,
        prepared: &'a mut Prepared,
        ranking: &'a mut (dyn Next + 'static),
    ) -> Self {
        Candidates { ranking: Some(ranking), ..Self::up_to_date(picture, None, prepared) }
    }

    /// Returns candidates for a request that has learned what has changed in the picture.
    fn up_to_date(
        picture: &'a Picture,
        order: Option<&'a Order>,
        prepared: &'a mut Prepared,
    ) -> Self {
        prepared.again.clear();
        let rest = prepared.form.request.limit.unwrap_or(usize::MAX);
        Candidates {
            picture,
            prepared,
            next: 0,
            start: 0,
            is_around: false,
            order,
            spot: None,
            lot: None,
            ranking: None,
            only: None,
            is_first_round: true,
            has_found: false,
            repeated: 0,
            later: VecDeque::new(),
            shared: HashSet::default(),
            rest,
            taste: Taste::default(),
            key: None,
            steps: Steps::unbounded(),
        }
    }

    /// Begins at a place among the roots that `seed` decides, goes to the last root, and then from
    /// the first on. Threads with different seeds find different candidates first. Equal seeds give
    /// equal results.
    #[inline]
    pub fn seeded(mut self, seed: u64) -> Self {
        // The high half of a product spreads the seeds over all trees, near ones too.
        let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let trees = self.picture.trees.len() as u128;
        self.start = ((u128::from(spread) * trees) >> 64) as usize;
        self.next = self.start;
        self
    }

    /// Begins at the first root of a part of the roots, of `parts` about equal ones, goes to the
    /// last root, and then from the first on. A thread that has a part to itself meets no other
    /// thread there, and takes from the parts behind it when its own is full.
    #[inline]
    pub fn from_part(mut self, part: usize, parts: usize) -> Self {
        let trees = self.picture.trees.len() as u128;
        let parts = parts.max(1) as u128;
        self.start = (part as u128 % parts * trees / parts) as usize;
        self.next = self.start;
        self
    }

    /// Goes through the roots in the order of their keys, the least first, instead of in their own
    /// order, if the view has an [order](crate::View::order_by). Passes over roots with keys below
    /// `least`, which saves time if no such root can serve the request.
    ///
    /// Two keys may come in either order if they differ by no more than a 32nd of the lesser one;
    /// those below 64 come in order. So the first candidate is among the best, and is found without a
    /// look at the others.
    #[inline]
    pub fn in_order(mut self, least: u64) -> Self {
        self.spot = self.order.map(|order| order.from(least));
        self
    }

    /// Goes through the roots by lot, as `seed` decides: of the roots that have a candidate, each has
    /// the same chance to be the next. Whoever takes the best of a few looks at the first few.
    ///
    /// Costs what the roots cost that are looked at. Where few may serve the request, these are listed
    /// first, whenever there may be more of them than before: a few nanoseconds for each. Which roots
    /// come therefore depends on what was drawn before, too.
    #[inline]
    pub fn drawn(mut self, seed: u64) -> Self {
        self.lot = Some(Lot::new(seed));
        self
    }

    /// Tells identical providers of one parent apart. Six of eight equal GPUs are 28 candidates
    /// then, and otherwise one.
    #[inline]
    pub fn all(mut self) -> Self {
        self.taste.all = true;
        self
    }

    /// Lets the providers of one tree serve first that have least free, so that others stay whole.
    /// Otherwise those serve first that come first in the tree.
    #[inline]
    pub fn tightest(mut self) -> Self {
        self.taste.first = First::Tightest;
        self
    }

    /// Lets the providers of one tree serve in a random order, as `seed` decides.
    #[inline]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.taste.first = First::Shuffled(seed);
        self
    }

    /// Lets the providers of one tree serve first that have the least keys; of equal ones those that
    /// come first in the tree. Instead of [`tightest`](Self::tightest) or [`shuffled`](Self::shuffled).
    ///
    /// `key` is called once for each group and each provider of the tree that may serve it, the unnamed
    /// group too, and sees what is free before any group is served. `u64::MAX - member.free(class)` takes
    /// those first that have most free. So that groups do not all get the same provider, the request
    /// [isolates](crate::Request::isolate) them.
    #[inline]
    pub fn preferring(mut self, key: impl Fn(Member<'_>) -> u64 + 'a) -> Self {
        self.key = Some(Box::new(key));
        self
    }

    /// Looks at one tree alone: that of the root with this [number](crate::Root::number). A caller
    /// that draws roots by lot, or goes through them in an order of its own, uses this.
    #[inline]
    pub fn at(mut self, root: usize) -> Self {
        self.only = Some(root);
        self
    }

    /// Bounds the work: the candidates end after about this many steps. A step is one look at a
    /// tree or at a provider that may serve.
    #[inline]
    pub fn at_most_steps(mut self, steps: u64) -> Self {
        self.steps.most = steps;
        self
    }

    /// Lets the candidates end when `is_over` returns true. It is asked before each tree that may
    /// serve the request, and within a tree once in about 64 [steps](Self::at_most_steps).
    pub fn until(mut self, is_over: impl FnMut() -> bool + 'a) -> Self {
        self.steps.is_over = Some(Box::new(is_over));
        self
    }

    /// Returns how many steps were made so far.
    pub fn steps(&self) -> u64 {
        self.steps.made
    }

    /// Returns whether the candidates ended because the steps did, or since the caller wanted it.
    pub fn is_exhausted(&self) -> bool {
        self.steps.are_over()
    }

    #[inline]
    fn find(&mut self) -> bool {
        if self.has_found {
            self.set_aside();
        }
        while !self.steps.are_over() {
            self.steps.ask();
            if self.steps.are_over() {
                break;
            }
            let Some(is_new) = self.go_to_next() else { break };
            match self.advance() {
                true => match self.is_new() {
                    true => {
                        self.has_found = true;
                        return true;
                    }
                    false => self.set_aside(),
                },
                false if is_new && !self.steps.are_over() => self.prepared.close(),
                false => {}
            }
        }
        self.has_found = false;
        false
    }

    /// Goes to the next way in which the tree serves; returns false if there is none.
    #[inline]
    fn advance(&mut self) -> bool {
        let taste = match &self.key {
            Some(key) => Taste { first: First::By(&**key), ..self.taste },
            None => self.taste,
        };
        self.prepared.advance(self.picture, taste, &mut self.steps)
    }

    /// Goes to the next tree, and returns whether it is looked at for the first time; returns `None`
    /// if there is none.
    #[inline]
    fn go_to_next(&mut self) -> Option<bool> {
        if self.is_first_round {
            if let Some(tree) = self.next_tree() {
                self.prepared.begin(tree);
                return Some(true);
            }
            self.is_first_round = false;
        }
        if let Some(&tree) = self.prepared.again.get(self.repeated) {
            self.repeated += 1;
            self.prepared.begin(tree);
            // Goes to the candidate that was returned in the first round.
            self.advance();
        } else {
            self.prepared.fit = self.later.pop_front()?;
        }
        Some(false)
    }

    /// Keeps a tree that has given a candidate, to be asked again after the others.
    #[inline]
    fn set_aside(&mut self) {
        match self.is_first_round {
            // To find its first candidate again costs less than to keep the search, since most callers
            // want no second one.
            true => self.prepared.again.push(self.prepared.fit.tree),
            false => self.later.push_back(std::mem::take(&mut self.prepared.fit)),
        }
    }

    /// Returns the next tree of the first round.
    fn next_tree(&mut self) -> Option<u32> {
        if let Some(only) = self.only {
            let is_first = std::mem::replace(&mut self.next, usize::MAX) != usize::MAX;
            return is_first.then_some(only as u32).filter(|_| {
                self.steps.made += 1;
                self.prepared.may_serve_at(self.picture, only)
            });
        }
        if let Some(ranking) = &mut self.ranking {
            self.steps.made += 1;
            return ranking.next();
        }
        if let Some(lot) = &mut self.lot {
            return self.prepared.next_drawn(self.picture, lot, &mut self.steps);
        }
        if let Some(spot) = self.spot
            && let Some(order) = self.order
        {
            let (prepared, steps) = (&mut *self.prepared, &mut self.steps);
            let (spot, tree) = prepared.next_in_order(self.picture, order, spot, steps)?;
            self.spot = Some(spot.after());
            return Some(tree);
        }
        let found = self.prepared.next_tree(self.picture, self.next, &mut self.steps);
        let found = match found {
            Some(tree) => Some(tree),
            None if self.is_around => None,
            None => {
                self.is_around = true;
                self.prepared.next_tree(self.picture, 0, &mut self.steps)
            }
        };
        let found = found.filter(|&tree| !self.is_around || (tree as usize) < self.start);
        match found {
            Some(tree) => self.next = tree as usize + 1,
            None => (self.next, self.start) = (usize::MAX, 0),
        }
        found
    }

    /// Returns whether what was found is not of sharing providers alone and was returned before.
    #[inline]
    fn is_new(&mut self) -> bool {
        let sharing = &self.picture.sharing;
        let seats = self.prepared.fit.seats();
        // Each tree that they share with has this candidate, and their own tree may have it. Which
        // of the slots that are alike is whose depends on the tree.
        let sorted = || {
            let mut sorted: SmallVec<[Seat; 4]> = seats.into();
            let mut rest = &mut sorted[..];
            for slot in self.prepared.form.slots.iter().filter(|slot| !slot.is_twin) {
                let (alike, others) = rest.split_at_mut(slot.alike);
                alike.sort_unstable();
                rest = others;
            }
            sorted
        };
        sharing.is_empty()
            || !seats.iter().all(|seat| sharing.binary_search(seat).is_ok())
            || self.shared.insert(sorted())
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    #[inline]
    fn next(&mut self) -> Option<Candidate> {
        self.rest = self.rest.checked_sub(1)?;
        if !self.find() {
            self.rest = 0;
            return None;
        }
        Some(self.prepared.candidate(self.picture))
    }
}

impl FusedIterator for Candidates<'_> {}

impl fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("steps", &self.steps.made).finish_non_exhaustive()
    }
}

//! [`Prepared`]: a request, prepared to be asked of one view again and again.

use std::fmt;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::error::{Error, Result};
use crate::forest::Forest;
use crate::search::bits::{Bits, WORD};
use crate::search::candidate::Candidate;
use crate::search::fit::Fit;
use crate::search::form::{Form, Need};
use crate::search::lot::{Lot, Pool};
use crate::search::order::{Order, Spot};
use crate::search::picture::{Picture, Seat};
use crate::search::plan::{Obstacle, Plan};
use crate::search::request::Request;
use crate::search::scene::{Scene, Steps, Taste};

/// Holds a request, prepared for one [`View`](crate::View).
///
/// It remembers which trees can't serve the request as they are. Such a tree is not looked at again
/// before something of it, or of a sharing provider, has become free, or the tree has another structure
/// or configuration. So a search that a scheduler makes again and again costs as much as what has
/// changed meanwhile, not as much as there are trees.
pub struct Prepared {
    pub(super) form: Arc<Form>,
    /// Tells the view that the request is prepared for.
    view: Arc<()>,
    epoch: u64,
    /// Which providers may serve, for each make that was met.
    plans: Vec<Option<Result<Plan, Obstacle>>>,
    /// The trees that are not known to be unable to serve the request as they are.
    open: Bits,
    /// Lists them, if trees are drawn by lot and few are open.
    pool: Pool,
    /// Counts the events of growth that `open` knows of.
    grown: u64,
    shared_growth: u64,
    /// The buckets of the view's order that are not known to have no open tree.
    buckets: Bits,
    /// Counts the moves in the order that `buckets` knows of; `None` if it knows nothing.
    moved: Option<u64>,
    /// What a tree has to have free itself.
    needs: Vec<Need>,
    /// The tree that each slot's provider has to be in.
    trees: SmallVec<[Option<u32>; 8]>,
    /// The search of one tree, and the trees that were found to serve; here to be used again.
    pub(super) fit: Fit,
    pub(super) again: Vec<u32>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("request", &self.form.request).finish_non_exhaustive()
    }
}

impl Prepared {
    pub(super) fn new(view: &Arc<()>, request: &Request) -> Self {
        let form = Arc::new(Form::new(request));
        Prepared {
            trees: smallvec![None; form.slots.len()],
            form,
            view: Arc::clone(view),
            epoch: u64::MAX,
            plans: Vec::new(),
            open: Bits::default(),
            pool: Pool::default(),
            grown: 0,
            shared_growth: 0,
            buckets: Bits::default(),
            moved: None,
            needs: Vec::new(),
            fit: Fit::default(),
            again: Vec::new(),
        }
    }

    /// Returns the request.
    pub fn request(&self) -> &Request {
        &self.form.request
    }

    pub(super) fn check_view(&self, view: &Arc<()>) -> Result<()> {
        match Arc::ptr_eq(&self.view, view) {
            true => Ok(()),
            false => Err(Error::ForeignRequest),
        }
    }

    /// Learns what has changed in the picture since the last time.
    pub(super) fn catch_up(&mut self, forest: &Forest, picture: &Picture, order: Option<&Order>) {
        if self.epoch != picture.epoch {
            self.plans.clear();
            self.needs = self.own_needs(picture);
        }
        if self.form.names_trees {
            let tree_of = |uuid| picture.tree_of_uuid(forest, uuid).unwrap_or(NOWHERE);
            let slots = self.form.slots.iter();
            self.trees = slots.map(|slot| self.form.group(slot).in_tree.map(tree_of)).collect();
        }
        match picture.grown.since(self.grown) {
            Some(grown) if self.epoch == picture.epoch && !self.may_share_growth(picture) => {
                for tree in grown {
                    let make = picture.trees[tree as usize].make as usize;
                    // A tree whose make can't serve the request stays closed.
                    if !matches!(self.plans.get(make), Some(Some(Err(_)))) {
                        if !self.open.has(tree as usize) {
                            self.open.insert(tree as usize);
                            self.pool.forget();
                        }
                        match order.and_then(|order| order.bucket(tree)) {
                            Some(bucket) => self.buckets.insert(bucket),
                            None => self.moved = None,
                        }
                    }
                }
            }
            _ => {
                self.open = Bits::all_below(picture.trees.len());
                self.pool.forget();
                self.moved = None;
            }
        }
        self.grown = picture.grown.count();
        self.shared_growth = picture.shared_growth;
        self.epoch = picture.epoch;
    }

    /// Returns whether more is free of sharing providers, and the request can make use of that.
    fn may_share_growth(&self, picture: &Picture) -> bool {
        self.shared_growth != picture.shared_growth && self.may_be_shared()
    }

    /// Returns whether sharing providers may serve the request.
    pub(super) fn may_be_shared(&self) -> bool {
        self.needs.len() < self.form.needs.len()
            || self.form.slots.iter().any(|slot| slot.amounts.is_empty())
    }

    /// Returns what can't come from sharing providers.
    fn own_needs(&self, picture: &Picture) -> Vec<Need> {
        let has_class = |seat: &Seat, class| {
            let make = picture.make(seat.tree);
            picture.kind(make, seat.position).position(class).is_some()
        };
        let is_shared = |class| picture.sharing.iter().any(|seat| has_class(seat, class));
        self.form.needs.iter().filter(|need| !is_shared(need.class)).copied().collect()
    }

    /// Returns the first tree from `from` on that may serve the request, passing over those that
    /// have too little free.
    #[inline]
    pub(super) fn next_tree(
        &mut self,
        picture: &Picture,
        mut from: usize,
        steps: &mut Steps<'_>,
    ) -> Option<u32> {
        let mut looked_at = usize::MAX;
        loop {
            let tree = self.open.next(from)?;
            if steps.are_over() {
                return None;
            }
            steps.made += 1;
            let run = tree / WORD;
            if run != looked_at {
                looked_at = run;
                let has = |need: &Need| {
                    picture.column(need.class).is_some_and(|column| column.run(run) >= need.most)
                };
                if !self.needs.iter().all(has) {
                    self.open.clear_word(run);
                    from = (run + 1) * WORD;
                    continue;
                }
            }
            if self.may_serve(picture, tree) {
                return Some(tree as u32);
            }
            from = tree + 1;
        }
    }

    /// Returns a tree that may serve the request, by lot.
    #[inline]
    pub(super) fn next_drawn(
        &mut self,
        picture: &Picture,
        lot: &mut Lot,
        steps: &mut Steps<'_>,
    ) -> Option<u32> {
        let Prepared { open, pool, needs, .. } = self;
        let drawn = lot
            .draw(open, pool, picture.trees.len(), |tree| may_be_next(needs, picture, steps, tree));
        drawn.map(|tree| tree as u32)
    }

    /// Returns the first tree from `from` on, in the order of the view, that may serve the request,
    /// and its place.
    #[inline]
    pub(super) fn next_in_order(
        &mut self,
        picture: &Picture,
        order: &Order,
        from: Spot,
        steps: &mut Steps<'_>,
    ) -> Option<(Spot, u32)> {
        self.follow_order(order);
        let Prepared { open, buckets, needs, .. } = self;
        order.next(from, open, buckets, |tree| may_be_next(needs, picture, steps, tree))
    }

    /// Learns which trees have moved in the order of the view.
    #[inline]
    fn follow_order(&mut self, order: &Order) {
        match self.moved.and_then(|seen| order.moved.since(seen)) {
            Some(moved) => {
                for tree in moved.filter(|tree| self.open.has(*tree as usize)) {
                    if let Some(bucket) = order.bucket(tree) {
                        self.buckets.insert(bucket);
                    }
                }
            }
            None => self.buckets = order.all_buckets(),
        }
        self.moved = Some(order.moved.count());
    }

    /// Returns whether `tree` has enough free of each class, as far as its sums tell. Notes if not.
    #[inline]
    fn may_serve(&mut self, picture: &Picture, tree: usize) -> bool {
        let may_serve = may_serve(&mut self.needs, picture, tree);
        if !may_serve {
            self.open.remove(tree);
        }
        may_serve
    }

    /// Returns whether the tree with this number may serve the request.
    pub(super) fn may_serve_at(&mut self, picture: &Picture, tree: usize) -> bool {
        self.open.has(tree) && self.may_serve(picture, tree)
    }

    /// Returns whether the tree with this number may serve the request, as far as its sums tell and what
    /// its providers are. Notes if not.
    #[inline]
    pub(super) fn may_serve_by_plan(&mut self, picture: &Picture, tree: u32) -> bool {
        if !self.may_serve_at(picture, tree as usize) {
            return false;
        }
        let has_plan = self.plan(picture, tree).is_ok();
        if !has_plan {
            self.open.remove(tree as usize);
        }
        has_plan
    }

    /// Returns whether the tree is not known to be unable to serve the request as it is.
    #[inline]
    pub(super) fn is_open(&self, tree: u32) -> bool {
        self.open.has(tree as usize)
    }

    /// Returns the first class of which `tree` has too little free.
    pub(super) fn shortage(&self, picture: &Picture, tree: u32) -> Option<u16> {
        let lacks = |need: &&Need| !picture.has_enough(tree as usize, need);
        self.needs.iter().filter(lacks).map(|need| need.class).min()
    }

    /// Notes that the tree which was looked at last can't serve the request as it is.
    pub(super) fn close(&mut self) {
        self.open.remove(self.fit.tree as usize);
    }

    /// Returns which providers of `tree` may serve the request.
    #[inline]
    pub(super) fn plan(&mut self, picture: &Picture, tree: u32) -> Result<&Plan, Obstacle> {
        let make = picture.trees[tree as usize].make as usize;
        if make >= self.plans.len() {
            self.plans.resize_with(make + 1, || None);
        }
        let plan = self.plans[make]
            .get_or_insert_with(|| Plan::new(picture, picture.make(tree), &self.form));
        plan.as_ref().map_err(|obstacle| *obstacle)
    }

    /// Lets [`advance`](Self::advance) begin with `tree`.
    #[inline]
    pub(super) fn begin(&mut self, tree: u32) {
        self.fit.begin(tree);
    }

    /// Goes to the next way in which the tree serves the request; returns false if there is none.
    #[inline]
    pub(super) fn advance(
        &mut self,
        picture: &Picture,
        taste: Taste<'_>,
        steps: &mut Steps<'_>,
    ) -> bool {
        if steps.are_over() {
            return false;
        }
        if self.plan(picture, self.fit.tree).is_err() {
            return false;
        }
        let Prepared { form, plans, trees, fit, .. } = self;
        let make = picture.trees[fit.tree as usize].make as usize;
        let Some(Some(Ok(plan))) = plans.get(make) else { return false };
        fit.next(&Scene { picture, form, plan, trees, taste }, steps)
    }

    /// Returns whether `tree` serves the request, and goes to the first way.
    pub(super) fn fits(&mut self, picture: &Picture, tree: u32) -> bool {
        self.begin(tree);
        self.advance(picture, Taste::default(), &mut Steps::unbounded())
    }

    /// Returns the candidate that the last search has gone to.
    #[inline]
    pub(super) fn candidate(&self, picture: &Picture) -> Candidate {
        Candidate {
            form: Arc::clone(&self.form),
            root: picture.root(self.fit.tree),
            providers: self.fit.seats().iter().map(|&seat| picture.provider(seat)).collect(),
        }
    }
}

/// Returns whether `tree` has enough free of each class, as far as its sums tell. Puts the class first
/// that it lacks: most often others lack that too.
#[inline(always)]
fn may_serve(needs: &mut [Need], picture: &Picture, tree: usize) -> bool {
    let lacks = |need: &Need| !picture.has_enough(tree, need);
    match needs.iter().position(lacks) {
        Some(0) => false,
        Some(at) => {
            needs.swap(0, at);
            false
        }
        None => picture.trees[tree].is_live(),
    }
}

/// Makes a step, and returns whether `tree` may be the next one. Without steps left any live tree may:
/// the caller looks at it no more, and nothing more is looked for.
#[inline]
fn may_be_next(needs: &mut [Need], picture: &Picture, steps: &mut Steps<'_>, tree: usize) -> bool {
    steps.made += 1;
    may_serve(needs, picture, tree) || steps.are_over() && picture.trees[tree].is_live()
}

/// Stands for the tree of a provider that does not exist.
const NOWHERE: u32 = u32::MAX;

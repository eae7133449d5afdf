//! [`View`]: one thread's picture of what is free.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::claim::{Claim, Core, Line};
use crate::error::{Error, Result};
use crate::forest::Provider;
use crate::layout::{consumer_cells, usage_of};
use crate::ledger::{Cell, Follower, Reach, Torn};
use crate::search::best::best;
use crate::search::candidate::Candidate;
use crate::search::candidates::Candidates;
use crate::search::holders::Holders;
use crate::search::order::Order;
use crate::search::picture::{Picture, Seat};
use crate::search::prepared::Prepared;
use crate::search::ranking::Ranking;
use crate::search::request::Request;
use crate::search::root::Root;
use crate::search::source::{InFork, Still};
use crate::search::why::Why;
use crate::values::{ResourceClass, Usage};
use crate::view::{Fork, Snapshot, each_consumer};

/// Holds one thread's picture of a forest, arranged for finding where something fits.
///
/// A view is private, so that a search in it shares nothing with other threads and takes no lock,
/// except that one with [`Group::in_tree`](crate::Group::in_tree) asks the index of uuids, under a
/// shard's read lock for O(1). A view decides nothing: the [claim](crate::Worker::claim) does. A
/// scheduler thread has a view and a worker, and goes round: [find](Self::candidates), claim, [note](Self::claimed) what was claimed.
/// [`place`](Self::place) is that round in one call.
///
/// # What is in it
///
/// Everything that decides where something fits: structure, classes with what is used of them,
/// units, traits, aggregates, cordons. A view of the forest is as of its last
/// [`refresh`](Self::refresh): whatever was changed by a call that returned before the refresh began
/// is in the view. A view of a [snapshot](crate::Snapshot::view) or of a
/// [fork](crate::Fork::view) is of that instant and stays so.
///
/// # When to refresh
///
/// A view that has gone out of date costs refused claims, and finds nothing where something has
/// become free; it never makes a claim wrong. So the cheapest is to refresh only when nothing fits
/// any more, and after a refusal to [reread](Self::reread) what the candidate named. Many threads
/// that all refresh before each decision spend their time on telling each other what changed.
///
/// # Cost
///
/// Building costs O(providers). A refresh costs O(workers + cells changed since the last one): a few
/// nanoseconds for each worker that the forest has had at once if nothing has changed, some 200 for
/// each provider that has. A tree is read again as a whole if its structure has changed, or if one of
/// its providers has other classes, units, traits or aggregates than before. It is lock-free. A worker that
/// has changed more than 16,384 cells since the last refresh makes the view compare all providers.
/// While a view exists, changes cost other threads what they cost without.
///
/// Memory goes by what exists: about 120 bytes for each provider. Trees with the same structure,
/// classes, units, traits and aggregates share the description of these. Classes that few trees have
/// take memory by these trees.
///
/// A view that keeps whole states of a forest for others to read is a [`Mirror`](crate::Mirror).
///
/// ```
/// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, Request, ResourceClass};
/// use uuid::Uuid;
///
/// let tree = ProviderTree::new();
/// for number in 0..3 {
///     let host = tree.create_root(&format!("host-{number}"), None)?;
///     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
///     tree.configure(&host, vcpu, Expect::Any)?;
/// }
/// let mut worker = tree.worker()?;
/// let mut view = tree.view();
/// let mut small = view.prepare(&Request::new().take(ResourceClass::VCPU, 4))?;
///
/// let candidate = view.candidates(&mut small)?.next().expect("everything is free");
/// let claim = candidate.claim(Uuid::new_v4());
/// let receipt = worker.claim(&claim)?;
/// view.claimed(&claim);
/// assert_eq!(view.usage(&candidate.root(), ResourceClass::VCPU)?.used, 4);
/// # let _ = receipt;
/// # Ok::<(), provider_tree::Error>(())
/// ```
pub struct View {
    core: Arc<Core>,
    picture: Picture,
    /// Tells the view from others.
    identity: Arc<()>,
    /// What the view has learned of changes; `None` for a view of one instant.
    follower: Option<Follower>,
    /// The usage cells that are to be read again, whether they have changed or not.
    doubtful: Vec<Cell>,
    /// Who holds what, if the view follows consumers.
    holders: Option<Holders>,
    /// The trees by a key of the caller, if there is one.
    order: Option<(Box<Key>, Order)>,
}

/// So many providers are looked for before any is changed: in a large view, what is read of them comes
/// from memory, and comes at the same time.
const AT_ONCE: usize = 8;

/// Returns the key of a tree.
type Key = dyn Fn(Root<'_>) -> u64 + Send + Sync;

impl View {
    /// Returns a view of the forest as it is now, which follows the forest.
    pub(crate) fn present(core: &Arc<Core>) -> Self {
        let forest = &core.forest;
        // Before anything is read: what changes meanwhile is read again.
        let follower = forest.ledger.follow();
        let roots = loop {
            let snapshot = Snapshot::new(core);
            let mut source = Still { forest, reader: snapshot.pin().view() };
            // Torn: another thread has bounded the very same instant.
            if let Ok(roots) = source.roots() {
                break roots;
            }
        };
        let picture = Picture::of_present(forest, roots);
        let mut view = View::new(core, picture);
        view.follower = Some(follower);
        view.refresh();
        view
    }

    /// Lets a view that follows the forest follow consumers too, and returns it: such a view knows who
    /// holds what of each provider, so that it can tell the [holders](Self::holders) of a provider and whom
    /// to [evict](Self::evict). They are as of the last [`refresh`](Self::refresh): no other method tells
    /// the view of consumers, [`claimed`](Self::claimed) and [`reread`](Self::reread) neither. Takes memory
    /// for each consumer, and each refresh costs O(1) more for each change of a consumer. O(cells ever used).
    ///
    /// # Errors
    ///
    /// Returns [`NoHolders`](Error::NoHolders) for a view of one instant. That of a snapshot is made by
    /// [`Snapshot::view_with_holders`].
    pub fn with_holders(mut self) -> Result<Self> {
        if self.follower.is_none() {
            return Err(Error::NoHolders);
        }
        let ledger = &self.core.forest.ledger;
        let mut holders = Holders::default();
        // What changes meanwhile has been announced to the follower, and is read again.
        consumer_cells(ledger).for_each(|cell| holders.read(ledger, cell));
        self.holders = Some(holders);
        Ok(self)
    }

    /// Returns a view of the forest as it was at `snapshot`.
    pub(crate) fn of_snapshot(snapshot: &Snapshot) -> Result<Self> {
        let core = &snapshot.pin().core;
        let mut source = Still { forest: &core.forest, reader: snapshot.pin().view() };
        let picture = source.roots().and_then(|roots| Picture::of(&mut source, roots));
        let too_old = |Torn| Error::SnapshotTooOld { snapshot: snapshot.number() };
        Ok(View::new(core, picture.map_err(too_old)?))
    }

    /// Returns a view of the forest as it was at `snapshot`, with the consumers.
    pub(crate) fn of_snapshot_with_holders(snapshot: &Snapshot) -> Result<Self> {
        let mut view = View::of_snapshot(snapshot)?;
        let mut holders = Holders::default();
        let ledger = &view.core.forest.ledger;
        snapshot
            .read(|past| each_consumer(ledger, past, |cell, words| holders.note(cell, words)))?;
        view.holders = Some(holders);
        Ok(view)
    }

    /// Returns a view of the forest as it is in `fork` now.
    pub(crate) fn of_fork(fork: &Fork) -> Result<Self> {
        let mut source = InFork::new(fork);
        let picture = source.cells.roots().and_then(|roots| Picture::of(&mut source, roots));
        Ok(View::new(fork.core_handle(), picture.map_err(|torn| fork.error(torn.into()))?))
    }

    fn new(core: &Arc<Core>, picture: Picture) -> Self {
        View {
            core: Arc::clone(core),
            picture,
            identity: Arc::new(()),
            follower: None,
            doubtful: Vec::new(),
            holders: None,
            order: None,
        }
    }

    /// Brings the view up to date, and returns how many providers' usage was read again. Does nothing
    /// to a view of an instant. Lock-free; see the costs [above](Self#cost).
    ///
    /// Whatever was changed by a call that returned before this one began is in the view afterwards,
    /// also if the thread that began the change has stopped and another one has finished it.
    pub fn refresh(&mut self) -> usize {
        let Some(follower) = &mut self.follower else { return 0 };
        let forest = &self.core.forest;
        let mut touched = std::mem::take(&mut self.doubtful);
        let reach = forest.ledger.touched(follower, |cell| touched.push(cell));
        let read = match reach {
            Reach::All if touched.is_empty() => 0,
            Reach::All => self.picture.update(forest, &mut self.holders, touched.drain(..)),
            Reach::Overrun => self.picture.update_all(forest, &mut self.holders),
        };
        touched.clear();
        self.doubtful = touched;
        self.reorder();
        read
    }

    /// Prepares a request to be asked of this view again and again. Cheap itself: which providers of a
    /// tree may serve is found out when a search first comes to such a tree, and is remembered for all
    /// trees with the same structure, classes, units, traits and aggregates.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidRequest`](Error::InvalidRequest) if the request contradicts itself.
    pub fn prepare(&self, request: &Request) -> Result<Prepared> {
        request.check()?;
        Ok(Prepared::new(&self.identity, request))
    }

    /// Returns the candidates for a request that was prepared for this view, in the order of the
    /// [roots](Self::roots). They are found when the iterator is asked for them; it can also
    /// [begin elsewhere](Candidates::seeded), and be [bounded](Candidates::at_most_steps).
    ///
    /// Trees that are known to be unable to serve the request are not looked at. If the same
    /// requests are asked again and again, a search costs what has changed meanwhile, and a look at
    /// each tree until the first that serves.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignRequest`](Error::ForeignRequest) if `prepared` was prepared for another
    /// view.
    pub fn candidates<'a>(&'a self, prepared: &'a mut Prepared) -> Result<Candidates<'a>> {
        prepared.check_view(&self.identity)?;
        let order = self.order.as_ref().map(|(_, order)| order);
        Ok(Candidates::new(&self.core.forest, &self.picture, order, prepared))
    }

    /// Counts what a claim that was granted takes as used, that of its
    /// [chains](Claim::take_with_ancestors) too, without reading anything. At the next refresh the
    /// providers are read again, so that a claim which the view had already seen is counted twice only
    /// until then.
    ///
    /// After a replacement, a batch or the end of a lease no claim tells all that has changed: call
    /// [`reread`](Self::reread) for the providers, or [`refresh`](Self::refresh).
    pub fn claimed(&mut self, claim: &Claim) {
        self.change(claim, u64::saturating_add);
    }

    /// Counts what a claim took as used no longer, that of its chains too, after its consumer has been
    /// released. As after [`claimed`](Self::claimed), the next refresh reads the providers again.
    pub fn released(&mut self, claim: &Claim) {
        self.change(claim, u64::saturating_sub);
    }

    /// Counts what `claim` asks for as used before it is, also when the view reads the providers
    /// again, until [`undo`](Self::undo). Serves schedulers that go on searching while claims are on
    /// their way, or that know what another thread is about to take. Chains of the claim are not
    /// counted.
    ///
    /// When the claim has been granted, [`undo`](Self::undo) and [`claimed`](Self::claimed) follow;
    /// when it has been refused, [`undo`](Self::undo) and [`reread`](Self::reread).
    pub fn assume(&mut self, claim: &Claim) {
        for Line { provider, class, amount } in &claim.lines {
            self.picture.assume(provider, class.number(), *amount);
            if let Some(seat) = self.picture.seat(provider) {
                let change = |used: u64| used.saturating_add(*amount);
                self.picture.change(seat, class.number(), change);
            }
        }
        self.reorder();
    }

    /// Takes back what [`assume`](Self::assume) has counted for `claim`.
    pub fn undo(&mut self, claim: &Claim) {
        for Line { provider, class, amount } in &claim.lines {
            let undone = self.picture.undo(provider, class.number(), *amount);
            if let Some(seat) = self.picture.seat(provider) {
                // If the sum was too great, nobody knows what it was of.
                if self.picture.is_saturated(seat, class.number()) {
                    self.doubtful.extend(self.picture.doubt(seat));
                }
                let change = |used: u64| used.saturating_sub(undone);
                self.picture.change(seat, class.number(), change);
            }
        }
        self.reorder();
    }

    /// Applies `change` to what is used of each provider of the view, and what `claim` asks for of it.
    fn change(&mut self, claim: &Claim, change: impl Fn(u64, u64) -> u64) {
        for lines in claim.lines.chunks(AT_ONCE) {
            let mut seats = [None; AT_ONCE];
            for (seat, line) in seats.iter_mut().zip(lines) {
                *seat = self.picture.seat(&line.provider);
            }
            for (seat, line) in seats.into_iter().zip(lines) {
                if let Some(seat) = seat {
                    self.change_and_doubt(seat, line, &change);
                }
            }
        }
        for line in &claim.chains {
            let Some(seat) = self.picture.seat(&line.provider) else { continue };
            let chain = self.picture.chain(seat, line.class.number());
            for seat in chain.collect::<SmallVec<[Seat; 8]>>() {
                self.change_and_doubt(seat, line, &change);
            }
        }
        self.reorder();
        if self.doubtful.len() > 2 * self.picture.count() {
            self.doubtful.sort_unstable();
            self.doubtful.dedup();
        }
    }

    /// Applies `change` to what is used in `seat`, and lets the provider be read again at the next
    /// refresh: if it has been read since the claim was granted, the change counts twice.
    #[inline]
    fn change_and_doubt(&mut self, seat: Seat, line: &Line, change: impl Fn(u64, u64) -> u64) {
        if let Some(usage) = self.picture.doubt(seat) {
            self.doubtful.push(usage);
        }
        let change = |used| change(used, line.amount);
        self.picture.change(seat, line.class.number(), change);
    }

    /// Reads a provider's usage again, as it is now; its whole tree if the provider is gone, or is
    /// configured in another way. A move is noticed by the next [`refresh`](Self::refresh). Does
    /// nothing to a view of an instant.
    ///
    /// # Errors
    ///
    /// Returns [`Removed`](Error::Removed) if the view does not have the provider, and
    /// [`ForeignProvider`](Error::ForeignProvider) if it is one of another forest.
    pub fn reread(&mut self, provider: &Provider) -> Result<()> {
        let seat = self.seat(provider)?;
        if self.follower.is_some() {
            self.picture.reread_one(&self.core.forest, seat);
            self.reorder();
        }
        Ok(())
    }

    /// Returns up to `k` candidates, each of another root: those whose roots have the least keys, the
    /// least first. Roots with equal keys come in the order of [`roots`](Self::roots).
    ///
    /// `key` is called once for each root that may serve the request, and looks at what the root has
    /// free: for best-fit at what is left, for spreading at what is used.
    ///
    /// Here four hosts have 16, 8, 4 and 12 VCPUs free, and are named after that:
    ///
    /// ```
    /// # use provider_tree::{Expect, Inventories, Inventory, ProviderTree, Request};
    /// use provider_tree::ResourceClass;
    /// # let tree = ProviderTree::new();
    /// # for total in [16, 8, 4, 12] {
    /// #     let host = tree.create_root(&format!("host-{total}"), None)?;
    /// #     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
    /// #     tree.configure(&host, vcpu, Expect::Any)?;
    /// # }
    /// let view = tree.view();
    /// let mut six = view.prepare(&Request::new().take(ResourceClass::VCPU, 6))?;
    /// let best = view.best(&mut six, 2, |root| root.free(ResourceClass::VCPU))?;
    /// let name = |it: &provider_tree::Candidate| Ok(tree.configuration(&it.root())?.name.clone());
    /// let names = best.iter().map(name).collect::<provider_tree::Result<Vec<_>>>()?;
    /// assert_eq!(names, ["host-8".into(), "host-12".into()]);
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ForeignRequest`](Error::ForeignRequest) if `prepared` was prepared for another
    /// view.
    pub fn best<K: Ord>(
        &self,
        prepared: &mut Prepared,
        k: usize,
        key: impl FnMut(Root<'_>) -> K,
    ) -> Result<Vec<Candidate>> {
        prepared.check_view(&self.identity)?;
        Ok(best(&self.core.forest, &self.picture, prepared, k, key))
    }

    /// Returns a ranking of the roots that serve `request`, by `key`: [`ranked`](Self::ranked) goes
    /// through them, the least key first. Serves policies that score each host for each kind of job, such
    /// as those of the paper "Beware of Fragmentation" (Weng et al., USENIX ATC 2023).
    ///
    /// The ranking remembers the keys. `key` is called for each root that may serve the request, as far as
    /// its sums tell, when the ranking is asked first, and from then on only for trees that have changed
    /// since it was asked last. So `key` may read what the root shows, and otherwise only what never
    /// changes; a root's [number](crate::Root::number) may, its [provider](crate::Root::provider) does not.
    /// Where one key for all requests is enough, [`order_by`](Self::order_by) costs less.
    ///
    /// Asking costs O(log trees) and what `key` costs, for each tree that has changed. All trees count as
    /// changed when a sharing provider that may serve the request has, and after the view has tidied up
    /// behind many removals. A ranking takes little more memory than an `Option<K>` for each tree, and a
    /// `(u32, K)` for each root that one search has gone through; small keys take little, and are found
    /// faster. From the first ranking on the view notes what changes, in 16 bytes for each tree.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidRequest`](Error::InvalidRequest) if the request contradicts itself.
    ///
    /// Here four hosts have 16, 8, 4 and 12 VCPUs free, and are named after that. The job of six VCPUs
    /// goes where it leaves the least that is of no use for another such job:
    ///
    /// ```
    /// # use provider_tree::{Expect, Inventories, Inventory, ProviderTree, Request};
    /// use provider_tree::ResourceClass;
    /// # let tree = ProviderTree::new();
    /// # for total in [16, 8, 4, 12] {
    /// #     let host = tree.create_root(&format!("host-{total}"), None)?;
    /// #     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
    /// #     tree.configure(&host, vcpu, Expect::Any)?;
    /// # }
    /// let mut view = tree.view();
    /// let six = Request::new().take(ResourceClass::VCPU, 6);
    /// let mut ranking = view.rank(&six, |root| root.free(ResourceClass::VCPU) % 6)?;
    /// let best = view.ranked(&mut ranking)?.next().expect("three hosts have six");
    /// assert_eq!(&*tree.configuration(&best.root())?.name, "host-12");
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn rank<K: Ord + Copy + 'static>(
        &mut self,
        request: &Request,
        key: impl Fn(Root<'_>) -> K + Send + Sync + 'static,
    ) -> Result<Ranking<K>> {
        let prepared = self.prepare(request)?;
        self.picture.remember_changes();
        Ok(Ranking::new(prepared, key))
    }

    /// Returns the candidates for the request of a ranking that was made by this view, in the order of
    /// the keys of their roots, the least first; roots with equal keys come in the order of
    /// [`roots`](Self::roots). Of one tree, they come as [everywhere](Self::candidates), or
    /// [as preferred](Candidates::preferring).
    ///
    /// The order of the keys stands: [`seeded`](Candidates::seeded), [`from_part`](Candidates::from_part),
    /// [`drawn`](Candidates::drawn) and [`in_order`](Candidates::in_order) change nothing. Threads that are to
    /// be kept apart end their keys with something that differs from thread to thread.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignRequest`](Error::ForeignRequest) if the ranking is another view's.
    pub fn ranked<'a, K: Ord + Copy + 'static>(
        &'a self,
        ranking: &'a mut Ranking<K>,
    ) -> Result<Candidates<'a>> {
        ranking.prepared().check_view(&self.identity)?;
        let (prepared, next) = ranking.parts(&self.core.forest, &self.picture);
        Ok(Candidates::ranked(&self.picture, prepared, next))
    }

    /// Orders the roots by `key`, which the view keeps up to date from now on, for
    /// [`Candidates::in_order`]: best-fit goes by what is free, spreading by what is used. `key` is
    /// called once for each tree that a change concerns.
    ///
    /// Here four hosts have 16, 8, 4 and 12 VCPUs free, and are named after that:
    ///
    /// ```
    /// # use provider_tree::{Expect, Inventories, Inventory, ProviderTree, Request};
    /// use provider_tree::ResourceClass;
    /// # let tree = ProviderTree::new();
    /// # for total in [16, 8, 4, 12] {
    /// #     let host = tree.create_root(&format!("host-{total}"), None)?;
    /// #     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
    /// #     tree.configure(&host, vcpu, Expect::Any)?;
    /// # }
    /// let mut view = tree.view();
    /// view.order_by(|root| root.free(ResourceClass::VCPU));
    /// let mut six = view.prepare(&Request::new().take(ResourceClass::VCPU, 6))?;
    /// let best = view.candidates(&mut six)?.in_order(6).next().expect("three hosts have six");
    /// assert_eq!(&*tree.configuration(&best.root())?.name, "host-8");
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn order_by(&mut self, key: impl Fn(Root<'_>) -> u64 + Send + Sync + 'static) {
        let before = self.order.take().map(|(_, order)| order).unwrap_or_default();
        self.order = Some((Box::new(key), before));
        self.picture.list_all_changes();
        self.reorder();
    }

    /// Puts the trees that have changed where they belong in the order.
    #[inline]
    fn reorder(&mut self) {
        let Some((key, order)) = &mut self.order else { return };
        let picture = &self.picture;
        let Some(changed) = picture.changed_trees() else { return };
        if changed.is_anew {
            *order = Order::after(order);
        }
        for &tree in &changed.trees {
            let is_live = picture.trees[tree as usize].is_live();
            order.place(tree, is_live.then(|| key(Root { picture, tree })));
        }
        // Not before: if the key has panicked, all is done again the next time.
        self.picture.forget_changes();
    }

    /// Counts, condition by condition, why roots can't serve the request. O(roots), and apart from
    /// the search, which counts nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ForeignRequest`](Error::ForeignRequest) if `prepared` was prepared for another
    /// view.
    ///
    /// ```
    /// use provider_tree::{Expect, Inventories, Inventory, ProviderTree, Request, ResourceClass};
    ///
    /// let tree = ProviderTree::new();
    /// let classes = [ResourceClass::VCPU, ResourceClass::VCPU, ResourceClass::DISK_GB];
    /// for (number, class) in classes.into_iter().enumerate() {
    ///     let host = tree.create_root(&format!("host-{number}"), None)?;
    ///     tree.configure(&host, Inventories::new().with(class, Inventory::new(8)), Expect::Any)?;
    /// }
    /// let host = tree.find("host-0").expect("just created");
    /// tree.worker()?.take(&host, &[(ResourceClass::VCPU, 6)])?;
    ///
    /// let view = tree.view();
    /// let mut four = view.prepare(&Request::new().take(ResourceClass::VCPU, 4))?;
    /// let why = view.why(&mut four)?;
    /// assert_eq!((why.roots, why.fitting), (3, 1));
    /// // One root has no VCPUs at all, and of one too few are free.
    /// assert_eq!((why.groups, why.short), (vec![(None, 1)], vec![(ResourceClass::VCPU, 1)]));
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn why(&self, prepared: &mut Prepared) -> Result<Why> {
        prepared.check_view(&self.identity)?;
        Ok(Why::new(&self.core.forest, &self.picture, prepared))
    }

    /// Returns what is free of `class` in each tree together, by the
    /// [number](crate::Root::number) of the tree; a cordoned provider has nothing. A caller that scores
    /// all trees goes through such columns at once, which takes a few nanoseconds for each tree. Borrowed if many trees have the
    /// class, and otherwise computed.
    pub fn free(&self, class: ResourceClass) -> Cow<'_, [u64]> {
        self.picture.free_by_tree(class.number())
    }

    /// Returns the roots of all trees, in the order that they had when the view was made; those that
    /// have come since stand behind the others.
    pub fn roots(&self) -> impl Iterator<Item = Root<'_>> {
        self.picture.live_trees().map(|tree| Root { picture: &self.picture, tree })
    }

    /// Returns the consumers that hold something of `provider`, each with its
    /// [tag](Claim::with_tag); not those of its descendants, which
    /// [`Snapshot::holders`] adds. O(answer).
    ///
    /// # Errors
    ///
    /// Returns [`NoHolders`](Error::NoHolders) if the view does not follow consumers, and
    /// [`Removed`](Error::Removed) if the view does not have the provider.
    pub fn holders(&self, provider: &Provider) -> Result<Vec<(Uuid, u64)>> {
        self.seat(provider)?;
        let holders = self.holders.as_ref().ok_or(Error::NoHolders)?;
        let held = holders.of(usage_of(provider.cell));
        Ok(held.map(|(_, held)| (held.consumer, held.tag)).collect())
    }

    /// Returns what a search for victims works with.
    pub(super) fn parts(&mut self) -> Result<(&mut Picture, &Holders)> {
        let holders = self.holders.as_ref().ok_or(Error::NoHolders)?;
        Ok((&mut self.picture, holders))
    }

    /// Returns the number of trees.
    pub fn trees(&self) -> usize {
        self.picture.len()
    }

    /// Returns the number of providers.
    pub fn providers(&self) -> usize {
        self.picture.count()
    }

    /// Returns about how many bytes the view takes.
    pub fn bytes(&self) -> usize {
        let holders = self.holders.as_ref().map_or(0, Holders::bytes);
        let order = self.order.as_ref().map_or(0, |(_, order)| order.bytes());
        self.picture.bytes() + holders + order
    }

    /// Returns what the view shows as used of `class` of `provider`. O(log classes).
    ///
    /// # Errors
    ///
    /// Returns [`NoInventory`](Error::NoInventory) if the provider does not have the class,
    /// [`Removed`](Error::Removed) if the view does not have the provider, and
    /// [`ForeignProvider`](Error::ForeignProvider) if it is one of another forest.
    pub fn usage(&self, provider: &Provider, class: ResourceClass) -> Result<Usage> {
        let seat = self.seat(provider)?;
        let mut usages = self.picture.usages(seat);
        let found = usages.find(|(other, _)| *other == class.number());
        let (_, usage) = found.ok_or(Error::NoInventory { provider: provider.uuid, class })?;
        Ok(usage)
    }

    #[cfg(all(test, not(provider_tree_loom)))]
    pub(super) fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Learns of changes of these cells alone.
    #[cfg(all(test, not(provider_tree_loom)))]
    pub(super) fn learn_of(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.picture.update(&self.core.forest, &mut self.holders, cells);
    }

    /// Checks that each tree is where its key says.
    #[cfg(all(test, not(provider_tree_loom)))]
    pub(super) fn check_order(&self) {
        let (key, order) = self.order.as_ref().expect("the caller has ordered the view");
        let key = |tree| (tree, key(Root { picture: &self.picture, tree }));
        let keys: Vec<_> = self.picture.live_trees().map(key).collect();
        order.check(keys.into_iter());
    }

    fn seat(&self, provider: &Provider) -> Result<Seat> {
        self.core.forest.structure_cell(provider)?;
        self.picture.seat(provider).ok_or(Error::Removed { provider: provider.uuid })
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("trees", &self.picture.len()).finish_non_exhaustive()
    }
}

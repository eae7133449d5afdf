//! One thread's picture of what is free, to search in: `View`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use provider_tree::{
    Candidate, Candidates, Claim, Error, Eviction, Placed, Prepared, Provider, Request, Unplaced,
    View, Worker,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pythonize::pythonize;

use crate::candidate::{For, PyCandidate, PyEviction, PyPlaced};
use crate::claim::PyClaim;
use crate::column::PyColumn;
use crate::convert::{Class, Id, a_kind, each};
use crate::error::OrRaise;
use crate::guard::Single;
use crate::provider::{PyProvider, PyUsage};
use crate::request::{Asked, PyPrepared, PyRequest};
use crate::scores::{NEVER, Scores};
use crate::worker::PyWorker;

/// Shows one thread what is free, arranged for finding where something fits.
///
/// A view of the forest is as of its last `refresh`; one of a snapshot or a fork is of that instant. It decides
/// nothing: the claim does. One that has gone out of date costs refused claims, and never makes a claim wrong.
/// So the cheapest is to refresh when nothing fits any more, which `place` does by itself.
///
/// Trees have numbers, from 0 on in the order of the roots: `free` has a column by them, `roots` the handles, and
/// `candidates(root=..)` looks at one tree. A refresh may give trees other numbers, but only if providers were
/// created, moved, removed or configured.
///
/// For one thread at a time: a call while another thread is in one raises `InUseByAnotherThread`, as does a call
/// out of the `cost` of `evict`. A view takes about 120 bytes for each provider.
#[pyclass(frozen, module = "provider_tree", name = "View")]
pub(crate) struct PyView(Single<Inner>);

struct Inner {
    view: View,
    /// What was prepared for requests that were asked unprepared.
    known: HashMap<Arc<Request>, Prepared>,
    random: Random,
}

/// So many requests are remembered that were asked unprepared.
const KNOWN: usize = 64;

/// From so many candidates on, other threads may run Python meanwhile.
const MANY: usize = 256;

/// A refresh of a view with fewer providers takes less than a millisecond, most often a few microseconds. To give
/// the interpreter up would take more: another thread that computes keeps it for 5 milliseconds.
const SMALL: usize = 4_096;

/// Returns one number after the other that nobody can foresee.
struct Random {
    state: RandomState,
    count: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.state.hash_one(self.count)
    }
}

/// Says in which order roots and providers are looked at.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    First,
    Tightest,
    Shuffled,
    Drawn,
}

impl Order {
    #[inline]
    fn read(given: &str) -> PyResult<Self> {
        match given {
            "first" => Ok(Order::First),
            "tightest" => Ok(Order::Tightest),
            "shuffled" => Ok(Order::Shuffled),
            "drawn" => Ok(Order::Drawn),
            other => Err(PyValueError::new_err(format!(
                "an order is \"first\", \"tightest\", \"shuffled\" or \"drawn\", not {other:?}"
            ))),
        }
    }
}

/// Holds how to search.
#[derive(Clone, Copy)]
struct Search {
    order: Order,
    /// What decides where to begin, and what is shuffled and drawn.
    seed: Option<u64>,
    part: Option<(usize, usize)>,
    /// Serves in the place of a seed that is wanted and was not given.
    random: u64,
}

impl Search {
    fn check(self) -> PyResult<Self> {
        match self.part {
            Some((part, parts)) if part >= parts => {
                let message = format!("there is no part {part} of {parts}, for they begin at 0");
                Err(PyValueError::new_err(message))
            }
            Some(_) if self.order == Order::Drawn => {
                Err(PyValueError::new_err("roots that are drawn begin at no part"))
            }
            _ => Ok(self),
        }
    }

    #[inline]
    fn of<'a>(self, candidates: Candidates<'a>) -> Candidates<'a> {
        let seed = self.seed.unwrap_or(self.random);
        let candidates = match self.order {
            Order::First => candidates,
            Order::Tightest => candidates.tightest(),
            Order::Shuffled => candidates.shuffled(seed),
            Order::Drawn => return candidates.drawn(seed),
        };
        match (self.part, self.seed) {
            (Some((part, parts)), _) => candidates.from_part(part, parts),
            (None, Some(seed)) => candidates.seeded(seed),
            (None, None) => candidates,
        }
    }

    /// Returns how to search after so many claims were refused: anywhere, for most often the own part is full by
    /// then, and others look at the same root.
    fn after(self, refusals: u64) -> Self {
        match refusals {
            0 => self,
            _ => {
                let seed = self.random.wrapping_add(refusals);
                Search { seed: Some(seed), part: None, ..self }
            }
        }
    }
}

/// Says how a claim is placed.
struct Plan<'a> {
    claim: Claim,
    tries: u32,
    search: Search,
    scores: Option<&'a Scores>,
}

impl Plan<'_> {
    /// Finds, claims, and goes on after a conflict. Finds nothing any more once a signal ends the search.
    fn place(
        &self,
        view: &mut View,
        worker: &mut Worker,
        prepared: &mut Prepared,
        is_over: &mut IsOver,
    ) -> Result<Placed, Unplaced> {
        let mut tries = 0;
        let mut roots = None;
        view.place(worker, prepared, self.claim.clone(), self.tries, |view, prepared| {
            tries += 1;
            let Some(scores) = self.scores else {
                let candidates = self.search.after(tries - 1).of(view.candidates(prepared)?);
                return Ok(candidates.until(|| is_over.ask()).next());
            };
            // A refusal may bring the view up to date, and from then on a number may be another tree's.
            let roots = roots.get_or_insert_with(|| roots_of(view));
            Ok(best(view, prepared, 1, scores, Some(roots), is_over)?.pop())
        })
    }
}

/// Returns the roots by their numbers.
fn roots_of(view: &View) -> Vec<Option<Provider>> {
    let mut roots = Vec::with_capacity(view.trees());
    for root in view.roots() {
        roots.resize_with(root.number(), || None);
        roots.push(Some(root.provider()));
    }
    roots
}

/// Returns the candidates of the `count` roots with the lowest scores. If the scores are for `roots`, by their
/// numbers, no other root is chosen.
fn best(
    view: &View,
    prepared: &mut Prepared,
    count: usize,
    scores: &Scores,
    roots: Option<&[Option<Provider>]>,
    is_over: &mut IsOver,
) -> Result<Vec<Candidate>, Error> {
    let is_scored = |tree: usize, root: Provider| {
        roots.is_none_or(|roots| roots.get(tree).is_some_and(|scored| *scored == Some(root)))
    };
    // So many trees are tried one by one before each one is looked at. Most often they are enough.
    const TRIED: usize = 32;
    let count = count.min(prepared.request().limit.unwrap_or(usize::MAX));
    if count <= TRIED {
        let (trees, are_all) = scores.lowest(2 * TRIED);
        let mut found = Vec::with_capacity(count);
        for tree in trees {
            if found.len() == count {
                break;
            }
            let candidate = view.candidates(prepared)?.at(tree).until(|| is_over.ask()).next();
            found.extend(candidate.filter(|it| is_scored(tree, it.root())));
        }
        if is_over.interrupted.is_some() {
            return Ok(Vec::new());
        }
        if found.len() == count || are_all {
            return Ok(found);
        }
    }
    let mut never = Vec::new();
    let mut found = view.best(prepared, count, |root| {
        let score = scores.get(root.number());
        if score == NEVER || !is_scored(root.number(), root.provider()) {
            never.push(root.provider());
            return NEVER;
        }
        score
    })?;
    // They come last.
    if !never.is_empty() {
        let chosen = found.partition_point(|it| !never.contains(&it.root()));
        found.truncate(chosen);
    }
    Ok(found)
}

impl Inner {
    /// Calls with what was prepared for a request, now or before.
    #[inline]
    fn ask<R>(
        &mut self,
        asked: &Asked<'_>,
        call: impl FnOnce(&mut View, &mut Prepared) -> R,
    ) -> PyResult<R> {
        let Inner { view, known, .. } = self;
        let request = match asked {
            Asked::Prepared(prepared) => return prepared.get().with(|it| call(view, it)),
            Asked::Request(request) => &request.get().0,
        };
        if let Some(prepared) = known.get_mut(request) {
            return Ok(call(view, prepared));
        }
        let mut prepared = view.prepare(request).or_raise()?;
        let done = call(view, &mut prepared);
        if known.len() == KNOWN {
            known.clear();
        }
        known.insert(Arc::clone(request), prepared);
        Ok(done)
    }
}

impl PyView {
    pub(crate) fn new(view: View) -> Self {
        let random = Random { state: RandomState::new(), count: 0 };
        PyView(Single::new("View", Inner { view, known: HashMap::new(), random }))
    }

    /// Calls with the view.
    #[inline]
    fn with<R>(&self, call: impl FnOnce(&mut View) -> R) -> PyResult<R> {
        self.0.with(|inner| call(&mut inner.view))
    }

    /// Calls with the view, the worker, and what was prepared for a request.
    #[inline]
    fn with_worker<R>(
        &self,
        worker: &PyWorker,
        asked: &Asked<'_>,
        call: impl FnOnce(&mut View, &mut Worker, &mut Prepared) -> R,
    ) -> PyResult<R> {
        self.0.with(|inner| {
            let call = |view: &mut View, prepared: &mut Prepared| {
                worker.with(|worker| call(view, worker, prepared))
            };
            inner.ask(asked, call)?
        })?
    }

    /// Returns whom `evict` finds; if that is nobody, looks once more after a refresh, for a view does not know
    /// who holds what was placed since the last one.
    fn evict_after_refresh(
        &self,
        py: Python<'_>,
        asked: &Asked<'_>,
        mut evict: impl FnMut(&mut View, &mut Prepared) -> Result<Option<Eviction>, Error>,
    ) -> PyResult<Option<Eviction>> {
        let found = self.0.with(|inner| {
            inner.ask(asked, |view, prepared| match evict(view, prepared)? {
                None => {
                    refresh(py, view);
                    evict(view, prepared)
                }
                found => Ok(found),
            })
        })??;
        found.or_raise()
    }

    fn search(
        &self,
        order: Order,
        seed: Option<u64>,
        part: Option<(usize, usize)>,
    ) -> PyResult<Search> {
        let random = self.0.with(|inner| inner.random.next())?;
        Search { order, seed, part, random }.check()
    }
}

/// Brings a view up to date, without the interpreter if that may take long.
fn refresh(py: Python<'_>, view: &mut View) -> usize {
    match view.providers() < SMALL {
        true => view.refresh(),
        false => py.detach(|| view.refresh()),
    }
}

#[pymethods]
impl PyView {
    /// Brings the view up to date; returns how many providers' usage was read again.
    ///
    /// Costs a few nanoseconds for each worker if nothing has changed, and some 200 for each provider that has.
    /// Does nothing to a view of an instant. Works without the interpreter if the view has 4,096 providers or
    /// more.
    fn refresh(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(|view| refresh(py, view))
    }

    /// Prepares a request to be asked of this view again and again. Cheap itself; what it remembers makes
    /// searches fast. A request that is given to a search as it is, is prepared and remembered by the view: that
    /// costs a look-up each time, and the 64 that were asked so are forgotten when another one comes.
    fn prepare(&self, request: &PyRequest) -> PyResult<PyPrepared> {
        let prepared = self.with(|view| view.prepare(&request.0))?.or_raise()?;
        Ok(PyPrepared::new(prepared, &request.0))
    }

    /// Returns candidates, at most `limit`: first one of each root that has any, then a second one of each root
    /// that has another, and so on.
    ///
    /// Roots come in the order of their numbers, from a place on that `seed` decides, or from the first one of
    /// the part `(number, parts)` on: threads with different ones find different candidates first. With `root`,
    /// the tree with that number alone is looked at. After about `steps` looks at a tree or a provider, the
    /// search ends.
    ///
    /// Of one tree, the providers that come first serve first, by `order` "tightest" those that have least free,
    /// and by "shuffled" any of them. By "drawn", the roots are drawn by lot. `seed` decides these too; without
    /// one, each call decides anew. With `everything`, equal siblings are told apart: six of eight equal GPUs are
    /// 28 candidates then, and otherwise one.
    ///
    /// Without a limit, also in the request, there may be very many. From 256 on, the search does without the
    /// interpreter; with a lower limit, other threads have a turn now and then. Ctrl-C ends the search. Raises
    /// `ForeignRequest` for what another view has prepared.
    #[pyo3(signature = (
        request, *, limit=None, seed=None, order="first", part=None, root=None, everything=false, steps=None,
    ))]
    #[allow(clippy::too_many_arguments)] // Each is a way to search.
    fn candidates(
        &self,
        py: Python<'_>,
        request: Asked<'_>,
        limit: Option<usize>,
        seed: Option<u64>,
        order: &str,
        part: Option<(usize, usize)>,
        root: Option<u64>,
        everything: bool,
        steps: Option<u64>,
    ) -> PyResult<Vec<PyCandidate>> {
        let search = match Order::read(order)? {
            order @ (Order::First | Order::Tightest) => {
                Search { order, seed, part, random: 0 }.check()?
            }
            order => self.search(order, seed, part)?,
        };
        let limit = limit.unwrap_or(usize::MAX);
        let find = |view: &mut View, prepared: &mut Prepared, is_over: &mut IsOver| {
            let mut candidates = search.of(view.candidates(prepared)?);
            if let Some(root) = root {
                // No view has as many trees as a u32 counts.
                candidates = candidates.at(root.min(u64::from(u32::MAX)) as usize);
            }
            if everything {
                candidates = candidates.all();
            }
            if let Some(steps) = steps {
                candidates = candidates.at_most_steps(steps);
            }
            candidates = candidates.until(|| is_over.ask());
            Ok(candidates.take(limit).map(PyCandidate).collect())
        };
        let found: PyResult<Result<_, Error>> = self.0.with(|inner| {
            inner.ask(&request, |view, prepared| {
                let (found, is_over) = if limit < MANY {
                    let mut is_over = IsOver::attached();
                    (find(view, prepared, &mut is_over), is_over)
                } else {
                    let mut is_over = IsOver::detached();
                    (py.detach(|| find(view, prepared, &mut is_over)), is_over)
                };
                is_over.interrupted.map_or(Ok(found), Err)
            })?
        })?;
        found?.or_raise()
    }

    /// Returns candidates of the `count` roots with the lowest scores among those that serve the request, the
    /// lowest first; of equal ones those with the lowest numbers.
    ///
    /// `scores` has one for each tree by its number: a NumPy array, or another one-dimensional buffer, of float64,
    /// int64 or uint64. Infinity, no number (nan) and the greatest int stand for a tree that is not to be chosen.
    /// Costs some nanoseconds for each score, and less than 30 more for each tree that may serve if none of the
    /// lowest scores is that of a root that serves. ValueError if there are more trees than scores.
    ///
    /// Ctrl-C ends the search, and other threads have a turn now and then, while the 64 trees with the lowest
    /// scores are looked at. If these are not enough, or more than 32 roots are wanted, the search of all trees
    /// keeps the interpreter to its end: groups that are isolated and do not fit may take very long there.
    fn best(&self, request: Asked<'_>, count: usize, scores: Scores) -> PyResult<Vec<PyCandidate>> {
        let found: PyResult<_> = self.0.with(|inner| {
            inner.ask(&request, |view, prepared| {
                scores.check(view.trees())?;
                let mut is_over = IsOver::attached();
                let found = best(view, prepared, count, &scores, None, &mut is_over);
                is_over.interrupted.map_or(Ok(found), Err)
            })?
        })?;
        Ok(found?.or_raise()?.into_iter().map(PyCandidate).collect())
    }

    /// Finds a candidate, claims it with a worker, and counts it as used.
    ///
    /// `claim` is a consumer, or a claim of what is wanted beside, such as a tag or a quota; without either, the
    /// forest names the consumer, which is cheapest. After a claim that was refused since another thread was
    /// faster, the search goes on, for at most `tries` claims in all; 0 is as good as 1. The view is brought up to
    /// date before the call says that nothing fits, and after half of the tries.
    ///
    /// `seed`, `order` and `part` say where the search begins, as for `candidates`; after a refusal it begins
    /// anywhere. With `scores`, as for `best`, the root with the lowest one is taken instead, and `seed`, `order`
    /// and `part` don't matter. The scores are for the trees that have the numbers when the call begins: if the
    /// call itself brings the view up to date, a tree that has come since is not chosen.
    ///
    /// Raises `NothingFits`, `GaveUp` after too many tries, and for reasons that no other candidate changes what
    /// the claim was refused for, such as `ConsumerExists`. Keeps the interpreter: it takes about two
    /// microseconds, and giving the interpreter up may take more. Threads that are to place on several cores call
    /// `place_each`. A long search gives other threads a turn now and then, and Ctrl-C ends it.
    #[pyo3(signature = (
        worker, request, claim=None, *, tries=8, seed=None, order="first", part=None, scores=None,
    ))]
    #[allow(clippy::too_many_arguments)] // Each is a way to search.
    fn place(
        &self,
        worker: &PyWorker,
        request: Asked<'_>,
        claim: Option<For<'_>>,
        tries: u32,
        seed: Option<u64>,
        order: &str,
        part: Option<(usize, usize)>,
        scores: Option<Scores>,
    ) -> PyResult<PyPlaced> {
        let search = self.search(Order::read(order)?, seed, part)?;
        let plan = Plan {
            claim: claim.unwrap_or(For::Nobody).claim()?,
            tries,
            search,
            scores: scores.as_ref(),
        };
        let placed: PyResult<_> =
            self.with_worker(worker, &request, |view, worker, prepared| {
                scores.as_ref().map_or(Ok(()), |scores| scores.check(view.trees()))?;
                let mut is_over = IsOver::attached();
                let placed = plan.place(view, worker, prepared, &mut is_over);
                is_over.interrupted.map_or(Ok(placed), Err)
            })?;
        placed?.or_raise().map(PyPlaced::new)
    }

    /// Places the same again and again, at most `count` times, and returns what was placed: as many as fit.
    ///
    /// Each is for a consumer that the forest names; `claim` is what is wanted beside, such as a tag, without a
    /// consumer, or ValueError. The other arguments are those of `place`. Works without the interpreter, so that threads which
    /// place some hundred at a time use as many cores.
    ///
    /// Ends early if nothing fits any more, with what was placed. Raises what `place` raises only if nothing was
    /// placed, and never `NothingFits`. Ctrl-C ends it too: what the call has placed is released again then.
    #[pyo3(signature = (
        worker, request, count, claim=None, *, tries=8, seed=None, order="first", part=None,
    ))]
    #[allow(clippy::too_many_arguments)] // Each is a way to search.
    fn place_each(
        &self,
        py: Python<'_>,
        worker: &PyWorker,
        request: Asked<'_>,
        count: usize,
        claim: Option<For<'_>>,
        tries: u32,
        seed: Option<u64>,
        order: &str,
        part: Option<(usize, usize)>,
    ) -> PyResult<Vec<PyPlaced>> {
        let search = self.search(Order::read(order)?, seed, part)?;
        let claim = claim.unwrap_or(For::Nobody).claim()?;
        if claim.consumer().is_some() {
            let message = "place_each names the consumers itself: give a claim without a consumer";
            return Err(PyValueError::new_err(message));
        }
        let mut plan = Plan { claim, tries, search, scores: None };
        let mut all = Vec::new();
        let mut is_over = IsOver::detached();
        let end = self.with_worker(worker, &request, |view, worker, prepared| {
            py.detach(|| {
                let mut end = None;
                while end.is_none() && all.len() < count {
                    match plan.place(view, worker, prepared, &mut is_over) {
                        Ok(placed) => all.push(PyPlaced::new(placed)),
                        Err(why) => end = Some(why),
                    }
                    plan.search.random = plan.search.random.wrapping_add(u64::from(u32::MAX));
                }
                if is_over.interrupted.is_some() {
                    // The caller would never know of them.
                    for placed in all.drain(..) {
                        let placed = placed.placed();
                        if worker.release(placed.receipt.consumer).is_ok() {
                            view.released(&placed.claim);
                        }
                    }
                }
                end
            })
        })?;
        if let Some(interrupted) = is_over.interrupted {
            return Err(interrupted);
        }
        match end {
            Some(end) if all.is_empty() && !matches!(end, Unplaced::NothingFits { .. }) => {
                Err(end).or_raise()
            }
            _ => Ok(all),
        }
    }

    /// Releases the consumers of what was placed, and counts what they held as free; returns how many of them
    /// held something still. Works without the interpreter. Ctrl-C ends it: those that have been released stay
    /// so, and a note on the exception says how many they are. The same call again goes on with the others.
    fn release_each(
        &self,
        py: Python<'_>,
        worker: &PyWorker,
        placed: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let placed = each(placed, "what was placed", |one| Ok(one.cast_into::<PyPlaced>()?))?;
        let all: Vec<&Placed> = placed.iter().map(|placed| placed.get().placed()).collect();
        let mut is_over = IsOver::detached();
        let released = self.with(|view| {
            worker.with(|worker| {
                py.detach(|| {
                    let mut released = 0;
                    for placed in all {
                        if is_over.ask() {
                            break;
                        }
                        match worker.release(placed.receipt.consumer) {
                            Ok(_) => released += 1,
                            // Whoever has released it has told the view, or the next refresh does.
                            Err(Error::ConsumerNotFound { .. }) => continue,
                            Err(error) => return Err(error),
                        }
                        view.released(&placed.claim);
                    }
                    Ok(released)
                })
            })
        })??;
        if let (Some(interrupted), Ok(released)) = (&is_over.interrupted, &released) {
            let note = format!("{released} consumers had been released");
            // What was raised counts, with a note or without.
            let _ = interrupted.value(py).call_method1("add_note", (note,));
        }
        is_over.interrupted.map_or(released.or_raise(), Err)
    }

    /// Finds the root at which a request fits at the least cost if consumers go; None if it fits nowhere. If the
    /// request fits as it is, nobody goes. Before it says that it fits nowhere, it brings the view up to date and
    /// looks once more: a view does not know who holds what was placed since its last refresh.
    ///
    /// `cost(consumer, tag)` returns what it costs to evict a consumer as an int from 0 on, or None if it may not
    /// be evicted. Where the tags are priorities, `below` says the same faster, and without the interpreter: who
    /// has a lower tag may go, and costs as much as the tag. Exactly one of the two is given.
    ///
    /// No victim goes in vain, but others that hold more might cost less together. `cost` may be called more than
    /// once for a consumer. If it raises anything, so does this, and nothing has changed. Raises `NoHolders` for a
    /// view that was made without `holders=True`.
    #[pyo3(signature = (request, cost=None, *, below=None))]
    fn evict(
        &self,
        py: Python<'_>,
        request: Asked<'_>,
        cost: Option<&Bound<'_, PyAny>>,
        below: Option<u64>,
    ) -> PyResult<Option<PyEviction>> {
        let found = match (cost, below) {
            (None, Some(below)) => self.evict_after_refresh(py, &request, |view, prepared| {
                let cost = |_, tag| (tag < below).then_some(tag);
                py.detach(|| view.evict(prepared, cost))
            })?,
            (Some(cost), None) => {
                let mut raised = None;
                let mut ask = |consumer, tag| -> Option<u64> {
                    if raised.is_some() {
                        return None;
                    }
                    let cost = cost.call1((Id(consumer), tag)).and_then(|cost| cost.extract());
                    cost.unwrap_or_else(|error| {
                        raised = Some(error);
                        None
                    })
                };
                let found = self.evict_after_refresh(py, &request, |view, prepared| {
                    view.evict(prepared, &mut ask)
                })?;
                if let Some(raised) = raised {
                    return Err(raised);
                }
                found
            }
            _ => {
                let message = "evict takes either cost or below";
                return Err(PyTypeError::new_err(message));
            }
        };
        Ok(found.map(PyEviction))
    }

    /// Counts, condition by condition, why roots can't serve a request: a dict with the number of `roots`, and of
    /// these those that fail `root_traits`, a list of `groups` with the number of roots that can't serve each
    /// whatever is free (None for the unnamed one), those that fail `traits`, the list `short` of pairs of a class
    /// and the number of roots, those where everything is free but not `together`, and those that are `fitting`.
    /// `provider_tree.types.Why` has the shape. Each root is counted once, under the first of these that it fails.
    ///
    /// `short` says that too little is free of a class; that includes amounts above any capacity, but for those
    /// that a `max_unit` forbids, and roots that are cordoned, of which nothing is free.
    ///
    /// Looks at each root as the view has it, without the interpreter, and does not refresh the view. Ctrl-C waits
    /// until it is done.
    fn why<'py>(&self, py: Python<'py>, request: Asked<'py>) -> PyResult<Bound<'py, PyAny>> {
        let why = self.0.with(|inner| {
            inner.ask(&request, |view, prepared| py.detach(|| view.why(prepared)))
        })??;
        Ok(pythonize(py, &why.or_raise()?)?)
    }

    /// Returns what is free of a class in each tree together, by the number of the tree: a copy, which stays as
    /// it is, and which NumPy reads in place. A cordoned provider has nothing free.
    ///
    /// For NumPy its numbers are uint64, which never fall below 0: what is less becomes huge. So convert before
    /// you subtract: `numpy.asarray(column).astype(numpy.int64) - 4`.
    ///
    /// Costs about half a nanosecond for each tree if many have the class.
    fn free(&self, resource_class: Class) -> PyResult<PyColumn> {
        self.with(|view| PyColumn::new(view.free(resource_class.0).into()))
    }

    /// Returns the roots by their numbers; None for a number that no tree has, as after a removal.
    fn roots(&self) -> PyResult<Vec<Option<PyProvider>>> {
        let roots = self.with(|view| roots_of(view))?;
        Ok(roots.into_iter().map(|root| root.map(PyProvider)).collect())
    }

    /// Returns the number of the tree with this root. Looks at each root. Raises ValueError if the view has no
    /// such root.
    fn number_of(&self, root: PyProvider) -> PyResult<usize> {
        let found = self.with(|view| {
            let mut roots = view.roots();
            roots.find(|it| it.provider() == root.0).map(|it| it.number())
        })?;
        found.ok_or_else(|| PyValueError::new_err(format!("{} is no root here", root.0.uuid())))
    }

    /// Returns what the view shows as used of a class of a provider.
    fn usage(&self, provider: PyProvider, resource_class: Class) -> PyResult<PyUsage> {
        self.with(|view| view.usage(&provider.0, resource_class.0))?.or_raise().map(PyUsage)
    }

    /// Returns the consumers that hold something of a provider itself, each with its tag. Raises `NoHolders` for
    /// a view that was made without `holders=True`.
    fn holders(&self, provider: PyProvider) -> PyResult<Vec<(Id, u64)>> {
        let holders = self.with(|view| view.holders(&provider.0))?.or_raise()?;
        Ok(holders.into_iter().map(|(consumer, tag)| (Id(consumer), tag)).collect())
    }

    /// Counts what a claim that was granted takes as used. `place` does so itself.
    fn claimed(&self, claim: Granted<'_>) -> PyResult<()> {
        claim.with(|claim| self.with(|view| view.claimed(claim)))?
    }

    /// Counts what a claim took as used no longer, after its consumer has been released. What `place` returned
    /// serves in the place of its claim.
    fn released(&self, claim: Granted<'_>) -> PyResult<()> {
        claim.with(|claim| self.with(|view| view.released(claim)))?
    }

    /// Counts what a claim asks for as used before it is, until `undo`: for schedulers that go on searching while
    /// claims are on their way.
    fn assume(&self, claim: &PyClaim) -> PyResult<()> {
        let asked = claim.read()?;
        self.with(|view| view.assume(&asked.claim))
    }

    /// Takes back what `assume` has counted for a claim.
    fn undo(&self, claim: &PyClaim) -> PyResult<()> {
        let asked = claim.read()?;
        self.with(|view| view.undo(&asked.claim))
    }

    /// Reads a provider's usage again, as it is now: after a refusal, for what the candidate named.
    fn reread(&self, provider: PyProvider) -> PyResult<()> {
        self.with(|view| view.reread(&provider.0))?.or_raise()
    }

    /// The number of trees.
    #[getter]
    fn trees(&self) -> PyResult<usize> {
        self.with(|view| view.trees())
    }

    /// The number of providers.
    #[getter]
    fn providers(&self) -> PyResult<usize> {
        self.with(|view| view.providers())
    }

    fn __repr__(&self) -> String {
        match self.with(|view| (view.trees(), view.providers())) {
            Ok((trees, providers)) => format!("<View of {trees} trees, {providers} providers>"),
            Err(_) => "<View, in use>".to_owned(),
        }
    }
}

/// Represents a claim that was granted, or what was placed by it.
enum Granted<'py> {
    Claim(Bound<'py, PyClaim>),
    Placed(Bound<'py, PyPlaced>),
}

impl<'py> FromPyObject<'_, 'py> for Granted<'py> {
    type Error = PyErr;

    #[inline]
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(placed) = given.cast::<PyPlaced>() {
            return Ok(Granted::Placed(placed.to_owned()));
        }
        if let Ok(claim) = given.cast::<PyClaim>() {
            return Ok(Granted::Claim(claim.to_owned()));
        }
        let kind = a_kind(&given)?;
        let message = format!("what was granted is a Claim or a Placed, not {kind}");
        Err(PyTypeError::new_err(message))
    }
}

impl Granted<'_> {
    /// Calls with the claim.
    fn with<R>(&self, call: impl FnOnce(&Claim) -> R) -> PyResult<R> {
        Ok(match self {
            Granted::Claim(claim) => call(&claim.get().read()?.claim),
            Granted::Placed(placed) => call(&placed.get().placed().claim),
        })
    }
}

/// Ends a long call when a signal wants it, and lets other threads run Python meanwhile.
struct IsOver {
    asked: u64,
    /// When it was looked last; None if it never was.
    looked: Option<Instant>,
    /// How long it is not looked again.
    pause: Duration,
    /// Whether the call keeps the interpreter.
    is_attached: bool,
    interrupted: Option<PyErr>,
}

impl IsOver {
    /// For a call that keeps the interpreter. Other threads have a turn as often as from a loop in Python.
    fn attached() -> Self {
        let pause = Duration::from_millis(5);
        IsOver { asked: 0, looked: None, pause, is_attached: true, interrupted: None }
    }

    /// For a call without the interpreter, which may have to wait for it: so it looks more seldom.
    fn detached() -> Self {
        IsOver { pause: Duration::from_millis(50), is_attached: false, ..Self::attached() }
    }

    /// Returns whether a handler of a signal has raised something. Looks now and then.
    #[inline]
    fn ask(&mut self) -> bool {
        const SELDOM: u64 = 1 << 8;
        self.asked += 1;
        if self.asked.is_multiple_of(SELDOM) {
            self.look();
        }
        self.interrupted.is_some()
    }

    #[cold]
    fn look(&mut self) {
        let now = Instant::now();
        let looked = *self.looked.get_or_insert(now);
        if self.interrupted.is_some() || now.duration_since(looked) < self.pause {
            return;
        }
        self.interrupted = Python::attach(|py| {
            if self.is_attached {
                // Nobody waits for what this thread holds: a second thread is refused.
                py.detach(std::thread::yield_now);
            }
            py.check_signals().err()
        });
        self.looked = Some(Instant::now());
    }
}

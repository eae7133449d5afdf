//! Desks: the views that scheduler threads take turns at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use provider_tree::{Candidate, Claim, Error, Prepared, Request, View};
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Cluster;
use crate::options::PolicyName;
use crate::shape::Demand;

/// A few views, each for one thread at a time.
///
/// A thread sits down at a free desk to choose, whichever it is. So each thread that is running has
/// a view to itself as long as there is a desk for each core, and there are no more views to keep up
/// to date than cores, however many threads wait.
pub(crate) struct Desks {
    desks: Vec<Mutex<Desk>>,
    /// By desk: what has happened at other desks and is not in its view yet.
    news: Vec<Mutex<Vec<News>>>,
}

/// A view, and what a thread needs beside it to choose.
pub(crate) struct Desk {
    number: usize,
    policy: PolicyName,
    view: View,
    requests: Vec<Option<Prepared>>,
    /// By request: whether it is known to fit nowhere, which is so for ever.
    hopeless: Vec<bool>,
    /// The claims that the view counts as used although nobody knows yet what becomes of them.
    intents: Vec<Arc<Claim>>,
    /// Whether a claim may be counted twice: by its news, and by a refresh before them.
    may_lack: bool,
    /// Counts the providers that were read again.
    refreshed: u64,
}

/// What one desk tells the others.
#[derive(Clone)]
enum News {
    /// Somebody is about to make this claim.
    Chosen(Arc<Claim>),
    /// It was granted, or refused.
    Settled(Arc<Claim>, bool),
}

impl Desks {
    /// Creates so many desks for the requests of a workload; no node serves the tasks without a
    /// request, ever.
    pub(crate) fn new(
        count: usize,
        cluster: &Cluster,
        policy: PolicyName,
        requests: &[Option<Request>],
    ) -> Result<Self, Error> {
        let desks = (0..count).map(|number| Desk::new(number, cluster, policy, requests));
        Ok(Self {
            desks: desks.map(|desk| desk.map(Mutex::new)).collect::<Result<_, _>>()?,
            news: (0..count).map(|_| Mutex::default()).collect(),
        })
    }

    /// Waits for a desk, if possible for `favourite`, and brings its view up to date with the news.
    pub(crate) fn sit(&self, favourite: usize) -> MutexGuard<'_, Desk> {
        let favourite = favourite % self.desks.len();
        let (before, from) = self.desks.split_at(favourite);
        let free = from.iter().chain(before).find_map(|desk| match desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let mut desk = free.unwrap_or_else(|| lock(&self.desks[favourite]));
        let news = std::mem::take(&mut *lock(&self.news[desk.number]));
        news.into_iter().for_each(|news| desk.hear(news));
        desk
    }

    /// Counts what is about to be claimed as used, at all desks. Gives the desk free.
    pub(crate) fn announce(&self, desk: MutexGuard<'_, Desk>, claim: &Arc<Claim>) {
        self.spread(desk, News::Chosen(Arc::clone(claim)));
    }

    /// Says at all desks what has become of an announced claim.
    pub(crate) fn settle(&self, desk: MutexGuard<'_, Desk>, claim: Arc<Claim>, is_granted: bool) {
        self.spread(desk, News::Settled(claim, is_granted));
    }

    fn spread(&self, mut desk: MutexGuard<'_, Desk>, news: News) {
        let others = self.news.iter().enumerate().filter(|(number, _)| *number != desk.number);
        others.for_each(|(_, other)| lock(other).push(news.clone()));
        desk.hear(news);
    }

    /// Counts the providers that were read again at all desks.
    pub(crate) fn refreshed(&self) -> u64 {
        self.desks.iter().map(|desk| lock(desk).refreshed).sum()
    }
}

/// A desk or its news, also after a thread has panicked: the panic ends the run anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    fn new(
        number: usize,
        cluster: &Cluster,
        policy: PolicyName,
        requests: &[Option<Request>],
    ) -> Result<Self, Error> {
        let mut view = cluster.tree.view();
        policy.arrange(&mut view, cluster.classes);
        let prepare = |request: &Option<Request>| {
            request.as_ref().map(|request| view.prepare(request)).transpose()
        };
        Ok(Self {
            number,
            policy,
            requests: requests.iter().map(prepare).collect::<Result<_, _>>()?,
            hopeless: requests.iter().map(Option::is_none).collect(),
            view,
            intents: Vec::new(),
            may_lack: false,
            refreshed: 0,
        })
    }

    /// A place for a task whose request is the one with this number; `None` when it fits nowhere.
    ///
    /// What fits nowhere beside the intents is tried again without them, in a view that is up to
    /// date, and has failed only if it fits nowhere then.
    pub(crate) fn find(
        &mut self,
        request: usize,
        demand: &Demand,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        if self.hopeless[request] {
            return Ok(None);
        }
        let found = self.choose(request, demand, random)?;
        if found.is_some() || self.intents.is_empty() && !self.may_lack {
            self.hopeless[request] = found.is_none();
            return Ok(found);
        }
        self.intents.iter().for_each(|claim| self.view.undo(claim));
        self.refresh();
        let found = self.choose(request, demand, random)?;
        self.intents.iter().for_each(|claim| self.view.assume(claim));
        self.hopeless[request] = found.is_none();
        Ok(found)
    }

    fn choose(
        &mut self,
        request: usize,
        demand: &Demand,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        let Some(request) = &mut self.requests[request] else { return Ok(None) };
        self.policy.choose(&self.view, request, demand, random)
    }

    /// Notes a claim that was granted and that was not announced.
    pub(crate) fn claimed(&mut self, claim: &Claim) {
        self.view.claimed(claim);
    }

    /// Reads again what other threads have changed.
    pub(crate) fn refresh(&mut self) {
        self.may_lack = false;
        self.refreshed += self.view.refresh() as u64;
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Chosen(claim) => {
                self.view.assume(&claim);
                self.intents.push(claim);
            }
            News::Settled(claim, is_granted) => {
                self.view.undo(&claim);
                if is_granted {
                    self.view.claimed(&claim);
                    self.may_lack = true;
                }
                self.intents.retain(|intent| !Arc::ptr_eq(intent, &claim));
            }
        }
    }
}

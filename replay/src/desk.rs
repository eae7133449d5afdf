//! Desks: the views that scheduler threads take turns at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use provider_tree::{Candidate, Claim, Error, Request, View};
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Cluster;
use crate::kinds::Kinds;
use crate::policy::{Outlook, PolicyName, Search};
use crate::shape::Demand;

/// A few views, each for one thread at a time.
///
/// A thread sits down at a free desk to choose, whichever it is. So each thread that is running has
/// a view to itself as long as there is a desk for each core, and there are no more views to keep up
/// to date than cores, however many threads wait.
pub(crate) struct Desks {
    desks: Vec<Mutex<Desk>>,
    /// By desk: what has happened at other desks and is not in its view yet. Empty if nobody tells others
    /// anything.
    news: Vec<Mutex<Vec<News>>>,
}

/// A view, and what a thread needs beside it to choose.
pub(crate) struct Desk {
    number: usize,
    view: View,
    /// By kind of task; `None` where nothing serves such tasks, ever.
    searches: Vec<Option<Box<dyn Search>>>,
    /// By kind of task: whether it is known to fit nowhere, which is so for ever.
    hopeless: Vec<bool>,
    /// The claims that the view counts as used although nobody knows yet what becomes of them.
    intents: Vec<Arc<Claim>>,
    /// Whether a claim may be counted twice: by its news, and by a refresh before them.
    may_lack: bool,
    /// Counts the providers that were read again.
    refreshed: u64,
}

/// A desk that a thread sits at.
pub(crate) type Seat<'a> = MutexGuard<'a, Desk>;

/// What one desk tells the others.
#[derive(Clone)]
enum News {
    /// Somebody is about to make this claim.
    Chosen(Arc<Claim>),
    /// It was granted, or refused.
    Settled(Arc<Claim>, bool),
}

impl Desks {
    /// Sets up so many desks for these kinds of tasks. If `are_told`, the desks are told of each other's
    /// [claims](Self::announce).
    pub(crate) fn new(
        count: usize,
        cluster: &Cluster,
        policy: PolicyName,
        listed: &[Demand],
        kinds: &Kinds,
        are_told: bool,
    ) -> Result<Self, Error> {
        let outlook = Outlook::new(listed, &cluster.models);
        let desks = (0..count).map(|number| Desk::new(number, cluster, policy, &outlook, kinds));
        Ok(Self {
            desks: desks.map(|desk| desk.map(Mutex::new)).collect::<Result<_, _>>()?,
            news: (0..count).filter(|_| are_told).map(|_| Mutex::default()).collect(),
        })
    }

    /// Waits for a desk, if possible for `favourite`, and brings its view up to date with the news.
    pub(crate) fn sit(&self, favourite: usize) -> Seat<'_> {
        let favourite = favourite % self.desks.len();
        let (before, from) = self.desks.split_at(favourite);
        let free = from.iter().chain(before).find_map(|desk| match desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let mut desk = free.unwrap_or_else(|| lock(&self.desks[favourite]));
        if let Some(news) = self.news.get(desk.number) {
            let news = std::mem::take(&mut *lock(news));
            news.into_iter().for_each(|news| desk.hear(news));
        }
        desk
    }

    /// Counts what is about to be claimed as used, at all desks, and leaves this one.
    pub(crate) fn announce(&self, desk: Seat<'_>, claim: &Arc<Claim>) {
        self.spread(desk, News::Chosen(Arc::clone(claim)));
    }

    /// Says at all desks what has become of an announced claim, and leaves this one.
    pub(crate) fn settle(&self, desk: Seat<'_>, claim: Arc<Claim>, is_granted: bool) {
        self.spread(desk, News::Settled(claim, is_granted));
    }

    fn spread(&self, mut desk: Seat<'_>, news: News) {
        let others = self.news.iter().enumerate().filter(|(number, _)| *number != desk.number);
        others.for_each(|(_, other)| lock(other).push(news.clone()));
        desk.hear(news);
    }

    /// Returns how many providers were read again, at all desks together.
    pub(crate) fn refreshed(&self) -> u64 {
        self.desks.iter().map(|desk| lock(desk).refreshed).sum()
    }
}

/// Locks a desk or its news, also after a thread has panicked: the panic ends the run anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    fn new(
        number: usize,
        cluster: &Cluster,
        policy: PolicyName,
        outlook: &Outlook<'_>,
        kinds: &Kinds,
    ) -> Result<Self, Error> {
        let mut view = cluster.tree.view();
        let policy = policy.policy(&mut view, cluster, outlook);
        let mut search = |(task, request): &(Demand, Option<Request>)| {
            let search = |request| policy.search(&mut view, request, task);
            request.as_ref().map(search).transpose()
        };
        Ok(Self {
            number,
            searches: kinds.all.iter().map(&mut search).collect::<Result<_, _>>()?,
            hopeless: kinds.all.iter().map(|(_, request)| request.is_none()).collect(),
            view,
            intents: Vec::new(),
            may_lack: false,
            refreshed: 0,
        })
    }

    /// Returns a place for a task of the kind with this number; `None` when it fits nowhere.
    ///
    /// What fits nowhere beside the intents is tried again without them, in a view that is up to
    /// date, and has failed only if it fits nowhere then. Nothing is ever given back, so that it
    /// never fits again, and so that a view which is out of date shows too much and not too little.
    pub(crate) fn find(
        &mut self,
        kind: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        if self.hopeless[kind] {
            return Ok(None);
        }
        let found = self.choose(kind, random)?;
        if found.is_some() || self.intents.is_empty() && !self.may_lack {
            self.hopeless[kind] = found.is_none();
            return Ok(found);
        }
        self.intents.iter().for_each(|claim| self.view.undo(claim));
        self.refresh();
        let found = self.choose(kind, random)?;
        self.intents.iter().for_each(|claim| self.view.assume(claim));
        self.hopeless[kind] = found.is_none();
        Ok(found)
    }

    fn choose(
        &mut self,
        kind: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        let Some(search) = &mut self.searches[kind] else { return Ok(None) };
        search.find(&self.view, random)
    }

    /// Notes a claim that was granted and that was not announced.
    pub(crate) fn claimed(&mut self, claim: &Claim) {
        self.view.claimed(claim);
    }

    /// Reads again what has changed.
    pub(crate) fn refresh(&mut self) {
        self.may_lack = false;
        self.refreshed += self.view.refresh() as u64;
    }

    /// Brings the view up to date with some news.
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

#[cfg(test)]
mod tests {
    use provider_tree::Worker;

    use super::*;
    use crate::cluster::TaskClasses;
    use crate::seed::{self, Purpose};
    use crate::shape::{ModelSet, Models, Node};

    const TASK: Demand =
        Demand { cpu_milli: 1000, memory_mib: 10, gpus: 1, gpu_milli: 600, models: ModelSet::ANY };

    /// Two nodes with room for one task each, and two desks.
    struct Bed {
        cluster: Cluster,
        desks: Desks,
        worker: Worker,
        claims: u64,
    }

    impl Bed {
        fn new() -> Self {
            let node = |name: &str| Node {
                name: name.to_owned(),
                cpu_milli: 3000,
                memory_mib: 40,
                gpus: 1,
                model: None,
            };
            let nodes = [node("a"), node("b")];
            let cluster = Cluster::new(&nodes, &Models::default(), TaskClasses::default());
            let cluster = cluster.expect("the nodes are well formed");
            let kinds = Kinds::new(&cluster, &[TASK]).expect("the names are well formed");
            let desks = Desks::new(2, &cluster, PolicyName::FirstFit, &[TASK], &kinds, true);
            let desks = desks.expect("the request is well formed");
            let worker = cluster.tree.worker().expect("a worker is free");
            Self { cluster, desks, worker, claims: 0 }
        }

        /// The node that a thread at this desk would choose, and the claim.
        fn choose(&mut self, desk: usize) -> Option<(usize, Arc<Claim>)> {
            let mut random = seed::generator(1, Purpose::Choice, 0);
            let found = self.desks.sit(desk).find(0, &mut random);
            let found = found.expect("the request is the view's")?;
            let root = found.root();
            let node = self.cluster.nodes.iter().position(|node| node.root == root);
            self.claims += 1;
            let claim = Arc::new(found.claim(seed::consumer(1, self.claims)));
            Some((node.expect("the root is a node's"), claim))
        }

        /// The processors that are used of each node, as the view of this desk shows it.
        fn used(&self, desk: usize) -> Vec<u64> {
            let desk = self.desks.sit(desk);
            let used = |root| desk.view.usage(root, self.cluster.classes.cpu).map(|it| it.used);
            let used = self.cluster.nodes.iter().map(|node| used(&node.root));
            used.collect::<Result<_, _>>().expect("each node has processors")
        }

        fn announce(&mut self, desk: usize, claim: &Arc<Claim>) {
            self.desks.announce(self.desks.sit(desk), claim);
        }
    }

    #[test]
    fn a_thread_sits_down_where_nobody_sits() {
        let bed = Bed::new();
        let first = bed.desks.sit(1);
        assert_eq!(first.number, 1);
        assert_eq!(bed.desks.sit(1).number, 0);
        drop(first);
        assert_eq!(bed.desks.sit(3).number, 1);
    }

    #[test]
    fn intents_count_at_all_desks_while_they_stand() {
        let mut bed = Bed::new();
        let (node, claim) = bed.choose(0).expect("all is free");
        assert_eq!(node, 0);
        bed.announce(0, &claim);
        for desk in [0, 1] {
            assert_eq!(bed.choose(desk).expect("the second is free").0, 1);
        }
        bed.desks.settle(bed.desks.sit(0), claim, false);
        for desk in [0, 1] {
            assert_eq!(bed.choose(desk).expect("all is free").0, 0);
        }
    }

    #[test]
    fn what_fits_nowhere_beside_the_intents_is_tried_without() {
        let mut bed = Bed::new();
        for node in [0, 1] {
            let (chosen, claim) = bed.choose(0).expect("one is free");
            assert_eq!(chosen, node);
            bed.announce(0, &claim);
        }
        for desk in [0, 1] {
            assert_eq!(bed.choose(desk).expect("nothing is claimed yet").0, 0);
        }
    }

    #[test]
    fn what_was_granted_is_used_and_counts_once() {
        let mut bed = Bed::new();
        for node in [0, 1] {
            let (chosen, claim) = bed.choose(0).expect("one is free");
            assert_eq!(chosen, node);
            bed.announce(0, &claim);
            bed.worker.claim(&claim).expect("it is free");
            // Before it hears what has become of the claim, a desk sees it.
            bed.desks.sit(1).refresh();
            bed.desks.settle(bed.desks.sit(0), claim, true);
        }
        assert_eq!(bed.used(0), [1000, 1000]);
        assert_eq!(bed.used(1), [1000, 2000], "the second one twice, until the next refresh");
        assert!([0, 1].iter().all(|&desk| bed.choose(desk).is_none()));
        assert_eq!(bed.used(1), [1000, 1000]);
    }
}

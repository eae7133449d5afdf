//! [`Placer`]: the one scheduler, which places tasks and ends them.

use provider_tree::{Candidate, Claim, Error, View, Worker};

use crate::cluster::Cluster;
use crate::kinds::Kinds;
use crate::policy::{Outlook, PolicyName, Search};
use crate::seed::{self, Purpose};

/// A view and a worker.
///
/// Nobody else changes the forest, so that what the view is told is all that there is to know: it is
/// never read again, and no claim is refused.
pub(crate) struct Placer {
    seed: u64,
    worker: Worker,
    view: View,
    /// By kind of task; `None` where nothing serves such tasks, ever.
    searches: Vec<Option<Box<dyn Search>>>,
    searched: u64,
}

impl Placer {
    /// Returns a scheduler for these kinds of tasks.
    pub(crate) fn new(
        cluster: &Cluster,
        policy: PolicyName,
        outlook: &Outlook<'_>,
        kinds: &Kinds,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut view = cluster.tree.view();
        let policy = policy.policy(&mut view, cluster, outlook);
        let searches = kinds.all.iter().map(|(task, request)| {
            let search = |request| policy.search(&mut view, request, task);
            request.as_ref().map(search).transpose()
        });
        let searches = searches.collect::<Result<_, _>>()?;
        Ok(Self { seed, worker: cluster.tree.worker()?, view, searches, searched: 0 })
    }

    /// Returns a place for a task of this kind; `None` when it fits nowhere now.
    pub(crate) fn find(&mut self, task: usize, kind: usize) -> Result<Option<Candidate>, Error> {
        self.searched += 1;
        let Some(search) = &mut self.searches[kind] else { return Ok(None) };
        let mut random = seed::generator(self.seed, Purpose::Choice, task as u64);
        search.find(&self.view, &mut random)
    }

    /// Claims the place that was found for a task.
    pub(crate) fn claim(&mut self, task: usize, found: &Candidate) -> Result<Claim, Error> {
        let claim = found.claim(seed::consumer(self.seed, task as u64));
        self.worker.claim(&claim)?;
        self.view.claimed(&claim);
        Ok(claim)
    }

    /// Releases what a task has claimed.
    pub(crate) fn release(&mut self, task: usize, claim: &Claim) -> Result<(), Error> {
        self.worker.release(seed::consumer(self.seed, task as u64))?;
        self.view.released(claim);
        Ok(())
    }

    /// Counts the searches.
    pub(crate) fn searched(&self) -> u64 {
        self.searched
    }

    /// Counts the retries inside the library.
    pub(crate) fn retries(&self) -> u64 {
        self.worker.metrics().retries
    }
}

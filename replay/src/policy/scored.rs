//! What the policies have in common that score each node for each kind of task.

use std::cmp::Reverse;
use std::sync::Arc;

use provider_tree::{Candidate, Candidates, Error, Ranking, Request, Root, View};
use rand::rngs::Xoshiro256PlusPlus;

use crate::policy::Search;

/// Scores nodes for tasks that ask for the same, on the published scale: from 0 to 100 for the nodes there,
/// below 0 for some that are larger. A policy with another scale does without this and calls [`View::rank`]
/// itself, with any key, of which the least comes first.
pub(super) trait Score: Send + Sync + 'static {
    /// Returns how well a node serves that may have room for the task: up to 100, the more the better.
    fn of_node(&self, node: Root<'_>) -> i16;

    /// Lets the GPUs of one node come in the order in which they are to serve: those that have least free
    /// first, so that others stay whole.
    fn order_gpus<'a>(&'a self, candidates: Candidates<'a>) -> Candidates<'a> {
        candidates.tightest()
    }
}

/// Finds the node with the highest score, of several the first.
pub(super) struct Scored<S> {
    score: Arc<S>,
    ranking: Ranking<Reverse<i16>>,
}

impl<S: Score> Scored<S> {
    /// Returns a search for tasks with this request.
    pub(super) fn search(
        view: &mut View,
        request: &Request,
        score: S,
    ) -> Result<Box<dyn Search>, Error> {
        let score = Arc::new(score);
        let of_node = Arc::clone(&score);
        let ranking = view.rank(request, move |node| Reverse(of_node.of_node(node)))?;
        Ok(Box::new(Self { score, ranking }))
    }
}

impl<S: Score> Search for Scored<S> {
    fn find(
        &mut self,
        view: &View,
        _: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        Ok(self.score.order_gpus(view.ranked(&mut self.ranking)?).next())
    }
}

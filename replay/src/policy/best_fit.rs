//! Best-fit: the node that has the least left after placing the task, and on it the GPUs that have.
//!
//! What is left counts as `cpu / 128000 + gpu / 8000`. The published score rounds that to a hundredth;
//! here nodes are equal that differ by less than a 32nd part, so that they stand in buckets that change
//! in O(1).

use provider_tree::{Candidate, Error, Prepared, Request, Root, View};
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Classes;
use crate::policy::{Policy, Search};
use crate::shape::Demand;

pub(crate) struct BestFit;

struct Tightest {
    prepared: Prepared,
    /// What the task takes of a node's room.
    taken: u64,
}

/// Returns what best-fit minimises, in whole numbers: 16 times the idle GPU thousandths plus the idle
/// thousandths of a core, which is `cpu / 128000 + gpu / 8000` times 128000.
pub(super) fn room(cpu_milli: u64, gpu_milli: u64) -> u64 {
    cpu_milli + 16 * gpu_milli
}

impl BestFit {
    /// Brings the view into the order in which the policy goes through it.
    pub(crate) fn new(view: &mut View, classes: Classes) -> Self {
        let free = move |root: Root<'_>| room(root.free(classes.cpu), root.free(classes.gpu));
        view.order_by(free);
        Self
    }
}

impl Policy for BestFit {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        let taken = room(task.cpu_milli.into(), task.gpu_total().into());
        Ok(Box::new(Tightest { prepared: view.prepare(request)?, taken }))
    }
}

impl Search for Tightest {
    // A task lowers the room of every node by the same amount, so that the order by room is the order
    // by what is left. Nodes with less room than the task takes have no room.
    fn find(
        &mut self,
        view: &View,
        _: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        Ok(view.candidates(&mut self.prepared)?.in_order(self.taken).tightest().next())
    }
}

//! How a node is chosen for a task.
//!
//! The rules and the tie rule (the smallest node name wins) are those of the experiment in Weng et
//! al., "Beware of Fragmentation", USENIX ATC 2023, but that best-fit takes for a tie what differs by
//! less than a 32nd part. The search is the library's, so that a policy is little more than the
//! order in which the candidates come. The nodes were created in the order of their names: this is
//! the order of the roots.

use provider_tree::{Candidate, Error, Prepared, Root, View};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::cluster::Classes;
use crate::options::PolicyName;
use crate::shape::Demand;

/// Returns what best-fit minimises, in whole numbers: 16 times the idle GPU thousandths plus the idle
/// thousandths of a core, which is `cpu / 128000 + gpu / 8000` times 128000.
fn room(cpu_milli: u64, gpu_milli: u64) -> u64 {
    cpu_milli + 16 * gpu_milli
}

impl PolicyName {
    /// Brings a view into the order in which the policy goes through it.
    pub(crate) fn arrange(self, view: &mut View, classes: Classes) {
        if self == Self::BestFit {
            let free = move |root: Root<'_>| room(root.free(classes.cpu), root.free(classes.gpu));
            view.order_by(free);
        }
    }

    /// Returns a place for a task among what the view shows as free; `None` when it fits nowhere.
    /// `random` is the task's own generator.
    pub(crate) fn choose(
        self,
        view: &View,
        request: &mut Prepared,
        demand: &Demand,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        match self {
            Self::FirstFit => Ok(view.candidates(request)?.next()),
            // A task lowers the room of every node by the same amount, so that the order by room is
            // the order by what is left. Nodes with less room than the task takes have no room.
            Self::BestFit => {
                let taken = room(demand.cpu_milli.into(), demand.gpu_total().into());
                Ok(view.candidates(request)?.in_order(taken).tightest().next())
            }
            // Any node that fits, and on it any devices that do, each with the same chance.
            Self::Random => {
                let (node, devices) = (random.random(), random.random());
                Ok(view.candidates(request)?.drawn(node).shuffled(devices).next())
            }
        }
    }
}

#[cfg(test)]
mod tests;

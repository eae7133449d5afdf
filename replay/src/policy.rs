//! How a node is chosen for a task.
//!
//! The rules and the tie rule (the smallest node name wins) are those of the experiment in Weng et
//! al., "Beware of Fragmentation", USENIX ATC 2023. The search is the library's, so that a policy
//! is little more than the order in which the candidates come. The nodes were created in the order
//! of their names: this is the order of the roots.

use std::collections::HashSet;

use provider_tree::{Candidate, Error, Prepared, Root, View};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IteratorRandom;

use crate::cluster::Classes;
use crate::options::PolicyName;
use crate::shape::Demand;

/// What best-fit minimises, in whole numbers: 16 times the idle GPU thousandths plus the idle
/// thousandths of a core, which is `cpu / 128000 + gpu / 8000` times 128000.
fn room(cpu_milli: u64, gpu_milli: u64) -> u64 {
    cpu_milli + 16 * gpu_milli
}

/// Random nodes are tried this often before the fitting ones are listed. Both ways give every
/// fitting node the same chance.
const TRIES: usize = 64;

/// After this many tries it is time to ask whether any node fits.
const FIRST_TRIES: usize = 8;

impl PolicyName {
    /// Brings a view into the order in which the policy goes through it.
    pub(crate) fn arrange(self, view: &mut View, classes: Classes) {
        if self == Self::BestFit {
            let free = move |root: Root<'_>| room(root.free(classes.cpu), root.free(classes.gpu));
            view.order_by(free);
        }
    }

    /// A place for a task among what the view shows as free; `None` when it fits nowhere.
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
            Self::BestFit => {
                let taken = room(demand.cpu_milli.into(), demand.gpu_total().into());
                Ok(view.candidates(request)?.in_order(taken).tightest().next())
            }
            Self::Random => any(view, request, random),
        }
    }
}

/// Any node that fits, and on it any devices that do, each with the same chance.
fn any(
    view: &View,
    request: &mut Prepared,
    random: &mut Xoshiro256PlusPlus,
) -> Result<Option<Candidate>, Error> {
    let devices = random.random();
    for attempt in 0..TRIES {
        if attempt == FIRST_TRIES && view.candidates(request)?.next().is_none() {
            return Ok(None);
        }
        let node = random.random_range(0..view.trees());
        let found = view.candidates(request)?.at(node).shuffled(devices).next();
        if found.is_some() {
            return Ok(found);
        }
    }
    // The first candidate of each node comes before the second one of any.
    let mut nodes = HashSet::new();
    let listed = view.candidates(request)?.shuffled(devices);
    Ok(listed.take_while(|found| nodes.insert(found.root())).choose(random))
}

#[cfg(test)]
mod tests;

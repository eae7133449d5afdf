//! [`Kinds`]: tasks that ask for the same are of one kind.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use provider_tree::{Error, Request};

use crate::cluster::Cluster;
use crate::shape::Demand;

/// The kinds of a run's tasks.
pub(crate) struct Kinds {
    /// What the tasks of each kind ask for. No node serves those without a request, ever.
    pub(crate) all: Vec<(Demand, Option<Request>)>,
    /// By task: the number of its kind.
    pub(crate) of_task: Vec<usize>,
}

impl Kinds {
    pub(crate) fn new(cluster: &Cluster, tasks: &[Demand]) -> Result<Self, Error> {
        let (mut all, mut known) = (Vec::new(), HashMap::new());
        let of_task = tasks.iter().map(|demand| match known.entry(*demand) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                all.push((*demand, cluster.request(demand)?));
                Ok(*new.insert(all.len() - 1))
            }
        });
        let of_task = of_task.collect::<Result<_, Error>>()?;
        Ok(Self { all, of_task })
    }
}

//! Dot product: the node whose free resources are least like what the task asks for, so that nodes keep
//! what other tasks ask for.
//!
//! Both are vectors of processors and GPUs, divided by the greatest that a published node has.

use provider_tree::{Error, Request, Root, View};

use crate::cluster::Classes;
use crate::policy::scored::{Score, Scored};
use crate::policy::{Policy, Search};
use crate::shape::{Demand, MOST_CPU_MILLI, MOST_GPU_MILLI};

pub(crate) struct DotProduct(pub(crate) Classes);

struct Unlikeness {
    classes: Classes,
    /// The task's vector.
    asked: [f64; 2],
}

/// Returns the vector of some processors and GPUs.
fn vector(cpu_milli: u64, gpu_milli: u64) -> [f64; 2] {
    [cpu_milli as f64 / MOST_CPU_MILLI, gpu_milli as f64 / MOST_GPU_MILLI]
}

impl Policy for DotProduct {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        let asked = vector(task.cpu_milli.into(), task.gpu_total().into());
        Scored::search(view, request, Unlikeness { classes: self.0, asked })
    }
}

impl Score for Unlikeness {
    fn of_node(&self, node: Root<'_>) -> i16 {
        let free = vector(node.free(self.classes.cpu), node.free(self.classes.gpu));
        let product = free[0] * self.asked[0] + free[1] * self.asked[1];
        // Below 0 if the node has more than any published one.
        (100.0 * (1.0 - product / 2.0)) as i16
    }
}

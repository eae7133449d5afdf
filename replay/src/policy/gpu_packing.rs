//! GPU packing: GPUs that are in use already, then idle ones of nodes in use, then those of idle nodes.

use provider_tree::{Error, Request, Root, View};

use crate::cluster::Classes;
use crate::policy::scored::{Score, Scored};
use crate::policy::{Policy, Search};
use crate::shape::{Demand, WHOLE_GPU};

pub(crate) struct GpuPacking(pub(crate) Classes);

struct Packing {
    classes: Classes,
    gpus: usize,
    gpu_milli: u64,
}

/// What an idle node has at most, what a node has at most whose idle GPUs are needed, and the best score.
const IDLE_NODE: u64 = 33;
const IDLE_GPU: u64 = 50;
const BEST: u64 = 100;

impl Policy for GpuPacking {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        let (gpus, gpu_milli) = (task.gpus.into(), task.gpu_milli.into());
        Scored::search(view, request, Packing { classes: self.0, gpus, gpu_milli })
    }
}

impl Score for Packing {
    fn of_node(&self, node: Root<'_>) -> i16 {
        if self.gpus == 0 {
            return 0;
        }
        let whole = u64::from(WHOLE_GPU);
        let mut free: Vec<u64> = node.each_free(self.classes.gpu).collect();
        let idle = free.iter().filter(|&&free| free == whole).count();
        let score = if idle == free.len() {
            IDLE_NODE.saturating_sub(idle as u64).max(idle as u64).min(IDLE_NODE)
        } else {
            free.retain(|&free| free >= self.gpu_milli);
            free.sort_unstable();
            let used = &free[..self.gpus.min(free.len())];
            match used.iter().filter(|&&free| free == whole).count() as u64 {
                0 => (BEST - (used.iter().map(|free| free / 10).sum::<u64>() / 10).min(BEST))
                    .max(IDLE_GPU),
                idle => IDLE_GPU.saturating_sub(idle).max(IDLE_NODE),
            }
        };
        score.min(BEST) as i16
    }
}

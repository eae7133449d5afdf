//! Fragmentation gradient descent: the node, and on it the GPU, that the task fragments least.

use std::collections::HashMap;
use std::sync::Arc;

use provider_tree::{Candidates, Error, Request, Root, View};

use crate::cluster::{Classes, Cluster};
use crate::policy::fragmentation::{Free, Typical};
use crate::policy::scored::{Score, Scored};
use crate::policy::{Policy, Search};
use crate::shape::{Demand, WHOLE_GPU};

pub(crate) struct Fgd {
    classes: Classes,
    typical: Arc<Typical>,
    /// The GPU model of each node, as a row of what is typical, by the number of the root.
    rows: Arc<[usize]>,
}

struct Gradient {
    classes: Classes,
    typical: Arc<Typical>,
    rows: Arc<[usize]>,
    task: Demand,
}

impl Fgd {
    /// Returns the policy for a view of this cluster, where tasks like the typical ones are to come.
    pub(crate) fn new(view: &View, cluster: &Cluster, typical: Arc<Typical>) -> Self {
        let models: HashMap<_, _> = cluster.nodes.iter().map(|it| (it.root, it.model)).collect();
        let row = |root: Root<'_>| typical.row(models.get(&root.provider()).copied().flatten());
        Self { classes: cluster.classes, rows: view.roots().map(row).collect(), typical }
    }
}

impl Policy for Fgd {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        let score = Gradient {
            classes: self.classes,
            typical: Arc::clone(&self.typical),
            rows: Arc::clone(&self.rows),
            task: *task,
        };
        Scored::search(view, request, score)
    }
}

impl Gradient {
    fn is_shared(&self) -> bool {
        self.task.gpus == 1 && self.task.gpu_milli < WHOLE_GPU
    }

    /// Returns what a node has free.
    fn free(&self, node: Root<'_>) -> Free {
        let row = self.rows[node.number()];
        Free::new(row, node.free(self.classes.cpu), node.each_free(self.classes.gpu))
    }

    /// Returns how well it is if the task takes from GPUs of which each of these has so much free, where
    /// the node has so many fragments before.
    fn of_gpus(&self, free: &Free, fragments: i64, gpus: impl IntoIterator<Item = u64>) -> i16 {
        let gpu_milli = self.task.gpu_milli.into();
        let left = free.without(self.task.cpu_milli.into(), gpu_milli, gpus);
        let lessened = self.typical.gpu_milli(fragments - self.typical.fragments(&left));
        (100.0 / (1.0 + (-lessened / f64::from(WHOLE_GPU)).exp())) as i16
    }
}

impl Score for Gradient {
    fn of_node(&self, node: Root<'_>) -> i16 {
        let free = self.free(node);
        let fragments = self.typical.fragments(&free);
        let gpus = free.at_least(self.task.gpu_milli.into());
        if !self.is_shared() {
            return self.of_gpus(&free, fragments, gpus.take(self.task.gpus.into()));
        }
        let mut best = 0;
        let mut before = None;
        for gpu in gpus {
            if before.replace(gpu) != Some(gpu) {
                best = best.max(self.of_gpus(&free, fragments, [gpu]));
            }
        }
        best
    }

    fn order_gpus<'a>(&'a self, candidates: Candidates<'a>) -> Candidates<'a> {
        if !self.is_shared() {
            return candidates.tightest();
        }
        candidates.preferring(|gpu| {
            let free = self.free(gpu.root());
            let fragments = self.typical.fragments(&free);
            let score = self.of_gpus(&free, fragments, [gpu.free(self.classes.gpu)]);
            (100 - score) as u64
        })
    }
}

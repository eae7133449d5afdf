//! GPU clustering: the node whose other tasks use GPUs in the same way, the fullest first.
//!
//! What kinds of tasks run on a node is a resource of the node, of which each task takes one: so it
//! changes with the claim, and each view knows it.

use std::sync::Arc;

use provider_tree::{Error, Request, ResourceClass, Root, View};

use crate::cluster::{Classes, Cluster, TaskClasses};
use crate::policy::scored::{Score, Scored};
use crate::policy::{Policy, Search};
use crate::shape::{Demand, GpuUse, MOST_GPU_MILLI};

pub(crate) struct GpuClustering {
    classes: Classes,
    tasks: Arc<TaskClasses>,
}

struct Company {
    classes: Classes,
    tasks: Arc<TaskClasses>,
    /// What counts the tasks of the same kind.
    own: Option<ResourceClass>,
}

/// What the fullest node gets, and what is added for its tasks.
const FULLEST: i64 = 25;
const ONLY_THE_SAME: i64 = 75;
const ALSO_THE_SAME: i64 = 50;
const NONE: i64 = 25;

impl GpuClustering {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self { classes: cluster.classes, tasks: Arc::clone(&cluster.task_classes) }
    }
}

impl Policy for GpuClustering {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        task: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        let own = GpuUse::of(task).and_then(|how| self.tasks.class(how));
        Scored::search(
            view,
            request,
            Company { classes: self.classes, tasks: Arc::clone(&self.tasks), own },
        )
    }
}

impl Score for Company {
    fn of_node(&self, node: Root<'_>) -> i16 {
        let Some(own) = self.own else { return 0 };
        let runs = |class| node.usage(class).used > 0;
        let others = self.tasks.all().any(|class| class != own && runs(class));
        let company = match (runs(own), others) {
            (true, false) => ONLY_THE_SAME,
            (true, true) => ALSO_THE_SAME,
            (false, false) => NONE,
            (false, true) => 0,
        };
        // Below 0 if the node has more than any published one.
        let most = MOST_GPU_MILLI as i64;
        let used = most - node.free(self.classes.gpu) as i64;
        (FULLEST * used / most + company) as i16
    }
}

//! Recomputes usage from the allocations and holds it against everything that was said about it.
//!
//! The library has an audit of its own; it is asked too, but not trusted. Three accounts have to
//! agree: the allocations of all consumers, the usage that the providers report, and the
//! scheduler's record of what became of each task. And none may be above a capacity.

use std::collections::HashMap;

use provider_tree::{Allocation, Error, Provider, ResourceClass, Snapshot, Usage};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cluster::{Cluster, ClusterNode};
use crate::scheduler::{Outcome, Schedule};
use crate::seed;
use crate::shape::{Demand, WHOLE_GPU};

/// What the audit found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Audit {
    pub(crate) holds: bool,
    /// Providers whose usage and capacity were compared.
    pub(crate) providers: usize,
    /// Consumers whose allocations were summed.
    pub(crate) consumers: usize,
    /// Allocations summed.
    pub(crate) allocations: usize,
    /// What does not agree, as many as there are.
    pub(crate) violations: usize,
    /// The first of them, in words.
    pub(crate) examples: Vec<String>,
    /// What the library's own audit says.
    pub(crate) library: LibraryAudit,
    /// What is allocated, recomputed, and what there is.
    pub(crate) cpu_milli: Share,
    pub(crate) memory_mib: Share,
    pub(crate) gpu_milli: Share,
}

impl Audit {
    /// Adds something that does not agree.
    pub(crate) fn object(&mut self, what: String) {
        self.holds = false;
        self.violations += 1;
        self.examples.push(what);
    }
}

/// The counts of the library's own audit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LibraryAudit {
    pub(crate) holds: bool,
    pub(crate) providers: usize,
    pub(crate) consumers: usize,
    pub(crate) differences: usize,
    pub(crate) overcommitted: usize,
}

/// An amount out of a capacity.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) allocated: u64,
    pub(crate) capacity: u64,
}

impl Share {
    /// The allocated part in percent; 0 of nothing is 0.
    pub(crate) fn percent(&self) -> f64 {
        if self.capacity == 0 { 0.0 } else { 100.0 * self.allocated as f64 / self.capacity as f64 }
    }

    fn add(&mut self, usage: Usage) {
        self.allocated += usage.used;
        self.capacity += usage.capacity;
    }
}

/// Audits a run that is over, of which `tasks` are those that it came to.
pub(crate) fn audit(
    cluster: &Cluster,
    tasks: &[Demand],
    schedule: &Schedule,
    seed: u64,
) -> Result<Audit, Error> {
    let mut auditor = Auditor::new(cluster);
    auditor.sum_allocations()?;
    auditor.compare_records(tasks, schedule, seed)?;
    for node in &cluster.nodes {
        auditor.compare_node(node)?;
    }
    auditor.report_strays();
    auditor.finish()
}

/// How many violations are put in words.
const MOST_EXAMPLES: usize = 10;

struct Auditor<'a> {
    cluster: &'a Cluster,
    nodes: HashMap<Provider, &'a ClusterNode>,
    /// All accounts are of one instant.
    snapshot: Snapshot,
    sums: HashMap<(Uuid, ResourceClass), u64>,
    providers: usize,
    consumers: usize,
    allocations: usize,
    violations: usize,
    examples: Vec<String>,
    cpu_milli: Share,
    memory_mib: Share,
    gpu_milli: Share,
}

impl<'a> Auditor<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        Self {
            cluster,
            nodes: cluster.nodes.iter().map(|node| (node.root, node)).collect(),
            snapshot: cluster.tree.snapshot(),
            sums: HashMap::new(),
            providers: 0,
            consumers: 0,
            allocations: 0,
            violations: 0,
            examples: Vec::new(),
            cpu_milli: Share::default(),
            memory_mib: Share::default(),
            gpu_milli: Share::default(),
        }
    }

    fn violation(&mut self, text: impl FnOnce() -> String) {
        self.violations += 1;
        if self.examples.len() < MOST_EXAMPLES {
            self.examples.push(text());
        }
    }

    /// Adds up what all consumers hold.
    fn sum_allocations(&mut self) -> Result<(), Error> {
        for held in self.snapshot.all_allocations()? {
            self.consumers += 1;
            self.allocations += held.allocations.len();
            for Allocation { provider, class, amount, .. } in held.allocations {
                *self.sums.entry((provider, class)).or_default() += amount;
            }
        }
        Ok(())
    }

    /// Every placed task holds what it asked for on the node that was recorded, no other holds
    /// anything, and the counters say the same.
    fn compare_records(
        &mut self,
        tasks: &[Demand],
        schedule: &Schedule,
        seed: u64,
    ) -> Result<(), Error> {
        let mut placed = 0;
        for (index, (task, &outcome)) in tasks.iter().zip(&schedule.outcomes).enumerate() {
            let held = self.snapshot.allocations(seed::consumer(seed, index as u64))?;
            let held = held.map(|held| held.allocations);
            placed += usize::from(matches!(outcome, Outcome::Placed(_)));
            if !self.agrees(task, outcome, held.as_deref()) {
                self.violation(|| format!("task {index} is {outcome:?} but holds {held:?}"));
            }
        }
        let counted = schedule.counters.placed as usize;
        let consumers = self.consumers;
        if placed != counted || placed != consumers {
            self.violation(|| {
                format!(
                    "{placed} tasks recorded as placed, {counted} counted, {consumers} consumers"
                )
            });
        }
        let failed = schedule.counters.failed as usize;
        if counted + failed != tasks.len() {
            self.violation(|| format!("{counted} placed and {failed} failed of {}", tasks.len()));
        }
        Ok(())
    }

    fn agrees(&self, task: &Demand, outcome: Outcome, held: Option<&[Allocation]>) -> bool {
        match (outcome, held) {
            (Outcome::Failed, None) => true,
            (Outcome::Placed(root), Some(held)) => {
                let node = self.nodes.get(&root);
                node.is_some_and(|node| self.is_placed_on(task, node, held))
            }
            _ => false,
        }
    }

    /// Whether these allocations are exactly the task's demand, on this node.
    fn is_placed_on(&self, task: &Demand, node: &ClusterNode, held: &[Allocation]) -> bool {
        let classes = self.cluster.classes;
        let on_root = |class, amount: u32| {
            amount == 0 || held.contains(&allocation(&node.root, class, u64::from(amount)))
        };
        let task_class = self.cluster.task_class(task);
        let share = u64::from(task.gpu_milli);
        let gpus =
            node.gpus.iter().filter(|gpu| held.contains(&allocation(gpu, classes.gpu, share)));
        let items = usize::from(task.cpu_milli > 0)
            + usize::from(task.memory_mib > 0)
            + usize::from(task.gpus)
            + usize::from(task_class.is_some());
        on_root(classes.cpu, task.cpu_milli)
            && on_root(classes.memory, task.memory_mib)
            && task_class.is_none_or(|class| on_root(class, 1))
            && gpus.count() == usize::from(task.gpus)
            && held.len() == items
            && task.models.accepts(node.model)
    }

    /// A node's providers report what the allocations add up to, of the capacity they were given.
    fn compare_node(&mut self, node: &ClusterNode) -> Result<(), Error> {
        let classes = self.cluster.classes;
        let mut expected = vec![
            (classes.cpu, u64::from(node.cpu_milli)),
            (classes.memory, u64::from(node.memory_mib)),
        ];
        expected.retain(|&(_, capacity)| capacity > 0);
        let counted = self.cluster.task_classes.capacities();
        expected.extend(counted.map(|(class, capacity)| (class, u64::from(capacity))));
        self.compare_provider(&node.root, &expected)?;
        for gpu in &node.gpus {
            self.compare_provider(gpu, &[(classes.gpu, u64::from(WHOLE_GPU))])?;
        }
        Ok(())
    }

    fn compare_provider(
        &mut self,
        provider: &Provider,
        expected: &[(ResourceClass, u64)],
    ) -> Result<(), Error> {
        self.providers += 1;
        let usages = self.snapshot.usages(provider)?;
        if usages.len() != expected.len() {
            self.violation(|| format!("{} has {} classes", provider.uuid(), usages.len()));
        }
        for (class, reported) in usages {
            let used = self.sums.remove(&(provider.uuid(), class)).unwrap_or(0);
            let given = expected.iter().find(|&&(known, _)| known == class);
            let recomputed = Usage { capacity: given.map_or(0, |&(_, capacity)| capacity), used };
            if used > recomputed.capacity
                || reported.used != used
                || reported.capacity != recomputed.capacity
            {
                self.violation(|| {
                    let provider = provider.uuid();
                    format!("{provider} {class}: {reported:?} reported, {recomputed:?} recomputed")
                });
            }
            if let Some(share) = self.share(class) {
                share.add(recomputed);
            }
        }
        Ok(())
    }

    /// Returns what is summed up of a class, if it is.
    fn share(&mut self, class: ResourceClass) -> Option<&mut Share> {
        let classes = self.cluster.classes;
        let shares = [
            (classes.cpu, &mut self.cpu_milli),
            (classes.memory, &mut self.memory_mib),
            (classes.gpu, &mut self.gpu_milli),
        ];
        shares.into_iter().find(|(known, _)| *known == class).map(|(_, share)| share)
    }

    /// Allocations left over name a provider or a class that is not there.
    fn report_strays(&mut self) {
        for ((provider, class), amount) in std::mem::take(&mut self.sums) {
            self.violation(|| format!("{amount} of {class} allocated from {provider}, unknown"));
        }
    }

    fn finish(self) -> Result<Audit, Error> {
        let audit = self.snapshot.audit()?;
        let library = LibraryAudit {
            holds: audit.holds() && audit.overcommitted.is_empty(),
            providers: audit.providers,
            consumers: audit.consumers,
            differences: audit.differences.len(),
            overcommitted: audit.overcommitted.len(),
        };
        let complete = (library.providers, library.consumers) == (self.providers, self.consumers);
        Ok(Audit {
            holds: self.violations == 0 && library.holds && complete,
            providers: self.providers,
            consumers: self.consumers,
            allocations: self.allocations,
            violations: self.violations,
            examples: self.examples,
            library,
            cpu_milli: self.cpu_milli,
            memory_mib: self.memory_mib,
            gpu_milli: self.gpu_milli,
        })
    }
}

fn allocation(provider: &Provider, class: ResourceClass, amount: u64) -> Allocation {
    Allocation::new(provider.uuid(), class, amount)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use provider_tree::Claim;

    use super::*;
    use crate::cluster::TaskClasses;
    use crate::interrupt::Interrupt;
    use crate::policy::PolicyName;
    use crate::scheduler::{self, Settings};
    use crate::shape::{ModelSet, Models, Node};

    const TASK: Demand =
        Demand { cpu_milli: 1000, memory_mib: 10, gpus: 1, gpu_milli: 500, models: ModelSet::ANY };

    /// A run of four tasks on one node that has room for three.
    fn finished() -> (Cluster, Vec<Demand>, Schedule) {
        let node = Node { name: "n".into(), cpu_milli: 3000, memory_mib: 40, gpus: 2, model: None };
        let cluster = Cluster::new(&[node], &Models::default(), TaskClasses::default())
            .expect("the node is well formed");
        let tasks = vec![TASK; 4];
        let settings = Settings {
            policy: PolicyName::FirstFit,
            threads: 1,
            seed: 1,
            listed: tasks.len(),
            pause: Duration::ZERO,
        };
        let schedule = scheduler::run(&cluster, &tasks, &settings, &Interrupt::default());
        let schedule = schedule.expect("the run ends");
        (cluster, tasks, schedule)
    }

    #[test]
    fn an_honest_run_holds() {
        let (cluster, tasks, schedule) = finished();
        let audit = audit(&cluster, &tasks, &schedule, 1).expect("nothing was removed");
        assert!(audit.holds, "{audit:?}");
        assert_eq!((audit.providers, audit.consumers, audit.allocations), (3, 3, 9));
        assert_eq!((audit.gpu_milli.allocated, audit.gpu_milli.capacity), (1500, 2000));
        assert_eq!((audit.cpu_milli.allocated, audit.memory_mib.allocated), (3000, 30));
    }

    #[test]
    fn a_record_that_differs_is_found() {
        let (cluster, tasks, mut schedule) = finished();
        schedule.outcomes[0] = Outcome::Failed;
        let audit = audit(&cluster, &tasks, &schedule, 1).expect("nothing was removed");
        assert!(!audit.holds);
        assert_eq!(audit.violations, 2, "the task and the count: {:?}", audit.examples);
    }

    #[test]
    fn an_allocation_that_nobody_recorded_is_found() {
        let (cluster, tasks, schedule) = finished();
        let mut worker = cluster.tree.worker().expect("a worker is free");
        let gpu = &cluster.nodes[0].gpus[1];
        let claim = Claim::new(Uuid::from_u128(7)).take(gpu, cluster.classes.gpu, 500);
        let receipt = worker.claim(&claim).expect("the second GPU is half free");
        assert_eq!(receipt.consumer, Uuid::from_u128(7));
        let audit = audit(&cluster, &tasks, &schedule, 1).expect("nothing was removed");
        assert!(!audit.holds);
    }

    #[test]
    fn a_task_of_another_size_is_found() {
        let (cluster, mut tasks, schedule) = finished();
        tasks[1].gpu_milli = 400;
        let audit = audit(&cluster, &tasks, &schedule, 1).expect("nothing was removed");
        assert_eq!((audit.holds, audit.violations), (false, 1));
    }
}

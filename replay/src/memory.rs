//! How much memory a run takes, and how much there is.

mod limits;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use serde::Serialize;

use crate::policy::PolicyName;
use crate::shape::{Demand, GpuUse, Node};

pub(crate) use limits::{Kind, Limit, read_limits};

/// The memory that a run is estimated to take, in bytes.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) memory: u64,
    /// What is reserved counts too, whether it is used or not.
    pub(crate) address_space: u64,
}

// Bytes. Each is the difference of two release builds' runs in `VmHWM`, over the number of what one
// had more of: 1,000 and 100,000 nodes without GPUs, 1,000 and 20,000 nodes of 8, 1,000 and 400,000
// equal tasks that are all placed, the same with 1 and 4 GPUs each, 1 and 100,000 different tasks with
// 1 and 2 desks and with 1,000 and 20,000 nodes, 20,000 equal and different tasks with 1 to 8 GPUs,
// best-fit and fgd with 1,000 and 4,000 nodes, 1 and 64 models of GPUs, 1 to 65 kinds of tasks that nodes count, 1, 16 and 256
// threads. On the built-in workload the estimate is up to a quarter above what is used, as a quarter of its
// tasks fails and the desks are gone when the audit needs most.
const PROGRAM: u64 = 4 << 20;
const NODE: u64 = 1_250;
const NODE_AT_DESK: u64 = 200;
const GPU: u64 = 1_100;
const GPU_AT_DESK: u64 = 100;
/// A task in the list, also one that is dropped.
const LISTED: u64 = 100;
/// The name of a listed task, if names are kept.
const NAME: u64 = 60;
/// A task that is scheduled, and each GPU that it asks for.
const TASK: u64 = 420;
const ASKED_GPU: u64 = 90;
/// A task that comes and goes: both, and what there is at the two instants. What it holds while it runs
/// is counted above.
const TIMED: u64 = 270;
/// A request unlike all others, and each GPU that it asks for; and at each desk, where it has a bit for
/// each node besides.
const REQUEST: u64 = 1_800;
const REQUESTED_GPU: u64 = 600;
const REQUEST_AT_DESK: u64 = 1_400;
const REQUESTED_GPU_AT_DESK: u64 = 475;
/// How a request is served by nodes of one make, at each desk.
const PLAN_AT_DESK: u64 = 450;
/// A score of a node for a request, in quarters of a byte.
const SCORE_AT_DESK: u64 = 18;
/// What counts its tasks by kind: a node, each kind there, and each task.
const COUNTING_NODE: u64 = 420;
const COUNTED_KIND: u64 = 80;
const COUNTED_TASK: u64 = 100;
/// How many typical tasks can run on a GPU with so much free, on a node with so many processors.
const TYPICAL: u64 = 4;
const THREAD: u64 = 40 << 10;
/// What is used of an arena, below.
const USED_OF_ARENA: u64 = 200 << 10;

// What `VmPeak` is above `VmHWM`, with 1 to 256 threads: the program's files, stacks, and the arenas
// that glibc's allocator reserves for up to eight threads per core. Small runs get by with less.
const RESERVED: u64 = 70 << 20;
const STACK: u64 = 2_150 << 10;
const ARENA: u64 = 64 << 20;
const ARENAS_PER_CORE: u64 = 8;

impl Need {
    /// Estimates a run of `tasks` tasks like the listed ones, on nodes of which each is there `scale`
    /// times.
    pub(crate) fn new(
        nodes: &[Node],
        scale: u32,
        listed: &[Demand],
        tasks: u64,
        threads: usize,
        policy: PolicyName,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let threads = threads as u64;
        let (desks, arenas) = (threads.min(cores), threads.min(ARENAS_PER_CORE * cores));
        let makes = nodes.iter().map(|node| (node.gpus, node.model)).collect::<HashSet<_>>().len();
        let gpus: u64 = nodes.iter().map(|node| u64::from(node.gpus)).sum();
        let (nodes, gpus) = (nodes.len() as u64 * u64::from(scale), gpus * u64::from(scale));
        let asked: u64 = listed.iter().map(|task| u64::from(task.gpus)).sum();
        let per_task = TASK + ASKED_GPU * asked / (listed.len() as u64).max(1);
        let kinds: HashSet<_> = listed.iter().collect();
        let requested: u64 = kinds.iter().map(|task| u64::from(task.gpus)).sum();
        let scores = if policy.keeps_scores() { nodes * SCORE_AT_DESK / 4 } else { 0 };
        let plans = PLAN_AT_DESK * (makes as u64).saturating_sub(1);
        let at_desk = REQUEST_AT_DESK + nodes / 8 + scores + plans;
        let all_kinds = (REQUEST + desks * at_desk) * kinds.len() as u64
            + (REQUESTED_GPU + desks * REQUESTED_GPU_AT_DESK) * requested;
        // Of those that are dropped there may be all of a kind.
        let requests = match tasks < kinds.len() as u64 {
            true => all_kinds / kinds.len() as u64 * tasks,
            false => all_kinds,
        };
        let memory = PROGRAM
            + (NODE + NODE_AT_DESK * desks) * nodes
            + (GPU + GPU_AT_DESK * desks) * gpus
            + LISTED * listed.len() as u64
            + per_task * tasks
            + requests
            + of_policy(policy, listed, nodes, tasks)
            + THREAD * threads
            + USED_OF_ARENA * arenas;
        Self { memory, address_space: memory + RESERVED + STACK * threads + ARENA * arenas }
    }

    /// Returns the need with so many listed tasks of other lists in memory.
    pub(crate) fn beside(self, listed: usize) -> Self {
        self.with(LISTED * listed as u64)
    }

    /// Returns the need with the names of so many listed tasks in memory.
    pub(crate) fn with_names(self, listed: usize) -> Self {
        self.with(NAME * listed as u64)
    }

    /// Returns the need with the times of so many tasks, and what there is at each of them.
    pub(crate) fn with_times(self, tasks: u64) -> Self {
        self.with(TIMED * tasks)
    }

    fn with(self, more: u64) -> Self {
        Self { memory: self.memory + more, address_space: self.address_space + more }
    }

    /// Refuses a run that would take more than one of the limits.
    pub(crate) fn check(&self, limits: &[Limit]) -> Result<(), Shortage> {
        let need = |limit: &Limit| match limit.kind {
            Kind::AddressSpace => self.address_space,
            Kind::Group | Kind::Available => self.memory,
        };
        let short = limits.iter().find(|limit| need(limit) > limit.bytes);
        short.map_or(Ok(()), |limit| Err(Shortage { need: need(limit), limit: limit.clone() }))
    }
}

/// Returns what a policy has to know, beside scores.
fn of_policy(policy: PolicyName, listed: &[Demand], nodes: u64, tasks: u64) -> u64 {
    fn distinct<T: Eq + Hash>(listed: &[Demand], value: impl Fn(&Demand) -> T) -> u64 {
        listed.iter().map(value).collect::<HashSet<_>>().len() as u64
    }
    if policy.counts_tasks() {
        let kinds = distinct(listed, GpuUse::of);
        return (COUNTING_NODE + COUNTED_KIND * kinds) * nodes + COUNTED_TASK * tasks;
    }
    match policy {
        PolicyName::Fgd => {
            let rows = distinct(listed, |task| task.models) + 1;
            let cases = distinct(listed, |task| task.cpu_milli) + 1;
            let levels = distinct(listed, |task| task.gpu_milli) + 1;
            TYPICAL * rows * cases * levels
        }
        _ => 0,
    }
}

/// A run would take more memory than a limit allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    need: u64,
    limit: Limit,
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.limit.kind {
            Kind::AddressSpace => "the address space is limited to",
            Kind::Group => "the control group is limited to",
            Kind::Available => "there is free only",
        };
        let (need, limit) = (size(self.need), size(self.limit.bytes));
        write!(
            formatter,
            "the run would take some {need} of memory, but {what} {limit} ({}): lower --scale or \
             --load, or list less",
            self.limit.file.display()
        )
    }
}

/// Writes a number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let mib = bytes as f64 / (1 << 20) as f64;
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::shape::ModelSet;

    fn limit(bytes: u64, kind: Kind) -> Limit {
        Limit { bytes, kind, file: PathBuf::from("/a/file") }
    }

    fn need(scale: u32, tasks: u64, threads: usize) -> Need {
        need_of(PolicyName::BestFit, scale, tasks, threads)
    }

    fn need_of(policy: PolicyName, scale: u32, tasks: u64, threads: usize) -> Need {
        let node = |number: u8| Node {
            name: format!("n{number}"),
            cpu_milli: 1000,
            memory_mib: 1000,
            gpus: number,
            model: None,
        };
        let task =
            Demand { cpu_milli: 1, memory_mib: 1, gpus: 2, gpu_milli: 5, models: ModelSet::ANY };
        Need::new(&[node(2), node(6)], scale, &[task; 3], tasks, threads, policy)
    }

    #[test]
    fn a_need_grows_with_what_there_is() {
        let least = need(1, 10, 1);
        for more in [need(2, 10, 1), need(1, 11, 1), need(1, 10, 2)] {
            assert!(more.memory > least.memory && more.address_space > least.address_space);
        }
    }

    #[test]
    fn scores_and_counts_need_memory_too() {
        let of = |policy| need_of(policy, 100, 1_000, 2).memory;
        assert_eq!(of(PolicyName::FirstFit), of(PolicyName::BestFit));
        assert!(of(PolicyName::BestFit) < of(PolicyName::Fgd));
        assert!(of(PolicyName::Fgd) < of(PolicyName::GpuClustering));
    }

    #[test]
    fn a_need_grows_with_other_lists_names_and_times() {
        let alone = need(1, 10, 1);
        for more in [alone.beside(1000), alone.with_names(1000), alone.with_times(1000)] {
            assert!(more.memory > alone.memory && more.address_space > alone.address_space);
        }
        assert_eq!([alone.beside(0), alone.with_names(0)], [alone, alone]);
    }

    #[test]
    fn what_a_limit_does_not_allow_is_refused() {
        let need = Need { memory: 3 << 30, address_space: 5 << 30 };
        for (kind, most) in
            [(Kind::AddressSpace, 5 << 30), (Kind::Group, 3 << 30), (Kind::Available, 3 << 30)]
        {
            assert_eq!(need.check(&[limit(most, kind)]), Ok(()));
            assert_eq!(
                need.check(&[limit(u64::MAX, Kind::Group), limit(most - 1, kind)]),
                Err(Shortage { need: most, limit: limit(most - 1, kind) })
            );
        }
        assert_eq!(need.check(&[]), Ok(()), "nothing is known");
    }

    #[test]
    fn a_shortage_gives_both_figures_and_the_limit_s_file() {
        let need = Need { memory: 3 << 30, address_space: 5 << 30 };
        let shortage = need.check(&[limit(512 << 20, Kind::Group)]).expect_err("it is too much");
        assert_eq!(
            shortage.to_string(),
            "the run would take some 3.0 GiB of memory, but the control group is limited to \
             512.0 MiB (/a/file): lower --scale or --load, or list less"
        );
    }
}

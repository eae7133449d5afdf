//! The built-in workload: a cluster and tasks of the shape that a public trace has.
//!
//! The figures below are summary figures, rounded and joined to a few shapes, of the Alibaba
//! cluster-trace-gpu-v2023 (the task list `default`), published with Qizhen Weng et al., "Beware of
//! Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX
//! ATC 2023. Totals: 1,213 nodes, 6,212 GPUs and about 107,000 cores; 8,152 tasks, of which 3,078
//! share a GPU, 3,911 want a whole one, 75 want several and 1,088 none. The trace itself is not
//! part of this tool.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::fingerprint::fingerprint;
use crate::seed::{self, Purpose};
use crate::shape::{Demand, ModelSet, Models, Node, WHOLE_GPU};

/// Nodes of one shape: count, cores, GiB of memory, GPUs, GPU model.
type NodeShape = (usize, u32, u32, u8, &'static str);

const NODES: [NodeShape; 8] = [
    (549, 96, 384, 8, "G2"),
    (387, 104, 512, 2, "T4"),
    (131, 24, 144, 2, "P100"),
    (51, 38, 152, 4, "V100M16"),
    (39, 128, 768, 8, "G3"),
    (23, 96, 768, 8, "V100M32"),
    (17, 96, 384, 4, "T4"),
    (16, 10, 48, 1, "V100M16"),
];

/// Tasks that want the same GPUs, and how often which size and which share occurs among them.
#[derive(Debug)]
struct TaskGroup {
    count: usize,
    gpus: u8,
    shares: &'static [(usize, u16)],
    sizes: &'static [Size],
}

/// Weight, thousandths of a core, MiB of memory.
type Size = (usize, u32, u32);

const GIB: u32 = 1024;
const WHOLE: &[(usize, u16)] = &[(1, WHOLE_GPU)];

const TASKS: [TaskGroup; 6] = [
    TaskGroup {
        count: 1_088,
        gpus: 0,
        shares: &[(1, 0)],
        sizes: &[
            (35, 12_500, 56 * GIB),
            (27, 32_000, 48 * GIB),
            (18, 8_000, 30 * GIB),
            (20, 16_000, 50 * GIB),
        ],
    },
    TaskGroup {
        count: 3_078,
        gpus: 1,
        shares: &[(35, 800), (28, 470), (11, 320), (11, 650), (15, 200)],
        sizes: &[
            (41, 3_000, 6 * GIB),
            (21, 12_000, 46 * GIB),
            (22, 8_000, 30 * GIB),
            (16, 4_000, 20 * GIB),
        ],
    },
    TaskGroup {
        count: 3_911,
        gpus: 1,
        shares: WHOLE,
        sizes: &[
            (42, 11_300, 48 * GIB),
            (14, 3_000, 6 * GIB),
            (14, 12_000, 32 * GIB),
            (12, 9_000, 36 * GIB),
            (10, 15_700, 57 * GIB),
            (8, 18_700, 63 * GIB),
        ],
    },
    TaskGroup { count: 16, gpus: 2, shares: WHOLE, sizes: &[(1, 16_000, 64 * GIB)] },
    TaskGroup { count: 15, gpus: 4, shares: WHOLE, sizes: &[(1, 32_000, 128 * GIB)] },
    TaskGroup {
        count: 44,
        gpus: 8,
        shares: WHOLE,
        sizes: &[(21, 64_000, 256 * GIB), (18, 88_000, 320 * GIB), (5, 120_000, 700 * GIB)],
    },
];

/// Returns the fingerprint of the figures.
pub(super) fn content() -> String {
    fingerprint(format!("{NODES:?} {TASKS:?}"))
}

/// The cluster. The shapes are dealt out evenly over the names, not in blocks.
pub(super) fn nodes() -> (Vec<Node>, Models) {
    let mut models = Models::default();
    let total: usize = NODES.iter().map(|&(count, ..)| count).sum();
    let mut placed = Vec::with_capacity(total);
    for &(count, cores, memory_gib, gpus, model) in &NODES {
        let model = models.intern(model);
        let node = Node {
            name: String::new(),
            cpu_milli: cores * 1000,
            memory_mib: memory_gib * GIB,
            gpus,
            model,
        };
        placed
            .extend((0..count).map(|index| ((2 * index + 1) * total / (2 * count), node.clone())));
    }
    placed.sort_by_key(|&(position, _)| position);
    let named = placed.into_iter().enumerate();
    let nodes = named.map(|(index, (_, node))| Node { name: format!("node-{index:04}"), ..node });
    (nodes.collect(), models)
}

/// The tasks: as many of each group as in the trace, of sizes drawn by the seed.
pub(super) fn tasks(seed: u64) -> Vec<Demand> {
    let random = &mut seed::generator(seed, Purpose::Sizes, 0);
    let mut tasks = Vec::with_capacity(TASKS.iter().map(|group| group.count).sum());
    for group in &TASKS {
        tasks.extend((0..group.count).map(|_| draw(group, random)));
    }
    tasks
}

fn draw(group: &TaskGroup, random: &mut Xoshiro256PlusPlus) -> Demand {
    let &(_, cpu_milli, memory_mib) = weighted(group.sizes, |&(weight, ..)| weight, random);
    let &(_, gpu_milli) = weighted(group.shares, |&(weight, _)| weight, random);
    Demand { cpu_milli, memory_mib, gpus: group.gpus, gpu_milli, models: ModelSet::ANY }
}

fn weighted<'a, T>(
    choices: &'a [T],
    weight: impl Fn(&T) -> usize,
    random: &mut Xoshiro256PlusPlus,
) -> &'a T {
    let mut point = random.random_range(0..choices.iter().map(&weight).sum());
    for choice in choices {
        let weight = weight(choice);
        if point < weight {
            return choice;
        }
        point -= weight;
    }
    unreachable!("the point lies below the sum of the weights")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_the_trace_s() {
        let (nodes, _) = nodes();
        assert_eq!(nodes.len(), 1_213);
        assert_eq!(nodes.iter().map(|node| usize::from(node.gpus)).sum::<usize>(), 6_212);
        let cores: u32 = nodes.iter().map(|node| node.cpu_milli / 1000).sum();
        assert!((106_900..107_100).contains(&cores), "{cores}");
        assert!(nodes.windows(2).all(|pair| pair[0].name < pair[1].name));

        let tasks = tasks(1);
        assert_eq!(tasks.len(), 8_152);
        assert_eq!(tasks.iter().filter(|task| task.gpus == 0).count(), 1_088);
        let sharing = |task: &&Demand| task.gpus == 1 && task.gpu_milli < WHOLE_GPU;
        assert_eq!(tasks.iter().filter(sharing).count(), 3_078);
    }

    #[test]
    fn every_task_fits_some_empty_node() {
        let (nodes, _) = nodes();
        for task in tasks(1) {
            assert!(nodes.iter().any(|node| {
                node.cpu_milli >= task.cpu_milli
                    && node.memory_mib >= task.memory_mib
                    && node.gpus >= task.gpus
            }));
        }
    }
}

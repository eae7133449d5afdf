//! Fragmentation: how much of a node's idle GPUs typical tasks can't use.
//!
//! The measure of Weng et al., "Beware of Fragmentation", USENIX ATC 2023, in the form of its published
//! program. For a task, all idle GPUs of a node are fragments if the task can't run there or needs no
//! GPU, and otherwise those that have too little free for it. A node's fragmentation is the mean over
//! typical tasks: the most frequent shapes that together make up 95 % of the list.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::shape::{Demand, MOST_GPUS, ModelId, ModelSet, Models, WHOLE_GPU};

/// So many of a hundred tasks have typical shapes.
const TYPICAL: usize = 95;

/// What a node has free.
#[derive(Clone)]
pub(crate) struct Free {
    /// The node's GPU model, as a row of [`Typical`].
    row: usize,
    cpu_milli: u64,
    gpus: [u16; MOST_GPUS as usize],
    count: usize,
}

impl Free {
    /// Returns what a node has free whose GPUs have so much each.
    pub(crate) fn new(row: usize, cpu_milli: u64, gpus: impl Iterator<Item = u64>) -> Self {
        let mut free = Self { row, cpu_milli, gpus: [0; MOST_GPUS as usize], count: 0 };
        for gpu in gpus.filter(|&gpu| gpu > 0) {
            free.gpus[free.count] = gpu as u16;
            free.count += 1;
        }
        free.gpus[..free.count].sort_unstable();
        free
    }

    /// Returns what each GPU has free that has at least so much, the least first.
    pub(super) fn at_least(&self, gpu_milli: u64) -> impl Iterator<Item = u64> {
        let gpus = self.gpus().iter().map(|&gpu| u64::from(gpu));
        gpus.filter(move |&gpu| gpu >= gpu_milli)
    }

    /// Returns what is free when a task has taken from GPUs of which each of these, the least first, has so
    /// much free.
    pub(super) fn without(
        &self,
        cpu_milli: u64,
        gpu_milli: u64,
        gpus: impl IntoIterator<Item = u64>,
    ) -> Self {
        let mut left = Self { cpu_milli: self.cpu_milli.saturating_sub(cpu_milli), ..self.clone() };
        for free in gpus {
            let gpu = left.gpus[..left.count].iter_mut().find(|gpu| u64::from(**gpu) == free);
            if let Some(gpu) = gpu {
                *gpu = gpu.saturating_sub(gpu_milli as u16);
            }
        }
        left
    }

    fn gpus(&self) -> &[u16] {
        &self.gpus[..self.count]
    }
}

/// Typical tasks, summed up so that what of a node they can use takes a few look-ups.
pub(crate) struct Typical {
    /// By model, and last for nodes without one: the row of its nodes. Models that no typical task tells
    /// apart have one row.
    rows: Vec<usize>,
    /// Counts the typical tasks.
    tasks: u64,
    /// What typical tasks ask for of processors, each amount once, in rising order. The cases of a node are
    /// how many of these it has free.
    cpu_milli: Vec<u64>,
    /// By what a GPU has free: how many of the amounts of GPUs that typical tasks ask for this is enough
    /// for. These are the levels.
    levels: Box<[u16]>,
    /// Counts the levels.
    level_count: usize,
    /// By row, case and level: how many typical tasks with one GPU can run on such a GPU.
    single: Vec<u32>,
    several: Vec<Several>,
}

/// The typical tasks that ask for several GPUs, with the same amount of each.
struct Several {
    gpus: u8,
    gpu_milli: u16,
    /// By row and case: how many of them can run.
    tasks: Vec<u32>,
}

/// What typical tasks agree in.
pub(super) type Shape = (u32, u16, u8, ModelSet);

/// Returns the most frequent shapes, each with how many tasks have it.
pub(super) fn typical_shapes(listed: &[Demand]) -> Vec<(Shape, u64)> {
    let mut counts: HashMap<Shape, u64> = HashMap::new();
    for task in listed {
        *counts.entry((task.cpu_milli, task.gpu_milli, task.gpus, task.models)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(shape, count)| Reverse((count, shape)));
    let mut sum = 0;
    let is_missing = |&(_, count): &(Shape, u64)| {
        let is_missing = sum * 100 < (TYPICAL * listed.len()) as u64;
        sum += count;
        is_missing
    };
    counts.into_iter().take_while(is_missing).collect()
}

/// Returns the row of each model, and last of none: models that the same shapes accept have one.
fn rows(shapes: &[(Shape, u64)], models: &Models) -> Vec<usize> {
    let sets: BTreeSet<ModelSet> = shapes.iter().map(|&((.., accepted), _)| accepted).collect();
    let mut known: HashMap<Vec<bool>, usize> = HashMap::new();
    let row = |model| {
        let accepting = sets.iter().map(|set| set.accepts(model)).collect();
        let next = known.len();
        *known.entry(accepting).or_insert(next)
    };
    models.all().map(row).collect()
}

impl Typical {
    /// Returns the typical ones of these tasks, on nodes with these GPU models.
    pub(crate) fn new(listed: &[Demand], models: &Models) -> Self {
        let mut shapes = typical_shapes(listed);
        let tasks = shapes.iter().map(|(_, count)| count).sum();
        shapes.retain(|((_, _, gpus, _), _)| *gpus > 0);
        let amounts = |amount: fn(&Shape) -> u64| {
            let mut amounts: Vec<_> = shapes.iter().map(|(shape, _)| amount(shape)).collect();
            amounts.sort_unstable();
            amounts.dedup();
            amounts
        };
        let cpu_milli = amounts(|&(cpu_milli, ..)| cpu_milli.into());
        let gpu_milli = amounts(|&(_, gpu_milli, ..)| gpu_milli.into());
        let level = |free: u64| gpu_milli.partition_point(|&amount| amount <= free) as u16;
        let mut typical = Self {
            rows: rows(&shapes, models),
            tasks,
            cpu_milli,
            levels: (0..=u64::from(WHOLE_GPU)).map(level).collect(),
            level_count: gpu_milli.len() + 1,
            single: Vec::new(),
            several: Vec::new(),
        };
        typical.single = vec![0; typical.row_count() * typical.cases() * typical.level_count];
        typical.enter_single(&shapes, models);
        typical.enter_several(&shapes, models);
        typical
    }

    /// Returns the row of nodes with this GPU model.
    pub(crate) fn row(&self, model: Option<ModelId>) -> usize {
        let last = self.rows.len() - 1;
        self.rows[model.map_or(last, ModelId::index)]
    }

    fn row_count(&self) -> usize {
        self.rows.iter().max().map_or(1, |last| last + 1)
    }

    /// Counts the cases of each row.
    fn cases(&self) -> usize {
        self.cpu_milli.len() + 1
    }

    /// Returns the number of a row and of the case that a node has so many processors free.
    fn case(&self, row: usize, cpu_milli: u64) -> usize {
        row * self.cases() + self.cpu_milli.partition_point(|&amount| amount <= cpu_milli)
    }

    /// Returns a model of each row.
    fn one_of_each_row(&self, models: &Models) -> Vec<Option<ModelId>> {
        let mut next = 0;
        let is_new = |model: &Option<ModelId>| {
            let is_new = self.row(*model) == next;
            next += usize::from(is_new);
            is_new
        };
        models.all().filter(is_new).collect()
    }

    /// Counts the tasks with one GPU: each shape where it can just run, and then what can run there and
    /// with less.
    fn enter_single(&mut self, shapes: &[(Shape, u64)], models: &Models) {
        let width = self.level_count;
        for model in self.one_of_each_row(models) {
            let row = self.row(model);
            for &((cpu_milli, gpu_milli, gpus, accepted), count) in shapes {
                if gpus == 1 && accepted.accepts(model) {
                    let level = usize::from(self.levels[usize::from(gpu_milli)]);
                    let case = self.case(row, cpu_milli.into());
                    self.single[case * width + level] += count as u32;
                }
            }
            let cases = row * self.cases()..(row + 1) * self.cases();
            for case in cases.clone() {
                for level in 1..width {
                    self.single[case * width + level] += self.single[case * width + level - 1];
                }
            }
            for case in cases.skip(1) {
                for level in 0..width {
                    self.single[case * width + level] += self.single[(case - 1) * width + level];
                }
            }
        }
    }

    /// Counts the tasks with several GPUs in the same way.
    fn enter_several(&mut self, shapes: &[(Shape, u64)], models: &Models) {
        let rows = self.one_of_each_row(models);
        let cases = self.cases();
        let mut known: HashMap<(u8, u16), usize> = HashMap::new();
        for &((cpu_milli, gpu_milli, gpus, accepted), count) in shapes {
            if gpus < 2 {
                continue;
            }
            let at = *known.entry((gpus, gpu_milli)).or_insert_with(|| {
                let tasks = vec![0; rows.len() * cases];
                self.several.push(Several { gpus, gpu_milli, tasks });
                self.several.len() - 1
            });
            for &model in rows.iter().filter(|&&model| accepted.accepts(model)) {
                let case = self.case(self.row(model), cpu_milli.into());
                self.several[at].tasks[case] += count as u32;
            }
        }
        for Several { tasks, .. } in &mut self.several {
            for row in tasks.chunks_mut(cases) {
                (1..cases).for_each(|case| row[case] += row[case - 1]);
            }
        }
    }

    /// Returns the GPUs, in thousandths, that these fragments of one node or of several are.
    pub(crate) fn gpu_milli(&self, fragments: i64) -> f64 {
        fragments as f64 / self.tasks as f64
    }

    /// Returns the fragmentation of a node, times the number of typical tasks, so that it is exact.
    pub(crate) fn fragments(&self, free: &Free) -> i64 {
        let case = self.case(free.row, free.cpu_milli);
        let single = &self.single[case * self.level_count..][..self.level_count];
        let (mut idle, mut useful) = (0, 0);
        for &gpu in free.gpus() {
            let level = usize::from(self.levels[usize::from(gpu)]);
            idle += u64::from(gpu);
            useful += u64::from(gpu) * u64::from(single[level]);
        }
        for Several { gpus, gpu_milli, tasks } in &self.several {
            let fitting = free.gpus().iter().filter(|gpu| *gpu >= gpu_milli);
            let (count, sum) =
                fitting.fold((0, 0), |(count, sum), &gpu| (count + 1, sum + u64::from(gpu)));
            if count >= *gpus {
                useful += sum * u64::from(tasks[case]);
            }
        }
        (idle * self.tasks) as i64 - useful as i64
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::policy::tests::definition;
    use crate::seed::{self, Purpose};

    #[test]
    fn fragmentation_is_as_defined() {
        let mut models = Models::default();
        let known = [models.intern("A"), models.intern("B"), None];
        let mut random = seed::generator(5, Purpose::Sizes, 0);
        for _ in 0..40 {
            let sets =
                [ModelSet::ANY, models.set(["A"]), models.set(["A", "B"]), models.set(["C"])];
            let mut task = || {
                let gpus = [0, 1, 1, 1, 2, 4][random.random_range(0..6)];
                Demand {
                    cpu_milli: random.random_range(0..5) * 1000,
                    memory_mib: random.random_range(0..9),
                    gpus,
                    gpu_milli: if gpus == 0 {
                        0
                    } else {
                        [300, 500, 1000][random.random_range(0..3)]
                    },
                    models: sets[random.random_range(0..4)],
                }
            };
            let listed: Vec<_> = (0..60).map(|_| task()).collect();
            let typical = Typical::new(&listed, &models);
            for _ in 0..40 {
                let model = known[random.random_range(0..3)];
                let cpu = random.random_range(0..6000);
                let count = random.random_range(0..8);
                let mut draw = || [0, 200, 300, 500, 700, 1000][random.random_range(0..6)];
                let gpus: Vec<u64> = (0..count).map(|_| draw()).collect();
                let free = Free::new(typical.row(model), cpu, gpus.iter().copied());
                let expected = definition::fragmentation(&listed, model, cpu, &gpus);
                let found = typical.gpu_milli(typical.fragments(&free));
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn rare_shapes_are_not_typical() {
        let task = |cpu_milli| Demand {
            cpu_milli,
            memory_mib: 1,
            gpus: 0,
            gpu_milli: 0,
            models: ModelSet::ANY,
        };
        let listed: Vec<_> = (0..100).map(|at| task(if at < 95 { 1 } else { 2 })).collect();
        assert_eq!(typical_shapes(&listed).len(), 1);
        let listed: Vec<_> = (0..100).map(|at| task(if at < 94 { 1 } else { 2 })).collect();
        assert_eq!(typical_shapes(&listed).len(), 2);
    }

    #[test]
    fn a_task_takes_from_the_gpus_that_it_is_said_to() {
        let free = Free::new(0, 10, [1000, 300, 1000, 0].into_iter());
        assert_eq!(free.at_least(301).collect::<Vec<_>>(), [1000, 1000]);
        let left = free.without(4, 300, [300]);
        assert_eq!((left.cpu_milli, left.gpus()), (6, &[0, 1000, 1000][..]));
        let left = free.without(4, 1000, [1000, 1000]);
        assert_eq!(left.gpus(), [300, 0, 0]);
    }
}

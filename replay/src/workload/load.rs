//! How many tasks a run has: they are appended or dropped until they ask for a share of the cluster.
//!
//! # What the load counts
//!
//! The published experiment (Weng et al., "Beware of Fragmentation", USENIX ATC 2023) counts the
//! `gpu_milli` of each task once, also of a task with several GPUs, and holds the sum against all GPUs
//! of the cluster. That is what the load counts here too, wherever GPUs are what the tasks compete for.
//!
//! The published program itself does so only for the task that would pass the limit, and adds up all GPUs of
//! those before. To count once all along makes more tasks, by 6 % on the list `default` and by a fifth on
//! `multigpu20`, and fills the cluster by 0.0 to 0.4 points more, most with the policy `random`: less than
//! the table in `COMPARE.md` allows.
//!
//! Where no node has GPUs, or the tasks ask for hardly any, that rule would drop tasks that nothing
//! limits, or repeat them without end to collect a few thousandths of a GPU. There the load counts the
//! scarcest of the resources that cluster and tasks share: that of which the tasks ask for the greatest
//! part of what there is. Tasks that ask for something that no node has can't run, and count for
//! nothing.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::Serialize;

use crate::refusal::Refusal;
use crate::shape::{Demand, Node, WHOLE_GPU};
use crate::workload::ranks::Ranks;

/// The most tasks that a run may have for each node and each listed task. `--help` and the README
/// say it too.
const MOST_FOR_EACH: u64 = 1000;

/// GPUs are hardly asked for if their part is this many times smaller than the scarcest resource's.
/// In the published lists GPUs are the scarcest, or nearly so.
const HARDLY: f64 = 10.0;

/// A resource that nodes have and tasks ask for.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Resource {
    Gpu,
    Cpu,
    Memory,
}

impl Resource {
    pub(super) const ALL: [Self; 3] = [Self::Gpu, Self::Cpu, Self::Memory];

    /// Returns its name in messages and in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPUs",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
        }
    }

    pub(super) fn of_node(self, node: &Node) -> u64 {
        match self {
            Self::Gpu => u64::from(node.gpus) * u64::from(WHOLE_GPU),
            Self::Cpu => node.cpu_milli.into(),
            Self::Memory => node.memory_mib.into(),
        }
    }

    pub(super) fn of_task(self, task: &Demand) -> u64 {
        match self {
            Self::Gpu => task.gpu_total().into(),
            Self::Cpu => task.cpu_milli.into(),
            Self::Memory => task.memory_mib.into(),
        }
    }
}

/// What a load counts, and where it ends.
#[derive(Serialize, Debug, Clone, PartialEq)]
pub(crate) struct LoadRule {
    pub(crate) counts: Resource,
    pub(crate) because: &'static str,
    pub(crate) listed_tasks: usize,
    /// Listed tasks that ask for something that no node has.
    pub(crate) impossible_tasks: usize,
    /// How many tasks the load takes, by the mean of those that are listed.
    pub(crate) expected_tasks: u64,
    pub(crate) most_tasks: u64,
    /// The most tasks for each node and each listed task.
    pub(crate) most_for_each: u64,
    #[serde(skip)]
    load: f64,
    /// What the tasks may ask for together, of the resource that is counted.
    #[serde(skip)]
    limit: u64,
    #[serde(skip)]
    lacking: Vec<Resource>,
}

impl LoadRule {
    /// Decides by the nodes, each of which is there `scale` times, and the listed tasks.
    pub(crate) fn new(
        load: f64,
        nodes: &[Node],
        scale: u32,
        tasks: &[Demand],
    ) -> Result<Self, Refusal> {
        let capacity = Resource::ALL
            .map(|it| u64::from(scale) * nodes.iter().map(|node| it.of_node(node)).sum::<u64>());
        let lacking = Resource::ALL.into_iter().filter(|&it| capacity[it as usize] == 0);
        let mut rule = Self {
            counts: Resource::Gpu,
            because: "",
            listed_tasks: tasks.len(),
            impossible_tasks: 0,
            expected_tasks: 0,
            most_tasks: MOST_FOR_EACH
                * (nodes.len() as u64 * u64::from(scale) + tasks.len() as u64),
            most_for_each: MOST_FOR_EACH,
            load,
            limit: 0,
            lacking: lacking.collect(),
        };
        rule.impossible_tasks = tasks.iter().filter(|task| !rule.is_possible(task)).count();
        if rule.impossible_tasks == tasks.len() {
            return Err(Refusal::NothingShared { lacking: rule.lacking() });
        }
        (rule.counts, rule.because) = rule.scarcest(capacity, tasks);
        rule.limit = (load * capacity[rule.counts as usize] as f64) as u64;
        rule.expected_tasks = rule.expect(tasks);
        if rule.expected_tasks > rule.most_tasks { Err(rule.too_many()) } else { Ok(rule) }
    }

    /// Returns what the impossible tasks ask for, in words.
    pub(crate) fn lacking(&self) -> String {
        let lacking: Vec<_> = self.lacking.iter().map(|it| it.name()).collect();
        format!("no node has any {}", lacking.join(" or "))
    }

    /// Returns the GPUs if the tasks compete for them, else the scarcest resource.
    fn scarcest(&self, capacity: [u64; 3], tasks: &[Demand]) -> (Resource, &'static str) {
        let part = |it: Resource| {
            let possible = tasks.iter().filter(|task| self.is_possible(task));
            let asked: u64 = possible.map(|task| it.of_task(task)).sum();
            asked as f64 / capacity[it as usize].max(1) as f64
        };
        let parts = Resource::ALL.map(|it| (part(it), it));
        let (most, scarcest) = parts
            .into_iter()
            .fold(parts[0], |most, other| if other.0 > most.0 { other } else { most });
        let gpus = parts[0].0;
        if self.lacking.contains(&Resource::Gpu) {
            (scarcest, "the scarcest, as no node has GPUs")
        } else if gpus > 0.0 && gpus >= most / HARDLY {
            (Resource::Gpu, "gpu_milli, once for each task, as published")
        } else {
            (scarcest, "the scarcest, as hardly any GPUs are asked for")
        }
    }

    /// Whether there is something of everything that a task asks for.
    fn is_possible(&self, task: &Demand) -> bool {
        self.lacking.iter().all(|it| it.of_task(task) == 0)
    }

    /// Returns what a task adds to the load.
    fn counted(&self, task: &Demand) -> u64 {
        match self.counts {
            _ if !self.is_possible(task) => 0,
            Resource::Gpu => task.gpu_milli.into(),
            other => other.of_task(task),
        }
    }

    fn sum(&self, tasks: &[Demand]) -> u64 {
        tasks.iter().map(|task| self.counted(task)).sum()
    }

    /// Returns how many tasks there will be, if the appended or dropped ones are like the others.
    fn expect(&self, tasks: &[Demand]) -> u64 {
        (tasks.len() as f64 * self.limit as f64 / self.sum(tasks) as f64) as u64
    }

    fn too_many(&self) -> Refusal {
        let Self { load, expected_tasks: expected, most_tasks: most, most_for_each: each, .. } =
            *self;
        Refusal::TooManyTasks { load, expected, most, each }
    }

    /// Shuffles tasks, then appends or drops some. Returns the numbers that they have in the list.
    pub(super) fn apply(
        &self,
        listed: &[Demand],
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Vec<usize>, Refusal> {
        let mut order = Vec::from_iter(0..listed.len());
        order.shuffle(random);
        let load = self.sum(listed);
        let order = match load <= self.limit {
            true => self.append(order, listed, load, random)?,
            false => self.drop_some(order, listed, load, random),
        };
        match order.is_empty() {
            true => Err(Refusal::NothingLeft { load: self.load, listed: listed.len() }),
            false => Ok(order),
        }
    }

    /// Draws from the listed tasks until the next one would pass the limit.
    fn append(
        &self,
        mut order: Vec<usize>,
        listed: &[Demand],
        mut load: u64,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Vec<usize>, Refusal> {
        while (order.len() as u64) < self.most_tasks {
            let drawn = order[random.random_range(0..listed.len())];
            load += self.counted(&listed[drawn]);
            if load > self.limit {
                return Ok(order);
            }
            order.push(drawn);
        }
        Err(self.too_many())
    }

    /// Drops tasks, each with the same chance, until the others are within the limit.
    fn drop_some(
        &self,
        mut order: Vec<usize>,
        listed: &[Demand],
        mut load: u64,
        random: &mut Xoshiro256PlusPlus,
    ) -> Vec<usize> {
        let mut ranks = Ranks::new(order.len());
        while load > self.limit {
            let dropped = ranks.remove(random.random_range(0..ranks.left()));
            load -= self.counted(&listed[order[dropped]]);
        }
        let mut is_left = ranks.into_is_left().into_iter();
        order.retain(|_| is_left.next() == Some(true));
        order
    }
}

#[cfg(test)]
mod tests;

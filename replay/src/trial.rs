//! One run: the tasks of a list, in the order of a seed, on an empty cluster, audited.

use std::time::{Duration, Instant};

use crate::audit::{self, Audit};
use crate::cluster::Cluster;
use crate::curve::Curve;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::placements::Placements;
use crate::refusal::Refusal;
use crate::report::{Run, Times};
use crate::scheduler::{self, Schedule, Settings, Trouble};
use crate::workload::{Machines, Order, Tasks};

/// What is to be run.
pub(crate) struct Trial<'a> {
    pub(crate) machines: &'a Machines,
    pub(crate) tasks: &'a Tasks,
    pub(crate) settings: Settings,
}

/// A run that has come to its end or to an interrupt, with its cluster as it is then.
pub(crate) struct Replayed<'a> {
    pub(crate) trial: Trial<'a>,
    pub(crate) cluster: Cluster,
    pub(crate) order: Order,
    schedule: Schedule,
    audit: Audit,
    curve: Option<Curve>,
    times: Times,
}

impl<'a> Trial<'a> {
    /// Runs it; returns `None` if an interrupt came before the first task.
    pub(crate) fn replay(self, interrupt: &Interrupt) -> Result<Option<Replayed<'a>>, Failure> {
        let Self { machines, tasks, settings } = &self;
        let (order, prepare) = timed(|| tasks.order(settings.seed))?;
        let task_classes = settings.policy.task_classes(&order.demands)?;
        let nodes = machines.in_order(settings.seed);
        let (cluster, build) = timed(|| Cluster::new(nodes, &machines.models, task_classes))?;
        let schedule = scheduler::run(&cluster, &order.demands, settings, interrupt);
        let schedule = schedule.map_err(|trouble| match trouble {
            Trouble::Library(error) => Failure::BrokenOff(error),
            Trouble::Threads { started, error } => {
                Refusal::Threads { wanted: settings.threads, started, error }.into()
            }
        })?;
        let (decided, left) = order.demands.split_at(schedule.outcomes.len());
        if decided.is_empty() && !left.is_empty() {
            return Ok(None);
        }
        let (audit, audited) = timed(|| audit::audit(&cluster, decided, &schedule, settings.seed))?;
        if schedule.counters.placed == 0 && left.is_empty() {
            return Err(Refusal::NothingFits { tasks: decided.len() }.into());
        }
        let times = Times {
            prepare,
            build,
            set_up: schedule.set_up,
            schedule: schedule.elapsed,
            audit: audited,
            write: Duration::ZERO,
            clear: Duration::ZERO,
        };
        Ok(Some(Replayed { trial: self, cluster, order, schedule, audit, curve: None, times }))
    }
}

impl Replayed<'_> {
    /// Returns how many tasks were decided, which are the first ones.
    pub(crate) fn decided(&self) -> usize {
        self.schedule.outcomes.len()
    }

    /// Whether all tasks were decided.
    pub(crate) fn is_finished(&self) -> bool {
        self.decided() == self.order.demands.len()
    }

    /// Writes where the tasks were placed, if somebody wants to know.
    pub(crate) fn write(&mut self, placements: Option<&mut Placements>) -> Result<(), Failure> {
        let Some(placements) = placements else { return Ok(()) };
        let ((), write) = timed(|| placements.write(self))?;
        self.times.write += write;
        Ok(())
    }

    /// Adds to the run how full and how fragmented the cluster was while the tasks arrived.
    pub(crate) fn draw(&mut self) {
        let start = Instant::now();
        let (listed, seed) = (self.trial.settings.listed, self.trial.settings.seed);
        let decided = &self.order.demands[..self.decided()];
        self.curve = Some(Curve::of(&self.cluster, decided, listed, seed));
        self.times.write += start.elapsed();
    }

    /// Clears the cluster away and returns the run's figures.
    pub(crate) fn into_run(self) -> Run {
        let start = Instant::now();
        drop(self.cluster);
        let times = Times { clear: start.elapsed(), ..self.times };
        let left = self.order.demands.len() - self.schedule.outcomes.len();
        let tasks = (self.trial.tasks.rule.listed_tasks, left);
        let seed = self.trial.settings.seed;
        let run = Run::new(seed, tasks, self.schedule.counters, times, self.audit);
        Run { curve: self.curve, ..run }
    }
}

/// Does a step, and says how long it took.
pub(crate) fn timed<T, E>(step: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let start = Instant::now();
    let done = step()?;
    Ok((done, start.elapsed()))
}

//! [`Simulation`]: the virtual clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use provider_tree::{Claim, Error};

use super::history::{Capacity, History, Level};
use super::placer::Placer;
use super::waiting::Waiting;
use crate::cluster::Cluster;
use crate::kinds::Kinds;
use crate::occupancy::Occupancy;
use crate::places::{Place, Places};
use crate::policy::{Outlook, PolicyName};
use crate::shape::{Demand, WHOLE_GPU};
use crate::workload::Arrival;

/// Tasks that come and go on a cluster. A task's number is its position in the order of arrival.
pub(crate) struct Simulation<'a> {
    arrivals: &'a [Arrival],
    /// By task: the number of its kind.
    kinds: Vec<usize>,
    placer: Placer,
    places: Places,
    pub(super) occupancy: Occupancy,
    /// Counts the tasks that have come.
    arrived: usize,
    waiting: Waiting,
    /// Counts the tasks that did not fit when they came.
    pub(super) waited: usize,
    running: HashMap<usize, Running>,
    /// The running tasks, by when they end.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    /// By placement: how long the task had waited.
    pub(super) waits: Vec<u64>,
    pub(super) history: History,
}

/// A task that holds something.
pub(super) struct Running {
    claim: Claim,
    pub(super) place: Place,
}

impl<'a> Simulation<'a> {
    /// Returns the clock before the first arrival. The demands are those of the arrivals.
    pub(crate) fn new(
        cluster: &Cluster,
        arrivals: &'a [Arrival],
        demands: &[Demand],
        policy: PolicyName,
        seed: u64,
    ) -> Result<Self, Error> {
        let kinds = Kinds::new(cluster, demands)?;
        let outlook = Outlook::new(demands, &cluster.models);
        let mut capacity = Capacity { gpu_milli: 0, cpu_milli: 0, memory_mib: 0 };
        for node in &cluster.nodes {
            capacity.gpu_milli += node.gpus.len() as u64 * u64::from(WHOLE_GPU);
            capacity.cpu_milli += u64::from(node.cpu_milli);
            capacity.memory_mib += u64::from(node.memory_mib);
        }
        Ok(Self {
            placer: Placer::new(cluster, policy, &outlook, &kinds, seed)?,
            places: Places::new(cluster),
            occupancy: Occupancy::new(cluster, outlook.typical()),
            waiting: Waiting::new(kinds.all.len()),
            kinds: kinds.of_task,
            arrivals,
            arrived: 0,
            waited: 0,
            running: HashMap::new(),
            ends: BinaryHeap::new(),
            waits: Vec::new(),
            history: History::new(capacity),
        })
    }

    /// Goes on to the next instant at which something happens, and lets it happen; returns when it was,
    /// or `None` if nothing happens any more.
    pub(crate) fn step(&mut self) -> Result<Option<u64>, Error> {
        let end = self.ends.peek().map(|&Reverse((end, _))| end);
        let arrival = self.arrivals.get(self.arrived).map(|next| next.time);
        let Some(now) = end.into_iter().chain(arrival).min() else { return Ok(None) };
        if self.end_tasks(now)? {
            self.retry(now)?;
        }
        while self.arrivals.get(self.arrived).is_some_and(|next| next.time == now) {
            self.arrive(now)?;
        }
        self.history.note(Level {
            time: now,
            in_use: self.occupancy.in_use(),
            running: self.running.len(),
            waiting: self.waiting.count(),
        });
        Ok(Some(now))
    }

    /// Counts the tasks that have come.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived
    }

    /// Returns whether all tasks have come.
    pub(crate) fn have_all_arrived(&self) -> bool {
        self.arrived == self.arrivals.len()
    }

    /// Returns whether nothing happens any more.
    pub(crate) fn is_over(&self) -> bool {
        self.have_all_arrived() && self.running.is_empty()
    }

    /// Counts the tasks that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.count()
    }

    /// Returns where a task runs, if it does.
    pub(crate) fn place(&self, task: usize) -> Option<&Place> {
        self.running.get(&task).map(|running| &running.place)
    }

    /// Returns the scheduler, for what it has counted.
    pub(crate) fn placer(&self) -> &Placer {
        &self.placer
    }

    /// Ends the tasks that end now; returns whether there are any.
    fn end_tasks(&mut self, now: u64) -> Result<bool, Error> {
        let mut has_ended = false;
        while let Some(&Reverse((_, task))) = self.ends.peek().filter(|end| end.0.0 == now) {
            self.ends.pop();
            // What has an end runs.
            let Some(Running { claim, place }) = self.running.remove(&task) else { continue };
            self.placer.release(task, &claim)?;
            self.occupancy.give_back(&place, &self.arrivals[task].demand);
            has_ended = true;
        }
        Ok(has_ended)
    }

    /// Tries the waiting tasks in the order in which they came. What did not fit before placements does
    /// not fit after them.
    fn retry(&mut self, now: u64) -> Result<(), Error> {
        let mut from = 0;
        while let Some((task, kind)) = self.waiting.first_from(from) {
            if self.place_now(task, kind, now)? {
                self.waiting.pop(kind);
            }
            from = task + 1;
        }
        Ok(())
    }

    /// Lets the next task come. Where others of its kind wait, it waits behind them: nothing has ended
    /// since they were tried.
    fn arrive(&mut self, now: u64) -> Result<(), Error> {
        let task = self.arrived;
        let kind = self.kinds[task];
        self.arrived += 1;
        if self.waiting.has(kind) || !self.place_now(task, kind, now)? {
            self.waiting.push(task, kind);
            self.waited += 1;
        }
        Ok(())
    }

    /// Places a task if it fits anywhere; returns whether it does.
    fn place_now(&mut self, task: usize, kind: usize, now: u64) -> Result<bool, Error> {
        let Some(found) = self.placer.find(task, kind)? else { return Ok(false) };
        let claim = self.placer.claim(task, &found)?;
        let Arrival { demand, time, lifetime } = self.arrivals[task];
        let place = self.places.found(&found);
        self.occupancy.take(&place, &demand);
        self.running.insert(task, Running { claim, place });
        self.ends.push(Reverse((now + lifetime, task)));
        self.waits.push(now - time);
        Ok(true)
    }
}

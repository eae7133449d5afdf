//! One run: the tasks come and go on an empty cluster, audited.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use provider_tree::Error;

use super::check;
use super::report::{Run, Steps};
use super::simulation::Simulation;
use super::waits::Waits;
use crate::audit::Audit;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::policy::PolicyName;
use crate::progress;
use crate::refusal::Refusal;
use crate::shape::Demand;
use crate::trial::timed;
use crate::workload::{Arrival, Machines};

/// What is to be run.
pub(crate) struct Trial<'a> {
    pub(crate) machines: &'a Machines,
    pub(crate) arrivals: &'a [Arrival],
    pub(crate) policy: PolicyName,
    pub(crate) seed: u64,
}

impl Trial<'_> {
    /// Lets the clock go from the first arrival to the last end, or until it is interrupted; returns
    /// `None` if that was before the first arrival.
    pub(crate) fn run(&self, is_interrupted: &dyn Fn() -> bool) -> Result<Option<Run>, Failure> {
        let Self { machines, arrivals, policy, seed } = *self;
        let demands: Vec<Demand> = arrivals.iter().map(|arrival| arrival.demand).collect();
        let task_classes = policy.task_classes(&demands)?;
        let nodes = machines.in_order(seed);
        let (cluster, build) = timed(|| Cluster::new(nodes, &machines.models, task_classes))?;
        let set_up = timed(|| Simulation::new(&cluster, arrivals, &demands, policy, seed));
        let (simulation, set_up) = set_up?;
        let bar = || progress::bar(arrivals.len(), &format!("{policy}, seed {seed}"));
        let bar = progress::is_wanted().then(bar);
        let mut drive = Drive { simulation, is_interrupted, bar, took: Duration::ZERO };
        let audit =
            |drive: &Drive<'_>| timed(|| check::audit(&cluster, &drive.simulation, &demands, seed));

        let Some(last_arrival) = drive.go_on(Simulation::have_all_arrived)? else {
            return Ok(None);
        };
        let waiting_at_last_arrival = drive.simulation.waiting();
        let (mut end, mut busy, mut audited) = (last_arrival, None, Duration::ZERO);
        if drive.simulation.have_all_arrived() {
            let (audit, took) = audit(&drive)?;
            (busy, audited) = (Some(audit), took);
            end = drive.go_on(Simulation::is_over)?.unwrap_or(end);
        }
        let (audit, took) = audit(&drive)?;
        audited += took;
        let schedule = drive.took;
        let simulation = drive.end();
        if simulation.is_over() && simulation.waits.is_empty() {
            return Err(Refusal::NothingFits { tasks: arrivals.len() }.into());
        }
        let instants = Instants { last_arrival, waiting_at_last_arrival, end };
        let mut run = self.figures(&simulation, instants, schedule, (busy, audit));
        let clear = Instant::now();
        drop(simulation);
        drop(cluster);
        run.steps = Steps {
            build_seconds: build.as_secs_f64(),
            set_up_seconds: set_up.as_secs_f64(),
            schedule_seconds: schedule.as_secs_f64(),
            audit_seconds: audited.as_secs_f64(),
            clear_seconds: clear.elapsed().as_secs_f64(),
        };
        Ok(Some(run))
    }

    /// Returns the figures of a run, but for how long its steps took.
    fn figures(
        &self,
        simulation: &Simulation<'_>,
        Instants { last_arrival, waiting_at_last_arrival, end }: Instants,
        schedule: Duration,
        (audit_at_last_arrival, audit): (Option<Audit>, Audit),
    ) -> Run {
        let Simulation { occupancy, history, waits, .. } = simulation;
        let (arrived, placed) = (simulation.arrived(), waits.len());
        let searches = simulation.placer().searched();
        // An empty run has made no decisions, in no time.
        let seconds = schedule.as_secs_f64().max(1e-9);
        Run {
            seed: self.seed,
            is_finished: simulation.is_over(),
            tasks: self.arrivals.len(),
            arrived,
            placed,
            waited: simulation.waited,
            never_ran: arrived - placed,
            waiting_at_last_arrival,
            first_arrival: self.arrivals.first().map_or(0, |first| first.time),
            last_arrival,
            end,
            waiting_seconds: Waits::of(waits.clone()),
            mean: history.mean(last_arrival, occupancy),
            peak: history.peak(occupancy),
            series: history.series(occupancy),
            searches,
            decisions_per_second: searches as f64 / seconds,
            placements_per_second: placed as f64 / seconds,
            internal_retries: simulation.placer().retries(),
            steps: Steps::default(),
            audit_at_last_arrival,
            audit,
        }
    }
}

/// What is known of some instants.
struct Instants {
    last_arrival: u64,
    waiting_at_last_arrival: usize,
    end: u64,
}

/// Drives the clock.
struct Drive<'a> {
    simulation: Simulation<'a>,
    is_interrupted: &'a dyn Fn() -> bool,
    bar: Option<ProgressBar>,
    /// How long it took so far.
    took: Duration,
}

impl<'a> Drive<'a> {
    /// Lets the clock go on until `is_there`, or until it is interrupted; returns the last instant that
    /// it came to.
    fn go_on(&mut self, is_there: impl Fn(&Simulation<'a>) -> bool) -> Result<Option<u64>, Error> {
        let start = Instant::now();
        let mut last = None;
        while !is_there(&self.simulation) && !(self.is_interrupted)() {
            last = self.simulation.step()?.or(last);
            if let Some(bar) = &self.bar {
                bar.set_position(self.simulation.waits.len() as u64);
            }
        }
        self.took += start.elapsed();
        Ok(last)
    }

    /// Clears the bar away.
    fn end(self) -> Simulation<'a> {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
        self.simulation
    }
}

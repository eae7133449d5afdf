//! One run: the tasks come and go on an empty cluster, audited.

use std::time::{Duration, Instant};

use super::check;
use super::report::Run;
use super::simulation::Simulation;
use super::waits::Waits;
use crate::cluster::{Cluster, TaskClasses};
use crate::failure::Failure;
use crate::policy::PolicyName;
use crate::refusal::Refusal;
use crate::shape::Demand;
use crate::trial::timed;
use crate::workload::{Arrival, Machines};

/// Runs the clock from the first arrival to the last end, or until it is interrupted; returns
/// `None` if that was before the first arrival.
pub(crate) fn run(
    machines: &Machines,
    arrivals: &[Arrival],
    policy: PolicyName,
    seed: u64,
    is_interrupted: &dyn Fn() -> bool,
) -> Result<Option<Run>, Failure> {
    let demands: Vec<Demand> = arrivals.iter().map(|arrival| arrival.demand).collect();
    let task_classes = match policy.counts_tasks() {
        true => TaskClasses::of(&demands)?,
        false => TaskClasses::default(),
    };
    let nodes = machines.in_order(seed);
    let (cluster, build) = timed(|| Cluster::new(nodes, &machines.models, task_classes))?;
    let made = timed(|| Simulation::new(&cluster, arrivals, &demands, policy, seed));
    let (mut simulation, set_up) = made?;
    let audit =
        |simulation: &Simulation<'_>| timed(|| check::audit(&cluster, simulation, &demands, seed));

    let arrived = proceed(&mut simulation, is_interrupted, Simulation::have_all_arrived)?;
    let (Some(last_arrival), mut schedule) = arrived else { return Ok(None) };
    let (mut end, mut busy, mut audited) = (last_arrival, None, Duration::ZERO);
    let waiting_at_last_arrival = simulation.waiting();
    if simulation.have_all_arrived() {
        let (verdict, took) = audit(&simulation)?;
        (busy, audited) = (Some(verdict), took);
        let (last_end, took) = proceed(&mut simulation, is_interrupted, Simulation::is_over)?;
        schedule += took;
        end = last_end.unwrap_or(end);
    }
    let (verdict, took) = audit(&simulation)?;
    audited += took;
    if simulation.is_over() && simulation.waits.is_empty() {
        return Err(Refusal::NothingFits { tasks: arrivals.len() }.into());
    }
    let seconds = schedule.as_secs_f64();
    let Simulation { occupancy, history, waits, .. } = &simulation;
    let placed = waits.len();
    let searches = simulation.placer().searched();
    let mut run = Run {
        seed,
        is_finished: simulation.is_over(),
        tasks: arrivals.len(),
        arrived: simulation.arrived(),
        placed,
        waited: simulation.waited,
        never_ran: simulation.arrived() - placed,
        waiting_at_last_arrival,
        first_arrival: arrivals.first().map_or(0, |first| first.time),
        last_arrival,
        end,
        waiting_seconds: Waits::of(waits.clone()),
        mean: history.mean(last_arrival, occupancy),
        peak: history.peak(occupancy),
        series: history.series(occupancy),
        searches,
        decisions_per_second: searches as f64 / seconds.max(1e-9),
        placements_per_second: placed as f64 / seconds.max(1e-9),
        internal_retries: simulation.placer().retries(),
        build_seconds: build.as_secs_f64(),
        set_up_seconds: set_up.as_secs_f64(),
        schedule_seconds: seconds,
        audit_seconds: audited.as_secs_f64(),
        clear_seconds: 0.0,
        audit_at_last_arrival: busy,
        audit: verdict,
    };
    let start = Instant::now();
    drop(simulation);
    drop(cluster);
    run.clear_seconds = start.elapsed().as_secs_f64();
    Ok(Some(run))
}

/// Lets the clock go on until `is_there`, or until it is interrupted; returns the last instant that it came to, and
/// how long that took.
fn proceed<'a>(
    simulation: &mut Simulation<'a>,
    is_interrupted: &dyn Fn() -> bool,
    is_there: fn(&Simulation<'a>) -> bool,
) -> Result<(Option<u64>, Duration), Failure> {
    let start = Instant::now();
    let mut last = None;
    while !is_there(simulation) && !is_interrupted() {
        last = simulation.step()?.or(last);
    }
    Ok((last, start.elapsed()))
}

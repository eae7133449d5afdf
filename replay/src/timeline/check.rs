//! Audits what is in use at an instant.

use std::time::Duration;

use provider_tree::Error;

use super::simulation::Simulation;
use crate::audit::{self, Audit};
use crate::cluster::Cluster;
use crate::scheduler::{Counters, Outcome, Schedule};
use crate::shape::Demand;

/// Holds what the forest says against what runs: those tasks hold what they asked for, and no other one
/// holds anything. The demands are those of the arrivals.
pub(crate) fn audit(
    cluster: &Cluster,
    simulation: &Simulation<'_>,
    demands: &[Demand],
    seed: u64,
) -> Result<Audit, Error> {
    let arrived = simulation.arrived();
    let outcome = |task| match simulation.place(task) {
        Some(place) => Outcome::Placed(cluster.nodes[place.node].root),
        None => Outcome::Failed,
    };
    let outcomes: Vec<_> = (0..arrived).map(outcome).collect();
    let placed = outcomes.iter().filter(|&&outcome| outcome != Outcome::Failed).count() as u64;
    let counters = Counters { placed, failed: arrived as u64 - placed, ..Counters::default() };
    let schedule = Schedule { outcomes, set_up: Duration::ZERO, elapsed: Duration::ZERO, counters };
    let mut audit = audit::audit(cluster, &demands[..arrived], &schedule, seed)?;
    let in_use = simulation.occupancy.in_use();
    for (counted, share, what) in [
        (in_use.gpu_milli, audit.gpu_milli, "GPU"),
        (in_use.cpu_milli, audit.cpu_milli, "CPU"),
        (in_use.memory_mib, audit.memory_mib, "memory"),
    ] {
        let held = share.allocated;
        if counted != held {
            audit.object(format!("{what}: {counted} counted over time, {held} held"));
        }
    }
    Ok(audit)
}

//! What the comparison has to show at least.

use crate::results::{Line, Run};

/// Our time by the peer's must not be more than the limit.
struct Floor {
    /// How the names of the workloads begin.
    workload: &'static str,
    peer: &'static str,
    /// None for all numbers of threads.
    threads: Option<usize>,
    limit: f64,
}

/// At one number of threads.
const fn at(threads: usize, workload: &'static str, peer: &'static str, limit: f64) -> Floor {
    Floor { workload, peer, threads: Some(threads), limit }
}

/// At all numbers of threads.
const fn always(workload: &'static str, peer: &'static str, limit: f64) -> Floor {
    Floor { workload, peer, threads: None, limit }
}

const FLOORS: [Floor; 14] = [
    at(1, "take and put back, uniform", "2PL", 2.0),
    at(2, "take and put back, uniform", "2PL", 1.2),
    at(2, "take and put back, 4 hot", "2PL", 0.8),
    at(1, "claim and release, k = 3", "2PL", 2.5),
    at(4, "claim and release, k = 3", "2PL", 2.0),
    // The same against a peer that does less: it keeps no consumers.
    at(1, "claim and release, k = 3", "2PL, no consumers", 2.5),
    at(4, "claim and release, k = 3", "2PL, no consumers", 2.0),
    at(1, "claim and release, 3 classes of one, uniform", "DashMap", 1.1),
    at(2, "claim and release, 3 classes of one, uniform", "DashMap", 1.1),
    at(4, "claim and release, 3 classes of one, uniform", "Mutex", 0.5),
    at(2, "find by uuid through a worker", "papaya", 0.7),
    always("take and put back, ", "ArcSwap rcu", 0.2),
    always("claim and release, 3 classes of one, ", "ArcSwap rcu", 0.2),
    always("claim and release, k = ", "ArcSwap rcu", 0.2),
];

/// At this number of threads the slowest calls are compared, of all that claims.
const CROWD: usize = 16;
const CLAIMS: [&str; 3] = ["take and put back, ", "claim and release, ", "90 % reads, "];

/// A floor and what has come out.
pub(crate) struct Verdict {
    /// What is compared.
    pub(crate) subject: String,
    /// Where it came out worst.
    pub(crate) worst: String,
    pub(crate) limit: f64,
    pub(crate) value: f64,
}

impl Verdict {
    pub(crate) fn met(&self) -> bool {
        self.value <= self.limit
    }
}

/// Fewer rounds than this show too little to judge by.
pub(crate) const ROUNDS: usize = 9;

/// All floors of which something was measured, if it was measured often enough.
pub(crate) fn judge(run: &Run) -> Vec<Verdict> {
    if run.rounds < ROUNDS {
        return Vec::new();
    }
    let mut verdicts: Vec<_> = FLOORS.iter().filter_map(|floor| judge_one(floor, run)).collect();
    verdicts.extend(judge_tails(run));
    verdicts
}

fn judge_one(floor: &Floor, run: &Run) -> Option<Verdict> {
    let concerned = |line: &&Line| {
        let threads = floor.threads.is_none_or(|threads| threads == line.threads);
        threads && line.workload.starts_with(floor.workload)
    };
    let ratios = run
        .lines
        .iter()
        .filter(concerned)
        .filter_map(|line| line.side(floor.peer).map(|peer| (peer.ratio.of_medians, line)));
    let (value, line) = ratios.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let threads = match floor.threads {
        None => "any number of threads".to_owned(),
        Some(1) => "1 thread".to_owned(),
        Some(threads) => format!("{threads} threads"),
    };
    let subject = format!("{} / {}, {threads}", floor.workload.trim_end_matches(", "), floor.peer);
    Some(Verdict { subject, worst: place(line), limit: floor.limit, value })
}

/// Our p99.9 by the least of those that lock.
fn judge_tails(run: &Run) -> Option<Verdict> {
    let concerned = |line: &&Line| {
        line.threads == CROWD && CLAIMS.iter().any(|claim| line.workload.starts_with(claim))
    };
    let ratios = run.lines.iter().filter(concerned).filter_map(|line| {
        let locking = line.sides.iter().filter(|side| side.locks);
        let best = locking.min_by_key(|side| side.latency.p999)?;
        let ours = line.sides.first()?.latency.p999;
        let place = format!("{}, {}", place(line), best.name);
        Some((ours as f64 / best.latency.p999.max(1) as f64, place))
    });
    let (value, worst) = ratios.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let subject = format!("p99.9 of claims / any peer's that locks, {CROWD} threads");
    Some(Verdict { subject, worst, limit: 1.0, value })
}

fn place(line: &Line) -> String {
    format!("{}, {}", line.workload, line.threads)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload;

    /// A floor under a name that no workload has would be met for ever.
    #[test]
    fn every_floor_has_its_workload_and_its_peer() {
        for floor in FLOORS {
            let all = workload::all(true);
            let mut named = all.iter().filter(|it| it.name.starts_with(floor.workload));
            let workload = named.next().unwrap_or_else(|| panic!("no `{}`", floor.workload));
            let peers: BTreeSet<_> = workload.sides().iter().map(|side| side.name).collect();
            assert!(peers.contains(floor.peer), "{} has no {}", workload.name, floor.peer);
        }
        for claim in CLAIMS {
            assert!(workload::all(true).iter().any(|it| it.name.starts_with(claim)), "{claim}");
        }
    }
}

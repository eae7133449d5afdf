//! What was measured, as it is written down and read again.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::{Plan, Side, clock_cost, histogram};
use crate::workload::Workload;

/// One process: everything with one allocator.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Run {
    pub(crate) allocator: String,
    /// How many threads can run at once.
    pub(crate) cores: usize,
    pub(crate) rounds: usize,
    pub(crate) milliseconds: f64,
    /// What reading the clock adds to each latency, in nanoseconds.
    pub(crate) clock: u64,
    pub(crate) lines: Vec<Line>,
}

/// One workload at one number of threads.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Line {
    pub(crate) workload: String,
    /// What one call is.
    pub(crate) call: String,
    pub(crate) threads: usize,
    /// Ours comes first.
    pub(crate) sides: Vec<Result>,
}

/// What one side has shown there.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Result {
    pub(crate) name: String,
    pub(crate) locks: bool,
    /// Of all threads together; the median of the rounds.
    pub(crate) calls_per_second: f64,
    /// Our time by this side's, in each round.
    pub(crate) ratios: Vec<f64>,
    /// The median of them and their spread.
    pub(crate) ratio: Spread,
    pub(crate) latency: Latency,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Nanoseconds of single calls in all rounds.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) worst: u64,
}

impl Line {
    pub(crate) fn side(&self, name: &str) -> Option<&Result> {
        self.sides.iter().find(|side| side.name == name)
    }
}

impl Spread {
    /// Of at least one value.
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Spread {
            median: (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0,
            least: sorted[0],
            most: sorted[sorted.len() - 1],
        }
    }
}

impl Latency {
    fn of(latencies: &Histogram<u64>) -> Self {
        Latency {
            p50: latencies.value_at_quantile(0.5),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            worst: latencies.max(),
        }
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
    /// The numbers of threads of every workload.
    pub(crate) threads: &'static [usize],
}

impl Extent {
    /// Shows that everything runs: in so short a time the caches are not even warm.
    pub(crate) const BRIEF: Extent =
        Extent { rounds: 1, length: Duration::from_millis(2), threads: &[1, 2] };

    /// So many rounds of this length.
    pub(crate) fn full(rounds: usize, length: Duration) -> Self {
        Extent { rounds, length, threads: &[1, 2, 4, 16] }
    }
}

impl Run {
    /// Measures the workloads, and says after each line what has come out.
    pub(crate) fn measure(
        allocator: &str,
        extent: Extent,
        workloads: &[Workload],
        mut each: impl FnMut(&Line),
    ) -> Self {
        let mut lines = Vec::new();
        // Few threads first: what a process keeps of every thread that it ever had, as arc-swap does,
        // makes later calls dearer.
        for &threads in extent.threads {
            for (number, workload) in workloads.iter().enumerate() {
                let line = compare(workload, &workload.sides(), threads, extent);
                each(&line);
                lines.push((number, line));
            }
        }
        lines.sort_by_key(|(number, line)| (*number, line.threads));
        Run {
            allocator: allocator.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rounds: extent.rounds,
            milliseconds: extent.length.as_secs_f64() * 1e3,
            clock: clock_cost(),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
        }
    }
}

/// All sides one after the other, and again, so that what else the machine does is shared.
fn compare(workload: &Workload, sides: &[Side], threads: usize, extent: Extent) -> Line {
    let warm = Plan { threads, length: extent.length / 10 };
    sides.iter().for_each(|side| drop(side.run(warm)));
    let plan = Plan { threads, length: extent.length };
    let mut rates = vec![Vec::new(); sides.len()];
    let mut latencies = vec![histogram(); sides.len()];
    for _ in 0..extent.rounds {
        for (number, side) in sides.iter().enumerate() {
            let sample = side.run(plan);
            rates[number].push(sample.calls_per_second);
            latencies[number] += sample.latencies;
        }
    }
    let result = |(number, side): (usize, &Side)| {
        // The time of a call goes as the inverse of the rate.
        let rounds = rates[number].iter().zip(&rates[0]);
        let ratios: Vec<f64> = rounds.map(|(its, ours)| its / ours).collect();
        Result {
            name: side.name.to_owned(),
            locks: side.locks,
            calls_per_second: Spread::of(&rates[number]).median,
            ratio: Spread::of(&ratios),
            ratios,
            latency: Latency::of(&latencies[number]),
        }
    };
    Line {
        workload: workload.name.clone(),
        call: workload.call.to_owned(),
        threads,
        sides: sides.iter().enumerate().map(result).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_some_values() {
        let spread = Spread::of(&[3.0, 1.0, 2.0, 10.0]);
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 10.0 });
        assert_eq!(Spread::of(&[4.0]), Spread { median: 4.0, least: 4.0, most: 4.0 });
    }
}

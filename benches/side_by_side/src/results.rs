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
    /// Nanoseconds of processors for each call; the median of the rounds.
    pub(crate) processor: f64,
    /// Our time by this side's.
    pub(crate) ratio: Ratio,
    /// Our processor time by this side's.
    pub(crate) processor_ratio: Ratio,
    pub(crate) latency: Latency,
    /// What the side tells beside its figures, if anything.
    pub(crate) note: String,
}

/// Ours by a peer's.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ratio {
    /// Of the medians of all rounds.
    pub(crate) of_medians: f64,
    /// Of a single round.
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Nanoseconds of single calls in all rounds.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) p9999: u64,
    pub(crate) worst: u64,
    /// The share of the time of all calls that went into those of [`LONG`] and more. A thread that is
    /// held up makes few calls, so no quantile of calls shows for how long.
    pub(crate) held_up: f64,
}

/// Half of what a thread is stopped for, in nanoseconds.
const LONG: u64 = 50_000_000;

impl Line {
    pub(crate) fn side(&self, name: &str) -> Option<&Result> {
        self.sides.iter().find(|side| side.name == name)
    }
}

impl Ratio {
    /// Of what was measured in the same rounds, of which there is at least one.
    fn of(ours: &[f64], its: &[f64]) -> Self {
        let each = || ours.iter().zip(its).map(|(ours, its)| ours / its);
        Ratio {
            of_medians: median(ours) / median(its),
            least: each().fold(f64::INFINITY, f64::min),
            most: each().fold(0.0, f64::max),
        }
    }
}

/// Of at least one value.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

impl Latency {
    fn of(latencies: &Histogram<u64>) -> Self {
        let (mut all, mut long) = (0.0, 0.0);
        for step in latencies.iter_recorded() {
            let value = step.value_iterated_to();
            let time = value as f64 * step.count_at_value() as f64;
            all += time;
            long += if value >= LONG { time } else { 0.0 };
        }
        Latency {
            p50: latencies.value_at_quantile(0.5),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            p9999: latencies.value_at_quantile(0.9999),
            worst: latencies.max(),
            held_up: if all > 0.0 { long / all } else { 0.0 },
        }
    }
}

/// How long to measure.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) length: Duration,
    /// The numbers of threads of every workload.
    pub(crate) threads: Vec<usize>,
    /// Only ours and the peers whose names contain this.
    pub(crate) peer: String,
}

impl Extent {
    /// Shows that everything runs: in so short a time the caches are not even warm.
    pub(crate) fn brief() -> Self {
        Extent { threads: vec![1, 2], ..Extent::full(1, Duration::from_millis(2)) }
    }

    /// So many rounds of this length.
    pub(crate) fn full(rounds: usize, length: Duration) -> Self {
        Extent { rounds, length, threads: vec![1, 2, 4, 16], peer: String::new() }
    }
}

impl Run {
    /// Measures the workloads, and says after each line what has come out.
    pub(crate) fn measure(
        allocator: &str,
        extent: &Extent,
        workloads: &[Workload],
        mut each: impl FnMut(&Line),
    ) -> Self {
        let mut lines = Vec::new();
        // Few threads first: what a process keeps of every thread that it ever had, as arc-swap does,
        // makes later calls dearer.
        for &threads in &extent.threads {
            for (number, workload) in workloads.iter().enumerate() {
                let mut sides = workload.sides();
                let ours = sides[0].name;
                sides.retain(|side| side.name == ours || side.name.contains(&extent.peer));
                let line = compare(workload, &sides, threads, extent);
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
fn compare(workload: &Workload, sides: &[Side], threads: usize, extent: &Extent) -> Line {
    let warm = Plan { threads, length: extent.length / 10 };
    sides.iter().for_each(|side| drop(side.run(warm)));
    let plan = Plan { threads, length: extent.length };
    let mut times = vec![Vec::new(); sides.len()];
    let mut processor = times.clone();
    let mut latencies = vec![histogram(); sides.len()];
    for _ in 0..extent.rounds {
        for (number, side) in sides.iter().enumerate() {
            let sample = side.run(plan);
            // The time of a call goes as the inverse of the rate.
            times[number].push(sample.calls_per_second.recip());
            processor[number].push(sample.processor);
            latencies[number] += sample.latencies;
        }
    }
    let result = |(number, side): (usize, &Side)| Result {
        name: side.name.to_owned(),
        locks: side.locks,
        calls_per_second: median(&times[number]).recip(),
        processor: median(&processor[number]),
        ratio: Ratio::of(&times[0], &times[number]),
        processor_ratio: Ratio::of(&processor[0], &processor[number]),
        latency: Latency::of(&latencies[number]),
        note: side.note(),
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
    fn long_calls_are_weighed_by_their_time() {
        let mut latencies = histogram();
        latencies.record_n(1_000_000, 900).unwrap();
        latencies.record_n(100_000_000, 1).unwrap();
        let latency = Latency::of(&latencies);
        assert!((0.09..0.11).contains(&latency.held_up), "{latency:?}");
        assert!(latency.p999 > 1_000_000 && latency.p99 < 1_010_000, "{latency:?}");
    }

    #[test]
    fn medians_are_compared_and_single_rounds_are_the_spread() {
        let ratio = Ratio::of(&[3.0, 1.0, 2.0, 10.0], &[1.0, 2.0, 1.0, 1.0]);
        assert_eq!(ratio, Ratio { of_medians: 2.5, least: 0.5, most: 10.0 });
        assert_eq!(Ratio::of(&[4.0], &[2.0]), Ratio { of_medians: 2.0, least: 2.0, most: 2.0 });
    }
}

//! [`History`]: how full and how fragmented the cluster was over time.

use serde::Serialize;

use crate::occupancy::{InUse, Occupancy};

/// Bounds the points of a series.
const MOST_POINTS: usize = 400;

/// What there is at an instant, once everything has happened, and until the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) time: u64,
    pub(crate) in_use: InUse,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
}

/// What there is in all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) gpu_milli: u64,
    pub(crate) cpu_milli: u64,
    pub(crate) memory_mib: u64,
}

/// The levels of a run, in order.
pub(crate) struct History {
    capacity: Capacity,
    levels: Vec<Level>,
}

/// The figures of an instant, of a mean, or of peaks.
#[derive(Serialize, Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) gpu_percent: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) memory_percent: f64,
    /// Idle GPUs that typical tasks can't use, of all GPUs of the cluster.
    pub(crate) fragmentation_percent: f64,
    pub(crate) running: f64,
    pub(crate) waiting: f64,
}

/// The mean of an interval.
#[derive(Serialize, Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) from: u64,
    pub(crate) until: u64,
    #[serde(flatten)]
    pub(crate) mean: Figures,
}

impl History {
    /// Returns that of a cluster with this capacity, before anything has happened.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { capacity, levels: Vec::new() }
    }

    /// Notes what there is at an instant after all others.
    pub(crate) fn note(&mut self, level: Level) {
        self.levels.push(level);
    }

    /// Returns the figures of each instant.
    pub(crate) fn figures(&self, occupancy: &Occupancy) -> impl Iterator<Item = (u64, Figures)> {
        self.levels.iter().map(|level| (level.time, self.figures_of(level, occupancy)))
    }

    /// Returns the means from the first instant until `until`, weighted by time; the figures of the last
    /// instant of these if no time lies between.
    pub(crate) fn mean(&self, until: u64, occupancy: &Occupancy) -> Figures {
        let end = self.levels.partition_point(|level| level.time <= until);
        self.mean_of(&self.levels[..end], until, occupancy)
    }

    /// Returns the greatest of each figure.
    pub(crate) fn peak(&self, occupancy: &Occupancy) -> Figures {
        let figures = self.figures(occupancy).map(|(_, figures)| figures);
        figures.fold(Figures::default(), |most, other| most.with(other, f64::max))
    }

    /// Returns the means of a few hundred intervals, with the same number of instants in each, so that
    /// the series is finest where most happens. The last one ends with the last instant.
    pub(crate) fn series(&self, occupancy: &Occupancy) -> Vec<Point> {
        let size = self.levels.len().div_ceil(MOST_POINTS).max(1);
        let starts = self.levels.iter().step_by(size).skip(1).map(|level| level.time);
        let ends = starts.chain(self.levels.last().map(|level| level.time));
        let point = |(levels, until): (&[Level], u64)| Point {
            from: levels[0].time,
            until,
            mean: self.mean_of(levels, until, occupancy),
        };
        self.levels.chunks(size).zip(ends).map(point).collect()
    }

    fn mean_of(&self, levels: &[Level], until: u64, occupancy: &Occupancy) -> Figures {
        let (Some(first), Some(last)) = (levels.first(), levels.last()) else {
            return Figures::default();
        };
        if first.time == until {
            return self.figures_of(last, occupancy);
        }
        let ends = levels.iter().skip(1).map(|level| level.time).chain([until]);
        let sum = levels.iter().zip(ends).fold(Figures::default(), |sum, (level, end)| {
            let seconds = (end - level.time) as f64;
            sum.with(self.figures_of(level, occupancy), |sum, figure| sum + figure * seconds)
        });
        let seconds = (until - first.time) as f64;
        sum.with(sum, |sum, _| sum / seconds)
    }

    fn figures_of(&self, level: &Level, occupancy: &Occupancy) -> Figures {
        let percent = |part: f64, whole: u64| 100.0 * part / whole.max(1) as f64;
        let Self { capacity, .. } = self;
        let in_use = &level.in_use;
        let fragmented = occupancy.gpu_milli(in_use.fragments);
        Figures {
            gpu_percent: percent(in_use.gpu_milli as f64, capacity.gpu_milli),
            cpu_percent: percent(in_use.cpu_milli as f64, capacity.cpu_milli),
            memory_percent: percent(in_use.memory_mib as f64, capacity.memory_mib),
            fragmentation_percent: percent(fragmented, capacity.gpu_milli),
            running: level.running as f64,
            waiting: level.waiting as f64,
        }
    }
}

impl Figures {
    /// Joins each figure with that of others.
    pub(crate) fn with(self, other: Self, join: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            gpu_percent: join(self.gpu_percent, other.gpu_percent),
            cpu_percent: join(self.cpu_percent, other.cpu_percent),
            memory_percent: join(self.memory_percent, other.memory_percent),
            fragmentation_percent: join(self.fragmentation_percent, other.fragmentation_percent),
            running: join(self.running, other.running),
            waiting: join(self.waiting, other.waiting),
        }
    }
}

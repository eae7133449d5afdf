//! What is measured, and how it is shown.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use cluster_rig::Members;
use provider_tree_cluster::Metrics;

/// A rate, and what it took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    /// How many a second.
    pub(crate) rate: f64,
    /// How many were refused.
    pub(crate) refused: u64,
    /// Entries a second, and the mean bytes of one.
    pub(crate) entries: f64,
    pub(crate) bytes: f64,
    /// How many microseconds a replica has taken to apply a claim.
    pub(crate) applied: f64,
    /// How many processors this process was busy with, and the members.
    pub(crate) own: f64,
    pub(crate) of_members: f64,
}

impl Figures {
    /// Returns the one with the greater rate.
    pub(crate) fn max(self, other: Self) -> Self {
        if other.rate > self.rate { other } else { self }
    }

    /// Adds what replicas have appended.
    pub(crate) fn with_entries(
        self,
        before: &[Metrics],
        after: &[Metrics],
        time: Duration,
    ) -> Self {
        let sum = |all: &[Metrics], count: fn(&Metrics) -> u64| all.iter().map(count).sum::<u64>();
        let grown = |count| (sum(after, count) - sum(before, count)) as f64;
        let entries: f64 = grown(|metrics| metrics.entries_appended);
        let bytes: f64 = grown(|metrics| metrics.bytes_appended);
        let micros: f64 = grown(|metrics| metrics.apply_micros);
        let claims = self.rate * time.as_secs_f64() * after.len() as f64;
        Figures {
            entries: entries / time.as_secs_f64(),
            bytes: bytes / entries.max(1.0),
            applied: micros / claims.max(1.0),
            ..self
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.0}/s", self.rate)?;
        if self.refused > 0 {
            write!(f, ", {} refused", self.refused)?;
        }
        if self.entries > 0.0 {
            write!(f, ", {:5.0} entries/s of {:6.1} KiB", self.entries, self.bytes / 1024.0)?;
            write!(f, ", applied in {:.2} us", self.applied)?;
        }
        write!(f, ", processors {:.2}", self.own)?;
        if self.of_members > 0.0 {
            write!(f, " and {:.2} for etcd", self.of_members)?;
        }
        Ok(())
    }
}

/// Times of single things.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn note(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn percentile(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * percent / 100.0).round() as usize;
        self.0.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self
    }
}

/// Shows sorted times.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (self.percentile(50.0), self.percentile(99.0));
        write!(f, "p50 {p50:7.2} ms, p99 {p99:7.2} ms ({} of them)", self.0.len())
    }
}

/// Tells the processor time of processes beside this one.
pub(crate) trait Beside {
    fn processor_seconds(&self) -> f64;
}

impl Beside for () {
    fn processor_seconds(&self) -> f64 {
        0.0
    }
}

impl Beside for Members {
    fn processor_seconds(&self) -> f64 {
        self.iter().filter_map(|member| member.pid()).map(|pid| ticks(&pid.to_string())).sum()
    }
}

/// Measures time, and processor time of this process and of others.
pub(crate) struct Watch<'a> {
    begun: Instant,
    own: f64,
    of_others: f64,
    others: &'a dyn Beside,
}

impl<'a> Watch<'a> {
    pub(crate) fn start(others: &'a dyn Beside) -> Self {
        let (own, of_others) = (ticks("self"), others.processor_seconds());
        Watch { begun: Instant::now(), own, of_others, others }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn figures(&self, count: u64, refused: u64) -> Figures {
        let seconds = self.elapsed().as_secs_f64();
        Figures {
            rate: count as f64 / seconds,
            refused,
            own: (ticks("self") - self.own) / seconds,
            of_members: (self.others.processor_seconds() - self.of_others) / seconds,
            ..Figures::default()
        }
    }
}

/// Returns the processor time of a process, in seconds; 0 where the system does not tell.
fn ticks(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may have spaces; user and system time are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
    // Linux counts in hundredths of seconds, whatever the machine.
    (field(11).unwrap_or(0.0) + field(12).unwrap_or(0.0)) / 100.0
}

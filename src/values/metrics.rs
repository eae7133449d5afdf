//! Metrics: what workers have done. Each worker counts for itself.

use std::fmt::{self, Write as _};

use crate::error::Error;
use crate::sync::Tally;

macro_rules! metrics {
    ($($(#[doc = $documentation:literal])+ $name:ident,)*) => {
        /// Counts what workers have done: the calls of [`Worker`](crate::Worker) that change what is used.
        /// Calls of [`ProviderTree`](crate::ProviderTree) that change structure or configurations are not
        /// counted. See [`ProviderTree::metrics`](crate::ProviderTree::metrics).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
        #[non_exhaustive]
        pub struct Metrics { $($(#[doc = $documentation])+ pub $name: u64,)* }

        /// Holds the counts of one worker, for all threads to read.
        #[derive(Default)]
        pub(crate) struct Tallies { $(pub(crate) $name: Tally,)* }

        impl Tallies {
            /// Returns the present counts, each as of an instant of its own.
            pub(crate) fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.get(),)* }
            }
        }

        impl Metrics {
            /// Returns the name, the count and the description of everything that is counted.
            fn all(&self) -> impl Iterator<Item = (&'static str, u64, &'static str)> {
                [$((stringify!($name), self.$name, concat!($($documentation),+))),*].into_iter()
            }
        }

        impl std::ops::AddAssign for Metrics {
            fn add_assign(&mut self, other: Metrics) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }
        }

        impl std::ops::Add for Metrics {
            type Output = Metrics;

            /// Returns how often things have happened together.
            fn add(mut self, other: Metrics) -> Metrics {
                self += other;
                self
            }
        }

        impl std::ops::Sub for Metrics {
            type Output = Metrics;

            /// Returns how often things have happened since `earlier` was read.
            fn sub(self, earlier: Metrics) -> Metrics {
                Metrics { $($name: self.$name.wrapping_sub(earlier.$name),)* }
            }
        }
    };
}

metrics! {
    /// Changes of allocations that were made: claims, replacements, batches, gangs, leases, and
    /// amounts taken without a consumer. A batch or a gang counts once, also a batch that changes
    /// providers alone.
    claims,
    /// Changes that only gave something back: releases, leases cancelled, and amounts put back.
    releases,
    /// Leases that were confirmed or renewed.
    confirmations,
    /// Leases that were found due and were ended.
    expirations,
    /// Refusals because too little was free, or because too few members or amounts fit.
    over_capacity,
    /// Refusals because an amount broke the units, or because there was no inventory of the class.
    unfit,
    /// Refusals because a provider was cordoned or removed.
    out_of_service,
    /// Refusals because a provider's or a consumer's state was not the expected one.
    conflicts,
    /// All other refusals.
    other_refusals,
    /// How often a change was prepared in vain, because the change of another thread came first.
    retries,
    /// How often a worker finished the change of another thread on its way.
    helps,
    /// Calls that prepared their change in vain once.
    retried_once,
    /// Calls that prepared their change in vain 2 to 3 times.
    retried_to_3,
    /// Calls that prepared their change in vain 4 to 7 times.
    retried_to_7,
    /// Calls that prepared their change in vain 8 to 15 times.
    retried_to_15,
    /// Calls that prepared their change in vain 16 times or more.
    retried_more,
}

/// Bounds how often the calls of each bucket but the last prepared their change in vain.
const BOUNDS: [u64; 4] = [1, 3, 7, 15];

impl Metrics {
    /// Returns the number of all refusals.
    pub fn refusals(&self) -> u64 {
        self.over_capacity + self.unfit + self.out_of_service + self.conflicts + self.other_refusals
    }

    /// Returns the number of all calls that are counted, made or refused.
    pub fn calls(&self) -> u64 {
        self.claims + self.releases + self.confirmations + self.expirations + self.refusals()
    }

    /// Returns the metrics in the [text format] of Prometheus: a counter for each, such as
    /// `provider_tree_claims_total`, and `provider_tree_call_retries`, a histogram of how often
    /// [calls](Self::calls) prepared their change in vain, with the bounds 0, 1, 3, 7 and 15: the bucket
    /// `le="3"` counts those that did so three times or less. To be served as `text/plain; version=0.0.4`.
    ///
    /// ```
    /// # use provider_tree::ProviderTree;
    /// let tree = ProviderTree::new();
    /// let text = tree.metrics().to_prometheus();
    /// assert!(text.contains("\nprovider_tree_claims_total 0\n"));
    /// assert!(text.contains("\nprovider_tree_call_retries_bucket{le=\"+Inf\"} 0\n"));
    /// ```
    ///
    /// [text format]: https://prometheus.io/docs/instrumenting/exposition_formats/
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        let mut line = |line: fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
        };
        for (name, count, description) in self.all().filter(|it| !it.0.starts_with("retried")) {
            let name = format!("provider_tree_{name}_total");
            line(format_args!("# HELP {name} {}", description.trim()));
            line(format_args!("# TYPE {name} counter"));
            line(format_args!("{name} {count}"));
        }
        let name = "provider_tree_call_retries";
        line(format_args!("# HELP {name} Calls by how often each prepared its change in vain."));
        line(format_args!("# TYPE {name} histogram"));
        let retried = [self.retried_once, self.retried_to_3, self.retried_to_7, self.retried_to_15];
        let all = retried.iter().sum::<u64>() + self.retried_more;
        // Counts of other threads may be of different instants.
        let mut calls = self.calls().max(all) - all;
        line(format_args!("{name}_bucket{{le=\"0\"}} {calls}"));
        for (count, most) in retried.into_iter().zip(BOUNDS) {
            calls += count;
            line(format_args!("{name}_bucket{{le=\"{most}\"}} {calls}"));
        }
        calls += self.retried_more;
        line(format_args!("{name}_bucket{{le=\"+Inf\"}} {calls}"));
        line(format_args!("{name}_sum {}", self.retries));
        line(format_args!("{name}_count {calls}"));
        text
    }
}

impl Tallies {
    /// Counts a call that prepared its change in vain so many times, which is at least once.
    pub(crate) fn retried(&self, times: u64) {
        let Tallies {
            retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more, ..
        } = self;
        let buckets = [retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more];
        buckets[BOUNDS.partition_point(|most| *most < times)].add(1);
    }

    /// Counts a refusal by its reason.
    #[cold]
    pub(crate) fn refused(&self, error: &Error) {
        let tally = match error {
            Error::CapacityExceeded { .. } | Error::TooFewFit { .. } => &self.over_capacity,
            Error::UnitViolation { .. } | Error::NoInventory { .. } => &self.unfit,
            Error::Cordoned { .. } | Error::Removed { .. } => &self.out_of_service,
            Error::GenerationConflict { .. }
            | Error::ConsumerConflict { .. }
            | Error::ConsumerExists { .. }
            | Error::ProviderChanged { .. }
            | Error::ConsumerChanged { .. }
            | Error::AlreadyHeld { .. }
            | Error::ConsumerNotFound { .. }
            | Error::NotLeased { .. }
            | Error::LeaseEnded { .. } => &self.conflicts,
            _ => &self.other_refusals,
        };
        tally.add(1);
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_a_counter_for_each_and_a_histogram() {
        let metrics = Metrics {
            claims: 5,
            releases: 2,
            conflicts: 1,
            retries: 25,
            retried_once: 2,
            retried_to_7: 1,
            retried_more: 1,
            ..Metrics::default()
        };
        let text = metrics.to_prometheus();
        let counters = text.lines().filter(|line| line.ends_with(" counter")).count();
        assert_eq!(counters, 11);
        let releases = "\
# HELP provider_tree_releases_total Changes that only gave something back: releases, leases cancelled, and amounts put back.
# TYPE provider_tree_releases_total counter
provider_tree_releases_total 2
";
        assert!(text.contains(releases), "{text}");
        let histogram = "\
# TYPE provider_tree_call_retries histogram
provider_tree_call_retries_bucket{le=\"0\"} 4
provider_tree_call_retries_bucket{le=\"1\"} 6
provider_tree_call_retries_bucket{le=\"3\"} 6
provider_tree_call_retries_bucket{le=\"7\"} 7
provider_tree_call_retries_bucket{le=\"15\"} 7
provider_tree_call_retries_bucket{le=\"+Inf\"} 8
provider_tree_call_retries_sum 25
provider_tree_call_retries_count 8
";
        assert!(text.ends_with(histogram), "{text}");
    }

    #[test]
    fn a_call_is_counted_by_how_often_it_was_prepared_in_vain() {
        let tallies = Tallies::default();
        (1..=20).for_each(|times| tallies.retried(times));
        let Metrics {
            retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more, ..
        } = tallies.read();
        let counts = [retried_once, retried_to_3, retried_to_7, retried_to_15, retried_more];
        assert_eq!(counts, [1, 2, 4, 8, 5]);
    }
}

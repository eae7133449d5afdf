//! [`Metrics`]: what a replica has done.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counts what a replica has done since it was started.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Metrics {
            /// Returns the name, the count and the description of everything that is counted.
            fn all(&self) -> impl Iterator<Item = (&'static str, u64, &'static str)> {
                [$((stringify!($name), self.$name, concat!($($doc),+))),*].into_iter()
            }
        }

        /// The same, as they are counted. Each is counted by itself, and nothing rests on them.
        #[derive(Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Commands that were asked for.
    commands_submitted,
    /// Commands that were withdrawn before they were sent.
    commands_withdrawn,
    /// Commands of this replica that were made.
    commands_made,
    /// Commands of this replica that the forest has refused.
    commands_refused,
    /// Commands of which it is not known here what has become of them.
    commands_unknown,
    /// Entries of this replica that the log has taken.
    entries_appended,
    /// The bytes of these entries.
    bytes_appended,
    /// Attempts to append that the log has not taken.
    append_failures,
    /// The microseconds that the appended entries have taken until the log had them.
    append_micros,
    /// Entries of all replicas that were applied.
    entries_applied,
    /// The bytes of these entries.
    bytes_applied,
    /// The microseconds that applying them has taken.
    apply_micros,
    /// Entries that came again, and changed nothing.
    entries_repeated,
    /// Entries that were refused, as those of a replica that was forgotten.
    entries_refused,
    /// Times that the log was lost and followed anew.
    follow_failures,
    /// Dumps that were loaded, also at the start.
    dumps_loaded,
    /// Dumps that this replica has stored.
    dumps_stored,
    /// Attempts to store a dump that failed.
    dump_failures,
    /// Reads that have asked for the present.
    syncs,
    /// The greatest position that is known to be in the log.
    end_seen,
}

impl Metrics {
    /// Returns the metrics in the [text format] of Prometheus: a counter for each, such as
    /// `provider_tree_cluster_commands_made_total`, and `provider_tree_cluster_end_seen`, a gauge. To be served
    /// as `text/plain; version=0.0.4`.
    ///
    /// ```
    /// let text = provider_tree_cluster::Metrics::default().to_prometheus();
    /// assert!(text.contains("\nprovider_tree_cluster_commands_made_total 0\n"));
    /// ```
    ///
    /// [text format]: https://prometheus.io/docs/instrumenting/exposition_formats/
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        for (name, count, description) in self.all() {
            let (suffix, kind) =
                if name == "end_seen" { ("", "gauge") } else { ("_total", "counter") };
            let name = format!("provider_tree_cluster_{name}{suffix}");
            let description = description.trim();
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "# HELP {name} {description}\n# TYPE {name} {kind}\n{name} {count}");
        }
        text
    }
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn raise(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

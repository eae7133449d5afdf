//! Metrics: what workers have done. Each worker counts for itself.

use crate::error::Error;
use crate::sync::Tally;

macro_rules! metrics {
    ($($(#[$documentation:meta])+ $name:ident,)*) => {
        /// Counts how often things have happened; see
        /// [`ProviderTree::metrics`](crate::ProviderTree::metrics).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
        #[non_exhaustive]
        pub struct Metrics { $($(#[$documentation])+ pub $name: u64,)* }

        /// Holds the counts of one worker, for all threads to read.
        #[derive(Default)]
        pub(crate) struct Tallies { $(pub(crate) $name: Tally,)* }

        impl Tallies {
            /// Returns the present counts, each as of an instant of its own.
            pub(crate) fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.get(),)* }
            }
        }

        impl std::ops::AddAssign for Metrics {
            fn add_assign(&mut self, other: Metrics) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
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
    /// amounts taken without a consumer. A batch or a gang counts once.
    claims,
    /// Changes that only gave something back: releases, leases forgotten, and amounts put back.
    releases,
    /// Leases that were confirmed or renewed.
    confirmations,
    /// Leases that were found due and were ended.
    expirations,
    /// Refusals because too little was free, or because too few members or items fit.
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
}

impl Metrics {
    /// Returns the number of all refusals.
    pub fn refusals(&self) -> u64 {
        self.over_capacity + self.unfit + self.out_of_service + self.conflicts + self.other_refusals
    }
}

impl Tallies {
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

//! Metrics: what workers have done, counted by each for itself.

use crate::error::Error;
use crate::sync::Tally;

macro_rules! metrics {
    ($($(#[$documentation:meta])+ $name:ident,)*) => {
        /// How often things have happened; see
        /// [`ProviderTree::metrics`](crate::ProviderTree::metrics).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics { $($(#[$documentation])+ pub $name: u64,)* }

        /// One worker's counts, for all to read.
        #[derive(Default)]
        pub(crate) struct Tallies { $(pub(crate) $name: Tally,)* }

        impl Tallies {
            /// The counts now, each at an instant of its own.
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

            /// What has happened since `earlier`.
            fn sub(self, earlier: Metrics) -> Metrics {
                Metrics { $($name: self.$name.wrapping_sub(earlier.$name),)* }
            }
        }
    };
}

metrics! {
    /// Changes of what is held that were made: claims, replacements, batches, gangs, leases, and
    /// amounts taken. A batch or a gang counts once.
    claims,
    /// Changes that only gave something back: releases, leases forgotten, amounts put back.
    releases,
    /// Leases confirmed or renewed.
    confirmations,
    /// Leases that were found due, and ended.
    expirations,
    /// Refusals for want of capacity, or because too few fit.
    over_capacity,
    /// Refusals for units, or for want of an inventory.
    unfit,
    /// Refusals because a provider is cordoned or gone.
    out_of_service,
    /// Refusals because a provider's or a consumer's state was not the expected one.
    conflicts,
    /// All other refusals.
    other_refusals,
    /// How often a change was prepared in vain, because another thread's came first.
    retries,
    /// How often another thread's change was finished on the way.
    helps,
}

impl Metrics {
    /// All refusals.
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

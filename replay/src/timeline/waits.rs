//! [`Waits`]: how long tasks waited.

use serde::Serialize;

/// How many seconds of the virtual clock passed between the arrival of tasks and their placement.
#[derive(Serialize, Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Waits {
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Waits {
    /// Returns the figures of some waits; `None` of none.
    ///
    /// A percentile is the shortest wait than which so many percent of the tasks waited no longer.
    pub(crate) fn of(mut waits: Vec<u64>) -> Option<Self> {
        waits.sort_unstable();
        let max = *waits.last()?;
        let percentile = |percent: usize| waits[(waits.len() * percent).div_ceil(100) - 1];
        let sum: u128 = waits.iter().map(|&wait| u128::from(wait)).sum();
        Some(Self {
            mean: sum as f64 / waits.len() as f64,
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_waits_that_there_were() {
        let waits = Waits::of((1..=200).rev().collect());
        let expected = Waits { mean: 100.5, p50: 100, p90: 180, p99: 198, max: 200 };
        assert_eq!(waits, Some(expected));
        let expected = Waits { mean: 2.0, p50: 1, p90: 3, p99: 3, max: 3 };
        assert_eq!(Waits::of(vec![3, 1]), Some(expected));
        assert_eq!(Waits::of(Vec::new()), None);
    }
}

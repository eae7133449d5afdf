//! [`InventoryFault`]: how an inventory can contradict itself.

/// Tells what is wrong with an inventory.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryFault {
    /// The reserved amount is greater than the total.
    #[error("reserved {reserved} of {total}")]
    ReservedAboveTotal {
        /// The reserved amount.
        reserved: u64,
        /// The total.
        total: u64,
    },
    /// The least amount is above the greatest, so that no amount would be allowed.
    #[error("min_unit {min_unit} is above max_unit {max_unit}")]
    MinAboveMax {
        /// The least amount.
        min_unit: u64,
        /// The greatest amount.
        max_unit: u64,
    },
    /// `min_unit` is zero.
    #[error("min_unit is 0")]
    ZeroMinUnit,
    /// `step_size` is zero.
    #[error("step_size is 0")]
    ZeroStep,
    /// The ratio is not a number from 0.000000001 to 1,000,000.
    #[error("allocation_ratio {ratio} is not between 1e-9 and 1e6")]
    RatioOutOfRange {
        /// The ratio that the inventory has.
        ratio: f64,
    },
    /// The capacity does not fit a `u64`.
    #[error("the capacity exceeds {}", u64::MAX)]
    CapacityOverflow,
}

//! [`Mark`]: uuids that a forest issues, which say themselves what cell stands for them.
//!
//! ```text
//! incarnation 48 | version 4 = 8 | mark, high 12
//! variant 2 = 0b10 | mark, low 30 | cell 32
//! ```
//!
//! Version 8 of RFC 9562 leaves all other bits to who makes the uuid. The mark is the forest's, drawn
//! by lot. So a uuid of the right form with another mark is one from outside, like any other, and one
//! with this mark names exactly one life of one cell: nothing else ever has that uuid.

use uuid::Uuid;

use crate::ledger::Cell;
use crate::sync::new_uuid;

/// Tells the uuids that one forest issues from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// The lower 16 bits of the upper half of each uuid.
    high: u64,
    /// The upper 32 bits of the lower half of each uuid.
    low: u64,
}

const INCARNATION_SHIFT: u32 = 16;
const CELL_BITS: u32 = 32;

impl Mark {
    /// Returns a mark that no other forest has, except by a chance of 1 in 2^42.
    pub(crate) fn new() -> Self {
        let (high, low) = new_uuid().as_u64_pair();
        Mark { high: 8 << 12 | high & 0xfff, low: 0b10 << 30 | low >> CELL_BITS & 0x3fff_ffff }
    }

    /// Returns the uuid that names the life of this incarnation of this cell, or `None` if the cell has
    /// served more things than uuids can tell apart.
    #[inline]
    pub(crate) fn name(self, (cell, incarnation): (Cell, u64)) -> Option<Uuid> {
        if incarnation >= 1 << (u64::BITS - INCARNATION_SHIFT) {
            return None;
        }
        let high = incarnation << INCARNATION_SHIFT | self.high;
        Some(Uuid::from_u64_pair(high, self.low << CELL_BITS | u64::from(cell.number())))
    }

    /// Returns the cell, and the incarnation of its life, that a uuid with this mark names, or `None` if
    /// the uuid is one from outside.
    #[inline]
    pub(crate) fn life(self, uuid: Uuid) -> Option<(Cell, u64)> {
        let (high, low) = uuid.as_u64_pair();
        let is_own = high & 0xffff == self.high && low >> CELL_BITS == self.low;
        let cell = Cell::new(low as u32);
        is_own.then_some((cell, high >> INCARNATION_SHIFT))
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    fn life(cell: u32, incarnation: u64) -> (Cell, u64) {
        (Cell::new(cell), incarnation)
    }

    #[test]
    fn a_name_says_its_cell_and_its_life() {
        let mark = Mark::new();
        for life in [life(0, 1), life(7, 0xfff), life(u32::MAX, (1 << 48) - 1)] {
            let name = mark.name(life).unwrap();
            assert_eq!(mark.life(name), Some(life));
            assert_eq!(name.get_version(), Some(uuid::Version::Custom));
            assert_eq!(name.get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn a_cell_that_is_worn_out_has_no_name() {
        assert_eq!(Mark::new().name(life(7, 1 << 48)), None);
    }

    #[test]
    fn other_uuids_are_from_outside() {
        let (mark, other) = (Mark::new(), Mark::new());
        assert_ne!(mark, other);
        for uuid in [Uuid::nil(), Uuid::max(), Uuid::new_v4(), other.name(life(7, 3)).unwrap()] {
            assert_eq!(mark.life(uuid), None);
        }
    }
}

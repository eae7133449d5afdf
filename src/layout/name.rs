//! The name cell: which provider has a name.
//!
//! ```text
//! life | the owner's structure cell
//! ```

use crate::layout::life::{Life, State};
use crate::ledger::{Cell, Record};

/// Returns the words of a name cell whose name the provider with this structure cell has.
pub(crate) fn name_words(life: Life, owner: Cell) -> [u64; 2] {
    [life.with(State::Live).word(), owner.number().into()]
}

/// Reads the life of a name cell, and the structure cell of the provider that has the name.
pub(crate) fn owner_of(record: Record<'_>) -> (Life, Cell) {
    (Life::of(record), Cell::new(record.word(1) as u32))
}

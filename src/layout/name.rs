//! The name cell: which provider has a name. It holds all that a handle of the provider is made of,
//! so that one version of one cell answers who has the name.
//!
//! ```text
//! life | the owner's structure cell | the owner's incarnation | the owner's uuid 2
//! ```

use uuid::Uuid;

use crate::layout::life::{Life, State};
use crate::ledger::{Cell, Record};

/// Describes the provider that has a name. A live name cell says that its owner exists: whatever
/// removes or renames the owner ends the life of the name cell, too.
#[derive(Clone, Copy)]
pub(crate) struct NameOwner {
    pub(crate) cell: Cell,
    pub(crate) incarnation: u64,
    pub(crate) uuid: Uuid,
}

/// Counts the words of a name cell.
pub(crate) const NAME_WORDS: usize = 5;

/// Returns the words of a name cell whose name `owner` has.
pub(crate) fn name_words(life: Life, owner: NameOwner) -> [u64; NAME_WORDS] {
    let NameOwner { cell, incarnation, uuid } = owner;
    let (high, low) = uuid.as_u64_pair();
    [life.with(State::Live).word(), cell.number().into(), incarnation, high, low]
}

/// Returns the life of a name cell and, if the life is live, the provider that has the name. `word`
/// reads the words of the cell.
#[inline]
pub(crate) fn owner_in(word: impl Fn(usize) -> u64) -> (Life, NameOwner) {
    let owner = NameOwner {
        cell: Cell::new(word(1) as u32),
        incarnation: word(2),
        uuid: Uuid::from_u64_pair(word(3), word(4)),
    };
    (Life::from_word(word(0)), owner)
}

/// Reads the life of a name cell, and the provider that has the name, as [`owner_in`] does.
#[inline]
pub(crate) fn owner_of(record: Record<'_>) -> (Life, NameOwner) {
    owner_in(|index| record.word(index))
}

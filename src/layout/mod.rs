//! What the words of each kind of cell mean, one file for each kind.

mod consumer;
mod life;
mod name;
mod packed;
mod sharing;
mod structure;
mod usage;
mod words;

pub(crate) use consumer::{
    ConsumerWords, Holding, Identity, Term, check_count, consumer_cells, consumer_words, copy_held,
    copy_words, is_live_consumer, rewrite_consumer, stands_for, words_of, write_consumer,
};
pub(crate) use life::{CellKind, Life, State};
pub(crate) use name::{NAME_WORDS, NameOwner, name_words, owner_in, owner_of};
pub(crate) use packed::{Layout, Layouts};
pub(crate) use sharing::{read_counts, shares, sharing_words};
pub(crate) use structure::{
    CHILDREN, Cordon, SIBLINGS, STRUCTURE_WORDS, Structure, cordon_in, with_child, with_next,
    with_previous, without_child,
};
pub(crate) use usage::{
    Amounts, BARE_WORDS, CONFIGURATION_BITS, ClassWords, Form, PackedUsage, UsageHead, UsageWords,
    WideUsage, bare_usage, copy_usage, read_wide, set_configuration, set_cordoned, usages_in,
    widened, write_usage,
};
pub(crate) use words::{Words, uuid_in};

use crate::ledger::{Cell, Kind};

/// Name the runs of cells that the ledger hands out together: a provider's structure cell and its
/// usage cell; a name cell; a consumer's cell.
pub(crate) const PROVIDER: Kind = Kind(0);
pub(crate) const NAME: Kind = Kind(1);
pub(crate) const CONSUMER: Kind = Kind(2);

/// Counts the cells of each run.
pub(crate) const RUNS: &[u32] = &[2, 1, 1];

/// Holds the first word of each cell of each run. Beyond the end of a run there is nothing.
const FIRST: [[u64; 2]; RUNS.len()] = [
    [first(CellKind::Structure), first(CellKind::Usage)],
    [first(CellKind::Name), 0],
    [first(CellKind::Consumer), 0],
];

const fn first(kind: CellKind) -> u64 {
    Life::first(kind).word()
}

/// Returns the first word of each cell of a run that was never used.
#[inline]
pub(crate) fn first_words(run: Kind) -> &'static [u64] {
    &FIRST[run.0][..RUNS[run.0] as usize]
}

/// Returns the usage cell of the provider with this structure cell.
pub(crate) fn usage_of(structure: Cell) -> Cell {
    structure.sibling(1)
}

/// Returns the structure cell of the provider with this usage cell.
pub(crate) fn structure_of(usage: Cell) -> Cell {
    Cell::new(usage.number().wrapping_sub(1))
}

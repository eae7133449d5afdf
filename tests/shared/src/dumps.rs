//! Dumps as tests compare them.

use provider_tree::{Allocations, Dump};

/// The dump without the floors, which are no part of an instant: neither a mirror nor a sequential
/// specification knows them.
pub fn without_floors(dump: Dump) -> Dump {
    Dump { floors: Vec::new(), ..dump }
}

/// What a consumer holds, in the order that a dump has: that of cells means nothing.
pub fn in_order(mut held: Allocations) -> Allocations {
    held.allocations.sort_by_key(|held| (held.provider, held.class.name()));
    held
}

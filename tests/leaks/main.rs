//! Nothing stays in memory of what has gone: after calls of every kind, also those that are refused or
//! unwind, a forest has exactly what it holds.
//!
//! | module | what it is about |
//! |---|---|
//! | `structure` | providers that come, go, move, get other names; populations |
//! | `configuration` | inventories, traits, aggregates, resources |
//! | `claims` | consumers: claims, gangs, batches, leases |
//! | `views` | snapshots, feeds, forks, dumps |
//! | `unwinding` | calls from a thread that unwinds, and values of the caller's that panic when dropped |
//! | `figures` | what `Memory` says of a forest that somebody uses |
//! | `books` | what is compared; the storms and the random calls end with it, too |

mod claims;
mod configuration;
mod figures;
mod site;
mod structure;
mod unwinding;
mod views;

use provider_tree::{Memory, ProviderTree};
use shared::books;

use crate::site::Site;

/// All calls but those that only a thread which does not unwind makes, made and refused.
const CALLS: [fn(&Site); 12] = [
    structure::create,
    structure::rename,
    structure::move_and_cordon,
    structure::remove,
    structure::populate,
    configuration::configure,
    claims::claim,
    claims::gangs,
    claims::batches,
    claims::leases,
    views::snapshots,
    views::forks,
];

/// All figures but the room that the indexes have: what went leaves something behind in the tables.
fn memory(tree: &ProviderTree) -> Memory {
    let mut memory = tree.memory();
    memory.bytes.indexes = 0;
    memory
}

#[test]
fn all_calls_once_more_change_no_figure() {
    let site = Site::new();
    let all = || {
        for calls in CALLS.into_iter().chain([views::load, unwinding::unwind]) {
            calls(&site);
            books::assert_no_leaks(&site.tree);
        }
    };
    // The second time there are more cells to take from, all of which have a version since.
    all();
    all();
    let before = memory(&site.tree);
    for _ in 0..2 {
        all();
        let now = memory(&site.tree);
        assert!(now == before, "was\n{before}\nis\n{now}");
    }
}

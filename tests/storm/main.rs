//! Storms: many threads do everything at once, and what must always hold is checked meanwhile and
//! after.
//!
//! | test | what it promises |
//! |---|---|
//! | `capacity_is_never_exceeded` | used never passes the capacity while no inventory shrinks |
//! | `usage_is_the_sum_of_allocations` | the books agree while inventories grow, shrink, come, go |
//! | `structure_stays_a_forest` | no orphan, no lost name; parents and children agree |
//! | `everything_at_once` | all of that together; what is held is never removed |
//! | `one_winner_each` | of many who want what one can have, exactly one gets it |
//! | `two_consumers_swap_places_and_are_seen_in_one` | a move is never seen half done |
//! | `many_consumers_swap_places_where_there_is_little_room` | nor when most moves are refused |
//! | `a_whole_host_is_seen_at_one_instant` | a claim from several of its parts is on all or on none |
//! | `all_guarantees_hold` | each guarantee, while every call is made; long: `cargo xtask soak` |
//! | `snapshots_are_of_one_instant` | each adds up, and is read the same for as long as it is held |
//! | `a_mirror_follows` | what a feed says leads to exactly what the forest is |
//! | `forks_preempt` | what forks commit fits, or is refused, and nobody is evicted for nothing |
//! | `workers_come_and_go` | workers pass between threads and leave no memory behind |
//!
//! At the end of each, when all threads have joined, the forest has exactly what it holds in memory.
//!
//! Each storm prints its seed. `STORM_SEED` runs the same choices again, though not the same
//! interleaving of threads. `STORM_SECONDS` sets how long each storm lasts. An error that the race
//! does not explain fails the test. Storms run one after the other, however many threads the test
//! harness has, and one that does not end is reported with its seed.
#![expect(
    clippy::disallowed_types,
    reason = "tests start and stop their threads with std's atomics"
)]

mod capacity;
mod contests;
mod everything;
mod forest;
mod hosts;
mod rig;
mod ring;
mod snapshots;
mod soak;
mod structure;
mod swaps;
mod tenant;
mod usage;
mod workers;

use provider_tree::ResourceClass;
use shared::stall::Stalling;
use shared::{books, stall};

#[global_allocator]
static ALLOCATOR: Stalling = Stalling;

/// More than the cores of most machines that run tests, so that threads stop at bad moments.
const THREADS: usize = 8;

const VCPU: ResourceClass = ResourceClass::VCPU;
const MEMORY: ResourceClass = ResourceClass::MEMORY_MB;
const DISK: ResourceClass = ResourceClass::DISK_GB;
const GPU: ResourceClass = ResourceClass::PGPU;

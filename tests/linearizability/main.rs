//! Linearizability: what threads see of a forest at once can be explained by one call after the
//! other.
//!
//! Threads make random calls on a real forest, few in number and on few things, so that they
//! collide. A *history* notes each call, its outcome, and when it began and ended by one clock. A
//! checker, the member `tests/linearize/`, looks for an order of the calls that respects time (a call
//! that ended before another began comes before it) and in which a sequential specification, the
//! *model*, gives exactly the outcomes noted: every answer, every error with all its fields. At the
//! end of each history its threads are done and everything is looked at once more, so that a lost
//! change shows.
//!
//! | test | calls |
//! |---|---|
//! | `claims_are_linearizable` | claim, replace, release, batches, gangs, partial claims, take, put back, usage, allocations |
//! | `structure_is_linearizable` | create, populate, remove, move, rename, find, walks |
//! | `configuration_is_linearizable_against_claims` | inventories, traits, sharing providers, cordons, populations, dumps and claims, with conditions and chains |
//! | `everything_is_linearizable` | all of these |
//!
//! Threads start together, and give way to each other between calls, and within calls where the
//! library allocates: else few calls would overlap where there are few cores. Most histories have
//! calls that do, or the test fails.
//!
//! What this can't show: that there is no history which has no such order. It tries thousands of
//! short ones, with the interleavings that the machine happens to have; memory orderings that its
//! processor does not use are never seen. The models under `loom-tests` are for these. Nor does it
//! cover `consumers` and `audit`, which promise less than an instant, `version`, and aggregates.
//! Where several things stand against a call, any of them may be the error, as the documentation
//! does not say which comes first.
//!
//! That the checker can say no is shown by histories written by hand, by real ones with one
//! outcome changed, and by callers that make one operation of several calls without care.
//!
//! | variable | |
//! |---|---|
//! | `LINEARIZABILITY_SEED` | the seed of the first history, as printed by each run |
//! | `LINEARIZABILITY_HISTORIES` | how many; 3,000 in debug, 20,000 in release |
//! | `LINEARIZABILITY_REPEATS` | how often each is recorded; once |
//!
//! A seed stands for the calls that the threads make, not for how they interleave, which differs
//! each time: also which handle a call uses may depend on what a call before it found. A history
//! that is rejected is printed whole, to be understood and written down as one more test in
//! `known.rs`; with its seed, one history and many repeats it may come again.

mod broken;
mod corrupt;
mod known;
mod run;

use shared::plan::Profile;
use shared::stall::Stalling;
use shared::{caller, history, model, operation, plan, recorder};

use crate::run::Run;

#[global_allocator]
static ALLOCATOR: Stalling = Stalling;

/// At least so many of a hundred histories have calls that overlap.
const LEAST_OVERLAPPING_PERCENT: usize = 50;

fn check(name: &'static str, profile: Profile) {
    let run = Run::new(name, profile, caller::call);
    let tally = run.check().unwrap_or_else(|rejected| panic!("{rejected}"));
    let enough = tally.overlapping_percent() >= LEAST_OVERLAPPING_PERCENT;
    assert!(enough || run.histories < 100, "{name}: too little at once: {tally}");
}

#[test]
fn claims_are_linearizable() {
    check("claims", plan::claims);
}

#[test]
fn structure_is_linearizable() {
    check("structure", plan::structure);
}

#[test]
fn configuration_is_linearizable_against_claims() {
    check("configuration", plan::configuration);
}

#[test]
fn everything_is_linearizable() {
    check("everything", plan::everything);
}

//! Snapshots, and what rests on them: a test for each promise, named after it.
//!
//! | module | what it is about |
//! |---|---|
//! | `views` | what is read from a snapshot is as of its instant, whatever has changed since |
//! | `bounds` | how much is kept for snapshots, and for how long |
//! | `changes` | what differs between two snapshots; mirrors and feeds |
//! | `touched` | the same, by name alone |
//! | `waits` | feeds that wait for a change |
//! | `forks` | what a fork answers is what the forest would answer |
//! | `commits` | what a fork has changed is committed, or refused as it should be |
//! | `basis` | what such a commit rests on, and on what not |
//!
//! `rig` has what they share, `random` does by chance whatever can be done.

mod basis;
mod bounds;
mod changes;
mod commits;
mod forks;
mod random;
mod rig;
mod touched;
mod views;
mod waits;

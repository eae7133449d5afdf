//! Tests for which the crate itself has to be compiled: with its [steps](crate::step), at which they
//! stop threads, and with few cells and records.

/// Shared with the tests outside, which name the crate.
#[allow(dead_code, unreachable_pub, reason = "public and whole there")]
#[path = "../../tests/shared/src/books.rs"]
mod books;
mod cluster;
mod exhaustion;
mod halts;
mod leaks;
mod panics;
mod records;
mod spares;
mod stalls;
mod weak;

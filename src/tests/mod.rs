//! Tests for which the crate itself has to be compiled: with its [steps](crate::step), at which the
//! tests stop threads, and with few cells and records.

/// Holds what the crate's tests share with the tests outside of the crate. Its code names the crate
/// as those tests do.
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
mod trails;
mod weak;

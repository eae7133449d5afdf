//! Tests for which the crate itself has to be compiled: with its [steps](crate::step), at which they
//! stop threads, and with few cells and records.

/// Shared with the tests outside, which name the crate.
#[path = "../../tests/leaks/books.rs"]
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

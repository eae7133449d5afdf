//! Tests for which the crate itself has to be compiled: with its [steps](crate::step), at which they
//! stop threads, and with few cells and records.

mod exhaustion;
mod halts;
mod panics;
mod records;
mod stalls;

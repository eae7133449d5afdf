//! Tests that stop threads inside the protocols, for which the crate itself has to be compiled
//! with its [steps](crate::step).

mod halts;
mod panics;
mod stalls;

//! What a replica promises, on a log in memory.

mod behaviours;
mod commands;
mod endings;
mod linearizability;
mod memory_log;
mod reference;
mod rig;
mod simulation;

//! Replays a cluster's task list through `provider-tree` with several scheduler threads.
//!
//! Worker threads take the tasks in order, choose a node by policy, claim it, and go on. At the
//! end the tool prints how fast that went and how well the cluster was packed, and audits every
//! allocation. With `--trace-time` tasks come and go at their times, on a virtual clock, and one thread
//! places them. `replay table` replays lists by several policies, with several numbers of threads and
//! seeds, and compares. Exit codes: 0 when everything holds, 1 when the audit or the run itself fails, 2
//! for a bad file or option, and for what makes no sense or would take more memory than there is, 130
//! when Ctrl-C ended it and what it had done holds.
#![forbid(unsafe_code)]

mod audit;
mod cluster;
mod columns;
mod csv;
mod curve;
mod desk;
mod experiment;
mod failure;
mod fingerprint;
mod gate;
mod interrupt;
mod kinds;
mod memory;
mod occupancy;
mod options;
mod output;
mod placements;
mod places;
mod policy;
mod progress;
mod queue;
mod quote;
mod refusal;
mod report;
mod scheduler;
mod seed;
mod shape;
mod table;
mod timeline;
mod trace;
mod trial;
mod workload;

use std::process::ExitCode;

use options::Command;

fn main() -> ExitCode {
    match Command::from_command_line() {
        Command::Run(options) if options.trace_time => timeline::run(&options),
        Command::Run(options) => experiment::run(&options),
        Command::Table(options) => table::run(&options),
    }
}

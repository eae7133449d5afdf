//! Does one operation so many times, for `valgrind` to count its instructions.
//!
//! `operate <operation> <times>`; without arguments it names the operations. It has one thread, and of
//! the peers only those that two reads are measured against, each counted by itself.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use benches::{Forest, OPERATIONS, Operation, PEERS};

/// No operation is done more often. So many consumers are there at once before anything is counted, so
/// that nothing has to grow later.
const MOST: usize = 16_384;

fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(PEERS.iter().map(|(peer, _)| peer))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = arguments.as_slice() else {
        all().for_each(|operation| println!("{}", operation.name));
        return ExitCode::SUCCESS;
    };
    let operation = all().find(|operation| operation.name == name);
    let (Some(operation), Ok(times @ ..=MOST)) = (operation, times.parse()) else {
        eprintln!("usage: operate <operation> <times up to {MOST}>");
        return ExitCode::from(2);
    };
    let mut forest = Forest::default();
    // That is the same however often the operation is done, so that the caller can subtract it.
    let prepare = match operation.before {
        Some(before) => [Some(before), None],
        None => [Some(operation.run), operation.after],
    };
    for step in prepare.into_iter().flatten() {
        (0..MOST).for_each(|number| step(&mut forest, number));
    }
    (0..times).for_each(|number| (operation.run)(&mut forest, number));
    // What dropping everything costs is not part of an operation.
    std::mem::forget(forest);
    ExitCode::SUCCESS
}

//! Measures `provider-tree` beside what one would write without it.
//!
//! Ours and the peers run alternately in this process, which allocates with one allocator; another
//! process with the other one adds its results. `cargo xtask bench` builds and runs both.
#![forbid(unsafe_code)]

mod count;
mod floors;
mod measure;
mod peer;
mod random;
mod report;
mod results;
mod stopper;
mod workload;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use report::{json, page, table};
use results::{Extent, Run};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ALLOCATOR_NAME: &str = if cfg!(feature = "mimalloc") { "mimalloc" } else { "system" };

/// Throughput, latency and instruction counts of provider-tree, beside peers.
#[derive(Parser, Debug)]
#[command(name = "bench", bin_name = "cargo xtask bench")]
struct Options {
    /// One round of a few milliseconds each: shows that everything runs, and nothing else
    #[arg(long)]
    brief: bool,

    /// How often ours and the peers take turns [default: 9]
    #[arg(long, value_name = "N", conflicts_with = "brief",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,

    /// How long each turn is
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100, conflicts_with = "brief",
          value_parser = clap::value_parser!(u16).range(1..))]
    length: u16,

    /// Only the workloads whose names contain this
    #[arg(long, value_name = "SUBSTRING")]
    workload: Option<String>,

    /// Only ours and the peers whose names contain this: those of one name take turns with ours alone
    #[arg(long, value_name = "SUBSTRING")]
    peer: Option<String>,

    /// At these numbers of threads [default: 1,2,4,16]
    #[arg(long, value_name = "N,N", value_delimiter = ',', conflicts_with = "brief",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<Vec<u16>>,

    /// Name the workloads and end
    #[arg(long)]
    list: bool,

    /// Where bench.json goes
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,

    /// Add to the results that are there
    #[arg(long, hide = true)]
    append: bool,

    /// Count instructions per operation with valgrind instead
    #[arg(long, conflicts_with_all = COMPARING)]
    count: bool,

    /// Count, and fail if an operation has grown by more than 5 % over benches/side_by_side/counts.json
    #[arg(long, conflicts_with_all = COMPARING, conflicts_with = "update")]
    check: bool,

    /// Count, and write benches/side_by_side/counts.json
    #[arg(long, conflicts_with_all = COMPARING)]
    update: bool,
}

/// What says nothing where instructions are counted.
const COMPARING: [&str; 7] = ["brief", "rounds", "length", "workload", "peer", "threads", "list"];

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.count || options.check || options.update {
        true => count::run(options.check, options.update).map(|()| ExitCode::SUCCESS),
        false => compare(&options),
    };
    match done {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<ExitCode, String> {
    let mut workloads = workload::all(options.brief);
    if let Some(part) = &options.workload {
        workloads.retain(|workload| workload.name.contains(part));
        if workloads.is_empty() {
            return Err(format!("no workload's name contains `{part}`"));
        }
    }
    if options.list {
        workloads.iter().for_each(|workload| println!("{:58} {}", workload.name, workload.call));
        return Ok(ExitCode::SUCCESS);
    }
    if workloads.iter().any(|workload| workload.stops) {
        if let Some(code) = stopper::become_parent() {
            return Ok(code);
        }
        if let Some(fault) = stopper::fault() {
            let able = |workload: &workload::Workload| !workload.stops;
            workloads.iter().filter(|it| it.stops).for_each(|it| {
                println!("{}: not run, since no thread can be stopped here: {fault}", it.name);
            });
            workloads.retain(able);
        }
    }
    let mut extent = match options.brief {
        true => Extent::brief(),
        false => Extent::full(
            options.rounds.map_or(floors::ROUNDS, usize::from),
            Duration::from_millis(options.length.into()),
        ),
    };
    extent.peer = options.peer.clone().unwrap_or_default();
    if let Some(threads) = &options.threads {
        extent.threads = threads.iter().copied().map(usize::from).collect();
    }
    fs::create_dir_all(&options.out).map_err(|error| json::fault(&options.out, &error))?;
    let mut runs = if options.append { json::read(&options.out)? } else { Vec::new() };
    println!("{}", table::header(ALLOCATOR_NAME));
    let each = |line: &results::Line| println!("{}", table::line(line));
    runs.push(Run::measure(ALLOCATOR_NAME, &extent, &workloads, each));
    json::write(&options.out, &runs)?;
    print!("{}", table::floors(&runs));
    print!("{}", table::sides());
    if options.brief {
        println!("\nSo short a run shows only that everything works: its figures mean nothing.");
    } else if extent.rounds < floors::ROUNDS {
        println!("\nFewer than {} rounds are not judged by the floors.", floors::ROUNDS);
    }
    println!("\nwritten: {}", options.out.join(json::FILE).display());
    for picture in page::write(&options.out, &runs)? {
        println!("written: {}", picture.display());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(words: &[&str]) -> bool {
        Options::try_parse_from([&["bench"], words].concat()).is_ok()
    }

    #[test]
    fn counting_is_asked_for_by_any_of_its_options_and_goes_with_no_other() {
        for words in [["--count"], ["--check"], ["--update"]] {
            assert!(accepted(&words), "{words:?}");
            assert!(!accepted(&[words[0], "--brief"]), "{words:?}");
        }
        assert!(accepted(&["--count", "--check"]));
        assert!(!accepted(&["--check", "--update"]));
    }

    #[test]
    fn a_run_has_rounds_of_some_length() {
        assert!(accepted(&["--rounds", "9", "--length", "200", "--workload", "claim"]));
        assert!(!accepted(&["--rounds", "0"]) && !accepted(&["--length", "0"]));
    }
}

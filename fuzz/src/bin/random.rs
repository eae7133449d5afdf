//! Both targets on random bytes, for machines without a C++ compiler: `random <target> <seconds>`,
//! and `random example` prints a dump for the corpus.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (target, seconds) = match words[..] {
        ["example"] => {
            return match std::io::stdout().write_all(&fuzz::example()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        ["operations", seconds] => (fuzz::operations as fn(&[u8]), seconds.parse()),
        ["dump", seconds] => (fuzz::dump as fn(&[u8]), seconds.parse()),
        _ => {
            eprintln!("usage: random example | random (operations | dump) SECONDS");
            return ExitCode::from(2);
        }
    };
    let Ok(seconds) = seconds else { return ExitCode::from(2) };
    let begin = Instant::now();
    let mut runs = 0_u64;
    while begin.elapsed() < Duration::from_secs(seconds) {
        target(&bytes(runs));
        runs += 1;
    }
    println!("Done {runs} runs in {seconds} second(s)");
    ExitCode::SUCCESS
}

/// The input of a run: the same each time.
fn bytes(run: u64) -> Vec<u8> {
    let mut state = run.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    // Neighbouring numbers give much the same bits at first.
    for _ in 0..64 {
        next();
    }
    let length = next() as usize % 2_000;
    (0..length).map(|_| (next() >> 32) as u8).collect()
}

//! What does it cost to find where something fits, claim it and release it again?
//!
//! `cargo bench --bench search`. Hosts of two NUMA nodes with four GPUs each; jobs of cpu, memory
//! and one, two or four GPUs of one model on one node. Each thread releases one of its jobs at
//! random and places a new one, which is a decision. Beside our views there is what one would
//! write without them. All sides get the same jobs from the same seeds and take turns in each
//! round; ratios are medians over the rounds. Then what a view costs by itself.
//!
//! Behind `--` there may be the names of parts (`decisions`, `spreading`, `candidates`, `refresh`, `scores`,
//! `build`, `beside`), and `--large` for 100,000 hosts. With `--test` everything runs once,
//! briefly, and the sides are checked against each other.

#![expect(clippy::disallowed_types, reason = "the flags belong to the benchmark")]

mod cluster;
mod decisions;
mod figures;
mod ours;
mod peers;
mod side;
mod spreading;
mod view;

use std::time::Duration;

use crate::decisions::decisions;
use crate::spreading::spreading;
use crate::view::{beside, builds, candidates, refreshes, scores};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    let parts: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|it| *it == part);
    let extent = match (is_given("--test"), is_given("--large")) {
        (true, _) => Extent::BRIEF,
        (false, true) => Extent { sizes: &[100_000], ..Extent::WHOLE },
        (false, false) => Extent::WHOLE,
    };
    for &hosts in extent.sizes {
        if wants("decisions") {
            decisions(&extent, hosts);
        }
        if wants("spreading") {
            spreading(&extent, hosts);
        }
        if wants("candidates") {
            candidates(&extent, hosts);
        }
        if wants("refresh") {
            refreshes(&extent, hosts);
        }
        if wants("scores") {
            scores(&extent, hosts);
        }
        if wants("build") {
            builds(&extent, hosts);
        }
        if wants("beside") {
            beside(&extent, hosts);
        }
    }
}

/// Says how much is measured.
struct Extent {
    is_brief: bool,
    sizes: &'static [usize],
    rounds: usize,
    /// Of a side's turn in a round.
    length: Duration,
    /// Of what is timed call by call.
    repeats: usize,
}

impl Extent {
    const WHOLE: Extent = Extent {
        is_brief: false,
        sizes: &[1_000, 10_000],
        rounds: 7,
        length: Duration::from_millis(200),
        repeats: 10_000,
    };
    const BRIEF: Extent = Extent {
        is_brief: true,
        sizes: &[100],
        rounds: 1,
        length: Duration::from_millis(4),
        repeats: 10,
    };
}

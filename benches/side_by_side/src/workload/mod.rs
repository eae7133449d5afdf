//! What is done with ours and with the peers. Each workload is built when its turn comes, and
//! dropped after it, so that one forest at a time is in memory.

mod claim;
mod index;
mod lookup;
mod mixed;
mod read;
mod scheduler;
mod snapshot;
mod take;

use crate::measure::Side;
use crate::peer::{JOB, Line};
use crate::random::Skew;

/// As many providers as a cell of a large cloud has hosts.
const PROVIDERS: usize = 8192;

/// So few that two threads meet all the time.
const HOT: usize = 4;

/// How calls spread over providers: a name, how many there are, and how one is chosen.
const SPREADS: [(&str, usize, Skew); 3] = [
    ("uniform", PROVIDERS, Skew::Uniform),
    ("Zipf 0.99", PROVIDERS, Skew::Zipf),
    ("4 hot", HOT, Skew::Uniform),
];

/// What a job takes of a host. Nothing is refused: for that, 96 threads would have to meet.
fn job(provider: usize) -> [Line; 3] {
    [0, 1, 2].map(|class| Line { provider, class, amount: JOB[class] })
}

/// One line of the comparison at each number of threads.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// What one call is.
    pub(crate) call: &'static str,
    /// Whether it stops a thread, which not every system allows.
    pub(crate) stops: bool,
    build: Box<dyn Fn() -> Vec<Side>>,
}

impl Workload {
    fn new(
        name: impl Into<String>,
        call: &'static str,
        build: impl Fn() -> Vec<Side> + 'static,
    ) -> Self {
        Workload { name: name.into(), call, stops: false, build: Box::new(build) }
    }

    fn stopping(self) -> Self {
        Workload { stops: true, ..self }
    }

    /// Ours comes first.
    pub(crate) fn sides(&self) -> Vec<Side> {
        (self.build)()
    }
}

/// All of them, in the order of the report; `brief` if it matters only that they run.
pub(crate) fn all(brief: bool) -> Vec<Workload> {
    let mut all = lookup::all();
    all.extend(read::all());
    all.extend(take::all());
    all.extend(claim::all());
    all.extend(mixed::all());
    all.extend(snapshot::all());
    all.extend(index::all());
    // These fill their hosts before, which takes longer than a brief run.
    all.extend(scheduler::all(if brief { PROVIDERS / 32 } else { PROVIDERS }));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_differ() {
        let all = all(true);
        let names: BTreeSet<_> = all.iter().map(|workload| &workload.name).collect();
        assert_eq!(names.len(), all.len());
    }
}

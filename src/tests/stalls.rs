//! Lock-freedom: a thread parked for ever inside a protocol stops no other.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use uuid::Uuid;

use crate::ProviderSpec;
use crate::step::{Step, with_steps};
use crate::tests::books::find_leaks;
use crate::tests::cluster::{Cluster, VCPU, assert_sound, everything_else};
use crate::tests::halts::{Operation, halts, on_the_way};

/// Bounds every call, far beyond what any takes: a thread that exceeds it waits for another.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Represents a thread parked inside an operation.
pub(super) struct Parked {
    go_on: Sender<()>,
    thread: JoinHandle<()>,
}

impl Parked {
    /// Runs `operation` in a thread of its own up to the halt. Returns `None` if the operation
    /// ended without reaching the halt.
    pub(super) fn at(
        cluster: &Arc<Cluster>,
        operation: Operation,
        step: Step,
        count: usize,
    ) -> Option<Parked> {
        let (tree, mut left) = (cluster.tree.clone(), count);
        Parked::when(cluster, operation, move |reached| {
            on_the_way(&tree, step, reached);
            left = left.saturating_sub(usize::from(reached == step));
            left == 0
        })
    }

    /// Runs `operation` in a thread of its own up to the first step at which `is_there` returns
    /// true. Returns `None` if the operation ended without reaching such a step.
    fn when(
        cluster: &Arc<Cluster>,
        operation: Operation,
        mut is_there: impl FnMut(Step) -> bool + Send + 'static,
    ) -> Option<Parked> {
        let (parked, is_parked) = channel();
        let (go_on, may_go_on) = channel();
        let cluster = Arc::clone(cluster);
        let thread = thread::spawn(move || {
            let visit = move |reached| {
                if is_there(reached) && parked.send(()).is_ok() {
                    // The thread is parked until the test has seen what it wants to see. It passes
                    // later halts, since the other end of the channel is gone.
                    let _ = may_go_on.recv();
                }
            };
            with_steps(visit, || operation(&cluster));
        });
        match is_parked.recv_timeout(FOR_EVER) {
            Ok(()) => Some(Parked { go_on, thread }),
            Err(_) => {
                thread.join().expect("an operation that never halts succeeds");
                None
            }
        }
    }

    pub(super) fn go_on(self) {
        drop(self.go_on);
        // The thread may find its keys taken or its provider removed by now, and say so by a panic.
        let _ = self.thread.join();
    }
}

/// Runs `body` in a thread of its own, and fails if `body` does not come to an end.
pub(super) fn must_end(halt: &str, cluster: &Arc<Cluster>, body: fn(&Cluster)) {
    let (done, is_done) = channel();
    let cluster = Arc::clone(cluster);
    let thread = thread::spawn(move || {
        body(&cluster);
        let _ = done.send(());
    });
    if is_done.recv_timeout(FOR_EVER).is_err() {
        assert!(thread.is_finished(), "{halt}: others wait for the parked thread");
    }
    if let Err(panic) = thread.join() {
        eprintln!("{halt}: others failed");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn one_parked_thread_stops_nobody() {
    for (halt, operation, step, count) in halts() {
        let cluster = Arc::new(Cluster::new());
        let parked = Parked::at(&cluster, operation, step, count)
            .unwrap_or_else(|| panic!("{halt} is never reached"));
        must_end(&halt, &cluster, everything_else);
        must_end(&halt, &cluster, everything_else);
        parked.go_on();
        assert_sound(&cluster, &halt);
        assert_eq!(find_leaks(&cluster.tree), [""; 0], "{halt}");
    }
}

/// Parks a transaction over many cells, which reaches its steps many times, and after some losses
/// requests quiet.
#[test]
fn a_large_parked_transaction_stops_nobody() {
    const BELOW: u128 = 100;
    let steps = [
        (Step::Prepared, 1),
        (Step::Published, 1),
        (Step::Installed, 1),
        (Step::Installed, 150),
        (Step::Timed, 1),
        (Step::Decided, 1),
        (Step::Released, 1),
        (Step::Released, 150),
    ];
    for (losses, (step, count)) in [0, 2].into_iter().flat_map(|it| steps.map(|at| (it, at))) {
        let halt = format!("large, {losses} losses, at {step:?} {count}");
        let cluster = Arc::new(Cluster::new());
        let Cluster { tree, leaf, .. } = &*cluster;
        let below = |number| {
            ProviderSpec::new(Uuid::from_u128(1_000 + number), format!("below-{number}"))
                .with_parent(leaf.uuid())
        };
        tree.populate(&(0..BELOW).map(below).collect::<Vec<_>>()).unwrap();
        let (tree, leaf) = (tree.clone(), *leaf);
        let (mut attempts, mut left): (_, usize) = (0, count);
        let is_there = move |reached| {
            attempts += usize::from(reached == Step::Prepared);
            if attempts <= losses {
                if reached == Step::Prepared {
                    tree.worker().unwrap().take(&leaf, &[(VCPU, 1)]).unwrap();
                }
                return false;
            }
            left = left.saturating_sub(usize::from(reached == step));
            left == 0
        };
        let cordon: Operation = |cluster| assert!(cluster.tree.cordon(&cluster.leaf).unwrap());
        let parked = Parked::when(&cluster, cordon, is_there)
            .unwrap_or_else(|| panic!("{halt} is never reached"));
        must_end(&halt, &cluster, everything_else);
        must_end(&halt, &cluster, everything_else);
        parked.go_on();
        assert_sound(&cluster, &halt);
    }
}

#[test]
fn three_parked_threads_stop_nobody() {
    let halts: Vec<_> = halts().collect();
    for (index, first) in halts.iter().enumerate() {
        let cluster = Arc::new(Cluster::new());
        // Of three operations, a later one may have to help, or to refuse, an earlier one.
        let chosen = [first, &halts[index * 7 % halts.len()], &halts[index * 13 % halts.len()]];
        let names = chosen.map(|(name, ..)| &**name).join(", ");
        let parked: Vec<_> = chosen
            .into_iter()
            .filter_map(|&(_, operation, step, count)| {
                let operation = std::panic::AssertUnwindSafe(operation);
                let attempt = || Parked::at(&cluster, *operation, step, count);
                // An operation that is refused because of an earlier one does not count.
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).ok().flatten()
            })
            .collect();
        assert!(!parked.is_empty(), "{names}: none parked");
        must_end(&names, &cluster, everything_else);
        must_end(&names, &cluster, everything_else);
        parked.into_iter().for_each(Parked::go_on);
        assert_sound(&cluster, &names);
        assert_eq!(find_leaks(&cluster.tree), [""; 0], "{names}");
    }
}

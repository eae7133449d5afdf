//! Lock-freedom: a thread parked for good inside a protocol stops nobody.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::step::{Step, with_steps};
use crate::tests::books::find_leaks;
use crate::tests::halts::{Cluster, Operation, assert_sound, everything_else, halts, on_the_way};

/// Far beyond what anything here takes: who exceeds it waits for somebody.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A thread parked inside an operation.
struct Parked {
    go_on: Sender<()>,
    thread: JoinHandle<()>,
}

impl Parked {
    /// Runs `operation` in a thread of its own up to the halt. None if the operation ended
    /// without it.
    fn at(
        cluster: &Arc<Cluster>,
        operation: Operation,
        step: Step,
        count: usize,
    ) -> Option<Parked> {
        let (parked, is_parked) = channel();
        let (go_on, may_go_on) = channel();
        let cluster = Arc::clone(cluster);
        let thread = thread::spawn(move || {
            let mut left = count;
            let tree = cluster.tree.clone();
            let visit = move |reached| {
                on_the_way(&tree, step, reached);
                left = left.saturating_sub(usize::from(reached == step));
                if left == 0 && parked.send(()).is_ok() {
                    // Parked until the test has seen what it wants to see. Later halts pass: the
                    // other end is gone.
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

    fn go_on(self) {
        drop(self.go_on);
        // It may find its keys taken or its provider gone by now, and say so by a panic.
        let _ = self.thread.join();
    }
}

/// Runs `body` in a thread of its own, and fails if it does not come to an end.
fn must_end(halt: &str, cluster: &Arc<Cluster>, body: fn(&Cluster)) {
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

#[test]
fn three_parked_threads_stop_nobody() {
    let halts: Vec<_> = halts().collect();
    for (index, first) in halts.iter().enumerate() {
        let cluster = Arc::new(Cluster::new());
        // Three operations of which a later one may have to help, or to refuse, an earlier one.
        let chosen = [first, &halts[index * 7 % halts.len()], &halts[index * 13 % halts.len()]];
        let names = chosen.map(|(name, ..)| &**name).join(", ");
        let parked: Vec<_> = chosen
            .into_iter()
            .filter_map(|&(_, operation, step, count)| {
                let operation = std::panic::AssertUnwindSafe(operation);
                let attempt = || Parked::at(&cluster, *operation, step, count);
                // Refused by what the earlier one has done: then it does not count.
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

//! Panics: a thread that unwinds at any step leaves the forest sound and stops nobody.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::step::with_steps;
use crate::tests::cluster::{Cluster, assert_sound, everything_else};
use crate::tests::halts::{halts, on_the_way};

struct Injected;

#[test]
fn a_panic_at_any_step_leaves_the_forest_sound() {
    for (halt, operation, step, count) in halts() {
        let cluster = Cluster::new();
        let mut left = count;
        let tree = cluster.tree.clone();
        let visit = move |reached| {
            on_the_way(&tree, step, reached);
            left -= usize::from(reached == step);
            if left == 0 {
                resume_unwind(Box::new(Injected));
            }
        };
        let unwound = catch_unwind(AssertUnwindSafe(|| with_steps(visit, || operation(&cluster))));
        match unwound {
            Err(panic) if panic.is::<Injected>() => {}
            Err(panic) => resume_unwind(panic),
            // No operation ends before its halt: the last step of all is reached when a worker is
            // dropped, and nothing is left to do then.
            Ok(()) => panic!("{halt} is never reached"),
        }
        everything_else(&cluster);
        everything_else(&cluster);
        assert_sound(&cluster, &halt);
    }
}
